# SPDX-License-Identifier: GPL-3.0-or-later
"""blip-2: a tower, a Q-Former over learned queries, and OPT or Llama, before whose words the queries
stand. No chat template: a conversation is one question about one picture, and its answer, which goes
on behind it. Nothing is dropped at random here: Luthier leaves dropouts of the model's own out."""
import torch
from transformers import (Blip2Config, Blip2ForConditionalGeneration, Blip2Processor,
                          Blip2QFormerConfig, Blip2VisionConfig, LlamaConfig, OPTConfig)
from transformers.image_utils import load_image
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

import tokenizers_
from families.base import (Family, Plan, Spec, full_plan, ids_of, make_tokenizer,
                           old_processor_files, randomise, read, towers_plan, write)

TOWER = dict(hidden_size=32, intermediate_size=56, num_attention_heads=4, num_hidden_layers=2,
             image_size=32, patch_size=8)
TEXT = dict(hidden_size=48, ffn_dim=80, num_hidden_layers=2, num_attention_heads=4, dropout=0.0)
QFORMER = dict(hidden_size=40, num_hidden_layers=3, num_attention_heads=4, intermediate_size=72,
               hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
ONE_PICTURE = ("plain", "korean", "large", "banner", "kinds", "rest", "more")

SPECS = {
    "blip_2-plain": Spec(TOWER, OPTConfig, TEXT, "opt", None,
                         dict(num_query_tokens=5, qformer=QFORMER), conversations=ONE_PICTURE),
    # no biases of queries and values, every layer and every third look across, another activation
    "blip_2-llama": Spec(
        {**TOWER, "qkv_bias": False, "image_size": 42, "patch_size": 14, "hidden_act": "quick_gelu",
         "layer_norm_eps": 1e-3, "num_hidden_layers": 3}, LlamaConfig,
        dict(hidden_size=64, intermediate_size=80, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2), "llama_bos", None,
        dict(num_query_tokens=7, qformer={**QFORMER, "hidden_size": 32, "layer_norm_eps": 1e-5,
                                          "cross_attention_frequency": 1, "hidden_act": "relu",
                                          "num_attention_heads": 2}),
        dict(resample=2), dtype="bfloat16", conversations=("plain", "korean", "rest")),
    "blip_2-old": Spec(
        TOWER, OPTConfig, {**TEXT, "num_attention_heads": 3, "activation_function": "gelu",
                           "tie_word_embeddings": False}, "opt", None,
        dict(num_query_tokens=3, qformer={**QFORMER, "num_hidden_layers": 4,
                                          "cross_attention_frequency": 3, "hidden_size": 32}),
        dtype="float16", shard="60KB", old_layout=True, conversations=("plain", "korean")),
}

KINDS = {
    "linear": dict(r=4, lora_alpha=8, target_modules="all-linear"),
    "towers": dict(r=3, lora_alpha=6, target_modules=(
        r".*(vision_model\.encoder\.layers\.\d+\.(self_attn\.qkv|mlp\.fc2)"
        r"|qformer\.encoder\.layer\.\d+\.(attention\.attention\.query|crossattention\.attention"
        r"\.value|intermediate_query\.dense)|language_projection"
        r"|language_model\.model\.(decoder\.)?layers\.\d+\.self_attn\.[qv]_proj)")),
    "regex": dict(r=5, lora_alpha=10,
                  target_modules=r".*language_model\..*layers\.\d+\.self_attn\.[qv]_proj"),
    "attention": dict(r=4, lora_alpha=8, target_modules=["q_proj", "k_proj", "v_proj", "out_proj"]),
}


def joined(message):
    return "".join(part["text"] for part in message["content"] if part["type"] == "text")


def drawn(model, seed, embedding):
    """Norms of BERT's names are norms, and queries are unlike one another."""
    randomise(model, seed=seed, embedding=embedding)
    if model.query_tokens.is_meta:      # shapes alone
        return
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if key.endswith("LayerNorm.weight"):
                parameter.copy_(1 + parameter)
        shape = model.query_tokens.shape
        model.query_tokens.copy_(torch.randn(shape, generator=generator))


class Blip2(Family):
    model_type = "blip-2"
    model_class, processor_class = Blip2ForConditionalGeneration, Blip2Processor
    parts = {"vision_tower": "vision_model.",
             "projector": ("query_tokens", "qformer.", "language_projection."),
             "language_model": "language_model."}
    embedding = "language_model.model.decoder.embed_tokens.weight"
    specs, kinds = SPECS, KINDS
    larger = Spec({**TOWER, "hidden_size": 96, "intermediate_size": 256, "num_hidden_layers": 3},
                  OPTConfig, {**TEXT, "hidden_size": 192, "ffn_dim": 512, "num_hidden_layers": 4},
                  "opt", None,
                  dict(num_query_tokens=16, qformer={**QFORMER, "hidden_size": 128,
                                                     "intermediate_size": 384}))
    pictures, needs_picture, answer = "single", True, 40
    adapters = (("blip_2-plain", "linear", "new"), ("blip_2-llama", "towers", "new"),
                ("blip_2-old", "regex", "new"))
    tied = ("blip_2-plain",)
    merges = (("blip_2-plain", "towers"), ("blip_2-llama", "linear"))
    generates = tuple((name, conversation) for name in SPECS
                      for conversation in ("plain", "korean"))
    compared = ("blip_2-plain",)
    informed = tuple(SPECS)
    tokenized = ("blip_2-plain",)
    seldom = ("forward/blip_2-plain/large", "forward/blip_2-plain/banner",
              "generate/blip_2-plain/korean")
    plans = {
        "blip_2": towers_plan("blip_2-plain", without_picture=()),
        "blip_2-recomputed": Plan("blip_2-llama", "towers", gradient_checkpointing="true",
                                  training=dict(per_device_train_batch_size=2, max_steps=4)),
        "blip_2-full": full_plan("blip_2-old"),
        # stage 2: the tower and the language model stand
        "blip_2-stage-two": Plan("blip_2-plain", strategy="freeze",
                                 freeze=dict(vision_tower=True, projector=False,
                                             language_model=True),
                                 training=dict(learning_rate=1e-3, max_steps=4)),
    }

    def encode(self, checkpoint, messages, prompt):
        question = messages[0]
        pictures = [load_image(part["path"]) for part in question["content"]
                    if part["type"] == "image"]
        out = checkpoint.processor(text=[joined(question)], images=pictures, return_tensors="pt")
        inputs = {key: out[key] for key in self.inputs}
        if prompt:
            return inputs
        tokenizer = checkpoint.processor.tokenizer
        said = joined(question)
        # Llama's tokenizer begins every text with a space of its own.
        space = " " if said and not said[-1].isspace() and tokenizer.tokenize("a") == ["a"] else ""
        ids = tokenizer(space + joined(messages[1]) + tokenizer.eos_token, return_tensors="pt",
                        add_special_tokens=False)["input_ids"]
        inputs["input_ids"] = torch.cat([inputs["input_ids"], ids], 1)
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        return inputs

    def example(self, checkpoint, messages):
        whole = self.encode(checkpoint, messages, False)
        asked = self.encode(checkpoint, messages, True)["input_ids"].shape[1]
        labels = whole["input_ids"].clone()
        labels[:, :asked] = -100
        return whole | {"labels": labels}

    def image_token_id(self, checkpoint):
        return checkpoint.processor.tokenizer.convert_tokens_to_ids("<image>")

    def silent(self, name):
        return name.endswith(("attention.key.bias", "decoder.k_proj.bias")) or (
            "decoder.layers" in name and name.endswith("k_proj.bias"))

    def felt(self, spec, name, tensor):
        """A tower's softmax does not feel the keys' part of the bias."""
        if not name.endswith("qkv.bias"):
            return tensor
        query, _, value = tensor.chunk(3)
        return torch.cat([query, value])

    def build(self, spec, name, scratch):
        if spec.tokenizer == "opt":
            tokenizer = tokenizers_.opt_tokenizer(tokens=["<image>"])
        else:
            tokenizer = make_tokenizer(spec.tokenizer, scratch)
        text = spec.text(**{"vocab_size": len(tokenizer) + 3, "max_position_embeddings": 1024,
                            **ids_of(tokenizer), **spec.text_options})
        settings = dict(spec.model)
        qformer = Blip2QFormerConfig(**settings.pop("qformer"))
        config = Blip2Config(vision_config=Blip2VisionConfig(**spec.tower).to_dict(),
                             qformer_config=qformer.to_dict(), text_config=text.to_dict(),
                             image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
                             **settings)
        model = Blip2ForConditionalGeneration(config)
        drawn(model, sum(name.encode()), 0.2 if text.tie_word_embeddings else 0.6)
        side = config.vision_config.image_size
        pictures = BlipImageProcessorPil(size={"height": side, "width": side}, **spec.picture)
        return model, Blip2Processor(pictures, tokenizer,
                                     num_query_tokens=config.num_query_tokens)

    def finish(self, path, spec):
        super().finish(path, spec)
        # The language model is asked by itself and goes by its own section: this is left unread.
        write(path / "generation_config.json", read(path / "generation_config.json") | {
            "repetition_penalty": 1.4, "no_repeat_ngram_size": 2})
        if not spec.old_layout:
            return
        config = read(path / "config.json")
        for key in ("initializer_range", "image_text_hidden_size"):
            config.pop(key, None)
        write(path / "config.json", config | {"torch_dtype": config.pop("dtype"),
                                              "transformers_version": "4.47.0"})
        old_processor_files(path, "BlipImageProcessor", "Blip2Processor")

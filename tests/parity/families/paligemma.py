# SPDX-License-Identifier: GPL-3.0-or-later
"""paligemma: a SigLIP tower and one linear layer before Gemma or Gemma 2. No chat template: a
conversation is one question and its answer, which
the processor takes as prefix and suffix. The prefix is all pictures of the question, then all its
text; it is seen both ways."""
from transformers import (Gemma2Config, GemmaConfig, PaliGemmaConfig,
                          PaliGemmaForConditionalGeneration, PaliGemmaProcessor,
                          SiglipImageProcessorPil, SiglipVisionConfig)
from transformers.image_utils import load_image

import tokenizers_
from families.base import (WIDE_TEXT, WIDE_TOWER, FirstLayout, Plan, Spec, full_plan, ids_of,
                           old_processor_files, randomise, read,
                           towers_plan, write)

TOWER = dict(hidden_size=32, intermediate_size=56, num_attention_heads=4, num_hidden_layers=2,
             image_size=32, patch_size=8, vision_use_head=False)
TEXT = dict(hidden_size=48, intermediate_size=80, num_hidden_layers=3, num_attention_heads=4,
            num_key_value_heads=1, head_dim=16)
ONE_TURN = ("plain", "korean", "kinds", "more", "rest")

SPECS = {
    "paligemma-plain": Spec(TOWER, GemmaConfig, {**TEXT}, "gemma", None, conversations=ONE_TURN),
    "paligemma-untied": Spec(
        {**TOWER, "image_size": 42, "patch_size": 14, "layer_norm_eps": 1e-3, "hidden_act": "gelu",
         "num_attention_heads": 2}, GemmaConfig,
        {**TEXT, "num_key_value_heads": 4, "head_dim": 10, "attention_bias": True,
         "hidden_act": "gelu", "rms_norm_eps": 1e-4,
         "rope_parameters": dict(rope_type="linear", rope_theta=2e4, factor=3.0)},
        "gemma", None, dict(tie_word_embeddings=False), dict(resample=2), names="native",
        dtype="bfloat16", shard="100KB", conversations=ONE_TURN),
    "paligemma-old": Spec(
        {**TOWER, "num_hidden_layers": 3}, GemmaConfig,
        {**TEXT, "num_attention_heads": 2, "head_dim": 256}, "gemma", None, dtype="float16",
        names="old", old_layout=True, conversations=("plain", "korean", "rest")),
    # Gemma 2's caps on attention are left out silently by transformers' default kernels; the model
    # as trained has them, so the oracle is eager.
    # Its cap on the logits is left out by PaliGemmaForConditionalGeneration whatever the kernel.
    "paligemma-two": Spec(
        TOWER, Gemma2Config, {**TEXT, "num_key_value_heads": 2, "query_pre_attn_scalar": 10,
                              "attn_logit_softcapping": 2.0,
                              "final_logit_softcapping": 3.0, "sliding_window": 12,
                              "layer_types": ["sliding_attention", "full_attention",
                                              "sliding_attention"]},
        "gemma", None, attention="eager", conversations=ONE_TURN),
    "paligemma-two-uncapped": Spec(
        {**TOWER, "image_size": 24}, Gemma2Config,
        {**TEXT, "num_hidden_layers": 4, "num_key_value_heads": 4, "head_dim": 32,
         "query_pre_attn_scalar": 24, "attn_logit_softcapping": None,
         "hidden_activation": "gelu", "sliding_window": 7,
         "rope_parameters": dict(rope_type="default", rope_theta=500.0)},
        "gemma", None, conversations=("plain", "korean", "rest")),
}

KINDS = {
    "linear": dict(r=4, lora_alpha=8, target_modules="all-linear"),
    "towers": dict(r=3, lora_alpha=6,
                   target_modules=r".*(vision_tower\.encoder\.layers\.\d+\.(self_attn\.v_proj|mlp\.fc2)"
                                                     r"|multi_modal_projector\.linear"
                                                     r"|language_model\.layers\.\d+\.(self_attn\.[qo]_proj|mlp\.up_proj))"),
    "regex": dict(r=5, lora_alpha=10,
                  target_modules=r".*language_model\.layers\.\d+\.self_attn\.[qv]_proj"),
    "attention": dict(r=4, lora_alpha=8, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"]),
}


class PaliGemma(FirstLayout):
    model_type = "paligemma"
    model_class, processor_class = PaliGemmaForConditionalGeneration, PaliGemmaProcessor
    inputs = ("input_ids", "attention_mask", "pixel_values", "token_type_ids")
    specs, kinds = SPECS, KINDS
    larger = Spec({**TOWER, **WIDE_TOWER}, GemmaConfig, {**TEXT, **WIDE_TEXT, "head_dim": 48},
                  "gemma", None)
    needs_picture = True
    adapters = (("paligemma-plain", "linear", "new"), ("paligemma-two", "towers", "new"),
                ("paligemma-old", "regex", "old"))
    tied = ("paligemma-plain", "paligemma-old")
    merges = (("paligemma-plain", "towers"), ("paligemma-untied", "linear"))
    generates = tuple((name, conversation) for name in SPECS
                      for conversation in ("plain", "rest")) + (("paligemma-plain", "korean"),)
    compared = ("paligemma-two-uncapped",)
    informed = ("paligemma-plain", "paligemma-two", "paligemma-old")
    plans = {
        "paligemma": towers_plan("paligemma-plain", without_picture=()),
        "paligemma-linear": Plan("paligemma-two", "linear",
                                 training=dict(per_device_train_batch_size=2, shuffle=True)),
        "paligemma-full": full_plan("paligemma-untied"),
    }

    def process(self, checkpoint, question, answer):
        parts = question["content"]
        pictures = [load_image(part["path"]) for part in parts if part["type"] == "image"]
        text = "<image>" * len(pictures) + "".join(part["text"] for part in parts
                                                   if part["type"] == "text")
        suffix = {} if answer is None else {"suffix": "".join(part["text"]
                                                              for part in answer["content"])}
        return checkpoint.processor(text=[text], images=[pictures], return_tensors="pt", **suffix)

    def encode(self, checkpoint, messages, prompt):
        out = self.process(checkpoint, messages[0], None if prompt else messages[1])
        return {key: out[key] for key in self.inputs}

    def example(self, checkpoint, messages):
        return self.encode(checkpoint, messages,
                           False) | {"labels": self.process(checkpoint, *messages)["labels"]}

    def build(self, spec, name, scratch):
        tokenizer = tokenizers_.gemma_tokenizer()
        tower = SiglipVisionConfig(**spec.tower)
        size = tower.image_size
        pictures = SiglipImageProcessorPil(size={"height": size, "width": size},
                                           image_seq_length=(size // tower.patch_size) ** 2,
                                           **spec.picture)
        processor = PaliGemmaProcessor(pictures, tokenizer)
        text = spec.text(**{"vocab_size": len(tokenizer) + 3, "max_position_embeddings": 2048,
                            **ids_of(tokenizer), **spec.text_options,
                            **spec.model})
        config = PaliGemmaConfig(text_config=text, vision_config=tower,
                                 projection_dim=text.hidden_size, hidden_size=text.hidden_size,
                                 vocab_size=text.vocab_size,
                                 image_token_index=processor.image_token_id, **spec.model)
        model = PaliGemmaForConditionalGeneration(config)
        randomise(model, seed=sum(name.encode()), one_plus=True, embedding=0.06)
        return model, processor

    def finish(self, path, spec):
        super().finish(path, spec)
        if spec.old_layout:
            age_folder(path)


def age_folder(path):
    """As the hub has them: a decoder described by seven keys (so head_dim is its default, 256),
    rope_theta by its default."""
    config = read(path / "config.json")
    kept = ("hidden_size", "intermediate_size", "model_type", "num_attention_heads",
            "num_hidden_layers", "num_image_tokens",
            "num_key_value_heads", "vocab_size")
    text = {key: config["text_config"][key] for key in kept}
    tower = {key: value for key, value in config["vision_config"].items()
             if key not in ("dtype", "layer_norm_eps", "hidden_act")}
    write(path / "config.json", {
        "_vocab_size": text["vocab_size"], "architectures": config["architectures"],
        "bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0,
        "hidden_size": config["hidden_size"], "ignore_index": -100,
        "image_token_index": config["image_token_index"], "model_type": "paligemma",
        "projection_dim": config["projection_dim"],
        "text_config": {**text, "torch_dtype": "float16"}, "torch_dtype": "float16",
        "transformers_version": "4.42.0.dev0", "vision_config": tower})
    old_processor_files(path, "SiglipImageProcessor", "PaliGemmaProcessor")

# SPDX-License-Identifier: GPL-3.0-or-later
"""fuyu: patches of one picture go through one product into Persimmon's decoder. No chat template: a
conversation is one question about a picture and its answer. The processor writes the question; the
answer is tokenized as a text of its own."""
import types

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers
from transformers import FuyuConfig, FuyuForCausalLM, FuyuProcessor, PersimmonConfig
from transformers.image_utils import load_image
from transformers.models.fuyu.image_processing_pil_fuyu import FuyuImageProcessorPil
from transformers.tokenization_utils_tokenizers import TokenizersBackend

import tokenizers_
from families import persimmon
from families.base import (LLAMA, WIDE_TEXT, Family, Plan, Spec, full_plan, old_processor_files,
                           randomise, read, towers_plan, write)

TEXT = {**LLAMA, "rope_parameters": dict(rope_type="default", rope_theta=25000.0,
                                         partial_rotary_factor=0.5)}
ONE_TURN = ("plain", "korean", "large", "banner")
SPECS = {
    "fuyu-plain": Spec(None, PersimmonConfig, TEXT, "fuyu", None, dict(patch_size=8), dict(
        size=dict(height=48, width=64), patch_size=dict(height=8, width=8)),
        conversations=ONE_TURN),
    # larger patches, other means, heads without norms
    "fuyu-patches": Spec(
        None, PersimmonConfig, {**TEXT, "qk_layernorm": False, "layer_norm_eps": 1e-3,
                                "num_attention_heads": 3, "num_hidden_layers": 3}, "fuyu", None,
        dict(patch_size=14, tie_word_embeddings=True),
        dict(size=dict(height=84, width=70), patch_size=dict(height=14, width=14), resample=3,
             image_mean=[0.4, 0.5, 0.6], image_std=[0.2, 0.25, 0.3], padding_value=9.0),
        names="native", dtype="bfloat16", conversations=("plain", "banner")),
    "fuyu-old": Spec(
        None, PersimmonConfig, {**TEXT, "num_attention_heads": 2, "rope_parameters": dict(
            rope_type="linear", rope_theta=500.0, factor=2.0, partial_rotary_factor=0.25)},
        "fuyu", None, dict(patch_size=10), dict(
            size=dict(height=60, width=90), patch_size=dict(height=10, width=10)),
        dtype="float16", old_layout=True, shard="60KB", conversations=("plain", "korean")),
}

KINDS = {
    "linear": dict(r=4, lora_alpha=8, target_modules="all-linear"),
    "towers": dict(r=3, lora_alpha=6, target_modules=(
        r".*(vision_embed_tokens"
        r"|language_model\.layers\.\d+\.(self_attn\.query_key_value|mlp\.dense_4h_to_h))")),
    "regex": dict(r=5, lora_alpha=10, target_modules=(
        r".*language_model\.layers\.\d+\.self_attn\.(query_key_value|dense)")),
    "attention": dict(r=4, lora_alpha=8, target_modules=["query_key_value", "dense"]),
}


def fuyu_tokenizer():
    """Words and letters as a Unigram with bytes, whose picture marks are ordinary pieces."""
    letters = sorted(set(tokenizers_.TEXT) - set(" "))
    words = sorted({word for word in "".join(c if c.isalpha() else " "
                                             for c in tokenizers_.TEXT).split()})
    scores = {"<unk>": 0.0, "<s>": 0.0, "</s>": 0.0,
              **{f"<0x{byte:02X}>": 0.0 for byte in range(256)}, "▁": -2.0,
              "|ENDOFTEXT|": 0.0, "|SPEAKER|": 0.0, "|NEWLINE|": 0.0}
    for number, letter in enumerate(letters):
        scores.setdefault(letter, -6.0 - number * 0.01)
    for number, word in enumerate(words):
        scores.setdefault("▁" + word, -3.0 - number * 0.013)
    raw = Tokenizer(models.Unigram(list(scores.items()), unk_id=0, byte_fallback=True))
    raw.normalizer = normalizers.Sequence([normalizers.Prepend("▁"),
                                           normalizers.Replace(" ", "▁")])
    raw.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(),
                                     decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    raw.add_special_tokens([AddedToken(token, special=True, normalized=False)
                            for token in ("<unk>", "<s>", "</s>")])
    return TokenizersBackend(tokenizer_object=raw, bos_token="<s>", eos_token="</s>",
                             unk_token="<unk>", clean_up_tokenization_spaces=False)


def with_patches(model, pixel_values=None, **inputs):
    """In the place of a model's forward: the patches under the name that other families' pixels
    have, in the model's type, and with a text's first tokens alone."""
    if pixel_values is not None and (inputs["input_ids"] == model.config.image_token_id).any():
        inputs["image_patches"] = pixel_values.to(model.dtype)
    return type(model).forward(model, **inputs)


class Fuyu(Family):
    model_type = "fuyu"
    model_class, processor_class = FuyuForCausalLM, FuyuProcessor
    parts = {"projector": "model.vision_embed_tokens.",
             "language_model": ("model.language_model.", "lm_head.")}
    specs, kinds = SPECS, KINDS
    larger = Spec(None, PersimmonConfig,
                  {**TEXT, **{key: value for key, value in WIDE_TEXT.items()
                              if key != "num_key_value_heads"}}, "fuyu", None,
                  dict(patch_size=8),
                  dict(size=dict(height=96, width=128), patch_size=dict(height=8, width=8)))
    pictures, needs_picture = "single", True
    queries = ("query_key_value",)
    adapters = (("fuyu-plain", "linear", "new"), ("fuyu-patches", "towers", "new"),
                ("fuyu-old", "regex", "old"))
    tied = ("fuyu-patches",)
    merges = (("fuyu-plain", "towers"), ("fuyu-old", "linear"))
    generates = (("fuyu-plain", "plain"), ("fuyu-plain", "korean"), ("fuyu-patches", "banner"),
                 ("fuyu-old", "plain"))
    compared = ("fuyu-plain",)
    informed = tuple(SPECS)
    tokenized = ("fuyu-plain",)
    seldom = ("forward/fuyu-plain/large", "generate/fuyu-plain/korean")
    plans = {
        "fuyu": towers_plan("fuyu-plain", without_picture=()),
        "fuyu-recomputed": Plan("fuyu-patches", "towers", gradient_checkpointing="true",
                                training=dict(per_device_train_batch_size=2, max_steps=4)),
        "fuyu-full": full_plan("fuyu-old"),
    }

    def encode(self, checkpoint, messages, prompt):
        parts = messages[0]["content"]
        picture, = [load_image(part["path"]) for part in parts if part["type"] == "image"]
        question = "".join(part["text"] for part in parts if part["type"] == "text")
        out = checkpoint.processor(text=question, images=[picture], return_tensors="pt")
        # The processor leaves the patches' axis out where a picture is one patch.
        found = {"input_ids": out["input_ids"], "attention_mask": out["attention_mask"],
                 "pixel_values": torch.atleast_2d(out["image_patches"])}
        if prompt:
            return found
        answer = "".join(part["text"] for part in messages[1]["content"]) + "</s>"
        ids = checkpoint.processor.tokenizer(answer, add_special_tokens=False,
                                             return_tensors="pt")["input_ids"]
        return found | {"input_ids": torch.cat([found["input_ids"], ids], 1),
                        "attention_mask": torch.ones(1, found["input_ids"].shape[1] + ids.shape[1],
                                                     dtype=torch.int64)}

    def example(self, checkpoint, messages):
        inputs = checkpoint.encode(messages)
        prompt = checkpoint.encode(messages[:1], prompt=True)["input_ids"].shape[1]
        labels = inputs["input_ids"].clone()
        labels[:, :prompt] = -100
        return inputs | {"labels": labels}

    def build(self, spec, name, scratch):
        tokenizer = fuyu_tokenizer()
        pictures = FuyuImageProcessorPil(**spec.picture)
        processor = FuyuProcessor(pictures, tokenizer)
        text = spec.text(**{"vocab_size": len(tokenizer) + 3, "max_position_embeddings": 2048,
                            "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": None,
                            **spec.text_options})
        config = FuyuConfig(text_config=text.to_dict(), hidden_size=text.hidden_size,
                            image_token_id=processor.image_token_id, bos_token_id=1,
                            eos_token_id=2, **spec.model)
        model = FuyuForCausalLM(config)
        randomise(model, seed=sum(name.encode()),
                  embedding=0.2 if spec.model.get("tie_word_embeddings") else 0.6)
        return model, processor

    def felt(self, spec, name, tensor):
        return persimmon.felt(spec, name, tensor)

    def load_model(self, path, spec, dtype):
        model = super().load_model(path, spec, dtype)
        model.forward = types.MethodType(with_patches, model)
        return model

    def native_name(self, name):
        if name.startswith(("language_model.lm_head", "lm_head")):
            return "lm_head.weight"
        return "model." + name.removeprefix("model.").replace("language_model.model.",
                                                              "language_model.")

    def older_key(self, name):
        if name.startswith("lm_head"):
            return "language_model." + name
        return name.removeprefix("model.").replace("language_model.", "language_model.model.", 1)

    def older_pattern(self, pattern):
        return pattern.replace(r"language_model\.layers", r"language_model\.model\.layers")

    def finish(self, path, spec):
        super().finish(path, spec)
        if not spec.old_layout:
            return
        # as the hub has them: rotary settings beside the sizes, in the decoder's and above it
        config = read(path / "config.json")
        text = config["text_config"]
        rope = text.pop("rope_parameters")
        config.pop("rope_parameters", None)
        text |= {"rope_theta": rope["rope_theta"],
                 "rope_scaling": {"type": rope["rope_type"], "factor": rope["factor"]},
                 "partial_rotary_factor": rope["partial_rotary_factor"], "torch_dtype": "float16"}
        config["torch_dtype"] = config.pop("dtype")
        write(path / "config.json", config | {"transformers_version": "4.35.0.dev0"})
        old_processor_files(path, "FuyuImageProcessor", "FuyuProcessor")

# SPDX-License-Identifier: GPL-3.0-or-later
"""glm, glm4: decoders alone whose rotary positions turn neighbouring features of half a head, with a
fused MLP; glm4's layers have norms behind both halves, too."""
import dataclasses

from transformers import Glm4Config, Glm4ForCausalLM, GlmConfig, GlmForCausalLM

from families.base import CONVERSATIONS, LLAMA, WIDE_TEXT, Spec, read, write
from families.text import KINDS, TextFamily, plans_of


def half(**more):
    return dict(rope_type="default", rope_theta=1e4, partial_rotary_factor=0.5) | more


# Heads of twelve as the sizes have it would turn six features.
TEXT = {**LLAMA, "num_key_value_heads": 2, "head_dim": 16, "tie_word_embeddings": False,
        "rope_parameters": half()}
SPECS = {
    "plain": Spec(None, None, TEXT, "qwen", "chatml", conversations=(*CONVERSATIONS, "kinds")),
    # no biases, a third of a head turns
    "tied": Spec(
        None, None, {**TEXT, "num_key_value_heads": 4, "head_dim": 18, "tie_word_embeddings": True,
                     "attention_bias": False, "rms_norm_eps": 1e-4, "hidden_act": "gelu",
                     "rope_parameters": half(rope_type="yarn", factor=4.0, rope_theta=5e4,
                                             partial_rotary_factor=0.34,
                                             original_max_position_embeddings=40)},
        "qwen", "chatml", names="old", dtype="bfloat16", conversations=("plain", "several")),
    "old": Spec(
        None, None, {**TEXT, "num_key_value_heads": 1, "num_hidden_layers": 3,
                     "rope_parameters": half(rope_theta=5e5)},
        "llama_bos", "bos_turns", dtype="float16", shard="60KB", old_layout=True,
        conversations=("plain", "several")),
}


def specs_of(model_type):
    return {f"{model_type}-{name}": dataclasses.replace(spec) for name, spec in SPECS.items()}


def turned(spec, name, tensor):
    """A softmax feels a bias of keys in the features alone that turn."""
    if not name.endswith("k_proj.bias"):
        return tensor
    text = spec.text_options
    size = text.get("head_dim") or text["hidden_size"] // text["num_attention_heads"]
    share = text["rope_parameters"].get("partial_rotary_factor", 1)
    return tensor.view(-1, size)[:, :int(size * share)]


class Glm(TextFamily):
    model_type = "glm"
    config_class, model_class = GlmConfig, GlmForCausalLM
    specs = specs_of("glm")
    kinds = {**KINDS, "fused": dict(r=3, lora_alpha=6, target_modules=["gate_up_proj", "k_proj"])}
    larger = Spec(None, None, {**WIDE_TEXT, "head_dim": 48, "rope_parameters": half()}, "qwen",
                  "chatml")
    adapters = (("glm-plain", "linear", "new"), ("glm-tied", "fused", "new"),
                ("glm-old", "saved_modules", "new"))
    tied = ("glm-tied",)
    merges = (("glm-plain", "fused"), ("glm-tied", "attention"))
    generates = (("glm-plain", "plain"), ("glm-plain", "several"), ("glm-tied", "several"),
                 ("glm-old", "several"))
    compared = ("glm-old",)
    informed = tuple(specs)
    tokenized = ("glm-plain",)
    plans = plans_of("glm", "glm-plain", "glm-tied", "glm-old")

    def felt(self, spec, name, tensor):
        return turned(spec, name, tensor)

    def finish(self, path, spec):
        super().finish(path, spec)
        if not spec.old_layout:
            return
        # The share that is turned stood beside the sizes.
        config = read(path / "config.json")
        config.pop("rope_scaling")
        write(path / "config.json", config | {"partial_rotary_factor": 0.5})


class Glm4(Glm):
    model_type = "glm4"
    config_class, model_class = Glm4Config, Glm4ForCausalLM
    specs = specs_of("glm4")
    adapters = (("glm4-plain", "linear", "new"), ("glm4-tied", "fused", "new"),
                ("glm4-old", "saved_modules", "new"))
    tied = ("glm4-tied",)
    merges = (("glm4-plain", "fused"), ("glm4-tied", "attention"))
    generates = (("glm4-plain", "plain"), ("glm4-tied", "several"), ("glm4-old", "several"))
    compared = ("glm4-old",)
    informed = tuple(specs)
    tokenized = ("glm4-plain",)
    plans = plans_of("glm4", "glm4-plain", "glm4-tied", "glm4-old")

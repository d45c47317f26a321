# SPDX-License-Identifier: GPL-3.0-or-later
"""cohere2: a decoder alone whose attention and MLP read one LayerNorm side by side; its sliding
layers turn neighbouring features, its full ones know no positions; logits are scaled."""
from transformers import Cohere2Config, Cohere2ForCausalLM

from families.base import CONVERSATIONS, LLAMA, WIDE_TEXT, Spec, read, write
from families.text import TextFamily, plans_of

TEXT = {**LLAMA, "num_key_value_heads": 2, "tie_word_embeddings": False, "sliding_window": 9,
        "rope_parameters": dict(rope_type="default", rope_theta=5e4)}

SPECS = {
    # every fourth layer sees all
    "cohere2-plain": Spec(None, None, {**TEXT, "num_hidden_layers": 5, "logit_scale": 0.25},
                          "cohere", "cohere", conversations=(*CONVERSATIONS, "kinds")),
    "cohere2-tied": Spec(
        None, None, {**TEXT, "num_key_value_heads": 4, "tie_word_embeddings": True,
                     "attention_bias": True, "layer_norm_eps": 1e-4, "hidden_act": "gelu",
                     "logit_scale": 0.7, "layer_types": ["full_attention", "sliding_attention"],
                     "rope_parameters": dict(
                         rope_type="yarn", rope_theta=1e4, factor=4.0,
                         original_max_position_embeddings=40)},
        "qwen", "chatml", names="old", dtype="bfloat16", conversations=("plain", "several")),
    "cohere2-windows": Spec(
        None, None, {**TEXT, "num_key_value_heads": 1, "num_hidden_layers": 3,
                     "sliding_window": 5, "sliding_window_pattern": 2},
        "llama_bos", "bos_turns", dtype="float16", shard="60KB", old_layout=True,
        conversations=("plain", "several")),
}


class Cohere2(TextFamily):
    model_type = "cohere2"
    config_class, model_class = Cohere2Config, Cohere2ForCausalLM
    specs = SPECS
    larger = Spec(None, None, {**WIDE_TEXT, "tie_word_embeddings": False}, "cohere", "cohere")
    adapters = (("cohere2-plain", "linear", "new"), ("cohere2-tied", "patterns", "new"),
                ("cohere2-windows", "saved_modules", "new"))
    tied = ("cohere2-tied",)
    merges = (("cohere2-plain", "patterns"), ("cohere2-tied", "attention"))
    generates = (("cohere2-plain", "plain"), ("cohere2-plain", "several"),
                 ("cohere2-tied", "several"), ("cohere2-windows", "several"))
    compared = ("cohere2-windows",)
    informed = tuple(SPECS)
    tokenized = ("cohere2-plain",)
    plans = plans_of("cohere2", "cohere2-plain", "cohere2-tied", "cohere2-windows")

    def finish(self, path, spec):
        super().finish(path, spec)
        if not spec.old_layout:
            return
        # the pattern was a number
        config = read(path / "config.json")
        config.pop("layer_types")
        write(path / "config.json", config | {"sliding_window_pattern": 2, "use_qk_norm": False})

    def silent(self, name):
        """A bias on all keys alike where no rotation follows: cohere2-tied's first layer."""
        return name.endswith("layers.0.self_attn.k_proj.bias")

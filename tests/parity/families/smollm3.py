# SPDX-License-Identifier: GPL-3.0-or-later
"""smollm3: a decoder alone some of whose layers know no positions, and have a window where
asked."""
from transformers import SmolLM3Config, SmolLM3ForCausalLM

from families.base import CONVERSATIONS, LLAMA, WIDE_TEXT, Spec
from families.text import TextFamily, plans_of

TEXT = {**LLAMA, "num_key_value_heads": 2, "tie_word_embeddings": False, "rope_parameters": dict(
    rope_type="default", rope_theta=5e6)}

SPECS = {
    # every fourth layer
    "smollm3-plain": Spec(None, None, {**TEXT, "num_hidden_layers": 5}, "qwen", "chatml",
                          conversations=(*CONVERSATIONS, "kinds")),
    "smollm3-tied": Spec(
        None, None, {**TEXT, "num_key_value_heads": 4, "tie_word_embeddings": True,
                     "attention_bias": True, "mlp_bias": True, "rms_norm_eps": 1e-5,
                     "no_rope_layers": [0, 1], "rope_parameters": dict(
                         rope_type="yarn", rope_theta=1e4, factor=4.0,
                         original_max_position_embeddings=40)},
        "qwen", "chatml", names="old", dtype="bfloat16"),
    "smollm3-windows": Spec(
        None, None, {**TEXT, "num_key_value_heads": 1, "num_hidden_layers": 3,
                     "no_rope_layer_interval": 2, "use_sliding_window": True, "sliding_window": 7},
        "llama_bos", "bos_turns", dtype="float16", shard="60KB", old_layout=True),
}


class SmolLM3(TextFamily):
    model_type = "smollm3"
    config_class, model_class = SmolLM3Config, SmolLM3ForCausalLM
    specs = SPECS
    larger = Spec(None, None, WIDE_TEXT, "qwen", "chatml")
    adapters = (("smollm3-plain", "linear", "new"), ("smollm3-tied", "patterns", "new"),
                ("smollm3-windows", "saved_modules", "new"))
    tied = ("smollm3-tied",)
    merges = (("smollm3-plain", "patterns"), ("smollm3-tied", "attention"))
    generates = tuple((name, conversation) for name in SPECS
                      for conversation in ("plain", "several"))
    compared = ("smollm3-windows",)
    informed = tuple(SPECS)
    tokenized = ("smollm3-windows",)
    plans = plans_of("smollm3", "smollm3-plain", "smollm3-tied", "smollm3-windows")

    def silent(self, name):
        """A bias on all keys alike where no rotation follows: smollm3-tied's first layer."""
        return name.endswith("layers.0.self_attn.k_proj.bias")

# SPDX-License-Identifier: GPL-3.0-or-later
"""qwen3: a decoder alone with a norm of each head's query and key, and windows from a layer on."""
from transformers import Qwen3Config, Qwen3ForCausalLM

from families.base import CONVERSATIONS, LLAMA, WIDE_TEXT, Spec
from families.text import TextFamily, plans_of

TEXT = {**LLAMA, "num_key_value_heads": 2, "head_dim": 16, "rope_parameters": dict(
    rope_type="default", rope_theta=1e6)}

SPECS = {
    "qwen3-plain": Spec(None, None, TEXT, "qwen", "chatml",
                        conversations=(*CONVERSATIONS, "kinds")),
    "qwen3-tied": Spec(
        None, None, {**TEXT, "num_key_value_heads": 4, "tie_word_embeddings": True,
                     "attention_bias": True, "rms_norm_eps": 1e-5, "head_dim": 20,
                     "rope_parameters": dict(rope_type="yarn", rope_theta=1e4, factor=4.0,
                                             original_max_position_embeddings=40)},
        "qwen", "chatml", names="old", dtype="bfloat16"),
    "qwen3-windows": Spec(
        None, None, {**TEXT, "num_key_value_heads": 1, "num_hidden_layers": 3,
                     "use_sliding_window": True, "sliding_window": 7, "max_window_layers": 1},
        "llama_bos", "bos_turns", dtype="float16", shard="60KB", old_layout=True),
}


class Qwen3(TextFamily):
    model_type = "qwen3"
    config_class, model_class = Qwen3Config, Qwen3ForCausalLM
    specs = SPECS
    larger = Spec(None, None, WIDE_TEXT, "qwen", "chatml")
    adapters = (("qwen3-plain", "linear", "new"), ("qwen3-tied", "patterns", "new"),
                ("qwen3-windows", "saved_modules", "new"))
    tied = ("qwen3-tied",)
    merges = (("qwen3-plain", "patterns"), ("qwen3-tied", "attention"))
    generates = tuple((name, conversation) for name in SPECS
                      for conversation in ("plain", "several"))
    compared = ("qwen3-windows",)
    informed = tuple(SPECS)
    tokenized = ("qwen3-windows",)
    plans = plans_of("qwen3", "qwen3-plain", "qwen3-tied", "qwen3-windows")

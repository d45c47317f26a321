# SPDX-License-Identifier: GPL-3.0-or-later
"""qwen2: a decoder alone with biases on queries, keys and values, and windows from a layer on."""
from transformers import Qwen2Config, Qwen2ForCausalLM

from families.base import CONVERSATIONS, LLAMA, WIDE_TEXT, Spec
from families.text import TextFamily, plans_of

TEXT = {**LLAMA, "num_key_value_heads": 2, "rope_parameters": dict(
    rope_type="default", rope_theta=1e6)}

SPECS = {
    "qwen2-plain": Spec(None, None, TEXT, "qwen", "chatml",
                        conversations=(*CONVERSATIONS, "kinds")),
    "qwen2-tied": Spec(
        None, None, {**TEXT, "num_key_value_heads": 1, "tie_word_embeddings": True,
                     "rms_norm_eps": 1e-5,
                     "rope_parameters": dict(rope_type="dynamic", rope_theta=1e4, factor=3.0),
                     "max_position_embeddings": 90},
        "qwen", "chatml", dtype="bfloat16"),
    "qwen2-windows": Spec(
        None, None, {**TEXT, "num_hidden_layers": 3, "use_sliding_window": True,
                     "sliding_window": 7, "max_window_layers": 1},
        "llama_bos", "bos_turns", dtype="float16", shard="60KB", old_layout=True),
}


class Qwen2(TextFamily):
    model_type = "qwen2"
    config_class, model_class = Qwen2Config, Qwen2ForCausalLM
    specs = SPECS
    larger = Spec(None, None, WIDE_TEXT, "qwen", "chatml")
    adapters = (("qwen2-plain", "linear", "new"), ("qwen2-tied", "patterns", "new"),
                ("qwen2-windows", "saved_modules", "new"))
    tied = ("qwen2-tied",)
    merges = (("qwen2-plain", "patterns"), ("qwen2-tied", "attention"))
    generates = tuple((name, conversation) for name in SPECS
                      for conversation in ("plain", "several"))
    compared = ("qwen2-windows",)
    informed = tuple(SPECS)
    tokenized = ("qwen2-windows",)
    plans = plans_of("qwen2", "qwen2-plain", "qwen2-plain", "qwen2-windows")

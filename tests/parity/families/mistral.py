# SPDX-License-Identifier: GPL-3.0-or-later
"""mistral: a decoder alone, with a window in every layer or none, heads of any size."""
from transformers import MistralConfig, MistralForCausalLM

from families.base import CONVERSATIONS, LLAMA, WIDE_TEXT, Spec
from families.text import TextFamily, plans_of

TEXT = {**LLAMA, "num_key_value_heads": 2, "rope_parameters": dict(
    rope_type="default", rope_theta=1e6)}

SPECS = {
    "mistral-plain": Spec(None, None, {**TEXT, "sliding_window": None}, "llama_bos", "inst",
                          conversations=(*CONVERSATIONS, "kinds")),
    "mistral-tied": Spec(
        None, None, {**TEXT, "num_key_value_heads": 4, "head_dim": 20, "tie_word_embeddings": True,
                     "rms_norm_eps": 1e-4, "sliding_window": None,
                     "hidden_act": "gelu_pytorch_tanh", "rope_parameters": dict(
                         rope_type="yarn", rope_theta=1e4, factor=4.0,
                         original_max_position_embeddings=40)},
        "qwen", "chatml", names="old", dtype="bfloat16"),
    "mistral-windows": Spec(
        None, None, {**TEXT, "num_key_value_heads": 1, "num_hidden_layers": 3,
                     "sliding_window": 7},
        "llama", "inst", dtype="float16", shard="60KB", old_layout=True),
}


class Mistral(TextFamily):
    model_type = "mistral"
    config_class, model_class = MistralConfig, MistralForCausalLM
    specs = SPECS
    larger = Spec(None, None, WIDE_TEXT, "llama_bos", "vicuna")
    adapters = (("mistral-plain", "linear", "new"), ("mistral-tied", "patterns", "new"),
                ("mistral-windows", "saved_modules", "new"))
    tied = ("mistral-tied",)
    merges = (("mistral-plain", "patterns"), ("mistral-tied", "attention"))
    generates = tuple((name, conversation) for name in SPECS
                      for conversation in ("plain", "several"))
    compared = ("mistral-windows",)
    informed = tuple(SPECS)
    tokenized = ("mistral-windows",)
    plans = plans_of("mistral", "mistral-plain", "mistral-tied", "mistral-windows")

# SPDX-License-Identifier: GPL-3.0-or-later
"""llama: a decoder alone, with biases or without, its own head or the embedding's, heads of any
size, and rotary scalings."""
from transformers import LlamaConfig, LlamaForCausalLM

from families.base import CONVERSATIONS, LLAMA, LLAMA3_ROPE, WIDE_TEXT, Spec
from families.text import TextFamily, plans_of

SPECS = {
    "llama-plain": Spec(None, None, {**LLAMA, "num_key_value_heads": 2,
                                     "rope_parameters": LLAMA3_ROPE}, "llama_bos", "vicuna",
                        conversations=(*CONVERSATIONS, "kinds")),
    # saved as the decoder alone: the names lack "model.", and there is no head
    "llama-tied": Spec(
        None, None,
        {**LLAMA, "num_key_value_heads": 4, "head_dim": 20, "tie_word_embeddings": True,
         "attention_bias": True, "mlp_bias": True,
         "rms_norm_eps": 1e-4, "hidden_act": "gelu_pytorch_tanh",
         "rope_parameters": dict(rope_type="yarn", rope_theta=1e4, factor=4.0,
                                 original_max_position_embeddings=40)},
        "qwen", "chatml", names="old", dtype="bfloat16"),
    "llama-old": Spec(
        None, None, {**LLAMA, "num_key_value_heads": 1, "num_hidden_layers": 3,
                     "rope_parameters": dict(rope_type="linear", rope_theta=5000.0, factor=2.0)},
        "llama", "inst", dtype="float16", shard="60KB", old_layout=True),
}


class Llama(TextFamily):
    model_type = "llama"
    config_class, model_class = LlamaConfig, LlamaForCausalLM
    specs = SPECS
    larger = Spec(None, None, WIDE_TEXT, "llama_bos", "vicuna")
    adapters = (("llama-plain", "linear", "new"), ("llama-tied", "patterns", "new"),
                ("llama-old", "saved_modules", "new"),
                ("llama-plain", "embedding", "new"))
    tied = ("llama-tied",)
    merges = (("llama-plain", "linear"), ("llama-tied", "attention"),
              ("llama-old", "saved_modules"))
    generates = tuple((name, conversation) for name in SPECS
                      for conversation in ("plain", "several"))
    compared = ("llama-plain",)
    informed = tuple(SPECS)
    tokenized = ("llama-plain",)
    plans = plans_of("llama", "llama-plain", "llama-tied", "llama-old")

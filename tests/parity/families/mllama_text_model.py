# SPDX-License-Identifier: GPL-3.0-or-later
"""mllama_text_model: the text half of Llama 3.2 Vision by itself, whose cross-attention layers text
passes by."""
from transformers.models.mllama.configuration_mllama import MllamaTextConfig
from transformers.models.mllama.modeling_mllama import MllamaForCausalLM

from families.base import LLAMA, LLAMA3_ROPE, WIDE_TEXT, Spec
from families.text import TextFamily, plans_of

TEXT = {**LLAMA, "num_hidden_layers": 4, "num_key_value_heads": 2, "cross_attention_layers": [1, 3]}
SPECS = {
    "mllama_text_model-plain": Spec(
        None, None, {**TEXT, "rope_parameters": dict(rope_type="default", rope_theta=1e4)},
        "llama_bos", "bos_turns", conversations=("plain", "several")),
    "mllama_text_model-old": Spec(
        None, None, {**TEXT, "num_key_value_heads": 1, "cross_attention_layers": [2],
                     "rope_parameters": LLAMA3_ROPE, "rms_norm_eps": 1e-4, "hidden_act": "gelu"},
        "llama", "vicuna", dtype="bfloat16", shard="60KB", old_layout=True,
        conversations=("several",)),
    "mllama_text_model-wide": Spec(
        None, None, {**TEXT, "num_key_value_heads": 4, "cross_attention_layers": [1, 2],
                     "rope_parameters": dict(rope_type="default", rope_theta=5e5)},
        "cohere", "cohere", dtype="float16", conversations=("plain",)),
}


class MllamaText(TextFamily):
    model_type = "mllama_text_model"
    config_class, model_class = MllamaTextConfig, MllamaForCausalLM
    specs = SPECS
    larger = Spec(None, None, {**WIDE_TEXT, "cross_attention_layers": [1]}, "llama_bos", "bos_turns")
    adapters = (("mllama_text_model-old", "patterns", "new"),)
    merges = (("mllama_text_model-plain", "attention"),)
    generates = (("mllama_text_model-old", "several"),)
    informed = ("mllama_text_model-plain",)
    plans = {name: plan for name, plan in plans_of(
        "mllama_text_model", "mllama_text_model-plain", "mllama_text_model-old",
        "mllama_text_model-wide").items() if not name.endswith(("-embedding", "-decoder", "-full"))}

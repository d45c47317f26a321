# SPDX-License-Identifier: GPL-3.0-or-later
"""qwen3_5_text and qwen3_5_moe_text: Qwen3.5's text halves by themselves, under their own names and
under those that they have in the whole models' files."""
from transformers import (Qwen3_5ForCausalLM, Qwen3_5MoeForCausalLM, Qwen3_5MoeTextConfig,
                          Qwen3_5TextConfig)

from families.base import CONVERSATIONS, WIDE_TEXT, Spec
from families.qwen3_5 import LINEAR, TEXT, rotary, settled
from families.qwen3_5_moe import MOE, Qwen3_5Moe, names_in_memory, stacked
from families.text import KINDS, TextFamily, plans_of

ROPE = {"rope_parameters": rotary([2, 1, 1])}
# Patterns of ranks name the first layer's attention.
FIRST_LOOKS = ["full_attention", "linear_attention"]
WIDE = WIDE_TEXT | LINEAR | dict(head_dim=48, linear_key_head_dim=32, linear_value_head_dim=32,
                                 linear_num_key_heads=3, linear_num_value_heads=6,
                                 rope_parameters=rotary([4, 4, 4]))

SPECS = {
    "qwen3_5_text-plain": Spec(None, None, {**TEXT, **ROPE}, "qwen", "chatml",
                               conversations=(*CONVERSATIONS, "kinds")),
    "qwen3_5_text-tied": Spec(
        None, None, {**TEXT, "num_hidden_layers": 2, "layer_types": FIRST_LOOKS,
                     "tie_word_embeddings": True, "attention_bias": True, "rms_norm_eps": 1e-5,
                     "head_dim": 24, "rope_parameters": rotary([1, 1, 1], 0.25)},
        "qwen", "chatml", names="old", dtype="bfloat16"),
    "qwen3_5_text-shards": Spec(
        None, None, {**TEXT, "num_hidden_layers": 3, "full_attention_interval": 3,
                     "linear_num_key_heads": 1, "rope_parameters": rotary([2, 1, 1],
                                                                         rope_theta=5e5)},
        "llama_bos", "bos_turns", dtype="float16", shard="60KB"),
}
MOE_SPECS = {
    "qwen3_5_moe_text-plain": Spec(None, None, MOE, "qwen", "chatml",
                                   conversations=(*CONVERSATIONS, "kinds")),
    # In float16: rounded to bfloat16, a merge gives tokens other experts.
    "qwen3_5_moe_text-tied": Spec(
        None, None, {**MOE, "num_hidden_layers": 2, "layer_types": FIRST_LOOKS,
                     "tie_word_embeddings": True, "num_experts": 3, "rms_norm_eps": 1e-5},
        "qwen", "chatml", names="old", dtype="float16"),
    # All experts for each token: no choice hangs on how states are rounded.
    "qwen3_5_moe_text-all": Spec(
        None, None, {**MOE, "num_hidden_layers": 2, "full_attention_interval": 2,
                     "num_experts": 4, "num_experts_per_tok": 4},
        "llama_bos", "bos_turns", shard="60KB"),
}


class Qwen3_5Text(TextFamily):
    model_type = "qwen3_5_text"
    config_class, model_class = Qwen3_5TextConfig, Qwen3_5ForCausalLM
    specs = SPECS
    larger = Spec(None, None, WIDE, "qwen", "chatml")
    adapters = (("qwen3_5_text-plain", "linear", "new"), ("qwen3_5_text-tied", "patterns", "new"),
                ("qwen3_5_text-shards", "saved_modules", "new"))
    tied = ("qwen3_5_text-tied",)
    merges = (("qwen3_5_text-plain", "linear"), ("qwen3_5_text-tied", "attention"))
    generates = tuple((name, conversation) for name in SPECS
                      for conversation in ("plain", "several"))
    compared = ("qwen3_5_text-shards",)
    informed = tuple(SPECS)
    plans = plans_of("qwen3_5_text", "qwen3_5_text-plain", "qwen3_5_text-tied",
                     "qwen3_5_text-shards")

    def build(self, spec, name, scratch):
        model, processor = super().build(spec, name, scratch)
        return settled(model, name), processor

    def native_name(self, name):
        return super().native_name(name).replace("model.language_model.", "model.", 1)

    def older_name(self, name):
        """As transformers writes a half that was loaded from the whole model's files."""
        return name.replace("model.", "model.language_model.", 1)


class Qwen3_5MoeText(Qwen3_5Text):
    model_type = "qwen3_5_moe_text"
    config_class, model_class = Qwen3_5MoeTextConfig, Qwen3_5MoeForCausalLM
    specs = MOE_SPECS
    recipe = Qwen3_5Moe.recipe
    larger = Spec(None, None, {key: value for key, value in WIDE.items()
                               if key != "intermediate_size"} | dict(
        num_experts=8, num_experts_per_tok=2, moe_intermediate_size=128,
        shared_expert_intermediate_size=256), "qwen", "chatml")
    kinds = {**KINDS, "experts": Qwen3_5Moe.kinds["experts"]}
    adapters = (("qwen3_5_moe_text-plain", "linear", "new"),
                ("qwen3_5_moe_text-tied", "patterns", "new"),
                ("qwen3_5_moe_text-all", "experts", "new"))
    tied = ("qwen3_5_moe_text-tied",)
    merges = (("qwen3_5_moe_text-plain", "experts"), ("qwen3_5_moe_text-tied", "attention"))
    generates = tuple((name, conversation) for name in MOE_SPECS
                      for conversation in ("plain", "several"))
    compared = ("qwen3_5_moe_text-plain",)
    informed = tuple(MOE_SPECS)
    plans = plans_of("qwen3_5_moe_text", "qwen3_5_moe_text-plain", "qwen3_5_moe_text-tied",
                     "qwen3_5_moe_text-all")

    def build(self, spec, name, scratch):
        model, processor = super().build(spec, name, scratch)
        return stacked(model), processor

    def gradient_names(self, checkpoint):
        return names_in_memory(checkpoint)

# SPDX-License-Identifier: GPL-3.0-or-later
"""gemma4_unified_text: the decoder of Gemma 4 without a tower, alone."""
from transformers import Gemma4UnifiedForCausalLM, Gemma4UnifiedTextConfig

from families.base import WIDE_TEXT, Spec
from families.gemma4_text import FULL, SLIDING, finish_weights
from families.gemma4_unified import TEXT
from families.text import TextFamily, plans_of

FEW = ("plain", "several")
SPECS = {
    # full layers take their keys for values
    "gemma4_unified_text-plain": Spec(
        None, None, {**TEXT, "attention_k_eq_v": True, "num_global_key_value_heads": 1,
                     "layer_types": [FULL, SLIDING, FULL]}, "gemma", "gemma",
        conversations=(*FEW, "kinds")),
    # keys and values of earlier layers, biases, no cap
    "gemma4_unified_text-tied": Spec(
        None, None, {**TEXT, "num_hidden_layers": 4, "num_key_value_heads": 1,
                     "num_kv_shared_layers": 2, "use_double_wide_mlp": True,
                     "layer_types": [SLIDING, FULL, SLIDING, FULL], "attention_bias": True,
                     "sliding_window": 24, "rms_norm_eps": 1e-4, "tie_word_embeddings": True,
                     "final_logit_softcapping": None, "rope_parameters": {
                         FULL: dict(rope_type="proportional", rope_theta=5e5,
                                    partial_rotary_factor=0.5),
                         SLIDING: dict(rope_type="default", rope_theta=2e3)}},
        "gemma", "gemma", names="old", dtype="bfloat16", conversations=FEW),
    "gemma4_unified_text-shards": Spec(
        None, None, {**TEXT, "num_hidden_layers": 2, "num_key_value_heads": 4,
                     "global_head_dim": 16, "layer_types": [SLIDING, FULL], "sliding_window": 30},
        "llama_bos", "bos_turns", dtype="float16", shard="60KB", conversations=FEW),
}


class Gemma4UnifiedText(TextFamily):
    model_type = "gemma4_unified_text"
    config_class, model_class = Gemma4UnifiedTextConfig, Gemma4UnifiedForCausalLM
    specs = SPECS
    larger = Spec(None, None, WIDE_TEXT | dict(
        head_dim=48, global_head_dim=64, layer_types=[SLIDING, FULL] * 2, attention_k_eq_v=True,
        num_global_key_value_heads=1, final_logit_softcapping=30.0, sliding_window=64),
        "gemma", "gemma")
    adapters = (("gemma4_unified_text-plain", "linear", "new"),
                ("gemma4_unified_text-tied", "patterns", "new"),
                ("gemma4_unified_text-shards", "saved_modules", "new"))
    tied = ("gemma4_unified_text-tied",)
    merges = (("gemma4_unified_text-plain", "linear"),)
    generates = (("gemma4_unified_text-plain", "several"), ("gemma4_unified_text-tied", "plain"))
    compared = ("gemma4_unified_text-plain",)
    informed = tuple(SPECS)
    plans = plans_of("gemma4_unified_text", "gemma4_unified_text-plain",
                     "gemma4_unified_text-tied", "gemma4_unified_text-shards")

    def build(self, spec, name, scratch):
        model, processor = super().build(spec, name, scratch)
        finish_weights(model, sum(name.encode()) + 1)
        return model, processor

    def gradient_names(self, checkpoint):
        """What is stored beside weights gets none."""
        return [name for name in checkpoint.stored if not name.endswith("layer_scalar")]

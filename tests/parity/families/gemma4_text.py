# SPDX-License-Identifier: GPL-3.0-or-later
"""gemma4_text: Gemma 4's text half by itself. Small ones, whose last layers see the keys and values
of earlier ones and whose layers have embeddings of their own; large ones, whose full layers take
their keys for values and have heads of another size; those with experts beside the MLP."""
import math

import torch
from transformers import Gemma4ForCausalLM, Gemma4TextConfig

from families.base import CONVERSATIONS, WIDE_TEXT, Family, Plan, Spec, read, write
from families.qwen3_vl_moe import BOTH
from families.text import KINDS, TextFamily, plans_of

TEXT = dict(hidden_size=48, intermediate_size=80, num_attention_heads=4, num_key_value_heads=2,
            head_dim=16, global_head_dim=32, sliding_window=6, hidden_size_per_layer_input=0,
            final_logit_softcapping=12.0, tie_word_embeddings=False)
FULL, SLIDING = "full_attention", "sliding_attention"
SMALL = {**TEXT, "num_hidden_layers": 5, "num_key_value_heads": 1,
         "layer_types": [SLIDING, FULL, SLIDING, SLIDING, FULL], "num_kv_shared_layers": 2,
         "use_double_wide_mlp": True, "hidden_size_per_layer_input": 8}
LARGE = {**TEXT, "num_hidden_layers": 3, "layer_types": [FULL, SLIDING, FULL],
         "attention_k_eq_v": True, "num_global_key_value_heads": 1,
         "use_bidirectional_attention": "vision"}
# Narrow products of the experts want eights.
EXPERTS = {**TEXT, "num_hidden_layers": 2, "layer_types": [SLIDING, FULL],
           "attention_k_eq_v": True, "num_global_key_value_heads": 1, "enable_moe_block": True,
           "num_experts": 6, "top_k_experts": 2, "moe_intermediate_size": 16}
FEW = ("plain", "several")

SPECS = {
    "gemma4_text-plain": Spec(None, None, SMALL, "gemma", "gemma",
                              conversations=(*CONVERSATIONS, "kinds")),
    "gemma4_text-tied": Spec(
        None, None, {**LARGE, "tie_word_embeddings": True, "attention_bias": True,
                     "rms_norm_eps": 1e-4, "sliding_window": 24, "rope_parameters": {
                         FULL: dict(rope_type="proportional", rope_theta=5e5,
                                    partial_rotary_factor=0.5),
                         SLIDING: dict(rope_type="default", rope_theta=2e3)}},
        "gemma", "gemma", names="old", dtype="float16", conversations=FEW),
    # the sizes of full layers beside those of the others
    "gemma4_text-experts": Spec(None, None, EXPERTS, "gemma", "gemma", shard="60KB",
                                old_layout=True, conversations=FEW),
    # keys and values as many as there are heads, no cap, heads of one size
    "gemma4_text-shared": Spec(
        None, None, {**SMALL, "num_hidden_layers": 4, "num_key_value_heads": 4,
                     "layer_types": [FULL, SLIDING, SLIDING, FULL], "global_head_dim": 16,
                     "use_double_wide_mlp": False, "final_logit_softcapping": None},
        "gemma", "gemma", dtype="bfloat16", conversations=FEW),
}


class Gemma4Text(TextFamily):
    model_type = "gemma4_text"
    config_class, model_class = Gemma4TextConfig, Gemma4ForCausalLM
    specs = SPECS
    larger = Spec(None, None, WIDE_TEXT | dict(
        head_dim=48, global_head_dim=64, layer_types=[SLIDING, FULL, SLIDING, FULL],
        num_kv_shared_layers=2, use_double_wide_mlp=True, hidden_size_per_layer_input=32,
        final_logit_softcapping=30.0, sliding_window=64), "gemma", "gemma")
    kinds = {**KINDS, "experts": dict(r=2, lora_alpha=4, **BOTH)}
    adapters = (("gemma4_text-plain", "linear", "new"), ("gemma4_text-tied", "patterns", "new"),
                ("gemma4_text-experts", "experts", "new"),
                ("gemma4_text-shared", "saved_modules", "new"))
    tied = ("gemma4_text-tied",)
    merges = (("gemma4_text-plain", "linear"), ("gemma4_text-experts", "experts"))
    generates = tuple((name, conversation) for name in SPECS for conversation in FEW)
    compared = ("gemma4_text-plain",)
    informed = tuple(SPECS)
    tokenized = ("gemma4_text-plain",)
    plans = plans_of("gemma4_text", "gemma4_text-plain", "gemma4_text-tied",
                     "gemma4_text-experts") | {
        "gemma4_text-again": Plan("gemma4_text-shared", "linear", gradient_checkpointing="true",
                                  training=dict(per_device_train_batch_size=2, max_steps=4)),
        "gemma4_text-experts": Plan("gemma4_text-experts", "experts", training=dict(
            per_device_train_batch_size=2, gradient_accumulation_steps=1, max_steps=4)),
    }

    def build(self, spec, name, scratch):
        """The embeddings for the layers know every token; what is stored beside weights, and what
        scales experts, differs from 1."""
        own = self.config_class

        def with_vocabulary(**options):
            return own(**{"vocab_size_per_layer_input": options["vocab_size"] + 2, **options})

        self.config_class = with_vocabulary
        try:
            model, processor = super().build(spec, name, scratch)
        finally:
            self.config_class = own
        finish_weights(model, sum(name.encode()) + 1)
        return model, processor

    def gradient_names(self, checkpoint):
        """What is stored beside weights gets none."""
        return [name for name in checkpoint.stored if not name.endswith("layer_scalar")]

    def finish(self, path, spec):
        Family.finish(self, path, spec)
        if not spec.old_layout:
            return
        config = read(path / "config.json")
        own = list(config.pop("per_layer_config").values())
        write(path / "config.json", config | {
            "global_head_dim": own[0]["head_dim"],
            "num_global_key_value_heads": own[0].get("num_key_value_heads"),
            "torch_dtype": config.pop("dtype"), "transformers_version": "5.5.0"})


def finish_weights(model, seed):
    """What is drawn by its shape alone is too small or too large here; what is stored beside
    weights differs from what changes nothing, and bounds cut off a part of what they meet."""
    generator = torch.Generator().manual_seed(seed)

    def noise(tensor):
        return torch.randn(tensor.shape, generator=generator)

    with torch.no_grad():
        for key, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if key.endswith(("layer_scalar", "router.scale", "per_expert_scale", "std_scale")):
                tensor.copy_(1 + 0.2 * noise(tensor))
            elif key.endswith(("q_norm.weight", "k_norm.weight")):
                # Scores are not scaled here. Without this, softmax picks out single keys, and the
                # reference's float32 was 2.5e-4 of the logits away from its float64.
                tensor.mul_(tensor.shape[0] ** -0.25)
            elif key.endswith("std_bias"):
                tensor.copy_(2 * noise(tensor))
            elif key.endswith("position_embedding_table"):
                tensor.copy_(0.5 * noise(tensor))
            elif key.endswith("embedding_projection.weight"):
                tensor.copy_(noise(tensor) * 0.4 / math.sqrt(tensor.shape[1]))
            elif key.endswith(("_min", "_max")):
                bound = 1.5 + 0.2 * noise(tensor)
                tensor.copy_(-bound if key.endswith("_min") else bound)
            elif tensor.dim() == 3:             # drawn for one matrix, not a stack
                tensor.mul_(math.sqrt(tensor.shape[1]))

# SPDX-License-Identifier: GPL-3.0-or-later
"""qwen3_vl_moe: qwen3_vl with mixtures of experts in the decoder's layers. Layers without experts
among others, ties between experts, experts that no token goes to, one expert a token, stacks of
square matrices, and files whose stacks are turned as the first releases have them."""
import math

import torch
from safetensors.torch import load_file, save_file
from transformers import Qwen3VLMoeConfig, Qwen3VLMoeForConditionalGeneration
from transformers.integrations import moe

from families.base import CONVERSATIONS, WIDE_TEXT, Plan, Spec, full_plan, read, towers_plan, write
from families.qwen2_vl import LIMITS, mrope
from families.qwen3_vl import HALF, TEXT, TOWER, Qwen3VL, age_folder

of_its_own = moe._can_use_grouped_mm
# The grouped product that transformers takes knows no float64; its own fallback does.
moe._can_use_grouped_mm = lambda x, weight, ends: (weight.dtype != torch.float64
                                                   and of_its_own(x, weight, ends))

ROPE = mrope([2, 2, 2], mrope_interleaved=True)
MOE = {**TEXT, "num_hidden_layers": 3, "num_experts": 6, "num_experts_per_tok": 2,
       "moe_intermediate_size": 16, "rope_parameters": ROPE}    # narrow products there want eights
# Two stacks reached by name: PEFT wraps the experts twice.
BOTH = dict(target_modules=[], target_parameters=["experts.gate_up_proj", "experts.down_proj"])

SPECS = {
    "qwen3_vl_moe-plain": Spec(
        TOWER, None, MOE, "qwen", "qwen_vl", picture={**LIMITS, **HALF},
        conversations=(*CONVERSATIONS, "kinds")),
    # Every second layer, and of these not the last one; two of three experts a token.
    "qwen3_vl_moe-mixed": Spec(
        {**TOWER, "deepstack_visual_indexes": [1], "hidden_act": "gelu"}, None,
        {**MOE, "num_hidden_layers": 6, "decoder_sparse_step": 2, "mlp_only_layers": [5],
         "num_experts": 3, "moe_intermediate_size": 28, "attention_bias": True,
         "rms_norm_eps": 1e-4},
        "qwen", "qwen_vl", dict(tie_word_embeddings=True), LIMITS, dtype="bfloat16"),
    # Experts whose router rows are alike, far more experts than a row has tokens for, and a first
    # stack of square matrices.
    "qwen3_vl_moe-ties": Spec(
        {**TOWER, "deepstack_visual_indexes": [2, 0]}, None,
        {**MOE, "num_hidden_layers": 2, "num_experts": 32, "num_experts_per_tok": 3,
         "moe_intermediate_size": 24},
        "qwen", "qwen_vl", picture={**LIMITS, **HALF}),
    # One expert a token, square matrices in the second stack.
    "qwen3_vl_moe-single": Spec(
        TOWER, None,
        {**MOE, "num_hidden_layers": 2, "num_experts": 4, "num_experts_per_tok": 1,
         "moe_intermediate_size": 48, "hidden_act": "gelu_pytorch_tanh"},
        "qwen", "qwen_vl", picture=LIMITS, conversations=("plain", "several", "words")),
    # All experts for each token: no choice hangs on how states are rounded.
    "qwen3_vl_moe-all": Spec(
        TOWER, None,
        {**MOE, "num_hidden_layers": 3, "num_experts": 4, "num_experts_per_tok": 4,
         "mlp_only_layers": [1]},
        "qwen", "qwen_vl", picture={**LIMITS, **HALF}, conversations=("plain", "several")),
    # As the hub has them: stacks turned, in shards, older settings.
    "qwen3_vl_moe-old": Spec(
        TOWER, None, {**MOE, "rope_parameters": mrope([2, 2, 2])}, "qwen", "qwen_vl",
        picture={**LIMITS, **HALF}, dtype="float16", shard="60KB", old_layout=True),
}


class Qwen3VLMoe(Qwen3VL):
    model_type = "qwen3_vl_moe"
    config_class, model_class = Qwen3VLMoeConfig, Qwen3VLMoeForConditionalGeneration
    specs = SPECS
    larger = Spec({**TOWER, "hidden_size": 96, "intermediate_size": 256, "num_heads": 4}, None,
                  {**WIDE_TEXT, "head_dim": 48, "num_experts": 8, "num_experts_per_tok": 2,
                   "moe_intermediate_size": 128, "rope_parameters": mrope([8, 8, 8])}, "qwen",
                  "qwen_vl", picture=LIMITS)
    kinds = {**Qwen3VL.kinds, "experts": dict(r=2, lora_alpha=4, **BOTH)}
    adapters = (("qwen3_vl_moe-plain", "linear", "new"), ("qwen3_vl_moe-plain", "experts", "new"),
                ("qwen3_vl_moe-mixed", "towers", "new"), ("qwen3_vl_moe-ties", "experts", "new"),
                ("qwen3_vl_moe-old", "saved_modules", "new"))
    tied = ("qwen3_vl_moe-mixed",)
    merges = (("qwen3_vl_moe-plain", "experts"), ("qwen3_vl_moe-mixed", "linear"),
              ("qwen3_vl_moe-ties", "experts"))
    generates = tuple((name, conversation) for name in SPECS
                      for conversation in ("plain", "several")) + (
                          ("qwen3_vl_moe-single", "words"),)
    compared = ("qwen3_vl_moe-plain",)
    informed = ("qwen3_vl_moe-plain", "qwen3_vl_moe-mixed", "qwen3_vl_moe-old")
    plans = {
        "qwen3_vl_moe": towers_plan("qwen3_vl_moe-plain"),
        "qwen3_vl_moe-linear": Plan("qwen3_vl_moe-old", "linear", training=dict(
            per_device_train_batch_size=2, gradient_accumulation_steps=1, shuffle=True)),
        "qwen3_vl_moe-experts": Plan("qwen3_vl_moe-ties", "experts", training=dict(
            per_device_train_batch_size=2, gradient_accumulation_steps=1)),
        "qwen3_vl_moe-again": Plan("qwen3_vl_moe-plain", "experts", gradient_checkpointing="true",
                                   training=dict(per_device_train_batch_size=3,
                                                 gradient_accumulation_steps=1, max_steps=4)),
        "qwen3_vl_moe-full": full_plan("qwen3_vl_moe-old"),
        "qwen3_vl_moe-full-mixed": full_plan("qwen3_vl_moe-mixed"),
    }

    def build(self, spec, name, scratch):
        model, processor = super().build(spec, name, scratch)
        with torch.no_grad():
            for key, parameter in model.named_parameters():
                if parameter.dim() == 3 and ".experts." in key:  # drawn for one matrix, not a stack
                    parameter.mul_(math.sqrt(parameter.shape[1]))
                if name == "qwen3_vl_moe-ties" and key.endswith("mlp.gate.weight"):
                    parameter[1::2] = parameter[::2]
        return model, processor

    def gradient_names(self, checkpoint):
        """Where a token goes to one expert, that one's share is 1 whatever the router gave it: the
        router's gradient is rounding alone."""
        single = checkpoint.spec.text_options["num_experts_per_tok"] == 1
        return [name for name in super().gradient_names(checkpoint)
                if not (single and name.endswith("mlp.gate.weight"))]

    def finish(self, path, spec):
        if spec.old_layout:
            age_folder(path)
            age_experts(path)


def age_experts(path):
    """The older name of a setting, and stacks as [experts, in, out]."""
    config = read(path / "config.json")
    text = config["text_config"]
    text["num_experts"] = text.pop("num_local_experts", None) or text["num_experts"]
    config["vision_config"]["model_type"] = "qwen3_vl_moe"
    write(path / "config.json", config)
    for file in path.glob("*.safetensors"):
        tensors = {key: tensor.transpose(1, 2).contiguous() if ".experts." in key else tensor
                   for key, tensor in load_file(file).items()}
        save_file(tensors, file, metadata={"format": "pt"})

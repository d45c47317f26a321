# SPDX-License-Identifier: GPL-3.0-or-later
"""qwen3_5_moe: qwen3_5 with a mixture of experts in every layer and an expert beside it that all
tokens go through. Ties between experts, experts that no token goes to, one expert a token, files
that transformers wrote expert by expert, in shards too, and stacks as the hub has them."""
import math
import re

import torch
from safetensors.torch import load_file, save_file
from transformers import Qwen3_5MoeConfig, Qwen3_5MoeForConditionalGeneration

from families.base import CONVERSATIONS, WIDE_TEXT, Plan, Spec, full_plan, read, towers_plan, write
from families.qwen2_vl import LIMITS
from families.qwen3_5 import LINEAR, TEXT, TOWER, Qwen3_5, rotary
from families.qwen3_vl import HALF, Qwen3VL
from families.qwen3_vl_moe import BOTH

# Narrow products of the experts want eights.
MOE = {key: value for key, value in TEXT.items() if key != "intermediate_size"} | {
    "num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 16,
    "shared_expert_intermediate_size": 24, "rope_parameters": rotary([2, 1, 1])}

SPECS = {
    "qwen3_5_moe-plain": Spec(TOWER, None, MOE, "qwen", "qwen_vl", picture={**LIMITS, **HALF},
                              conversations=(*CONVERSATIONS, "kinds")),
    # Pieces of one stack in several shards; a shared expert wider than the states.
    "qwen3_5_moe-tied": Spec(
        {**TOWER, "hidden_act": "gelu", "num_position_embeddings": 36}, None,
        {**MOE, "num_experts": 3, "moe_intermediate_size": 24,
         "shared_expert_intermediate_size": 56, "linear_num_key_heads": 3,
         "linear_num_value_heads": 3, "num_hidden_layers": 3, "attention_bias": True,
         "rms_norm_eps": 1e-4, "head_dim": 24,
         "layer_types": ["full_attention", "linear_attention", "full_attention"],
         "rope_parameters": rotary([1, 1, 1], 0.25)},
        "qwen", "qwen_vl", dict(tie_word_embeddings=True), LIMITS, dtype="bfloat16", shard="60KB"),
    # Experts whose router rows are alike, and far more of them than a row has tokens for.
    "qwen3_5_moe-ties": Spec(
        TOWER, None,
        {**MOE, "num_hidden_layers": 2, "full_attention_interval": 2, "num_experts": 32,
         "num_experts_per_tok": 3, "moe_intermediate_size": 24},
        "qwen", "qwen_vl", picture={**LIMITS, **HALF}),
    # One expert a token, and square matrices.
    "qwen3_5_moe-single": Spec(
        TOWER, None,
        {**MOE, "num_hidden_layers": 2, "full_attention_interval": 2, "num_experts": 4,
         "num_experts_per_tok": 1, "moe_intermediate_size": 48,
         "shared_expert_intermediate_size": 48},
        "qwen", "qwen_vl", picture=LIMITS, conversations=("plain", "several", "words")),
    # All experts for each token: no choice hangs on how states are rounded.
    "qwen3_5_moe-all": Spec(
        TOWER, None,
        {**MOE, "linear_key_head_dim": 32, "num_hidden_layers": 3, "num_experts": 4,
         "num_experts_per_tok": 4,
         "layer_types": ["linear_attention", "full_attention", "linear_attention"]},
        "qwen", "qwen_vl", picture={**LIMITS, **HALF}, conversations=("plain", "several")),
    # As the hub has them: whole stacks; and settings that this class knows nothing of.
    "qwen3_5_moe-hub": Spec(
        TOWER, None, {**MOE, "num_hidden_layers": 2, "full_attention_interval": 2}, "qwen",
        "qwen_vl", picture={**LIMITS, **HALF}, dtype="float16", old_layout=True),
}


class Qwen3_5Moe(Qwen3_5):
    model_type = "qwen3_5_moe"
    config_class, model_class = Qwen3_5MoeConfig, Qwen3_5MoeForConditionalGeneration
    specs = SPECS
    # TRL asks for the routers' loss where a configuration has output_router_logits, as this class
    # always does; Trainer does not. `experts` holds it against the model's own.
    recipe = "sft: {router_aux_loss_coef: 0}"
    larger = Spec({**TOWER, "hidden_size": 96, "intermediate_size": 256, "num_heads": 4}, None,
                  {**{key: value for key, value in WIDE_TEXT.items()
                      if key != "intermediate_size"}, **LINEAR, "head_dim": 48,
                   "linear_key_head_dim": 32, "linear_value_head_dim": 32,
                   "linear_num_key_heads": 3, "linear_num_value_heads": 6, "num_experts": 8,
                   "num_experts_per_tok": 2, "moe_intermediate_size": 128,
                   "shared_expert_intermediate_size": 256,
                   "rope_parameters": rotary([4, 4, 4])}, "qwen", "qwen_vl", picture=LIMITS)
    kinds = {**Qwen3VL.kinds, "experts": dict(r=2, lora_alpha=4, **BOTH),
             "shared": dict(r=3, lora_alpha=6, target_modules=[
                 "shared_expert.gate_proj", "shared_expert.down_proj", "shared_expert_gate"])}
    film_limits = Qwen3VL.film_limits  # and here it is so with six frames
    adapters = (("qwen3_5_moe-plain", "linear", "new"), ("qwen3_5_moe-plain", "experts", "new"),
                ("qwen3_5_moe-tied", "regex", "new"), ("qwen3_5_moe-ties", "shared", "new"),
                ("qwen3_5_moe-hub", "saved_modules", "new"))
    tied = ("qwen3_5_moe-tied",)
    merges = (("qwen3_5_moe-plain", "experts"), ("qwen3_5_moe-tied", "linear"),
              ("qwen3_5_moe-ties", "shared"))
    generates = tuple((name, conversation) for name in SPECS
                      for conversation in ("plain", "several")) + (
                          ("qwen3_5_moe-single", "words"),)
    compared = ("qwen3_5_moe-plain",)
    informed = ("qwen3_5_moe-plain", "qwen3_5_moe-tied", "qwen3_5_moe-hub")
    plans = {
        "qwen3_5_moe": towers_plan("qwen3_5_moe-plain"),
        "qwen3_5_moe-linear": Plan("qwen3_5_moe-hub", "linear", training=dict(
            per_device_train_batch_size=2, gradient_accumulation_steps=1, shuffle=True)),
        "qwen3_5_moe-experts": Plan("qwen3_5_moe-ties", "experts", training=dict(
            per_device_train_batch_size=2, gradient_accumulation_steps=1)),
        "qwen3_5_moe-again": Plan("qwen3_5_moe-plain", "shared", gradient_checkpointing="true",
                                  training=dict(per_device_train_batch_size=3,
                                                gradient_accumulation_steps=1, max_steps=4)),
        "qwen3_5_moe-full": full_plan("qwen3_5_moe-hub"),
        "qwen3_5_moe-full-shards": full_plan("qwen3_5_moe-tied"),
    }

    def build(self, spec, name, scratch):
        model, processor = super().build(spec, name, scratch)
        return stacked(model, alike=name == "qwen3_5_moe-ties"), processor

    def gradient_names(self, checkpoint):
        return names_in_memory(checkpoint)

    def finish(self, path, spec):
        if spec.old_layout:
            as_on_the_hub(path)


PIECE = re.compile(r"(.*\.mlp\.experts\.)(\d+)\.(gate|up|down)_proj\.weight")


def stacked(model, alike=False):
    """Stacks of a size at which they matter; `alike`: every second expert is wanted as much as the
    one before it."""
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if parameter.dim() == 3 and ".experts." in key:  # drawn for one matrix, not a stack
                parameter.mul_(math.sqrt(parameter.shape[1]))
            if alike and key.endswith("mlp.gate.weight"):
                parameter[1::2] = parameter[::2]
    return model


def names_in_memory(checkpoint):
    """Of the stored tensors, pieces by their stacks' names. Where a token goes to one expert, that
    one's share is 1 whatever the router gave it: the router's gradient is rounding alone."""
    single = checkpoint.spec.text_options["num_experts_per_tok"] == 1
    names = {}
    for stored in checkpoint.stored:
        piece = PIECE.fullmatch(stored)
        if single and stored.endswith("mlp.gate.weight"):
            continue
        if piece:
            stored = piece[1] + ("down_proj" if piece[3] == "down" else "gate_up_proj")
        names[stored] = None
    return list(names)


def as_on_the_hub(path):
    """Each layer's experts as two stacks, in one file."""
    tensors, pieces = {}, {}
    for file in sorted(path.glob("*.safetensors")):
        for key, tensor in load_file(file).items():
            piece = PIECE.fullmatch(key)
            if piece:
                pieces.setdefault(piece[1], {})[int(piece[2]), piece[3]] = tensor
            else:
                tensors[key] = tensor
        file.unlink()
    for index in path.glob("*.index.json"):
        index.unlink()
    for experts, own in pieces.items():
        count = 1 + max(number for number, _ in own)
        tensors[experts + "gate_up_proj"] = torch.stack(
            [torch.cat([own[number, "gate"], own[number, "up"]]) for number in range(count)])
        tensors[experts + "down_proj"] = torch.stack(
            [own[number, "down"] for number in range(count)])
    assert pieces, "transformers writes whole stacks by itself"
    save_file(tensors, path / "model.safetensors", metadata={"format": "pt"})
    config = read(path / "config.json")
    text = config.get("text_config", config)
    text |= dict(decoder_sparse_step=2, mlp_only_layers=[0], norm_topk_prob=False,
                 intermediate_size=0)
    for key in ("output_router_logits", "router_aux_loss_coef"):
        text.pop(key, None)
    write(path / "config.json", config)

# SPDX-License-Identifier: GPL-3.0-or-later
"""qwen3_5: Qwen3-VL's tower without DeepStack; most decoder layers are linear attention by the
gated delta rule, the others gate what attention gives and turn a part of each head.

What a linear layer reads from its state is normed, however small it is: where a state holds little
more than one token, a query that happens to be orthogonal to its key reads next to nothing, and the
norm makes last bits of that large. Float32 was then up to 7e-4 of the logits away from float64, the
reference's as ours, on one token in a hundred. So states here hold some twenty tokens (as those of
real checkpoints hold many), heads are wide enough that no read is small by chance, and what the
layers add is smaller than what they add it to."""
import torch
from transformers import Qwen3_5Config, Qwen3_5ForConditionalGeneration

from families.base import CONVERSATIONS, WIDE_TEXT, Plan, Spec, full_plan, towers_plan
from families.qwen2_vl import LIMITS, mrope
from families.qwen3_vl import HALF, Qwen3VL, TOWER

TOWER = {key: value for key, value in TOWER.items() if key != "deepstack_visual_indexes"}
LINEAR = dict(linear_conv_kernel_dim=4, linear_key_head_dim=24, linear_value_head_dim=32,
              linear_num_key_heads=2, linear_num_value_heads=4)
TEXT = {**LINEAR, "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 4,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16}


def rotary(section, share=0.5, **more):
    return {**mrope(section, mrope_interleaved=True, **more), "partial_rotary_factor": share}


SPECS = {
    # Three linear layers and one of full attention, as all of them are laid out.
    "qwen3_5-plain": Spec(TOWER, None, {**TEXT, "rope_parameters": rotary([2, 1, 1])}, "qwen",
                          "qwen_vl", picture={**LIMITS, **HALF},
                          conversations=(*CONVERSATIONS, "kinds")),
    # As many key heads as value heads, another kernel, layers in another order, a quarter turned.
    "qwen3_5-tied": Spec(
        {**TOWER, "hidden_act": "gelu", "num_position_embeddings": 36}, None,
        {**TEXT, "linear_num_key_heads": 3, "linear_num_value_heads": 3,
         "linear_conv_kernel_dim": 3, "linear_key_head_dim": 28, "linear_value_head_dim": 18,
         "num_hidden_layers": 3, "attention_bias": True, "rms_norm_eps": 1e-4, "head_dim": 24,
         "layer_types": ["full_attention", "linear_attention", "full_attention"],
         "rope_parameters": rotary([1, 1, 1], 0.25)},
        "qwen", "qwen_vl", dict(tie_word_embeddings=True), LIMITS, dtype="float16"),
    # Four value heads a key head, of a size that the CPU's own loops take (the others' go LibTorch's
    # way); every second layer by an interval. (Linear layers alone have no mask in transformers,
    # which fails there.)
    "qwen3_5-interval": Spec(
        TOWER, None,
        {**TEXT, "linear_num_key_heads": 1, "linear_key_head_dim": 32, "num_hidden_layers": 2,
         "full_attention_interval": 2,
         "rope_parameters": rotary([2, 1, 1], rope_theta=5e5)},
        "qwen", "qwen_vl", picture={**LIMITS, **HALF}, dtype="bfloat16"),
}


def settled(model, name):
    """What randomise() knows nothing of: norms that are 1 + weight, how fast heads forget, and the
    short convolutions."""
    generator = torch.Generator().manual_seed(sum(name.encode()))
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "visual" in key:
                continue
            if "norm" in key and "linear_attn.norm" not in key:
                parameter.sub_(1)       # these are 1 + weight
            elif key.endswith(("A_log", "dt_bias")):
                # How much is forgotten differs from head to head.
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.copy_(0.7 * noise - 3 if key.endswith("A_log") else noise)
            elif "conv1d" in key:
                parameter.mul_(3)
            elif "linear_attn.out_proj" in key:
                parameter.mul_(0.4)
    return model


class Qwen3_5(Qwen3VL):
    model_type = "qwen3_5"
    config_class, model_class = Qwen3_5Config, Qwen3_5ForConditionalGeneration
    specs = SPECS
    larger = Spec({**TOWER, "hidden_size": 96, "intermediate_size": 256, "num_heads": 4}, None,
                  {**WIDE_TEXT, "head_dim": 48, "linear_key_head_dim": 32,
                   "linear_value_head_dim": 32, "linear_num_key_heads": 3,
                   "linear_num_value_heads": 6, "rope_parameters": rotary([4, 4, 4])}, "qwen",
                  "qwen_vl", picture=LIMITS)
    # With four frames one number's gradient is next to nothing at a step, and Adam divides by it: the
    # reference, begun one rounding apart, comes out up to 4.6e-3 from itself there.
    film_limits = (dict(num_frames=6, min_pixels=300, max_pixels=1500),
                   dict(fps=1.0, min_frames=2, max_frames=6))
    adapters = (("qwen3_5-plain", "linear", "new"), ("qwen3_5-tied", "regex", "new"))
    tied = ("qwen3_5-tied",)
    merges = (("qwen3_5-plain", "linear"), ("qwen3_5-tied", "linear"))
    generates = tuple((name, conversation) for name in SPECS
                      for conversation in ("plain", "several"))
    compared = ("qwen3_5-plain",)
    informed = ("qwen3_5-plain", "qwen3_5-tied")
    plans = {"qwen3_5": towers_plan("qwen3_5-plain"),
             "qwen3_5-linear": Plan("qwen3_5-interval", "linear", training=dict(
                 per_device_train_batch_size=2, gradient_accumulation_steps=1)),
             "qwen3_5-full": full_plan("qwen3_5-tied")}

    def build(self, spec, name, scratch):
        model, processor = super().build(spec, name, scratch)
        return settled(model, name), processor

    def finish(self, path, spec):
        pass

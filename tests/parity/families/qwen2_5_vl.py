# SPDX-License-Identifier: GPL-3.0-or-later
"""qwen2_5_vl: qwen2_vl with a tower of RMS norms and gated layers that looks through windows but in
a few layers."""
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLProcessor, Qwen2VLImageProcessorPil, Qwen2VLVideoProcessor

from families.base import CONVERSATIONS, WIDE_TEXT, Plan, Spec, full_plan, towers_plan
from families.qwen2_vl import LIMITS, TEXT, QwenVL, mrope

TOWER = dict(depth=3, hidden_size=32, intermediate_size=52, num_heads=2, patch_size=4,
             window_size=16, fullatt_block_indexes=[1])

SPECS = {
    # windows of 2 x 2 merged patches, which most grids do not divide into
    "qwen2_5_vl-plain": Spec(TOWER, None, {**TEXT, "rope_parameters": mrope([2, 2, 2])}, "qwen",
                             "qwen_vl", picture=LIMITS,
                             conversations=(*CONVERSATIONS, "kinds")),
    "qwen2_5_vl-tied": Spec(
        {**TOWER, "window_size": 24, "fullatt_block_indexes": [0, 2], "depth": 4, "num_heads": 4,
         "hidden_act": "gelu"}, None,
        {**TEXT, "hidden_size": 64, "num_key_value_heads": 4, "rms_norm_eps": 1e-4,
         "rope_parameters": mrope([2, 3, 3], rope_type="llama3", factor=4.0, low_freq_factor=1.0,
                                  high_freq_factor=4.0,
                                  original_max_position_embeddings=64)},
        "qwen", "qwen_vl", dict(tie_word_embeddings=True), dict(min_pixels=500, max_pixels=5000),
        names="native", dtype="bfloat16"),
    # a window of one merged patch; no layer that looks at everything
    "qwen2_5_vl-windows": Spec(
        {**TOWER, "spatial_merge_size": 3, "window_size": 12, "fullatt_block_indexes": [],
         "depth": 2}, None,
        {**TEXT, "num_key_value_heads": 1, "rope_parameters": mrope(
            [1, 1, 4], rope_type="yarn", factor=2.5, original_max_position_embeddings=32,
                                                                    attention_factor=1.3)},
        "qwen", "qwen_vl", picture=dict(min_pixels=576, max_pixels=4000), shard="60KB"),
    "qwen2_5_vl-old": Spec(
        {**TOWER, "patch_size": 5, "window_size": 40, "fullatt_block_indexes": [2]}, None,
        {**TEXT, "hidden_size": 64, "rope_parameters": mrope([4, 2, 2], rope_theta=5e5)}, "qwen",
        "qwen_vl",
        picture=dict(min_pixels=400, max_pixels=6400), dtype="float16", old_layout=True),
}


class Qwen2_5VL(QwenVL):
    model_type = "qwen2_5_vl"
    films = True
    config_class, model_class, processor_class = Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLProcessor
    picture_class, video_class = Qwen2VLImageProcessorPil, Qwen2VLVideoProcessor
    width = "out_hidden_size"
    specs = SPECS
    larger = Spec({**TOWER, "hidden_size": 96, "intermediate_size": 256, "num_heads": 4}, None,
                  {**WIDE_TEXT, "rope_parameters": mrope([8, 8, 8])},
                  "qwen", "qwen_vl", picture=LIMITS)
    adapters = (("qwen2_5_vl-plain", "linear", "new"), ("qwen2_5_vl-tied", "towers", "old"),
                ("qwen2_5_vl-old", "saved_modules", "new"))
    tied = ("qwen2_5_vl-tied",)
    merges = (("qwen2_5_vl-plain", "towers"), ("qwen2_5_vl-tied", "linear"))
    generates = tuple((name, conversation) for name in SPECS
                      for conversation in ("plain", "several"))
    compared = ("qwen2_5_vl-plain",)
    informed = ("qwen2_5_vl-tied",)
    # transformers' Trainer means over micro-batches here, not over labels (accepts_loss_kwargs is
    # false): one micro-batch a step, where both agree
    plans = {
        "qwen2_5_vl": towers_plan("qwen2_5_vl-plain"),
        "qwen2_5_vl-linear": Plan("qwen2_5_vl-windows", "linear", training=dict(
            per_device_train_batch_size=2, gradient_accumulation_steps=1, shuffle=True)),
        "qwen2_5_vl-full": full_plan("qwen2_5_vl-tied"),
    }

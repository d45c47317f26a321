# SPDX-License-Identifier: GPL-3.0-or-later
"""qwen3_vl: a learned grid of positions stretched over each picture, features of several tower
layers added into the first decoder layers,
positions interleaved among the frequencies, normed queries and keys."""
from transformers import Qwen2VLImageProcessorPil, Qwen3VLConfig, Qwen3VLForConditionalGeneration, Qwen3VLProcessor, Qwen3VLVideoProcessor

from families.base import CONVERSATIONS, WIDE_TEXT, Plan, Spec, full_plan, old_processor_files, read, towers_plan, write
from families.qwen2_vl import LIMITS, TEXT, QwenVL, mrope

TOWER = dict(depth=3, hidden_size=32, intermediate_size=52, num_heads=2, patch_size=4,
             num_position_embeddings=16,
             deepstack_visual_indexes=[0, 2])
TEXT = {**TEXT, "head_dim": 12}
HALF = dict(image_mean=[0.5, 0.5, 0.5], image_std=[0.5, 0.5, 0.5])

SPECS = {
    "qwen3_vl-plain": Spec(
        TOWER, None, {**TEXT, "num_hidden_layers": 3,
                      "rope_parameters": mrope([2, 2, 2], mrope_interleaved=True)}, "qwen",
                      "qwen_vl",
        picture={**LIMITS, **HALF}, conversations=(*CONVERSATIONS, "kinds")),
    "qwen3_vl-tied": Spec(
        {**TOWER, "spatial_merge_size": 3, "num_position_embeddings": 50,
         "deepstack_visual_indexes": [1], "hidden_act": "gelu", "num_heads": 4},
        None, {**TEXT, "num_key_value_heads": 4, "head_dim": 20, "attention_bias": True,
               "rms_norm_eps": 1e-4, "rope_parameters": mrope(
            [4, 3, 3], rope_type="longrope", factor=4.0, original_max_position_embeddings=50,
            short_factor=[1.0, 1.05, 1.1, 1.15, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8],
            long_factor=[1.0, 1.2, 1.5, 1.8, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0])},
        "qwen", "qwen_vl", dict(tie_word_embeddings=True), dict(min_pixels=576, max_pixels=4000),
        dtype="bfloat16"),
    # the list of layers is not in order: which merger a layer takes and which decoder layer its
    # features go to differ
    "qwen3_vl-order": Spec(
        {**TOWER, "deepstack_visual_indexes": [2, 0], "num_position_embeddings": 36}, None,
        {**TEXT, "num_key_value_heads": 1, "head_dim": 16, "num_hidden_layers": 3,
         "rope_parameters": mrope([4, 2, 2], rope_theta=5e5)},
        "qwen", "qwen_vl", picture={**LIMITS, **HALF}, dtype="float16", shard="60KB",
        old_layout=True),
    "qwen3_vl-shallow": Spec(
        {**TOWER, "deepstack_visual_indexes": [], "spatial_merge_size": 1, "temporal_patch_size": 1,
         "depth": 2, "num_position_embeddings": 9},
        None, {**TEXT, "head_dim": 24, "rope_parameters": mrope([4, 4, 4], rope_type="dynamic",
                                                                factor=3.0),
                                                                "max_position_embeddings": 60},
        "qwen", "qwen_vl", picture=dict(min_pixels=64, max_pixels=600)),
}


class Qwen3VL(QwenVL):
    model_type = "qwen3_vl"
    films = True
    still_films = False
    config_class, model_class, processor_class = Qwen3VLConfig, Qwen3VLForConditionalGeneration, Qwen3VLProcessor
    picture_class, video_class = Qwen2VLImageProcessorPil, Qwen3VLVideoProcessor
    width = "out_hidden_size"
    specs = SPECS
    larger = Spec({**TOWER, "hidden_size": 96, "intermediate_size": 256, "num_heads": 4}, None,
                  {**WIDE_TEXT, "head_dim": 48, "rope_parameters": mrope([8, 8, 8])}, "qwen",
                  "qwen_vl", picture=LIMITS)
    kinds = {**QwenVL.kinds, "towers": dict(
        r=3, lora_alpha=6,
        target_modules=r".*visual\.(blocks\.\d+\.(attn\.qkv|mlp\.linear_fc2)|merger\.linear_fc2)"
                                          r"|.*visual\.deepstack_merger_list\.\d+\.linear_fc1"
                                          r"|.*language_model\.layers\.\d+\.self_attn\.[qk]_proj")}
    adapters = (("qwen3_vl-plain", "linear", "new"), ("qwen3_vl-tied", "towers", "new"),
                ("qwen3_vl-order", "saved_modules", "new"))
    tied = ("qwen3_vl-tied",)
    merges = (("qwen3_vl-plain", "towers"), ("qwen3_vl-tied", "linear"))
    generates = tuple((name, conversation) for name in SPECS
                      for conversation in ("plain", "several")) + (("qwen3_vl-tied", "words"),)
    compared = ("qwen3_vl-plain",)
    informed = ("qwen3_vl-plain", "qwen3_vl-tied")
    # one micro-batch a step: see qwen2_5_vl
    plans = {
        "qwen3_vl": towers_plan("qwen3_vl-plain"),
        "qwen3_vl-linear": Plan("qwen3_vl-order", "linear", training=dict(
            per_device_train_batch_size=2, gradient_accumulation_steps=1, shuffle=True)),
        "qwen3_vl-full": full_plan("qwen3_vl-order"),
    }

    def native_name(self, name):
        return name

    def older_key(self, name):
        return name

    def finish(self, path, spec):
        if spec.old_layout:
            age_folder(path)


def age_folder(path):
    """As the hub has them: rope_theta and rope_scaling in text_config, preprocessor_config.json."""
    config = read(path / "config.json")
    rope = config["text_config"].pop("rope_parameters")
    config["text_config"] |= {"rope_theta": rope["rope_theta"], "rope_scaling": {
        "mrope_interleaved": True, "mrope_section": rope["mrope_section"], "rope_type": "default"},
        "dtype": "float16"}
    config["vision_config"].pop("rope_parameters")
    config["vision_config"]["model_type"] = "qwen3_vl"
    config.pop("dtype")
    write(path / "config.json", config | {"transformers_version": "4.57.0.dev0"})
    old_processor_files(path, "Qwen2VLImageProcessorFast", "Qwen3VLProcessor")

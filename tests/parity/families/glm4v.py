# SPDX-License-Identifier: GPL-3.0-or-later
"""glm4v: positions stretched by cubic curves, one feature a block by a convolution, a decoder whose
rotary positions turn neighbouring features of half a head, with norms before and after both halves
of a layer and a fused MLP."""
from transformers import (Glm4vConfig, Glm4vForConditionalGeneration, Glm4vImageProcessorPil,
                          Glm4vProcessor, Glm4vVideoProcessor, Glm46VConfig,
                          Glm46VForConditionalGeneration, Glm46VImageProcessorPil, Glm46VProcessor,
                          Glm46VVideoProcessor)

from families.base import (CONVERSATIONS, WIDE_TEXT, Plan, Spec, full_plan, old_processor_files, read,
                           towers_plan, write)
from families.glm import turned
from families.qwen2_vl import TEXT, QwenVL, mrope

MARKS = ("[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>", "<|begin_of_image|>",
         "<|end_of_image|>", "<|image|>", "<|begin_of_video|>", "<|end_of_video|>", "<|video|>")
TOWER = dict(depth=2, hidden_size=32, num_heads=2, patch_size=4, image_size=20,
             intermediate_size=52)
LIMITS = dict(min_pixels=512, max_pixels=4096)


def half(section, **more):
    return mrope(section, partial_rotary_factor=0.5, **more)


SPECS = {
    "glm4v-plain": Spec(
        TOWER, None, {**TEXT, "rope_parameters": half([1, 1, 1])}, "qwen", "glm", picture=LIMITS,
        conversations=(*CONVERSATIONS, "kinds")),
    "glm4v-tied": Spec(
        {**TOWER, "spatial_merge_size": 3, "image_size": 31, "attention_bias": True,
         "hidden_act": "gelu", "num_heads": 4, "depth": 3, "rms_norm_eps": 1e-3}, None,
        {**TEXT, "hidden_size": 80, "num_key_value_heads": 4, "rms_norm_eps": 1e-4,
         "hidden_act": "gelu_pytorch_tanh",
         "rope_parameters": half([2, 1, 2], rope_type="yarn", factor=4.0,
                                 original_max_position_embeddings=24)},
        "qwen", "glm", dict(tie_word_embeddings=True), dict(min_pixels=1152, max_pixels=8000),
        dtype="bfloat16"),
    "glm4v-old": Spec(
        {**TOWER, "patch_size": 5, "image_size": 15}, None,
        {**TEXT, "hidden_size": 64, "num_key_value_heads": 1,
         "rope_parameters": half([2, 1, 1], rope_theta=5e5)}, "qwen", "glm",
        picture=dict(min_pixels=800, max_pixels=6400), dtype="float16", shard="60KB",
        old_layout=True),
    # the whole head turns; a frame alone, a patch a token; a grid of one position
    "glm4v-whole": Spec(
        {**TOWER, "temporal_patch_size": 1, "spatial_merge_size": 1, "image_size": 7}, None,
        {**TEXT, "num_hidden_layers": 3, "max_position_embeddings": 48, "rope_parameters": mrope(
            [1, 2, 3], rope_type="dynamic", factor=2.0)},
        "qwen", "glm", picture=dict(min_pixels=64, max_pixels=600)),
}


class Glm4v(QwenVL):
    model_type = "glm4v"
    config_class, model_class = Glm4vConfig, Glm4vForConditionalGeneration
    processor_class = Glm4vProcessor
    picture_class, video_class = Glm4vImageProcessorPil, Glm4vVideoProcessor
    marks, width = MARKS, "out_hidden_size"
    parts = {"projector": ("model.visual.merger.", "model.visual.downsample."),
             "vision_tower": "model.visual.",
             "language_model": ("model.language_model.", "lm_head.")}
    specs = SPECS
    larger = Spec({**TOWER, "depth": 3, "hidden_size": 96, "num_heads": 4,
                   "intermediate_size": 256}, None,
                  {**WIDE_TEXT, "rope_parameters": half([4, 4, 4])}, "qwen", "glm", picture=LIMITS)
    kinds = {**QwenVL.kinds, "towers": dict(
        r=3, lora_alpha=6,
        target_modules=r".*visual\.(blocks\.\d+\.(attn\.qkv|mlp\.down_proj)|downsample"
                       r"|merger\.(proj|gate_proj))|.*language_model\.layers\.\d+\."
                       r"(self_attn\.[qv]_proj|mlp\.gate_up_proj)")}
    adapters = (("glm4v-plain", "linear", "new"), ("glm4v-tied", "towers", "new"),
                ("glm4v-old", "saved_modules", "new"), ("glm4v-whole", "regex", "new"))
    tied = ("glm4v-tied",)
    merges = (("glm4v-plain", "towers"), ("glm4v-old", "linear"), ("glm4v-tied", "attention"))
    generates = tuple((name, conversation) for name in SPECS
                      for conversation in ("plain", "several")) + (("glm4v-plain", "words"),)
    compared = ("glm4v-plain",)
    informed = ("glm4v-plain", "glm4v-tied")
    # one micro-batch a step: transformers' Trainer means over micro-batches here, not over labels
    plans = {
        "glm4v": towers_plan("glm4v-plain"),
        "glm4v-linear": Plan("glm4v-old", "linear", training=dict(
            per_device_train_batch_size=2, gradient_accumulation_steps=1, shuffle=True)),
        "glm4v-full": full_plan("glm4v-old"),
    }

    def felt(self, spec, name, tensor):
        return tensor if "visual" in name else turned(spec, name, tensor)

    def native_name(self, name):
        return name

    def older_key(self, name):
        return name

    def older_pattern(self, pattern):
        return pattern

    def ids_of_marks(self, token):
        return dict(image_token_id=token("<|image|>"), video_token_id=token("<|video|>"),
                    image_start_token_id=token("<|begin_of_image|>"),
                    image_end_token_id=token("<|end_of_image|>"),
                    video_start_token_id=token("<|begin_of_video|>"),
                    video_end_token_id=token("<|end_of_video|>"))

    def finish(self, path, spec):
        if spec.old_layout:
            age_folder(path, self)


def age_folder(path, family):
    """As the hub has them: rotary settings beside the others, processors in files of their own."""
    config = read(path / "config.json")
    text = config["text_config"]
    rope = text.pop("rope_parameters")
    text |= {"rope_theta": rope["rope_theta"], "torch_dtype": "float16",
             "partial_rotary_factor": rope["partial_rotary_factor"],
             "rope_scaling": {"type": "default", "mrope_section": rope["mrope_section"]}}
    config["torch_dtype"] = config.pop("dtype")
    config["vision_config"].pop("rope_parameters", None)
    write(path / "config.json", config | {"transformers_version": "4.53.0.dev0"})
    old_processor_files(path, family.picture_class.__name__.removesuffix("Pil"),
                        family.processor_class.__name__)


class Glm46V(Glm4v):
    """glm46v: the same under other names of classes, its decoder named in the file."""
    model_type = "glm46v"
    config_class, model_class = Glm46VConfig, Glm46VForConditionalGeneration
    processor_class = Glm46VProcessor
    picture_class, video_class = Glm46VImageProcessorPil, Glm46VVideoProcessor
    specs = {
        "glm46v-plain": Spec(
            {**TOWER, "num_heads": 4, "image_size": 28}, None,
            {**TEXT, "num_key_value_heads": 1, "rope_parameters": half([2, 0, 1])}, "qwen", "glm",
            picture=LIMITS),
        "glm46v-tied": Spec(
            {**TOWER, "attention_bias": True}, None,
            {**TEXT, "hidden_size": 64, "rope_parameters": half([1, 1, 2])}, "qwen", "glm",
            dict(tie_word_embeddings=True), LIMITS, dtype="bfloat16",
            conversations=("plain", "several", "words")),
        "glm46v-old": Spec(
            {**TOWER, "patch_size": 5}, None,
            {**TEXT, "num_hidden_layers": 3, "rope_parameters": half([0, 2, 1], rope_theta=5e5)},
            "qwen", "glm", picture=dict(min_pixels=800, max_pixels=6400), dtype="float16",
            old_layout=True, conversations=("plain", "several", "words")),
    }
    larger = None
    adapters = (("glm46v-plain", "linear", "new"), ("glm46v-tied", "towers", "new"))
    tied = ("glm46v-tied",)
    merges = (("glm46v-plain", "towers"),)
    generates = (("glm46v-plain", "plain"), ("glm46v-plain", "several"), ("glm46v-old", "plain"))
    compared = ("glm46v-plain",)
    informed = ("glm46v-plain", "glm46v-tied")
    # What a bias adds to the features of a key that do not turn, it adds to all of a query's scores:
    # rounding alone says what its gradient is, which an epsilon above it makes no step of.
    plans = {"glm46v": towers_plan("glm46v-plain"),
             "glm46v-full": full_plan("glm46v-old", adam_epsilon=1e-6)}

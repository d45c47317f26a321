# SPDX-License-Identifier: GPL-3.0-or-later
"""qwen2_vl: pictures of any size as patches, a tower with two-dimensional rotary positions, three
rows of positions in the decoder. `QwenVL` is
what its successors share."""
import torch
from transformers import (Qwen2VLConfig, Qwen2VLForConditionalGeneration, Qwen2VLImageProcessorPil,
                          Qwen2VLProcessor, Qwen2VLVideoProcessor)

import films
import tokenizers_
from families.base import (CONVERSATIONS, WIDE_TEXT, Family, Plan, Spec, full_plan, ids_of,
                           make_tokenizer, old_processor_files, randomise,
                           read, towers_plan, write)

MARKS = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
TOWER = dict(depth=2, embed_dim=32, num_heads=2, mlp_ratio=2, patch_size=4)
TEXT = dict(hidden_size=48, intermediate_size=80, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2)
LIMITS = dict(min_pixels=256, max_pixels=2048)


def mrope(section, **more):
    return {"rope_type": "default", "rope_theta": 1e4, **more, "mrope_section": section}


SPECS = {
    "qwen2_vl-plain": Spec(TOWER, None, {**TEXT, "rope_parameters": mrope([2, 2, 2])}, "qwen",
                           "qwen_vl", picture=LIMITS,
                           conversations=(*CONVERSATIONS, "kinds")),
    "qwen2_vl-tied": Spec(
        {**TOWER, "spatial_merge_size": 3, "hidden_act": "gelu_pytorch_tanh", "num_heads": 4,
         "depth": 3}, None,
        {**TEXT, "hidden_size": 64, "num_key_value_heads": 4, "rms_norm_eps": 1e-4,
         "rope_parameters": mrope([2, 3, 3], rope_type="yarn", factor=4.0,
                                  original_max_position_embeddings=24)},
        "qwen", "qwen_vl", dict(tie_word_embeddings=True), dict(min_pixels=576, max_pixels=4000),
        names="native", dtype="bfloat16"),
    "qwen2_vl-old": Spec(
        {**TOWER, "mlp_ratio": 4, "patch_size": 5}, None,
        {**TEXT, "hidden_size": 64, "rope_parameters": mrope([4, 2, 2], rope_theta=5e5)}, "qwen",
        "qwen_vl", picture=dict(min_pixels=400, max_pixels=3200), dtype="float16", shard="60KB",
        old_layout=True),
    "qwen2_vl-dynamic": Spec(
        {**TOWER, "temporal_patch_size": 1, "spatial_merge_size": 1, "embed_dim": 48,
         "num_heads": 3}, None,
        {**TEXT, "num_key_value_heads": 1, "num_hidden_layers": 3, "use_sliding_window": True,
         "sliding_window": 12, "max_window_layers": 1,
         "max_position_embeddings": 48, "rope_parameters": mrope(
             [1, 2, 3], rope_type="dynamic", factor=2.0)},
        "qwen", "qwen_vl", picture=dict(min_pixels=64, max_pixels=600)),
    "qwen2_vl-linear": Spec(
        TOWER, None, {**TEXT, "hidden_size": 32, "num_attention_heads": 2, "num_key_value_heads": 1,
                      "hidden_act": "gelu",
                      "rope_parameters": mrope([3, 3, 2], rope_type="linear", factor=3.0)},
        "qwen", "qwen_vl", picture=LIMITS, conversations=("plain", "several")),
}

KINDS = {
    "linear": dict(r=4, lora_alpha=8, target_modules="all-linear"),
    "towers": dict(r=3, lora_alpha=6,
                   target_modules=r".*visual\.(blocks\.\d+\.(attn\.(qkv|proj)|mlp\.fc1)|merger\.mlp\.[02])"
                                                     r"|.*language_model\.layers\.\d+\.self_attn\.[qv]_proj"),
    "regex": dict(r=5, lora_alpha=10,
                  target_modules=r".*language_model\.layers\.\d+\.self_attn\.[qv]_proj"),
    "saved_modules": dict(r=2, lora_alpha=4, target_modules=["q_proj", "qkv"],
                          modules_to_save=["merger", "lm_head"]),
    "attention": dict(r=4, lora_alpha=8, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"]),
}


class QwenVL(Family):
    parts = {"projector": ("model.visual.merger.", "model.visual.deepstack_merger_list."),
             "vision_tower": "model.visual.",
             "language_model": ("model.language_model.", "lm_head.")}
    inputs = ("input_ids", "attention_mask", "pixel_values", "image_grid_thw", "mm_token_type_ids",
              "pixel_values_videos", "video_grid_thw", "second_per_grid_ts")
    kinds = KINDS
    config_class = picture_class = video_class = None
    marks = MARKS
    film_limits = (dict(num_frames=4, min_pixels=300, max_pixels=1500),
                   dict(fps=1.0, min_frames=2, max_frames=6))
    width = "hidden_size"               # the tower's option that says how wide it hands features on

    def native_name(self, name):
        if name.startswith("visual."):
            return "model." + name
        if name.startswith("model.") and not name.startswith(
            ("model.visual.", "model.language_model.")):
            return name.replace("model.", "model.language_model.", 1)
        return name

    def older_key(self, name):
        return name.replace("model.language_model.", "model.",
                            1).replace("model.visual.", "visual.", 1)

    def older_pattern(self, pattern):
        return pattern.replace(r"language_model\.layers", r"model\.layers")

    def silent(self, name):
        return False

    def load_processor(self, folder):
        # the choice of a backend would go to the video processor too, which has but one
        processor = self.processor_class.from_pretrained(folder)
        processor.image_processor = self.picture_class.from_pretrained(folder)
        return processor

    def limit_pictures(self, processor, limits):
        processor.image_processor.size = {"shortest_edge": limits["min_pixels"],
                                          "longest_edge": limits["max_pixels"]}

    def ids_of_marks(self, token):
        """What the configuration says of them; `token` gives the id of one."""
        return dict(image_token_id=token("<|image_pad|>"), video_token_id=token("<|video_pad|>"),
                    vision_start_token_id=token("<|vision_start|>"),
                    vision_end_token_id=token("<|vision_end|>"))

    def build(self, spec, name, scratch):
        tokenizer = make_tokenizer(spec.tokenizer, scratch, self.marks)
        text = {"vocab_size": len(tokenizer) + 3, "max_position_embeddings": 2048,
                **ids_of(tokenizer), **spec.text_options}
        config = self.config_class(
            text_config=text, vision_config={**spec.tower, self.width: text["hidden_size"]},
            **self.ids_of_marks(tokenizer.convert_tokens_to_ids), **spec.model)
        model = self.model_class(config)
        randomise(model, seed=sum(name.encode()),
                  embedding=0.2 if config.tie_word_embeddings else 0.6)
        sizes = {key: getattr(config.vision_config, key)
                 for key in ("patch_size", "temporal_patch_size")}
        sizes["merge_size"] = config.vision_config.spatial_merge_size
        limits = dict(spec.picture)
        size = {"shortest_edge": limits.pop("min_pixels"), "longest_edge": limits.pop("max_pixels")}
        pictures = self.picture_class(size=size, **sizes, **limits)
        clips = self.video_class(**sizes, **({"size": dict(size)} if self.films else {}))
        return model, self.processor_class(pictures, tokenizer, clips,
                                           chat_template=tokenizers_.TEMPLATES[spec.template])

    def encode(self, checkpoint, messages, prompt):
        return films.encode(self, checkpoint, messages, prompt)

    def film_pixels(self, messages, inputs):
        sides = {"image": (inputs.get("pixel_values"), inputs.get("image_grid_thw")),
                 "video": (inputs.get("pixel_values_videos"), inputs.get("video_grid_thw"))}
        at, row, parts = {"image": 0, "video": 0}, {"image": 0, "video": 0}, []
        for message in messages:
            for part in message["content"]:
                if part["type"] not in sides:
                    continue
                values, grids = sides[part["type"]]
                count = int(grids[at[part["type"]]].prod())
                start = row[part["type"]]
                parts.append(values[start:start + count])
                at[part["type"]] += 1
                row[part["type"]] += count
        return torch.cat(parts)

    def batch(self, examples):
        made = super().batch(examples)
        for key in ("pixel_values_videos", "video_grid_thw", "second_per_grid_ts"):
            found = [torch.as_tensor(example[key]) for example in examples if key in example]
            if found:
                made[key] = torch.cat(found)
        return made

    def finish(self, path, spec):
        super().finish(path, spec)
        if spec.old_layout:
            age_folder(path, spec, self)


def age_folder(path, spec, family):
    """As the hub has them: the decoder's settings at the top level, mrope as a kind of scaling,
    limits beside the size."""
    config = read(path / "config.json")
    text = config.pop("text_config")
    rope = text.pop("rope_parameters")
    text.pop("layer_types", None)
    text.pop("model_type", None)
    config |= {key: value for key, value in text.items() if value is not None}
    config |= {"rope_theta": rope["rope_theta"],
               "rope_scaling": {"type": "mrope", "mrope_section": rope["mrope_section"]}}
    config["torch_dtype"] = config.pop("dtype")
    config["transformers_version"] = "4.41.2"
    tower = config["vision_config"]
    for key in ("rope_parameters", "temporal_patch_size", "initializer_range"):
        tower.pop(key, None)
    tower |= {"in_chans": tower.pop("in_channels"), "spatial_patch_size": tower["patch_size"]}
    write(path / "config.json", config)
    old_processor_files(path, "Qwen2VLImageProcessor", "Qwen2VLProcessor")
    picture = read(path / "preprocessor_config.json")
    size = picture.pop("size")
    write(path / "preprocessor_config.json", {**picture, "min_pixels": size["shortest_edge"],
                                              "max_pixels": size["longest_edge"],
                                              "size": {"min_pixels": size["shortest_edge"],
                                                       "max_pixels": size["longest_edge"]}})


class Qwen2VL(QwenVL):
    model_type = "qwen2_vl"
    films = True
    config_class, model_class, processor_class = Qwen2VLConfig, Qwen2VLForConditionalGeneration, Qwen2VLProcessor
    picture_class, video_class = Qwen2VLImageProcessorPil, Qwen2VLVideoProcessor
    specs = SPECS
    larger = Spec({**TOWER, "depth": 3, "embed_dim": 96, "num_heads": 4}, None,
                  {**WIDE_TEXT, "rope_parameters": mrope([8, 8, 8])}, "qwen", "qwen_vl",
                  picture=LIMITS)
    adapters = (("qwen2_vl-plain", "linear", "new"), ("qwen2_vl-plain", "towers", "old"),
                ("qwen2_vl-tied", "regex", "new"),
                ("qwen2_vl-old", "saved_modules", "new"))
    tied = ("qwen2_vl-tied",)
    merges = (("qwen2_vl-plain", "towers"), ("qwen2_vl-tied", "linear"),
              ("qwen2_vl-old", "attention"))
    generates = tuple((name, conversation) for name in SPECS
                      for conversation in ("plain", "several")) + (("qwen2_vl-plain", "words"),)
    compared = ("qwen2_vl-plain",)
    informed = ("qwen2_vl-plain", "qwen2_vl-tied", "qwen2_vl-old")
    plans = {
        "qwen2_vl": towers_plan("qwen2_vl-plain"),
        "qwen2_vl-linear": Plan("qwen2_vl-tied", "linear",
                                training=dict(per_device_train_batch_size=2, shuffle=True)),
        "qwen2_vl-limits": Plan("qwen2_vl-old", "attention", rows=6,
                                image=dict(min_pixels=900, max_pixels=1600), training=dict(
            per_device_train_batch_size=2, gradient_accumulation_steps=1, max_steps=4)),
        "qwen2_vl-full": full_plan("qwen2_vl-old"),
        "qwen2_vl-merger": Plan("qwen2_vl-plain", strategy="freeze", rows=6,
                                freeze=dict(vision_tower=True, projector=False,
                                            language_model=True),
                                training=dict(learning_rate=1e-3, max_steps=4)),
    }

# SPDX-License-Identifier: GPL-3.0-or-later
"""llava_next: llava with pictures cut into tiles of the best of several resolutions, the padding
taken out of their features again, and a
learned vector at each line's end."""
import torch
from transformers import (CLIPVisionConfig, LlamaConfig, LlavaNextConfig,
                          LlavaNextForConditionalGeneration, LlavaNextImageProcessorPil,
                          LlavaNextProcessor, MistralConfig, Qwen2Config)

import tokenizers_
from families.base import (CONVERSATIONS, LLAMA, WIDE_TEXT, WIDE_TOWER, FirstLayout, Plan, Spec,
                           full_plan, ids_of, make_tokenizer,
                           old_processor_files, randomise, read, towers_plan, write)
from families.llava import clip, siglip


def pinpoints(side, *shapes):
    return [[side * rows, side * columns] for rows, columns in shapes]


USUAL = ((1, 2), (2, 1), (2, 2), (3, 1), (1, 3))
SPECS = {
    "llava_next-clip": Spec(clip(), LlamaConfig, {**LLAMA, "num_key_value_heads": 2}, "llama_bos",
                            "vicuna",
                            dict(image_grid_pinpoints=pinpoints(30, *USUAL)),
                            conversations=(*CONVERSATIONS, "kinds")),
    # no class token: everything is kept; many shapes, in an order in which the first best counts
    "llava_next-siglip": Spec(
        siglip(num_attention_heads=2), Qwen2Config,
        {**LLAMA, "num_key_value_heads": 4, "rope_parameters": dict(
            rope_type="yarn", rope_theta=1e5, factor=4.0, original_max_position_embeddings=64,
            mscale=0.8, mscale_all_dim=0.5)},
        "qwen", "chatml", dict(image_grid_pinpoints=pinpoints(32, (3, 3), (1, 4), (2, 3), (4, 1),
                                                              (1, 1), (3, 2), (2, 2)),
                               vision_feature_layer=-1, vision_feature_select_strategy="full",
                               tie_word_embeddings=True,
                               multimodal_projector_bias=False), dtype="bfloat16", names="native"),
    "llava_next-old": Spec(
        clip(image_size=24, num_attention_heads=2), MistralConfig,
        {**LLAMA, "num_key_value_heads": 1, "sliding_window": None,
         "rope_parameters": dict(rope_type="default", rope_theta=1e6)},
        "llama", "inst", dict(image_grid_pinpoints=pinpoints(24, *USUAL)), dtype="float16",
        names="old", old_layout=True, shard="60KB"),
    "llava_next-layers": Spec(
        clip(num_hidden_layers=4, image_size=28, patch_size=7), LlamaConfig,
        {**LLAMA, "num_key_value_heads": 4},
        "llama_bos", "vicuna", dict(image_grid_pinpoints=pinpoints(28, (1, 2), (2, 1)),
                                    vision_feature_layer=[-3, 1], projector_hidden_act="silu"),
        dict(resample=2, image_mean=[0.4, 0.5, 0.6]), conversations=("plain", "several", "rest")),
}

KINDS = {
    "linear": dict(r=4, lora_alpha=8, target_modules="all-linear"),
    "towers": dict(r=3, lora_alpha=6,
                   target_modules=r".*(vision_tower\.encoder\.layers\.\d+\.(self_attn\.q_proj|mlp\.fc2)"
                                                     r"|multi_modal_projector\.linear_2|language_model\.layers\.\d+\.self_attn\.[vo]_proj)"),
    "regex": dict(r=5, lora_alpha=10,
                  target_modules=r".*language_model\.layers\.\d+\.self_attn\.[qv]_proj"),
    "saved_modules": dict(r=2, lora_alpha=4, target_modules=["q_proj", "k_proj"],
                          modules_to_save=["multi_modal_projector", "lm_head"]),
    "attention": dict(r=4, lora_alpha=8, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"]),
}


class LlavaNext(FirstLayout):
    model_type = "llava_next"
    model_class, processor_class = LlavaNextForConditionalGeneration, LlavaNextProcessor
    parts = {"vision_tower": "model.vision_tower.",
             "projector": ("model.multi_modal_projector.", "model.image_newline"),
             "language_model": ("model.language_model.", "lm_head.")}
    inputs = ("input_ids", "attention_mask", "pixel_values", "image_sizes")
    specs, kinds = SPECS, KINDS
    larger = Spec(clip(**WIDE_TOWER, image_size=28, patch_size=7), LlamaConfig, WIDE_TEXT,
                  "llama_bos", "vicuna",
                  dict(image_grid_pinpoints=pinpoints(28, *USUAL)))
    adapters = (("llava_next-clip", "linear", "new"), ("llava_next-siglip", "towers", "new"),
                ("llava_next-old", "regex", "old"),
                ("llava_next-layers", "saved_modules", "new"))
    tied = ("llava_next-siglip",)
    merges = (("llava_next-clip", "towers"), ("llava_next-siglip", "linear"))
    generates = tuple((name, conversation) for name in SPECS
                      for conversation in ("plain", "several")) + (("llava_next-clip", "words"),)
    compared = ("llava_next-clip",)
    informed = ("llava_next-clip", "llava_next-old")
    plans = {
        "llava_next": towers_plan("llava_next-clip"),
        "llava_next-linear": Plan("llava_next-siglip", "linear",
                                  training=dict(per_device_train_batch_size=2, shuffle=True)),
        "llava_next-full": full_plan("llava_next-old"),
    }

    def build(self, spec, name, scratch):
        tokenizer = make_tokenizer(spec.tokenizer, scratch)
        text = spec.text(**{"vocab_size": len(tokenizer) + 3, "max_position_embeddings": 2048,
                            **ids_of(tokenizer), **spec.text_options})
        config = LlavaNextConfig(vision_config=spec.tower, text_config=text,
                                 image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
                                 **spec.model)
        model = LlavaNextForConditionalGeneration(config)
        randomise(model, seed=sum(name.encode()),
                  embedding=0.2 if config.tie_word_embeddings else 0.6)
        size, is_clip = spec.tower.image_size, isinstance(spec.tower, CLIPVisionConfig)
        pictures = LlavaNextImageProcessorPil(size={"shortest_edge": size},
                                              crop_size={"height": size, "width": size},
                                              image_grid_pinpoints=config.image_grid_pinpoints,
                                              **spec.picture)
        return model, LlavaNextProcessor(pictures, tokenizer, patch_size=spec.tower.patch_size,
                                         vision_feature_select_strategy=config.vision_feature_select_strategy,
                                         num_additional_image_tokens=int(is_clip),
                                         chat_template=tokenizers_.TEMPLATES[spec.template])

    def finish(self, path, spec):
        super().finish(path, spec)
        if spec.old_layout:
            age_folder(path)

    def gradient_names(self, checkpoint):
        """All but those of SigLIP's pooling head, which no feature comes from."""
        return [name for name in checkpoint.stored if ".head." not in name]

    def batch_pictures(self, examples):
        """Every picture has as many tiles as the fullest: zeros, which the model leaves out
        again."""
        most = max((example["pixel_values"].shape[1] for example in examples), default=0)
        padded = [{**example, "pixel_values": torch.nn.functional.pad(
            example["pixel_values"], (0, 0) * 3 + (0, most - example["pixel_values"].shape[1]))}
            for example in examples]
        return super().batch_pictures(padded)


def age_folder(path):
    """As the hub has them: rotary settings at the decoder's top level, a class name and keys that
    nothing reads any more."""
    config = read(path / "config.json")
    rope = config["text_config"].pop("rope_parameters")
    config["text_config"] |= {"rope_theta": rope["rope_theta"], "torch_dtype": "float16"}
    config["torch_dtype"] = config.pop("dtype")
    for key in ("multimodal_projector_bias", "tie_word_embeddings", "image_seq_length"):
        config.pop(key, None)
    write(path / "config.json", config | {"ignore_index": -100, "use_image_newline_parameter": True,
                                          "transformers_version": "4.39.0.dev0"})
    old_processor_files(path, "LlavaNextImageProcessor", "LlavaNextProcessor")
    write(path / "preprocessor_config.json", read(path / "preprocessor_config.json") | {
        "aspect_ratio_setting": "anyres"})

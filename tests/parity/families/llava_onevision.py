# SPDX-License-Identifier: GPL-3.0-or-later
"""llava_onevision: llava_next whose lines over very many tiles are shrunk; each of several pictures
in a row is one frame and one line's end."""
import itertools

import torch
from transformers import (CLIPVisionConfig, LlamaConfig, LlavaOnevisionConfig,
                          LlavaOnevisionForConditionalGeneration, LlavaOnevisionImageProcessorPil,
                          LlavaOnevisionProcessor, LlavaOnevisionVideoProcessor, Qwen2Config)

import films
import tokenizers_
from families.base import (LLAMA, WIDE_TEXT, WIDE_TOWER, Plan, Spec, full_plan, ids_of,
                           make_tokenizer, old_processor_files, randomise, read, towers_plan, write)
from families.llava import clip, siglip
from families.llava_next import LlavaNext, pinpoints

SEEN = ("plain", "large", "several", "korean", "words")


def grid(down, across):
    """Every shape up to so many tiles."""
    return tuple(itertools.product(range(1, down + 1), range(1, across + 1)))


QWEN = {**LLAMA, "num_key_value_heads": 2,
        "rope_parameters": dict(rope_type="default", rope_theta=1e6)}
SPECS = {
    "onevision-plain": Spec(
        siglip(vision_use_head=False), Qwen2Config, QWEN, "qwen", "chatml",
        dict(image_grid_pinpoints=pinpoints(32, *grid(3, 3)), vision_aspect_ratio="anyres_max_2"),
        conversations=(*SEEN, "banner", "kinds", "rest")),
    # the usual number of tiles, frames whose patches do not fill them
    "onevision-nine": Spec(
        siglip(image_size=30, patch_size=7, num_attention_heads=2), Qwen2Config,
        {**QWEN, "num_key_value_heads": 4}, "qwen", "chatml",
        dict(image_grid_pinpoints=pinpoints(30, *grid(5, 4)), tie_word_embeddings=True,
             vision_feature_layer=-2, multimodal_projector_bias=False),
        dict(resample=2, image_mean=[0.5, 0.5, 0.5], image_std=[0.5, 0.5, 0.5]),
        dtype="bfloat16", names="native", conversations=SEEN),
    # a class token, which is left out; states of two layers
    "onevision-clip": Spec(
        clip(num_hidden_layers=4, image_size=28, patch_size=7), LlamaConfig,
        {**LLAMA, "num_key_value_heads": 1}, "llama_bos", "vicuna",
        dict(image_grid_pinpoints=pinpoints(28, (1, 2), (2, 1), (4, 1), (2, 3)),
             vision_aspect_ratio="anyres_max_1", vision_feature_layer=[-3, 1],
             vision_feature_select_strategy="default", projector_hidden_act="silu"),
        conversations=("plain", "large", "banner", "more")),
    "onevision-old": Spec(
        siglip(image_size=24, patch_size=8, num_hidden_layers=2, vision_use_head=False),
        Qwen2Config, QWEN, "qwen", "chatml",
        dict(image_grid_pinpoints=pinpoints(24, *grid(2, 3)), vision_aspect_ratio="anyres_max_4"),
        dtype="float16", names="old", old_layout=True, shard="60KB", conversations=SEEN),
}


class LlavaOnevision(LlavaNext):
    model_type = "llava_onevision"
    model_class, processor_class = LlavaOnevisionForConditionalGeneration, LlavaOnevisionProcessor
    inputs = (*LlavaNext.inputs, "batch_num_images", "pixel_values_videos")
    films = lone_films = True           # films of other lengths cannot stand beside one another
    film_conversations, film_answers, film_batch = ("film", "one-film"), ("one-film", "film"), 1
    specs = SPECS
    larger = Spec(siglip(**WIDE_TOWER, image_size=28, patch_size=7, vision_use_head=False),
                  Qwen2Config, WIDE_TEXT, "qwen", "chatml",
                  dict(image_grid_pinpoints=pinpoints(28, *grid(2, 3)),
                       vision_aspect_ratio="anyres_max_4"))
    adapters = (("onevision-plain", "linear", "new"), ("onevision-nine", "towers", "new"),
                ("onevision-old", "regex", "old"), ("onevision-clip", "saved_modules", "new"))
    tied = ("onevision-nine",)
    merges = (("onevision-plain", "towers"), ("onevision-nine", "linear"))
    generates = tuple((name, conversation) for name in SPECS
                      for conversation in ("large", "several")) + (("onevision-plain", "words"),)
    compared = ("onevision-plain",)
    informed = ("onevision-plain", "onevision-old")
    plans = {
        "llava_onevision": towers_plan("onevision-plain"),
        "llava_onevision-linear": Plan("onevision-nine", "linear", training=dict(
            per_device_train_batch_size=2, shuffle=True)),
        "llava_onevision-full": full_plan("onevision-old"),
    }

    def build(self, spec, name, scratch):
        tokenizer = make_tokenizer(spec.tokenizer, scratch, ("<video>",))
        text = spec.text(**{"vocab_size": len(tokenizer) + 3, "max_position_embeddings": 2048,
                            **ids_of(tokenizer), **spec.text_options})
        config = LlavaOnevisionConfig(
            vision_config=spec.tower, text_config=text,
            image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
            video_token_index=tokenizer.convert_tokens_to_ids("<video>"), **spec.model)
        model = LlavaOnevisionForConditionalGeneration(config)
        randomise(model, seed=sum(name.encode()),
                  embedding=0.2 if config.tie_word_embeddings else 0.6)
        size, side = spec.tower.image_size, spec.tower.image_size // spec.tower.patch_size
        pictures = LlavaOnevisionImageProcessorPil(
            size={"height": size, "width": size},
            image_grid_pinpoints=config.image_grid_pinpoints, **spec.picture)
        return model, LlavaOnevisionProcessor(
            pictures, tokenizer,
            LlavaOnevisionVideoProcessor(size={"height": size, "width": size}, **spec.picture),
            num_image_tokens=side * side + int(isinstance(spec.tower, CLIPVisionConfig)),
            vision_feature_select_strategy=config.vision_feature_select_strategy,
            chat_template=tokenizers_.TEMPLATES[spec.template],
            vision_aspect_ratio=config.vision_aspect_ratio)

    def finish(self, path, spec):
        if spec.names != "saved":
            self.rename(path, spec.names)
        if spec.old_layout:
            age_folder(path)

    def has_films(self, name):
        return self.specs[name].template == "chatml"

    def encode(self, checkpoint, messages, prompt):
        return films.encode(self, checkpoint, messages, prompt)

    def film_pixels(self, messages, inputs):
        """One behind the other, zeros where one has fewer frames than the fullest."""
        sides = {"image": iter(inputs.get("pixel_values", ())),
                 "video": iter(inputs["pixel_values_videos"])}
        found = [next(sides[part["type"]]) for message in messages for part in message["content"]
                 if part["type"] in sides]
        most = max(len(each) for each in found)
        return torch.stack([torch.nn.functional.pad(each, (0, 0) * 3 + (0, most - len(each)))
                            for each in found])

    def batch(self, examples):
        made = super().batch(examples)
        found = [example["pixel_values_videos"] for example in examples
                 if "pixel_values_videos" in example]
        if found:
            made["pixel_values_videos"] = torch.cat(found)
        return made

    def load_processor(self, folder):
        # the choice of a backend would go to the video processor too, which has but one
        processor = self.processor_class.from_pretrained(folder)
        processor.image_processor = LlavaOnevisionImageProcessorPil.from_pretrained(folder)
        return processor

    def batch_pictures(self, examples):
        batch = super().batch_pictures(examples)
        if batch:
            batch["batch_num_images"] = torch.cat([example["batch_num_images"]
                                                   for example in examples])
        return batch


def age_folder(path):
    """As the hub has them: rotary settings at the decoder's top level and keys that nothing reads
    any more."""
    config = read(path / "config.json")
    rope = config["text_config"].pop("rope_parameters")
    config["text_config"] |= {"rope_theta": rope["rope_theta"], "torch_dtype": "float16"}
    config["torch_dtype"] = config.pop("dtype")
    for key in ("multimodal_projector_bias", "tie_word_embeddings"):
        config.pop(key, None)
    write(path / "config.json", config | {"ignore_index": -100, "use_image_newline_parameter": True,
                                          "transformers_version": "4.45.0.dev0"})
    old_processor_files(path, "LlavaOnevisionImageProcessor", "LlavaOnevisionProcessor")

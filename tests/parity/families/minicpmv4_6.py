# SPDX-License-Identifier: GPL-3.0-or-later
"""minicpmv4_6: SigLIP's layers over whole pictures and slices of any proportions, four patches
becoming one after one of them and four again behind them, a Qwen3.5 decoder.

transformers 5.17 reshapes all units of a call by the first one's grid, which fails or mixes patches
where grids differ. Units see nothing of one another, so a call of several grids is made here of calls
of one unit each; calls of one grid are transformers' own."""
import functools

import torch
from transformers import (AutoTokenizer, MiniCPMV4_6Config, MiniCPMV4_6ForConditionalGeneration,
                          MiniCPMV4_6Processor, Qwen3_5TextConfig)
from transformers.models.minicpmv4_6.image_processing_pil_minicpmv4_6 import \
    MiniCPMV4_6ImageProcessorPil
from transformers.models.minicpmv4_6.modeling_minicpmv4_6 import MiniCPMV4_6Model
from transformers.models.minicpmv4_6.video_processing_minicpmv4_6 import MiniCPMV4_6VideoProcessor

import tokenizers_
from families.base import (WIDE_TEXT, WIDE_TOWER, Family, Plan, Spec, full_plan,
                           ids_of, make_tokenizer, old_processor_files, randomise, read,
                           towers_plan, write)
from families.qwen3_5 import TEXT, rotary, settled

MARKS = {"image_token": "<|image_pad|>", "video_token": "<|video_pad|>",
         "image_start_token": "<image>", "image_end_token": "</image>",
         "slice_start_token": "<slice>", "slice_end_token": "</slice>",
         "image_id_start_token": "<image_id>", "image_id_end_token": "</image_id>"}
TOWER = dict(hidden_size=32, intermediate_size=56, num_attention_heads=4, num_hidden_layers=3,
             patch_size=4, image_size=16)
# Units of some four tokens of sixteen patches.
PICTURE = dict(scale_resolution=32, max_slice_nums=4)
PLAIN = {**TEXT, "rope_parameters": rotary([2, 1, 1])}

SPECS = {
    "minicpmv4_6-plain": Spec(TOWER, Qwen3_5TextConfig, PLAIN, "qwen", "minicpmv",
                              dict(tie_word_embeddings=False, insert_layer_id=1), PICTURE,
                              conversations=("plain", "several", "korean", "kinds")),
    # four patches a token, pictures whole and without numbers
    "minicpmv4_6-tied": Spec(
        {**TOWER, "hidden_act": "gelu", "layer_norm_eps": 1e-4, "image_size": 23,
         "num_hidden_layers": 2},
        Qwen3_5TextConfig,
        {**TEXT, "num_hidden_layers": 2, "attention_bias": True, "head_dim": 24,
         "layer_types": ["full_attention", "linear_attention"],
         "rope_parameters": rotary([1, 1, 1], 0.25)},
        "qwen", "minicpmv", dict(tie_word_embeddings=True, downsample_mode="4x"),
        dict(scale_resolution=20, slice_mode=False, use_image_id=False, downsample_mode="4x",
             image_mean=[0.4, 0.5, 0.6], resample=2),
        dtype="bfloat16", conversations=("several",)),
    # four become one twice behind the tower, and not within it
    "minicpmv4_6-twice": Spec(
        {**TOWER, "num_attention_heads": 2, "patch_size": 3, "image_size": 9}, Qwen3_5TextConfig,
        {**TEXT, "linear_num_key_heads": 1, "num_hidden_layers": 2, "full_attention_interval": 2,
         "rope_parameters": rotary([2, 1, 1], rope_theta=5e5)},
        "qwen", "minicpmv", dict(tie_word_embeddings=False, downsample_mode="4x", merger_times=2),
        dict(scale_resolution=24, max_slice_nums=9), dtype="float16", shard="60KB",
        old_layout=True, conversations=("several",)),
    # merged before the second layer; all pictures squares of one block, which transformers takes
    # in one call
    "minicpmv4_6-alike": Spec(
        TOWER, Qwen3_5TextConfig, {**PLAIN, "num_hidden_layers": 2, "full_attention_interval": 2},
        "qwen", "minicpmv", dict(tie_word_embeddings=False, insert_layer_id=0),
        dict(scale_resolution=16, slice_mode=False), conversations=("several",)),
}

KINDS = {
    "linear": dict(r=4, lora_alpha=8, target_modules="all-linear"),
    "towers": dict(r=3, lora_alpha=6, target_modules=(
        r".*(vision_tower\.(encoder\.layers\.\d+\.(self_attn\.q_proj|mlp\.fc2)"
        r"|embeddings\.patch_embedding|vit_merger\.(self_attn\.v_proj|linear_1))"
        r"|model\.merger\.mlp\.\d+\.linear_2"
        r"|language_model\.layers\.\d+\.(linear_attn\.in_proj_qkv|self_attn\.q_proj))")),
    "regex": dict(r=5, lora_alpha=10,
                  target_modules=r".*language_model\.layers\.\d+\.self_attn\.[qv]_proj"),
    "saved_modules": dict(r=2, lora_alpha=4, target_modules=["q_proj", "k_proj"],
                          modules_to_save=["model.merger"]),
    "attention": dict(r=4, lora_alpha=8, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"]),
}


def each_alone(features):
    """get_image_features of units of several grids: each by itself."""
    @functools.wraps(features)
    def of_units(self, pixel_values, target_sizes, *more, **named):
        if (target_sizes == target_sizes[0]).all():
            return features(self, pixel_values, target_sizes, *more, **named)
        widths = (target_sizes.prod(-1) * pixel_values.shape[2]).tolist()
        made = [features(self, part, size[None], *more, **named)
                for part, size in zip(pixel_values.split(widths, -1), target_sizes)]
        made[0].pooler_output = [unit for each in made for unit in each.pooler_output]
        return made[0]
    return of_units


MiniCPMV4_6Model.get_image_features = each_alone(MiniCPMV4_6Model.get_image_features)


class MiniCPMV46(Family):
    model_type = "minicpmv4_6"
    model_class, processor_class = MiniCPMV4_6ForConditionalGeneration, MiniCPMV4_6Processor
    parts = {"vision_tower": "model.vision_tower.", "projector": "model.merger.",
             "language_model": ("model.language_model.", "lm_head.")}
    inputs = ("input_ids", "attention_mask", "pixel_values", "target_sizes")
    specs, kinds = SPECS, KINDS
    larger = Spec({**TOWER, **WIDE_TOWER}, Qwen3_5TextConfig,
                  {**WIDE_TEXT, "head_dim": 48, "linear_key_head_dim": 32,
                   "linear_value_head_dim": 32, "linear_num_key_heads": 3,
                   "linear_num_value_heads": 6, "rope_parameters": rotary([4, 4, 4])}, "qwen",
                  "minicpmv", dict(tie_word_embeddings=False, insert_layer_id=1), PICTURE)
    adapters = (("minicpmv4_6-plain", "linear", "new"), ("minicpmv4_6-tied", "regex", "new"),
                ("minicpmv4_6-twice", "saved_modules", "new"))
    tied = ("minicpmv4_6-tied",)
    merges = (("minicpmv4_6-plain", "towers"), ("minicpmv4_6-tied", "attention"))
    generates = (("minicpmv4_6-tied", "several"), ("minicpmv4_6-twice", "plain"))
    compared = ("minicpmv4_6-plain",)
    informed = ("minicpmv4_6-twice",)
    plans = {
        "minicpmv4_6": towers_plan("minicpmv4_6-plain"),
        "minicpmv4_6-recomputed": Plan("minicpmv4_6-twice", "attention",
                                       gradient_checkpointing="true",
                                       training=dict(per_device_train_batch_size=2, max_steps=4)),
        "minicpmv4_6-full": full_plan("minicpmv4_6-plain"),
    }

    def build(self, spec, name, scratch):
        tokenizer = make_tokenizer(spec.tokenizer, scratch, tuple(MARKS.values()))
        tokenizer._set_model_specific_special_tokens(special_tokens=MARKS)
        text = spec.text(**{"vocab_size": len(tokenizer) + 3, "max_position_embeddings": 2048,
                            **ids_of(tokenizer), **spec.text_options})
        config = MiniCPMV4_6Config(vision_config=dict(spec.tower), text_config=text,
                                   image_token_id=tokenizer.image_token_id,
                                   video_token_id=tokenizer.video_token_id, **spec.model)
        model = MiniCPMV4_6ForConditionalGeneration(config)
        randomise(model, seed=sum(name.encode()),
                  embedding=0.2 if config.tie_word_embeddings else 0.6)
        settled(model.model.language_model, name)
        pictures = MiniCPMV4_6ImageProcessorPil(patch_size=spec.tower["patch_size"],
                                                **spec.picture)
        return model, MiniCPMV4_6Processor(
            pictures, MiniCPMV4_6VideoProcessor(patch_size=spec.tower["patch_size"]), tokenizer,
            chat_template=tokenizers_.TEMPLATES[spec.template])

    def load_processor(self, folder):
        # the choice of a backend would go to the video processor too, which has but one
        processor = MiniCPMV4_6Processor.from_pretrained(folder)
        return MiniCPMV4_6Processor(
            MiniCPMV4_6ImageProcessorPil.from_pretrained(folder), processor.video_processor,
            AutoTokenizer.from_pretrained(folder), chat_template=processor.chat_template)

    def finish(self, path, spec):
        super().finish(path, spec)
        if not spec.old_layout:
            return
        config = read(path / "config.json")
        text = config["text_config"]
        text.pop("layer_types")
        text["full_attention_interval"] = spec.text_options["full_attention_interval"]
        config["torch_dtype"] = config.pop("dtype")
        write(path / "config.json", config)
        old_processor_files(path, "MiniCPMV4_6ImageProcessor", "MiniCPMV4_6Processor")

    def batch_pictures(self, examples):
        """Patches of all units side by side."""
        if not examples:
            return {}
        return {"pixel_values": torch.cat([example["pixel_values"] for example in examples], -1),
                "target_sizes": torch.cat([example["target_sizes"] for example in examples])}

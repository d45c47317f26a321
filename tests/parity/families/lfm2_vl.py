# SPDX-License-Identifier: GPL-3.0-or-later
"""lfm2_vl: SigLIP 2's tower for pictures and tiles of any proportions, squares of patches folded
into one token, an LFM2 decoder. Its picture processor is torchvision's alone."""
import torch
from PIL import Image, ImageOps
from transformers import (Lfm2Config, Lfm2VlConfig, Lfm2VlForConditionalGeneration,
                          Lfm2VlImageProcessor, Lfm2VlProcessor)

import tokenizers_
from families.base import (CONVERSATIONS, WIDE_TEXT, WIDE_TOWER, Family, Plan, Spec, full_plan,
                           ids_of, make_tokenizer, old_processor_files, randomise, read,
                           towers_plan, write)
from families.lfm2 import FEW, TEXT, before_transformers

MARKS = ("<image>", "<|image_start|>", "<|image_end|>", "<|img_thumbnail|>", "<end_of_utterance>",
         *(f"<|img_row_{row}_col_{column}|>" for row in range(1, 5) for column in range(1, 5)))
TOWER = dict(model_type="siglip2_vision_model", hidden_size=32, intermediate_size=56,
             num_attention_heads=4, num_hidden_layers=2, patch_size=4, num_patches=16)
TILES = dict(encoder_patch_size=4, tile_size=16, min_image_tokens=2, max_image_tokens=8,
             max_tiles=4)
MIXED = {**TEXT, "num_hidden_layers": 3, "layer_types": ["conv", "full_attention", "conv"],
         "block_multiple_of": 16}

SPECS = {
    "lfm2_vl-plain": Spec(TOWER, Lfm2Config, MIXED, "qwen", "smolvlm",
                          dict(tie_word_embeddings=False), TILES,
                          conversations=(*CONVERSATIONS, "kinds")),
    # pictures stay whole, larger than the table of positions; three by three patches a token
    "lfm2_vl-tied": Spec(
        {**TOWER, "hidden_act": "gelu", "layer_norm_eps": 1e-4, "num_patches": 25}, Lfm2Config,
        {**MIXED, "num_hidden_layers": 2, "layer_types": ["full_attention", "conv"],
         "conv_bias": True},
        "qwen", "smolvlm", dict(tie_word_embeddings=True, projector_use_layernorm=False,
                                projector_bias=False, projector_hidden_act="silu",
                                downsample_factor=3),
        {**TILES, "downsample_factor": 3, "do_image_splitting": False, "max_image_tokens": 12,
         "image_mean": [0.4, 0.5, 0.6]},
        names="old", dtype="bfloat16", conversations=FEW),
    # tiles without a thumbnail, of patches that are tokens each
    "lfm2_vl-tiles": Spec(
        {**TOWER, "num_attention_heads": 2, "patch_size": 8}, Lfm2Config,
        {**MIXED, "num_key_value_heads": 1}, "qwen", "smolvlm",
        dict(tie_word_embeddings=False, downsample_factor=1),
        {**TILES, "encoder_patch_size": 8, "downsample_factor": 1, "tile_size": 24,
         "use_thumbnail": False, "max_pixels_tolerance": 1.0, "resample": 3},
        dtype="float16", shard="60KB", old_layout=True, conversations=FEW),
}

KINDS = {
    "linear": dict(r=4, lora_alpha=8, target_modules="all-linear"),
    "towers": dict(r=3, lora_alpha=6, target_modules=(
        r".*(vision_tower\.(encoder\.layers\.\d+\.(self_attn\.q_proj|mlp\.fc2)"
        r"|embeddings\.patch_embedding)"
        r"|multi_modal_projector\.linear_1|language_model\.layers\.\d+\.conv\.in_proj)")),
    "saved_modules": dict(r=2, lora_alpha=4, target_modules=["q_proj", "w2"],
                          modules_to_save=["multi_modal_projector"]),
    "attention": dict(r=4, lora_alpha=8, target_modules=["q_proj", "k_proj", "v_proj", "out_proj"]),
}


def upright(path):
    return ImageOps.exif_transpose(Image.open(path)).convert("RGB")


class Lfm2Vl(Family):
    model_type = "lfm2_vl"
    model_class, processor_class = Lfm2VlForConditionalGeneration, Lfm2VlProcessor
    inputs = ("input_ids", "attention_mask", "pixel_values", "pixel_attention_mask",
              "spatial_shapes")
    specs, kinds = SPECS, KINDS
    larger = Spec({**TOWER, **WIDE_TOWER}, Lfm2Config,
                  {**MIXED, **WIDE_TEXT, "num_hidden_layers": 3,
                   "block_auto_adjust_ff_dim": False},
                  "qwen", "smolvlm", dict(tie_word_embeddings=False), TILES)
    adapters = (("lfm2_vl-plain", "linear", "new"), ("lfm2_vl-tied", "towers", "new"),
                ("lfm2_vl-tiles", "saved_modules", "new"))
    tied = ("lfm2_vl-tied",)
    merges = (("lfm2_vl-plain", "towers"), ("lfm2_vl-tied", "attention"))
    generates = (("lfm2_vl-plain", "plain"), ("lfm2_vl-plain", "several"),
                 ("lfm2_vl-tied", "several"), ("lfm2_vl-tiles", "plain"))
    compared = ("lfm2_vl-plain",)
    informed = tuple(SPECS)
    plans = {
        "lfm2_vl": towers_plan("lfm2_vl-plain"),
        "lfm2_vl-recomputed": Plan("lfm2_vl-tied", "attention", gradient_checkpointing="true",
                                   training=dict(per_device_train_batch_size=2, max_steps=4)),
        "lfm2_vl-full": full_plan("lfm2_vl-plain"),
    }

    def build(self, spec, name, scratch):
        tokenizer = make_tokenizer(spec.tokenizer, scratch, MARKS)
        text = spec.text(**{"vocab_size": len(tokenizer) + 3, "max_position_embeddings": 2048,
                            **ids_of(tokenizer), **spec.text_options})
        config = Lfm2VlConfig(vision_config=dict(spec.tower), text_config=text,
                              image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
                              **{"projector_hidden_size": 40, **spec.model})
        model = Lfm2VlForConditionalGeneration(config)
        randomise(model, seed=sum(name.encode()),
                  embedding=0.2 if config.tie_word_embeddings else 0.6)
        return model, Lfm2VlProcessor(Lfm2VlImageProcessor(**spec.picture), tokenizer,
                                      chat_template=tokenizers_.TEMPLATES[spec.template])

    def load_processor(self, folder):
        return Lfm2VlProcessor.from_pretrained(folder)

    def older_name(self, name):
        """As the hub's files have it."""
        return name.replace("vision_tower.", "vision_tower.vision_model.", 1)

    def native_name(self, name):
        return name.replace("vision_tower.vision_model.", "vision_tower.", 1)

    def finish(self, path, spec):
        super().finish(path, spec)
        if not spec.old_layout:
            return
        config = read(path / "config.json")
        text = config["text_config"]
        text["rope_theta"] = text.pop("rope_parameters")["rope_theta"]
        before_transformers(text)
        config["torch_dtype"] = config.pop("dtype")
        write(path / "config.json", config | {"transformers_version": "4.55.0"})
        old_processor_files(path, "Lfm2VlImageProcessorFast", "Lfm2VlProcessor")

    def encode(self, checkpoint, messages, prompt):
        """Frames as long as the longest of them, not as any could be. Pictures turned as their
        files say: what reads paths for torchvision's processors does not ask for it."""
        messages = [{**message, "content": [
            {"type": "image", "image": upright(part["path"])} if "path" in part else part
            for part in message["content"]]} for message in messages]
        inputs = super().encode(checkpoint, messages, prompt)
        if "pixel_values" in inputs:
            longest = int(inputs["pixel_attention_mask"].sum(1).max())
            for key in ("pixel_values", "pixel_attention_mask"):
                inputs[key] = inputs[key][:, :longest]
        return inputs

    def batch_pictures(self, examples):
        if not examples:
            return {}
        longest = max(example["pixel_attention_mask"].shape[1] for example in examples)

        def padded(tensor):
            """Along the patches of a frame."""
            filler = tensor.new_zeros(tensor.shape[0], longest - tensor.shape[1], *tensor.shape[2:])
            return torch.cat([tensor, filler], 1)

        return {key: torch.cat([padded(example[key]) for example in examples])
                for key in ("pixel_values", "pixel_attention_mask")} | {
            "spatial_shapes": torch.cat([example["spatial_shapes"] for example in examples])}

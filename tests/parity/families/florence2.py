# SPDX-License-Identifier: GPL-3.0-or-later
"""florence2: a DaViT tower, and BART, whose encoder reads a picture and a sentence and whose decoder
writes the answer. No chat template: a conversation is one question about one picture, which may be a
task word, and its answer. Nothing is dropped at random here: Luthier leaves dropouts of the model's
own out."""
import torch
from transformers import (BartConfig, Florence2Config, Florence2ForConditionalGeneration,
                          Florence2Processor)
from transformers.image_utils import load_image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.florence2.configuration_florence2 import Florence2VisionConfig

import tokenizers_
from families.base import Family, Plan, Spec, full_plan, old_processor_files, randomise, towers_plan

TOWER = dict(depths=(1, 2), patch_size=(7, 3), patch_stride=(4, 2), patch_padding=(3, 1),
             patch_prenorm=(False, True), embed_dim=(16, 32), num_heads=(2, 4), num_groups=(4, 2),
             window_size=3, drop_path_rate=0.0)
TEXT = dict(d_model=48, encoder_layers=2, decoder_layers=3, encoder_ffn_dim=80, decoder_ffn_dim=64,
            encoder_attention_heads=4, decoder_attention_heads=3, dropout=0.0,
            max_position_embeddings=640)
PICTURE = dict(image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225])
ONE_PICTURE = ("plain", "korean", "large", "banner", "kinds", "caption", "grounding")

SPECS = {
    "florence2-plain": Spec(TOWER, BartConfig, TEXT, "bart", None, {},
                            dict(size=dict(height=40, width=40)), conversations=ONE_PICTURE),
    # three stages, sides unlike one another, no biases of queries, a head and scale of its own
    "florence2-three": Spec(
        dict(depths=(1, 1, 1), patch_size=(5, 3, 2), patch_stride=(4, 2, 2),
             patch_padding=(2, 1, 0), patch_prenorm=(True, False, True), embed_dim=(12, 16, 24),
             num_heads=(3, 2, 1), num_groups=(2, 4, 3), window_size=4, mlp_ratio=2.5,
             qkv_bias=False, activation_function="gelu_pytorch_tanh", drop_path_rate=0.0,
             max_position_embeddings=9, max_temporal_embeddings=3),
        BartConfig, {**TEXT, "encoder_layers": 3, "decoder_layers": 1, "decoder_attention_heads": 2,
                     "activation_function": "relu", "scale_embedding": True,
                     "decoder_start_token_id": 0},
        "bart", None, dict(tie_word_embeddings=False),
        dict(size=dict(height=64, width=48), resample=2, **PICTURE), dtype="bfloat16",
        conversations=("plain", "grounding")),
    "florence2-old": Spec(
        {**TOWER, "depths": (0, 1), "embed_dim": (8, 24), "num_heads": (1, 2),
         "num_groups": (1, 3), "window_size": 12},
        BartConfig, {**TEXT, "decoder_attention_heads": 4, "decoder_layers": 2}, "bart", None, {},
        dict(size=dict(height=33, width=47), do_center_crop=True,
             crop_size=dict(height=32, width=32), **PICTURE),
        dtype="float16", shard="60KB", old_layout=True, conversations=("plain", "caption")),
}

KINDS = {
    "linear": dict(r=4, lora_alpha=8, target_modules="all-linear"),
    "towers": dict(r=3, lora_alpha=6, target_modules=(
        r".*(vision_tower\.blocks\.\d+\.\d+\.(spatial_block\.window_attn\.qkv"
        r"|channel_block\.(channel_attn\.proj|ffn\.fc1))|multi_modal_projector\.image_projection"
        r"|language_model\.(encoder|decoder)\.layers\.\d+\.(encoder_attn\.k_proj"
        r"|self_attn\.v_proj|fc2))")),
    "regex": dict(r=5, lora_alpha=10,
                  target_modules=r".*language_model\.decoder\.layers\.\d+\..*_attn\.[qv]_proj"),
    "attention": dict(r=4, lora_alpha=8, target_modules=["q_proj", "k_proj", "v_proj", "out_proj"]),
}


def joined(message):
    return "".join(part["text"] for part in message["content"] if part["type"] == "text")


class Florence2(Family):
    model_type = "florence2"
    model_class, processor_class = Florence2ForConditionalGeneration, Florence2Processor
    embedding = "model.language_model.shared.weight"
    specs, kinds = SPECS, KINDS
    larger = Spec({**TOWER, "embed_dim": (48, 96), "num_groups": (4, 8)}, BartConfig,
                  {**TEXT, "d_model": 192, "encoder_ffn_dim": 512, "decoder_ffn_dim": 512,
                   "decoder_attention_heads": 4, "encoder_layers": 3}, "bart", None, {},
                  dict(size=dict(height=64, width=64)))
    pictures, needs_picture, two_texts, answer = "single", True, True, 44
    adapters = (("florence2-plain", "linear", "new"), ("florence2-three", "towers", "new"),
                ("florence2-old", "regex", "new"))
    merges = (("florence2-plain", "towers"), ("florence2-three", "linear"))
    generates = (("florence2-plain", "plain"), ("florence2-plain", "caption"),
                 ("florence2-three", "grounding"), ("florence2-old", "plain"))
    compared = ("florence2-plain",)
    informed = ("florence2-plain", "florence2-three")
    tokenized = ("florence2-plain",)
    plans = {
        "florence2": towers_plan("florence2-plain", without_picture=()),
        "florence2-recomputed": Plan("florence2-three", "towers", gradient_checkpointing="true",
                                     training=dict(per_device_train_batch_size=2, max_steps=4)),
        "florence2-full": full_plan("florence2-three"),
    }

    def encode(self, checkpoint, messages, prompt):
        pictures = [load_image(part["path"]) for part in messages[0]["content"]
                    if part["type"] == "image"]
        out = checkpoint.processor(text=[joined(messages[0])], images=pictures,
                                   return_tensors="pt")
        return {key: out[key] for key in self.inputs}

    def example(self, checkpoint, messages):
        labels = checkpoint.processor.tokenizer(joined(messages[1]), return_tensors="pt")
        return checkpoint.encode(messages) | {"labels": labels["input_ids"]}

    def batch(self, examples):
        """Either text padded to its own longest."""
        def pad(key, value):
            longest = max(example[key].shape[1] for example in examples)
            return torch.cat([torch.nn.functional.pad(
                example[key], (0, longest - example[key].shape[1]), value=value)
                for example in examples])
        return {"input_ids": pad("input_ids", 1), "attention_mask": pad("attention_mask", 0),
                "labels": pad("labels", -100),
                "pixel_values": torch.cat([example["pixel_values"] for example in examples])}

    def gradient_names(self, checkpoint):
        return [name for name in checkpoint.stored if "pos_idx_to_embed" not in name]

    def silent(self, name):
        return name.endswith("k_proj.bias")

    def felt(self, spec, name, tensor):
        """A window's softmax does not feel the keys' part of the bias."""
        if not name.endswith("window_attn.qkv.bias"):
            return tensor
        query, _, value = tensor.chunk(3)
        return torch.cat([query, value])

    def build(self, spec, name, scratch):
        tokenizer = tokenizers_.bart_tokenizer(tokens=[f"<loc_{i}>" for i in range(20)],
                                               image_token="<image>")
        picture = dict(do_center_crop=False) | spec.picture
        frame = picture["crop_size"] if picture["do_center_crop"] else picture["size"]
        height, width = self.sides(spec.tower, frame["height"], frame["width"])
        pictures = CLIPImageProcessorPil(image_seq_length=1 + height * width, **picture)
        processor = Florence2Processor(pictures, tokenizer)
        text = spec.text(**{"vocab_size": len(tokenizer) + 3, **spec.text_options})
        tower = Florence2VisionConfig(**spec.tower, projection_dim=text.d_model)
        config = Florence2Config(text_config=text.to_dict(), vision_config=tower.to_dict(),
                                 image_token_id=processor.image_token_id, **spec.model)
        model = Florence2ForConditionalGeneration(config)
        # Seeds of which answers are not one token again and again.
        randomise(model, seed=1 if name == "florence2-plain" else sum(name.encode()))
        with torch.no_grad():
            for key, parameter in model.model.language_model.decoder.named_parameters():
                if key.endswith("q_proj.weight"):
                    parameter.mul_(3)
        # An answer ends where the model ends it.
        model.generation_config.forced_eos_token_id = None
        return model, processor

    def sides(self, tower, *sides):
        for patch, stride, padding in zip(*(tower[f"patch_{key}"]
                                            for key in ("size", "stride", "padding"))):
            sides = [(side + 2 * padding - patch) // stride + 1 for side in sides]
        return sides

    def finish(self, path, spec):
        super().finish(path, spec)
        if spec.old_layout:
            old_processor_files(path, "CLIPImageProcessor", "Florence2Processor")

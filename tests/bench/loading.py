# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a LLaVA of about 2 GB in bfloat16, sharded, its weights drawn straight into the
safetensors files so that it takes seconds and no memory
to make; the shapes come from transformers on the meta device. The tokenizer is the benchmark's."""
import shutil
import sys
from pathlib import Path

import torch
from transformers import CLIPImageProcessor, CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor

import checkpoints
import shards


def config(image_token):
    vision = CLIPVisionConfig(hidden_size=1024, intermediate_size=4096, num_hidden_layers=24,
                              num_attention_heads=16, image_size=336, patch_size=14,
                              projection_dim=768)
    text = LlamaConfig(vocab_size=32064, hidden_size=2048, intermediate_size=5632,
                       num_hidden_layers=12, num_attention_heads=16,
                       num_key_value_heads=8, bos_token_id=1, eos_token_id=2, pad_token_id=3)
    return LlavaConfig(vision_config=vision, text_config=text, image_token_index=image_token,
                       image_seq_length=576, dtype=torch.bfloat16)


def write(folder: Path):
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = checkpoints.make_tokenizer()
    with torch.device("meta"):
        made = config(tokenizer.convert_tokens_to_ids("<image>"))
        shapes = {name: tuple(tensor.shape) for name, tensor in LlavaForConditionalGeneration(
            made).named_parameters()}
    shards.write(folder, shapes)
    made.save_pretrained(folder)
    images = CLIPImageProcessor(size={"shortest_edge": 336},
                                crop_size={"height": 336, "width": 336})
    LlavaProcessor(image_processor=images, tokenizer=tokenizer, patch_size=14,
                   vision_feature_select_strategy="default", num_additional_image_tokens=1,
                   chat_template=checkpoints.TEMPLATE).save_pretrained(folder)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    if not (target / "config.json").exists():
        shutil.rmtree(target, ignore_errors=True)
        write(target)

# SPDX-License-Identifier: GPL-3.0-or-later
"""A 7 B decoder's shape behind a small tower, every linear but the head in NF4 with double
quantization, drawn straight into the file: random codes, scales about which a weight is near 0.02.
Run as a program: packed_models.py FOLDER --rows N."""
import argparse
import json
import math
from pathlib import Path

import numpy
import torch
from bitsandbytes.functional import create_dynamic_map, get_4bit_type
from transformers import (BitsAndBytesConfig, CLIPImageProcessor, CLIPVisionConfig, LlamaConfig,
                          LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor)

import checkpoints
import shards

BLOCK, NESTED = 64, 256
SIZE = (224, 224)


def config(image_token):
    vision = CLIPVisionConfig(hidden_size=384, intermediate_size=1536, num_hidden_layers=8,
                              num_attention_heads=6, image_size=224, patch_size=16,
                              projection_dim=384)
    text = LlamaConfig(vocab_size=32064, hidden_size=4096, intermediate_size=11008,
                       num_hidden_layers=32, num_attention_heads=32, num_key_value_heads=32,
                       bos_token_id=1, eos_token_id=2, pad_token_id=3)
    return LlavaConfig(vision_config=vision, text_config=text, image_token_index=image_token,
                       image_seq_length=196, dtype=torch.bfloat16)


def packed_parts(name, shape):
    """What stands in the file for one packed weight: (name, dtype, shape, block of bytes)."""
    numbers = math.prod(shape)
    scales = -(-numbers // BLOCK)
    draw = numpy.random.default_rng(len(name))
    state = dict(quant_type="nf4", blocksize=BLOCK, dtype="bfloat16", shape=list(shape),
                 nested_blocksize=NESTED, nested_dtype="float32", nested_offset=0.04)
    text = json.dumps(state).encode()
    return [(name, "U8", [numbers // 2, 1], draw.bytes(1 << 20)),
            (f"{name}.absmax", "U8", [scales], draw.bytes(1 << 16)),
            (f"{name}.quant_map", "F32", [16], get_4bit_type("nf4", "cpu").numpy().tobytes()),
            (f"{name}.nested_absmax", "F32", [-(-scales // NESTED)],
             numpy.full(1024, 0.01, numpy.float32).tobytes()),
            (f"{name}.nested_quant_map", "F32", [256], create_dynamic_map().numpy().tobytes()),
            (f"{name}.quant_state.bitsandbytes__nf4", "U8", [len(text)], text)]


def plain_part(name, shape):
    numbers = numpy.random.default_rng(len(name)).standard_normal(1 << 18, numpy.float32) * 0.02
    around = 1.0 if "norm" in name and name.endswith("weight") else 0.0
    return name, "BF16", list(shape), shards.bfloat16(numbers + around).tobytes()


def write_file(path: Path, parts):
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, dtype, shape, _ in parts:
        size = math.prod(shape) * {"U8": 1, "BF16": 2, "F32": 4}[dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        for name, _, _, block in parts:
            begin, end = header[name]["data_offsets"]
            for start in range(0, end - begin, len(block)):
                out.write(memoryview(block)[:min(len(block), end - begin - start)])


def write(folder: Path, rows):
    target = folder / "model"
    target.mkdir(parents=True)
    tokenizer = checkpoints.make_tokenizer()
    with torch.device("meta"):
        made = config(tokenizer.convert_tokens_to_ids("<image>"))
        model = LlavaForConditionalGeneration(made)
    linear = {f"{name}.weight" for name, module in model.named_modules()
              if isinstance(module, torch.nn.Linear) and not name.endswith("lm_head")}
    parts = []
    for name, tensor in model.named_parameters():
        shape = tuple(tensor.shape)
        parts += packed_parts(name, shape) if name in linear else [plain_part(name, shape)]
    write_file(target / "model.safetensors", parts)
    made.quantization_config = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype="float32").to_dict()
    made.save_pretrained(target)
    images = CLIPImageProcessor(size={"shortest_edge": 224},
                                crop_size={"height": 224, "width": 224})
    LlavaProcessor(image_processor=images, tokenizer=tokenizer, patch_size=16,
                   vision_feature_select_strategy="default", num_additional_image_tokens=1,
                   chat_template=checkpoints.TEMPLATE).save_pretrained(target)
    checkpoints.make_rows(folder / "rows", rows, lambda messages: 0, [SIZE])
    (folder / "size.json").write_text(json.dumps(sum(t.numel() for t in model.parameters())))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=12)
    options = parser.parse_args()
    write(options.folder, options.rows)
    (options.folder / "done").touch()

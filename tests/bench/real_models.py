# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints of the sizes that people train, with drawn weights: the shapes, vocabularies and
numbers of parameters of the published ones, bfloat16, in shards, with a tokenizer of as many
entries. The parity suite's builder makes configuration, processor and template; the model itself
exists on the meta device alone. Pictures are limited to about 256 tokens each.
Run as a program: real_models.py NAME FOLDER --rows N."""
import argparse
import json
import sys
from pathlib import Path

import torch
from transformers import LlamaConfig

import shards
from checkpoints import make_rows

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "parity"))
from families import FAMILIES
from families.base import Spec
from families.qwen2_vl import mrope

SIZE = (640, 480)           # of each row's picture
SPECS = {
    "smolvlm-256m": ("smolvlm", Spec(
        dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
             image_size=512, patch_size=16), LlamaConfig,
        dict(vocab_size=49280, hidden_size=576, intermediate_size=1536, num_hidden_layers=30,
             num_attention_heads=9, num_key_value_heads=3, max_position_embeddings=8192,
             rope_parameters=dict(rope_type="default", rope_theta=1e5)),
        "qwen", "smolvlm", dict(scale_factor=4, tie_word_embeddings=False),
        dict(size={"longest_edge": 1024}, max_image_size={"longest_edge": 512}))),
    "qwen2.5-vl-3b": ("qwen2_5_vl", Spec(
        dict(depth=32, hidden_size=1280, intermediate_size=3420, num_heads=16, patch_size=14,
             window_size=112, fullatt_block_indexes=[7, 15, 23, 31]), None,
        dict(vocab_size=151936, hidden_size=2048, intermediate_size=11008, num_hidden_layers=36,
             num_attention_heads=16, num_key_value_heads=2, max_position_embeddings=128000,
             rope_parameters=mrope([16, 24, 24], rope_theta=1e6)),
        "qwen", "qwen_vl", dict(tie_word_embeddings=True),
        dict(min_pixels=56 * 56, max_pixels=256 * 28 * 28))),
    "gemma-3-4b": ("gemma3", Spec(
        dict(hidden_size=1152, intermediate_size=4304, num_hidden_layers=27, num_attention_heads=16,
             image_size=896, patch_size=14, vision_use_head=False), None,
        dict(vocab_size=262208, hidden_size=2560, intermediate_size=10240, num_hidden_layers=34,
             num_attention_heads=8, num_key_value_heads=4, head_dim=256,
             query_pre_attn_scalar=256, sliding_window=1024, max_position_embeddings=131072,
             rope_parameters={
                 "full_attention": dict(rope_type="linear", rope_theta=1e6, factor=8.0),
                 "sliding_attention": dict(rope_type="default", rope_theta=1e4)}),
        "gemma", "gemma", dict(mm_tokens_per_image=256))),
}
PUBLISHED = {"smolvlm-256m": 256_484_928, "qwen2.5-vl-3b": 3_754_622_976,
             "gemma-3-4b": 4_300_079_472}


def on_meta(family, spec, name, scratch):
    """Model and processor; no weight is made or drawn."""
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("families.") and hasattr(module, "randomise"):
            module.randomise = lambda *all, **settings: None
    with torch.device("meta"):
        return family.build(spec, name, scratch)


def fill_vocabulary(file: Path, size):
    """Gives tokenizer.json `size` entries: each further one joins two that are there, as a merge
    would have made it, behind all merges that the stand-in has learnt."""
    content = json.loads(file.read_text())
    vocab, merges = content["model"]["vocab"], content["model"]["merges"]
    taken = set(vocab) | {token["content"] for token in content["added_tokens"]}
    next_id = 1 + max([*vocab.values(), *(token["id"] for token in content["added_tokens"])])
    pieces = [piece for piece in vocab if piece.isalpha() and not piece.startswith("<")]
    in_pairs = not merges or isinstance(merges[0], list)
    # Added tokens have the ids behind the vocabulary's, unless it knows them.
    vocab.update({token["content"]: token["id"] for token in content["added_tokens"]})
    rights = list(pieces)           # grows while it is read
    for right, left in ((right, left) for right in rights for left in pieces):
        if next_id >= size:
            break
        if left + right in taken:
            continue
        taken.add(left + right)
        rights.append(left + right)
        vocab[left + right] = next_id
        merges.append([left, right] if in_pairs else f"{left} {right}")
        next_id += 1
    file.write_text(json.dumps(content, ensure_ascii=False))


def write(name, folder: Path, rows):
    model_type, spec = SPECS[name]
    family = next(each for each in FAMILIES if each.model_type == model_type)
    target = folder / "model"
    target.mkdir(parents=True)
    model, processor = on_meta(family, spec, name, folder / "scratch")
    shapes = {key: tuple(tensor.shape) for key, tensor in model.named_parameters()}
    parameters = sum(tensor.numel() for tensor in model.parameters())
    assert parameters == PUBLISHED[name], f"{name} has {parameters} parameters, not {PUBLISHED[name]}"
    one_plus = model_type == "gemma3"

    def scale_of(key):
        if not key.endswith("weight") or not ("norm" in key or "ln_q" in key):
            return None
        return 0.0 if one_plus and "vision" not in key else 1.0

    shards.write(target, shapes, scale_of)
    model.config.dtype = torch.bfloat16
    model.config.save_pretrained(target)
    processor.save_pretrained(target)
    fill_vocabulary(target / "tokenizer.json", spec.text_options["vocab_size"])
    make_rows(folder / "rows", rows, lambda messages: 0, [SIZE])
    (folder / "size.json").write_text(json.dumps(parameters))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=SPECS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=12)
    options = parser.parse_args()
    write(options.name, options.folder, options.rows)
    (options.folder / "done").touch()

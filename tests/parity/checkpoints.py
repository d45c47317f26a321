# SPDX-License-Identifier: GPL-3.0-or-later
"""Tiny random checkpoints written by transformers, of every family in families/: made once a run
and read again by the oracle. `Checkpoint`
holds what the cases ask of one."""
import functools
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer

import tokenizers_
from families import FAMILIES
from families.base import Family, Spec

LARGER = {f"{family.model_type}-larger": (family, family.larger) for family in FAMILIES
          if family.larger}
FAMILY_OF = {name: family for family in FAMILIES for name in family.specs}
SPECS = {name: spec for family in FAMILIES for name, spec in family.specs.items()}


@dataclass
class Checkpoint:
    name: str
    path: Path
    spec: Spec
    family: Family
    slow_tokenizer: object = None
    film: dict = field(default_factory=dict)    # what the video processor is told beside its files

    @functools.cached_property
    def processor(self):
        """The family's processor with the Pillow picture processor. A folder with tokenizer.model
        alone gets the slow tokenizer's stand-in
        (see encode)."""
        folder = self.path if self.slow_tokenizer is None else self.path.parent / f"{self.name}.stand-in"
        return self.family.load_processor(folder)

    @functools.cached_property
    def stored(self):
        """Tensor name in the files → dtype."""
        tensors = {}
        for path in sorted(self.path.glob("*.safetensors")):
            tensors |= {name: tensor.dtype for name, tensor in load_file(path).items()}
        return tensors

    def tokenizer_ids(self, text):
        return self.slow_tokenizer.ids(text) if self.slow_tokenizer else AutoTokenizer.from_pretrained(self.path)(text)["input_ids"]

    def model(self, dtype=torch.float32):
        return self.family.load_model(self.path, self.spec, dtype)

    def encode(self, messages, prompt=False):
        out = self.family.encode(self, messages, prompt)
        if self.slow_tokenizer:
            text = self.processor.apply_chat_template(messages, tokenize=False,
                                                      add_generation_prompt=prompt)
            if "pixel_values" in out:
                count = int((out["input_ids"] == self.processor.image_token_id).sum()) // out["pixel_values"].shape[0]
                text = text.replace("<image>", "<image>" * count)
            ids = self.slow_tokenizer.ids(text, special=not text.startswith("<s>"))
            out["input_ids"] = torch.tensor([ids])
            out["attention_mask"] = torch.ones_like(out["input_ids"])
        return out

    def example(self, messages):
        """encode() and labels by loss_on: completion."""
        return self.family.example(self, messages)


def make(name: str, root: Path) -> Checkpoint:
    """Writes ROOT/NAME (once) and returns it."""
    return make_of(*LARGER[name] if name in LARGER else (FAMILY_OF[name], SPECS[name]), name, root)


def make_of(family: Family, spec: Spec, name: str, root: Path) -> Checkpoint:
    """The same of a spec that no table has."""
    path = root / name
    if not path.exists():
        scratch = root / f"{name}.tokenizer"
        model, processor = family.build(spec, name, scratch)
        model.to(getattr(torch, spec.dtype)).save_pretrained(path,
                                                             **({"max_shard_size": spec.shard}
                                                                if spec.shard else {}))
        processor.save_pretrained(path)
        family.finish(path, spec)
        shutil.rmtree(scratch, ignore_errors=True)
    sentencepiece = (path / "tokenizer.model").exists() and not (path / "tokenizer.json").exists()
    return Checkpoint(name, path, spec, family,
                      tokenizers_.read_sentencepiece_folder(path) if sentencepiece else None)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes families/MODEL_TYPE/: the JSON files of tiny checkpoints of every family, as transformers saves them, for test_hostile_configs.
    python tests/data/models/make_configs.py        with the oracle's Python; makes the checkpoints of tests/parity to take the files from"""
import json
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "parity"))

import align
import checkpoints
import masked_pictures
import openvla
import pictures_alone
import rewriters
import siglip
import two_towers
from families import FAMILIES

TOKENS = ("image_token", "boi_token", "eoi_token", "start_image_token", "end_image_token", "context_image_token", "fake_image_token",
          "global_image_token", "extra_special_tokens")
DROPPED = ("transformers_version", "architectures", "id2label", "label2id", "video_processor")


def thin(content):
    return {key: thin(value) if isinstance(value, dict) else value for key, value in content.items() if key not in DROPPED}


def sources(scratch):
    """Folders of tiny checkpoints by the family's model_type."""
    for family in FAMILIES:
        yield family.model_type, checkpoints.make(next(iter(family.specs)), scratch).path
    yield "clip", two_towers.make("towers-plain", scratch)
    yield "siglip", siglip.make("siglip-plain", scratch)
    yield "align", align.make("align-plain", scratch)
    yield "vit_mae", masked_pictures.make("mae-plain", scratch)
    for model_type, name in (("vit", "vit-plain"), ("dinov2", "dinov2-plain"), ("dinov2_with_registers", "registers-plain"), ("resnet", "resnet-basic"),
                             ("efficientnet", "efficientnet-plain")):
        yield model_type, pictures_alone.make(name, scratch)
    yield "openvla", openvla.make("openvla-fused", scratch)
    for model_type in ("bart", "mbart"):
        yield model_type, rewriters.make(f"{model_type}-plain", scratch)


with tempfile.TemporaryDirectory() as scratch:
    for model_type, source in sources(Path(scratch)):
        folder = HERE / "families" / model_type
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("config.json", "processor_config.json", "preprocessor_config.json", "tokenizer_config.json"):
            if not (source / name).exists():
                continue
            content = thin(json.loads((source / name).read_text()))
            if name == "tokenizer_config.json":
                content = {key: value for key, value in content.items() if key in TOKENS}
            (folder / name).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")

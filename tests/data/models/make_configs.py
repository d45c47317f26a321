# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes families/MODEL_TYPE/: the JSON files of tiny checkpoints of every family, as transformers saves them, for test_hostile_configs.
    python tests/data/models/make_configs.py [MODEL_TYPE]...    of all families or of these, with the oracle's Python; makes the checkpoints of tests/parity
                                                                to take the files from"""
import json
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "parity"))

import align
import blip
import captioners
import checkpoints
import clipcap
import encoders
import fiber
import eve
import masked_pictures
import openvla
import pictures_alone
import regions
import rewriters
import sam_encoder
import segmentation
import siglip
import simvlm
import two_towers
import virtex
import visualgpt
from families import FAMILIES

TOKENS = ("image_token", "boi_token", "eoi_token", "start_image_token", "end_image_token", "context_image_token", "fake_image_token",
          "global_image_token", "extra_special_tokens")
DROPPED = ("transformers_version", "architectures", "id2label", "label2id", "video_processor")


def thin(content):
    return {key: thin(value) if isinstance(value, dict) else value for key, value in content.items() if key not in DROPPED}


def sources(scratch):
    """What makes tiny checkpoints, by the family's model_type."""
    made = {family.model_type: lambda family=family: checkpoints.make(next(iter(family.specs)), scratch).path for family in FAMILIES
            if not family.stored_type}    # else they are another's files
    for kind, names in (
            (two_towers, {"clip": "towers-plain"}), (siglip, {"siglip": "siglip-plain"}), (align, {"align": "align-plain"}), (blip, {"blip": "blip-caption"}),
            (masked_pictures, {"vit_mae": "mae-plain"}), (openvla, {"openvla": "openvla-fused"}), (captioners, {"vision-encoder-decoder": "captioner-plain"}),
            (clipcap, {"clipcap": "clipcap-transformer"}), (simvlm, {"simvlm": "simvlm-plain"}), (virtex, {"virtex": "virtex-plain"}),
            (visualgpt, {"visualgpt": "visualgpt-plain"}), (fiber, {"fiber": "fiber-plain"}),
            (eve, {"eve": "eve-plain"}),
            (visualgpt, {"visualgpt": "visualgpt-plain"}),
            (pictures_alone, {"vit": "vit-plain", "dinov2": "dinov2-plain", "dinov2_with_registers": "registers-plain", "resnet": "resnet-bottleneck",
                              "efficientnet": "efficientnet-plain", "timm_wrapper": "nfnet-plain", "swin": "swin-plain"}),
            (regions, {"visual_bert": "visual-bert-plain", "lxmert": "lxmert-plain"}),
            (segmentation, {"clipseg": "clipseg-plain"}), (sam_encoder, {"sam_vision_model": "sam-plain", "sam": "sam-whole"}),
            (rewriters, {"bart": "bart-plain", "mbart": "mbart-plain"}),
            (encoders, {encoders.SPECS[name].kind.config.model_type: name
                        for name in ("roberta-plain", "xlm-roberta-plain", "albert-groups", "electra-plain", "deberta-v2")})):
        made |= {model_type: lambda kind=kind, name=name: kind.make(name, scratch) for model_type, name in names.items()}
    return made


with tempfile.TemporaryDirectory() as scratch:
    for model_type, make in sources(Path(scratch)).items():
        if sys.argv[1:] and model_type not in sys.argv[1:]:
            continue
        source = make()
        folder = HERE / "families" / model_type
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("config.json", "processor_config.json", "preprocessor_config.json", "tokenizer_config.json"):
            if not (source / name).exists():
                continue
            content = thin(json.loads((source / name).read_text()))
            if name == "config.json" and model_type == "timm_wrapper":  # which timm's own folders do not say
                content["model_type"], content["num_classes"] = model_type, 0   # without a head, as all of them
                del content["label_names"]
            if name == "config.json" and model_type == "blip":  # whose class alone says what it is for
                content["architectures"] = json.loads((source / name).read_text())["architectures"]
            if name == "tokenizer_config.json":
                content = {key: value for key, value in content.items() if key in TOKENS}
            (folder / name).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")

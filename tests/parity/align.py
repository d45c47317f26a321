# SPDX-License-Identifier: GPL-3.0-or-later
"""ALIGN against transformers' AlignModel: EfficientNet without its top beside BERT, likenesses divided by a temperature, smoothed labels. The cases are
two_towers.py's."""
import sys
from dataclasses import dataclass, field
from pathlib import Path

import torch
from PIL import Image
from transformers import AlignConfig, AlignModel, AutoTokenizer, EfficientNetImageProcessorPil

import two_towers
from families.base import randomise
from pictures_alone import STAGES, settle
from text_encoders import wordpieces
from two_towers import LONGEST

KIND = sys.modules[__name__]
MODEL_TYPE = "align"
PARTS = {"vision_tower": ("vision_model.",), "projector": ("text_projection", "temperature"), "language_model": ("text_model.",)}
STEPS = dict(adam_epsilon=1e-5)   # as in pictures_alone.py: gradients that are rounding alone shall not be whole steps
VISION = dict(width_coefficient=0.5, depth_coefficient=1.0, drop_connect_rate=0.0, hidden_dim=640, image_size=46, **STAGES)
TEXT = dict(hidden_size=40, intermediate_size=72, num_attention_heads=4, num_hidden_layers=2, max_position_embeddings=LONGEST, hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0)


@dataclass
class Spec:
    vision: dict = field(default_factory=dict)
    text: dict = field(default_factory=dict)
    model: dict = field(default_factory=dict)
    picture: dict = field(default_factory=dict)
    dtype: str = "float32"


SPECS = {
    "align-plain": Spec(VISION, TEXT, dict(projection_dim=16), dict(size={"height": 46, "width": 46})),
    "align-uneven": Spec({**VISION, "width_coefficient": 0.75, "depthwise_padding": [1], "squeeze_expansion_ratio": 0.5, "hidden_act": "gelu"},
                         {**TEXT, "hidden_act": "gelu_new", "layer_norm_eps": 1e-5, "num_attention_heads": 5, "type_vocab_size": 3},
                         dict(projection_dim=24, temperature_init_value=0.6),
                         dict(size={"height": 50, "width": 50}, do_center_crop=True, crop_size={"height": 45, "width": 45}, rescale_offset=True,
                              rescale_factor=1 / 127.5, do_normalize=False, include_top=False), "bfloat16"),
    "align-larger": Spec({**VISION, "width_coefficient": 1.0, "out_channels": (16, 40, 96), "in_channels": (32, 16, 40), "num_block_repeats": (1, 2, 2)},
                         {**TEXT, "hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 4, "max_position_embeddings": 77},
                         dict(projection_dim=96), dict(size={"height": 64, "width": 64})),
}


@torch.no_grad()
def calibrate(vision):
    """Running statistics near those of pictures, so that pictures come to vectors that are not all alike."""
    norms = [module for module in vision.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum, norm.was = 1.0, norm.momentum
    vision.train()(pixel_values=torch.randn(8, 3, 45, 45, generator=torch.Generator().manual_seed(4)).cumsum(-1) / 4)
    vision.eval()
    for norm in norms:
        norm.momentum = norm.was
        norm.num_batches_tracked.fill_(7)


def make(name, root: Path, draw=0):
    folder, spec = root / (f"{name}-{draw}" if draw else name), SPECS[name]
    if folder.exists():
        return folder
    tokenizer = wordpieces()
    model = AlignModel(AlignConfig(vision_config=spec.vision, text_config=dict(spec.text, vocab_size=len(tokenizer) + 1), **spec.model))
    for number, (_, part) in enumerate(model.named_children()):
        randomise(part, seed=sum(name.encode()) + number + 10 * draw)
    settle(model, convolutions=True)
    calibrate(model.vision_model)
    with torch.no_grad():
        model.temperature.fill_(0.15)
    model.to(getattr(torch, spec.dtype)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    EfficientNetImageProcessorPil(**spec.picture).save_pretrained(folder)
    return folder


def oracle(folder):
    return AlignModel.from_pretrained(folder, dtype=torch.float32).eval()


class Joining:
    def __init__(self, folder):
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.pictures = EfficientNetImageProcessorPil.from_pretrained(folder)

    def texts(self, made):
        return [self.tokenizer(row["text"], truncation=True, max_length=LONGEST)["input_ids"] for row in made]

    def __call__(self, made):
        texts = self.texts(made)
        longest = max(map(len, texts))
        return {"input_ids": torch.tensor([ids + [0] * (longest - len(ids)) for ids in texts]),
                "attention_mask": torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids in texts]),
                "pixel_values": self.pictures([Image.open(row["image"]).convert("RGB") for row in made], return_tensors="pt")["pixel_values"],
                "return_loss": True}


def silent(key):
    return key.endswith("self.key.bias")


felt = two_towers.felt


SELDOM = {"align/align-uneven/info", "align/align-uneven/full", "align/forecast/lora", "align/forecast/projector"}


def cases(everything=False):
    plain = [name for name in SPECS if name != "align-larger"]
    found = {f"align/{name}/forward": two_towers.forward_case(name, KIND) for name in plain}
    found |= {f"align/{name}/info": two_towers.info_case(name, KIND) for name in plain}
    run = lambda name, *given, **settings: two_towers.train_case(name, *given, kind=KIND, **settings)
    forecast = lambda strategy, **settings: two_towers.forecast_case(strategy, 8, 1, "align-larger", KIND, **settings)
    lora = dict(adapter=dict(r=8, target_modules=["query", "value", "dense"]))
    found |= {"align/forecast/full": forecast("full"), "align/forecast/lora": forecast("lora", **lora), "align/forecast/projector": forecast("freeze")}
    found |= {"align/align-plain/similarity": two_towers.similarity_case("align-plain", KIND),
                    "align/align-plain/full": run("align-plain", "full"), "align/align-uneven/full": run("align-uneven", "full", 2, 2),
                    "align/align-plain/freeze": run("align-plain", "freeze")}
    return {name: case for name, case in found.items() if everything or name not in SELDOM}

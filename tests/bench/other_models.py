# SPDX-License-Identifier: GPL-3.0-or-later
"""Of the families that do not answer chats (an encoder, a model of two texts, two towers) one of
the benchmark's size each, by the parity suite's makers, and rows of texts or of captions."""
import json
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "parity"))
import numpy
from PIL import Image

import encoder_decoders
import encoders
import two_towers

TEXT = dict(hidden_size=512, intermediate_size=2048, num_hidden_layers=8, num_attention_heads=8)
SPECS = {
    "bert": (encoders, encoders.Spec(dict(TEXT, max_position_embeddings=512,
                                          hidden_dropout_prob=0.0,
                                          attention_probs_dropout_prob=0.0))),
    "t5": (encoder_decoders, encoder_decoders.Spec(dict(
        d_model=512, d_kv=64, d_ff=1408, num_layers=6, num_heads=8,
        relative_attention_num_buckets=32, relative_attention_max_distance=128))),
    "clip": (two_towers, two_towers.Spec(
        dict(hidden_size=384, intermediate_size=1536, num_attention_heads=6, num_hidden_layers=8,
             image_size=224, patch_size=16), dict(TEXT, max_position_embeddings=77),
        dict(projection_dim=256))),
}


def make(name, folder: Path, rows_wanted: int, words_of, sizes):
    """FOLDER/model, and rows/ whose texts have 60 to 240 words, captions 20 to 60."""
    maker, spec = SPECS[name]
    maker.SPECS["model"] = spec
    maker.make("model", folder)
    rows = folder / "rows"
    rows.mkdir(parents=True, exist_ok=True)
    pick, draw = random.Random(7), numpy.random.default_rng(7)
    with open(rows / "train.jsonl", "w") as out:
        for row in range(rows_wanted):
            count = pick.randint(20, 60) if name == "clip" else pick.randint(60, 240)
            line = {"text": " ".join(words_of(pick, count))}
            if name == "clip":
                width, height = pick.choice(sizes)
                line["image"] = f"{row}.jpg"
                Image.fromarray(draw.integers(0, 256, (height, width, 3), dtype=numpy.uint8)).save(
                    rows / line["image"])
            out.write(json.dumps(line) + "\n")

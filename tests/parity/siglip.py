# SPDX-License-Identifier: GPL-3.0-or-later
"""SigLIP against transformers' SiglipModel: texts at one length whose padding is read, a pooled picture, a loss of pairs. The cases are two_towers.py's."""
import io
import sys
from dataclasses import dataclass, field
from pathlib import Path

import sentencepiece
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, SiglipConfig, SiglipImageProcessorPil, SiglipModel, SiglipTokenizer

import tokenizers_
import two_towers
from families.base import randomise, read, write
from two_towers import LONGEST, TEXT, TOWER

KIND = sys.modules[__name__]
MODEL_TYPE = "siglip"
PARTS = {"vision_tower": ("vision_model.",), "projector": ("text_model.head.", "logit_scale", "logit_bias"), "language_model": ("text_model.",)}


@dataclass
class Spec:
    tower: dict = field(default_factory=dict)
    text: dict = field(default_factory=dict)
    dtype: str = "float32"
    words: str = "siglip"   # siglip: sentencepiece alone | gemma: SigLIP 2's of one size
    old: bool = False       # buffers among the tensors, few fields in the sections


SPECS = {
    "siglip-plain": Spec({**TOWER, "hidden_size": 40}, TEXT),
    "siglip-old": Spec({**TOWER, "hidden_size": 40, "hidden_act": "gelu", "layer_norm_eps": 1e-4}, {**TEXT, "hidden_act": "quick_gelu", "num_hidden_layers": 3},
                       "float16", old=True),
    "siglip-uneven": Spec({**TOWER, "patch_size": 7, "num_attention_heads": 2, "hidden_size": 48}, {**TEXT, "num_attention_heads": 5, "projection_size": 48,
                                                                                                  "layer_norm_eps": 1e-5}, "bfloat16"),
    "siglip-gemma": Spec({**TOWER, "hidden_size": 40}, TEXT, words="gemma"),
    "siglip-larger": Spec({**two_towers.LARGER[0], "hidden_size": 128}, {**two_towers.LARGER[1], "max_position_embeddings": 64}),
}


def pieces():
    """A unigram model of SigLIP's settings: no first token, the end also fills up."""
    buffer = io.BytesIO()
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter(line.lower() for line in tokenizers_.TEXT.splitlines()), model_writer=buffer, vocab_size=360, model_type="unigram",
        hard_vocab_limit=False, character_coverage=1.0, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, minloglevel=2, num_threads=1)
    return buffer.getvalue()


def words(spec, folder):
    if spec.words == "gemma":
        return tokenizers_.gemma_tokenizer()
    source = folder / "pieces"
    source.mkdir(parents=True, exist_ok=True)
    (source / "spiece.model").write_bytes(pieces())
    return SiglipTokenizer(str(source / "spiece.model"))


def make(name, root: Path, draw=0):
    folder, spec = root / (f"{name}-{draw}" if draw else name), SPECS[name]
    if folder.exists():
        return folder
    tokenizer = words(spec, root / f"{name}-words")
    config = SiglipConfig(vision_config=spec.tower, text_config=dict(spec.text, vocab_size=len(tokenizer) + 1))
    model = SiglipModel(config)
    for number, (_, part) in enumerate(model.named_children()):
        randomise(part, seed=sum(name.encode()) + number + 10 * draw)
    with torch.no_grad():
        model.logit_scale.fill_(1.3)
        model.logit_bias.fill_(-0.7)
    model.to(getattr(torch, spec.dtype)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    size = model.config.vision_config.image_size
    SiglipImageProcessorPil(size={"height": size, "width": size}).save_pretrained(folder)
    if spec.old:
        content = read(folder / "config.json")
        for section, keys in (("text_config", ("projection_size", "layer_norm_eps", "dtype")), ("vision_config", ("dtype",))):
            for key in keys:
                content[section].pop(key, None)
        write(folder / "config.json", content)
        file = folder / "model.safetensors"
        buffers = {"text_model.embeddings.position_ids": torch.arange(LONGEST).view(1, -1), "vision_model.embeddings.position_ids": torch.arange(25).view(1, -1)}
        save_file(load_file(file) | buffers, file, metadata={"format": "pt"})
    return folder


def oracle(folder):
    return SiglipModel.from_pretrained(folder, dtype=torch.float32).eval()


class Joining:
    """What SiglipModel gets of rows: texts filled up to the model's length, no mask."""

    def __init__(self, folder):
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.pictures = SiglipImageProcessorPil.from_pretrained(folder)
        self.longest = read(folder / "config.json")["text_config"]["max_position_embeddings"]

    def texts(self, made):
        return [self.tokenizer(row["text"], truncation=True, max_length=self.longest)["input_ids"] for row in made]

    def __call__(self, made):
        pad = self.tokenizer.pad_token_id
        return {"input_ids": torch.tensor([ids + [pad] * (self.longest - len(ids)) for ids in self.texts(made)]),
                "pixel_values": self.pictures([Image.open(row["image"]).convert("RGB") for row in made], return_tensors="pt")["pixel_values"],
                "return_loss": True}


silent = two_towers.silent


def felt(key, tensor):
    """The keys' part of a fused bias is none of it."""
    if not key.endswith("in_proj_bias"):
        return tensor
    query, _, value = tensor.chunk(3)
    return torch.cat([query, value])


def tokens_case(name):
    def case(world, result):
        folder = make(name, world.checkpoints)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        texts = tokenizers_.LINES + tokenizers_.TEXTS + list(two_towers.CAPTIONS) + ["Ends here</s>", "a \x1c b", "!?", "A  , b", "İSTANBUL Ünï", "</s>"]
        for text in texts:
            got = world.program.json("tokenize", folder, "--text", text, "--json")
            result.same(repr(text)[:40], got["ids"], tokenizer(text)["input_ids"])
    return case


def cases(_all=False):
    plain = [name for name in SPECS if name != "siglip-larger"]
    found = {f"siglip/{name}/forward": two_towers.forward_case(name, KIND) for name in plain}
    found |= {f"siglip/{name}/info": two_towers.info_case(name, KIND) for name in plain}
    found |= {f"siglip/{name}/tokens": tokens_case(name) for name in ("siglip-plain",)}
    found |= {f"siglip/{name}/similarity": two_towers.similarity_case(name, KIND) for name in ("siglip-plain", "siglip-gemma")}
    run = lambda name, *given, **settings: two_towers.train_case(name, *given, kind=KIND, **settings)
    found |= {"siglip/siglip-plain/full": run("siglip-plain", "full"),
              "siglip/siglip-plain/full-accumulated": run("siglip-plain", "full", 2, 2),
              "siglip/siglip-plain/full-cached": run("siglip-plain", "full", 2, 2, contrastive=dict(gradient_cache=True)),
              "siglip/siglip-plain/freeze": run("siglip-plain", "freeze"),
              "siglip/siglip-old/full": run("siglip-old", "full", 3, 1),
              "siglip/siglip-old/lora": run("siglip-old", "lora", 2, 2),
              "siglip/siglip-uneven/lora": run("siglip-uneven", "lora")}
    forecast = lambda *given, **settings: two_towers.forecast_case(*given, name="siglip-larger", kind=KIND, **settings)
    lora = dict(adapter=dict(r=8, target_modules="all-linear"))
    return found | {"siglip/forecast/lora": forecast("lora", 8, 1, **lora), "siglip/forecast/full": forecast("full", 8, 1),
                    "siglip/forecast/full-recomputed": forecast("full", 8, 1, training=dict(gradient_checkpointing="true")),
                    "siglip/forecast/projector": forecast("freeze", 8, 1),
                    "siglip/forecast/texts": forecast("freeze", 8, 1, freeze=dict(vision_tower=True, projector=True, language_model=False)),
                    "siglip/forecast/pictures": forecast("freeze", 8, 1, freeze=dict(vision_tower=False, projector=True, language_model=True))}

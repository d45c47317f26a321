# SPDX-License-Identifier: GPL-3.0-or-later
"""VisualGPT against its formulas (transformers has no class of it), over ResNetModel and GPT-2's own attention: logits, loss and every gradient of a caption, runs
of `objective: sft`, greedy captions."""
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional
from transformers import AutoTokenizer, ConvNextImageProcessorPil, GPT2Config, GPT2LMHeadModel, ResNetConfig, ResNetModel

import tokenizers_
import virtex
import written_models
from encoder_decoders import padded
from virtex import settings_of
from written_models import Out, draw, opened, read_weights, rows  # noqa: F401

MODEL_TYPE = "visualgpt"
KIND = sys.modules[__name__]
TWO_TEXTS = True
PARTS = {"vision_tower": ("resnet.",), "projector": ("encoder.",), "language_model": ("transformer.", "lm_head.")}
TARGETS = ["fc", "q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2", "c_attn", "q_attn", "c_proj", "c_fc"]
STEM = virtex.STEM
TEXT = dict(n_embd=48, n_inner=80, n_layer=2, n_head=4, n_positions=64, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)
SIZE = dict(encoder_layers=3, encoder_attention_heads=4, encoder_ffn_dim=72)


@dataclass
class Spec:
    own: dict = field(default_factory=lambda: dict(SIZE))
    stem: dict = field(default_factory=lambda: dict(STEM))
    text: dict = field(default_factory=lambda: dict(TEXT))
    size: int = 40
    dtype: str = "float32"


SPECS = {
    "visualgpt-plain": Spec(),
    "visualgpt-wide": Spec({**SIZE, "encoder_layers": 2, "gate_threshold": 0.35}, {**STEM, "layer_type": "bottleneck", "hidden_sizes": [16, 32, 32, 64],
                                                                                 "depths": [1, 1, 2, 1]},
                           {**TEXT, "n_layer": 3, "tie_word_embeddings": False, "scale_attn_by_inverse_layer_idx": True}, 56, "bfloat16"),
    "visualgpt-larger": Spec({**SIZE, "encoder_ffn_dim": 512}, {**STEM, "embedding_size": 16, "hidden_sizes": [32, 64, 96]},
                             {**TEXT, "n_embd": 192, "n_inner": 768, "n_layer": 4}, 96),
}


class Encoder(nn.Module):
    def __init__(self, config, channels, width):
        super().__init__()
        self.fc, self.layer_norm = nn.Linear(channels, width), nn.LayerNorm(width)
        self.layers = nn.ModuleList(virtex.Layer(width, config["encoder_attention_heads"], config["encoder_ffn_dim"], functional.relu, across=False)
                                    for _ in range(config["encoder_layers"]))

    def forward(self, features):
        x, levels = self.layer_norm(torch.relu(self.fc(features))), []
        for layer in self.layers:
            x = layer(x)
            levels.append(x)
        return levels


def attend(q, k, v, heads, factor, mask=None):
    apart = lambda y: y.unflatten(-1, (heads, -1)).transpose(1, 2)
    scores = apart(q) @ apart(k).transpose(-1, -2) * factor
    return ((scores if mask is None else scores + mask).softmax(-1) @ apart(v)).transpose(1, 2).flatten(2)


class VisualGpt(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.resnet = ResNetModel(ResNetConfig(**config["vision_config"]))
        gpt = GPT2LMHeadModel(GPT2Config(**config["text_config"]))
        self.heads, self.threshold = gpt.config.n_head, config.get("gate_threshold", 0.2)
        self.by_layer, self.width = gpt.config.scale_attn_by_inverse_layer_idx, gpt.config.n_embd
        self.encoder = Encoder(config, self.resnet.config.hidden_sizes[-1], gpt.config.n_embd)
        self.transformer, self.lm_head = gpt.transformer, gpt.lm_head

    def levels(self, pixel_values):
        return self.encoder(self.resnet(pixel_values).last_hidden_state.flatten(2).transpose(1, 2))

    def block(self, layer, number, x, levels, mask):
        factor = (self.width // self.heads) ** -0.5 / (number + 1 if self.by_layer else 1)
        q, k, v = layer.attn.c_attn(layer.ln_1(x)).chunk(3, -1)
        h = x + layer.attn.c_proj(attend(q, k, v, self.heads, factor, mask))
        seen, asked = 0, layer.ln_cross_attn(h)
        for level in levels:
            k, v = layer.crossattention.c_attn(level).chunk(2, -1)
            seen = seen + layer.crossattention.c_proj(attend(layer.crossattention.q_attn(asked), k, v, self.heads, factor))
        share = h.sigmoid()
        of_pictures, of_words = share * (share > self.threshold), (1 - share) * (1 - share > self.threshold)
        y = of_pictures * seen / len(levels) ** 0.5 + of_words * h
        return y + layer.mlp(layer.ln_2(y))

    def logits(self, ids, levels):
        x = self.transformer.wte(ids) + self.transformer.wpe(torch.arange(ids.shape[1]))
        mask = torch.full((ids.shape[1], ids.shape[1]), float("-inf")).triu(1)
        for number, layer in enumerate(self.transformer.h):
            x = self.block(layer, number, x, levels, mask)
        return self.lm_head(self.transformer.ln_f(x))

    def forward(self, pixel_values, captions, labels):
        made = self.logits(captions, self.levels(pixel_values))
        return Out(functional.cross_entropy(made[:, :-1].flatten(0, 1), labels[:, 1:].flatten()), made)


def make(name, root: Path):
    folder, spec = root / name, SPECS[name]
    if folder.exists():
        return folder
    words = tokenizers_.gpt2_tokenizer()
    text = dict(model_type="gpt2", vocab_size=len(words) + 2, bos_token_id=words.eos_token_id, eos_token_id=words.eos_token_id, add_cross_attention=True,
                is_decoder=True, **spec.text)
    config = dict(architectures=["VisualGPTModel"], model_type="visualgpt", image_size=spec.size, vision_config=spec.stem, text_config=text,
                  decoder_start_token_id=words.eos_token_id, dtype=spec.dtype, **spec.own)
    model = VisualGpt(config)
    draw(model, name)
    written_models.write(folder, model, config, spec.dtype)
    words.save_pretrained(folder)
    ConvNextImageProcessorPil(size={"shortest_edge": spec.size}).save_pretrained(folder)
    return folder


def oracle(folder):
    return read_weights(VisualGpt(settings_of(folder)), folder)


class Joining:
    def __init__(self, folder):
        self.words, self.pictures = AutoTokenizer.from_pretrained(folder), ConvNextImageProcessorPil.from_pretrained(folder)
        self.start, self.end = settings_of(folder)["decoder_start_token_id"], self.words.eos_token_id

    def __call__(self, made):
        texts = [[self.start] + self.words(row["text"])["input_ids"] + [self.end] for row in made]
        return dict(pixel_values=opened(made, self.pictures), captions=padded(texts, 0), labels=padded([[-100] + text[1:] for text in texts], -100))

    def greedy(self, model, row, length):
        levels, written = model.levels(opened([row], self.pictures)), [self.start]
        while len(written) <= length and self.end not in written[1:]:
            written.append(model.logits(torch.tensor([written]), levels)[0, -1].argmax().item())
        return written[1:]


def silent(key):
    return key.endswith(("k_proj.bias", "c_attn.bias", "num_batches_tracked"))


trains = virtex.trains


def halves_case(name):
    """transformers' classes load the ResNet, and GPT-2 with what looks across."""
    def case(world, result):
        folder = make(name, world.checkpoints)
        config = settings_of(folder)
        for kind, made, begins in ((ResNetModel, ResNetConfig(**config["vision_config"]), PARTS["vision_tower"]),
                                   (GPT2LMHeadModel, GPT2Config(**config["text_config"]), PARTS["language_model"])):
            _, told = kind.from_pretrained(folder, config=made, output_loading_info=True)
            result.expect(not told["missing_keys"] and not told["mismatched_keys"], f"{kind.__name__} lacks {told}")
            result.expect(not any(key.startswith(begins) for key in told["unexpected_keys"]), f"{kind.__name__}: {told['unexpected_keys']}")
    return case


DAILY = {f"visualgpt/{name}" for name in ("visualgpt-plain/forward", "visualgpt-plain/generate", "visualgpt-plain/lora", "forecast/lora")}


def cases(everything=False):
    found = {}
    for name in ("visualgpt-plain", "visualgpt-wide"):
        found |= {f"visualgpt/{name}/forward": written_models.forward_case(KIND, name), f"visualgpt/{name}/info": written_models.info_case(KIND, name),
                  f"visualgpt/{name}/generate": written_models.generate_case(KIND, name), f"visualgpt/{name}/halves": halves_case(name)}
    found |= {"visualgpt/visualgpt-plain/full": written_models.train_case(KIND, "visualgpt-plain", "full"),
              "visualgpt/visualgpt-plain/lora": written_models.train_case(KIND, "visualgpt-plain", "lora", "true"),
              "visualgpt/visualgpt-wide/full": written_models.train_case(KIND, "visualgpt-wide", "full", "true"),
              "visualgpt/forecast/lora": written_models.forecast_case(KIND, "visualgpt-larger", "lora"),
              "visualgpt/forecast/full": written_models.forecast_case(KIND, "visualgpt-larger", "full")}
    return {name: case for name, case in found.items() if everything or name in DAILY}

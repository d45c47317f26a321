# SPDX-License-Identifier: GPL-3.0-or-later
"""VirTex against its formulas (transformers has no class of it), over ResNetModel: logits of the forward direction, the loss of both and every gradient, runs of
`objective: sft`, greedy captions, and the ResNet by itself afterwards."""
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional
from transformers import AutoTokenizer, ConvNextImageProcessorPil, ResNetConfig, ResNetForImageClassification, ResNetModel

import tokenizers_
import written_models
from encoder_decoders import padded
from written_models import Out, draw, opened, read_weights, rows  # noqa: F401

MODEL_TYPE = "virtex"
KIND = sys.modules[__name__]
TWO_TEXTS = True
PARTS = {"vision_tower": ("resnet.",), "projector": ("textual.visual_projection.",),
         "language_model": ("textual.embedding.", "textual.transformer.", "textual.output.", "backward_textual.")}
TARGETS = ["visual_projection", "q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]
STEM = dict(model_type="resnet", embedding_size=8, hidden_sizes=[8, 16, 24], depths=[1, 2, 1], layer_type="basic")
TEXT = dict(hidden_size=48, intermediate_size=80, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=40)


@dataclass
class Spec:
    stem: dict = field(default_factory=lambda: dict(STEM))
    text: dict = field(default_factory=lambda: dict(TEXT))
    size: int = 40
    dtype: str = "float32"


SPECS = {
    "virtex-plain": Spec(),
    "virtex-forward": Spec({**STEM, "layer_type": "bottleneck", "hidden_sizes": [16, 32, 32, 64], "depths": [1, 1, 2, 1]},
                           {**TEXT, "caption_backward": False, "num_hidden_layers": 1, "tie_word_embeddings": False, "hidden_act": "relu"}, 56, "bfloat16"),
    "virtex-larger": Spec({**STEM, "embedding_size": 16, "hidden_sizes": [32, 64, 96]}, {**TEXT, "hidden_size": 192, "intermediate_size": 768}, 96),
}


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            setattr(self, name, nn.Linear(width, width))

    def forward(self, x, seen, mask=None):
        apart = lambda y: y.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        q, k, v = apart(self.q_proj(x)), apart(self.k_proj(seen)), apart(self.v_proj(seen))
        scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
        shares = (scores if mask is None else scores + mask).softmax(-1)
        return self.out_proj((shares @ v).transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """Each branch's norm behind it. `across`: the second of three looks at the memory."""

    def __init__(self, width, heads, wide, activation, across=True):
        super().__init__()
        self.self_attn, self.self_attn_layer_norm = Attention(width, heads), nn.LayerNorm(width)
        if across:
            self.encoder_attn, self.encoder_attn_layer_norm = Attention(width, heads), nn.LayerNorm(width)
        self.fc1, self.fc2, self.final_layer_norm = nn.Linear(width, wide), nn.Linear(wide, width), nn.LayerNorm(width)
        self.across, self.activation = across, activation

    def forward(self, x, memory=None, mask=None):
        x = self.self_attn_layer_norm(x + self.self_attn(x, x, mask))
        if self.across:
            x = self.encoder_attn_layer_norm(x + self.encoder_attn(x, memory))
        return self.final_layer_norm(x + self.fc2(self.activation(self.fc1(x))))


class Layers(nn.Module):
    def __init__(self, config):
        super().__init__()
        activation = functional.relu if config.get("hidden_act") == "relu" else functional.gelu
        self.layers = nn.ModuleList(Layer(config["hidden_size"], config["num_attention_heads"], config["intermediate_size"], activation)
                                    for _ in range(config["num_hidden_layers"]))

    def forward(self, x, memory):
        mask = torch.full((x.shape[1], x.shape[1]), float("-inf")).triu(1)
        for layer in self.layers:
            x = layer(x, memory, mask)
        return x


class Embedding(nn.Module):
    """LN(words + places), 0 where the padding stands."""

    def __init__(self, config):
        super().__init__()
        width = config["hidden_size"]
        self.words = nn.Embedding(config["vocab_size"], width, padding_idx=config["pad_token_id"])
        self.positions, self.layer_norm = nn.Embedding(config["max_position_embeddings"], width), nn.LayerNorm(width, eps=1e-8)

    def forward(self, ids):
        x = self.layer_norm(self.words(ids) + self.positions(torch.arange(ids.shape[1])))
        return x * (ids != self.words.padding_idx).unsqueeze(-1)


class Textual(nn.Module):
    def __init__(self, config, channels):
        super().__init__()
        self.visual_projection, self.embedding = nn.Linear(channels, config["hidden_size"]), Embedding(config)
        self.transformer = Layers(config)
        self.output = nn.Linear(config["hidden_size"], config["vocab_size"])
        if config.get("tie_word_embeddings", True):
            self.output.weight = self.embedding.words.weight


class VirTex(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.resnet = ResNetModel(ResNetConfig(**config["vision_config"]))
        self.textual = Textual(config, self.resnet.config.hidden_sizes[-1])
        self.pad = config["pad_token_id"]
        if config.get("caption_backward", True):
            self.backward_textual = nn.ModuleDict(dict(transformer=Layers(config)))

    def memory(self, pixel_values):
        return self.textual.visual_projection(self.resnet(pixel_values).last_hidden_state.flatten(2).transpose(1, 2))

    def logits(self, layers, ids, memory):
        return self.textual.output(layers(self.textual.embedding(ids), memory))

    def forward(self, pixel_values, captions, lengths, labels):
        """captions [rows, longest], padded behind; the loss is CE(forward) + CE(backward), either the mean over tokens that are no padding."""
        memory = self.memory(pixel_values)
        made = self.logits(self.textual.transformer, captions, memory)
        mean = lambda logits, ids: functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), ignore_index=self.pad)
        loss = mean(made, captions)
        if hasattr(self, "backward_textual"):
            turned = torch.full_like(captions, self.pad)
            for row, length in enumerate(lengths):
                turned[row, :length] = captions[row, :length].flip(0)
            loss = loss + mean(self.logits(self.backward_textual["transformer"], turned, memory), turned)
        return Out(loss, made)


def settings_of(folder):
    return json.loads((folder / "config.json").read_text())


def make(name, root: Path):
    folder, spec = root / name, SPECS[name]
    if folder.exists():
        return folder
    words = tokenizers_.gpt2_tokenizer(tokens=("<pad>", "[SOS]"))
    config = dict(architectures=["VirTexModel"], model_type="virtex", image_size=spec.size, vision_config=spec.stem, vocab_size=len(words) + 1,
                  pad_token_id=words.convert_tokens_to_ids("<pad>"), bos_token_id=words.convert_tokens_to_ids("[SOS]"), eos_token_id=words.eos_token_id,
                  dtype=spec.dtype, **spec.text)
    model = VirTex(config)
    draw(model, name)
    written_models.write(folder, model, config, spec.dtype)
    words.save_pretrained(folder)
    ConvNextImageProcessorPil(size={"shortest_edge": spec.size}).save_pretrained(folder)
    return folder


def oracle(folder):
    config = settings_of(folder)
    model = VirTex(config)
    tensors = load_file(folder / "model.safetensors")
    if config.get("tie_word_embeddings", True):
        assert "textual.output.weight" not in tensors
    return read_weights(model, folder, also=("textual.output.weight",))


class Joining:
    def __init__(self, folder):
        self.words, self.pictures = AutoTokenizer.from_pretrained(folder), ConvNextImageProcessorPil.from_pretrained(folder)
        config = settings_of(folder)
        self.pad, self.start, self.end = config["pad_token_id"], config["bos_token_id"], config["eos_token_id"]

    def __call__(self, made):
        texts = [[self.start] + self.words(row["text"])["input_ids"] + [self.end] for row in made]
        return dict(pixel_values=opened(made, self.pictures), captions=padded(texts, self.pad), lengths=[len(text) for text in texts],
                    labels=padded([[-100] + text[1:] for text in texts], -100))

    def greedy(self, model, row, length):
        memory, written = model.memory(opened([row], self.pictures)), [self.start]
        while len(written) <= length and self.end not in written[1:]:
            written.append(model.logits(model.textual.transformer, torch.tensor([written]), memory)[0, -1].argmax().item())
        return written[1:]


def silent(key):
    return key.endswith("k_proj.bias") or key.endswith("num_batches_tracked")


def trains(model, strategy, freeze):
    if strategy == "full" or (strategy == "freeze" and not freeze.get("vision_tower")):
        model.train()


def tower_case(name):
    """ResNetModel loads the tower of the folder; `head` writes it as a model of pictures alone, which ResNetForImageClassification loads whole and which answers
    as that does."""
    def case(world, result):
        folder, alone = make(name, world.checkpoints), world.scratch / "alone"
        config = ResNetConfig(**settings_of(folder)["vision_config"])
        tower, told = ResNetModel.from_pretrained(folder, config=config, dtype=torch.float32, output_loading_info=True)
        result.expect(not told["missing_keys"] and not told["mismatched_keys"], f"ResNetModel lacks {told['missing_keys']}")
        wanted = oracle(folder).resnet.state_dict()
        for key, tensor in tower.state_dict().items():
            result.expect(torch.equal(tensor.float(), wanted[key].float()), f"{key} is another")
        said = world.program.json("head", folder, "--of", "pictures", "--classes", "a,b,c", "--out", alone, "--json")
        result.same("architecture", said["architecture"], "ResNetForImageClassification")
        result.same("drawn", sorted(said["drawn"]), ["classifier.1.bias", "classifier.1.weight"])
        model, told = ResNetForImageClassification.from_pretrained(alone, dtype=torch.float32, output_loading_info=True)
        result.expect(not any(told[what] for what in ("missing_keys", "unexpected_keys", "mismatched_keys")), f"{told}")
        for key, tensor in model.resnet.state_dict().items():
            result.expect(torch.equal(tensor.float(), wanted[key].float()), f"{key} of the model alone is another")
        row = rows(world, 1)[0]
        (world.scratch / "row.json").write_text(json.dumps(dict(image=row["image"])))
        world.program.run("forward", alone, "--input", world.scratch / "row.json", "--out", world.scratch / "out.safetensors", "--dtype", "float32", "--device",
                          "cpu")
        pixels = opened([row], ConvNextImageProcessorPil.from_pretrained(folder))
        result.close("logits", load_file(world.scratch / "out.safetensors")["logits"], model.eval()(pixels).logits.detach(), written_models.report.LOGITS, "logits")
    return case


DAILY = {f"virtex/{name}" for name in ("virtex-plain/forward", "virtex-plain/generate", "virtex-plain/full", "virtex-plain/tower", "forecast/lora")}
STILL = dict(vision_tower=True, projector=False, language_model=False)


def cases(everything=False):
    found = {}
    for name in ("virtex-plain", "virtex-forward"):
        found |= {f"virtex/{name}/forward": written_models.forward_case(KIND, name), f"virtex/{name}/info": written_models.info_case(KIND, name),
                  f"virtex/{name}/generate": written_models.generate_case(KIND, name, 38), f"virtex/{name}/tower": tower_case(name)}
    found |= {"virtex/virtex-plain/full": written_models.train_case(KIND, "virtex-plain", "full"),
              "virtex/virtex-plain/lora": written_models.train_case(KIND, "virtex-plain", "lora", "true"),
              "virtex/virtex-plain/freeze": written_models.train_case(KIND, "virtex-plain", "freeze", freeze=STILL),
              "virtex/virtex-forward/full": written_models.train_case(KIND, "virtex-forward", "full", "true"),
              "virtex/forecast/lora": written_models.forecast_case(KIND, "virtex-larger", "lora"),
              "virtex/forecast/full": written_models.forecast_case(KIND, "virtex-larger", "full")}
    return {name: case for name, case in found.items() if everything or name in DAILY}

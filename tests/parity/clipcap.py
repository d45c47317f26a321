# SPDX-License-Identifier: GPL-3.0-or-later
"""ClipCap against its formulas (transformers has no class of it), over CLIPVisionModelWithProjection and GPT2LMHeadModel, which load their halves of a folder:
logits, loss and every gradient of a caption, runs of `objective: sft`, greedy captions; and what `compose` makes of a CLIP and a GPT-2."""
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional
from transformers import (AutoTokenizer, CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPVisionConfig, CLIPVisionModelWithProjection, GPT2Config,
                          GPT2LMHeadModel)

import tokenizers_
import written_models
from written_models import Out, draw, opened, read_weights, rows  # noqa: F401

MODEL_TYPE = "clipcap"
KIND = sys.modules[__name__]
TWO_TEXTS = False
PARTS = {"vision_tower": ("vision_model.", "visual_projection."), "projector": ("clip_project.",), "language_model": ("transformer.", "lm_head.")}
TARGETS = ["q_proj", "fc1", "fc2", "visual_projection", "clip_project.model.0", "clip_project.model.2", "clip_project.linear", "to_queries", "to_keys_values",
           "project", "c_attn", "c_proj", "c_fc"]
TOWER = dict(hidden_size=32, intermediate_size=56, num_attention_heads=4, num_hidden_layers=2, image_size=30, patch_size=6, projection_dim=24)
TEXT = dict(n_embd=48, n_inner=80, n_layer=2, n_head=4, n_positions=64, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)
SIZE = {"mapping_type": "mlp", "prefix_length": 3}


@dataclass
class Spec:
    own: dict = field(default_factory=lambda: dict(SIZE))
    tower: dict = field(default_factory=lambda: dict(TOWER))
    text: dict = field(default_factory=lambda: dict(TEXT))
    dtype: str = "float32"


SPECS = {
    "clipcap-mlp": Spec(),
    "clipcap-transformer": Spec(dict(mapping_type="transformer", prefix_length=4, prefix_length_clip=5, num_layers=2, num_heads=6, normalize_prefix=True),
                                {**TOWER, "hidden_act": "gelu"}, {**TEXT, "tie_word_embeddings": False}, "bfloat16"),
    "clipcap-larger": Spec(dict(mapping_type="mlp", prefix_length=10),
                           {**TOWER, "hidden_size": 96, "intermediate_size": 256, "num_hidden_layers": 4, "image_size": 48, "patch_size": 8, "projection_dim": 64},
                           {**TEXT, "n_embd": 192, "n_inner": 768, "n_layer": 4}),
    "clipcap-larger-transformer": Spec(dict(mapping_type="transformer", prefix_length=10, num_layers=4, num_heads=8),
                                       {**TOWER, "hidden_size": 96, "intermediate_size": 256, "num_hidden_layers": 4, "image_size": 48, "patch_size": 8,
                                        "projection_dim": 64}, {**TEXT, "n_embd": 192, "n_inner": 768, "n_layer": 4}),
}


class MlpMapper(nn.Module):
    """W2 tanh(W1 v): d -> (width k)/2 -> width k."""

    def __init__(self, vector, width, length):
        super().__init__()
        self.width = width
        self.model = nn.Sequential(nn.Linear(vector, width * length // 2), nn.Tanh(), nn.Linear(width * length // 2, width * length))

    def forward(self, v):
        return self.model(v).reshape(v.shape[0], -1, self.width)


class MapperAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.to_queries, self.to_keys_values = nn.Linear(width, width, bias=False), nn.Linear(width, 2 * width, bias=False)
        self.project = nn.Linear(width, width)

    def forward(self, x):
        apart = lambda y: y.reshape(*y.shape[:2], self.heads, -1).transpose(1, 2)
        keys, values = self.to_keys_values(x).chunk(2, -1)
        q, k, v = apart(self.to_queries(x)), apart(keys), apart(values)
        shares = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1)
        return self.project((shares @ v).transpose(1, 2).reshape(x.shape))


class MapperLayer(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.attn, self.norm2 = nn.LayerNorm(width), MapperAttention(width, heads), nn.LayerNorm(width)
        self.mlp = nn.ModuleDict(dict(fc1=nn.Linear(width, 2 * width), fc2=nn.Linear(2 * width, width)))

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp["fc2"](torch.relu(self.mlp["fc1"](self.norm2(x))))


class TransformerMapper(nn.Module):
    """[n tokens of the vector ; k learned ones] through the layers; the last k."""

    def __init__(self, vector, width, length, read, layers, heads):
        super().__init__()
        self.read, self.width = read, width
        self.linear, self.prefix_const = nn.Linear(vector, read * width), nn.Parameter(torch.randn(length, width))
        self.transformer = nn.ModuleDict(dict(layers=nn.ModuleList(MapperLayer(width, heads) for _ in range(layers))))

    def forward(self, v):
        x = torch.cat([self.linear(v).view(v.shape[0], self.read, self.width), self.prefix_const.expand(v.shape[0], -1, -1)], 1)
        for layer in self.transformer["layers"]:
            x = layer(x)
        return x[:, self.read:]


class ClipCap(nn.Module):
    def __init__(self, config):
        super().__init__()
        clip = CLIPVisionModelWithProjection(CLIPVisionConfig(**config["vision_config"]))
        gpt = GPT2LMHeadModel(GPT2Config(**config["text_config"]))
        vector, width = clip.config.projection_dim, gpt.config.n_embd
        self.vision_model, self.visual_projection = clip.vision_model, clip.visual_projection
        self.length, self.normalize = config["prefix_length"], config.get("normalize_prefix", False)
        self.clip_project = (MlpMapper(vector, width, self.length) if config["mapping_type"] == "mlp" else
                             TransformerMapper(vector, width, self.length, config.get("prefix_length_clip", self.length), config["num_layers"],
                                               config["num_heads"]))
        self.transformer, self.lm_head = gpt.transformer, gpt.lm_head

    def vectors(self, pixel_values):
        v = self.visual_projection(self.vision_model(pixel_values).pooler_output)
        return v / v.norm(dim=-1, keepdim=True) if self.normalize else v

    def logits(self, pixel_values, words, mask=None):
        states = torch.cat([self.clip_project(self.vectors(pixel_values)), self.transformer.wte(words)], 1)
        mask = None if mask is None else torch.cat([torch.ones(len(words), self.length, dtype=torch.long), mask], 1)
        return self.lm_head(self.transformer(inputs_embeds=states, attention_mask=mask).last_hidden_state)

    def forward(self, pixel_values, words, mask, labels):
        logits = self.logits(pixel_values, words, mask)
        loss = functional.cross_entropy(logits[:, self.length - 1:-1].flatten(0, 1), labels[:, self.length:].flatten())
        return Out(loss, logits)


def settings_of(folder):
    return json.loads((folder / "config.json").read_text())


def make(name, root: Path):
    folder, spec = root / name, SPECS[name]
    if folder.exists():
        return folder
    words = tokenizers_.gpt2_tokenizer(tokens=("<image>",))
    image = words.convert_tokens_to_ids("<image>")
    # The last of the words: its row is none of the table's.
    text = dict(model_type="gpt2", vocab_size=image, bos_token_id=words.eos_token_id, eos_token_id=words.eos_token_id, **spec.text)
    config = dict(architectures=["ClipCaptionModel"], model_type="clipcap", image_token_id=image, vision_config=dict(model_type="clip_vision_model", **spec.tower),
                  text_config=text, dtype=spec.dtype, **spec.own)
    model = ClipCap(config)
    draw(model, name)
    written_models.write(folder, model, config, spec.dtype)
    words.save_pretrained(folder)
    size = spec.tower["image_size"]
    CLIPImageProcessorPil(size={"shortest_edge": size}, crop_size={"height": size, "width": size}).save_pretrained(folder)
    return folder


def oracle(folder):
    return read_weights(ClipCap(settings_of(folder)), folder)


class Joining:
    def __init__(self, folder):
        self.words, self.pictures = AutoTokenizer.from_pretrained(folder), CLIPImageProcessorPil.from_pretrained(folder)
        self.length, self.end = settings_of(folder)["prefix_length"], self.words.eos_token_id

    def __call__(self, made):
        texts = [self.words(row["text"])["input_ids"] + [self.end] for row in made]
        longest = max(map(len, texts))
        filled = lambda value: torch.tensor([text + [value] * (longest - len(text)) for text in texts])
        labels = torch.cat([torch.full((len(texts), self.length), -100), filled(-100)], 1)
        return dict(pixel_values=opened(made, self.pictures), words=filled(0), labels=labels, mask=(filled(-1) >= 0).long())

    def greedy(self, model, row, length):
        pixels, written = opened([row], self.pictures), []
        while len(written) < length and self.end not in written:
            words = torch.tensor([written], dtype=torch.long)
            written.append(model.logits(pixels, words)[0, -1].argmax().item())
        return written


def silent(key):
    return key.endswith("k_proj.bias") or key.endswith("c_attn.bias")


def trains(model, strategy, freeze):
    pass


def halves_case(name):
    """Of what a run wrote transformers' classes load the halves."""
    def case(world, result):
        folder = make(name, world.checkpoints)
        config = settings_of(folder)
        for kind, made, begins in ((CLIPVisionModelWithProjection, CLIPVisionConfig(**config["vision_config"]), PARTS["vision_tower"]),
                                   (GPT2LMHeadModel, GPT2Config(**config["text_config"]), PARTS["language_model"])):
            _, told = kind.from_pretrained(folder, config=made, output_loading_info=True)
            result.expect(not told["missing_keys"] and not told["mismatched_keys"], f"{kind.__name__} lacks {told}")
            result.expect(not any(key.startswith(begins) for key in told["unexpected_keys"]), f"{kind.__name__}: {told['unexpected_keys']}")
    return case


def compose_case(connector, *options):
    def case(world, result):
        clip, gpt, out = world.scratch / "clip", world.scratch / "gpt", world.scratch / "composed"
        torch.manual_seed(5)
        text = dict(hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2, vocab_size=50, bos_token_id=1, eos_token_id=2)
        vision = {key: value for key, value in TOWER.items() if key != "projection_dim"}
        tower = CLIPModel(CLIPConfig(vision_config=vision, text_config=text, projection_dim=24))
        words = tokenizers_.gpt2_tokenizer()
        language = GPT2LMHeadModel(GPT2Config(vocab_size=len(words), bos_token_id=words.eos_token_id, eos_token_id=words.eos_token_id, **TEXT))
        for model, folder in ((tower, clip), (language, gpt)):
            if model is language:
                draw(model, "composed")
            model.save_pretrained(folder)
        words.save_pretrained(gpt)
        CLIPImageProcessorPil(size={"shortest_edge": 30}, crop_size={"height": 30, "width": 30}).save_pretrained(clip)
        order = ("compose", "--tower", clip, "--connector", connector, "--language-model", gpt, *options, "--seed", "7", "--json", "--out")
        told = world.program.json(*order, out)
        got, sources = load_file(out / "model.safetensors"), {"tower": load_file(clip / "model.safetensors"), "language_model": load_file(gpt / "model.safetensors")}
        result.same("tensors", sorted(got), sorted(each["stored"] for each in told["tensors"]))
        for each in told["tensors"]:
            if each["origin"] == "drawn":
                result.expect(each["name"].startswith("clip_project."), f"{each['name']} is drawn")
                continue
            result.expect(torch.equal(got[each["stored"]], sources[each["origin"]][each["from"][0]]), f"{each['name']} is not {each['from']}")
        result.same("the word has no row", [word["row"] for word in told["words"]], ["none"])
        model, row = oracle(out), rows(world, 1)[0]
        batch = Joining(out)([row])
        (world.scratch / "row.json").write_text(json.dumps(written_models.asked(row), ensure_ascii=False))
        world.program.run("forward", out, "--input", world.scratch / "row.json", "--out", world.scratch / "out.safetensors", "--dtype", "float32", "--device",
                          "cpu")
        result.close("logits", load_file(world.scratch / "out.safetensors")["logits"], model(**batch).logits[0].detach()[None], written_models.report.LOGITS, "logits")
        world.program.run("train", Path(f"{out}.stages.yaml"), *(part for text in (
            f"stages.1.dataset={written_models.write_lines(world.scratch / 'rows.jsonl', [row])}", "training.max_steps=1", "training.device=cpu",
            "training.dtype=float32", "training.save_steps=0", "training.gradient_accumulation_steps=1", "training.per_device_train_batch_size=1",
            f"output_dir={world.scratch / 'run'}") for part in ("--set", text)))
        lines = [line for line in written_models.train.curve(next((world.scratch / "run" / "stages").iterdir())) if line.get("loss") is not None]
        result.near("the stage's loss", lines[0]["loss"], model(**batch).loss.item(), 3e-4, "loss")
        world.program.json(*order, world.scratch / "again")
        result.expect((world.scratch / "again" / "model.safetensors").read_bytes() == (out / "model.safetensors").read_bytes(), "a second call writes other bytes")
    return case


def small_case(connector):
    def case(world, result):
        world.program.json("compose", "--connector", connector, "--tower", "small", "--out", world.scratch / "small", "--json")
        (world.scratch / "row.json").write_text(json.dumps(written_models.asked(rows(world, 1)[0])))
        world.program.run("forward", world.scratch / "small", "--input", world.scratch / "row.json", "--out", world.scratch / "out.safetensors")
    return case


STILL = dict(vision_tower=True, projector=False, language_model=True)
DAILY = {f"clipcap/{name}" for name in ("clipcap-mlp/forward", "clipcap-transformer/forward", "clipcap-mlp/generate", "clipcap-mlp/lora", "forecast/lora", "composed/prefix-transformer")}


def cases(everything=False):
    plain = ("clipcap-mlp", "clipcap-transformer")
    found = {}
    for name in plain:
        found |= {f"clipcap/{name}/forward": written_models.forward_case(KIND, name), f"clipcap/{name}/info": written_models.info_case(KIND, name),
                  f"clipcap/{name}/generate": written_models.generate_case(KIND, name), f"clipcap/{name}/halves": halves_case(name)}
    found |= {"clipcap/clipcap-mlp/lora": written_models.train_case(KIND, "clipcap-mlp", "lora", "true"),
              "clipcap/clipcap-mlp/full": written_models.train_case(KIND, "clipcap-mlp", "full"),
              "clipcap/clipcap-mlp/freeze": written_models.train_case(KIND, "clipcap-mlp", "freeze", freeze=STILL),
              "clipcap/clipcap-transformer/full": written_models.train_case(KIND, "clipcap-transformer", "full", "true"),
              "clipcap/forecast/lora": written_models.forecast_case(KIND, "clipcap-larger", "lora"),
              "clipcap/forecast/full": written_models.forecast_case(KIND, "clipcap-larger", "full"),
              "clipcap/forecast/transformer": written_models.forecast_case(KIND, "clipcap-larger-transformer", "full"),
              "clipcap/forecast/freeze": written_models.forecast_case(KIND, "clipcap-larger-transformer", "freeze", STILL),
              "clipcap/composed/prefix-mlp": compose_case("prefix-mlp", "--queries", "3"),
              "clipcap/composed/prefix-transformer": compose_case("prefix-transformer", "--queries", "5", "--set", "num_layers=2", "--set", "num_heads=4"),
              "clipcap/small/prefix-mlp": small_case("prefix-mlp"), "clipcap/small/prefix-transformer": small_case("prefix-transformer")}
    return {name: case for name, case in found.items() if everything or name in DAILY}

# SPDX-License-Identifier: GPL-3.0-or-later
"""Bottleneck adapters against an implementation of their own here, in hooks on the transformers
model: PEFT has none. Houlsby: y + up(act(down(y))) behind attention and feed-forward, y being what
the branch gives; Pfeiffer: y + up(act(down(y + x))) behind the feed-forward, x being what y is then
added to."""
import json
import re

import torch
from safetensors.torch import load_file, save_file

import forward
import generate
import train
from checkpoints import make
from conversations import CONVERSATIONS, resolved, rows, write_rows
from families.base import Plan
from report import LOGITS

ACTS = {"relu": torch.relu, "gelu": torch.nn.functional.gelu, "swish": torch.nn.functional.silu}
KEY = re.compile(r"(?P<layer>.+)\.(?P<place>attention|output)_adapters\.adapters\.default\.")
PLACES = {"attention": ("self_attn",), "output": ("mlp",)}
FILE = "adapter_model.safetensors"


class Network(torch.nn.Module):
    """One of them, with its tensors by the names on disk."""

    def __init__(self, tensors, act):
        super().__init__()
        self.act = ACTS[act]
        narrow, wide = tensors["adapter_down.0.weight"].shape
        self.adapter_down = torch.nn.Sequential(torch.nn.Linear(wide, narrow))
        self.adapter_up = torch.nn.Linear(narrow, wide)
        self.load_state_dict(tensors)

    def forward(self, given):
        return self.adapter_up(self.act(self.adapter_down(given)))


class Bottlenecks(torch.nn.Module):
    """A model with such networks hooked in. Its own parameters stand still."""

    def __init__(self, model, tensors, kind, act):
        super().__init__()
        self.model = model.requires_grad_(False)
        self.networks = torch.nn.ModuleDict()
        self.keys, self.seen = {}, {}
        for key in tensors:
            prefix = KEY.match(key).group(0)
            self.keys[prefix] = prefix.replace(".", "/")
        for prefix, name in self.keys.items():
            own = {key.removeprefix(prefix): tensor for key, tensor in tensors.items()
                   if key.startswith(prefix)}
            self.networks[name] = Network(own, act)
            found = KEY.match(prefix)
            layer = model.get_submodule(found["layer"])
            self.hook(layer, found["place"], self.networks[name], kind, prefix)

    def hook(self, layer, place, network, kind, prefix):
        branch = next(getattr(layer, name) for name in PLACES[place] if hasattr(layer, name))
        if kind == "pfeiffer":
            norm = next(getattr(layer, name) for name in ("post_attention_layernorm",
                                                          "layer_norm2") if hasattr(layer, name))
            norm.register_forward_pre_hook(
                lambda module, given: self.seen.__setitem__(prefix, given[0]))

        def behind(module, given, out):
            y = out[0] if isinstance(out, tuple) else out
            added = network(y + self.seen[prefix] if kind == "pfeiffer" else y)
            return (y + added, *out[1:]) if isinstance(out, tuple) else y + added

        branch.register_forward_hook(behind)

    def forward(self, **inputs):
        return self.model(**inputs)

    def named(self):
        """Key on disk → parameter."""
        return {prefix + name: parameter for prefix, network in self.keys.items()
                for name, parameter in self.networks[network].named_parameters()}


def settings(kind, act, factor=4):
    return dict(config=kind, reduction_factor=factor, non_linearity=act)


def fresh(world, checkpoint, kind, act, messages):
    """An adapter as our recipe makes it, its tensors all drawn anew so that it shows."""
    write_rows(world.scratch / "train.jsonl", messages)
    chosen = train.DEFAULTS | dict(max_steps=1, learning_rate=0.0)
    path = train.recipe(world, Plan(checkpoint.name, strategy="bottleneck"), chosen, checkpoint,
                        None)
    path.write_text(path.read_text() + f"adapter: {json.dumps(settings(kind, act))}\n")
    world.program.run("train", path, "--set", f"output_dir={world.scratch / 'fresh'}")
    folder = world.scratch / "fresh" / "adapter"
    generator = torch.Generator().manual_seed(8)
    tensors = {key: 0.3 * torch.randn(tensor.shape, generator=generator)
               for key, tensor in load_file(folder / FILE).items()}
    save_file(tensors, folder / FILE, metadata={"format": "pt"})
    return folder, tensors


def layers_of(model):
    """Name of each layer of tower and decoder → its width."""
    return {name: module.self_attn.q_proj.in_features for name, module in model.named_modules()
            if re.search(r"layers\.\d+$", name)}


def adapter_case(name, kind, act):
    """Which tensors there are; logits, loss, gradients and an answer."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        messages = [resolved(row, world.inputs) for row in rows(3)]
        folder, tensors = fresh(world, checkpoint, kind, act, messages)
        places = ("attention", "output") if kind == "houlsby" else ("output",)
        wanted = {}
        for layer, wide in layers_of(checkpoint.model()).items():
            for place in places:
                prefix, narrow = f"{layer}.{place}_adapters.adapters.default.", max(1, wide // 4)
                wanted |= {prefix + "adapter_down.0.weight": [narrow, wide],
                           prefix + "adapter_down.0.bias": [narrow],
                           prefix + "adapter_up.weight": [wide, narrow],
                           prefix + "adapter_up.bias": [wide]}
        got = {key: list(tensor.shape) for key, tensor in tensors.items()}
        if not result.same("tensors", dict(sorted(got.items())), dict(sorted(wanted.items()))):
            return
        inner = json.loads((folder / "adapter_config.json").read_text())["config"]
        for key, value in dict(mh_adapter=kind == "houlsby", output_adapter=True,
                               original_ln_before=kind == "pfeiffer", original_ln_after=True,
                               residual_before_ln=True, reduction_factor=4,
                               non_linearity=act).items():
            result.same(f"adapter_config.json {key}", inner.get(key), value)
        model = Bottlenecks(checkpoint.model(), tensors, kind, act).eval()
        conversation = resolved(CONVERSATIONS["several"], world.inputs)
        inputs = checkpoint.example(conversation)
        out = model(**inputs)
        out.loss.backward()
        base = checkpoint.model()(**inputs).logits
        result.expect((out.logits - base).abs().max() > 1e-2 * base.abs().max(),
                      "the case is blind: its adapter changes nothing")
        got = forward.run_forward(world.program, checkpoint, world.inputs, "several",
                                  world.scratch / "out.safetensors", "--adapter", folder,
                                  gradients=("adapter",))
        result.close("logits", got["logits"], out.logits.detach(), LOGITS, "logits")
        result.close("loss", got["loss"], out.loss.detach().view(1), LOGITS, "loss")
        for key, parameter in model.named().items():
            gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            result.close(f"grad.{key}", got.get(f"grad.{key}"), gradient, forward.GRADIENTS, "grad")
        prompt = checkpoint.encode(conversation[:-1], prompt=True)
        answer = generate.run_generate(world, checkpoint, "several", 8, "--adapter", folder)
        with torch.no_grad():
            generate.check(result, answer["results"][0], generate.greedy(
                model.model, prompt, 8, generate.stop_tokens(checkpoint)))
    return case


def train_case(name, kind, act):
    """Ten steps from one start."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        messages = [resolved(row, world.inputs) for row in rows(9, without_picture=(2,))]
        folder, tensors = fresh(world, checkpoint, kind, act, messages)
        chosen = train.DEFAULTS | dict(per_device_train_batch_size=3, gradient_accumulation_steps=1,
                                       weight_decay=0.1, learning_rate=5e-3)
        model = Bottlenecks(checkpoint.model(), tensors, kind, act)
        got = train.run_from(world, result, checkpoint, "bottleneck", folder, model, messages, chosen)
        for key, parameter in model.named().items():
            result.close(key, got.get(key), parameter.detach(), train.WEIGHTS, "adapter")
    return case


def cases(everything=False):
    found = {"bottleneck/houlsby/clip-llama/read": adapter_case("clip-llama", "houlsby", "relu"),
             "bottleneck/pfeiffer/clip-llama/read": adapter_case("clip-llama", "pfeiffer", "swish"),
             "bottleneck/pfeiffer/clip-llama/train": train_case("clip-llama", "pfeiffer", "gelu")}
    if everything:
        for kind in ("houlsby", "pfeiffer"):
            for name in ("siglip-qwen2", "smolvlm-plain"):
                found[f"bottleneck/{kind}/{name}/read"] = adapter_case(name, kind, "gelu")
        found["bottleneck/houlsby/clip-llama/train"] = train_case("clip-llama", "houlsby", "relu")
    return found

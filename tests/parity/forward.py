# SPDX-License-Identifier: GPL-3.0-or-later
"""`forward` and `tokenize` against transformers: ids, labels, pixels, logits, loss and gradients,
with and without an adapter."""
import functools

import torch
from safetensors.torch import load_file
from torch.overrides import TorchFunctionMode

import adapters
from checkpoints import make
from conversations import CONVERSATIONS, resolved
from families import FAMILIES
from report import LOGITS, of
from tokenizers_ import TEXTS

GRADIENTS = 1e-4
WITH_GRADIENTS = ("plain", "several", "words")


def expected(checkpoint, model, inputs, gradients=()):
    """The oracle's forward and backward. Gradient names are those of the files."""
    native, embedding = checkpoint.family.native_name, checkpoint.family.embedding
    named = dict(model.named_parameters())
    model.zero_grad()
    out = model(**inputs)
    result = {"input_ids": inputs["input_ids"], "labels": inputs["labels"],
              "logits": checkpoint.family.shown(out.logits.detach()), "loss": out.loss.detach().view(1)}
    if "pixel_values" in inputs:
        result["pixel_values"] = checkpoint.family.pixels(inputs)
    if gradients:
        out.loss.backward()
        for name in gradients:
            parameter = named.get(native(name),
                                  named[embedding] if native(name) == "lm_head.weight" else None)
            result[f"grad.{name}"] = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
    return result


def close(case, key, got, wanted, bound, label, exact):
    """Equal, or, where rounding reaches further than that, as near to float64's as Exact allows."""
    wanted = wanted.float()
    if not exact or got is None or got.shape != wanted.shape or \
            (got - wanted).abs().max() <= bound * wanted.abs().max():
        case.close(key, got, wanted, bound, label)
        return
    case.close(f"{key} beside float64's", got, exact.best[key],
               max(bound, exact.allowed(key, wanted)), label)


def check(case, family, got, wanted, exact=None):
    """`exact`: an Exact, for close."""
    for key in ("input_ids", "labels"):
        case.expect(key in got and got[key].dtype == torch.int64, f"{key}: missing or not int64")
        if key in got and not case.same(key, got[key].flatten().tolist(),
                                        wanted[key].flatten().tolist()):
            return
        if key in got:
            case.expect(got[key].shape == wanted[key].shape,
                        f"{key}: shape {tuple(got[key].shape)} instead of {tuple(wanted[key].shape)}")
    if "pixel_values" in wanted:
        case.close("pixel_values", got.get("pixel_values"), wanted["pixel_values"], 1e-6, "pixels")
    else:
        case.expect(got.get("pixel_values") is None or got["pixel_values"].numel() == 0,
                    "pixel_values where there is no picture")
    logits = got.get("logits")
    close(case, "logits", logits if logits is None else family.shown(logits), wanted["logits"],
          LOGITS, "logits", exact)
    case.close("loss", got.get("loss"), wanted["loss"].float(), LOGITS, "loss")
    gradients = {key: tensor.float() for key, tensor in wanted.items() if key.startswith("grad.")}
    largest = max((gradient.abs().max().item() for gradient in gradients.values()), default=0.0)
    for key, gradient in gradients.items():
        if family.silent(key.removeprefix("grad.")):
            case.close(key, got.get(key), gradient, GRADIENTS, "zero grad", largest)
        else:
            close(case, key, got.get(key), gradient, GRADIENTS, "grad", exact)


class Wide(TorchFunctionMode):
    """transformers makes norms, angles and softmax in float32, whatever a model is in; under this
    they are made in float64."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        def wide(value):
            return torch.float64 if value is torch.float32 else value
        if function is torch.Tensor.float:
            function = torch.Tensor.double
        return function(*map(wide, args), **{key: wide(value)
                                             for key, value in (kwargs or {}).items()})


class Exact:
    """A forward and backward in float64, made when it is asked for."""
    DRAWS = 4

    def __init__(self, checkpoint, load, inputs, gradients=()):
        self.checkpoint, self.load, self.gradients = checkpoint, load, gradients
        self.inputs = {key: tensor.double() if torch.is_floating_point(tensor) else tensor
                       for key, tensor in inputs.items()}

    def made(self, seed=None):
        """`seed`: with each weight off by half of float32's rounding at most."""
        model = self.load().double()
        if seed is not None:
            generator = torch.Generator().manual_seed(seed)
            with torch.no_grad():
                for weight in model.parameters():
                    part = torch.rand(weight.shape, generator=generator, dtype=weight.dtype) - 0.5
                    weight.mul_(1 + part * 2 ** -23)
        with Wide():
            return expected(self.checkpoint, model, self.inputs, self.gradients)

    @functools.cached_property
    def best(self):
        return self.made()

    def apart(self, other, key):
        best = self.best[key]
        return ((other[key] - best).abs().max() / best.abs().max()).item()

    @functools.cached_property
    def moved(self):
        """How far what weights off by half a rounding give is from it, in the tensor that moves
        most."""
        others = [self.made(seed) for seed in range(self.DRAWS)]
        keys = [key for key in self.best if key == "logits" or key.startswith("grad.")
                and not self.checkpoint.family.silent(key.removeprefix("grad."))]
        return max(self.apart(other, key) for other in others for key in keys
                   if self.best[key].abs().max() > 0)

    def allowed(self, key, wanted):
        """Half again as far as the reference is: of the same products made in another order two
        differ by the sum of what each is off. And two and a half times what half a rounding of the
        weights comes to: no order of sums could be held to less (2.3 times were met on a processor
        with AVX2 alone, whose chains of sums are twice as long as AVX-512's)."""
        return max(1.5 * self.apart({key: wanted}, key), 2.5 * self.moved)


def run_forward(program, checkpoint, folder, conversation, out, *extra, gradients=()):
    flags = [flag for name in gradients for flag in ("--grad", name)]
    program.run("forward", checkpoint.path, "--input", folder / f"{conversation}.json", "--out",
                out, "--dtype", "float32",
                "--device", "cpu", *flags, *extra)
    return load_file(out)


def forward_case(name, conversation):
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        gradients = checkpoint.family.gradient_names(checkpoint) if conversation in WITH_GRADIENTS else ()
        inputs = checkpoint.example(resolved(CONVERSATIONS[conversation], world.inputs))
        wanted = expected(checkpoint, checkpoint.model(), inputs, gradients)
        got = run_forward(world.program, checkpoint, world.inputs, conversation,
                          world.scratch / "out.safetensors", gradients=gradients)
        check(result, checkpoint.family, got, wanted,
              Exact(checkpoint, checkpoint.model, inputs, gradients))
    return case


def adapter_case(name, kind, generation):
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        folder = adapters.make(checkpoint, kind, world.adapters, generation)
        inputs = checkpoint.example(resolved(CONVERSATIONS["plain"], world.inputs))
        mine = adapters.make(checkpoint, kind, world.adapters)

        def load():
            return adapters.attach(checkpoint.model(), mine)

        wanted = expected(checkpoint, load(), inputs)
        base = expected(checkpoint, checkpoint.model(), inputs)
        result.expect((wanted["logits"] - base["logits"]).abs().max() > 1e-3,
                      "the case is blind: its adapter changes nothing")
        got = run_forward(world.program, checkpoint, world.inputs, "plain",
                          world.scratch / "out.safetensors", "--adapter", folder)
        check(result, checkpoint.family, got, wanted, Exact(checkpoint, load, inputs))
    return case


def tokenize_case(name):
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        for text in TEXTS:
            got = world.program.json("tokenize", checkpoint.path, "--text", text)
            result.same(f"ids of {text!r}", got.get("ids"), checkpoint.tokenizer_ids(text))
            result.expect(len(got.get("pieces", [])) == len(got.get("ids", [])),
                          f"pieces of {text!r}: not one a token")
    return case


def cases(everything=True):
    """Every conversation with a family's first checkpoint; of its others every day the last that
    gradients are asked of."""
    found = {}
    for family in FAMILIES:
        for place, (name, spec) in enumerate(family.specs.items()):
            daily = [each for each in spec.conversations if each in WITH_GRADIENTS][-1:]
            for conversation in spec.conversations:
                if place and conversation not in daily and not everything:
                    continue
                columns = ("forward", "gradients") if conversation in WITH_GRADIENTS else (
                    "forward",)
                found[f"forward/{name}/{conversation}"] = of(forward_case(name, conversation),
                                                             family, *columns)
        for name, kind, generation in family.adapters:
            found[f"forward/{name}/adapter-{kind}-{generation}"] = of(
                adapter_case(name, kind, generation), family, "LoRA")
    return found | {f"tokenize/{name}": tokenize_case(name) for family in FAMILIES
                    for name in family.tokenized}

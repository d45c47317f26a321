# SPDX-License-Identifier: GPL-3.0-or-later
"""The oracle's forward and backward, and, where rounding reaches further than a bound, who is nearer
to the same in float64."""
import functools

import torch
from torch.overrides import TorchFunctionMode


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

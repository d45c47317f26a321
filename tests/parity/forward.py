# SPDX-License-Identifier: GPL-3.0-or-later
"""`forward` and `tokenize` against transformers: ids, labels, pixels, logits, loss and gradients,
with and without an adapter."""
import torch
from safetensors.torch import load_file

import adapters
from checkpoints import make
from conversations import CONVERSATIONS, resolved
from exact import Exact, close, expected
from families import FAMILIES
from report import LOGITS, of
from tokenizers_ import TEXTS

GRADIENTS = 1e-4
WITH_GRADIENTS = ("plain", "several", "words")


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

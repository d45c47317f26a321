# SPDX-License-Identifier: GPL-3.0-or-later
"""Where LoRA's family starts: `adapter init` against PEFT's own start of each setting, and a start
that was taken out of the base as a plain LoRA over the untouched one (`adapter convert`)."""
import json

import torch
from peft import PeftConfig, get_peft_model_state_dict
from safetensors.torch import load_file

import train
from checkpoints import make as make_checkpoint
from conversations import CONVERSATIONS, resolved, rows
from lora_family import (SETTINGS, TEXT, chosen, halves, held, reads_back, recipe, same_config,
                         start, write)
from report import LOGITS


def fresh_case(name, kind):
    """`adapter init`: names, shapes and what is no draw are PEFT's own start; PEFT reads the folder;
    the answers are still the base's."""
    def case(world, result):
        checkpoint = make_checkpoint(name, world.checkpoints)
        messages = [resolved(row, world.inputs) for row in rows(3)]
        told = dict(SETTINGS[kind].config, lora_dropout=0.0)
        path = recipe(world, checkpoint, kind, messages, told, train.DEFAULTS)
        folder = world.scratch / "fresh"
        world.program.run("adapter", "init", path, "--out", folder)
        model = start(checkpoint, kind, draw=False)
        got = load_file(folder / "adapter_model.safetensors")
        wanted = held(model)
        if not result.same("tensors", sorted(got), sorted(wanted)):
            return
        for key, tensor in wanted.items():
            result.same(key, list(got[key].shape), list(tensor.shape))
            drawn = ("lora_A" in key or "embedding_B" in key) and "mica" not in kind
            if drawn or SETTINGS[kind].taken and "lora_B" in key:
                continue
            if SETTINGS[kind].drawn and "orthogonal" in kind:
                continue
            result.close(key, got[key], tensor, 1e-6, "start")
        if SETTINGS[kind].taken:     # signs are free, products are not
            for key, product in halves(wanted).items():
                result.close(f"{key} B·A", halves(got)[key], product.detach(), 2e-5, "start")
        if "orthogonal" in kind:
            for key, product in halves(got).items():
                result.expect(product.abs().max() < 1e-6 < got[f"{key}.lora_A.weight"].abs().max(),
                              f"{key}: A and B are not orthogonal")
        same_config(result, folder, model.peft_config["default"])
        ours = reads_back(world, result, checkpoint, folder, messages[0])
        if SETTINGS[kind].packs:
            return
        with torch.no_grad():
            base = checkpoint.model()(**checkpoint.example(messages[0])).logits
        result.close("logits of the fresh adapter and the base", ours, base, LOGITS, "base")
    return case


def convert_case(name, kind):
    """Our plain LoRA of twice the rank over the untouched base is PEFT's adapter over the changed
    one."""
    def case(world, result):
        checkpoint = make_checkpoint(name, world.checkpoints)
        model = start(checkpoint, kind)
        folder, out = write(model, world.scratch / kind), world.scratch / "plain"
        world.program.run("adapter", "convert", folder, "--model", checkpoint.path, "--out", out)
        result.same("init_lora_weights", PeftConfig.from_pretrained(out).init_lora_weights, True)
        messages = resolved(CONVERSATIONS["plain"], world.inputs)
        (world.scratch / "first.json").write_text(json.dumps({"messages": messages}))
        with torch.no_grad():
            wanted = model(**checkpoint.example(messages)).logits
        ours = reads_back(world, result, checkpoint, out, messages)
        result.close("logits of the converted adapter", ours, wanted, LOGITS, "converted")
        world.program.run("adapter", "convert", out, "--model", checkpoint.path, "--out",
                          world.scratch / "again", status=2)
    return case


def unconverted_case(world, result):
    """What packing left out of a weight is of full rank, so that no plain LoRA is the same."""
    checkpoint = make_checkpoint("clip-llama", world.checkpoints)
    folder = write(start(checkpoint, "loftq"), world.scratch / "loftq")
    world.program.run("adapter", "convert", folder, "--model", checkpoint.path, "--out",
                      world.scratch / "plain", status=2)


def nearly_case(world, result):
    """pissa_niter_N is drawn, so PEFT itself finds another start each time; ours is found again by
    the module's name: the fresh folder's answers are the base's, and converted it is a LoRA that
    PEFT reads."""
    checkpoint = make_checkpoint("clip-llama", world.checkpoints)
    messages = [resolved(row, world.inputs) for row in rows(3)]
    told = dict(r=4, lora_alpha=6, target_modules=TEXT, init_lora_weights="pissa_niter_4")
    path = recipe(world, checkpoint, "pissa", messages, told, train.DEFAULTS)
    fresh, plain = world.scratch / "fresh", world.scratch / "plain"
    world.program.run("adapter", "init", path, "--out", fresh)
    got = load_file(fresh / "adapter_model.safetensors")
    exact = get_peft_model_state_dict(start(checkpoint, "pissa", draw=False))
    for key, product in halves(exact).items():  # drawn weights' singular values lie close together
        near = (halves(got)[key] * product).sum() / product.square().sum()
        result.expect(0.3 < near < 1.01, f"{key}: {near:.3f} of the largest part")
    world.program.run("adapter", "convert", fresh, "--model", checkpoint.path, "--out", plain)
    ours = reads_back(world, result, checkpoint, plain, messages[0])
    with torch.no_grad():
        base = checkpoint.model()(**checkpoint.example(messages[0])).logits
    result.close("logits of the fresh adapter and the base", ours, base, LOGITS, "base")


def cases(everything=False):
    found = {"lora_family/pissa-niter": nearly_case,
             "lora_family/loftq/unconverted": unconverted_case}
    for kind in chosen(everything):
        found[f"lora_family/{kind}/clip-llama/fresh"] = fresh_case("clip-llama", kind)
    for kind in ("pissa", "olora", "pissa-rslora", "pissa-scales", "dora-pissa"):
        if everything or kind in ("pissa", "olora"):
            found[f"lora_family/{kind}/clip-llama/convert"] = convert_case("clip-llama", kind)
    return found

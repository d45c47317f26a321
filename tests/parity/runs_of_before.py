# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that a program of before wrote (tests/data/runs_of_before, with how they came to be): this
one goes on from their checkpoints to the end that they had undisturbed, and opens their results.
Where arithmetic has changed since then in the order of its sums, last bits grow with the steps: what
another order changes in a run of today is measured, and some times as much is allowed. A gradient's
norm is as far off as the tensors may be whose gradient it is: attention that nothing trains through
(a fixed tower's) adds up in another order since its loops are our own, under both libraries."""
import json
import shutil
from pathlib import Path

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import LlavaForConditionalGeneration

import train

BEFORE = Path(__file__).parent.parent / "data" / "runs_of_before"
BASE = BEFORE.parent.parent.parent / "resources" / "teaching" / "base"
LOSS, TENSORS = 1e-6, 1e-5
OF_ORDER = 4    # times what another order of the sums changes
NUMBERS = ("epoch", "loss", "grad_norm", "learning_rate", "eval_loss")


def copy(world, name="before"):
    """The fixture where it may be written into; the base that it names by path stays away."""
    folder = world.scratch / name
    shutil.copytree(BEFORE, folder)
    return folder


def resumed(world, result, folder, recipe, run, model, products="onednn"):
    """Goes on with `run` by the recipe that made it, where model and rows lie elsewhere now, with
    the library for products that it was begun with (or another)."""
    rows = ["--set", f"dataset={folder / 'rows.jsonl'}"]
    if recipe == "lora.yaml":
        rows += ["--set", f"eval_dataset={folder / 'eval.jsonl'}"]
    world.program.run("train", folder / recipe, "--set", f"model={model}", *rows,
                      "--resume", folder / run, environment={"LUTHIER_PRODUCTS": products})
    lines = (folder / run / "events.jsonl").read_text().splitlines()
    events = [json.loads(line)["kind"] for line in lines]
    result.expect("resumed" in events, f"it did not go on from the checkpoint: {events}")
    return folder / run


def same_metrics(result, run, wanted, limit=LOSS):
    got, wanted = train.curve(run), train.curve(wanted)
    result.same("logged steps", [line["step"] for line in got], [line["step"] for line in wanted])
    for mine, theirs in zip(got, wanted):
        step = f"step {theirs['step']}"
        result.same(f"{step} tokens", mine["tokens"], theirs["tokens"])
        for key in NUMBERS:
            if key in theirs:
                got_number = mine.get(key, float("nan"))
                allowed = max(limit, TENSORS) if key == "grad_norm" else limit
                result.near(f"{step} {key}", got_number, theirs[key], allowed, "metrics")


def same_tensors(result, got, wanted, limit=TENSORS):
    if result.same("tensors", sorted(got), sorted(wanted)):
        for name, tensor in wanted.items():
            result.close(name, got[name], tensor, limit, "tensors")
        result.facts["equal to the bit"] = sum(torch.equal(got[name], wanted[name])
                                               for name in wanted)


def apart(run, other):
    """What differs between two runs of one recipe: (metrics, tensors), each relative."""
    numbers = max((abs(a[key] - b[key]) / max(abs(b[key]), 1e-12)
                   for a, b in zip(train.curve(run), train.curve(other))
                   for key in NUMBERS if key in a and key in b), default=0.0)
    one, two = (load_file(each / "adapter" / "adapter_model.safetensors") for each in (run, other))
    tensors = max(((one[name] - two[name]).abs().max() / two[name].abs().max()).item()
                  for name in one)
    return numbers, tensors


def lora_case(world, result):
    folder = copy(world)
    run = resumed(world, result, folder, "lora.yaml", "lora_cut", BASE)
    other = resumed(world, result, copy(world, "by_mkl"), "lora.yaml", "lora_cut", BASE, "mkl")
    numbers, tensors = apart(run, other)
    same_metrics(result, run, BEFORE / "lora", max(LOSS, OF_ORDER * numbers))
    same_tensors(result, load_file(run / "adapter" / "adapter_model.safetensors"),
                 load_file(BEFORE / "lora" / "adapter" / "adapter_model.safetensors"),
                 max(TENSORS, OF_ORDER * tensors))
    result.facts["another order"] = f"{numbers:.1e} and {tensors:.1e}"
    for end in ("lora", "lora_cut"):
        file = folder / end / "adapter" / "adapter_model.safetensors"
        kept = (file.read_bytes(), file.stat().st_mtime_ns)
        world.program.run("train", folder / "lora.yaml", "--set", f"model={BASE}",
                          "--resume", folder / end)
        result.expect(kept == (file.read_bytes(), file.stat().st_mtime_ns),
                      f"{end}: it is finished, and was written again")


def freeze_case(world, result):
    folder = copy(world)
    run = resumed(world, result, folder, "freeze.yaml", "freeze_cut", folder / "model")
    same_metrics(result, run, BEFORE / "freeze_end")
    wanted = load_file(BEFORE / "freeze_end" / "trained.safetensors")
    whole = load_file(run / "model" / "model.safetensors")
    got = {name.replace("model.multi_modal", "multi_modal"): tensor
           for name, tensor in whole.items() if "multi_modal_projector" in name}
    wanted = {name.replace("model.multi_modal", "multi_modal"): tensor
              for name, tensor in wanted.items()}
    same_tensors(result, got, wanted)


def opened_case(world, result):
    """The finished run's adapter in generate, compare, forward and merge."""
    folder = copy(world)
    adapter = folder / "lora" / "adapter"
    picture = folder / "pictures" / "00000.png"
    flags = ["--max-new-tokens", 4, "--device", "cpu"]
    answers = world.program.json("generate", BASE, "--image", picture, "--prompt", "What is it?",
                                 "--adapter", adapter, *flags, "--json")["results"]
    result.same("answers", len(answers), 1)
    out = world.scratch / "compared"
    world.program.run("compare", BASE, "--adapter", f"before={adapter}",
                      "--samples", folder / "eval.jsonl", "--out", out, *flags)
    rows = json.loads((out / "comparison.json").read_text())["rows"]
    result.same("columns compared", [len(row["answers"]) for row in rows], [2, 2])
    merged = world.scratch / "merged"
    world.program.run("merge", BASE, "--adapter", adapter, "--out", merged)
    base = LlavaForConditionalGeneration.from_pretrained(BASE, dtype=torch.float16)
    wanted = PeftModel.from_pretrained(base, adapter).merge_and_unload().state_dict()
    got = LlavaForConditionalGeneration.from_pretrained(merged).state_dict()
    result.same("tensor names", sorted(got), sorted(wanted))
    for name in wanted:
        result.close(name, got[name], wanted[name], 2 ** -11, "merged")


def cases():
    return {"before/lora": lora_case, "before/freeze": freeze_case, "before/opened": opened_case}

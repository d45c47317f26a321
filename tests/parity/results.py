# SPDX-License-Identifier: GPL-3.0-or-later
"""What a result keeps of its run and of its base: the pixel limits that it was trained under, so
that transformers (or we, with the adapter) make the same pixels again, and every file of the base
but its weights."""
import json
import shutil

import torch
from safetensors.torch import load_file
from transformers import AutoProcessor

import train
from checkpoints import Checkpoint, make
from conversations import resolved, rows, write_rows
from families import FAMILIES
from families.base import Plan
from report import of

LIMITS = dict(min_pixels=600, max_pixels=1300)
OTHERS = dict(min_pixels=1400, max_pixels=1500)
STEPS = dict(max_steps=1, per_device_train_batch_size=1, gradient_accumulation_steps=1)


def question(world):
    image = {"type": "image", "path": str(world.inputs / "photo.png")}
    return [{"role": "user", "content": [image, {"type": "text", "text": "What is it?"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "A square."}]}]


def run(world, checkpoint, strategy, image):
    """A run of one step under these limits; its folder."""
    messages = [resolved(row, world.inputs) for row in rows(2)]
    write_rows(world.scratch / "train.jsonl", messages)
    (world.scratch / "question.json").write_text(json.dumps({"messages": question(world)}))
    plan = Plan(checkpoint.name, strategy=strategy, image=image)
    path = train.recipe(world, plan, train.DEFAULTS | STEPS, checkpoint, None)
    start = "adapter: {init_from: None, lora_dropout: 0.0}"
    path.write_text(path.read_text().replace(start, "adapter: {r: 4}"))
    world.program.run("train", path)
    return world.scratch / "run"


def pixels(world, model, *extra):
    out = world.scratch / "pixels.safetensors"
    world.program.run("forward", model, "--input", world.scratch / "question.json", "--out", out,
                      "--device", "cpu", "--dtype", "float32", *extra)
    return load_file(out)["pixel_values"]


def wanted_pixels(world, name, limits):
    checkpoint = make(name, world.checkpoints)      # anew: the limits stay in its processor
    if limits:
        checkpoint.family.limit_pictures(checkpoint.processor, limits)
    return checkpoint.encode(question(world))


def read_by_transformers(world, checkpoint, folder):
    moved = Checkpoint(checkpoint.name, folder, checkpoint.spec, checkpoint.family)
    return moved.encode(question(world))


def same_pixels(result, what, got, wanted):
    result.close(what, got, wanted["pixel_values"], 1e-6, "pixels")


def whole_case(name):
    """strategy full: the folder is a checkpoint, whose processor is the run's."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        folder = run(world, checkpoint, "full", LIMITS) / "model"
        wanted, plain = wanted_pixels(world, name, LIMITS), wanted_pixels(world, name, None)
        result.expect(wanted["pixel_values"].shape != plain["pixel_values"].shape,
                      "the limits change nothing here")
        theirs = read_by_transformers(world, checkpoint, folder)
        for key in ("image_grid_thw", "pixel_values"):
            result.expect(torch.equal(theirs[key], wanted[key]), f"transformers makes other {key}")
        same_pixels(result, "ours of the result", pixels(world, folder), wanted)
        same_pixels(result, "ours of the base", pixels(world, checkpoint.path), plain)
    return case


def adapter_case(name):
    """strategy lora: a file beside the adapter says it to every verb; flags win."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        folder = run(world, checkpoint, "lora", LIMITS) / "adapter"
        wanted, plain = wanted_pixels(world, name, LIMITS), wanted_pixels(world, name, None)
        notes = json.loads((folder / "luthier.json").read_text())
        result.same("luthier.json", notes["image"], LIMITS)
        adapted = ("--adapter", folder)
        same_pixels(result, "with the adapter", pixels(world, checkpoint.path, *adapted), wanted)
        same_pixels(result, "without it", pixels(world, checkpoint.path), plain)
        flags = ["--min-pixels", OTHERS["min_pixels"], "--max-pixels", OTHERS["max_pixels"]]
        others = wanted_pixels(world, name, OTHERS)
        same_pixels(result, "flags win", pixels(world, checkpoint.path, *adapted, *flags), others)
        same_pixels(result, "flags alone", pixels(world, checkpoint.path, *flags), others)
        # each adapter of one call by its own limits
        copied = world.scratch / "copied"
        shutil.copytree(folder, copied)
        (copied / "luthier.json").unlink()
        got = world.program.json("generate", checkpoint.path, "--image", world.inputs / "photo.png",
                                 "--prompt", "What is it?", *adapted, "--adapter", copied,
                                 "--max-new-tokens", 4, "--device", "cpu", "--json")
        lengths = [checkpoint_prompt(world, name, limits) for limits in (LIMITS, None)]
        told = [answer["prompt_tokens"] for answer in got["results"]]
        result.same("prompt tokens", told, lengths)
        columns = compared(world, checkpoint, {"own": folder, "copied": copied})
        for column, answer in zip(columns[1:], got["results"]):
            result.close("logprobs in a comparison and alone", torch.tensor(column["logprobs"]),
                         torch.tensor(answer["logprobs"]), 1e-4, "logprobs", 0.01)
        result.expect(columns[1]["logprobs"] != columns[2]["logprobs"],
                      "the same adapter answers alike to pictures of two sizes")
        # a run of an older version has no such file: its recipe says it
        (folder / "luthier.json").unlink()
        same_pixels(result, "an older run's", pixels(world, checkpoint.path, *adapted), wanted)
        out = world.scratch / "merged"
        world.program.run("merge", checkpoint.path, "--adapter", folder, "--out", out)
        theirs = read_by_transformers(world, checkpoint, out)
        result.expect(torch.equal(theirs["pixel_values"], wanted["pixel_values"]),
                      "transformers makes other pixels of the merged model")
        same_pixels(result, "ours of the merged model", pixels(world, out), wanted)
        data = world.scratch / "train.jsonl"
        found = world.program.json("data", "check", data, "--model", out, *flags, "--json")
        result.same("rows that are usable", found["usable"], 2)
    return case


def compared(world, checkpoint, adapters):
    """The answers of base and adapters to the question, of four tokens each."""
    samples = write_rows(world.scratch / "question.jsonl", [question(world)])
    out = world.scratch / "compared"
    named = [f"{name}={folder}" for name, folder in adapters.items()]
    flags = [flag for each in named for flag in ("--adapter", each)]
    world.program.run("compare", checkpoint.path, *flags, "--samples", samples, "--out", out,
                      "--max-new-tokens", 4, "--device", "cpu")
    return json.loads((out / "comparison.json").read_text())["rows"][0]["answers"]


def checkpoint_prompt(world, name, limits):
    checkpoint = make(name, world.checkpoints)
    if limits:
        checkpoint.family.limit_pictures(checkpoint.processor, limits)
    return checkpoint.encode(question(world)[:-1], prompt=True)["input_ids"].shape[1]


def files_case(name):
    """Every file of the base but its weights is in a merged model and in a full run's result, and
    transformers reads them there."""
    def case(world, result):
        made = make(name, world.checkpoints)
        base = world.scratch / "base"
        shutil.copytree(made.path, base)
        (base / "video_preprocessor_config.json").write_text('{"fps": 2}')
        (base / "additional_chat_templates").mkdir()
        (base / "additional_chat_templates" / "tools.jinja").write_text("{{ messages | length }}")
        (base / "LICENSE").write_text("free")
        (base / "training_args.bin").write_bytes(b"\x80\x02")
        checkpoint = Checkpoint(name, base, made.spec, made.family)
        folder = run(world, checkpoint, "lora", {})
        merged = world.scratch / "merged"
        world.program.run("merge", base, "--adapter", folder / "adapter", "--out", merged)
        shutil.rmtree(folder)
        whole = run(world, checkpoint, "full", {}) / "model"
        for got in (merged, whole):
            weights = (".safetensors", ".index.json", ".bin")
            for path in sorted(path for path in base.rglob("*") if path.is_file()):
                name_there = path.relative_to(base)
                if path.name.endswith(weights) or str(name_there) == "config.json":
                    continue
                there = got / name_there
                result.expect(there.is_file() and there.read_bytes() == path.read_bytes(),
                              f"{got.name}: {name_there} is missing or another")
            result.expect(not (got / "training_args.bin").exists(), "a pickle travelled")
            mine, theirs = AutoProcessor.from_pretrained(got), AutoProcessor.from_pretrained(base)
            result.same("chat templates", mine.chat_template, theirs.chat_template)
            result.expect(isinstance(mine.chat_template, dict) and "tools" in mine.chat_template,
                          "the further template is not there")
    return case


def cases():
    found = {}
    for family in FAMILIES:
        if "_vl" not in family.model_type or not family.model_type.startswith("qwen"):
            continue
        for name in family.specs:
            if name.endswith(("-plain", "-old")):
                found[f"results/{name}/full"] = of(whole_case(name), family)
                found[f"results/{name}/adapter"] = of(adapter_case(name), family)
    for name in ("clip-llama", "qwen2_vl-plain"):
        found[f"results/{name}/files"] = files_case(name)
    return found

# SPDX-License-Identifier: GPL-3.0-or-later
"""What the objectives' cases share: rows of pairs in both forms (a JSON line for us, messages and
opened pictures for TRL), and the `loss` verb."""
import json

from PIL import Image
from safetensors.torch import load_file

import train
from conversations import resolved, rows
from families.base import Plan

STEPS = dict(max_steps=10, per_device_train_batch_size=2, gradient_accumulation_steps=1,
             learning_rate=2e-3, lr_scheduler_type="constant", warmup_ratio=0.0, warmup_steps=0,
             weight_decay=0.0, max_grad_norm=1.0, seed=42, shuffle=False)


def pairs(world, count, seed=31):
    """Questions about a picture with two answers of different lengths, as lines of our dataset."""
    better, worse = rows(count, seed=seed), rows(count, seed=seed + 1)
    found = []
    for good, bad in zip(better, worse):
        good, bad = resolved(good, world.inputs), resolved(bad, world.inputs)
        found.append({"prompt": good[:-1], "chosen": good[-1:], "rejected": bad[-1:]})
    return found


def write(path, lines):
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    return path


def for_trl(line, *fields):
    """The same row as TRL's collators take it: pictures opened, in the order of their places."""
    pictures = [Image.open(part["path"]) for message in line["prompt"]
                for part in message["content"] if part["type"] == "image"]
    bare = {field: [{"role": message["role"], "content": [
        {"type": "image"} if part["type"] == "image" else dict(part)
        for part in message["content"]]} for message in line[field]] for field in fields}
    return bare | {"images": pictures}


def recipe(world, checkpoint, strategy, objective, settings, adapter=None, ref_model=None,
           training=None):
    """A recipe over train.jsonl: the objective's section, and the adapter that it starts from."""
    plan = Plan(checkpoint.name, strategy=strategy)
    path = train.recipe(world, plan, STEPS | (training or {}), checkpoint, adapter)
    lines = [f"objective: {objective}", f"{objective}: {json.dumps(settings)}"]
    if ref_model:
        lines.append(f"ref_model: {ref_model}")
    before = path.read_text()
    if checkpoint.family.recipe:    # what these objectives are held against does all that they do
        before = before.replace(checkpoint.family.recipe + "\n", "")
    path.write_text(before + "\n".join(lines) + "\n")
    return path


def loss(world, path, lines, *extra):
    """What `loss` writes of these rows as one micro-batch."""
    out = world.scratch / "loss.safetensors"
    world.program.run("loss", path, "--rows", write(world.scratch / "rows.jsonl", lines), "--out",
                      out, *extra)
    return load_file(out)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows together against rows alone, and the memory forecast against what a run measures: for every
family, on its first checkpoint and on a
larger one of its own."""
import adapters
import train
from checkpoints import make
from conversations import image, resolved, rows, text, turn, write_rows
from families import FAMILIES
from families.base import Plan
from report import of

TOGETHER, FORECAST = 2e-5, 0.05
KINDS = {   # what trains, how many rows go through the model at once, and how many rows there are
    "lora": ("lora", {}, 4, 8), "projector": ("freeze", {}, 4, 8), "full": ("full", {}, 4, 8),
    "projector-alone": ("freeze", {}, 1, 60),   # a fixed tower's features are kept, row by row
    "decoder": ("freeze", dict(vision_tower=True, projector=True, language_model=False), 4, 8),
    "tower": ("freeze", dict(vision_tower=False, projector=True, language_model=True), 4, 8)}
PART_OF = {"projector": "projector", "projector-alone": "projector", "tower": "vision_tower"}


def packed_case(family):
    """Four rows of different lengths and pictures in one micro-batch, and the same four one after
    another: one gradient. How many places of the
    padded batch no row fills is told, since those are what packing saves. SGD, for Adam's first step
    is the gradients' signs, and where one is nothing its rounding."""
    def case(world, result):
        name = family.packs or next(iter(family.specs))
        checkpoint = make(name, world.checkpoints)
        alone = () if family.needs_picture else (2,)
        messages = [resolved(row, world.inputs) for row in rows(8, seed=33, without_picture=alone)]
        write_rows(world.scratch / "train.jsonl", messages)
        start = adapters.make(checkpoint, "linear", world.adapters, random=False)
        curves = []
        for together, after in ((4, 1), (1, 4)):
            settings = train.DEFAULTS | dict(optim="sgd", max_steps=2,
                                             per_device_train_batch_size=together,
                                             gradient_accumulation_steps=after)
            path = train.recipe(world, Plan(name), settings, checkpoint, start)
            run = world.scratch / f"run-{together}"
            path.write_text(path.read_text().replace(f"{world.scratch / 'run'}\n", f"{run}\n"))
            world.program.run("train", path)
            curves.append(train.curve(run))
        for one, other in zip(*curves):
            for key in ("loss", "grad_norm"):
                result.near(f"step {one['step']} {key}", one[key], other[key], TOGETHER, key)
        data = [checkpoint.example(row) for row in messages]
        batches = [family.batch(data[at:at + 4]) for at in (0, 4)]
        places = sum(batch["attention_mask"].numel() for batch in batches)
        result.facts["padding saved"] = f"{100 * (1 - sum(int(batch['attention_mask'].sum()) for batch in batches) / places):.0f} %"
    return of(case, family, "packed")


def one_picture(world, answer):
    return resolved([turn("user", image("photo.png"), text("What is it?")),
                     turn("assistant", answer)], world.inputs)


def forecast_case(family, kind, row=one_picture):
    """`plan` against the peak of a run over rows of one length, on a model whose parts are large
    enough to tell. `row` makes one of an answer."""
    strategy, parts, together, count = KINDS[kind]

    def case(world, result):
        checkpoint = make(f"{family.model_type}-larger", world.checkpoints)
        answer = text("It is a red circle left of a small blue square and " * 6)
        messages = [row(world, answer)] * count
        write_rows(world.scratch / "train.jsonl", messages)
        steps = 3 if together > 1 else count
        settings = train.DEFAULTS | dict(max_steps=steps, per_device_train_batch_size=together,
                                         gradient_accumulation_steps=1)
        plan = Plan(checkpoint.name, strategy=strategy, freeze=parts)
        path = train.recipe(world, plan, settings, checkpoint, None)
        path.write_text(path.read_text().replace("adapter: {init_from: None, ",
                                                 "adapter: {r: 8, target_modules: all-linear, "))
        foreseen = world.program.json("plan", path, "--json")["total"]
        world.program.run("train", path)
        peak = max(line["memory"]["peak"] for line in train.curve(world.scratch / "run"))
        result.facts["forecast error"] = f"{100 * (foreseen / peak - 1):+.1f} %"
        result.near("forecast", foreseen, peak, FORECAST, "forecast")
    return of(case, family, "forecast error")


def cases():
    found = {f"packed/{family.model_type}": packed_case(family) for family in FAMILIES}
    return found | {f"forecast/{family.model_type}" + ("" if kind == "lora" else f"/{kind}"):
                    forecast_case(family, kind)
                    for family in FAMILIES if family.larger for kind in KINDS
                    if PART_OF.get(kind, "language_model") in set(family.parts) - set(family.still)}

# SPDX-License-Identifier: GPL-3.0-or-later
"""Curves of other programs as `runs curves` reads them: event files that torch's SummaryWriter and
transformers' Trainer write, beside what TensorBoard's own reader finds in them, and the Trainer's
state."""
import json
import math

import torch


def lines_of(world, path):
    said = world.program.run("runs", "curves", path)
    return {line["step"]: line for line in map(json.loads, said.splitlines())}


def events_case(world, result):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    folder = world.scratch
    writer = SummaryWriter(str(folder))
    for step in range(0, 60, 3):
        for new_style in (False, True):
            tag = "rewards/new" if new_style else "train/loss"
            writer.add_scalar(tag, math.sin(step) * 10 ** (step % 7 - 3), step, new_style=new_style)
        writer.add_scalar("eval/loss", 1 / (1 + step), step)
        writer.add_text("a text", "passed over", step)
        writer.add_histogram("passed over", torch.tensor([1.0, 2.0, float(step)]), step)
    writer.close()
    reader = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    reader.Reload()
    got = lines_of(world, folder)
    wanted = {}
    for tag in reader.Tags()["scalars"]:
        for event in reader.Scalars(tag):
            wanted.setdefault(event.step, {})[tag] = event.value
    for event in reader.Tensors("rewards/new"):
        wanted.setdefault(event.step, {})["rewards/new"] = event.tensor_proto.float_val[0]
    result.same("steps", sorted(got), sorted(wanted))
    for step, values in wanted.items():
        line = got.get(step, {})
        result.same(f"step {step}", [line.get("loss"), line.get("eval_loss"), line.get("rewards/new")],
                    [values["train/loss"], values["eval/loss"], values["rewards/new"]])


def state_case(world, result):
    from transformers import TrainerState

    folder = world.scratch
    history = []
    for step in range(1, 20):
        history.append({"loss": 3 / step, "grad_norm": 1.5, "learning_rate": 1e-4 / step,
                        "epoch": step / 7, "step": step})
        if step % 5 == 0:
            history.append({"eval_loss": 4 / step, "eval_accuracy": 0.5, "epoch": step / 7,
                            "step": step})
    history.append({"train_runtime": 3.0, "train_loss": 9.0, "epoch": 2.7, "step": 19})
    TrainerState(log_history=history, global_step=19).save_to_json(
        str(folder / "trainer_state.json"))
    got = lines_of(world, folder)
    result.same("steps", sorted(got), list(range(1, 20)))
    for entry in history[:-1]:
        line = got[entry["step"]]
        result.same(f"step {entry['step']}", {key: line.get(key) for key in entry}, entry)


def cases():
    return {"curves/events": events_case, "curves/trainer_state": state_case}

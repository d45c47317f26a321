#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which checkpoints transformers' own Trainer leaves, after each save and at its end, where a limit
of checkpoints and a best one are at work.
    make_rotation.py > rotation.json"""
import json
import pathlib
import random
import tempfile

import torch
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

STEPS = 8


class OneNumber(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x, labels=None):
        return {"loss": ((x * self.weight - 1) ** 2).mean()}


class Told(Trainer):
    """Evaluates to what it is told."""
    values = []

    def evaluate(self, *_, **__):
        metrics = {"eval_loss": self.values[self.state.global_step - 1]}
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


def steps_in(folder):
    return sorted(int(each.name.split("-")[1]) for each in pathlib.Path(folder).glob("checkpoint-*"))


class Looks(TrainerCallback):
    def __init__(self, folder):
        self.folder, self.after = folder, []

    def on_save(self, args, state, control, **_):
        best = state.best_model_checkpoint
        self.after.append({"step": state.global_step, "left": steps_in(self.folder),
                           "best": int(best.rsplit("-", 1)[1]) if best else 0})


def course(limit, values, best):
    with tempfile.TemporaryDirectory() as folder:
        more = {"load_best_model_at_end": True, "metric_for_best_model": "loss"} if best else {}
        args = TrainingArguments(output_dir=folder, max_steps=STEPS, per_device_train_batch_size=1,
                                 save_strategy="steps", save_steps=1, eval_strategy="steps", eval_steps=1,
                                 save_total_limit=limit, report_to=[], use_cpu=True, disable_tqdm=True,
                                 logging_steps=1000, **more)
        looks = Looks(folder)
        trainer = Told(model=OneNumber(), args=args, callbacks=[looks],
                       train_dataset=[{"x": torch.ones(1)}] * STEPS, eval_dataset=[{"x": torch.ones(1)}])
        trainer.remove_callback(PrinterCallback)  # it writes where the cases go
        trainer.values = values
        trainer.train()
        return {"limit": limit, "seeks_best": best, "values": values, "after": looks.after,
                "end": steps_in(folder)}


def main():
    draw = random.Random(11)
    cases = []
    for limit in (0, 1, 2, 3, 4):
        for kind in ("better and better", "worse and worse", "mixed", "mixed again"):
            values = [round(1 + draw.random(), 3) for _ in range(STEPS)]
            if not kind.startswith("mixed"):
                values.sort(reverse=kind == "better and better")
            cases.append(course(limit, values, True))
        cases.append(course(limit, values, False))
    print("[" + ",\n".join(json.dumps(case) for case in cases) + "]")


if __name__ == "__main__":
    main()

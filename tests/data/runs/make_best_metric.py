#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What transformers' own Trainer and EarlyStoppingCallback make of sequences of evaluations: the
best metric, its step, the callback's counter, and whether training stops, after each of them.
    make_best_metric.py > best_metric.json"""
import json
import random
import types

from transformers import (EarlyStoppingCallback, Trainer, TrainerControl, TrainerState,
                          TrainingArguments)


def course(values, metric, greater, patience, threshold):
    args = TrainingArguments(output_dir="unused", metric_for_best_model=metric, greater_is_better=greater,
                             eval_strategy="steps", save_strategy="steps", eval_steps=10, save_steps=10,
                             load_best_model_at_end=True)
    state, control = TrainerState(), TrainerControl()
    callback = EarlyStoppingCallback(patience, threshold)
    trainer = types.SimpleNamespace(args=args, state=state)
    rows = []
    name = metric if metric.startswith("eval_") else "eval_" + metric
    for index, value in enumerate(values):
        state.global_step = 10 * (index + 1)
        metrics = {name: value}
        callback.on_evaluate(args, state, control, metrics)  # Trainer._evaluate comes first
        best = Trainer._determine_best_metric(trainer, metrics, trial=None)
        rows.append({"is_best": bool(best), "best_metric": state.best_metric,
                     "best_step": state.best_global_step,
                     "counter": callback.early_stopping_patience_counter,
                     "stops": bool(control.should_training_stop)})
    return {"metric": metric, "greater": greater, "greater_in_force": bool(args.greater_is_better),
            "patience": patience, "threshold": threshold, "values": values, "after": rows}


def main():
    draw = random.Random(7)
    cases = []
    for metric, greater in (("loss", None), ("eval_loss", None), ("eval_exact_match", None),
                            ("probe/token_f1", None), ("rewards/margins", False), ("loss", True)):
        for patience, threshold in ((1, 0.0), (2, 0.0), (3, 0.05), (2, 0.2)):
            values = [round(1 + 0.4 * draw.random() - 0.02 * i, 3) for i in range(8)]
            values[5] = values[4]  # no better than the one before
            cases.append(course(values, metric, greater, patience, threshold))
    print("[" + ",\n".join(json.dumps(case) for case in cases) + "]")


if __name__ == "__main__":
    main()

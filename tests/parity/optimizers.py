# SPDX-License-Identifier: GPL-3.0-or-later
"""Optimizers other than AdamW against those that the Trainer makes by the same name (bitsandbytes'
Lion, transformers' Adafactor), step by step. An optimizer is a row of RUNS."""
import adapters
import train
from checkpoints import make
from families.base import Plan
from safetensors.torch import load_file

LION = dict(optim="lion_32bit", learning_rate=1e-3, adam_beta1=0.9, adam_beta2=0.99)
ADAFACTOR = dict(optim="adafactor", learning_rate=5e-3)
FULL = dict(max_steps=5, per_device_train_batch_size=2, gradient_accumulation_steps=1)
RUNS = {
    "lion_32bit/lora": Plan("clip-llama", "patterns", training=LION | dict(
        weight_decay=0.1, lr_scheduler_type="linear", warmup_steps=2)),
    "lion_32bit/full": Plan("clip-llama", strategy="full", rows=6, training=LION | FULL | dict(
        learning_rate=2e-4, weight_decay=0.2)),
    "adafactor/lora": Plan("clip-llama", "patterns", training=ADAFACTOR | dict(
        weight_decay=0.1, lr_scheduler_type="cosine", warmup_steps=2)),
    "adafactor/full": Plan("clip-llama", strategy="full", rows=6, training=ADAFACTOR | FULL | dict(
        learning_rate=1e-3, weight_decay=0.2)),
    "adafactor/freeze": Plan(
        "clip-gqa-tied", strategy="freeze", rows=6,
        freeze=dict(vision_tower=True, projector=False, language_model=True),
        training=ADAFACTOR | FULL),
}
ONLY_WITH_ALL = ("adafactor/freeze", "lion_32bit/full")


def moves_apart_case(optim):
    """The run is not AdamW's under another name: from one start their first steps differ."""
    def case(world, result):
        checkpoint = make("clip-llama", world.checkpoints)
        start = adapters.make(checkpoint, "patterns", world.adapters, random=False)
        ends = {}
        for name in (optim, "adamw_torch"):
            settings = train.DEFAULTS | dict(max_steps=2, learning_rate=1e-3, optim=name)
            messages = [train.resolved(row, world.inputs) for row in train.rows(4)]
            train.write_rows(world.scratch / "train.jsonl", messages)
            path = train.recipe(world, Plan("clip-llama", "patterns"), settings, checkpoint, start)
            run = world.scratch / name
            world.program.run("train", path, "--set", f"output_dir={run}")
            ends[name] = load_file(run / "adapter" / "adapter_model.safetensors")
        apart = max((ends[optim][key] - tensor).abs().max().item()
                    for key, tensor in ends["adamw_torch"].items())
        result.expect(apart > 1e-5, f"as AdamW's to {apart:.1e}")
    return case


def cases(everything=False):
    found = {f"optimizers/{name}": train.train_case(plan) for name, plan in RUNS.items()
             if everything or name not in ONLY_WITH_ALL}
    return found | {f"optimizers/{optim}/own": moves_apart_case(optim)
                    for optim in ("lion_32bit", "adafactor")}

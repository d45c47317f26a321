# SPDX-License-Identifier: GPL-3.0-or-later
"""Ten steps of LoRA's family from PEFT's own start, by the Trainer and by us; LoRA+ with PEFT's own
groups of rates."""
import torch
from peft.optimizers import create_loraplus_optimizer
from safetensors.torch import load_file
from transformers import Trainer

import train
from checkpoints import make as make_checkpoint
from conversations import resolved, rows
from lora_family import (SETTINGS, chosen, held, others, reads_back, recipe, same_config, start,
                         write)

# Of the tower alone a row without a picture has no gradient to go on with.
OF_THE_TOWER = ("lora-bias-tower",)
DAILY_TRAIN = ("dora", "pissa", "bias-own", "plus", "convolution")


def train_case(name, kind, training=None, without_picture=(2,)):
    """Ten steps from PEFT's own start, by the Trainer and by us."""
    def case(world, result):
        checkpoint = make_checkpoint(name, world.checkpoints)
        settings = train.DEFAULTS | SETTINGS[kind].training | (training or {})
        messages = [resolved(row, world.inputs)
                    for row in rows(9, without_picture=without_picture)]
        data = [checkpoint.example(row) for row in messages]
        model = start(checkpoint, kind, draw=False)
        folder = write(model, world.scratch / "start")
        path = recipe(world, checkpoint, kind, messages,
                      dict(init_from=str(folder), lora_dropout=0.0), settings)
        world.program.run("train", path)
        model.train()
        plus = {key: settings.pop(key) for key in list(settings) if key.startswith("loraplus")}
        log = trained(model, checkpoint, data, settings, plus, world.scratch / "oracle")
        model.eval()
        run = world.scratch / "run"
        train.compare_curves(result, train.curve(run), log)
        got = load_file(run / "adapter" / "adapter_model.safetensors")
        wanted = held(model)
        first = load_file(folder / "adapter_model.safetensors")
        if result.same("adapter tensors", sorted(got), sorted(wanted)):
            moved = 0
            for key, tensor in wanted.items():
                name_of = key.removeprefix("base_model.model.").replace(".base_layer", "")
                if checkpoint.family.silent(name_of):
                    continue
                result.close(key, got[key], tensor.detach(), train.WEIGHTS, "adapter")
                moved += not torch.equal(first[key], tensor)
            stays = sum("_B" in key for key in wanted) if "mica" in kind else 0
            result.expect(moved > (len(wanted) - stays) / 2,
                          "the case is blind: little has moved")
        same_config(result, run / "adapter", model.peft_config["default"])
        reads_back(world, result, checkpoint, run / "adapter", messages[0])
    return case


def trained(model, checkpoint, data, settings, plus, folder):
    if not plus:
        return train.trained_by_transformers(model, checkpoint.family.batch, data, [], settings,
                                             folder)
    optimizer = create_loraplus_optimizer(
        model, torch.optim.AdamW, lr=settings["learning_rate"],
        loraplus_weight_decay=settings["weight_decay"], betas=(0.9, 0.999), eps=1e-8,
        **plus)

    class Plus(Trainer):
        """The Trainer with PEFT's groups in the place of its own."""
        def create_optimizer(self, *arguments, **named):
            self.optimizer = optimizer
            return optimizer
    kept, train.Trainer = train.Trainer, Plus
    try:
        return train.trained_by_transformers(model, checkpoint.family.batch, data, [], settings,
                                             folder)
    finally:
        train.Trainer = kept


def cases(everything=False):
    found = {}
    for kind in chosen(True) if everything else DAILY_TRAIN:
        found[f"lora_family/{kind}/clip-llama/train"] = train_case(
            "clip-llama", kind, without_picture=() if kind in OF_THE_TOWER else (2,))
    batch = dict(per_device_train_batch_size=3, gradient_accumulation_steps=1)
    for kind in SETTINGS if everything else ():
        for name in others(kind):
            settings = {} if "convolution" in kind else batch
            found[f"lora_family/{kind}/{name}/train"] = train_case(name, kind, settings)
    return found

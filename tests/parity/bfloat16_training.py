# SPDX-License-Identifier: GPL-3.0-or-later
"""Training in bfloat16 against Trainer with bf16=True over a model loaded in float32: trained
weights have a float32 master, so that small updates add up. The base's values are bfloat16's own
here, stored in float32, so that both start from the same numbers and the result shows all digits."""
import dataclasses
import shutil

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors.torch import load_file, save_file

import adapters
import bfloat16
import train
from checkpoints import make
from conversations import resolved, rows, write_rows
from families import FAMILIES
from families.base import Plan
from report import of

# Trainer's autocast itself is 0.3 % of the loss from Trainer in float32 here, and its weights go
# another way by 2e-4 (1 - cosine) and 0.1 % in length.
LOSS, ALONG, LENGTH = 0.01, 1e-3, 0.005
STILL = 0.01            # of the weights that float32 moves
STEPS = dict(max_steps=20, per_device_train_batch_size=2, gradient_accumulation_steps=2,
             learning_rate=5e-4)
FILE = "adapter_model.safetensors"
TOWER_AND_DECODER = dict(vision_tower=False, projector=True, language_model=False)


def representable(checkpoint, root):
    """A copy whose every value is one of bfloat16."""
    folder = root / f"{checkpoint.name}.representable"
    if not folder.exists():
        shutil.copytree(checkpoint.path, folder)
        for file in folder.glob("*.safetensors"):
            save_file({key: tensor.to(torch.bfloat16).float() for key, tensor
                       in load_file(file).items()}, file, metadata={"format": "pt"})
    return dataclasses.replace(checkpoint, path=folder)


def run(world, checkpoint, plan, settings, dtype):
    """Its curve and the weights that it leaves, by the oracle's names."""
    path = train.recipe(world, plan, settings, checkpoint, None)
    out = world.scratch / dtype
    world.program.run("train", path, "--set", f"training.dtype={dtype}", "--set",
                      f"output_dir={out}")
    return train.curve(out), weights_of(checkpoint, out / "model")


def weights_of(checkpoint, folder):
    return checkpoint.family.load_model(folder, checkpoint.spec, torch.float32).state_dict()


def movement(weights, start, names):
    return torch.cat([(weights[name].double() - start[name].double()).flatten() for name in names])


def prepared(name, plan, settings, world):
    checkpoint = representable(make(name, world.checkpoints), world.checkpoints)
    messages = [resolved(row, world.inputs) for row in rows(plan.rows)]
    write_rows(world.scratch / "train.jsonl", messages)
    return checkpoint, [checkpoint.example(row) for row in messages], train.DEFAULTS | settings


def compare_losses(result, got, log):
    for line, wanted in zip(got, [entry for entry in log if "loss" in entry], strict=True):
        result.near(f"step {wanted['step']} loss", line["loss"], wanted["loss"], LOSS, "loss")


def compare_ways(result, own, wanted):
    apart = 1 - torch.nn.functional.cosine_similarity(own, wanted, dim=0).item()
    result.worst["direction"] = apart
    result.expect(apart <= ALONG, f"the weights went another way: 1 - cosine is {apart:.1e}")
    result.near("length of the way", own.norm().item(), wanted.norm().item(), LENGTH, "length")


def curve_case(family, name, strategy, freeze):
    def case(world, result):
        plan = Plan(name, strategy=strategy, freeze=freeze, rows=12)
        checkpoint, data, settings = prepared(name, plan, STEPS, world)
        got, ours = run(world, checkpoint, plan, settings, "bfloat16")
        model = checkpoint.model()
        start = {key: tensor.clone() for key, tensor in model.state_dict().items()}
        for key, parameter in model.named_parameters():
            parameter.requires_grad_(not freeze.get(family.part_of(key), False))
        log = train.trained_by_transformers(model, family.batch, data, [], settings | {"bf16": True},
                                            world.scratch / "oracle")
        compare_losses(result, got, log)
        theirs = model.state_dict()
        moved = [key for key in start if not family.silent(key)
                 and not torch.equal(theirs[key], start[key])]
        for key in set(start) - set(moved):
            result.expect(family.silent(key) or torch.equal(ours[key], start[key]),
                          f"{key}: moved though nothing trains it")
        compare_ways(result, *(movement(weights, start, moved) for weights in (ours, theirs)))
    return of(case, family, "bfloat16")


def lora_case(family, name, kind):
    """Adapters in float32 over a base loaded in bfloat16, without autocast: what PEFT makes of it."""
    def case(world, result):
        plan = Plan(name, kind, rows=12)
        checkpoint, data, settings = prepared(name, plan, STEPS, world)
        begin = adapters.make(checkpoint, kind, world.adapters, random=False)
        path = train.recipe(world, plan, settings, checkpoint, begin)
        world.program.run("train", path, "--set", "training.dtype=bfloat16")
        model = PeftModel.from_pretrained(checkpoint.model(torch.bfloat16), begin,
                                          is_trainable=True).train()

        def collate(examples):
            return bfloat16.cast(family.batch(examples), torch.bfloat16)

        log = train.trained_by_transformers(model, collate, data, [], settings,
                                            world.scratch / "oracle")
        compare_losses(result, train.curve(world.scratch / "run"), log)
        start = load_file(begin / FILE)
        ours = load_file(world.scratch / "run" / "adapter" / FILE)
        theirs = get_peft_model_state_dict(model, save_embedding_layers=False)
        if result.same("adapter tensors", sorted(ours), sorted(theirs)):
            compare_ways(result, *(movement(weights, start, sorted(start))
                                   for weights in (ours, theirs)))
    return of(case, family, "bfloat16")


def still_case(family, name, strategy, freeze):
    """At a rate far below bfloat16's spacing no weight stands still that float32 moves."""
    def case(world, result):
        plan = Plan(name, strategy=strategy, freeze=freeze, rows=12)
        checkpoint, _, settings = prepared(name, plan, STEPS | dict(
            max_steps=200, learning_rate=1e-5, gradient_accumulation_steps=1), world)
        start = weights_of(checkpoint, checkpoint.path)
        names = [key for key in start if not family.silent(key)]
        own, wide = (movement(run(world, checkpoint, plan, settings, dtype)[1], start, names)
                     for dtype in ("bfloat16", "float32"))
        share = ((own == 0) & (wide != 0)).sum().item() / (wide != 0).sum().item()
        result.facts["still"] = f"{100 * share:.2f} %"
        result.expect(share < STILL, f"{100 * share:.1f} % of the weights never moved")
    return of(case, family, "bfloat16")


def cases():
    family = {each.model_type: each for each in FAMILIES}
    return {"bfloat16/train/full": curve_case(family["llava"], "clip-llama", "full", {}),
            "bfloat16/train/freeze": curve_case(family["qwen2_vl"], "qwen2_vl-plain", "freeze",
                                                TOWER_AND_DECODER),
            "bfloat16/train/lora": lora_case(family["llava"], "siglip-llama", "attention"),
            "bfloat16/train/still-full": still_case(family["llama"], "llama-plain", "full", {}),
            "bfloat16/train/still-freeze": still_case(family["llava"], "siglip-llama", "freeze",
                                                      TOWER_AND_DECODER)}

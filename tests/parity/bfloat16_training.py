# SPDX-License-Identifier: GPL-3.0-or-later
"""Training in bfloat16 against Trainer with bf16=True (autocast) over a model loaded in float32:
trained weights have a float32 master, so that small steps add up. Adapters, which PEFT keeps in
float32, against Trainer with bf16=True over a base loaded in bfloat16."""
import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors.torch import load_file

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
# Many micro-batches a step: their gradients are added in float32 on either side.
MANY = STEPS | dict(per_device_train_batch_size=1, gradient_accumulation_steps=32, max_steps=6)
SMALL_STEPS = dict(max_steps=200, per_device_train_batch_size=2, gradient_accumulation_steps=1,
                   learning_rate=1e-5)
FILE = "adapter_model.safetensors"
TOWER_AND_DECODER = dict(vision_tower=False, projector=True, language_model=False)


def prepared(plan, settings, world):
    """The checkpoint, rows for both sides, and the settings of both."""
    checkpoint = make(plan.checkpoint, world.checkpoints)
    messages = [resolved(row, world.inputs) for row in rows(plan.rows)]
    write_rows(world.scratch / "train.jsonl", messages)
    return checkpoint, [checkpoint.example(row) for row in messages], train.DEFAULTS | settings


def run(world, checkpoint, plan, settings, dtype, begin=None):
    """Its curve and the weights that it leaves, by the oracle's names; or an adapter's tensors."""
    path = train.recipe(world, plan, settings, checkpoint, begin)
    out = world.scratch / dtype
    world.program.run("train", path, "--set", f"training.dtype={dtype}", "--set",
                      f"output_dir={out}")
    weights = load_file(out / "adapter" / FILE) if begin else weights_of(checkpoint, out / "model")
    return train.curve(out), weights


def weights_of(checkpoint, folder):
    return checkpoint.family.load_model(folder, checkpoint.spec, torch.float32).state_dict()


def movement(weights, start, names):
    return torch.cat([(weights[name].double() - start[name].double()).flatten() for name in names])


def compare_losses(result, got, log):
    for line, wanted in zip(got, [entry for entry in log if "loss" in entry], strict=True):
        result.near(f"step {wanted['step']} loss", line["loss"], wanted["loss"], LOSS, "loss")


def compare_ways(result, own, wanted):
    apart = 1 - torch.nn.functional.cosine_similarity(own, wanted, dim=0).item()
    result.worst["direction"] = apart
    result.expect(apart <= ALONG, f"the weights went another way: 1 - cosine is {apart:.1e}")
    result.near("length of the way", own.norm().item(), wanted.norm().item(), LENGTH, "length")


def curve_case(family, plan, asked=STEPS):
    def case(world, result):
        checkpoint, data, settings = prepared(plan, asked, world)
        got, ours = run(world, checkpoint, plan, settings, "bfloat16")
        model = checkpoint.model()
        start = {key: tensor.clone() for key, tensor in model.state_dict().items()}
        for key, parameter in model.named_parameters():
            parameter.requires_grad_(not plan.freeze.get(family.part_of(key), False))
        log = train.trained_by_transformers(model, family.batch, data, [],
                                            settings | dict(bf16=True), world.scratch / "oracle")
        compare_losses(result, got, log)
        theirs = model.state_dict()
        moved = [key for key in start if not family.silent(key)
                 and not torch.equal(theirs[key], start[key])]
        # What nothing trains is left as it is stored.
        for key in set(start) - set(moved):
            result.expect(family.silent(key) or torch.equal(ours[key], start[key]),
                          f"{key}: changed though nothing trains it")
        compare_ways(result, *(movement(weights, start, moved) for weights in (ours, theirs)))
    return of(case, family, "bfloat16")


def lora_case(family, plan):
    """Adapters in float32 over a base in bfloat16, their products under autocast."""
    def case(world, result):
        checkpoint, data, settings = prepared(plan, STEPS, world)
        begin = adapters.make(checkpoint, plan.kind, world.adapters, random=False)
        got, ours = run(world, checkpoint, plan, settings, "bfloat16", begin)
        model = PeftModel.from_pretrained(checkpoint.model(torch.bfloat16), begin,
                                          is_trainable=True)

        def collate(examples):
            return bfloat16.cast(family.batch(examples), torch.bfloat16)

        log = train.trained_by_transformers(model, collate, data, [], settings | dict(bf16=True),
                                            world.scratch / "oracle")
        compare_losses(result, got, log)
        start = load_file(begin / FILE)
        theirs = get_peft_model_state_dict(model, save_embedding_layers=False)
        if result.same("adapter tensors", sorted(ours), sorted(theirs)):
            compare_ways(result, *(movement(weights, start, sorted(start))
                                   for weights in (ours, theirs)))
    return of(case, family, "bfloat16")


def still_case(family, plan):
    """At a rate far below bfloat16's spacing no weight stands still that float32 moves: of the
    base, or of the modules that an adapter keeps whole."""
    def case(world, result):
        checkpoint, _, settings = prepared(plan, SMALL_STEPS, world)
        begin = None
        if plan.strategy == "lora":
            begin = adapters.make(checkpoint, plan.kind, world.adapters, random=False)
            start = load_file(begin / FILE)
            names = [key for key in start if "lora_" not in key]
        else:
            start = weights_of(checkpoint, checkpoint.path)
            names = [key for key in start if not family.silent(key)]
        # Once over all rows says what they move.
        once = settings | dict(max_steps=plan.rows // settings["per_device_train_batch_size"])
        wide = movement(run(world, checkpoint, plan, once, "float32", begin)[1], start, names)
        own = run(world, checkpoint, plan, settings, "bfloat16", begin)[1]
        # A weight that stood still is the checkpoint's own, or that as it was computed with.
        still = torch.cat([((own[name] == start[name]) |
                            (own[name] == start[name].bfloat16().float())).flatten()
                           for name in names])
        share = (still & (wide != 0)).sum().item() / (wide != 0).sum().item()
        result.facts["still"] = f"{100 * share:.2f} %"
        result.expect(share < STILL, f"{100 * share:.1f} % of the weights never moved")
    return of(case, family, "bfloat16")


def cases():
    family = {each.model_type: each for each in FAMILIES}
    freeze = dict(strategy="freeze", freeze=TOWER_AND_DECODER, rows=12)
    return {
        "bfloat16/train/full": curve_case(
            family["llava"], Plan("clip-llama", strategy="full", rows=12)),
        "bfloat16/train/accumulated": curve_case(
            family["llava"], Plan("clip-llama", strategy="full", rows=64), MANY),
        "bfloat16/train/freeze": curve_case(family["qwen2_vl"], Plan("qwen2_vl-plain", **freeze)),
        "bfloat16/train/lora": lora_case(family["llava"],
                                         Plan("siglip-llama", "attention", rows=12)),
        "bfloat16/train/still-full": still_case(
            family["llama"], Plan("llama-plain", strategy="full", rows=12)),
        "bfloat16/train/still-freeze": still_case(family["llava"], Plan("siglip-llama", **freeze)),
        "bfloat16/train/still-saved": still_case(
            family["llava"], Plan("siglip-llama", "saved_modules", rows=12)),
    }

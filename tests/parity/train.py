# SPDX-License-Identifier: GPL-3.0-or-later
"""`train` against transformers' Trainer on the same rows from the same start: loss, gradient norm
and learning rate of every step, the
resulting adapter or model, and that PEFT and transformers load what was written."""
import json
from pathlib import Path

import torch
from peft import PeftConfig, get_peft_model_state_dict
from safetensors.torch import load_file
from transformers import Trainer, TrainingArguments

import adapters
from checkpoints import make
from conversations import resolved, rows, write_rows
from families import FAMILIES
from families.base import Plan
from report import CURVE, LOGITS, WEIGHTS, of

DEFAULTS = dict(max_steps=10, per_device_train_batch_size=1, gradient_accumulation_steps=2,
                learning_rate=2e-3, lr_scheduler_type="constant",
                warmup_ratio=0.0, warmup_steps=0, weight_decay=0.0, max_grad_norm=1.0, seed=42,
                shuffle=False)


# Settings that the Trainer knows as optim_args, or that only an optimizer made for it knows.
OPTIM_ARGS = ("momentum", "dampening", "nesterov")
OURS = ("vision_tower_learning_rate", "projector_learning_rate", "language_model_learning_rate",
        "adapter_learning_rate", "muon_learning_rate", "muon_adjust_lr_fn", "muon_ns_steps")


def trained_by_transformers(model, collate, data, evaluation, settings, folder, callbacks=(),
                            optimizer=None):
    """Trainer's log and the trained model. `optimizer`: makes one of the model and all settings, in
    the place of the one that the Trainer would make."""
    made = optimizer(model, settings) if optimizer else None
    settings = {key: value for key, value in settings.items() if key not in OURS}
    shuffle, ratio = settings.pop("shuffle"), settings.pop("warmup_ratio")
    optim = "adamw_torch" if made else settings.pop("optim", "adamw_torch")
    settings.pop("optim", None)
    given = {key: settings.pop(key) for key in OPTIM_ARGS if key in settings}
    if given and not made:
        settings["optim_args"] = ",".join(f"{key}={value}" for key, value in given.items())
    settings["warmup_steps"] = settings["warmup_steps"] or ratio
    arguments = TrainingArguments(
        output_dir=str(folder), logging_steps=1, report_to=[], save_strategy="no", use_cpu=True,
        disable_tqdm=True, optim=optim,
        remove_unused_columns=False, train_sampling_strategy="random" if shuffle else "sequential",
        label_names=["labels"],
        dataloader_pin_memory=False, eval_strategy="steps" if evaluation else "no", eval_steps=2,
        per_device_eval_batch_size=settings["per_device_train_batch_size"],
        prediction_loss_only=True, **settings)
    trainer = Trainer(model, arguments, data_collator=collate, train_dataset=data,
                      eval_dataset=evaluation or None, callbacks=list(callbacks),
                      optimizers=(made, None))
    trainer.remove_callback(next(type(c) for c in trainer.callback_handler.callbacks
                                 if "Print" in type(c).__name__))
    trainer.train()
    if optim.startswith("schedule_free"):
        trainer.optimizer.eval()   # what is to be used is the average
    return trainer.state.log_history


def recipe(world, plan, settings, checkpoint, start):
    lines = [f"model: {checkpoint.path}", f"dataset: {world.scratch / 'train.jsonl'}",
             f"output_dir: {world.scratch / 'run'}",
             f"strategy: {plan.strategy}"]
    if checkpoint.family.recipe:
        lines.append(checkpoint.family.recipe)
    if plan.eval_rows:
        lines.append(f"eval_dataset: {world.scratch / 'eval.jsonl'}")
    if plan.strategy == "lora" and start:
        lines.append(f"adapter: {{init_from: {start}, lora_dropout: 0.0}}")
    if plan.image:
        lines.append(f"image: {json.dumps(plan.image)}")
    if plan.strategy == "freeze":
        lines.append(f"freeze: {json.dumps(plan.freeze)}")
    extra = dict(device="cpu", dtype="float32", gradient_checkpointing=plan.gradient_checkpointing,
                 logging_steps=1, save_steps=0,
                 eval_steps=2 if plan.eval_rows else 0)
    lines.append("training: {" + ", ".join(f"{key}: {json.dumps(value).strip(chr(34))}"
                                           for key, value in (settings | extra).items()) + "}")
    path = world.scratch / "recipe.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path


def curve(run: Path):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def compare_curves(result, got, log, limit=CURVE):
    steps = [entry for entry in log if "loss" in entry]
    mine = [entry for entry in got if entry.get("loss") is not None]
    if not result.same("steps logged", [entry.get("step") for entry in mine],
                       [entry["step"] for entry in steps]):
        return
    for entry, wanted in zip(mine, steps):
        for key in ("loss", "grad_norm", "learning_rate"):
            # A loss whose parts take one another away is zero but for float32's rounding.
            result.near(f"step {wanted['step']} {key}", entry.get(key, float("nan")), wanted[key],
                        limit, key, floor=1e-3 if key == "loss" else 1e-9)
        result.near(f"step {wanted['step']} epoch", entry.get("epoch", float("nan")),
                    wanted["epoch"], 1e-6, "epoch")
    losses = {entry["step"]: entry["eval_loss"] for entry in got
              if entry.get("eval_loss") is not None}
    for entry in log:
        if "eval_loss" in entry:
            result.near(f"step {entry['step']} eval_loss", losses.get(entry["step"], float("nan")),
                        entry["eval_loss"], limit, "eval_loss")


def compare_adapter(world, result, checkpoint, model, messages):
    folder = world.scratch / "run" / "adapter"
    got, wanted = load_file(folder / "adapter_model.safetensors"), get_peft_model_state_dict(
        model, save_embedding_layers=False)
    if not result.same("adapter tensors", sorted(got), sorted(wanted)):
        return
    for name, tensor in wanted.items():
        result.close(name, got[name], tensor.detach(), WEIGHTS, "adapter")
    config = PeftConfig.from_pretrained(folder)
    reference = model.peft_config["default"]
    for key in ("r", "lora_alpha", "use_rslora", "bias", "rank_pattern", "alpha_pattern",
                "modules_to_save", "use_dora", "fan_in_fan_out"):
        result.same(f"adapter_config.json {key}", getattr(config, key) or None,
                    getattr(reference, key) or None)
    result.same("peft_type", str(config.peft_type), str(reference.peft_type))
    loaded = adapters.attach(checkpoint.model(), folder)
    with torch.no_grad():
        theirs = loaded(**checkpoint.example(messages))
    written = world.scratch / "out.safetensors"
    world.program.run("forward", checkpoint.path, "--input", world.scratch / "first.json", "--out",
                      written, "--adapter", folder,
                      "--dtype", "float32", "--device", "cpu")
    result.close(
        "logits of the written adapter, PEFT's and ours",
        checkpoint.family.shown(load_file(written)["logits"]),
        checkpoint.family.shown(theirs.logits),
        LOGITS,
        "logits",
    )


def compare_model(world, result, checkpoint, model, limit=WEIGHTS):
    """strategy full and freeze leave a whole checkpoint folder in the run."""
    folder = next((path.parent for path in sorted((world.scratch / "run").glob("*/config.json"))),
                  None)
    if not result.expect(folder, "the run holds no model folder"):
        return
    got = checkpoint.family.load_model(folder, checkpoint.spec, "auto").state_dict()
    wanted, start = model.state_dict(), checkpoint.model().state_dict()
    result.same("tensor names", sorted(got), sorted(wanted))
    stored = getattr(torch, checkpoint.spec.dtype)
    for name in sorted(set(got) & set(wanted)):
        # where a softmax is blind to a bias, the gradient is rounding noise, which Adam blows up
        if checkpoint.family.silent(name):
            continue
        if torch.equal(wanted[name], start[name]):
            result.expect(torch.equal(got[name].float(), start[name]),
                          f"{name}: changed though nothing trains it")
        else:
            slack = 0 if got[name].dtype == torch.float32 else {torch.bfloat16: 2 ** -8,
                                                                torch.float16: 2 ** -11}[stored]
            result.close(name, *(checkpoint.family.felt(checkpoint.spec, name, each[name])
                                 for each in (got, wanted)), limit + slack, "weights")


def run_from(world, result, checkpoint, strategy, folder, model, messages, chosen, callbacks=()):
    """A run of ours that begins with the adapter in `folder`, beside the Trainer's of `model`, which
    stands for the same: their curves are compared. What our adapter's file holds then."""
    path = recipe(world, Plan(checkpoint.name, strategy=strategy), chosen, checkpoint, None)
    path.write_text(path.read_text() + f"adapter: {{init_from: {folder}}}\n")
    world.program.run("train", path)
    data = [checkpoint.example(row) for row in messages]
    log = trained_by_transformers(model, checkpoint.family.batch, data, [], chosen,
                                  world.scratch / "oracle", callbacks)
    run = world.scratch / "run"
    compare_curves(result, curve(run), log)
    return load_file(run / "adapter" / "adapter_model.safetensors")


def train_case(plan, optimizer=None):
    def case(world, result):
        checkpoint = make(plan.checkpoint, world.checkpoints)
        settings = DEFAULTS | plan.training
        messages = [resolved(row, world.inputs)
                    for row in rows(plan.rows, without_picture=plan.without_picture)]
        held_out = [resolved(row, world.inputs) for row in rows(plan.eval_rows, seed=99)]
        if plan.image:
            checkpoint.family.limit_pictures(checkpoint.processor, plan.image)
        data, evaluation = [checkpoint.example(row)
                            for row in messages], [checkpoint.example(row) for row in held_out]
        write_rows(world.scratch / "train.jsonl", messages)
        write_rows(world.scratch / "eval.jsonl", held_out)
        (world.scratch / "first.json").write_text(json.dumps({"messages": messages[0]}))
        model, start = checkpoint.model(), None
        if plan.strategy == "lora":
            start = adapters.make(checkpoint, plan.kind, world.adapters, random=False)
            model = adapters.start(checkpoint, plan.kind)
        else:
            for key, parameter in model.named_parameters():
                parameter.requires_grad_(not plan.freeze.get(checkpoint.family.part_of(key), False))
        world.program.run("train", recipe(world, plan, settings, checkpoint, start))
        log = trained_by_transformers(model, checkpoint.family.batch, data, evaluation, settings,
                                      world.scratch / "oracle", optimizer=optimizer)
        model.eval()
        compare_curves(result, curve(world.scratch / "run"), log, plan.limits[0])
        if plan.strategy == "lora":
            compare_adapter(world, result, make(plan.checkpoint, world.checkpoints), model,
                            messages[0])
        else:
            compare_model(world, result, checkpoint, model, plan.limits[1])
    return case


def cases():
    return {f"train/{name}": of(train_case(plan), family,
                                "LoRA" if plan.strategy == "lora" else "full")
                                for family in FAMILIES
            for name, plan in family.plans.items()}

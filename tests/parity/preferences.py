# SPDX-License-Identifier: GPL-3.0-or-later
"""What the objectives' cases share: rows of pairs and of judged answers in both forms (a JSON line
for us, messages and opened pictures for TRL), the `loss` verb, and runs beside TRL's."""
import json

import torch
from datasets import Dataset
from peft import get_peft_model_state_dict
from PIL import Image
from safetensors.torch import load_file

import adapters
import forward
import train
from checkpoints import make
from conversations import resolved, rows
from families.base import Plan
from report import LOGITS

SUMS = 1e-5     # of log-probabilities and what is made of them, as a share of the largest
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


def judged(world, count, seed=31, without_picture=()):
    """Single answers, two good ones and then a bad one, as lines of our dataset."""
    found = []
    for index, row in enumerate(rows(count, seed=seed, without_picture=without_picture)):
        row = resolved(row, world.inputs)
        found.append({"prompt": row[:-1], "completion": row[-1:], "label": index % 3 != 2})
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


def answered(checkpoint, prompt, answer):
    """A prompt as it is answered, an answer's tokens behind it, which are labelled."""
    example, answer = checkpoint.encode(prompt, prompt=True), torch.tensor([answer])
    example["labels"] = torch.cat([torch.full_like(example["input_ids"], -100), answer], 1)
    example["input_ids"] = torch.cat([example["input_ids"], answer], 1)
    for key in ("attention_mask", "mm_token_type_ids", "token_type_ids"):
        if key in example:
            fill = torch.full_like(answer, int(key == "attention_mask"))
            example[key] = torch.cat([example[key], fill], 1)
    return example


def own(model):
    """The tensors that train, by the names of our files."""
    return {name.replace(".default", ""): parameter for name, parameter in model.named_parameters()
            if parameter.requires_grad}


def gradients(model):
    return {f"grad.{name.replace('.modules_to_save', '')}": parameter.grad if parameter.grad is not None else
            torch.zeros_like(parameter) for name, parameter in own(model).items()}


def numbered(lines):
    """A dataset of places alone: pictures are opened by the collator that asks for one."""
    return Dataset.from_dict({"index": list(range(len(lines))), "images": [[0]] * len(lines)})


def arguments(config, world, settings, training=None, **more):
    """A TRL config that takes rows in their order, logs each step and saves nothing."""
    training = STEPS | (training or {})
    training.pop("shuffle"), training.pop("warmup_ratio")
    return config(
        output_dir=str(world.scratch / "oracle"), logging_steps=1, report_to=[],
        save_strategy="no", use_cpu=True, bf16=False, disable_tqdm=True,
        gradient_checkpointing=False, remove_unused_columns=False,
        train_sampling_strategy="sequential", dataloader_pin_memory=False, **more, **settings,
        **training)


def silenced(trainer):
    """The trainer without what it would print."""
    for callback in list(trainer.callback_handler.callbacks):
        if "Print" in type(callback).__name__:
            trainer.remove_callback(callback)
    return trainer


def processor_of(checkpoint):
    processor = checkpoint.processor
    if processor.tokenizer.pad_token is None:
        processor.tokenizer.pad_token = processor.tokenizer.eos_token
    return processor


def check(result, label, got, wanted, metrics, terms=0.0):
    """What `loss` wrote against what an oracle says of the same batch: whichever tensors are wanted,
    all of the metrics, all gradients. `terms`: the size of what the loss is the mean of, where
    good and bad ones cancel one another."""
    mask = wanted["attention_mask"].bool()
    for key in ("attention_mask", "completion_mask", "label", "labels"):
        if key in wanted and not result.same(f"{label} {key}", got[key].tolist(),
                                             wanted[key].tolist()):
            return
    result.same(f"{label} input_ids", got["input_ids"][mask].tolist(),
                wanted["input_ids"][mask].tolist())
    if "token_logps" in wanted:
        result.close(f"{label} token_logps", got["token_logps"], wanted["token_logps"], LOGITS,
                     "token_logps")
    for key in ("logps", "ref_logps", "rewards", "logits", "loss"):
        if key in wanted:
            result.close(f"{label} {key}", got[key], wanted[key], SUMS, key.removeprefix("ref_"),
                         terms if key == "loss" else 0.0)
    for name in metrics:
        key = f"metric.{name}"
        result.close(f"{label} {key}", got.get(key), wanted[key], 1e-4, "metrics", 0.1)
    result.same(f"{label} metric.aux_loss", "metric.aux_loss" in got, "metric.aux_loss" in wanted)
    if "metric.aux_loss" in wanted:
        result.close(f"{label} aux_loss", got["metric.aux_loss"], wanted["metric.aux_loss"], LOGITS,
                     "loss")
    slopes = {key: value for key, value in wanted.items() if key.startswith("grad.")}
    names = sorted(key for key in got if key.startswith("grad."))
    if result.same(f"{label} names of gradients", names, sorted(slopes)):
        largest = max(gradient.abs().max().item() for gradient in slopes.values())
        for key, gradient in slopes.items():
            result.close(f"{label} {key}", got[key], gradient, forward.GRADIENTS, "grad",
                         largest * 1e-3)


# Gradients that are rounding alone shall not be whole steps of AdamW: with its usual epsilon KTO on
# SmolVLM is off by 8.4e-4 in a reward after six steps, with this one by 5.5e-5; SimPO's and AlphaPO's
# margins by 4.6e-4 and 1.4e-4.
STEADY = dict(adam_epsilon=1e-5)


def started(world, checkpoint, kind, drawn):
    """An adapter's folder, and PEFT's model of it that trains: what `start` of a run makes, as `whole`
    makes the model of one without an adapter, and `compare` holds that one against ours afterwards."""
    folder = adapters.make(checkpoint, kind, world.adapters, random=drawn)
    return folder, adapters.PeftModel.from_pretrained(checkpoint.model(), folder, is_trainable=True)


def train_case(name, objective, lines_of, trainer, metrics, settings, kind="attention", drawn=True,
               reference=None, strategy="lora", training=None, limit=train.CURVE, ours=None,
               start=started, whole=None, compare=train.compare_model):
    """A run beside TRL's. `lines_of(world)`: its rows; `trainer(world, checkpoint, model, lines,
    settings, reference, training)`: the oracle's. `reference`: "base" where the recipe names the
    base, else TRL's rule. `ours`: settings that TRL has no form for, or what makes them of world and
    checkpoint. All figures of every step, then what was trained."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        lines = lines_of(world)
        write(world.scratch / "train.jsonl", lines)
        folder, model = None, whole(checkpoint) if whole else checkpoint.model()
        reference_model = checkpoint.model() if reference or strategy == "full" else None
        if strategy == "lora":
            folder, model = start(world, checkpoint, kind, drawn)
        more = ours(world, checkpoint) if callable(ours) else ours or {}
        path = recipe(world, checkpoint, strategy, objective, settings | more, folder,
                      checkpoint.path if reference else None, training)
        world.program.run("train", path)
        made = trainer(world, checkpoint, model, lines, settings, reference_model, training)
        made.train()
        run = world.scratch / "run"
        curve, log = train.curve(run), made.state.log_history
        train.compare_curves(result, curve, log)
        for mine, theirs in zip(curve, [entry for entry in log if "loss" in entry]):
            for key in metrics:
                if not result.same(f"step {theirs['step']} has {key}", key in mine, key in theirs):
                    continue
                if key in theirs:
                    result.near(f"step {theirs['step']} {key}", mine[key], theirs[key], limit,
                                "metrics", 0.05)
        if strategy == "lora":
            got = load_file(run / "adapter" / "adapter_model.safetensors")
            wanted = get_peft_model_state_dict(made.model, save_embedding_layers=False)
            if result.same("adapter tensors", sorted(got), sorted(wanted)):
                for key, tensor in wanted.items():
                    result.close(key, got[key], tensor.detach(), train.WEIGHTS, "adapter")
        else:
            compare(world, result, checkpoint, made.model)
    return case

# SPDX-License-Identifier: GPL-3.0-or-later
"""What cases share whose models have no class in transformers: the formulas are written here in torch, over parts of transformers where it has those, with the
names that the files have. A kind says how a folder is made (`make`), what computes it (`oracle`), what that gets of rows (`Joining`) and which parts there are."""
import json
from dataclasses import dataclass

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from PIL import Image
from safetensors.torch import load_file, save_file

import report
import train
from conversations import SIZES
from encoder_decoders import plain_loop
from two_towers import CAPTIONS, write_lines


@dataclass
class Out:
    loss: torch.Tensor
    logits: torch.Tensor


def draw(model, name):
    """Weights of a size at which every block matters."""
    generator = torch.Generator().manual_seed(sum(name.encode()))
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if ("norm" in key or "ln_" in key or "layrnorm" in key) and key.endswith("weight"):
                parameter.copy_(1 + 0.15 * noise)
            elif parameter.dim() == 1:
                parameter.copy_(0.1 * noise)
            elif any(part in key for part in ("wte.", "wpe.", "lm_head", "embed_tokens", "words.", "positions.")):
                parameter.copy_(0.3 * noise)
            elif "class_embedding" in key or "position_embedding" in key or key.endswith("prefix_const"):
                parameter.copy_(0.6 * noise)
            else:
                parameter.copy_(1.2 * noise / parameter[0].numel() ** 0.5)
        for key, buffer in model.named_buffers():
            noise = torch.randn(buffer.shape, generator=generator) if buffer.dim() else None
            if key.endswith("running_mean"):
                buffer.copy_(0.1 * noise)
            elif key.endswith("running_var"):
                buffer.copy_((1 + 0.2 * noise).abs())


def write(folder, model, config, dtype="float32", kept=lambda key: True):
    """config.json and the weights by the oracle's own names; tables that are one stand once."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    seen, tensors = set(), {}
    for key, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) in seen or not kept(key):
            continue
        seen.add(id(tensor))
        whole = tensor.detach().clone()
        tensors[key] = whole.to(getattr(torch, dtype)) if whole.is_floating_point() and "running_" not in key else whole
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def read_weights(model, folder, also=()):
    """Into the oracle, in single precision; all of them, and none more."""
    tensors = {key: tensor.float() if tensor.is_floating_point() else tensor for key, tensor in load_file(folder / "model.safetensors").items()}
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    shared = {key for key in missing if key.endswith("lm_head.weight") or key.endswith("position_ids") or key in also}
    assert not unexpected and set(missing) <= shared, (missing, unexpected)
    return model.eval()


def rows(world, count):
    names = sorted(SIZES)
    return [{"image": str(world.inputs / names[index % len(names)]), "text": CAPTIONS[index * 5 % len(CAPTIONS)]} for index in range(count)]


def asked(row, answered=True):
    """The row as a conversation, as who goes by no objective reads it."""
    if "messages" in row:
        return row if answered else row | dict(messages=row["messages"][:-1])
    answer = [dict(role="assistant", content=row["text"])] if answered else []
    return dict(messages=[dict(role="user", content="<image>"), *answer], images=[row["image"]])


def opened(made, pictures):
    return pictures([Image.open(row["image"]).convert("RGB") for row in made], return_tensors="pt")["pixel_values"]


def forward_case(kind, name):
    def case(world, result):
        folder, made = kind.make(name, world.checkpoints), kind.rows(world, 3)
        model, joining = kind.oracle(folder), kind.Joining(folder)
        stored = sorted(key for key in load_file(folder / "model.safetensors") if "running_" not in key and "num_batches" not in key)
        for row in made:
            (world.scratch / "row.json").write_text(json.dumps(asked(row), ensure_ascii=False))
            flags = [flag for key in stored for flag in ("--grad", key)]
            world.program.run("forward", folder, "--input", world.scratch / "row.json", "--out", world.scratch / "out.safetensors", "--dtype", "float32",
                              "--device", "cpu", *flags)
            got, batch = load_file(world.scratch / "out.safetensors"), joining([row])
            if "pixel_values" in batch:
                result.close("pixel_values", got["pixel_values"], batch["pixel_values"], 1e-6, "pixels")
            labels = batch["labels"].flatten().tolist() if "labels" in batch else batch["rows"][0][3]
            result.same("labels", got["labels"].flatten().tolist(), labels[1:] if kind.TWO_TEXTS else labels)
            model.zero_grad()
            out = model(**batch)
            out.loss.backward()
            # What a decoder of its own reads ends a token earlier than what it writes.
            logits = out.logits[:, :-1] if kind.TWO_TEXTS else out.logits
            result.close("logits", got["logits"].view(logits.shape), logits.detach(), report.LOGITS, "logits")
            result.close("loss", got["loss"], out.loss.detach().view(1), 1e-5, "loss")
            named = dict(model.named_parameters())
            largest = max(parameter.grad.abs().max().item() for parameter in named.values() if parameter.grad is not None)
            for key in stored:
                parameter = named[key]
                wanted = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                still = kind.silent(key) or parameter.grad is None
                result.close(f"grad.{key}", got[f"grad.{key}"], wanted, 1e-4, "zero grad" if still else "grad", largest if still else 0.0)
    return case


def info_case(kind, name):
    def case(world, result):
        folder = kind.make(name, world.checkpoints)
        got, model = world.program.json("info", folder, "--json"), kind.oracle(folder)
        parts = {part: sum(parameter.numel() for key, parameter in model.named_parameters() if key.startswith(begins))
                 for part, begins in kind.PARTS.items()}
        result.same("model_type", got["model_type"], kind.MODEL_TYPE)
        result.same("parts", got["parts"], parts)
    return case


def train_case(kind, name, strategy, checkpointing="false", freeze=None, together=3, objective="sft", **settings):
    def case(world, result):
        folder, made = kind.make(name, world.checkpoints), kind.rows(world, 12)
        model = kind.oracle(folder)
        steps = train.DEFAULTS | dict(max_steps=8, per_device_train_batch_size=together, gradient_accumulation_steps=1, learning_rate=1e-3)
        recipe = dict(model=str(folder), dataset=write_lines(world.scratch / "train.jsonl", made), output_dir=str(world.scratch / "run"),
                      objective=objective, strategy=strategy, training=steps | dict(device="cpu", dtype="float32", gradient_checkpointing=checkpointing,
                                                                                   logging_steps=1, save_steps=0)) | settings
        model.requires_grad_(True)
        if strategy == "lora":
            model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules=kind.TARGETS, lora_dropout=0.0))
            model.save_pretrained(world.scratch / "start")
            recipe["adapter"] = dict(init_from=str(world.scratch / "start"))
        elif freeze:
            recipe["freeze"] = freeze
            for key, parameter in model.named_parameters():
                parameter.requires_grad_(not any(still and key.startswith(kind.PARTS[part]) for part, still in freeze.items()))
        (world.scratch / "recipe.yaml").write_text(json.dumps(recipe))
        world.program.run("train", world.scratch / "recipe.yaml")
        kind.trains(model, strategy, freeze or {})
        log = plain_loop(model, kind.Joining(folder), made, steps)
        got = train.curve(world.scratch / "run")
        for line, wanted in zip(got, log):
            for key in ("loss", "grad_norm"):
                result.near(f"step {wanted['step']} {key}", line.get(key, float("nan")), wanted[key], train.CURVE, key)
        if strategy == "lora":
            got, wanted = load_file(world.scratch / "run" / "adapter" / "adapter_model.safetensors"), get_peft_model_state_dict(model)
        else:
            got = load_file(world.scratch / "run" / "model" / "model.safetensors")
            wanted = {key: tensor for key, tensor in model.state_dict().items() if key in got}
        if not result.same("tensors", sorted(got), sorted(wanted)):
            return
        slack = {"float32": 0, "bfloat16": 2 ** -8}[kind.SPECS[name].dtype] if strategy != "lora" else 0
        for key, tensor in wanted.items():
            if not kind.silent(key) and "num_batches" not in key:
                result.close(key, got[key].float(), tensor.detach().float(), train.WEIGHTS + slack, "adapter" if strategy == "lora" else "weights")
    return case


def generate_case(kind, name, length=40):
    def case(world, result):
        folder, made = kind.make(name, world.checkpoints), kind.rows(world, 4)
        model, joining, answers = kind.oracle(folder), kind.Joining(folder), set()
        for row in made:
            with torch.no_grad():
                wanted = joining.greedy(model, row, length)
            (world.scratch / "row.json").write_text(json.dumps(asked(row, answered=False)))
            got = world.program.json("generate", folder, "--input", world.scratch / "row.json", "--max-new-tokens", str(length), "--dtype", "float32",
                                     "--device", "cpu", "--json")["results"][0]
            result.same("token_ids", got["token_ids"], wanted)
            answers.add(tuple(wanted))
        result.expect(len(answers) > 1, "every picture has the same caption")
    return case


def forecast_case(kind, name, strategy, freeze=None, objective="sft", within=0.1, **settings):
    def case(world, result):
        folder = kind.make(name, world.checkpoints)
        row = {"image": str(world.inputs / "photo.png"), "text": "a small blue square and two green triangles stand above the old harbour"}
        if "messages" in kind.rows(world, 1)[0]:
            row = dict(messages=[dict(role="user", content="<image>What is it?"), dict(role="assistant", content=row["text"])], images=[row["image"]])
        recipe = dict(model=str(folder), dataset=write_lines(world.scratch / "train.jsonl", [row] * 8), output_dir=str(world.scratch / "run"),
                      objective=objective, strategy=strategy, training=dict(max_steps=3, per_device_train_batch_size=8, gradient_accumulation_steps=1,
                                                                            device="cpu", dtype="float32", gradient_checkpointing="false",
                                                                            logging_steps=1, save_steps=0)) | settings
        if strategy == "lora":
            recipe["adapter"] = dict(r=8, target_modules="all-linear")
        if freeze:
            recipe["freeze"] = freeze
        (world.scratch / "recipe.yaml").write_text(json.dumps(recipe))
        foreseen = world.program.json("plan", world.scratch / "recipe.yaml", "--json")
        world.program.run("train", world.scratch / "recipe.yaml")
        peak = max(line["memory"]["peak"] for line in train.curve(world.scratch / "run"))
        result.facts["forecast error"] = f"{100 * (foreseen['total'] / peak - 1):+.1f} %"
        result.near("forecast", foreseen["total"], peak, within, "forecast")
    return case

# SPDX-License-Identifier: GPL-3.0-or-later
"""The default recipe: a model, rows and a strategy, nothing else. Its result is what most people
will have, so PEFT and transformers load it in every family and answer with our logits."""

import json
import warnings

import torch
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file
from transformers.pytorch_utils import Conv1D

import adapters
from checkpoints import make
from conversations import CONVERSATIONS, resolved, rows, write_rows
from families import FAMILIES
from report import LOGITS, of

STRATEGIES = {"lora": "default LoRA", "freeze": "default freeze", "full": "default full"}
ROWS = 10  # two windows of the default accumulation: the first step's rate is zero, of the warm-up
COMPLAINTS = (
    "missing adapter keys",
    "unexpected",
    "did not match",
    "were not used",
    "newly initialized",
)


def attached(result, checkpoint, folder):
    """PEFT's model of the folder: its modules are those that the file has tensors for, and it
    complains of nothing."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model = adapters.attach(checkpoint.model(), folder)
    complaints = [
        str(each.message) for each in said if any(word in str(each.message) for word in COMPLAINTS)
    ]
    result.same("PEFT's complaints", complaints, [])
    found = {
        name
        for name, module in model.base_model.model.named_modules()
        if isinstance(module, LoraLayer)
    }
    keys = load_file(folder / "adapter_model.safetensors")
    trained = {key.removeprefix("base_model.model.").rsplit(".lora_", 1)[0] for key in keys}
    result.same("modules that PEFT adapts", sorted(found - trained), [])
    result.same("modules that PEFT leaves out", sorted(trained - found), [])
    linears = {
        name
        for name, module in checkpoint.model().named_modules()
        if isinstance(module, torch.nn.Linear | Conv1D) and not name.endswith("lm_head")
    }
    result.same("all linear modules but the head", sorted(trained), sorted(linears))
    return model


def default_case(family, strategy):
    def case(world, result):
        checkpoint = make(next(iter(family.specs)), world.checkpoints)
        write_rows(
            world.scratch / "train.jsonl", [resolved(row, world.inputs) for row in rows(ROWS)]
        )
        run, written = world.scratch / "run", world.scratch / "out.safetensors"
        recipe = world.scratch / "recipe.yaml"
        recipe.write_text(
            f"model: {checkpoint.path}\ndataset: {world.scratch / 'train.jsonl'}\n"
            f"output_dir: {run}\nstrategy: {strategy}\n"
        )
        world.program.run("train", recipe)
        inputs = checkpoint.example(resolved(CONVERSATIONS["plain"], world.inputs))
        shown = family.shown
        ours = (
            [checkpoint.path, "--adapter", run / "adapter"]
            if strategy == "lora"
            else [run / "model"]
        )
        if strategy == "lora":
            model = attached(result, checkpoint, run / "adapter")
        else:
            model = checkpoint.family.load_model(run / "model", checkpoint.spec, torch.float32)
        with torch.no_grad():
            theirs, base = shown(model(**inputs).logits), shown(checkpoint.model()(**inputs).logits)
        moved = ((theirs - base).abs().max() / base.abs().max()).item()
        # the small rate of freeze moves one projector by little, but it moves it
        result.expect(
            moved > (2 * LOGITS if strategy == "lora" else 0),
            f"the case is blind: training moves the logits by {moved:.1e}",
        )
        world.program.run(
            "forward",
            *ours,
            "--input",
            world.inputs / "plain.json",
            "--out",
            written,
            "--dtype",
            "float32",
            "--device",
            "cpu",
        )
        result.close(
            "logits of the result, the oracle's and ours",
            shown(load_file(written)["logits"]),
            theirs,
            LOGITS,
            "logits",
        )
        if strategy == "lora":
            config = json.loads((run / "adapter" / "adapter_config.json").read_text())
            targets = config["target_modules"]  # names, or one pattern where they would be many
            result.expect(
                isinstance(targets, str) or len(targets) < 20,
                f"target_modules is long: {targets[:9]}",
            )

    return case


def cases():
    return {
        f"default/{family.model_type}/{strategy}": of(
            default_case(family, strategy), family, column
        )
        for family in FAMILIES
        for strategy, column in STRATEGIES.items()
        # by default freeze trains the projector alone
        if "projector" in family.parts or strategy != "freeze"
    }

# SPDX-License-Identifier: GPL-3.0-or-later
"""adapter_config.json, field by field, against PEFT's LoraConfig; starts that change the base;
names and patterns that PEFT cannot adapt."""

import dataclasses
import json
import re
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model

import adapters
import forward
from checkpoints import make
from conversations import CONVERSATIONS, resolved, rows, write_rows
from families import FAMILIES
from report import of

METHODS = Path(__file__).parents[2] / "engine" / "methods"
TABLES = (METHODS / "lora_settings.cpp",
          METHODS / "setting_fields.cpp")  # its own, and what all have


def said(program, *arguments):
    """Exit status and stderr."""
    done = program.end(*arguments)
    return done.returncode, done.stderr


def answer(world, checkpoint, folder):
    return said(
        world.program,
        "forward",
        checkpoint.path,
        "--input",
        world.inputs / "plain.json",
        "--out",
        world.scratch / "out.safetensors",
        "--adapter",
        folder,
        "--dtype",
        "float32",
        "--device",
        "cpu",
    )


def fields_case(world, result):
    """The table holds exactly PEFT's fields, and a config with all of them at their defaults loads
    without a word."""
    wanted = sorted(field.name for field in dataclasses.fields(LoraConfig))
    held = [name for table in TABLES for name in re.findall(r'\{"(\w+)",\s*Use::',
                                                            table.read_text())]
    result.same("fields", sorted(held), wanted)
    checkpoint = make("clip-llama", world.checkpoints)
    folder = adapters.make(checkpoint, "linear", world.adapters)
    config = json.loads((folder / "adapter_config.json").read_text())
    result.same(
        "fields that PEFT did not write", sorted(set(wanted) - set(config)), ["runtime_config"]
    )
    status, words = answer(world, checkpoint, folder)
    result.same("exit status", status, 0)
    result.expect("no field" not in words, words)
    changed = world.scratch / "changed"
    changed.mkdir()
    (changed / "adapter_model.safetensors").symlink_to(folder / "adapter_model.safetensors")
    (changed / "adapter_config.json").write_text(json.dumps(config | {"a_later_setting": 1}))
    status, words = answer(world, checkpoint, changed)
    result.expect(status == 0 and "a_later_setting" in words, f"exit {status}: {words}")


def start_case(start):
    """A folder of a start that takes something out of the base's weights, read as it is and
    converted by PEFT: both answer as PEFT's own model does."""

    def case(world, result):
        checkpoint = make("clip-llama", world.checkpoints)
        torch.manual_seed(3)
        model = get_peft_model(
            checkpoint.model(),
            LoraConfig(
                r=4, lora_alpha=8, target_modules=["q_proj", "up_proj"], init_lora_weights=start
            ),
        )
        config = model.peft_config["default"]
        config.init_lora_weights = True
        model.save_pretrained(world.scratch / "start")
        config.init_lora_weights = start
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "lora_" in name:
                    parameter.add_(0.05 * torch.randn(parameter.shape))
        model.save_pretrained(world.scratch / "raw")
        inputs = checkpoint.example(resolved(CONVERSATIONS["plain"], world.inputs))
        wanted = forward.expected(checkpoint, model.eval(), inputs)
        model.save_pretrained(
            world.scratch / "converted",
            path_initial_model_for_weight_conversion=str(world.scratch / "start"),
        )
        for folder in ("raw", "converted"):
            got = forward.run_forward(
                world.program,
                checkpoint,
                world.inputs,
                "plain",
                world.scratch / "out.safetensors",
                "--adapter",
                world.scratch / folder,
            )
            forward.check(result, checkpoint.family, got, wanted)
            theirs = forward.expected(
                checkpoint,
                PeftModel.from_pretrained(checkpoint.model(), world.scratch / folder).eval(),
                inputs,
            )
            forward.check(result, checkpoint.family, got, theirs)

    return case


def plain_start_case(start):
    """Starts that leave the base as it is: the tensors say all, whatever they began as."""

    def case(world, result):
        checkpoint = make("clip-llama", world.checkpoints)
        torch.manual_seed(3)
        config = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj"], init_lora_weights=start)
        model = get_peft_model(checkpoint.model(), config)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "lora_" in name:
                    parameter.add_(0.3 * torch.randn(parameter.shape))
        model.save_pretrained(world.scratch / "adapter")
        inputs = checkpoint.example(resolved(CONVERSATIONS["plain"], world.inputs))
        wanted = forward.expected(
            checkpoint, adapters.attach(checkpoint.model(), world.scratch / "adapter"), inputs
        )
        got = forward.run_forward(
            world.program,
            checkpoint,
            world.inputs,
            "plain",
            world.scratch / "out.safetensors",
            "--adapter",
            world.scratch / "adapter",
        )
        forward.check(result, checkpoint.family, got, wanted)

    return case


def targets_case(family):
    """Modules that PEFT refuses to adapt, activations and the like among them, are refused here
    too, named."""

    def case(world, result):
        checkpoint = make(next(iter(family.specs)), world.checkpoints)
        write_rows(world.scratch / "train.jsonl", [resolved(row, world.inputs) for row in rows(2)])
        tensorless = [
            name
            for name, module in checkpoint.model().named_modules()
            if name and not list(module.parameters(recurse=False))
        ]
        kinds = {}  # one of each kind, whatever the layer
        for name in tensorless:
            kinds.setdefault(re.sub(r"\d+", "N", name), name)
        for name in kinds.values():
            ends = [r".*\." + re.escape(end) for end in (*family.queries, "qkv")]
            selector = "|".join([*ends, re.escape(name)])
            recipe = world.scratch / "recipe.yaml"
            recipe.write_text(
                json.dumps(
                    {
                        "model": str(checkpoint.path),
                        "dataset": str(world.scratch / "train.jsonl"),
                        "output_dir": str(world.scratch / "run"),
                        "adapter": {"target_modules": selector},
                    }
                )
            )
            status, words = said(world.program, "plan", recipe)
            result.expect(
                status == 2 and name in words and "target_modules" in words,
                f"{name}: exit {status}: {words}",
            )

    return case


def cases():
    found = {"lora/fields": fields_case} | {
        f"lora/start-{start}": start_case(start) for start in ("pissa", "olora")
    }
    found |= {
        f"lora/start-{start}": plain_start_case(start)
        for start in ("gaussian", "eva", "orthogonal", "mica")
    }
    return found | {
        f"lora/targets-{family.model_type}": of(targets_case(family), family) for family in FAMILIES
    }

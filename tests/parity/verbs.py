# SPDX-License-Identifier: GPL-3.0-or-later
"""The shapes of `info`, `plan`, `data check` and `compare` against the contract, and their numbers
against what the oracle counts."""
import json
import shutil
import signal
import subprocess

import torch

import adapters
import train
from checkpoints import make
from conversations import resolved, rows, write_rows
from families import FAMILIES
from families.base import Plan
from program import Failure, Program


def info_case(name):
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        got = world.program.json("info", checkpoint.path, "--json")
        sizes = {}
        for key, parameter in checkpoint.model().named_parameters():
            part = checkpoint.family.part_of(key)
            sizes[part] = sizes.get(part, 0) + parameter.numel()
        result.same("model_type", got.get("model_type"),
                    checkpoint.family.stored_type or checkpoint.family.model_type)
        result.same("dtype", got.get("dtype"), checkpoint.spec.dtype)
        result.same("parameters", got.get("parameters"), sum(sizes.values()))
        result.same("parts", {key: value for key, value in got.get("parts", {}).items() if value},
                    sizes)
        modules = got.get("modules", [])
        result.expect(modules and all({"name", "type", "shape", "dtype",
                                       "parameters"} <= set(module) for module in modules),
                      "modules: empty or without name, type, shape, dtype, parameters")
        names = {module.get("name") for module in modules}
        linears = {key for key, module in checkpoint.model().named_modules()
                   if type(module) is torch.nn.Linear}
        linears = {name for name in linears if not name.endswith("lm_head")}
        result.expect(linears <= names,
                      f"linear layers that info does not name: {sorted(linears - names)[:4]}")
        result.same("stdout without --json", bool(world.program.run(
            "info", checkpoint.path).strip()), True)
    return case


def plan_case(name, kind):
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        start = adapters.make(checkpoint, kind, world.adapters, random=False)
        write_rows(world.scratch / "train.jsonl", [resolved(row, world.inputs) for row in rows(6)])
        path = train.recipe(world, Plan(name, kind), train.DEFAULTS, checkpoint, start)
        got = world.program.json("plan", path, "--json")
        wanted = {"weights", "adapter", "gradients", "optimizer", "activations", "workspace"}
        result.same("parts", sorted(got.get("parts", {})), sorted(wanted))
        if set(got.get("parts", {})) != wanted:
            return
        parts = got["parts"]
        result.expect(all(isinstance(value, int) and value >= 0 for value in parts.values()),
                      f"parts are not bytes: {parts}")
        result.same("total", got.get("total"), sum(parts.values()))
        result.expect(isinstance(got.get("available"), int) and got["available"] > 0,
                      "available is missing")
        model = adapters.start(checkpoint, kind)
        trained = sum(parameter.numel() for parameter in model.parameters()
                      if parameter.requires_grad)
        result.near("adapter bytes", parts["adapter"], 4 * trained, 0.02)
        # adapters on tower layers that no feature comes from get no gradient, so no moments
        result.expect(4 * trained < parts["optimizer"] <= 8.2 * trained,
                      f"optimizer bytes: {parts['optimizer']} for {trained} parameters")
        result.near("weight bytes", parts["weights"], 4 * checkpoint.model().num_parameters(), 0.05)
        result.expect(not (world.scratch / "run").exists(), "plan made the run folder")
    return case


def data_case(world, result):
    checkpoint = make("clip-llama", world.checkpoints)
    good = [resolved(row, world.inputs) for row in rows(3)]
    path = write_rows(world.scratch / "rows.jsonl", good)
    picture = str(world.inputs / "photo.png")
    bad = [
        {"conversations": [{"from": "human", "value": "<image>\nWhat?"},
                           {"from": "gpt", "value": "A square."}], "image": picture},
        {"messages": [{"role": "user", "content": "<image>And?<image>"},
                      {"role": "assistant", "content": "Two."}], "images": [picture]},
        {"messages": [{"role": "user", "content": "<image>Gone?"},
                      {"role": "assistant", "content": "Yes."}], "images": ["missing.png"]},
        {"image": picture, "prompt": "What?", "completion": "A circle."},
        {"image": picture, "prompt": "What?", "completion": ""},
    ]
    with path.open("a") as file:
        for row in bad:
            file.write(json.dumps(row) + "\n")
        file.write('{"messages": [\n')
    got = world.program.json("data", "check", path, "--model", checkpoint.path, "--json")
    result.same("rows", got.get("rows"), 9)
    result.same("usable", got.get("usable"), 5)
    findings = got.get("findings", [])
    result.expect(all({"row", "kind", "message"} <= set(finding)
                      for finding in findings), "a finding without row, kind or message")
    result.same("rows with findings", sorted({finding.get("row") for finding in findings}),
                [5, 6, 8, 9])


def compare_case(world, result):
    checkpoint = make("clip-llama", world.checkpoints)
    folder = adapters.make(checkpoint, "linear", world.adapters)
    samples = write_rows(world.scratch / "samples.jsonl",
                         [resolved(row, world.inputs) for row in rows(3)])
    out = world.scratch / "out"
    world.program.run("compare", checkpoint.path, "--adapter", f"one={folder}", "--samples",
                      samples, "--out", out)
    got = json.loads((out / "comparison.json").read_text())
    result.expect({"columns", "rows", "scores"} <= set(got), f"comparison.json holds {sorted(got)}")
    result.expect("one" in [column.get("name") for column in got["columns"]],
                  "no column for the adapter")
    result.same("rows", len(got["rows"]), 3)
    for row in got["rows"]:
        result.same("answers", len(row.get("answers", [])), len(got["columns"]))
        for answer in row.get("answers", []):
            result.expect({"text", "token_ids", "logprobs", "seconds", "scores"} <= set(answer),
                          f"an answer holds {sorted(answer)}")
    result.expect("data:image" in (out / "comparison.html").read_text(),
                  "comparison.html carries no picture inside")


def ready_case(world, result):
    """The program that stands before main answers as a process of its own does, and what is to end
    it does."""
    checkpoint = make("clip-llama", world.checkpoints)
    alone, ready, soon = Program(world.program.path), world.program, 2   # seconds, to be reached
    for command in (["--version"], ["--help"], ["none"], ["info", world.scratch / "none"],
                    ["info", checkpoint.path, "--json"],
                    ["tokenize", checkpoint.path, "--text", "A blue circle"]):
        for cwd in (None, world.scratch):
            ended = [each.end(*command, cwd=cwd) for each in (alone, ready)]
            what = " ".join(map(str, command))
            for field in ("returncode", "stdout", "stderr"):
                result.same(f"{what}: {field}", *(getattr(each, field) for each in ended))
    recipe = world.scratch / "recipe.yaml"
    rows_file = write_rows(world.scratch / "train.jsonl",
                           [resolved(row, world.inputs) for row in rows(4)])
    recipe.write_text(f"model: {checkpoint.path}\ndataset: {rows_file}\noutput_dir: "
                      f"{world.scratch / 'run'}\ntraining: {{max_steps: 1000000}}\n")
    for each in (alone, ready):
        shutil.rmtree(world.scratch / "run", ignore_errors=True)
        result.same("a limit of processor: the signal",
                    each.end("train", recipe, processor_limit=2).returncode, -signal.SIGKILL)
        shutil.rmtree(world.scratch / "run", ignore_errors=True)
        try:
            each.end("train", recipe, timeout=soon)
            result.expect(False, "a command without end ended")
        except Failure as failure:
            result.expect(f"no end after {soon} s" in str(failure), str(failure))


def full_case(world, result):
    """What could not be said ends with a sentence and 3, help and version too."""
    checkpoint = make("clip-llama", world.checkpoints)
    for command in (["--version"], ["--help"], ["train", "--help"],
                    ["tokenize", checkpoint.path, "--text", "A blue circle"]):
        with open("/dev/full", "w") as full:
            ended = subprocess.run([str(world.program.path), *map(str, command)], stdout=full,
                                   stderr=subprocess.PIPE, text=True)
        what = " ".join(map(str, command))
        result.same(f"{what}: the exit status", ended.returncode, 3)
        result.expect("could not be written" in ended.stderr, f"{what}: {ended.stderr!r}")


def demo_case(objective, holds):
    """What an objective's demo prints about held-out questions."""
    def case(world, result):
        out = world.scratch / "demo"
        world.program.run("demo", "--objective", objective, "--out", out)
        shown = json.loads((out / "demo.json").read_text())
        result.expect(holds(shown), json.dumps(shown))
    return case


def longer_wins(shown):
    return shown["win_rate"] >= 0.9 and shown["wanted"]["kto"] >= 0.7


def near_its_teacher(shown):
    right = shown["own_questions"]
    return right["student"] < right["base"] - 0.2 and right["gkd"] >= right["base"] - 0.05


def stage_after_stage(shown):
    """Each stage does what it is for; the last ones bring back what the second had taken."""
    manner, shorter, own = shown["manner"], shown["shorter"], shown["own_questions"]
    return (manner["manner"] >= 0.8 and own["manner"] < 0.1 and shorter["preference"] >= 0.9
            and own["reward"] >= own["base"] - 0.05 and own["reward"] >= own["preference"] - 0.02)


def cases(everything=False):
    found = {f"info/{name}": info_case(name) for family in FAMILIES for name in family.informed}
    found |= {f"plan/{name}/{kind}": plan_case(name, kind)
              for name, kind in (("clip-llama", "linear"), ("siglip-qwen2", "attention"))}
    if everything:      # their siblings are tests/teaching/test_demo's
        found |= {"demo/kto": demo_case("kto", longer_wins),
                  "demo/gkd": demo_case("gkd", near_its_teacher),
                  "demo/stages": demo_case("stages", stage_after_stage)}
    return found | {"data/check": data_case, "compare/shape": compare_case,
                    "program/ready": ready_case, "program/full": full_case}

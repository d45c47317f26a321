# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders that do not fit what is asked of them, through the command line: packed weights whose
state lies, shards cut short, models and adapters of unlike bases put together. Each is refused
with exit status 2 and a sentence that names the tensor, field or folder at fault, and nothing is
written. A lie is a row."""
import json
import shutil
import subprocess

import torch
from safetensors.torch import save_file

import adapters
from checkpoints import make
from quantized import STATE, flags
from report import HANG


def state(**changes):
    """The packed state's JSON with these fields changed; None takes a field out."""
    def change(tensor):
        content = json.loads(bytes(tensor.tolist())) | changes
        content = {key: value for key, value in content.items() if value is not None}
        return torch.tensor(list(json.dumps(content).encode()), dtype=torch.uint8)
    return change


def text(content):
    return lambda tensor: torch.tensor(list(content), dtype=torch.uint8)


GONE = None
# Kind → (end of the tensor's name, how it lies, what else the sentence must name).
PACKED = {
    "nf4": [
        (".absmax", GONE, ""), (".absmax", lambda t: t[:-1], ""),
        (".absmax", lambda t: torch.cat([t, t[:1]]), ""), (".absmax", lambda t: t.float(), ""),
        (".nested_absmax", GONE, ""), (".nested_quant_map", GONE, ""),
        (".nested_absmax", lambda t: torch.cat([t, t]), ""),
        (".nested_quant_map", lambda t: t[:-1], ""),
        (f".{STATE}nf4", GONE, ""), (f".{STATE}nf4", text(b"{"), ""),
        (f".{STATE}nf4", text(b"[]"), ""), (f".{STATE}nf4", text(b"\xff\xfe"), ""),
        *((f".{STATE}nf4", state(**{field: value}), field) for field, value in (
            ("blocksize", 0), ("blocksize", -64), ("blocksize", "64"),
            ("blocksize", GONE), ("quant_type", "nf3"), ("quant_type", GONE), ("shape", []),
            ("shape", [2 ** 40, 2 ** 40]), ("shape", GONE), ("dtype", "float7"),
            ("nested_blocksize", 0), ("nested_blocksize", GONE), ("nested_offset", "x"),
            ("nested_offset", GONE))),
        # Whether this or the scales' number is the lie, nobody can tell.
        (f".{STATE}nf4", state(blocksize=128), ""),
        ("", lambda t: t[:-1], ""), ("", lambda t: t.float(), ""),
    ],
    "int8": [
        (".SCB", GONE, ""), (".SCB", lambda t: t[:-1], ""), (".SCB", lambda t: t.half(), ""),
        (".SCB", lambda t: t * float("nan"), ""), (".weight_format", lambda t: t + 2, ""),
        (".weight", lambda t: t[:-1], ""), (".weight", lambda t: t.to(torch.uint8), ""),
    ],
}


def refused(world, result, what, named, *command, out):
    """Exit status 2, few lines that name what is at fault, and no trace of a result."""
    try:
        done = subprocess.run([str(each) for each in (world.program.path, *command)],
                              capture_output=True, text=True, timeout=HANG)
    except subprocess.TimeoutExpired:
        result.expect(False, f"{what}: no end after {HANG} s")
        return
    shown = done.stderr.strip()
    result.same(f"{what}: exit ({shown[-200:]})", done.returncode, 2)
    said = [line for line in shown.splitlines() if not line.startswith("warning: ")]
    result.expect(0 < len(said) <= 3, f"{what}: more than a few lines: {said}")
    missing = [name for name in named if name not in shown]
    result.expect(not missing, f"{what}: does not name {missing}: {shown[-300:]}")
    left = sorted(path.name for path in out.parent.glob(out.name + "*"))
    result.expect(not left, f"{what}: left {left}")
    for path in out.parent.glob(out.name + "*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def packed_case(kind):
    def case(world, result):
        checkpoint = make("clip-llama", world.checkpoints)
        folder, out = world.scratch / "packed", world.scratch / "out.safetensors"
        world.program.run("quantize", checkpoint.path, "--out", folder, *flags(kind, kind == "nf4"))
        tensors = adapters.load_all(folder)
        module = next(name for name in sorted(tensors)
                      if name.endswith("down_proj.weight")).removesuffix(".weight")
        command = ("forward", folder, "--input", world.inputs / "plain.json", "--out", out)
        file = folder / "model.safetensors"
        whole = file.read_bytes()
        for row, (end, lie, field) in enumerate(PACKED[kind]):
            name = module + end if kind == "int8" else f"{module}.weight{end}"
            bad = dict(tensors)
            if lie is GONE:
                del bad[name]
            else:
                bad[name] = lie(bad[name])
            if end == ".absmax" and lie is not GONE and torch.equal(bad[name], tensors[name]) \
                    and bad[name].dtype == tensors[name].dtype:
                continue
            save_file({key: value.contiguous() for key, value in bad.items()}, file,
                      metadata={"format": "pt"})
            refused(world, result, f"row {row} {end or 'numbers'} {field}", (module, field),
                    *command, out=out)
        for count in (0, 7, 100, len(whole) // 2, len(whole) - 1):
            file.write_bytes(whole[:count])
            refused(world, result, f"{count} bytes", ("model.safetensors",), *command, out=out)
    return case


def models_case(world, result):
    """Checkpoints that are not one another's like are not averaged."""
    first = make("clip-llama", world.checkpoints).path
    packed, out = world.scratch / "packed", world.scratch / "out"
    world.program.run("quantize", first, "--out", packed, *flags("nf4", True))
    others = {"other family": make("smolvlm-plain", world.checkpoints).path,
              "other tower": make("siglip-llama", world.checkpoints).path,
              "other heads": make("clip-gqa-tied", world.checkpoints).path,
              "packed": packed, "no folder": world.scratch / "none"}
    for what, other in others.items():
        for pair in ((first, other), (other, first)):
            refused(world, result, f"merge-models {what}", (other.name,), "merge-models",
                    *(part for path in pair for part in ("--model", path)), "--weights", "0.5,0.5",
                    "--out", out, out=out)
        refused(world, result, f"merge-models, base {what}", (other.name,), "merge-models",
                "--model", first, "--model", first, "--base", other, "--method", "ties",
                "--weights", "0.5,0.5", "--density", "0.5", "--out", out, out=out)


def adapters_case(world, result):
    """Adapters of unlike bases or methods are not combined, swapped or merged."""
    checkpoint = make("clip-llama", world.checkpoints)
    other = make("smolvlm-plain", world.checkpoints)
    mine = adapters.make(checkpoint, "linear", world.adapters)
    out = world.scratch / "out"
    foreign = {"another family's": adapters.make(other, "linear", world.adapters)}
    for field, value in (("peft_type", "IA3"), ("peft_type", "NO_SUCH"), ("r", -1), ("r", "4"),
                         ("r", 5), ("target_modules", ["no_such_module"])):
        folder = world.scratch / f"lie-{field}-{value}".replace("[", "").replace("]", "")
        shutil.copytree(mine, folder)
        path = folder / "adapter_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
        foreign[f"{field} = {value!r}"] = folder
    tensors = adapters.load_all(mine)
    first = sorted(tensors)[0]
    for what, bad in (("a tensor less", {k: t for k, t in tensors.items() if k != first}),
                      ("a row less", tensors | {first: tensors[first][:-1].contiguous()}),
                      ("a name unknown", tensors | {"base_model.model.nobody.lora_A.weight":
                                                    tensors[first].clone()})):
        folder = world.scratch / what.replace(" ", "-")
        shutil.copytree(mine, folder)
        save_file(bad, folder / "adapter_model.safetensors", metadata={"format": "pt"})
        foreign[what] = folder
    for what, folder in foreign.items():
        refused(world, result, f"merge {what}", (folder.name,), "merge", checkpoint.path,
                "--adapter", folder, "--out", out, out=out)
        refused(world, result, f"forward {what}", (folder.name,), "forward", checkpoint.path,
                "--adapter", folder, "--input", world.inputs / "plain.json", "--out", out, out=out)
        if not what.startswith(("target_modules", "a name")):
            refused(world, result, f"combine {what}", (folder.name,), "adapter",
                    "combine", "--adapter", mine, "--adapter", folder, "--weights", "0.5,0.5",
                    "--combination-type", "linear", "--out", out, out=out)


def cases(everything=False):
    return {f"hostile/packed/{kind}": packed_case(kind) for kind in PACKED} | {
        "hostile/models": models_case, "hostile/adapters": adapters_case}

# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders that do not fit what is asked of them, through the command line: packed weights whose
state lies, shards cut short, models and adapters of unlike bases put together. Each is refused
with exit status 2 and a sentence that names the tensor, field or folder at fault, and nothing is
written or touched. A lie is a row. Verbs of adapters alone: hostile_verbs."""
import copy
import functools
import hashlib
import json
import re
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

import adapters
from checkpoints import make
from quantized import STATE, flags


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


# What no sentence for a person has in it: the program's own names, and how it came to them.
PROGRAM_WORDS = re.compile(r"std::|c10|torch::|at::|luthier::|nlohmann|json\.exception|Traceback|"
                           r"[Aa]ssert|\.(cpp|h):\d|terminate|basic_string|INTERNAL|what\(\)")


def standing(paths):
    """Every file under these paths with its checksum, every folder by its name, hidden ones too."""
    found = {}
    for path in paths:
        for each in [path, *path.rglob("*")] if path.is_dir() else [path] * path.exists():
            found[each] = None if each.is_dir() else hashlib.sha256(each.read_bytes()).hexdigest()
    return found


def refused(world, result, what, named, *command, out, status=2, before=None):
    """This exit status, few lines that name what is at fault in words for a person, inputs and
    what stood there untouched, and no trace of a result. `before` is done in the child first."""
    given = {Path(part) for part in command if str(part).startswith("/")} | {world.scratch}
    there = standing(given)
    done = world.program.end(*command, before=before)
    shown = done.stderr.strip()
    statuses = status if isinstance(status, tuple) else (status,)
    result.expect(done.returncode in statuses,
                  f"{what}: exit {done.returncode} instead of {statuses} ({shown[-200:]})")
    said = [line for line in shown.splitlines() if not line.startswith("warning: ")]
    result.expect(0 < len(said) <= 3, f"{what}: more than a few lines: {said}")
    missing = [name for name in named if name not in shown]
    result.expect(not missing, f"{what}: does not name {missing}: {shown[-300:]}")
    words = PROGRAM_WORDS.search(shown)
    result.expect(not words, f"{what}: speaks of its insides ({words}): {shown[-300:]}")
    after = standing(given)
    touched = sorted(str(path) for path in there if after.get(path, "gone") != there[path])
    result.expect(not touched, f"{what}: touched {touched}")
    left = sorted(path for path in after if path not in there)
    result.expect(not left, f"{what}: left {[str(path) for path in left]}")
    for path in left:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


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


# What makes a checkpoint another one and yet a sound one: a setting and how it differs.
UNLIKE = {
    "a layer more": ("text_config.num_hidden_layers", lambda layers: layers + 1),
    "a layer less": ("text_config.num_hidden_layers", lambda layers: layers - 1),
    "a higher tower": ("vision_config.num_hidden_layers", lambda layers: layers + 2),
    "wider": ("text_config.hidden_size", lambda width: 2 * width),
    "wider inside": ("text_config.intermediate_size", lambda width: width + 16),
    "a wider tower": ("vision_config.intermediate_size", lambda width: width + 16),
    "more words": ("text_config.vocab_size", lambda words: words + 8),
    "a bias": ("text_config.mlp_bias", lambda bias: not bias),
}


def with_setting(checkpoint, folder, field, change):
    """The checkpoint drawn anew by transformers with this setting, all of it consistent."""
    model = checkpoint.model()
    config = copy.deepcopy(model.config)
    *sections, name = field.split(".")
    section = functools.reduce(getattr, sections, config)
    setattr(section, name, change(getattr(section, name)))
    shutil.copytree(checkpoint.path, folder)
    for file in folder.glob("*.safetensors*"):
        file.unlink()
    type(model)(config).save_pretrained(folder)
    return folder


def unlike_models_case(world, result):
    """Checkpoints that are each sound and answer, and are yet not one another's like: the sentence
    names both folders, and the field in which they differ."""
    checkpoint = make("clip-llama", world.checkpoints)
    first, out = checkpoint.path, world.scratch / "out"

    def merged(what, one, other, *named):
        pair = "--model", one, "--model", other
        refused(world, result, f"merge-models {what}", named, "merge-models", *pair, "--weights",
                "0.5,0.5", "--out", out, out=out)

    for what, (field, change) in UNLIKE.items():
        other = with_setting(checkpoint, world.scratch / what.replace(" ", "-"), field, change)
        world.program.run("forward", other, "--input", world.inputs / "plain.json", "--out",
                          world.scratch / "answer.safetensors")
        for one, two in ((first, other), (other, first)):
            merged(what, one, two, f"{two}/config.json: {field}", str(one))
        refused(world, result, f"merge-models, base {what}",
                (f"{other}/config.json: {field}", str(first)), "merge-models", "--model", first,
                "--model", first, "--base", other, "--method", "ties", "--weights", "0.5,0.5",
                "--density", "0.5", "--out", out, out=out)
    family = make("smolvlm-plain", world.checkpoints).path
    for one, two in ((first, family), (family, first)):
        merged("another family", one, two, f"{two}/config.json", str(one), "model_type")
    packed, unsaid = world.scratch / "packed", world.scratch / "unsaid"
    world.program.run("quantize", first, "--out", packed, *flags("nf4", True))
    for one, two in ((first, packed), (packed, first), (packed, packed)):
        merged("packed", one, two, f"{packed}/config.json: quantization_config")
    shutil.copytree(packed, unsaid)     # where config.json does not say that it is
    config = json.loads((unsaid / "config.json").read_text())
    del config["quantization_config"]
    (unsaid / "config.json").write_text(json.dumps(config))
    for one, two in ((first, unsaid), (unsaid, first)):
        merged("packed without a word", one, two, str(unsaid))
    # Of floating numbers each type has a mean with each (hostile/accepted); others have none.
    whole = copied(first, world.scratch, "whole-numbers")
    file = next(whole.glob("*.safetensors"))
    tensors = load_file(file)
    name = next(name for name in sorted(tensors) if name.endswith("norm.weight"))
    save_file(tensors | {name: tensors[name].to(torch.int32)}, file, metadata={"format": "pt"})
    for one, two in ((first, whole), (whole, first)):
        merged("whole numbers", one, two, str(one), str(two), name)


def set_fields(path, **fields):
    """A JSON file with these fields changed."""
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def copied(folder, root, name):
    """A copy whose name no other path of the command has in it."""
    return Path(shutil.copytree(folder, root / f"lie-{name}"))


def lying_adapters(mine, root):
    """Name → (a copy of the adapter that lies, whether that shows without its base)."""
    lies = {}
    for field, value, alone in (("peft_type", "IA3", True), ("peft_type", "NO_SUCH", True),
                                ("peft_type", 3, True), ("r", -1, True), ("r", "4", True),
                                ("r", 5, True), ("lora_alpha", "x", True),
                                ("target_modules", ["no_such_module"], False)):
        folder = copied(mine, root, f"{field}-{value}".replace("[", "").replace("]", ""))
        set_fields(folder / "adapter_config.json", **{field: value})
        lies[f"{field} = {value!r}"] = folder, alone
    tensors = adapters.load_all(mine)
    first = sorted(tensors)[0]
    for what, bad, alone in (
            ("a tensor less", {k: t for k, t in tensors.items() if k != first}, True),
            ("no tensors", {}, True),
            ("a row less", tensors | {first: tensors[first][:-1].contiguous()}, True),
            ("a column less", tensors | {first: tensors[first][:, :-1].contiguous()}, False),
            ("an axis less", tensors | {first: tensors[first].flatten()}, True),
            ("whole numbers", tensors | {first: tensors[first].to(torch.int8)}, True),
            ("NaN", tensors | {first: tensors[first] * float("nan")}, True),
            ("infinity", tensors | {first: tensors[first] + float("inf")}, True),
            ("a name unknown", tensors | {"base_model.model.nobody.lora_A.weight":
                                          tensors[first].clone()}, False)):
        folder = copied(mine, root, what.replace(" ", "-"))
        save_file(bad, folder / "adapter_model.safetensors", metadata={"format": "pt"})
        lies[what] = folder, alone
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        end = name.partition(".")[2]
        folder = copied(mine, root, f"without-{end}")
        (folder / name).unlink()
        lies[f"no {name}"] = folder, True
        folder = copied(mine, root, f"folder-{end}")
        (folder / name).unlink()
        (folder / name).mkdir()
        lies[f"a folder as {name}"] = folder, True
        folder = copied(mine, root, f"cut-{end}")
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[:len(whole) // 2])
        lies[f"half {name}"] = folder, True
    (root / "lie-empty").mkdir()
    lies["an empty folder"] = root / "lie-empty", True
    (root / "lie-file").write_text("{}")
    lies["a file"] = root / "lie-file", True
    lies["nothing"] = root / "lie-none", True
    return lies


def adapters_case(world, result):
    """Adapters of unlike bases or methods are not combined, swapped or merged."""
    checkpoint = make("clip-llama", world.checkpoints)
    other = make("smolvlm-plain", world.checkpoints)
    mine = adapters.make(checkpoint, "linear", world.adapters)
    out = world.scratch / "out"
    lies = lying_adapters(mine, world.scratch)
    lies["another family's"] = adapters.make(other, "linear", world.adapters), True
    for what, (folder, alone) in lies.items():
        refused(world, result, f"merge {what}", (folder.name,), "merge", checkpoint.path,
                "--adapter", folder, "--out", out, out=out)
        refused(world, result, f"forward {what}", (folder.name,), "forward", checkpoint.path,
                "--adapter", folder, "--input", world.inputs / "plain.json", "--out", out, out=out)
        if alone:
            refused(world, result, f"combine {what}", (folder.name,), "adapter",
                    "combine", "--adapter", mine, "--adapter", folder, "--weights", "0.5,0.5",
                    "--combination-type", "linear", "--out", out, out=out)


def depths_case(world, result):
    """A config.json that names fewer or more layers than the weights hold, wherever one is read."""
    checkpoint = make("clip-llama", world.checkpoints)
    mine = adapters.make(checkpoint, "linear", world.adapters)
    packed, out = world.scratch / "packed", world.scratch / "out"
    world.program.run("quantize", checkpoint.path, "--out", packed, *flags("nf4", True))
    recipe = world.scratch / "recipe.yaml"
    for base in (checkpoint.path, packed):
        for part in ("text_config", "vision_config"):
            for more in (-1, 1):
                folder = copied(base, world.scratch, f"{base.name}-{part}{more}")
                config = json.loads((folder / "config.json").read_text())
                config[part]["num_hidden_layers"] += more
                (folder / "config.json").write_text(json.dumps(config))
                recipe.write_text(f"model: {folder}\nstrategy: lora\n"
                                  f"dataset: {world.inputs / 'plain.json'}\n"
                                  f"output_dir: {out}\ntraining: {{device: cpu}}\n")
                verbs = {"forward": (folder, "--input", world.inputs / "plain.json"),
                         "info": (folder,), "plan": (recipe,), "methods": (folder,),
                         "merge": (folder, "--adapter", mine),
                         "adapter init": (recipe,),
                         "adapter swap": (folder, "--adapter", mine)}
                if base == checkpoint.path:
                    verbs["quantize"] = (folder,)
                    verbs["merge-models"] = ("--model", folder, "--model", folder, "--weights",
                                             "0.5,0.5")
                for verb, rest in verbs.items():
                    writes = verb not in ("info", "plan", "methods", "adapter swap")
                    refused(world, result, f"{verb}, {base.name}, {part} {more:+}",
                            (f"{folder.name}/config.json: {part}.num_hidden_layers",),
                            *verb.split(), *rest, *(("--out", out) if writes else ()), out=out)


def cases(everything=False):
    found = {f"hostile/packed/{kind}": packed_case(kind) for kind in PACKED} | {
        "hostile/models": models_case, "hostile/unlike-models": unlike_models_case,
        "hostile/adapters": adapters_case}
    return found | ({"hostile/depths": depths_case} if everything else {})

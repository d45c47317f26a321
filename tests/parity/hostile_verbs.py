# SPDX-License-Identifier: GPL-3.0-or-later
"""Verbs of adapters alone over folders that lie, grouped packed weights (GPTQ, AWQ) that lie,
outputs that cannot be written, and what looks like a lie and is none. The lies about adapters are
hostile_folders'; what each row looks at is its `refused`."""
import json
import resource
import signal

import torch
from safetensors.torch import load_file, save_file

import adapters
import grouped
from checkpoints import make
from conversations import resolved, rows, write_rows
from hostile_folders import GONE, copied, lying_adapters, refused, set_fields
from quantized import flags

SMALL = 3000   # bytes of the largest file that a full disk takes


def write_recipe(world, checkpoint, *lines):
    path, train = world.scratch / "recipe.yaml", world.scratch / "train.jsonl"
    if not train.exists():
        write_rows(train, [resolved(row, world.inputs) for row in rows(2)])
    path.write_text("\n".join((f"model: {checkpoint.path}", "training: {device: cpu}",
                               f"dataset: {train}",
                               f"output_dir: {world.scratch / 'run'}", *lines)) + "\n")
    return path


def ranks_case(world, result):
    """`adapter ranks` sees what shows without a base."""
    checkpoint = make("clip-llama", world.checkpoints)
    mine = adapters.make(checkpoint, "linear", world.adapters)
    for what, (folder, alone) in lying_adapters(mine, world.scratch).items():
        if alone:
            refused(world, result, f"ranks {what}", (folder.name,), "adapter", "ranks", folder,
                    out=world.scratch / "out")


def swap_case(world, result):
    checkpoint = make("clip-llama", world.checkpoints)
    mine = adapters.make(checkpoint, "linear", world.adapters)
    for what, (folder, _) in lying_adapters(mine, world.scratch).items():
        refused(world, result, f"swap {what}", (folder.name,), "adapter", "swap", checkpoint.path,
                "--adapter", mine, "--adapter", folder, out=world.scratch / "out")


def train_case(world, result):
    """A recipe that goes on from a folder that lies: no run begins."""
    checkpoint = make("clip-llama", world.checkpoints)
    mine = adapters.make(checkpoint, "linear", world.adapters)
    for what, (folder, _) in lying_adapters(mine, world.scratch).items():
        recipe = write_recipe(world, checkpoint, "strategy: lora",
                              f"adapter: {{init_from: {folder}}}")
        # Of a folder of another method the setting is named that says so.
        named = "adapter.init_from" if what == "peft_type = 'IA3'" else folder.name
        refused(world, result, f"train from {what}", (named,), "train", recipe,
                out=world.scratch / "run")


def init_case(world, result):
    """`adapter init` of recipes that lie, over folders that are no model."""
    checkpoint = make("clip-llama", world.checkpoints)
    out = world.scratch / "out"
    mine = adapters.make(checkpoint, "linear", world.adapters)
    for field in (f"adapter.init_from={mine}", "adapter.r=-1", "adapter.r=x", "adapter.alpha=3",
                  "adapter.num_virtual_tokens=4", "adapter.target_modules=[no_such_module]",
                  "strategy=no_such", "adapter.rank_pattern={q_proj: 0}"):
        recipe = write_recipe(world, checkpoint, "strategy: lora")
        refused(world, result, f"init {field}", (field.partition("=")[0],), "adapter", "init",
                recipe, "--set", field, "--out", out, out=out)
    # Tokens that there are not: the adapter would never be on, and nothing would train.
    for tokens in ("abc", "[-5]", "[99999999]", "[1.5]"):
        recipe = write_recipe(world, checkpoint, "strategy: lora",
                              "adapter: {target_modules: '.*language_model.*q_proj'}")
        refused(world, result, f"init invoked by {tokens}",
                ("adapter.alora_invocation_tokens", "vocabulary"), "adapter", "init", recipe,
                "--set", f"adapter.alora_invocation_tokens={tokens}", "--out", out, out=out)
    (world.scratch / "empty").mkdir()
    (world.scratch / "file").write_text("{}")
    for name in ("empty", "file", "none"):
        recipe = write_recipe(world, checkpoint, "strategy: lora")
        refused(world, result, f"init over {name}", (name,), "adapter", "init", recipe, "--set",
                f"model={world.scratch / name}", "--out", out, out=out)


def convert_case(world, result):
    """PiSSA's folders that lie, and one that took nothing out of its base."""
    checkpoint = make("clip-llama", world.checkpoints)
    plain = adapters.make(checkpoint, "linear", world.adapters)
    out = world.scratch / "out"
    mine = copied(plain, world.scratch, "pissa")
    set_fields(mine / "adapter_config.json", init_lora_weights="pissa")
    rows = {what: (folder, folder.name)
            for what, (folder, _) in lying_adapters(mine, world.scratch).items()}
    rows["plain"] = plain, "init_lora_weights"
    for what, (folder, named) in rows.items():
        refused(world, result, f"convert {what}", (named,), "adapter", "convert", folder,
                "--model", checkpoint.path, "--out", out, out=out)
    for what, model in (("no model", world.scratch / "none"), ("an empty model", None)):
        if model is None:
            model = world.scratch / "empty"
            model.mkdir()
        refused(world, result, f"convert, {what}", (model.name,), "adapter", "convert", mine,
                "--model", model, "--out", out, out=out)
    refused(world, result, "convert, another base", ("lie-pissa",), "adapter",
            "convert", mine, "--model", make("smolvlm-plain", world.checkpoints).path, "--out", out,
            out=out)


NAN, INFINITY = float("nan"), float("inf")
# Of both forms: (settings that lie, end of a tensor's name, how it lies, what is to be named).
BOTH = [
    *(({"bits": bits}, None, None, "config.json: quantization_config: bits")
      for bits in (2, 3, 8, "4", [4], -4)),
    *(({"group_size": size}, None, None, "config.json: quantization_config: group_size")
      for size in (0, -2, "16", 1.5, 2 ** 40)),
    ({"group_size": 7}, None, None, "."), ({"group_size": -1}, None, None, "."),
    ({}, ".qweight", GONE, ""), ({}, ".scales", GONE, ".scales"), ({}, ".qzeros", GONE, ".qzeros"),
    *(({}, end, lie, end) for end in (".qweight", ".qzeros", ".scales")
      for lie in (lambda t: t[:-1], lambda t: t[:, :-1], lambda t: t.flatten(),
                  lambda t: t.t())),
    ({}, ".qweight", lambda t: t.float(), ".qweight"), ({}, ".qweight", lambda t: t.long(), ""),
    ({}, ".qzeros", lambda t: t.float(), ".qzeros"),
    ({}, ".scales", lambda t: t.to(torch.int32), ".scales"),
    ({}, ".scales", lambda t: t * NAN, ".scales"), ({}, ".scales", lambda t: t + INFINITY,
                                                    ".scales"),
]
ROWS = {
    "gptq-act-order": [
        *BOTH, ({"checkpoint_format": "marlin"}, None, None, "checkpoint_format"),
        ({"checkpoint_format": 4}, None, None, "checkpoint_format"),
        ({"desc_act": "yes"}, None, None, "desc_act"),
        ({"desc_act": True}, ".g_idx", GONE, ".g_idx"),
        ({}, ".g_idx", lambda t: t[:-1], ".g_idx"), ({}, ".g_idx", lambda t: t + 1, ".g_idx"),
        ({}, ".g_idx", lambda t: t - 1, ".g_idx"), ({}, ".g_idx", lambda t: t.float(), ".g_idx"),
        ({"quant_method": "awq"}, None, None, "."), ({"quant_method": "no_such"}, None, None,
                                                     "no_such"),
    ],
    "awq": [
        *BOTH, ({"version": "gemv"}, None, None, "version"), ({"version": 7}, None, None,
                                                              "version"),
        ({"quant_method": "gptq"}, None, None, "."),
    ],
}


def grouped_case(form):
    def case(world, result):
        checkpoint = make("clip-llama", world.checkpoints)
        folder, _ = grouped.folders(checkpoint, form, world.scratch)
        config, file = folder / "config.json", folder / "model.safetensors"
        settings, whole = json.loads(config.read_text()), file.read_bytes()
        tensors = load_file(file)
        module = next(name for name in sorted(tensors)
                      if name.endswith("down_proj.qweight")).removesuffix(".qweight")
        out = world.scratch / "out.safetensors"
        command = ("forward", folder, "--input", world.inputs / "plain.json", "--out", out)
        world.program.run(*command)
        out.unlink()
        for row, (fields, end, lie, named) in enumerate(ROWS[form]):
            config.write_text(json.dumps(settings | {
                "quantization_config": settings["quantization_config"] | fields}))
            bad = dict(tensors)
            if end and lie is GONE:
                del bad[module + end]
            elif end:
                bad[module + end] = lie(bad[module + end])
            if end:
                save_file({key: value.contiguous() for key, value in bad.items()}, file,
                          metadata={"format": "pt"})
            what = (folder.name, named, *((module,) if end else ()))
            refused(world, result, f"row {row} {fields or ''} {end or ''}", what, *command,
                    out=out)
            if end:
                file.write_bytes(whole)
        config.write_text(json.dumps(settings))
        for count in (0, 7, 100, len(whole) // 2, len(whole) - 1):
            file.write_bytes(whole[:count])
            refused(world, result, f"{count} bytes", ("model.safetensors",), *command, out=out)
    return case


def no_room():
    """In the child: no file grows beyond SMALL, which a write is told as of a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL, SMALL))


def writers(world, checkpoint):
    """Verb → its command without --out, and whether it writes a folder."""
    mine = adapters.make(checkpoint, "linear", world.adapters)
    pissa = copied(mine, world.scratch, "pissa")
    set_fields(pissa / "adapter_config.json", init_lora_weights="pissa")
    recipe = write_recipe(world, checkpoint, "strategy: lora")
    return {
        "merge": (("merge", checkpoint.path, "--adapter", mine), True),
        "combine": (("adapter", "combine", "--adapter", mine, "--adapter", mine, "--weights",
                     "0.5,0.5", "--combination-type", "linear"), True),
        "convert": (("adapter", "convert", pissa, "--model", checkpoint.path), True),
        "init": (("adapter", "init", recipe), True),
        "quantize": (("quantize", checkpoint.path, *flags("nf4", True)), True),
        "quantize a file": (("quantize", mine / "adapter_model.safetensors",
                             *flags("nf4", True)), False),
        "merge-models": (("merge-models", "--model", checkpoint.path, "--model", checkpoint.path,
                          "--weights", "0.5,0.5"), True),
        "forward": (("forward", checkpoint.path, "--input", world.inputs / "plain.json"), False),
    }


def outputs_case(world, result):
    """Outputs that cannot be written: no room, a file where a folder should be and the reverse, a
    folder that holds something, a place beneath a file. What stood there stays."""
    checkpoint = make("clip-llama", world.checkpoints)
    commands = writers(world, checkpoint)
    full, file = world.scratch / "full", world.scratch / "standing.txt"
    full.mkdir()
    (full / "kept.txt").write_text("kept")
    file.write_text("kept")
    for verb, (command, folder) in commands.items():
        out = world.scratch / "new"
        refused(world, result, f"{verb}, no room", (out.name,), *command, "--out", out, out=out,
                status=3, before=no_room)
        refused(world, result, f"{verb}, beneath a file", (file.name,), *command, "--out",
                file / "new", out=out, status=(2, 3))
        if folder:
            refused(world, result, f"{verb}, over a file", (file.name,), *command, "--out", file,
                    out=file, status=(2, 3))
            refused(world, result, f"{verb}, over other files", (full.name,), *command, "--out",
                    full, out=full)
        else:
            refused(world, result, f"{verb}, no room for another", (file.name,), *command, "--out",
                    file, out=file, status=3, before=no_room)
            refused(world, result, f"{verb}, over a folder", (full.name,), *command, "--out", full,
                    out=full, status=(2, 3))


def accepted_case(world, result):
    """What PEFT allows and looks like a lie: an adapter made over a packed base beside a float one
    and the reverse, one of another type of numbers, models of another type."""
    checkpoint = make("clip-llama", world.checkpoints)
    mine = adapters.make(checkpoint, "linear", world.adapters)
    packed = world.scratch / "packed"
    world.program.run("quantize", checkpoint.path, "--out", packed, *flags("nf4", True))
    inputs = ("--input", world.inputs / "plain.json", "--dtype", "float32", "--device", "cpu")

    def logits(model, adapter=None):
        out = world.scratch / "logits.safetensors"
        world.program.run("forward", model, *inputs, "--out", out,
                          *(("--adapter", adapter) if adapter else ()))
        return load_file(out)["logits"]

    plain, beside = logits(checkpoint.path), logits(checkpoint.path, mine)
    result.expect((beside - plain).abs().max() > 1e-3, "the adapter shows nothing")
    result.expect((logits(packed, mine) - logits(packed)).abs().max() > 1e-3,
                  "a float base's adapter does nothing over a packed one")
    made = world.scratch / "made"
    recipe = write_recipe(world, checkpoint, "strategy: lora",
                          "adapter: {init_lora_weights: gaussian}")
    recipe.write_text(recipe.read_text().replace(str(checkpoint.path), str(packed)))
    world.program.run("adapter", "init", recipe, "--out", made)
    result.close("over the float base", logits(checkpoint.path, made), plain, 1e-6, "logits")
    for dtype, limit in ((torch.float64, 1e-6), (torch.bfloat16, 5e-2), (torch.float16, 5e-3)):
        folder = copied(mine, world.scratch, str(dtype))
        file = folder / "adapter_model.safetensors"
        save_file({key: tensor.to(dtype) for key, tensor in load_file(file).items()}, file,
                  metadata={"format": "pt"})
        result.close(str(dtype), logits(checkpoint.path, folder), beside, limit, "logits")
    narrow, mean = copied(checkpoint.path, world.scratch, "narrow"), world.scratch / "mean"
    for file in narrow.glob("*.safetensors"):
        save_file({key: tensor.half() for key, tensor in load_file(file).items()}, file,
                  metadata={"format": "pt"})
    world.program.run("merge-models", "--model", checkpoint.path, "--model", narrow, "--weights",
                      "0.5,0.5", "--out", mean)
    wide, half = adapters.load_all(checkpoint.path), adapters.load_all(narrow)
    for key, tensor in adapters.load_all(mean).items():
        result.close(key, tensor, wide[key] * 0.5 + half[key].float() * 0.5, 1e-6, "mean")


def cases(everything=False):
    found = {"hostile/outputs": outputs_case, "hostile/ranks": ranks_case,
             "hostile/init": init_case}
    if everything:
        found |= {"hostile/swap": swap_case, "hostile/train": train_case,
                  "hostile/convert": convert_case, "hostile/accepted": accepted_case}
        found |= {f"hostile/{form}": grouped_case(form) for form in ROWS}
    return found

# SPDX-License-Identifier: GPL-3.0-or-later
"""GPTQ and AWQ checkpoints of four bits as frozen bases. No library that makes them runs on a CPU
without a compiler of its own, so both layouts are written out here, from what their files are known
to hold: words of eight codes along the columns (GPTQ) or along the rows in the order 0, 2, 4, 6, 1,
3, 5, 7 (AWQ), zeros less one in GPTQ's first version, columns of a group anywhere where the file
says which. The reference is the plain model with the numbers that the codes stand for."""
import json
import shutil

import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file

import adapters
import forward
import train
from checkpoints import make
from conversations import CONVERSATIONS, resolved, rows, write_rows
from families.base import Plan
from report import LOGITS

LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "out_proj", "fc1", "fc2", "gate_proj", "up_proj",
          "down_proj", "linear_1", "linear_2")
INTERLEAVE = (0, 2, 4, 6, 1, 3, 5, 7)


def words(codes, order=range(8)):
    """codes [n · 8, m] → int32 [n, m]: of each eight rows order[i] at the bits 4 i and up."""
    eights = codes.long().reshape(-1, 8, codes.shape[1])
    packed = sum(eights[:, row] << (4 * at) for at, row in enumerate(order))
    return torch.where(packed >= 2 ** 31, packed - 2 ** 32, packed).to(torch.int32)


def rounded(weight, group_of, symmetric):
    """weight [out, in] and each column's group → codes [out, in], zeros and scales [groups, out],
    and the numbers that they stand for."""
    groups = int(group_of.max()) + 1
    scales, zeros = torch.empty(groups, len(weight)), torch.empty(groups, len(weight))
    for group in range(groups):
        part = weight[:, group_of == group]
        low, high = part.amin(1).clamp(max=0), part.amax(1).clamp(min=0)
        if symmetric:
            high = torch.maximum(high, -low)
            low = -high
        scales[group] = ((high - low) / 15).clamp(min=1e-4)
        zeros[group] = 8 if symmetric else (-low / scales[group]).round().clamp(1, 15)
    scales = scales.half()
    scale, zero = scales.float()[group_of].t(), zeros[group_of].t()
    codes = ((weight / scale).round() + zero).clamp(0, 15)
    return codes, zeros, scales, (codes - zero) * scale


def as_gptq(weight, group_size, act_order=False, second=False, symmetric=False):
    """Tensors by their ends, and the numbers."""
    columns = weight.shape[1]
    group_of = torch.arange(columns) // (group_size if group_size > 0 else columns)
    if act_order:
        draw = torch.Generator().manual_seed(columns)
        group_of = group_of[torch.randperm(columns, generator=draw)]
    codes, zeros, scales, numbers = rounded(weight, group_of, symmetric)
    return {"qweight": words(codes.t()), "qzeros": words((zeros - (0 if second else 1)).t()).t(),
            "scales": scales, "g_idx": group_of.to(torch.int32)}, numbers


def as_awq(weight, group_size):
    group_of = torch.arange(weight.shape[1]) // (group_size if group_size > 0 else weight.shape[1])
    codes, zeros, scales, numbers = rounded(weight, group_of, False)
    return {"qweight": words(codes, INTERLEAVE).t(), "qzeros": words(zeros.t(), INTERLEAVE).t(),
            "scales": scales}, numbers


FORMS = {
    "gptq": (as_gptq, dict(group_size=16), dict(checkpoint_format="gptq", desc_act=False)),
    "gptq-rows": (as_gptq, dict(group_size=-1, symmetric=True), dict(desc_act=False, sym=True)),
    "gptq-act-order": (as_gptq, dict(group_size=16, act_order=True), dict(desc_act=True)),
    "gptq-v2": (as_gptq, dict(group_size=32, second=True), dict(checkpoint_format="gptq_v2")),
    "awq": (as_awq, dict(group_size=8), dict(version="gemm", zero_point=True)),
    "awq-rows": (as_awq, dict(group_size=-1), dict(version="gemm", zero_point=True)),
}


def folders(checkpoint, form, root):
    """The checkpoint with its linears packed, and a plain one with the same numbers."""
    pack, options, said = FORMS[form]
    packed, plain = {}, {}
    for name, tensor in adapters.load_all(checkpoint.path).items():
        module, _, end = name.rpartition(".")
        if end == "weight" and module.rpartition(".")[2] in LINEAR:
            parts, numbers = pack(tensor.float(), **options)
            packed |= {f"{module}.{key}": part.contiguous() for key, part in parts.items()}
            plain[name] = numbers.contiguous()
        else:
            packed[name] = plain[name] = tensor.float()
    result = []
    for label, tensors in ((form, packed), ("plain", plain)):
        folder = root / label
        shutil.copytree(checkpoint.path, folder, ignore=shutil.ignore_patterns("*.safetensors*"))
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        result.append(folder)
    config = json.loads((result[0] / "config.json").read_text())
    config["quantization_config"] = dict(quant_method=form.partition("-")[0], bits=4,
                                         group_size=options["group_size"]) | said
    (result[0] / "config.json").write_text(json.dumps(config))
    return result


def load_plain(checkpoint, folder):
    return checkpoint.family.load_model(folder, checkpoint.spec, torch.float32)


def forward_case(name, form):
    """Logits and the gradients of an adapter."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        packed, plain = folders(checkpoint, form, world.scratch)
        inputs = checkpoint.example(resolved(CONVERSATIONS["plain"], world.inputs))
        model = load_plain(checkpoint, plain)
        wanted = forward.expected(checkpoint, model, inputs)
        base = forward.expected(checkpoint, checkpoint.model(), inputs)
        result.expect((wanted["logits"] - base["logits"]).abs().max() > 1e-3,
                      "the case is blind: packing changes nothing")
        folder, out = adapters.make(checkpoint, "attention", world.adapters), world.scratch / "out"
        arguments = ("forward", packed, "--input", world.inputs / "plain.json", "--out", out,
                     "--dtype", "float32", "--device", "cpu")
        world.program.run(*arguments)
        result.close("logits", load_file(out)["logits"], wanted["logits"], LOGITS, "logits")
        adapted = PeftModel.from_pretrained(model, folder, is_trainable=True).eval()
        loss = adapted(**inputs)
        loss.loss.backward()
        world.program.run(*arguments, "--adapter", folder, "--grad", "adapter")
        got = load_file(out)
        result.close("adapted logits", got["logits"], loss.logits.detach(), LOGITS, "logits")
        for key, parameter in adapted.named_parameters():
            if parameter.grad is not None:
                result.close(key, got.get("grad." + key.replace(".default", "")), parameter.grad,
                             forward.GRADIENTS, "grad")
        said = world.program.json("info", packed, "--json")
        kinds = {module["dtype"] for module in said["modules"]}
        result.expect(form.partition("-")[0] in kinds, f"info names {sorted(kinds)}")
    return case


def train_case(name, form):
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        packed, plain = folders(checkpoint, form, world.scratch)
        chosen = train.DEFAULTS | dict(max_steps=6)
        messages = [resolved(row, world.inputs) for row in rows(6)]
        write_rows(world.scratch / "train.jsonl", messages)
        start = adapters.make(checkpoint, "attention", world.adapters)
        path = train.recipe(world, Plan(name, "attention"), chosen, checkpoint, start)
        path.write_text(path.read_text().replace(str(checkpoint.path), str(packed), 1))
        world.program.run("train", path)
        model = PeftModel.from_pretrained(load_plain(checkpoint, plain), start, is_trainable=True)
        log = train.trained_by_transformers(model, checkpoint.family.batch,
                                            [checkpoint.example(row) for row in messages], [],
                                            chosen, world.scratch / "oracle")
        train.compare_curves(result, train.curve(world.scratch / "run"), log)
        # Merging writes a plain checkpoint.
        merged = world.scratch / "merged"
        world.program.run("merge", packed, "--adapter", world.scratch / "run" / "adapter", "--out",
                          merged)
        wanted = model.merge_and_unload().state_dict()
        got = load_plain(checkpoint, merged).state_dict()
        for key, tensor in wanted.items():
            result.close(key, got.get(key), tensor, train.WEIGHTS, "merged")
    return case


def refused_case(world, result):
    """Files and settings that do not fit are refused, and four bits over four bits."""
    checkpoint = make("clip-llama", world.checkpoints)
    for form, changes in (("gptq", dict(bits=8)), ("gptq", dict(checkpoint_format="marlin")),
                          ("gptq", dict(group_size=32)), ("gptq", dict(group_size=0)),
                          ("awq", dict(version="gemv")), ("awq", dict(group_size=16)),
                          ("awq", dict(bits="4"))):
        shutil.rmtree(world.scratch, ignore_errors=True)
        world.scratch.mkdir()
        packed, _ = folders(checkpoint, form, world.scratch)
        arguments = ("forward", packed, "--input", world.inputs / "plain.json", "--out",
                     world.scratch / "out", "--device", "cpu")
        world.program.run(*arguments)
        world.program.run(*arguments, "--load-in-4bit", status=2)
        config = json.loads((packed / "config.json").read_text())
        config["quantization_config"] |= changes
        (packed / "config.json").write_text(json.dumps(config))
        world.program.run(*arguments, status=2)


def cases(everything=False):
    found = {f"grouped/clip-llama/{form}": forward_case("clip-llama", form) for form in FORMS}
    found["grouped/clip-llama/gptq-act-order/train"] = train_case("clip-llama", "gptq-act-order")
    found["grouped/clip-llama/awq/train"] = train_case("clip-llama", "awq")
    found["grouped/refused"] = refused_case
    if everything:
        for name in ("siglip-llama", "clip-gqa-tied"):
            for form in ("gptq-act-order", "awq"):
                found[f"grouped/{name}/{form}"] = forward_case(name, form)
    return found

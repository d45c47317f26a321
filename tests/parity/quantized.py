# SPDX-License-Identifier: GPL-3.0-or-later
"""Four-bit weights against bitsandbytes: `quantize` of bare tensors, checkpoints in both
directions,
logits, gradients and a QLoRA run over them. The reference model is the plain one with every weight
as the packed codes and scales say it. They are unpacked here: bitsandbytes' own kernel for CPUs
begins every row with a new scale, also where a block reaches over the row's end (0.50.2,
AVX-512)."""
import json
import math

import bitsandbytes
import torch
from bitsandbytes.functional import dequantize_blockwise, quantize_4bit
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import BitsAndBytesConfig

import adapters
import forward
import train
from checkpoints import make
from conversations import CONVERSATIONS, resolved, rows, write_rows
from families.base import Plan
from report import LOGITS

SHAPES = {"one": (1, 1), "odd": (7, 13), "vector": (100,), "short": (3, 64), "wide": (33, 65),
          "long": (257, 130), "cube": (4, 6, 10), "blocks": (512, 96)}
STATE = "quant_state.bitsandbytes__"


def flags(kind, double, compute="float32"):
    chosen = ["--bnb-4bit-quant-type", kind, "--bnb-4bit-compute-dtype", compute]
    return chosen + (["--bnb-4bit-use-double-quant"] if double else [])


def settings(kind, double):
    return dict(load_in_4bit=True, bnb_4bit_quant_type=kind, bnb_4bit_use_double_quant=double,
                bnb_4bit_compute_dtype="float32")


def drawn(dtype):
    """Tensors of every shape: ordinary values, a block of zeros, a lone outlier, equal values."""
    generator = torch.Generator().manual_seed(4)
    tensors = {name: torch.randn(shape, generator=generator) * 0.1
               for name, shape in SHAPES.items()}
    tensors["blocks"].view(-1)[64:192] = 0
    tensors["blocks"].view(-1)[1000] = 50
    tensors["long"].view(-1)[:64] = 0.25
    return {name: tensor.to(dtype) for name, tensor in tensors.items()}


def same_packed(result, got, wanted):
    """Every stored tensor of a checkpoint or a file, by name: codes and scales to the bit, the
    description field by field."""
    if not result.same("tensor names", sorted(got), sorted(wanted)):
        return
    for name, tensor in wanted.items():
        mine = got[name]
        result.same(f"{name}: dtype and shape", [str(mine.dtype), *mine.shape],
                    [str(tensor.dtype), *tensor.shape])
        if STATE in name:
            told, said = (json.loads(bytes(each.tolist())) for each in (mine, tensor))
            offset = said.pop("nested_offset", None)
            if offset is not None:
                result.near(f"{name}: nested_offset", told.pop("nested_offset", 0.0), offset, 1e-6,
                            "offset")
            result.same(name, told, said)
        elif name.endswith(("absmax", "quant_map")) and tensor.is_floating_point():
            result.close(name, mine, tensor, 1e-6, "scales")
        else:
            result.expect(torch.equal(mine, tensor), f"{name}: {int((mine != tensor).sum())} of "
                          f"{tensor.numel()} values differ")


def dequantized(packed, state):
    """Code times scale, block after block of the flattened tensor; the high half of a byte
    first."""
    codes = packed.reshape(-1).int()
    count = math.prod(state.shape)
    codes = torch.stack((codes >> 4, codes & 15), 1).reshape(-1)[:count]
    scales = state.absmax
    if state.nested:
        scales = dequantize_blockwise(state.absmax, state.state2) + state.offset
    scales = scales.float().repeat_interleave(state.blocksize)[:count]
    return (state.code[codes] * scales).to(state.dtype).reshape(state.shape)


def file_case(kind, double, dtype):
    def case(world, result):
        tensors = drawn(dtype)
        source, out = world.scratch / "plain.safetensors", world.scratch / "packed.safetensors"
        save_file(tensors, source)
        world.program.run("quantize", source, "--out", out, "--dequantized", *flags(kind, double))
        wanted = {}
        for name, tensor in tensors.items():
            packed, state = quantize_4bit(tensor, blocksize=64, compress_statistics=double,
                                          quant_type=kind)
            back = dequantized(packed, state)
            wanted |= {name: packed, f"{name}.dequantized": back}
            wanted |= {f"{name}.{key}": value for key, value in state.as_dict(packed=True).items()}
        got = load_file(out)
        values = {name: got.pop(name, None) for name in wanted if name.endswith(".dequantized")}
        back = {name: wanted.pop(name) for name in values}
        same_packed(result, got, wanted)
        for name, tensor in back.items():
            source = tensors[name.removesuffix(".dequantized")]
            worst = (tensor - source).abs().max() / source.abs().max()
            result.expect(worst < 0.2, f"{name}: the oracle's own values are {worst:.2f} off")
            result.close(name, values[name], tensor, 1e-6 if dtype == torch.float32 else 2 ** -8,
                         "dequantized")
    return case


def by_transformers(checkpoint, kind, double, folder=None):
    """transformers' own 4-bit model of the checkpoint, or of a folder that is 4-bit already."""
    chosen = {} if folder else dict(quantization_config=BitsAndBytesConfig(
        **settings(kind, double)))
    return checkpoint.family.model_class.from_pretrained(
        folder or checkpoint.path, dtype=torch.float32, device_map="cpu", **chosen).eval()


def given_back(packed):
    """Name of each 4-bit weight → its values."""
    return {f"{name}.weight": dequantized(module.weight.data, module.weight.quant_state)
            for name, module in packed.named_modules()
            if isinstance(module, bitsandbytes.nn.Linear4bit)}


def plain_model(checkpoint, packed):
    """The un-quantized model with the 4-bit model's weights."""
    model = checkpoint.model()
    state = model.state_dict()
    for name, tensor in given_back(packed).items():
        state[name].copy_(tensor.reshape(state[name].shape))
    return model


def checkpoint_case(name, kind, double):
    """Both directions: transformers' folder is read here, ours by transformers, and they are the
    same files."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        packed = by_transformers(checkpoint, kind, double)
        theirs, ours = world.scratch / "theirs", world.scratch / "ours"
        packed.save_pretrained(theirs)
        checkpoint.processor.save_pretrained(theirs)
        world.program.run("quantize", checkpoint.path, "--out", ours, *flags(kind, double))
        same_packed(result, adapters.load_all(ours), adapters.load_all(theirs))
        told, said = (json.loads((folder / "config.json").read_text())["quantization_config"]
                      for folder in (ours, theirs))
        for key in ("quant_method", *settings(kind, double)):
            result.same(f"quantization_config {key}", told.get(key), said.get(key))
        read = given_back(by_transformers(checkpoint, kind, double, ours))
        for key, tensor in given_back(packed).items():
            result.close(f"{key} as transformers reads it", read.get(key), tensor, 1e-6, "weights")
        model = plain_model(checkpoint, packed)
        inputs = checkpoint.example(resolved(CONVERSATIONS["plain"], world.inputs))
        wanted = forward.expected(checkpoint, model, inputs)
        base = forward.expected(checkpoint, checkpoint.model(), inputs)
        result.expect((wanted["logits"] - base["logits"]).abs().max() > 1e-3,
                      "the case is blind: four bits change nothing")
        out = world.scratch / "out.safetensors"
        whole = ("--load-in-4bit", *flags(kind, double))
        for label, folder, extra in (("theirs", theirs, ()), ("ours", ours, ()),
                                     ("at loading", checkpoint.path, whole)):
            world.program.run("forward", folder, "--input", world.inputs / "plain.json", "--out",
                              out, "--dtype", "float32", "--device", "cpu", *extra)
            got = load_file(out)
            result.close(f"{label}: logits", got["logits"], wanted["logits"], LOGITS, "logits")
            result.close(f"{label}: loss", got["loss"], wanted["loss"], LOGITS, "loss")
    return case


def lora_case(name, lora, kind, double):
    """Logits and gradients of an adapter over four bits."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        folder = adapters.make(checkpoint, lora, world.adapters)
        model = PeftModel.from_pretrained(
            plain_model(checkpoint, by_transformers(checkpoint, kind, double)), folder,
            is_trainable=True).eval()
        inputs = checkpoint.example(resolved(CONVERSATIONS["several"], world.inputs))
        out = model(**inputs)
        out.loss.backward()
        got = forward.run_forward(
            world.program, checkpoint, world.inputs, "several", world.scratch / "out.safetensors",
            "--adapter", folder, "--load-in-4bit", *flags(kind, double), gradients=("adapter",))
        result.close("logits", got["logits"], out.logits.detach(), LOGITS, "logits")
        wanted = {"grad." + key.replace(".default", ""): parameter.grad
                  for key, parameter in model.named_parameters() if parameter.grad is not None}
        names = sorted(key for key in got if key.startswith("grad."))
        result.expect(set(wanted) <= set(names), f"missing: {sorted(set(wanted) - set(names))[:3]}")
        for key, gradient in wanted.items():
            result.close(key, got.get(key), gradient, forward.GRADIENTS, "grad")
    return case


def train_case(name, lora, kind, double):
    """QLoRA: ten steps of an adapter over four bits."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        chosen = train.DEFAULTS | dict(per_device_train_batch_size=2, max_steps=8)
        messages = [resolved(row, world.inputs) for row in rows(8)]
        write_rows(world.scratch / "train.jsonl", messages)
        start = adapters.make(checkpoint, lora, world.adapters)
        path = train.recipe(world, Plan(name, lora), chosen, checkpoint, start)
        path.write_text(path.read_text() + f"quantization: {json.dumps(settings(kind, double))}\n")
        world.program.run("train", path)
        model = PeftModel.from_pretrained(
            plain_model(checkpoint, by_transformers(checkpoint, kind, double)), start,
            is_trainable=True)
        data = [checkpoint.example(row) for row in messages]
        log = train.trained_by_transformers(model, checkpoint.family.batch, data, [], chosen,
                                            world.scratch / "oracle")
        train.compare_curves(result, train.curve(world.scratch / "run"), log)
        got = load_file(world.scratch / "run" / "adapter" / "adapter_model.safetensors")
        wanted = train.get_peft_model_state_dict(model, save_embedding_layers=False)
        if result.same("adapter tensors", sorted(got), sorted(wanted)):
            for key, tensor in wanted.items():
                result.close(key, got[key], tensor.detach(), train.WEIGHTS, "adapter")
    return case


def contradiction_case(world, result):
    """A recipe that asks for another kind of four bits than the checkpoint has is refused."""
    checkpoint = make("clip-llama", world.checkpoints)
    folder = world.scratch / "four"
    world.program.run("quantize", checkpoint.path, "--out", folder, *flags("nf4", False))
    write_rows(world.scratch / "train.jsonl", [resolved(row, world.inputs) for row in rows(4)])
    start = adapters.make(checkpoint, "attention", world.adapters)
    path = train.recipe(world, Plan("clip-llama", "attention"), train.DEFAULTS, checkpoint, start)
    text = path.read_text().replace(str(checkpoint.path), str(folder), 1)
    for kind, status in (("fp4", 2), ("nf4", 0)):
        path.write_text(text + f"quantization: {json.dumps(settings(kind, False))}\n")
        world.program.run("train", path, "--set", f"output_dir={world.scratch / kind}", "--set",
                          "training.max_steps=1", status=status)


def cases(everything=False):
    found = {f"quantized/file/nf4/{'double' if double else 'plain'}":
             file_case("nf4", double, torch.float32) for double in (False, True)}
    found["quantized/file/nf4/bfloat16"] = file_case("nf4", True, torch.bfloat16)
    found["quantized/clip-llama/double"] = checkpoint_case("clip-llama", "nf4", True)
    found["quantized/clip-gqa-tied/plain"] = checkpoint_case("clip-gqa-tied", "nf4", False)
    found["quantized/clip-llama/lora"] = lora_case("clip-llama", "attention", "nf4", True)
    found["quantized/clip-llama/train"] = train_case("clip-llama", "attention", "nf4", True)
    found["quantized/contradiction"] = contradiction_case
    if everything:
        found["quantized/file/nf4/float16"] = file_case("nf4", False, torch.float16)
        found["quantized/clip-llama/plain"] = checkpoint_case("clip-llama", "nf4", False)
        for name in ("siglip-llama", "qwen2_vl-plain", "smolvlm-plain"):
            found[f"quantized/{name}/double"] = checkpoint_case(name, "nf4", True)
            found[f"quantized/{name}/lora"] = lora_case(name, "attention", "nf4", False)
    return found

# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights of four and of eight bits against bitsandbytes: `quantize` of bare tensors, checkpoints
in both directions, logits, gradients and runs over them.

Two references. Where columns come in whole blocks, transformers' own quantized model, in training
and in evaluation, with its repacking for processors with AVX512-BF16 switched off: that rounds the
scales to bfloat16. Elsewhere the plain model with every weight as the packed codes and scales say
it, since bitsandbytes' own kernel for CPUs begins every row with a new scale, also where a block
reaches over the row's end (0.50.2, AVX-512)."""
import contextlib
import json
import math

import bitsandbytes
import torch
from bitsandbytes.functional import (dequantize_blockwise, get_4bit_type, int8_vectorwise_dequant,
                                     int8_vectorwise_quant, quantize_4bit)
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import BitsAndBytesConfig

import adapters
import forward
import train
from checkpoints import make
from conversations import CONVERSATIONS, resolved, rows, write_rows
from families.base import Plan
from program import Failure
from report import LOGITS

SHAPES = {"one": (1, 1), "odd": (7, 13), "vector": (100,), "short": (3, 64), "wide": (33, 65),
          "long": (257, 130), "cube": (4, 6, 10), "blocks": (512, 96)}
STATE = "quant_state.bitsandbytes__"


def flags(kind, double=False, compute="float32"):
    if kind == "int8":
        return ["--load-in-8bit"]
    chosen = ["--bnb-4bit-quant-type", kind, "--bnb-4bit-compute-dtype", compute]
    return chosen + (["--bnb-4bit-use-double-quant"] if double else [])


def at_loading(kind, double=False):
    return ([] if kind == "int8" else ["--load-in-4bit"]) + flags(kind, double)


def settings(kind, double=False):
    if kind == "int8":
        return dict(load_in_8bit=True)
    return dict(load_in_4bit=True, bnb_4bit_quant_type=kind, bnb_4bit_use_double_quant=double,
                bnb_4bit_compute_dtype="float32")


@contextlib.contextmanager
def exact_reference():
    """One thread, since the mean of many scales is a sum in an order of threads; no repacking."""
    threads, asked = torch.get_num_threads(), bitsandbytes.nn.modules.has_avx512bf16
    torch.set_num_threads(1)
    bitsandbytes.nn.modules.has_avx512bf16 = lambda: False
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        bitsandbytes.nn.modules.has_avx512bf16 = asked


def drawn(dtype):
    """Tensors of every shape: ordinary values, a block of zeros, a lone outlier, equal values."""
    generator = torch.Generator().manual_seed(4)
    tensors = {name: torch.randn(shape, generator=generator) * 0.1
               for name, shape in SHAPES.items()}
    tensors["blocks"].view(-1)[64:192] = 0
    tensors["blocks"].view(-1)[1000] = 50
    tensors["long"].view(-1)[:64] = 0.25
    return {name: tensor.to(dtype) for name, tensor in (tensors | hard()).items()}


def hard():
    """Blocks that a shortcut would round otherwise: one huge value, the smallest ones, both zeros,
    numbers in the very middle between two codes and a hair beside it."""
    huge = torch.linspace(-1, 1, 256)
    huge[77] = 3e38
    tiny = torch.linspace(-1, 1, 200) * 1e-39
    tiny[64:80] = 0
    least = torch.full((100,), 1e-45)
    least[::3] = -1e-45
    least[5] = 0
    zeros = torch.zeros(130)
    zeros[::2] = -0.0
    found = {"huge": huge, "tiny": tiny, "least": least, "zeros": zeros}
    for kind in ("nf4", "fp4"):
        values = get_4bit_type(kind, device="cpu").sort().values
        middles = (values[:-1] + values[1:]) / 2
        beside = [torch.nextafter(middles, torch.full_like(middles, end)) for end in (-2.0, 2.0)]
        block = torch.cat([middles, *beside, torch.ones(64 - 3 * len(middles))])
        found[f"middles_{kind}"] = torch.cat([block, block * 0.37, block[:51] * 3])
    found["mixed"] = torch.cat([torch.randn(64, generator=torch.Generator().manual_seed(k))
                                * 10.0 ** k for k in range(-38, 30)])
    return found


def same_packed(result, got, wanted):
    """Every stored tensor of a checkpoint or a file, by name, to the byte."""
    if not result.same("tensor names", sorted(got), sorted(wanted)):
        return
    for name, tensor in wanted.items():
        mine = got[name]
        result.same(f"{name}: dtype and shape", [str(mine.dtype), *mine.shape],
                    [str(tensor.dtype), *tensor.shape])
        if STATE in name:
            told, said = (bytes(each.tolist()).decode() for each in (mine, tensor))
            result.same(name, told, said)
        else:
            result.expect(same_bytes(mine, tensor), f"{name}: {int((mine != tensor).sum())} of "
                          f"{tensor.numel()} values differ")


def same_bytes(mine, tensor):
    plain = {2: torch.int16, 4: torch.int32}.get(tensor.element_size(), tensor.dtype)
    return mine.shape == tensor.shape and torch.equal(mine.view(plain), tensor.view(plain))


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


def packed_file(tensors, kind, double):
    """What a file of these tensors is to hold, and what its packed numbers stand for."""
    wanted, back = {}, {}
    for name, tensor in tensors.items():
        if kind == "int8":
            codes, scales, _ = int8_vectorwise_quant(tensor.reshape(-1, tensor.shape[-1]).half())
            wanted |= {name: codes.reshape(tensor.shape), f"{name}.SCB": scales,
                       f"{name}.weight_format": torch.tensor(0, dtype=torch.uint8)}
            back[f"{name}.dequantized"] = int8_vectorwise_dequant(
                codes, scales).reshape(tensor.shape)
            continue
        packed, state = quantize_4bit(tensor, blocksize=64, compress_statistics=double,
                                      quant_type=kind)
        wanted |= {name: packed}
        wanted |= {f"{name}.{key}": value for key, value in state.as_dict(packed=True).items()}
        back[f"{name}.dequantized"] = dequantized(packed, state)
    return wanted, back


def file_case(kind, double, dtype):
    def case(world, result):
        tensors = drawn(dtype)
        if kind == "int8":  # goes through float16
            tensors = {name: tensor for name, tensor in tensors.items()
                       if tensor.abs().max() < 65504}
        elif dtype == torch.float16:
            tensors = {name: tensor for name, tensor in tensors.items()
                       if tensor.isfinite().all()}
        source, out = world.scratch / "plain.safetensors", world.scratch / "packed.safetensors"
        save_file(tensors, source)
        world.program.run("quantize", source, "--out", out, "--dequantized", *flags(kind, double))
        with exact_reference():
            wanted, back = packed_file(tensors, kind, double)
        got = load_file(out)
        values = {name: got.pop(name, None) for name in back}
        same_packed(result, got, wanted)
        for name, tensor in back.items():
            plain = tensors[name.removesuffix(".dequantized")]
            if plain.abs().max() > 1e-30:
                worst = (tensor.float() - plain.float()).abs().max() / plain.abs().max().float()
                result.expect(worst < 0.2, f"{name}: the oracle's own values are {worst:.2f} off")
            result.expect(values[name] is not None and same_bytes(values[name], tensor),
                          f"{name}: not the same bytes")
    return case


def broken_case(world, result):
    """What is not finite, or too large for the format, is refused by name and nothing is
    written."""
    good = torch.randn(8, 64, generator=torch.Generator().manual_seed(1))
    for value, kinds in ((float("nan"), ("nf4", "fp4", "int8")), (float("inf"), ("nf4", "int8")),
                         (1e6, ("int8",))):
        bad = good.clone()
        bad[3, 5] = value
        source, out = world.scratch / "plain.safetensors", world.scratch / "packed.safetensors"
        save_file({"good": good, "the.bad.weight": bad}, source)
        for kind in kinds:
            world.program.run("quantize", source, "--out", out, *flags(kind), status=2)
            result.expect(not out.exists(), f"{value} as {kind}: a file was written")
    checkpoint = make("clip-llama", world.checkpoints)
    for options in (["--load-in-8bit", "--bnb-4bit-quant-type", "nf4"],
                    ["--bnb-4bit-use-double-quant"], ["--llm-int8-threshold", "5"],
                    ["--load-in-4bit", "--load-in-8bit"],
                    ["--load-in-4bit", "--bnb-4bit-quant-type", "nf3"]):
        world.program.run("forward", checkpoint.path, "--input", world.inputs / "plain.json",
                          "--out", world.scratch / "out.safetensors", *options, status=2)


def by_transformers(checkpoint, kind, double, folder=None, **more):
    """transformers' own quantized model of the checkpoint, or of a folder that is packed
    already."""
    chosen = {} if folder else dict(quantization_config=BitsAndBytesConfig(
        **settings(kind, double), **more))
    with exact_reference():
        return checkpoint.family.model_class.from_pretrained(
            folder or checkpoint.path, dtype=torch.float32, device_map="cpu", **chosen).eval()


def given_back(packed):
    """Name of each packed weight → its values."""
    found = {}
    for name, module in packed.named_modules():
        weight = getattr(module, "weight", None)
        if isinstance(module, bitsandbytes.nn.Linear4bit):
            found[f"{name}.weight"] = dequantized(weight.data, weight.quant_state)
        elif isinstance(module, bitsandbytes.nn.Linear8bitLt):
            scales = module.state.SCB if weight.SCB is None else weight.SCB
            found[f"{name}.weight"] = int8_vectorwise_dequant(weight.data, scales)
    return found


def plain_model(checkpoint, packed):
    """The un-quantized model with the packed model's weights."""
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
        model = packed if kind == "int8" else plain_model(checkpoint, packed)
        inputs = checkpoint.example(resolved(CONVERSATIONS["plain"], world.inputs))
        wanted = forward.expected(checkpoint, model, inputs)
        base = forward.expected(checkpoint, checkpoint.model(), inputs)
        result.expect((wanted["logits"] - base["logits"]).abs().max() > 1e-3,
                      "the case is blind: packing changes nothing")
        out = world.scratch / "out.safetensors"
        for label, folder, extra in (("theirs", theirs, ()), ("ours", ours, ()),
                                     ("at loading", checkpoint.path, at_loading(kind, double))):
            world.program.run("forward", folder, "--input", world.inputs / "plain.json", "--out",
                              out, "--dtype", "float32", "--device", "cpu", *extra)
            got = load_file(out)
            result.close(f"{label}: logits", got["logits"], wanted["logits"], LOGITS, "logits")
            result.close(f"{label}: loss", got["loss"], wanted["loss"], LOGITS, "loss")
    return case


def lora_case(name, lora, kind, double):
    """Logits and gradients of an adapter over four bits. Of eight bits there is none: PEFT adds up in
    another order, a last bit of x moves a code of eight bits, and that all that follow."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        folder = adapters.make(checkpoint, lora, world.adapters)
        packed = by_transformers(checkpoint, kind, double)
        model = PeftModel.from_pretrained(plain_model(checkpoint, packed), folder,
                                          is_trainable=True).eval()
        inputs = checkpoint.example(resolved(CONVERSATIONS["several"], world.inputs))
        out = model(**inputs)
        out.loss.backward()
        got = forward.run_forward(
            world.program, checkpoint, world.inputs, "several", world.scratch / "out.safetensors",
            "--adapter", folder, *at_loading(kind, double), gradients=("adapter",))
        result.close("logits", got["logits"], out.logits.detach(), LOGITS, "logits")
        wanted = {"grad." + key.replace(".default", ""): parameter.grad
                  for key, parameter in model.named_parameters() if parameter.grad is not None}
        names = sorted(key for key in got if key.startswith("grad."))
        result.expect(set(wanted) <= set(names), f"missing: {sorted(set(wanted) - set(names))[:3]}")
        for key, gradient in wanted.items():
            result.close(key, got.get(key), gradient, forward.GRADIENTS, "grad")
    return case


# Of curve and weights over eight bits. A last bit of x moves a code of eight bits, or does not: the
# reference comes up to 4.0e-4 and 4.0e-3 away from itself in 28 runs begun one rounding apart (two in
# three within 1.1e-4 and 1.1e-3).
EIGHT_BITS = (6e-4, 6e-3)


def train_case(name, lora, kind, double):
    """Eight steps of an adapter over packed weights; of eight bits the reference is transformers,
    bitsandbytes and PEFT themselves, as qlora.py has it of four."""
    curve_limit, weight_limit = EIGHT_BITS if kind == "int8" else (train.CURVE, train.WEIGHTS)

    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        chosen = train.DEFAULTS | dict(per_device_train_batch_size=2, max_steps=8)
        messages = [resolved(row, world.inputs) for row in rows(8)]
        write_rows(world.scratch / "train.jsonl", messages)
        start = adapters.make(checkpoint, lora, world.adapters)
        path = train.recipe(world, Plan(name, lora), chosen, checkpoint, start)
        path.write_text(path.read_text() +
                        f"quantization: {json.dumps(settings(kind, double))}\n")
        world.program.run("train", path)
        packed = by_transformers(checkpoint, kind, double)
        model = PeftModel.from_pretrained(
            packed if kind == "int8" else plain_model(checkpoint, packed), start, is_trainable=True)
        data = [checkpoint.example(row) for row in messages]
        log = train.trained_by_transformers(model, checkpoint.family.batch, data, [], chosen,
                                            world.scratch / "oracle")
        train.compare_curves(result, train.curve(world.scratch / "run"), log, curve_limit)
        got = load_file(world.scratch / "run" / "adapter" / "adapter_model.safetensors")
        wanted = train.get_peft_model_state_dict(model, save_embedding_layers=False)
        if result.same("adapter tensors", sorted(got), sorted(wanted)):
            for key, tensor in wanted.items():
                result.close(key, got[key], tensor.detach(), weight_limit, "adapter")
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


def damaged_case(world, result):
    """Packed checkpoints with one tensor wrong are refused, each by the tensor's name."""
    checkpoint = make("clip-llama", world.checkpoints)

    def state(**changes):
        return lambda tensor: torch.tensor(list(json.dumps(
            json.loads(bytes(tensor.tolist())) | changes).encode()), dtype=torch.uint8)
    spoil = {
        "nf4": {".absmax": lambda t: t[:-1], ".nested_absmax": lambda t: t * math.nan,
                ".quant_map": lambda t: t.flip(0), ".nested_quant_map": lambda t: t * 2,
                "": lambda t: t[1:], f".{STATE}nf4": state(shape=[1, 2])},
        "fp4": {".absmax": lambda t: t / 0, ".quant_map": lambda t: t + 0.01,
                f".{STATE}fp4": state(quant_type="nf4")},
        "int8": {".SCB": lambda t: -t, "": lambda t: t.float(), ".weight_format": lambda t: t + 1}}
    for kind, changes in spoil.items():
        folder = world.scratch / kind
        world.program.run("quantize", checkpoint.path, "--out", folder, *flags(kind, kind == "nf4"))
        tensors = adapters.load_all(folder)
        # bitsandbytes' names begin with X.weight for four bits, with X for eight.
        weight = next(name for name, tensor in sorted(tensors.items())
                      if name.endswith("down_proj.weight"))
        for end, change in changes.items():
            module = weight.removesuffix(".weight") if end in (".SCB", ".weight_format") else weight
            for value in (change(tensors[module + end]), None):
                if value is None and end in (".quant_map", ".weight_format"):
                    continue  # not needed to read the numbers
                bad = tensors | {module + end: value}
                if value is None:
                    del bad[module + end]
                save_file({name: tensor.contiguous() for name, tensor in bad.items()},
                          folder / "model.safetensors", metadata={"format": "pt"})
                try:
                    world.program.run("forward", folder, "--input", world.inputs / "plain.json",
                                      "--out", world.scratch / "out", status=2)
                except Failure as failure:
                    result.expect(False, f"{kind} {end or 'numbers'}: {failure}")


def cases(everything=False):
    found = {f"quantized/file/{kind}/{'double' if double else 'plain'}":
             file_case(kind, double, torch.float32)
             for kind in ("nf4", "fp4") for double in (False, True)}
    for kind in ("nf4", "fp4", "int8"):
        found[f"quantized/file/{kind}/bfloat16"] = file_case(kind, kind != "int8", torch.bfloat16)
    found["quantized/file/int8/float32"] = file_case("int8", False, torch.float32)
    found["quantized/file/broken"] = broken_case
    found["quantized/damaged"] = damaged_case
    found["quantized/clip-llama/double"] = checkpoint_case("clip-llama", "nf4", True)
    found["quantized/clip-llama/fp4"] = checkpoint_case("clip-llama", "fp4", True)
    found["quantized/clip-llama/int8"] = checkpoint_case("clip-llama", "int8", False)
    found["quantized/clip-gqa-tied/plain"] = checkpoint_case("clip-gqa-tied", "nf4", False)
    # With a pooling head, of which a linear stays as it is.
    found["quantized/siglip-llama/double"] = checkpoint_case("siglip-llama", "nf4", True)
    found["quantized/clip-llama/lora"] = lora_case("clip-llama", "attention", "nf4", True)
    found["quantized/clip-llama/train"] = train_case("clip-llama", "attention", "nf4", True)
    found["quantized/clip-llama/train-int8"] = train_case("clip-llama", "linear", "int8", False)
    found["quantized/contradiction"] = contradiction_case
    if everything:
        for kind in ("nf4", "fp4", "int8"):
            found[f"quantized/file/{kind}/float16"] = file_case(kind, False, torch.float16)
        found["quantized/clip-llama/plain"] = checkpoint_case("clip-llama", "nf4", False)
        for name in ("siglip-llama", "qwen2_vl-plain", "smolvlm-plain"):
            found[f"quantized/{name}/double"] = checkpoint_case(name, "nf4", True)
            found[f"quantized/{name}/lora"] = lora_case(name, "attention", "nf4", False)
    return found

# SPDX-License-Identifier: GPL-3.0-or-later
"""LoRA's family against PEFT: DoRA, chosen layers, trained biases, starts of every kind. What PEFT
wrote is read here (logits, gradients, an answer), and merges are equal. A setting is a row of
SETTINGS. Where they start: lora_starts; how they train: lora_training."""
import dataclasses
import inspect
import json
import math
import shutil
from dataclasses import dataclass
from types import SimpleNamespace

import peft.tuners.lora.config as lora_config
import peft.tuners.lora.layer as lora_layer
import torch
from peft import (LoraConfig, PeftConfig, PeftModel, get_peft_model, get_peft_model_state_dict)
from peft.utils import loftq_utils
from safetensors.torch import load_file

import adapters
import forward
import quantized
import train
from checkpoints import make as make_checkpoint
from conversations import CONVERSATIONS, resolved, rows, write_rows
from families.base import Plan
from report import LOGITS



def loftq_on_the_cpu():
    """PEFT's own lines, which it has run on a GPU. On a CPU bitsandbytes unpacks four bits wrongly
    where a block goes on into the next row; the numbers are those that its codes stand for."""
    lines = inspect.getsource(loftq_utils.loftq_init).replace('"cuda"', '"cpu"')
    names = dict(vars(loftq_utils), unpacked=quantized.dequantized)
    exec(lines.replace("bnb.functional.dequantize_4bit(", "unpacked("), names)
    return names["loftq_init"]


lora_layer.loftq_init = loftq_on_the_cpu()
# It asks for scipy, which nothing of it uses.
lora_config.importlib = SimpleNamespace(util=SimpleNamespace(find_spec=lambda name: True))

TEXT = ["q_proj", "v_proj", "up_proj", "down_proj"]
WITH_TOWER = ["q_proj", "o_proj", "down_proj", "fc1", "out_proj"]


@dataclass
class Setting:
    """`config` are LoraConfig's arguments, under the same names a recipe's adapter section.
    `taken`: the start is a part of the base's weights. `drawn`: a start that nobody can repeat.
    `packs`: it puts other weights into the base."""
    config: dict
    training: dict = dataclasses.field(default_factory=dict)
    taken: bool = False
    drawn: bool = False
    merges: bool = True
    packs: bool = False


def setting(targets=TEXT, *, training=None, taken=False, drawn=False, merges=True, packs=False, r=4,
            lora_alpha=6, **config):
    return Setting(dict(r=r, lora_alpha=lora_alpha, target_modules=targets, **config),
                   training or {}, taken, drawn, merges, packs)


def loftq(targets=TEXT, bits=4, rounds=1, **rest):
    return setting(targets, init_lora_weights="loftq", taken=True, packs=True,
                   loftq_config=dict(loftq_bits=bits, loftq_iter=rounds), **rest)


SETTINGS = {
    "dora": setting(WITH_TOWER, use_dora=True, training=dict(weight_decay=0.1)),
    "dora-scales": setting(use_dora=True, use_rslora=True, rank_pattern={"q_proj": 2},
                           alpha_pattern={"v_proj": 3}),
    "dora-embedding": setting(["embed_tokens", "v_proj"], use_dora=True),
    "convolution": setting(["patch_embedding", "v_proj"]),
    "dora-convolution": setting(["patch_embedding", "v_proj"], use_dora=True),
    # Windows over frames, as Qwen2-VL's tower has them.
    "convolution-frames": setting(["patch_embed.proj", "v_proj"]),
    "dora-convolution-frames": setting(["patch_embed.proj", "v_proj"], use_dora=True),
    # The decoder's too: of the tower alone a row without a picture has no gradient to go on with.
    "lora-bias-convolution": setting(["patch_embedding", "fc1", "up_proj"], lora_bias=True,
                                     merges=False),
    "layers": setting(["q_proj", "v_proj", "fc1"], layers_to_transform=[1]),
    "layers-pattern": setting(["q_proj", "v_proj", "down_proj"], layers_to_transform=[0],
                              layers_pattern=["layers"]),
    "bias-all": setting(["q_proj", "fc1"], bias="all"),
    "bias-own": setting(["q_proj", "v_proj", "fc1"], bias="lora_only"),
    "lora-bias": setting(["q_proj", "v_proj", "down_proj"], lora_bias=True, merges=False),
    "lora-bias-tower": setting(["fc1", "fc2"], lora_bias=True),
    "gaussian": setting(init_lora_weights="gaussian", drawn=True),
    "orthogonal": setting(WITH_TOWER, init_lora_weights="orthogonal", drawn=True),
    "pissa": setting(init_lora_weights="pissa", taken=True),
    "olora": setting(WITH_TOWER, init_lora_weights="olora", taken=True),
    "pissa-scales": setting(init_lora_weights="pissa", taken=True, rank_pattern={"q_proj": 2},
                            alpha_pattern={"v_proj": 3}),
    "pissa-rslora": setting(WITH_TOWER, init_lora_weights="pissa", taken=True, use_rslora=True),
    "dora-pissa": setting(use_dora=True, init_lora_weights="pissa", taken=True),
    "dora-olora": setting(use_dora=True, init_lora_weights="olora", taken=True),
    "loftq": loftq(),
    "loftq-rounds": loftq(WITH_TOWER, rounds=3, rank_pattern={"q_proj": 2}),
    "loftq-eight": loftq(WITH_TOWER, bits=8, rounds=2, alpha_pattern={"fc1": 3}),
    "dora-loftq": loftq(use_dora=True, rounds=2),
    "mica": setting(WITH_TOWER, init_lora_weights="mica"),
    "mica-embedding": setting(["embed_tokens", "q_proj"], init_lora_weights="mica"),
    "saved-by-ends": setting(["q_proj", "fc1"], modules_to_save=["norm"], bias="all"),
    "plus": setting(["embed_tokens", "q_proj", "v_proj"],
                    training=dict(loraplus_lr_ratio=4.0, loraplus_lr_embedding=1e-3,
                                  weight_decay=0.1)),
    "plus-dora-bias": setting(["q_proj", "fc1"], use_dora=True, bias="lora_only",
                              modules_to_save=["lm_head"],
                              training=dict(loraplus_lr_ratio=8.0, weight_decay=0.1,
                                            lr_scheduler_type="linear")),
}
UNCOMPARED = {"base_model_name_or_path", "inference_mode", "peft_version", "auto_mapping",
              "revision", "runtime_config", "task_type"}


def start(checkpoint, name, draw=True, seed=5):
    """The setting on a model, by PEFT; `draw`: all that trains moved, so that it shows."""
    model = checkpoint.model()
    torch.manual_seed(seed)
    model = get_peft_model(model, LoraConfig(**SETTINGS[name].config, lora_dropout=0.0,
                                             task_type="CAUSAL_LM"))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if not draw or not parameter.requires_grad:
                continue
            noise = torch.randn(parameter.shape, generator=generator)
            if "magnitude" in key:
                parameter.mul_(1 + 0.3 * noise)
            elif parameter.dim() == 1:
                parameter.add_(0.3 * noise)
            else:
                parameter.add_(0.5 / math.sqrt(parameter.shape[-1]) * noise)
    return model.eval()


def write(model, folder):
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder, save_embedding_layers=False)
    return folder


def held(model):
    """What the adapter's file holds. Beside whole modules PEFT writes their biases under the names
    of its own wrappers too, with bias: all."""
    return {key: tensor
            for key, tensor in get_peft_model_state_dict(model, save_embedding_layers=False).items()
            if ".modules_to_save." not in key and ".original_module." not in key}


def file_key(name):
    """A parameter's key in the adapter's file."""
    if "lora_magnitude_vector" in name:
        return name.replace(".default.weight", "")
    return name.replace(".modules_to_save", "").replace(".default", "")


def expected(model, inputs):
    model.zero_grad()
    out = model(**inputs)
    out.loss.backward()
    wanted = {"logits": out.logits.detach(), "loss": out.loss.detach().view(1)}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            wanted[f"grad.{file_key(name)}"] = gradient
    return wanted


def check(result, family, got, wanted):
    result.close("logits", got.get("logits"), wanted["logits"], LOGITS, "logits")
    result.close("loss", got.get("loss"), wanted["loss"], LOGITS, "loss")
    gradients = {key: tensor for key, tensor in wanted.items() if key.startswith("grad.")}
    names = sorted(key for key in got if key.startswith("grad."))
    if not result.same("names of gradients", names, sorted(gradients)):
        return
    largest = max(gradient.abs().max().item() for gradient in gradients.values())
    for key, gradient in gradients.items():
        # a softmax is blind to the keys' bias: its gradient is rounding alone
        silent = family.silent(key.removeprefix("grad.base_model.model.").replace(".base_layer", ""))
        result.close(key, got[key], gradient, forward.GRADIENTS, "zero grad" if silent else "grad",
                     largest if silent else largest * 1e-3)


def same_config(result, folder, reference):
    config = PeftConfig.from_pretrained(folder)
    for field in dataclasses.fields(reference):
        if field.name in UNCOMPARED:
            continue
        got, wanted = (sorted(value) if isinstance(value, set | list) else value
                       for value in (getattr(config, field.name), getattr(reference, field.name)))
        result.same(f"adapter_config.json {field.name}", got or None, wanted or None)


def read_case(name, kind, conversation):
    """A folder of PEFT: logits, loss and gradients."""
    def case(world, result):
        checkpoint = make_checkpoint(name, world.checkpoints)
        model = start(checkpoint, kind)
        folder = write(model, world.scratch / kind)
        inputs = checkpoint.example(resolved(CONVERSATIONS[conversation], world.inputs))
        wanted = expected(model, inputs)
        base = checkpoint.model()(**inputs).logits
        result.expect((wanted["logits"] - base).abs().max() > 1e-2 * base.abs().max(),
                      "the case is blind: its adapter changes nothing")
        got = forward.run_forward(world.program, checkpoint, world.inputs, conversation,
                                  world.scratch / "out.safetensors", "--adapter", folder,
                                  gradients=("adapter",))
        check(result, checkpoint.family, got, wanted)
    return case


def recipe(world, checkpoint, kind, messages, adapter, settings):
    """A recipe with this adapter section over these rows."""
    write_rows(world.scratch / "train.jsonl", messages)
    (world.scratch / "first.json").write_text(json.dumps({"messages": messages[0]}))
    adapter = dict(adapter)
    adapter |= adapter.pop("loftq_config", {})  # a recipe has a section's keys beside the others
    path = train.recipe(world, Plan(checkpoint.name, strategy="lora"), settings, checkpoint, None)
    lines = [line for line in path.read_text().splitlines() if not line.startswith("adapter:")]
    path.write_text("\n".join([*lines, f"adapter: {json.dumps(adapter)}"]) + "\n")
    return path


def reads_back(world, result, checkpoint, folder, messages):
    """PEFT's logits with our folder, and ours."""
    inputs = checkpoint.example(messages)
    with torch.no_grad():
        theirs = adapters.attach(checkpoint.model(), folder)(**inputs).logits
    out = world.scratch / "back.safetensors"
    world.program.run("forward", checkpoint.path, "--input", world.scratch / "first.json", "--out",
                      out, "--adapter", folder, "--dtype", "float32", "--device", "cpu")
    ours = load_file(out)["logits"]
    result.close("logits of the written adapter, PEFT's and ours", ours, theirs, LOGITS, "logits")
    return ours


def halves(tensors):
    """Each module's B·A."""
    return {key.removesuffix(".lora_A.weight"): tensors[key.replace("lora_A", "lora_B")] @ tensor
            for key, tensor in tensors.items() if key.endswith(".lora_A.weight")}


def merge_case(name, kind):
    """Where a start changes the base, PEFT rounds that base to a narrow type, and the merged weight
    once more; ours is rounded once, so there PEFT merges in float32 and is rounded at the end."""
    def case(world, result):
        checkpoint = make_checkpoint(name, world.checkpoints)
        folder = write(start(checkpoint, kind), world.scratch / kind)
        out = world.scratch / "merged"
        if not SETTINGS[kind].merges:
            world.program.run("merge", checkpoint.path, "--adapter", folder, "--out", out, status=2)
            return
        world.program.run("merge", checkpoint.path, "--adapter", folder, "--out", out)
        stored = getattr(torch, checkpoint.spec.dtype)
        # MiCA's delta is rounded before it is added.
        wide = torch.float32 if SETTINGS[kind].taken or "mica" in kind else stored
        merged = adapters.attach(checkpoint.model(wide), folder).merge_and_unload()
        wanted = merged.to(stored).state_dict()
        got = checkpoint.family.load_model(out, checkpoint.spec, "auto").state_dict()
        slack = {torch.float32: 1e-6, torch.bfloat16: 2 ** -8, torch.float16: 2 ** -11}[stored]
        got, wanted = adapters.without_untied(checkpoint, got, wanted)
        adapters.same_weights(result, got, wanted, stored, slack)
    return case


def packed_case(name, kind, double):
    """DoRA over four bits: the norm is of the weight as the codes say it. What takes its start out
    of the weight is refused there."""
    def case(world, result):
        checkpoint = make_checkpoint(name, world.checkpoints)
        plain = start(checkpoint, kind)
        folder = write(plain, world.scratch / kind)
        flags = ["--adapter", folder, "--load-in-4bit", *quantized.flags("nf4", double)]
        if SETTINGS[kind].taken:
            world.program.run("forward", checkpoint.path, "--input", world.inputs / "plain.json",
                              "--out", world.scratch / "out.safetensors", *flags, status=2)
            return
        model = PeftModel.from_pretrained(
            quantized.plain_model(checkpoint,
                                  quantized.by_transformers(checkpoint, "nf4", double)),
            folder, is_trainable=True).eval()
        inputs = checkpoint.example(resolved(CONVERSATIONS["several"], world.inputs))
        got = forward.run_forward(world.program, checkpoint, world.inputs, "several",
                                  world.scratch / "out.safetensors", *flags,
                                  gradients=("adapter",))
        check(result, checkpoint.family, got, expected(model, inputs))
    return case


def refused_case(world, result):
    """What PEFT cannot compute together, and what means nothing in the model, is refused by its
    field."""
    checkpoint = make_checkpoint("clip-llama", world.checkpoints)
    messages = [resolved(row, world.inputs) for row in rows(2)]
    for field, told in (
            ("lora_bias", dict(lora_bias=True, use_dora=True)),
            ("lora_bias", dict(lora_bias=True, init_lora_weights="gaussian")),
            ("layers_to_transform", dict(layers_to_transform=[1], target_modules="all-linear")),
            ("layers_to_transform", dict(layers_to_transform=[7])),
            ("layers_pattern", dict(layers_to_transform=[1], layers_pattern=["blocks"])),
            ("layers_pattern", dict(layers_pattern=["layers"])),
            ("adapter.r", dict(init_lora_weights="orthogonal", r=3)),
            ("adapter.r", dict(init_lora_weights="pissa", r=4000)),
            ("adapter.r", dict(init_lora_weights="loftq", r=4000)),
            ("adapter.bias", dict(bias="vera_only")),
            ("loftq_bits", dict(init_lora_weights="loftq", loftq_bits=5)),
            ("init_lora_weights", dict(init_lora_weights="loftq",
                                       target_modules=["embed_tokens"]))):
        told = dict(target_modules=["q_proj"], r=4) | told
        path = recipe(world, checkpoint, "pissa", messages, told, train.DEFAULTS)
        for verb in (("plan", path), ("adapter", "init", path, "--out", world.scratch / "out")):
            try:
                world.program.run(*verb, status=0)
                result.expect(False, f"{told} is taken")
            except Exception as failure:
                result.expect("exit 2" in str(failure) and field in str(failure),
                              f"{told}: {failure}")


CORE = ("dora", "layers", "bias-all", "lora-bias", "orthogonal", "pissa", "loftq", "mica",
        "saved-by-ends")


def chosen(everything):
    """The settings of a day, or all, that clip-llama has modules for."""
    if not everything:
        return CORE + ("olora", "dora-embedding", "dora-convolution")
    return [kind for kind in SETTINGS if "frames" not in kind]


def others(kind):
    """Checkpoints of other families with the setting's modules: a convolution is named in each as
    its tower has it."""
    if "frames" in kind:
        return ("qwen2_vl-plain",)
    return ("siglip-qwen2",) if "convolution" in kind else ("siglip-qwen2", "smolvlm-plain",
                                                            "qwen2_vl-plain")


def cases(everything=False):
    found = {"lora_family/refused": refused_case}
    for kind in chosen(everything):
        found[f"lora_family/{kind}/clip-llama/read"] = read_case("clip-llama", kind, "several")
        found[f"lora_family/{kind}/clip-llama/merge"] = merge_case("clip-llama", kind)
    found["lora_family/convolution/clip-llama/read"] = read_case("clip-llama", "convolution",
                                                                 "several")
    found["lora_family/convolution/clip-llama/merge"] = merge_case("clip-llama", "convolution")
    for kind in ("dora", "pissa", "loftq"):
        found[f"lora_family/{kind}/clip-llama/packed"] = packed_case("clip-llama", kind, True)
    for kind in SETTINGS if everything else ("dora",):
        for name in others(kind) if everything else ("siglip-qwen2",):
            found[f"lora_family/{kind}/{name}/read"] = read_case(name, kind, "several")
            if everything:
                found[f"lora_family/{kind}/{name}/merge"] = merge_case(name, kind)
    return found

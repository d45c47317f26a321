# SPDX-License-Identifier: GPL-3.0-or-later
"""Methods other than LoRA against PEFT: what PEFT wrote is read here, what is written here is read
by
PEFT, and ten steps from one start go the same way. A method is one row of KINDS."""
import dataclasses
import json
import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import torch
from peft import (IA3Config, PeftConfig, PrefixTuningConfig, PromptTuningConfig, get_peft_model,
                  get_peft_model_state_dict)
from safetensors.torch import load_file, save_file

import adapters
import forward
import generate
import train
from checkpoints import make as make_checkpoint
from conversations import CONVERSATIONS, resolved, rows, write_rows
from families.base import Plan
from report import LOGITS


@dataclass
class Kind:
    """One setting of a method. `recipe` is what the recipe's adapter section says for it."""
    strategy: str
    config: Callable
    recipe: dict
    training: dict = dataclasses.field(default_factory=dict)
    around: float | None = 0.0  # drawn values lie around this; None: around where PEFT starts
    spread: float = 0.5
    merges: bool = False
    around_one: str = ""        # but tensors with this in their name: around 1
    determined: tuple = ()      # parts of names of tensors that nobody draws at the start
    callbacks: Callable = lambda model: ()      # of the Trainer
    without_picture: tuple = (2,)               # rows that a run trains on


TASK = dict(task_type="CAUSAL_LM")
KINDS = {
    "ia3": Kind("ia3", lambda: IA3Config(target_modules=["k_proj", "v_proj", "down_proj"],
                                         feedforward_modules=["down_proj"], **TASK),
                dict(target_modules=["k_proj", "v_proj", "down_proj"],
                     feedforward_modules=["down_proj"]),
                training=dict(learning_rate=2e-2, weight_decay=0.1),
                around=1.0, spread=0.4, merges=True),
    "ia3-outputs": Kind("ia3", lambda: IA3Config(target_modules=["q_proj", "o_proj", "fc1"],
                                                 feedforward_modules=[], **TASK),
                        dict(target_modules=["q_proj", "o_proj", "fc1"], feedforward_modules=[]),
                        around=1.0, spread=0.4, merges=True),
    "ia3-pattern": Kind("ia3", lambda: IA3Config(
        target_modules=r".*\.layers\.1\..*(v_proj|up_proj|down_proj)",
        feedforward_modules=r".*down_proj", **TASK),
        dict(target_modules=r".*\.layers\.1\..*(v_proj|up_proj|down_proj)",
             feedforward_modules=r".*down_proj"), around=1.0, spread=0.4, merges=True),
    "ia3-convolution": Kind("ia3", lambda: IA3Config(target_modules=["patch_embedding", "v_proj"],
                                                     feedforward_modules=[], **TASK),
                            dict(target_modules=["patch_embedding", "v_proj"],
                                 feedforward_modules=[]), around=1.0, spread=0.4, merges=True),
    "ia3-convolution-frames": Kind(
        "ia3", lambda: IA3Config(target_modules=["patch_embed.proj", "v_proj"],
                                 feedforward_modules=[], **TASK),
        dict(target_modules=["patch_embed.proj", "v_proj"], feedforward_modules=[]),
        around=1.0, spread=0.4, merges=True),
    "ia3-convolution-input": Kind(
        "ia3", lambda: IA3Config(target_modules=["patch_embedding"],
                                 feedforward_modules=["patch_embedding"], **TASK),
        dict(target_modules=["patch_embedding"], feedforward_modules=["patch_embedding"]),
        around=1.0, spread=0.4, merges=True),
    "prefix": Kind("prefix_tuning", lambda: PrefixTuningConfig(num_virtual_tokens=5, **TASK),
                   dict(num_virtual_tokens=5), training=dict(learning_rate=5e-2)),
    "prefix-projected": Kind(
        "prefix_tuning", lambda: PrefixTuningConfig(num_virtual_tokens=4, prefix_projection=True,
                                                    encoder_hidden_size=12, **TASK),
        dict(num_virtual_tokens=4, prefix_projection=True, encoder_hidden_size=12),
        training=dict(learning_rate=1e-2, weight_decay=0.1)),
    "prompt": Kind("prompt_tuning", lambda: PromptTuningConfig(num_virtual_tokens=6, **TASK),
                   dict(num_virtual_tokens=6), training=dict(learning_rate=5e-2)),
}
PROMPTS = ("prefix_tuning", "prompt_tuning", "p_tuning")
# Settings that say where a file comes from, or that PEFT itself ignores when it reads.
UNCOMPARED = {"base_model_name_or_path", "inference_mode", "peft_version", "auto_mapping",
              "revision", "runtime_config", "tokenizer_kwargs", "tokenizer_name_or_path"}


def start(checkpoint, kind, draw=True, seed=5):
    """The method on a model, by PEFT; `draw`: its tensors all drawn, so that it shows."""
    model = checkpoint.model()
    torch.manual_seed(seed)
    model = get_peft_model(model, KINDS[kind].config())
    if draw:
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if parameter.requires_grad:
                    # of a prompt encoder's matrices, no more than keeps their outputs at that size
                    wide = ("prompt_encoder." in name and "embedding" not in name
                            and parameter.dim() == 2)
                    spread = KINDS[kind].spread / (math.sqrt(parameter.shape[1]) if wide else 1)
                    noise = torch.randn(parameter.shape, generator=generator)
                    one = KINDS[kind].around_one
                    around = 1.0 if one and one in name else KINDS[kind].around
                    parameter.copy_((parameter if around is None else around) + spread * noise)
    return model.eval()


def encoder(model):
    """The tensors of a prompt encoder that PEFT's file leaves out, by our names."""
    return {name.replace(".default.", ".", 1): parameter.detach().contiguous().clone()
            for name, parameter in model.named_parameters() if name.startswith("prompt_encoder.")}


def is_projected(kind):
    return (KINDS[kind].strategy == "p_tuning"
            or KINDS[kind].recipe.get("prefix_projection", False))


def write(model, kind, folder: Path):
    """PEFT's folder of it; beside it what a projected prefix needs to be trained further."""
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    if is_projected(kind):
        save_file(encoder(model), folder / "prompt_encoder.safetensors")
    return folder


def own(tensor, inputs):
    """Of logits, those of the row's own tokens: prompts stand in front."""
    return tensor[:, tensor.shape[1] - inputs["input_ids"].shape[1]:]


def file_key(name, kind):
    """A parameter's key in the adapter's file, or its name in the prompt encoder's."""
    if not name.startswith("prompt_encoder."):
        return name.replace(".default", "").replace(".modules_to_save", "")
    return name.replace(".default.", ".", 1) if is_projected(kind) else "prompt_embeddings"


def expected(model, kind, inputs):
    """Logits, loss and the adapter's gradients by PEFT."""
    model.zero_grad()
    out = model(**inputs)
    out.loss.backward()
    wanted = {"logits": own(out.logits, inputs).detach(), "loss": out.loss.detach().view(1)}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            wanted[f"grad.{file_key(name, kind)}"] = gradient
    return wanted


def check(result, got, wanted, family=None):
    result.close("logits", got.get("logits"), wanted["logits"], LOGITS, "logits")
    result.close("loss", got.get("loss"), wanted["loss"], LOGITS, "loss")
    gradients = {key: tensor for key, tensor in wanted.items() if key.startswith("grad.")}
    names = sorted(key for key in got if key.startswith("grad."))
    if not result.same("names of gradients", names, sorted(gradients)):
        return
    largest = max(gradient.abs().max().item() for gradient in gradients.values())
    for key, gradient in gradients.items():
        # a softmax is blind to the keys' bias: its gradient is rounding alone
        blind = family is not None and family.silent(plain_name(key.removeprefix("grad.")))
        result.close(key, got[key], gradient, forward.GRADIENTS, "zero grad" if blind else "grad",
                     largest if blind else largest * 1e-3)


def plain_name(key):
    """The name that the base has for the tensor of a file's key, where it is the base's own."""
    return key.removeprefix("base_model.model.").replace(".base_layer", "")


def read_case(name, kind, conversation):
    """A folder of PEFT: logits, loss, gradients and an answer of a few tokens."""
    def case(world, result):
        checkpoint = make_checkpoint(name, world.checkpoints)
        model = start(checkpoint, kind)
        folder = write(model, kind, world.scratch / kind)
        messages = resolved(CONVERSATIONS[conversation], world.inputs)
        inputs = checkpoint.example(messages)
        wanted = expected(model, kind, inputs)
        base = checkpoint.model()(**inputs).logits
        result.expect((wanted["logits"] - base).abs().max() > 1e-2 * base.abs().max(),
                      "the case is blind: its adapter changes nothing")
        got = forward.run_forward(world.program, checkpoint, world.inputs, conversation,
                                  world.scratch / "out.safetensors", "--adapter", folder,
                                  gradients=("adapter",))
        check(result, got, wanted, checkpoint.family)
        prompt = checkpoint.encode(messages[:-1], prompt=True)
        answer = generate.run_generate(world, checkpoint, conversation, 12, "--adapter", folder)
        result.same("prompt_tokens", answer["prompt_tokens"], prompt["input_ids"].shape[1])
        reference = adapters.attach(checkpoint.model(), folder)
        stop = generate.stop_tokens(checkpoint)
        with torch.no_grad():
            generate.check(result, answer["results"][0],
                           generate.greedy(reference, prompt, 12, stop))
    return case


def plain(value):
    value = sorted(value) if isinstance(value, set | list | tuple) else value
    return value or None


def same_config(result, folder, reference, strategy):
    config = PeftConfig.from_pretrained(folder)
    result.same("peft_type", config.peft_type.value.lower(), strategy)
    for field in dataclasses.fields(reference):
        if field.name not in UNCOMPARED and (field.name != "task_type" or strategy in PROMPTS):
            result.same(f"adapter_config.json {field.name}", plain(getattr(config, field.name)),
                        plain(getattr(reference, field.name)))


def fresh_case(name, kind):
    """A new adapter by the recipe's section: settings, names, shapes and, where it is no draw, the
    start; PEFT reads it and gives the same logits."""
    def case(world, result):
        checkpoint = make_checkpoint(name, world.checkpoints)
        messages = [resolved(row, world.inputs) for row in rows(4)]
        write_rows(world.scratch / "train.jsonl", messages)
        (world.scratch / "first.json").write_text(json.dumps({"messages": messages[0]}))
        settings = train.DEFAULTS | dict(max_steps=1, learning_rate=0.0)
        path = train.recipe(world, Plan(name, strategy=KINDS[kind].strategy), settings, checkpoint,
                            None)
        path.write_text(path.read_text() + f"adapter: {json.dumps(KINDS[kind].recipe)}\n")
        world.program.run("train", path)
        model = start(checkpoint, kind, draw=False)
        folder = world.scratch / "run" / "adapter"
        got = load_file(folder / "adapter_model.safetensors")
        wanted = get_peft_model_state_dict(model)
        if result.same("tensors", sorted(got), sorted(wanted)):
            for key, tensor in wanted.items():
                result.same(key, list(got[key].shape), list(tensor.shape))
                fixed = any(part in key for part in KINDS[kind].determined)
                if KINDS[kind].around != 0 or fixed:    # a start that nobody draws
                    result.close(key, got[key], tensor, 0.0, "start")
        same_config(result, folder, model.peft_config["default"], KINDS[kind].strategy)
        reads_back(world, result, checkpoint, folder, messages[0])
    return case


def reads_back(world, result, checkpoint, folder, messages):
    """PEFT's logits with our folder, and ours."""
    inputs = checkpoint.example(messages)
    inputs.pop("labels")    # PEFT's AdaLoRA makes no loss of an adapter that it has read
    with torch.no_grad():
        theirs = own(adapters.attach(checkpoint.model(), folder)(**inputs).logits, inputs)
    out = world.scratch / "back.safetensors"
    world.program.run("forward", checkpoint.path, "--input", world.scratch / "first.json", "--out",
                      out, "--adapter", folder, "--dtype", "float32", "--device", "cpu")
    result.close("logits of the written adapter, PEFT's and ours", load_file(out)["logits"], theirs,
                 LOGITS, "logits")


def train_case(name, kind, training=None):
    """Ten steps from one start, by the Trainer and by us, uneven rows in a batch."""
    def case(world, result):
        checkpoint = make_checkpoint(name, world.checkpoints)
        settings = train.DEFAULTS | KINDS[kind].training | (training or {})
        messages = [resolved(row, world.inputs)
                    for row in rows(9, without_picture=KINDS[kind].without_picture)]
        write_rows(world.scratch / "train.jsonl", messages)
        (world.scratch / "first.json").write_text(json.dumps({"messages": messages[0]}))
        model = start(checkpoint, kind)
        folder = write(model, kind, world.scratch / "start")
        model.train()
        got = train.run_from(world, result, checkpoint, KINDS[kind].strategy, folder, model,
                             messages, settings, KINDS[kind].callbacks(model))
        model.eval()
        run = world.scratch / "run"
        wanted = get_peft_model_state_dict(model)
        if is_projected(kind):
            got |= load_file(run / "adapter" / "prompt_encoder.safetensors")
            wanted = wanted | encoder(model)
        if result.same("adapter tensors", sorted(got), sorted(wanted)):
            for key, tensor in wanted.items():
                if not checkpoint.family.silent(plain_name(key)):
                    result.close(key, got[key], tensor.detach(), train.WEIGHTS, "adapter")
        same_config(result, run / "adapter", model.peft_config["default"], KINDS[kind].strategy)
        reads_back(world, result, checkpoint, run / "adapter", messages[0])
    return case


def merge_case(name, kind):
    def case(world, result):
        checkpoint = make_checkpoint(name, world.checkpoints)
        model = start(checkpoint, kind)
        folder = write(model, kind, world.scratch / kind)
        out = world.scratch / "merged"
        if not KINDS[kind].merges:
            world.program.run("merge", checkpoint.path, "--adapter", folder, "--out", out, status=2)
            return
        world.program.run("merge", checkpoint.path, "--adapter", folder, "--out", out)
        stored = getattr(torch, checkpoint.spec.dtype)
        # Rounded once, as we do: PEFT rounds what it adds to a bare parameter before it is added.
        wide = torch.float32 if "weights" in kind else stored
        merged = adapters.attach(checkpoint.model(wide), folder).merge_and_unload()
        wanted = merged.to(stored).state_dict()
        got = checkpoint.family.load_model(out, checkpoint.spec, "auto").state_dict()
        slack = {torch.float32: 1e-6, torch.bfloat16: 2 ** -8, torch.float16: 2 ** -11}[stored]
        adapters.same_weights(result, got, wanted, stored, slack)
    return case


# Their tokens see one another both ways within a block, which PEFT gives up for virtual ones. Not
# PaliGemma 1: without token_type_ids a row there sees all of itself, its answer too, where no row is
# padded (the mask is left out, and the layers are not causal), and what stands before it where one is.
BLOCKS = [(name, kind) for name in ("paligemma-two", "gemma3-plain")
          for kind in ("prompt", "prefix", "prefix-projected")]
CORE = [("clip-llama", kind) for kind in ("ia3", "prefix", "prefix-projected", "prompt")]
MORE = [(name, kind) for name in ("smolvlm-plain", "clip-gqa-tied", "siglip-qwen2")
        for kind in KINDS if "convolution" not in kind] + [
            ("clip-llama", kind) for kind in ("ia3-outputs", "ia3-pattern", "ia3-convolution",
                                              "ia3-convolution-input")] + [
            ("siglip-qwen2", "ia3-convolution"), ("qwen2_vl-plain", "ia3-convolution-frames")]


def cases(everything=False):
    found = {}
    for name, kind in CORE + (MORE if everything else [("smolvlm-plain", "ia3"),
                                                       ("smolvlm-plain", "prefix")]):
        found[f"methods/{kind}/{name}/read"] = read_case(name, kind, "several")
    for name, kind in BLOCKS if everything else (BLOCKS[0], BLOCKS[-2]):
        found[f"methods/{kind}/{name}/read"] = read_case(name, kind, "plain")
    batch = dict(per_device_train_batch_size=3, gradient_accumulation_steps=1)
    found |= {f"methods/{kind}/{name}/train": train_case(name, kind) for name, kind in CORE}
    found["methods/prefix/smolvlm-plain/train"] = train_case("smolvlm-plain", "prefix", batch)
    found["methods/prompt/smolvlm-plain/train"] = train_case("smolvlm-plain", "prompt", batch)
    for name, kind in CORE if everything else CORE[:1] + CORE[2:]:
        found[f"methods/{kind}/{name}/fresh"] = fresh_case(name, kind)
    for kind in () if everything else ("ia3-convolution",):
        found[f"methods/{kind}/clip-llama/read"] = read_case("clip-llama", kind, "several")
        found[f"methods/{kind}/clip-llama/train"] = train_case("clip-llama", kind)
    found |= {f"methods/{kind}/{name}/merge": merge_case(name, kind) for name, kind in (
        ("clip-llama", "ia3"), ("clip-llama", "ia3-convolution"), ("siglip-qwen2", "ia3-pattern"),
        ("clip-llama", "prompt"))}
    if everything:
        for name, kind in MORE:
            found[f"methods/{kind}/{name}/train"] = train_case(name, kind, batch)
            found[f"methods/{kind}/{name}/fresh"] = fresh_case(name, kind)
            found[f"methods/{kind}/{name}/merge"] = merge_case(name, kind)
    return found

# SPDX-License-Identifier: GPL-3.0-or-later
"""Configurations of PEFT's methods that nobody chose: `--random-methods N` draws N of each method
(method_draws.py) on the families' small checkpoints. PEFT builds one, moves its tensors and writes
it; ours reads it (logits, gradients), merges it, and trains ten steps from PEFT's own start; PEFT
reads what ours wrote. `adapter init` of a recipe that says the same has PEFT's names and shapes, and
its numbers where nobody draws them. `--seed S` starts elsewhere; the name random-methods/METHOD/SEED
of a case says how to draw it again. What PEFT refuses is drawn anew; what ours refuses is told in
the case's line."""
import copy
import dataclasses
import functools
import json
import math
import random
import re
import shutil

import torch
from peft import PeftConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file, save_file

import adapters
import checkpoints
import delta_methods
import draws
import forward
import lora_family
import method_draws
import methods
import train
from conversations import CONVERSATIONS, resolved, rows, write_rows
from families import FAMILIES
from families.base import Plan
from methods import PROMPTS, own
from program import Failure
from report import LOGITS

TRIES = 40
NOISE = 20      # how many times as far as PEFT's own rounding takes it something may be: sums in
                # another order round otherwise in every product, not at the start alone
# Of settings, those that say where a file comes from.
UNCOMPARED = methods.UNCOMPARED | {"task_type"}
# Whose rows see themselves whole where none is padded, under PEFT's prompts (see methods.BLOCKS).
BLIND_PROMPTS = ("paligemma-plain", "paligemma-untied", "paligemma-old", "paligemma-two-uncapped")
def goes_by_length(spec):
    """Whether rotations depend on the longest row beside a row (draws.STATEFUL)."""
    rope = spec.text_options.get("rope_parameters", {})
    return any(part.get("rope_type") in draws.STATEFUL
               for part in [rope, *(value for value in rope.values() if isinstance(value, dict))])


NAMES = sorted(name for family in FAMILIES for name, spec in family.specs.items()
               if spec.dtype == "float32" and not goes_by_length(spec))


def quiet(act):
    """What PEFT says while it works is no case's."""
    import contextlib
    import io
    import warnings
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        return act()


@functools.lru_cache(maxsize=4)
def base_of(checkpoint_path, name, root):
    return checkpoints.make(name, root).model()


class Subject:
    """One drawn configuration on one checkpoint, as PEFT builds it."""

    def __init__(self, world, name, drawn):
        self.world, self.drawn = world, drawn
        self.checkpoint = checkpoints.make(name, world.checkpoints)
        self.family = self.checkpoint.family
        if drawn.config.get("tokenizer_name_or_path"):
            drawn.config["tokenizer_name_or_path"] = str(self.checkpoint.path)
        if alora := drawn.config.get("alora_invocation_tokens"):
            ids = self.example("plain")["input_ids"][0]
            where = len(ids) // 2
            drawn.config["alora_invocation_tokens"] = ids[where:where + len(alora)].tolist()

    def base(self):
        return copy.deepcopy(base_of(self.checkpoint.path, self.checkpoint.name,
                                     self.world.checkpoints))

    def example(self, conversation):
        return self.checkpoint.example(resolved(CONVERSATIONS[conversation], self.world.inputs))

    def fresh(self, seed=5):
        torch.manual_seed(seed)
        return get_peft_model(self.base(), self.drawn.make()).eval()

    def moved(self, model):
        generator = torch.Generator().manual_seed(5)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if not parameter.requires_grad:
                    continue
                noise = torch.randn(parameter.shape, generator=generator) * self.drawn.spread
                wide = "lora_" in name or "prompt_encoder" in name and "embedding" not in name
                if parameter.dim() > 1 and wide:
                    noise = noise / math.sqrt(parameter.shape[-1]) * 2
                elif "modules_to_save" in name or "token" in name:
                    noise = noise * 0.3
                parameter.add_(noise)
        return model

    def read(self, folder):
        return PeftModel.from_pretrained(self.base(), folder, is_trainable=True).eval()

    @property
    def projected(self):
        return (self.drawn.strategy == "p_tuning"
                or self.drawn.config.get("prefix_projection", False))

    def write(self, model, folder):
        """As PEFT writes; what a network in front makes is trained on from a file of ours."""
        shutil.rmtree(folder, ignore_errors=True)
        model.save_pretrained(folder)
        if self.projected:
            save_file(methods.encoder(model), folder / "prompt_encoder.safetensors")
        return folder

    def key(self, name):
        if name.startswith("prompt_encoder."):
            return name.replace(".default.", ".", 1) if self.projected else "prompt_embeddings"
        return lora_family.file_key(name)

    def expected(self, model, inputs):
        """Logits, loss and gradients by PEFT. AdaLoRA that was read makes no loss of its own, so
        the loss here is that of the logits alone."""
        model.zero_grad()
        labels = inputs["labels"]
        out = model(**inputs)
        logits = own(out.logits, inputs)
        loss = torch.nn.functional.cross_entropy(
            logits[:, :-1].reshape(-1, logits.shape[-1]).float(), labels[:, 1:].reshape(-1))
        if self.drawn.strategy == "adalora":
            loss = out.loss
        loss.backward()
        wanted = {"logits": logits.detach(), "loss": loss.detach().view(1)}
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                gradient = (torch.zeros_like(parameter) if parameter.grad is None
                            else parameter.grad.clone())
                wanted[f"grad.{self.key(name)}"] = gradient
        return wanted

    def tensors(self, model):
        """What the adapter's files hold."""
        # Beside whole modules bias: all has their biases under names of PEFT's own wrappers too.
        found = {key: tensor.detach().clone()
                 for key, tensor in get_peft_model_state_dict(
                     model, save_embedding_layers=False).items()
                 if ".modules_to_save." not in key and ".original_module." not in key}
        return found | (methods.encoder(model) if self.projected else {})


def drawn_case(world, strategy, seed):
    """A configuration that PEFT takes, and how often it took none."""
    rng = random.Random(f"{strategy}/{seed}")
    for _ in range(TRIES):
        name = rng.choice(NAMES)
        family = checkpoints.FAMILY_OF[name]
        if strategy in PROMPTS and name in BLIND_PROMPTS:
            continue
        world.pictures = family.pictures
        checkpoint = checkpoints.make(name, world.checkpoints)
        places = method_draws.Places(base_of(checkpoint.path, name, world.checkpoints), family)
        subject = Subject(world, name, method_draws.DRAWS[strategy](rng, places))
        if checkpoint.slow_tokenizer and "tokenizer_name_or_path" in subject.drawn.config:
            continue    # transformers itself has no such tokenizer any more
        try:
            model = subject.moved(subject.fresh())
            wanted = subject.expected(model, subject.example("plain"))
            if not torch.isfinite(wanted["logits"]).all():
                continue
            return subject, model, wanted, rng
        except Exception:
            continue
    raise RuntimeError(f"PEFT took none of {TRIES} configurations")


def refused(result, step, failure):
    """Whether it is a refusal with a sentence, which the line then tells."""
    said = re.search(r"exit 2 instead of 0: (.*)", str(failure), re.DOTALL)
    if not said or len(said[1]) < 30:
        return False
    result.facts.setdefault("refused", "")
    result.facts["refused"] += f" {step}: {' '.join(said[1].split())[-330:]}"
    return True


def random_case(strategy, seed):
    def case(world, result):
        subject, model, wanted, rng = quiet(lambda: drawn_case(world, strategy, seed))
        steps = dict(read=lambda: read(world, result, subject, model, wanted),
                     merge=lambda: merge(world, result, subject),
                     fresh=lambda: fresh(world, result, subject),
                     train=lambda: training(world, result, subject, rng))
        for step, act in steps.items():
            before = len(result.problems)
            try:
                quiet(act)
            except Failure as failure:
                if not refused(result, step, failure):
                    result.problems.append(str(failure))
            except Exception as problem:
                result.problems.append(f"{type(problem).__name__}: {problem}")
            result.problems[before:] = [f"{step}: {problem}"
                                        for problem in result.problems[before:]]
        if result.problems or "refused" in result.facts:
            told = f"{subject.checkpoint.name} {subject.drawn.config!r}"
            result.problems[:] = ([f"drawn as {told}"] + result.problems
                                  if result.problems else [])
            result.facts["drawn"] = told
    return case


def held_against_double(subject, result, before, got, wanted, folder, inputs):
    """What is off no further from a computation in double precision than some times PEFT's own
    result is rounding: sums in another order."""
    off = result.problems[before:]
    if not off or any(": off by " not in problem for problem in off):
        return
    model = subject.read(folder) if subject.drawn.strategy not in PROMPTS else subject.moved(
        subject.fresh())
    inputs = {key: value.double() if value.is_floating_point() else value
              for key, value in inputs.items()}
    exact = subject.expected(model.double(), inputs)
    kept = []
    for problem in off:
        key = problem.split(": off by ")[0]
        theirs, ours = ((each[key].double() - exact[key]).abs().max() for each in (wanted, got))
        if ours <= NOISE * theirs:
            result.facts["noise"] = result.facts.get("noise", 0) + 1
        else:
            kept.append(f"{problem} (from double: ours {ours:.1e}, theirs {theirs:.1e})")
    result.problems[before:] = kept


def read(world, result, subject, model, wanted):
    folder = subject.write(model, world.scratch / "adapter")
    inputs = subject.example("plain")
    with torch.no_grad():
        base = subject.base()(**inputs).logits
    if not (wanted["logits"] - base).abs().max() > 1e-3 * base.abs().max():
        result.facts["blind"] = 1
    got = forward.run_forward(world.program, subject.checkpoint, world.inputs, "plain",
                              world.scratch / "out.safetensors", "--adapter", folder,
                              gradients=("adapter",))
    before = len(result.problems)
    methods.check(result, got, wanted, subject.family)
    held_against_double(subject, result, before, got, wanted, folder, inputs)


def merge(world, result, subject):
    if subject.drawn.strategy in PROMPTS:
        return
    folder, out = world.scratch / "adapter", world.scratch / "merged"
    try:
        merged = adapters.attach(subject.base(), folder).merge_and_unload().state_dict()
    except Exception as problem:
        result.facts["PEFT cannot merge"] = type(problem).__name__
        return
    world.program.run("merge", subject.checkpoint.path, "--adapter", folder, "--out", out)
    # PEFT's norm tuning leaves its wrappers around whole modules.
    merged = {key.replace(".modules_to_save.default.", "."): tensor
              for key, tensor in merged.items() if ".original_module." not in key}
    got = subject.family.load_model(out, subject.checkpoint.spec, "auto").state_dict()
    got, merged = adapters.without_untied(subject.checkpoint, got, merged)
    adapters.same_weights(result, got, merged, torch.float32, 1e-6)


def same_config(result, folder, subject, reference):
    """Field by field. What PEFT made of a way to name modules (all-linear) may be said otherwise."""
    config = PeftConfig.from_pretrained(folder)
    for field in dataclasses.fields(reference):
        if field.name in UNCOMPARED:
            continue
        given = subject.drawn.config.get(field.name)
        if field.name == "target_modules" and (
                methods.plain(given) != methods.plain(reference.target_modules)):
            continue
        result.same(f"adapter_config.json {field.name}", said(config, field.name),
                    said(reference, field.name))


def said(config, name):
    """A value of a config, where one of a list is the list."""
    value = getattr(config, name)
    alone = name in ("layers_to_transform", "layers_pattern") and isinstance(value, int | str)
    return [value] if alone and value != "" else methods.plain(value)


def recipe(world, subject, section, messages, settings):
    write_rows(world.scratch / "train.jsonl", messages)
    (world.scratch / "first.json").write_text(json.dumps({"messages": messages[0]}))
    path = train.recipe(world, Plan(subject.checkpoint.name, strategy=subject.drawn.strategy),
                        settings, subject.checkpoint, None)
    path.write_text(path.read_text() + f"adapter: {json.dumps(section)}\n")
    return path


TAKEN = ("pissa", "olora", "loftq")     # starts out of the base's weights, whose signs are free
SAMPLED = ("pissa_niter", "eva", "orthogonal")


def fresh(world, result, subject):
    section, start = subject.drawn.recipe(), str(subject.drawn.config.get("init_lora_weights"))
    if start == "eva" or subject.drawn.config.get("target_modules", "") is None and (
            "target_parameters" not in subject.drawn.config):
        return
    messages = [resolved(row, world.inputs) for row in rows(3)]
    path = recipe(world, subject, section, messages, train.DEFAULTS)
    folder = world.scratch / "fresh"
    world.program.run("adapter", "init", path, "--out", folder)
    model = subject.fresh()
    wanted, other = subject.tensors(model), subject.tensors(subject.fresh(seed=6))
    got = load_file(folder / "adapter_model.safetensors")
    if subject.projected:
        got |= load_file(folder / "prompt_encoder.safetensors")
    if not result.same("tensors", sorted(got), sorted(wanted)):
        return
    for key, tensor in wanted.items():
        result.same(key, list(got[key].shape), list(tensor.shape))
        taken = start in TAKEN and "lora_" in key and "magnitude" not in key
        if taken or start.startswith(SAMPLED) and "lora_" in key:
            continue
        if torch.equal(tensor, other[key]):
            result.close(key, got[key], tensor, 1e-6, "start")
    if start in TAKEN:
        for key, product in lora_family.halves(wanted).items():
            if product.dim() == 2:
                result.close(f"{key} B·A", lora_family.halves(got)[key], product, 2e-5, "start")
    same_config(result, folder, subject, model.peft_config["default"])


def ten_steps(world, subject, model, messages, settings):
    model.train()
    data = [subject.checkpoint.example(row) for row in messages]
    callbacks = [delta_methods.Allocates(model)] if subject.drawn.strategy == "adalora" else []
    log = train.trained_by_transformers(model, subject.family.batch, data, [], dict(settings),
                                        world.scratch / "oracle", callbacks)
    model.eval()
    return log, subject.tensors(model)


def training(world, result, subject, rng):
    if subject.drawn.drops():
        return
    separate = subject.family.model_type in ("qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe", "qwen3_5",
                                             "qwen3_5_moe")
    size = 1 if subject.drawn.strategy in PROMPTS else rng.choice([1, 2, 3])
    settings = train.DEFAULTS | dict(
        per_device_train_batch_size=size, learning_rate=subject.drawn.learning_rate,
        gradient_accumulation_steps=1 if separate else rng.choice([1, 2]),
        lr_scheduler_type=rng.choice(["constant", "linear", "cosine"]),
        weight_decay=rng.choice([0.0, 0.1]))
    messages = [resolved(row, world.inputs) for row in rows(
        9, without_picture=() if subject.family.needs_picture else (2,))]
    model = subject.fresh()
    if rng.random() < 0.3:
        model = subject.moved(model)
    folder = subject.write(model, world.scratch / "start")
    start = {name: parameter.detach().clone() for name, parameter in model.named_parameters()
             if parameter.requires_grad}
    try:
        log, wanted = ten_steps(world, subject, model, messages, settings)
    except Exception as problem:
        result.facts["PEFT cannot train"] = f"{type(problem).__name__} {problem}"[:90]
        return
    if not all(tensor.isfinite().all() for tensor in wanted.values()):
        result.facts["PEFT cannot train"] = "its numbers are not finite"
        return
    path = recipe(world, subject, dict(init_from=str(folder)), messages, settings)
    world.program.run("train", path)
    run = world.scratch / "run"
    before = len(result.problems)
    train.compare_curves(result, train.curve(run), log)
    got = load_file(run / "adapter" / "adapter_model.safetensors")
    if subject.projected:
        got |= load_file(run / "adapter" / "prompt_encoder.safetensors")
    if not result.same("adapter tensors", sorted(got), sorted(wanted)):
        return
    for key, tensor in wanted.items():
        if not subject.family.silent(methods.plain_name(key)):
            result.close(key, got[key], tensor, train.WEIGHTS, "adapter")
    held_against_itself(world, subject, result, before, start, got, wanted, messages, settings, log,
                        train.curve(run))
    same_config(result, run / "adapter", subject, model.peft_config["default"])
    reads_back(world, result, subject, run / "adapter", messages[0])


def by_step(entries):
    return {(entry["step"], key): entry[key] for entry in entries
            if entry.get("loss") is not None for key in ("loss", "grad_norm")}


def held_against_itself(world, subject, result, before, start, got, wanted, messages, settings, log,
                        curve):
    """A run that PEFT does not repeat where it starts one rounding apart is held against that."""
    off = [problem for problem in result.problems[before:]]
    if not off:
        return
    model = subject.fresh()
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name in start:
                noise = torch.randn(parameter.shape, generator=generator)
                size = max(start[name].abs().max().item(), 1e-2)
                parameter.copy_(start[name] + 1e-7 * size * noise)
    again, other = ten_steps(world, subject, model, messages, settings)
    theirs, same, mine = by_step(log), by_step(again), by_step(curve)
    apart = {place: abs(same[place] - value) / max(abs(value), 1e-9)
             for place, value in theirs.items()}
    kept, chaos = [], False
    for problem in off:
        if place := re.match(r"step (\d+) (loss|grad_norm):", problem):
            step, key = int(place[1]), place[2]
            noise = max(value for (at, _), value in apart.items() if at <= step)
            ours = abs(mine[step, key] - theirs[step, key]) / max(abs(theirs[step, key]), 1e-9)
            if ours <= NOISE * noise:
                result.facts["chaos"] = result.facts.get("chaos", 0) + 1
                chaos = True
                continue
            problem += f" (one rounding apart: {noise:.1e}, here {ours:.1e})"
            chaos = False
        key = problem.split(": off by ")[0]
        key = key.split(": shape ")[0]
        if key in wanted and not got[key].shape == other[key].shape == wanted[key].shape:
            if chaos:       # AdaLoRA's ranks went elsewhere behind it
                continue
        elif key in wanted and wanted[key].numel():
            noise, ours = ((each[key].double() - wanted[key].double()).abs().max().item()
                           for each in (other, got))
            if ours <= NOISE * noise:
                result.facts["chaos"] = result.facts.get("chaos", 0) + 1
                continue
            problem += f" (one rounding apart: {noise:.1e}, here {ours:.1e})"
        kept.append(problem)
    result.problems[before:] = kept


def reads_back(world, result, subject, folder, messages):
    """PEFT's logits with our folder, and ours."""
    inputs = subject.checkpoint.example(messages)
    inputs.pop("labels")
    with torch.no_grad():
        theirs = own(adapters.attach(subject.base(), folder)(**inputs).logits, inputs)
    out = world.scratch / "back.safetensors"
    world.program.run("forward", subject.checkpoint.path, "--input", world.scratch / "first.json",
                      "--out", out, "--adapter", folder, "--dtype", "float32", "--device", "cpu")
    result.close("logits of the written adapter, PEFT's and ours", load_file(out)["logits"], theirs,
                 LOGITS, "logits")


def cases(count, seed):
    return {f"random-methods/{strategy}/{number}": random_case(strategy, number)
            for number in range(seed, seed + count) for strategy in method_draws.DRAWS}

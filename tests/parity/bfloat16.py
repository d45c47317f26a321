# SPDX-License-Identifier: GPL-3.0-or-later
"""bfloat16 against transformers and PEFT in bfloat16, adapters against PEFT under autocast. What
rounding may cost is not a number chosen here: the same weights in float64 say how far the reference
is off, and ours may be off as far. One window of rows says little of that, since all its gradients
share the errors of its few logits; so the squares of several are added before anything is
compared."""
import json
import random
from dataclasses import dataclass, field

import torch
from safetensors.torch import load_file
from transformers import (AutoTokenizer, BertForMaskedLM, CLIPModel, LogitsProcessor,
                          LogitsProcessorList, T5ForConditionalGeneration)

import adapters
import encoder_decoders
import encoders
import methods
import two_towers
from checkpoints import make
from conversations import CONVERSATIONS, image, resolved, rows, text, turn, write_rows
from families import FAMILIES
from report import has_wide_registers, of

NARROW = torch.bfloat16
# Our error in the 2-norm, in the reference's own. Norms in bfloat16 would be 1.13 for logits and
# 1.2 for gradients, angles of positions in bfloat16 10 and 3 on a row of 1,300 tokens.
LOGITS, FACTOR = 1.1, 1.25
# The same of a single tensor, where few numbers share their errors. Without AVX-512 products of
# bfloat16 are other loops: 2.2 was met by an adapter of Florence-2's decoder.
ONE = 2.0 if has_wide_registers() else 2.5
FLOOR = 2.0 ** -9   # relative: what rounding the exact answer costs
STEPS = 24          # of a greedy answer
WINDOWS, ROWS = 3, 3
# All gradients of an adapter hang on few paths and share their errors: of Qwen3-VL's windows three
# gave 1.36, ten 1.2 and twelve others 0.92.
ADAPTER_WINDOWS = 12
# A window of CLIP has few pictures, which all its rows share, and its scale is one number: single
# checkpoints gave 0.86 to 1.5 for logits and by the processor 0.58 to 2.4 for the scale's gradient,
# forty gave 1.01 for logits.
CLIP_DRAWS = 24
# One row is long enough that bfloat16 cannot count its positions.
SHOWN = [CONVERSATIONS["plain"],
         [turn("user", image("photo.png"), text("Where is the red circle, left or right? " * 25)),
          turn("assistant", text("It is a red circle left of a small blue square. " * 25))]]
ADAPTERS = {"llava": ("siglip-llama", "saved_modules"), "llama": ("llama-plain", "embedding"),
            "qwen3_vl": ("qwen3_vl-plain", "linear"), "gemma3": ("gemma3-plain", "linear")}


# Where experts are chosen, two that are nearly alike change places with how states are rounded, and
# what comes of it says nothing of the rounding.
DECIDED = {name: f"{name}-all" for name in ("qwen3_vl_moe", "qwen3_5_moe", "qwen3_5_moe_text")}
# So are a picture's codes.
DECIDED["chameleon"] = "chameleon-sure"
# Florence-2's first checkpoint hangs on its rounding: the reference's own gradients are off by 0.1 to
# 0.6 of float64's, and of eight drawings of its sizes ours are 0.7 to 1.3 times as far (1.01 all
# together), in logits 0.9 to 1.4 times, 1.06 in the middle. With an adapter the one of three stages
# does: of four drawings 0.66 to 1.5 times, 0.84 all together. Each is judged on the other.
DECIDED["florence2"], ADAPTERS["florence2"] = "florence2-three", ("florence2-plain", "linear")
# Of the first checkpoints' answers no token is decided in bfloat16, by the reference either.
DECIDED["gemma3n"], DECIDED["gemma3n_text"] = "gemma3n-odd", "gemma3n_text-tied"
# An adapter on the coefficients of Gemma 3n's streams makes all gradients hang on their rounding:
# the reference's own are off by half of float64's then, ours 0.8 to 1.35 times as far; with one on
# any other kind of product both are off by 0.03, ours 0.92 to 1.03 times as far.
STEADY = {"gemma3n": ("gemma3n-odd", "towers"),
          "gemma3n_text": ("gemma3n_text-bounded", "attention")}
# Every row begins with the same tokens, whose rounding all windows share: of the first checkpoint
# one head's keys come out 3.4 times as far from float64 as the reference's, of four others drawn for
# the same sizes and of three of other sizes 0.72 to 1.06 times.
OTHERWISE = {"minicpmv4_6": "minicpmv4_6-twice"}


@dataclass
class Errors:
    """Squared distances from float64, ours and the reference's, each relative to what they are
    measured on. What is added counts alike."""
    ours: float = 0.0
    theirs: float = 0.0
    count: int = 0

    def add(self, got, reference, wanted, size=None):
        size = max(wanted.norm().item(), 1e-300) if size is None else size
        self.ours += ((got.double() - wanted).norm().item() / size) ** 2
        self.theirs += ((reference.double() - wanted).norm().item() / size) ** 2
        self.count += 1

    def both(self):
        return (self.ours / self.count) ** 0.5, (self.theirs / self.count) ** 0.5

    def check(self, result, what, factor=FACTOR, kind=None):
        own, other = self.both()
        if kind:
            result.worst[kind] = max(result.worst.get(kind, 0.0), own / max(other, FLOOR))
        result.expect(own <= factor * other + FLOOR, f"{what}: off by {own:.2e} of float64, the "
                                                     f"reference by {other:.2e}")


@dataclass
class Gradients:
    """Errors by the tensor's name, and of the loss, over windows."""
    silent: object = lambda name: False
    tensors: dict = field(default_factory=dict)
    numbers: dict = field(default_factory=dict)     # three gradients a window, of single numbers
    loss: Errors = field(default_factory=Errors)

    def add(self, result, got, reference, wanted, sizes=None):
        """(loss, gradients by name) each; `sizes` of what is not measured on its own norm."""
        self.loss.add(got[0], reference[0], wanted[0])
        largest = max(gradient.norm() for gradient in wanted[1].values())
        for name, gradient in wanted[1].items():
            if self.silent(name) or gradient.norm() < 1e-9 * largest:
                continue
            if result.expect(name in got[1], f"{name}: there is no gradient"):
                own = got[1][name].reshape(gradient.shape)
                if gradient.numel() == 1 and name not in (sizes or {}):
                    self.numbers.setdefault(name, []).append((own, reference[1][name], gradient))
                    continue
                self.tensors.setdefault(name, Errors()).add(own, reference[1][name], gradient,
                                                            (sizes or {}).get(name))

    def of_single_numbers(self):
        """A single number's gradient is a sum in which most cancels, in some windows all: its size
        is that of all windows; one says so little that all of them are judged at once."""
        errors = Errors()
        for windows in self.numbers.values():
            size = (sum(wanted.item() ** 2 for *_, wanted in windows) / len(windows)) ** 0.5
            for window in windows:
                errors.add(*window, size)
        return errors

    def check(self, result):
        whole = Errors()
        if self.numbers:
            self.of_single_numbers().check(result, "the gradients of single numbers", ONE)
        for name, errors in self.tensors.items():
            errors.check(result, f"the gradient of {name}", ONE)
            whole.ours, whole.theirs = whole.ours + errors.ours, whole.theirs + errors.theirs
            whole.count += errors.count
        whole.check(result, "all gradients", kind="gradients")
        self.loss.check(result, "the loss")


def cast(inputs, dtype):
    return {key: value.to(dtype) if torch.is_tensor(value) and value.is_floating_point() else value
            for key, value in inputs.items()}


def forward(model, inputs, autocast=False):
    """A model in its own dtype; float64 knows no autocast."""
    with torch.autocast("cpu", dtype=NARROW, enabled=autocast and model.dtype == NARROW):
        return model(**cast(inputs, model.dtype))


def backward(model, inputs, autocast=False):
    """The output, and (loss, gradients by name)."""
    model.zero_grad()
    out = forward(model, inputs, autocast)
    out.loss.backward()
    return out, (out.loss.detach(), {name: parameter.grad for name, parameter
                                     in model.named_parameters() if parameter.grad is not None})


def two(load):
    """The same weights in bfloat16 and, exactly those, in float64."""
    return load(), load().double()


class Forced(LogitsProcessor):
    """Leaves one token a step."""

    def __init__(self, tokens, start):
        self.tokens, self.start = tokens, start

    def __call__(self, ids, scores):
        kept = torch.full_like(scores, -torch.inf)
        kept[:, self.tokens[ids.shape[1] - self.start]] = 0
        return kept


def logits_of(model, inputs, tokens):
    """Those of each step of an answer: [steps, vocabulary]."""
    start = 1 if model.config.is_encoder_decoder else inputs["input_ids"].shape[1]
    out = model.generate(**cast(inputs, model.dtype), max_new_tokens=len(tokens), do_sample=False,
                         num_beams=1, eos_token_id=None, pad_token_id=0, output_logits=True,
                         return_dict_in_generate=True,
                         logits_processor=LogitsProcessorList([Forced(tokens, start)]))
    # A type's lowest number stands for words that are never written.
    return torch.stack([step[0] for step in out.logits]).double().clamp(min=-1e30)


def check_answer(world, result, folder, given, reference, exact, inputs):
    """Each token that we chose is the best of float64, or one that bfloat16 cannot tell from it."""
    answer = world.program.json("generate", folder, *given, "--max-new-tokens", STEPS,
                                "--ignore-eos", "--dtype", "bfloat16", "--device", "cpu",
                                "--json")["results"][0]
    tokens = answer["token_ids"]
    wanted = logits_of(exact, inputs, tokens)
    off = (logits_of(reference, inputs, tokens) - wanted).abs().max().item()
    # A margin has two logits that may be off, a log-probability a logit and a sum.
    allowed = 2 * FACTOR * off
    chosen = torch.tensor(tokens).unsqueeze(1)
    lost = wanted.max(1).values - wanted.gather(1, chosen).squeeze(1)
    result.expect(lost.max() <= allowed, f"token {int(lost.argmax())} of the answer is "
                                         f"{lost.max():.2e} below the best, {allowed:.2e} allowed")
    best = wanted.topk(2).values
    decided = int((best[:, 0] - best[:, 1] > allowed).sum())
    result.facts["decided"] = f"{decided} of {len(tokens)} tokens"
    result.expect(decided > 0, "the answer is blind: no token is decided")
    logprobs = wanted.log_softmax(1).gather(1, chosen).squeeze(1)
    apart = (torch.tensor(answer["logprobs"]).double() - logprobs).abs().max().item()
    result.expect(apart <= allowed, f"log-probabilities are off by {apart:.2e}, {allowed:.2e} "
                                    "allowed")


def recipe(world, model, **settings):
    training = dict(device="cpu", dtype="bfloat16", gradient_checkpointing="false")
    path = world.scratch / "recipe.yaml"
    path.write_text(json.dumps(dict(model=str(model), dataset="unused",
                                    output_dir=str(world.scratch / "run"),
                                    training=training | settings.pop("training", {})) | settings))
    return path


def by_training(world, file, path):
    """What a run computes of a micro-batch: all of it, and (loss, gradients by their names)."""
    out = world.scratch / "loss.safetensors"
    world.program.run("loss", path, "--rows", file, "--out", out)
    got = load_file(out)
    return got, (got["loss"][0], {key.removeprefix("grad."): tensor for key, tensor in got.items()
                                  if key.startswith("grad.")})


def check_logits(world, result, checkpoint, reference, exact, *extra, autocast=False):
    errors, out, row = Errors(), world.scratch / "out.safetensors", world.scratch / "row.json"
    for conversation in SHOWN:
        messages = resolved(conversation, world.inputs)
        row.write_text(json.dumps({"messages": messages}))
        inputs = checkpoint.example(messages)
        world.program.run("forward", checkpoint.path, "--input", row, "--out", out, "--dtype",
                          "bfloat16", "--device", "cpu", *extra)
        with torch.no_grad():
            theirs, wanted = (forward(model, inputs, autocast).logits
                              for model in (reference, exact))
        got = load_file(out)["logits"]
        # virtual tokens stand in front of the row's own
        errors.add(*map(checkpoint.family.shown, (
            got, *(each[:, -got.shape[1]:] for each in (theirs, wanted)))))
    errors.check(result, "logits", LOGITS, "logits")


def trains_as_a_run(model):
    """Gemma 3n holds its streams' coefficients within bounds while it trains, where an adapter on
    them takes no part; nothing is dropped."""
    for part in model.modules():
        if type(part).__name__ == "Gemma3nTextAltUp":
            part.training = True


def check_gradients(world, result, checkpoint, reference, exact, path, named, windows=WINDOWS,
                    autocast=False):
    """`named`: a parameter's name in the oracle by the one that the program writes."""
    family = checkpoint.family
    for model in (reference, exact):
        trains_as_a_run(model)
    gradients = Gradients(family.silent)
    alone = () if family.needs_picture else (2,)
    for window in range(windows):
        messages = [resolved(row, world.inputs)
                    for row in rows(ROWS, seed=60 + window, without_picture=alone)]
        file = write_rows(world.scratch / "rows.jsonl", messages)
        batch = family.batch([checkpoint.example(row) for row in messages])
        _, (loss, own) = by_training(world, file, path)
        got = loss, {named(name): tensor for name, tensor in own.items()}
        gradients.add(result, got, *(backward(model, batch, autocast)[1]
                                     for model in (reference, exact)))
    gradients.check(result)


def family_case(family, name):
    """Every weight's gradient, on the way that a run takes; logits; an answer."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        reference, exact = two(lambda: checkpoint.model(NARROW))
        check_logits(world, result, checkpoint, reference, exact)
        known = dict(exact.named_parameters())

        def named(stored):
            native = family.native_name(stored)
            return native if native in known else family.embedding

        check_gradients(world, result, checkpoint, reference, exact,
                        recipe(world, checkpoint.path, strategy="full"), named)
        inputs = checkpoint.encode(resolved(CONVERSATIONS["plain"][:-1], world.inputs), prompt=True)
        check_answer(world, result, checkpoint.path,
                     ("--input", world.inputs / "plain.prompt.json"), reference, exact, inputs)
    return of(case, family, "bfloat16")


def adapter_case(family, name, strategy, folder_of, trains):
    """Adapters in float32 over a base in bfloat16 (PEFT's autocast_adapter_dtype) under autocast,
    which makes their products in bfloat16: what Trainer does with bf16=True."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        folder = folder_of(checkpoint, world)
        reference, exact = two(lambda: adapters.attach(checkpoint.model(NARROW), folder))
        for model in (reference, exact):
            for key, parameter in model.named_parameters():
                parameter.requires_grad_(trains(key))
        check_logits(world, result, checkpoint, reference, exact, "--adapter", folder,
                     autocast=True)
        path = recipe(world, checkpoint.path, strategy=strategy, adapter=dict(
            init_from=str(folder), **({"lora_dropout": 0.0} if strategy == "lora" else {})))
        keys = {methods.file_key(key, "prompt").replace("modules_to_save.", ""): key
                for key, _ in exact.named_parameters() if trains(key)}
        check_gradients(world, result, checkpoint, reference, exact, path,
                        lambda key: keys.get(key, key), ADAPTER_WINDOWS, autocast=True)
    return of(case, family, "bfloat16")


def lora_case(family, name, kind):
    return adapter_case(family, name, "lora",
                        lambda checkpoint, world: adapters.make(checkpoint, kind, world.adapters),
                        lambda key: "lora_" in key or "modules_to_save." in key)


def method_case(family, name, kind):
    def folder_of(checkpoint, world):
        return methods.write(methods.start(checkpoint, kind), kind, world.scratch / kind)
    return adapter_case(family, name, methods.KINDS[kind].strategy, folder_of,
                        lambda key: "ia3_" in key or key.startswith("prompt_encoder."))


def check_objective(world, result, load, objective, file, folder, silent=lambda name: False):
    """Rows of an objective's own kind: what the program covers or cuts is the oracle's input."""
    reference, exact = two(load)
    gradients, logits = Gradients(silent), Errors()
    for seed in range(WINDOWS):
        path = recipe(world, folder, strategy="full", objective=objective,
                      training=dict(seed=seed, max_length=64))
        got, own = by_training(world, file, path)
        batch = {key: got[key] for key in ("input_ids", "attention_mask", "labels") if key in got}
        (theirs, reference_own), (wanted, exact_own) = (
            backward(model, batch) for model in (reference, exact))
        gradients.add(result, own, reference_own, exact_own)
        known = batch["labels"] != -100
        if "logits" in got:
            logits.add(*(each[known] for each in (got["logits"], theirs.logits, wanted.logits)))
    gradients.check(result)
    if logits.count:
        logits.check(result, "logits", LOGITS, "logits")
    return reference, exact


def encoder_case(world, result):
    folder = encoders.make("bert-plain", world.checkpoints)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    load = lambda: BertForMaskedLM.from_pretrained(folder, dtype=NARROW).eval()
    file = world.scratch / "rows.jsonl"
    encoder_decoders.write_rows(file, encoder_decoders.LINES)
    reference, exact = check_objective(world, result, load, "mlm", file, folder,
                                       lambda key: key.endswith("self.key.bias"))
    errors, out = Errors(), world.scratch / "out.safetensors"
    for text in (encoders.TEXTS[0], encoders.TEXTS[3]):
        (world.scratch / "text.json").write_text(json.dumps({"text": text}))
        world.program.run("forward", folder, "--input", world.scratch / "text.json", "--out", out,
                          "--dtype", "bfloat16", "--device", "cpu")
        ids, _ = encoders.encoded(tokenizer, text)
        with torch.no_grad():
            errors.add(load_file(out)["logits"],
                       *(model(input_ids=ids).logits for model in (reference, exact)))
    errors.check(result, "logits", LOGITS, "logits")


def encoder_decoder_case(world, result):
    folder = encoder_decoders.make("t5-gated", world.checkpoints)
    words = AutoTokenizer.from_pretrained(folder)
    load = lambda: T5ForConditionalGeneration.from_pretrained(folder, dtype=NARROW).eval()
    file = world.scratch / "rows.jsonl"
    encoder_decoders.write_rows(file, encoder_decoders.ROWS)
    reference, exact = check_objective(world, result, load, "span_corruption", file, folder)
    prompt = encoder_decoders.PROMPTS[2]
    check_answer(world, result, folder, ("--prompt", prompt), reference, exact,
                 dict(words(prompt, return_tensors="pt")))


def cancelling(logits):
    """The size of what adds up to the gradient of CLIP's scale: each likeness's own share."""
    leaf = logits.detach().requires_grad_()
    own = torch.arange(len(leaf))
    cross_entropy = torch.nn.functional.cross_entropy
    (cross_entropy(leaf, own) + cross_entropy(leaf.t(), own)).div(2).backward()
    return (leaf * leaf.grad).abs().sum().item()


def two_towers_case(world, result):
    gradients, logits = Gradients(two_towers.silent), Errors()
    made = two_towers.rows(world, 60)
    for draw in range(CLIP_DRAWS):
        folder = two_towers.make("towers-plain", world.checkpoints, draw)
        reference, exact = two(lambda: CLIPModel.from_pretrained(folder, dtype=NARROW).eval())
        some = random.Random(draw).sample(made, 5)
        two_towers.write_lines(world.scratch / "rows.jsonl", some)
        path = recipe(world, folder, strategy="full", objective="contrastive")
        got, own = by_training(world, world.scratch / "rows.jsonl", path)
        inputs = two_towers.Joining(folder)(some)
        (theirs, reference_own), (wanted, exact_own) = (
            backward(model, inputs) for model in (reference, exact))
        gradients.add(result, own, reference_own, exact_own,
                      {"logit_scale": cancelling(wanted.logits_per_text)})
        logits.add(got["logits_per_text"], *(
            each.logits_per_text.detach() for each in (theirs, wanted)))
    gradients.check(result)
    logits.check(result, "logits", kind="logits")


def cases(everything=False):
    found = {}
    for family in FAMILIES:
        name, kind, _ = family.adapters[0]
        name = OTHERWISE.get(family.model_type, name)
        decided = DECIDED.get(family.model_type)
        found[f"bfloat16/{family.model_type}"] = family_case(family,
                                                             decided or next(iter(family.specs)))
        name, kind = (ADAPTERS | STEADY).get(family.model_type, (decided or name, kind))
        # A matrix beside a product knows no family: of some every day, with --all of each.
        if everything or family.model_type in ADAPTERS:
            found[f"bfloat16/{family.model_type}/lora"] = lora_case(family, name, kind)
    llama = next(family for family in FAMILIES if family.model_type == "llama")
    for kind in ("ia3", "prefix", "prompt"):
        found[f"bfloat16/llama/{kind}"] = method_case(llama, "llama-plain", kind)
    return found | {"bfloat16/bert": encoder_case, "bfloat16/t5": encoder_decoder_case,
                    "bfloat16/clip": two_towers_case}

# SPDX-License-Identifier: GPL-3.0-or-later
"""Optimizers other than AdamW against those that the Trainer makes by the same name (bitsandbytes'
Lion and AdamW with 32 and 8 bits, transformers' Adafactor, torch's SGD, schedulefree's AdamW), step
by step; torch's Muon and groups with rates of their own by an optimizer that is made for the
Trainer. An optimizer is a row of RUNS."""
import adapters
import torch
import train
from checkpoints import make
from families import FAMILIES
from families.base import Plan
from report import has_wide_registers
from safetensors.torch import load_file
from torch import nn
from transformers import Trainer

LION = dict(optim="lion_32bit", learning_rate=1e-3, adam_beta1=0.9, adam_beta2=0.99)
ADAFACTOR = dict(optim="adafactor", learning_rate=5e-3)
# Of every optimizer the contract names, fifty steps.
STEPS = 50
FULL = dict(max_steps=STEPS, per_device_train_batch_size=2, gradient_accumulation_steps=1)
# Muon's rounds in bfloat16 and the codes of eight bits blow a rounding up: the reference, its weights
# begun one rounding apart (spread.py, the farthest of six draws), is from itself by 2.5e-3
# (gradient's norm) and 2.8e-3 (weights) with Muon; by 1.4e-4 and 2.0e-3 with eight bits, of one
# draw. About twice that is allowed; on given gradients the unit tests hold both to the formula.
MUON_LIMITS, EIGHT_BIT_LIMITS = (5e-3, 5.4e-3), (3e-4, 4e-3)
# Weights of a size at which most tensors have eight bits.
LONG = FULL | dict(max_steps=50, learning_rate=5e-4, lr_scheduler_type="linear", warmup_steps=5)
SGD = dict(optim="sgd", learning_rate=2e-2, weight_decay=0.05, max_steps=50,
           gradient_accumulation_steps=1)
FREE = dict(optim="schedule_free_adamw", lr_scheduler_type="constant", max_steps=50,
            gradient_accumulation_steps=1, warmup_steps=5, weight_decay=0.05)
MUON = FULL | dict(optim="muon", max_steps=50, learning_rate=3e-4, weight_decay=0.05,
                   lr_scheduler_type="linear", warmup_steps=5)


def decayed(model, settings):
    """(parameters' names and they, decay) twice, as the Trainer parts them."""
    names = set(Trainer.get_decay_parameter_names(None, model))
    for decays in (True, False):
        yield [(name, parameter) for name, parameter in model.named_parameters()
               if parameter.requires_grad and (name in names) == decays], \
            settings["weight_decay"] if decays else 0.0


class Together(torch.optim.Optimizer):
    """Several optimizers, that a schedule moves as one."""

    def __init__(self, *parts):
        super().__init__([p for part in parts for g in part.param_groups for p in g["params"]], {})
        self.parts = parts
        self.param_groups = [group for part in parts for group in part.param_groups]

    def step(self, closure=None):
        for part in self.parts:
            part.step()

    def load_state_dict(self, state_dict):
        """The groups stay those of the parts."""


def muon(model, settings):
    """torch.optim.Muon for the weights of inner Linears, AdamW for the rest."""
    head = model.get_output_embeddings()
    inner = {id(module.weight) for module in model.modules()
             if isinstance(module, nn.Linear) and module is not head}
    inner -= {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    rate = settings["learning_rate"]
    others, matrices = [], []
    for parameters, decay in decayed(model, settings):
        for own, list_ in ((True, matrices), (False, others)):
            chosen = [p for _, p in parameters if (id(p) in inner) == own]
            if chosen:
                list_.append(dict(params=chosen, weight_decay=decay))
    return Together(
        torch.optim.AdamW(others, lr=rate),
        torch.optim.Muon(matrices, lr=settings.get("muon_learning_rate", rate),
                         momentum=settings.get("momentum", 0.95),
                         nesterov=settings.get("nesterov", True),
                         ns_steps=settings.get("muon_ns_steps", 5),
                         adjust_lr_fn=settings.get("muon_adjust_lr_fn", "original")))


def by_part(family):
    """AdamW with a rate for each part, the common one first: the Trainer logs that."""
    def made(model, settings):
        groups = {}
        for parameters, decay in decayed(model, settings):
            for name, parameter in parameters:
                part = family.part_of(name.removeprefix("base_model.model."))
                rate = settings.get(f"{part}_learning_rate")
                if rate is None and "lora_" in name:
                    rate = settings.get("adapter_learning_rate")
                rate = settings["learning_rate"] if rate is None else rate
                groups.setdefault((rate, decay), []).append(parameter)
        order = sorted(groups, key=lambda key: key[0] != settings["learning_rate"])
        return torch.optim.AdamW([dict(params=groups[key], lr=key[0], weight_decay=key[1])
                                  for key in order])
    return made


LLAVA, INTERNVL = (next(family for family in FAMILIES if family.model_type == name)
                   for name in ("llava", "internvl"))
LARGER = "llava-larger"
# Muon's products are bfloat16's, which take ten seconds a step where nothing multiplies such numbers.
FEW = {} if has_wide_registers() else dict(max_steps=3)
RUNS = {
    "lion_32bit/lora": Plan("clip-llama", "patterns", training=LION | dict(
        max_steps=STEPS, weight_decay=0.1, lr_scheduler_type="linear", warmup_steps=2)),
    "lion_32bit/full": Plan("clip-llama", strategy="full", rows=6, training=LION | FULL | dict(
        learning_rate=1e-4, weight_decay=0.2)),
    "adafactor/lora": Plan("clip-llama", "patterns", training=ADAFACTOR | dict(
        max_steps=STEPS, weight_decay=0.1, lr_scheduler_type="cosine", warmup_steps=2)),
    "adafactor/full": Plan("clip-llama", strategy="full", rows=6, training=ADAFACTOR | FULL | dict(
        learning_rate=1e-3, weight_decay=0.2)),
    "adafactor/freeze": Plan(
        "clip-gqa-tied", strategy="freeze", rows=6,
        freeze=dict(vision_tower=True, projector=False, language_model=True),
        training=ADAFACTOR | FULL),
    "sgd/lora": Plan("clip-llama", "patterns", training=SGD),
    "sgd/momentum": Plan("clip-llama", "patterns", training=SGD | dict(
        learning_rate=5e-3, momentum=0.9, nesterov=True)),
    "sgd/full": Plan("clip-llama", strategy="full", rows=6, training=FULL | SGD | dict(
        learning_rate=2e-3, momentum=0.8, dampening=0.2)),
    "adamw_torch/full": Plan("clip-llama", strategy="full", rows=6, training=FULL | dict(
        optim="adamw_torch", learning_rate=2e-4, weight_decay=0.1)),
    "adamw_torch/lora": Plan("clip-llama", "patterns", training=dict(
        optim="adamw_torch", max_steps=STEPS, weight_decay=0.1)),
    "adamw_8bit/full": Plan(LARGER, strategy="full", rows=6, limits=EIGHT_BIT_LIMITS,
                            training=LONG | dict(optim="adamw_8bit", weight_decay=0.1)),
    "adamw_bnb_8bit/lora": Plan("clip-llama", "patterns", training=dict(
        optim="adamw_bnb_8bit", max_steps=STEPS, weight_decay=0.1)),
    "lion_8bit/full": Plan(LARGER, strategy="full", rows=6, training=LONG | LION | dict(
        optim="lion_8bit", learning_rate=1e-5, weight_decay=0.1)),
    "paged_adamw_32bit/full": Plan(LARGER, strategy="full", rows=6, training=LONG | dict(
        optim="paged_adamw_32bit", weight_decay=0.1)),
    "paged_adamw_8bit/full": Plan(LARGER, strategy="full", rows=6, limits=EIGHT_BIT_LIMITS,
                                  training=LONG | dict(optim="paged_adamw_8bit",
                                                       weight_decay=0.1)),
    "schedule_free_adamw/lora": Plan("clip-llama", "patterns", eval_rows=3, training=FREE),
    "schedule_free_adamw/full": Plan("clip-llama", strategy="full", rows=6, training=FREE | FULL | dict(
        max_steps=50, learning_rate=3e-4, lr_scheduler_type="constant_with_warmup")),
    "muon/full": Plan(LARGER, strategy="full", rows=6, limits=MUON_LIMITS,
                      training=MUON | dict(muon_learning_rate=5e-3) | FEW),
    "muon/matched": Plan(LARGER, strategy="full", rows=6, limits=MUON_LIMITS, training=MUON | dict(
        muon_adjust_lr_fn="match_rms_adamw", nesterov=False, momentum=0.9)),
    "rates/full": Plan("clip-llama", strategy="full", rows=6, training=FULL | dict(
        max_steps=50, learning_rate=2e-4, weight_decay=0.1, vision_tower_learning_rate=2e-5,
        projector_learning_rate=1e-3)),
    "rates/lora": Plan("internvl-norms", "towers", training=dict(
        max_steps=50, gradient_accumulation_steps=1, learning_rate=1e-3, weight_decay=0.1,
        lr_scheduler_type="linear", warmup_steps=5, vision_tower_learning_rate=1e-4,
        projector_learning_rate=5e-3)),
} | {f"{name}/lora": Plan("clip-llama", "patterns", training=dict(
    max_steps=14, gradient_accumulation_steps=1, lr_scheduler_type=name, warmup_steps=warmup))
    for name, warmup in (("cosine_with_restarts", 3), ("polynomial", 2), ("inverse_sqrt", 4))}
MADE = {"muon/full": muon, "muon/matched": muon, "rates/full": by_part(LLAVA),
        "rates/lora": by_part(INTERNVL)}
ONLY_WITH_ALL = ("adafactor/freeze", "lion_32bit/full", "sgd/full", "paged_adamw_8bit/full",
                 "schedule_free_adamw/full", "muon/matched", "rates/lora", "polynomial/lora",
                 "inverse_sqrt/lora")


def moves_apart_case(optim):
    """The run is not AdamW's under another name: from one start their first steps differ."""
    def case(world, result):
        checkpoint = make("clip-llama", world.checkpoints)
        start = adapters.make(checkpoint, "patterns", world.adapters, random=False)
        ends = {}
        for name in (optim, "adamw_torch"):
            settings = train.DEFAULTS | dict(max_steps=2, learning_rate=1e-3, optim=name)
            messages = [train.resolved(row, world.inputs) for row in train.rows(4)]
            train.write_rows(world.scratch / "train.jsonl", messages)
            path = train.recipe(world, Plan("clip-llama", "patterns"), settings, checkpoint, start)
            run = world.scratch / name
            world.program.run("train", path, "--set", f"output_dir={run}")
            ends[name] = load_file(run / "adapter" / "adapter_model.safetensors")
        apart = max((ends[optim][key] - tensor).abs().max().item()
                    for key, tensor in ends["adamw_torch"].items())
        result.expect(apart > 1e-5, f"as AdamW's to {apart:.1e}")
    return case


def cases(everything=False):
    found = {f"optimizers/{name}": train.train_case(plan, MADE.get(name))
             for name, plan in RUNS.items() if everything or name not in ONLY_WITH_ALL}
    return found | {f"optimizers/{optim}/own": moves_apart_case(optim)
                    for optim in ("lion_32bit", "adafactor", "sgd", "schedule_free_adamw")}

# SPDX-License-Identifier: GPL-3.0-or-later
"""The row `methods`: each way to tune beside the same one of PEFT's, on the 70 M LLaVA, one pair of
short runs each. What PEFT has not is trained by TRL alone (full, freeze, bitfit: the same tensors
take gradients there) and is held to no goal; bottleneck adapters are in neither. docs/bench.md says
how to read it; its table is made here."""
import re
import shutil

import page
from measure import DECODER, Failed, luthier_train, peft_train
from real import machine

SPEED, MEMORY = 2.5, 0.35
GIB = 2**30
NORMS = r".*language_model.*(input_layernorm|post_attention_layernorm|\.norm)"
TOKENS = list(range(40, 104))
LINEARS = {"target_modules": DECODER}
LORA = dict(r=16, lora_alpha=32, lora_dropout=0.05)


class Method:
    """`adapter`: the recipe's section; `config`: PEFT's class, with the same settings and what it
    wants besides. `trains`: of what PEFT has not, which parameters take gradients."""

    def __init__(self, config=None, adapter=None, more=None, strategy=None, trains=None, freeze=None):
        self.config, self.adapter, self.strategy = config, adapter or {}, strategy
        self.more, self.trains, self.freeze = more or {}, trains, freeze

    def recipe(self, name):
        sections = {"strategy": self.strategy or name}
        if self.adapter:
            sections["adapter"] = self.adapter
        if self.freeze:
            sections["freeze"] = self.freeze
        return sections

    def theirs(self):
        if self.trains:
            return {"trains": self.trains}
        return {"config": self.config, "settings": {**self.adapter, **self.more}}


METHODS = {
    "lora": Method("LoraConfig", {**LINEARS, **LORA}),
    "lora, dora": Method("LoraConfig", {**LINEARS, **LORA, "use_dora": True}, strategy="lora"),
    "adalora": Method("AdaLoraConfig", {**LINEARS, "init_r": 12, "total_step": 100,
                                        "lora_dropout": 0.05}),
    "vera": Method("VeraConfig", LINEARS),
    "loha": Method("LoHaConfig", LINEARS),
    "lokr": Method("LoKrConfig", LINEARS),
    "ia3": Method("IA3Config", {**LINEARS, "feedforward_modules": r".*language_model.*down_proj"}),
    "oft": Method("OFTConfig", {**LINEARS, "oft_block_size": 32}),
    "boft": Method("BOFTConfig", {**LINEARS, "boft_block_size": 4}),
    "hra": Method("HRAConfig", LINEARS),
    "fourierft": Method("FourierFTConfig", LINEARS),
    "ln_tuning": Method("LNTuningConfig", {"target_modules": NORMS}),
    "trainable_tokens": Method("TrainableTokensConfig", {"token_indices": TOKENS},
                               {"target_modules": ["embed_tokens"]}),
    "prompt_tuning": Method("PromptTuningConfig", {"num_virtual_tokens": 20}),
    "p_tuning": Method("PromptEncoderConfig", {"num_virtual_tokens": 20}),
    "prefix_tuning": Method("PrefixTuningConfig", {"num_virtual_tokens": 20}),
    "full": Method(trains=".*"),
    "freeze": Method(trains=r".*multi_modal_projector.*",
                     freeze={"vision_tower": True, "projector": False, "language_model": True}),
    "bitfit": Method(adapter={"target_modules": "all-linear"}, trains=r".*(?<!class_embedding)\.bias"),
}


class Methods:
    """`bench`: run.Bench, which knows the program, the folders and the threads."""

    def __init__(self, bench):
        self.bench = bench

    def measure(self):
        rounds, steps = self.bench.repeats(1, 5)
        case = self.bench.made("llava-70m", steps)
        like = self.bench.options.like or ""
        found, failed = {}, []
        print(f"methods: llava-70m, batch {case['batch']}, {self.bench.threads} threads, {rounds} "
              f"pairs of {steps} steps each; beside PEFT: at least {SPEED} x the speed, at most "
              f"{MEMORY} x the memory", flush=True)
        for name, method in METHODS.items():
            if not re.search(like, name):
                continue
            try:
                found[name] = self.pair({**case, "sections": method.recipe(name),
                                         "method": method.theirs()}, rounds, steps)
                print(described(name, found[name]), flush=True)
            except Failed as problem:
                failed.append(name)
                print(f"  {name}: FAILED: {problem}", flush=True)
        if failed:
            raise Failed("not measured: " + ", ".join(failed))
        return {"machine": machine(self.bench.threads), "methods": found}

    def pair(self, case, rounds, steps):
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append(luthier_train([self.bench.cli, "train"], case, self.bench.work,
                                      self.bench.threads, steps))
            theirs.append(peft_train(case, self.bench.work, self.bench.threads, steps))
        shutil.rmtree(self.bench.work / "oracle", ignore_errors=True)
        middle = (len(ours) - 1) // 2

        def ratios(key):
            return sorted(a[key] / b[key] for a, b in zip(ours, theirs))[middle]
        return {"speed": ratios("tokens_per_second"), "memory": ratios("peak_bytes"),
                "goal": "config" in case["method"] and case["method"]["config"] is not None,
                "luthier": ours, "theirs": theirs}


def described(name, pair):
    ours, theirs = pair["luthier"][0], pair["theirs"][0]
    missed = [what for what, bad in (("speed", pair["speed"] < SPEED),
                                     ("memory", pair["memory"] > MEMORY)) if bad and pair["goal"]]
    return (f"  {name:<17} {ours['tokens_per_second']:7.0f} against "
            f"{theirs['tokens_per_second']:6.0f} tokens/s, {pair['speed']:5.2f} x; "
            f"{ours['peak_bytes'] / GIB:5.2f} against {theirs['peak_bytes'] / GIB:5.2f} GiB, "
            f"{pair['memory']:4.2f} x" + (f"  {' and '.join(missed)} MISSED" if missed else "")
            + ("" if pair["goal"] else "  (TRL alone)"))


def table(found):
    lines = ["| method | ours, tokens/s | theirs | speed | ours, GiB | theirs | memory |",
             "|---|---|---|---|---|---|---|"]
    for name, pair in found["methods"].items():
        ours, theirs = pair["luthier"][0], pair["theirs"][0]
        mark = "" if pair["goal"] else " (TRL alone)"
        lines.append(
            f"| {name}{mark} | {ours['tokens_per_second']:,.0f} "
            f"| {theirs['tokens_per_second']:,.0f} | {pair['speed']:.2f} × "
            f"| {ours['peak_bytes'] / GIB:.2f} | {theirs['peak_bytes'] / GIB:.2f} "
            f"| {pair['memory']:.2f} × |")
    return lines


def write(found, docs):
    page.fill(docs, "methods", "\n".join([page.measured_on(found["machine"]), "", *table(found)]))

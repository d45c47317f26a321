# SPDX-License-Identifier: GPL-3.0-or-later
"""Encoders: `forward` on a plain text, and runs of `objective: mlm`, against transformers. What a
run covers is drawn here a second time
(SplitMix64 by seed and place, as the engine says it draws), so that Trainer learns from the very
same rows."""
import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, BertConfig, BertForMaskedLM, BertForPreTraining, BertTokenizer

import report
import train
from families.base import randomise
from tokenizers_ import TEXT

WORD, GOLDEN = (1 << 64) - 1, 0x9E3779B97F4A7C15
TEXTS = ("A red circle stands left of a small blue square.",
         "How many shapes are there? 4, I count: [MASK]!", "빨간 원 É x",
         "The old harbour was quiet in the morning; boats lay on the sand and nobody was working yet. " * 4)
SMALL = dict(hidden_size=48, intermediate_size=80, num_hidden_layers=2, num_attention_heads=4,
             max_position_embeddings=64,
             hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)


@dataclass
class Spec:
    options: dict = field(default_factory=dict)
    dtype: str = "float32"
    old: bool = False       # names of the first files, and heads that a masked language model has no use for


SPECS = {
    "bert-plain": Spec(SMALL),
    "bert-old": Spec({**SMALL, "hidden_act": "gelu_new", "layer_norm_eps": 1e-5,
                      "type_vocab_size": 3, "num_attention_heads": 3}, "float16", old=True),
    "bert-relu": Spec({**SMALL, "tie_word_embeddings": False, "hidden_act": "relu"}, "bfloat16"),
}


def vocabulary():
    """Characters, their continuations, and the words of a few lines."""
    letters = sorted(set(TEXT.lower()) - set(" \n"))
    words = sorted({word for word in "".join(c if c.isalpha() else " "
                                             for c in TEXT.lower()).split()})
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *["##" + c for c in letters],
              "##ing", "##ed", *words]
    return {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}


def make(name, root: Path):
    folder, spec = root / name, SPECS[name]
    if folder.exists():
        return folder
    words = vocabulary()
    kind = BertForPreTraining if spec.old else BertForMaskedLM
    model = kind(BertConfig(vocab_size=len(words) + 2, **spec.options))
    randomise(model, seed=sum(name.encode()))
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if key.endswith("LayerNorm.weight"):
                parameter.copy_(1 + parameter)
    model.to(getattr(torch, spec.dtype)).save_pretrained(folder)
    BertTokenizer(vocab=words).save_pretrained(folder)
    if spec.old:
        file = folder / "model.safetensors"
        save_file({key.replace("LayerNorm.weight",
                               "LayerNorm.gamma").replace("LayerNorm.bias",
                                                          "LayerNorm.beta"): tensor.contiguous()
                   for key, tensor in load_file(file).items()}, file, metadata={"format": "pt"})
    return folder


def oracle(folder):
    return BertForMaskedLM.from_pretrained(folder, dtype=torch.float32).eval()


def encoded(tokenizer, text, longest=64):
    """Ids, and as labels the text's own tokens."""
    ids = torch.tensor([tokenizer(text, truncation=True, max_length=longest)["input_ids"]])
    special = torch.tensor([[token in tokenizer.all_special_ids for token in ids[0].tolist()]])
    return ids, ids.masked_fill(special, -100)


def forward_case(name, index):
    def case(world, result):
        folder = make(name, world.checkpoints)
        model, tokenizer = oracle(folder), AutoTokenizer.from_pretrained(folder)
        (world.scratch / "text.json").write_text(json.dumps({"text": TEXTS[index]},
                                                            ensure_ascii=False))
        named = dict(model.named_parameters())
        flags = [flag for key in named for flag in ("--grad", key)]
        world.program.run("forward", folder, "--input", world.scratch / "text.json", "--out",
                          world.scratch / "out.safetensors", "--dtype",
                          "float32", "--device", "cpu", *flags)
        got = load_file(world.scratch / "out.safetensors")
        ids, labels = encoded(tokenizer, TEXTS[index])
        if not result.same("input_ids", got["input_ids"].flatten().tolist(),
                           ids.flatten().tolist()):
            return
        result.same("labels", got["labels"].flatten().tolist(), labels.flatten().tolist())
        out = model(input_ids=ids, labels=labels)
        out.loss.backward()
        result.close("logits", got["logits"], out.logits.detach(), report.LOGITS, "logits")
        result.close("loss", got["loss"], out.loss.detach().view(1), report.LOGITS, "loss")
        largest = max(parameter.grad.abs().max().item() for parameter in named.values()
                      if parameter.grad is not None)
        for key, parameter in named.items():
            wanted = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            silent = key.endswith("self.key.bias")      # a softmax is blind to it
            result.close(f"grad.{key}", got[f"grad.{key}"], wanted, 1e-4,
                         "zero grad" if silent else "grad", largest if silent else 0.0)
    return case


def info_case(name):
    def case(world, result):
        folder = make(name, world.checkpoints)
        got = world.program.json("info", folder, "--json")
        result.same("model_type", got["model_type"], "bert")
        result.same("parameters", got["parameters"],
                    sum(parameter.numel() for parameter in oracle(folder).parameters()))
        result.same("parts", list(got["parts"]), ["language_model"])
    return case


def refused_case(world, result):
    """What an encoder cannot do is refused by its name."""
    folder = make("bert-plain", world.checkpoints)
    (world.scratch / "rows.jsonl").write_text(json.dumps(
        {"messages": [{"role": "user", "content": "a"},
                      {"role": "assistant", "content": "b"}]}) + "\n")
    world.program.run("generate", folder, "--prompt", "red", status=2)
    recipe = world.scratch / "recipe.yaml"
    recipe.write_text(json.dumps(dict(model=str(folder), dataset=str(world.scratch / "rows.jsonl"),
                                      output_dir=str(world.scratch / "run"),
                                      strategy="full")))
    world.program.run("train", recipe, status=2)
    result.expect(not (world.scratch / "run").exists(), "a run that cannot be left a folder")


def mixed(state):
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & WORD
    return state ^ (state >> 31)


class Draws:
    """engine/base/random_stream.h"""

    def __init__(self, seed, stream):
        self.state = seed
        self.state = self.bits() ^ (stream * GOLDEN & WORD)
        self.state = self.bits()

    def bits(self):
        self.state = (self.state + GOLDEN) & WORD
        return mixed(self.state)

    def unit(self):
        return (self.bits() >> 11) * 2.0 ** -53


def covered(ids, labels, draws, tokenizer, settings):
    ids, labels = list(ids), list(labels)
    for at in range(len(ids)):
        chosen, how, other = draws.unit() < settings["mlm_probability"], draws.unit(), int(
            draws.unit() * len(tokenizer))
        if labels[at] == -100:
            continue
        if not chosen:
            labels[at] = -100
        elif how < settings["mask_replace_prob"]:
            ids[at] = tokenizer.mask_token_id
        elif how < settings["mask_replace_prob"] + settings["random_replace_prob"]:
            ids[at] = other
    return ids, labels


class Covering:
    """A collator that covers micro-batch after micro-batch as the engine does."""

    def __init__(self, tokenizer, seed, settings):
        self.tokenizer, self.seed, self.settings, self.number, self.chosen = tokenizer, seed, settings, 0, 0

    def __call__(self, rows):
        seed = mixed((self.seed * GOLDEN + (self.number + 1) * 0xD1B54A32D192ED03) & WORD)
        self.number += 1
        made = [covered(row["input_ids"], row["labels"], Draws(seed, index), self.tokenizer,
                        self.settings) for index, row in enumerate(rows)]
        self.chosen += sum(label != -100 for _, labels in made for label in labels)
        longest = max(len(ids) for ids, _ in made)
        return {"input_ids": torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in made]),
                "attention_mask": torch.tensor([[1] * len(ids) + [0] * (longest - len(ids))
                                                for ids, _ in made]),
                "labels": torch.tensor([labels + [-100] * (longest - len(labels))
                                        for _, labels in made])}


def train_case(name, strategy, **changed):
    settings = dict(mlm_probability=0.15, mask_replace_prob=0.8, random_replace_prob=0.1) | changed

    def case(world, result):
        folder = make(name, world.checkpoints)
        tokenizer, model = AutoTokenizer.from_pretrained(folder), oracle(folder)
        lines = [line for line in TEXT.splitlines() if line]
        (world.scratch / "train.jsonl").write_text("".join(
            json.dumps({"text": line}, ensure_ascii=False) + "\n" for line in lines))
        data = [dict(zip(("input_ids", "labels"),
                         (part[0].tolist() for part in encoded(tokenizer, line))))
                         for line in lines]
        steps = train.DEFAULTS | dict(max_steps=8, per_device_train_batch_size=3,
                                      gradient_accumulation_steps=1, learning_rate=1e-3,
                                      lr_scheduler_type="linear", warmup_steps=2, weight_decay=0.01)
        recipe = dict(model=str(folder), dataset=str(world.scratch / "train.jsonl"),
                      output_dir=str(world.scratch / "run"), objective="mlm",
                      strategy=strategy, mlm=settings,
                      training=steps | dict(device="cpu", dtype="float32",
                                            gradient_checkpointing="false", logging_steps=1,
                                            save_steps=0))
        if strategy == "lora":
            model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear",
                                                     lora_dropout=0.0))
            model.save_pretrained(world.scratch / "start")
            recipe["adapter"] = dict(init_from=str(world.scratch / "start"))
        (world.scratch / "recipe.yaml").write_text(json.dumps(recipe))
        world.program.run("train", world.scratch / "recipe.yaml")
        collate = Covering(tokenizer, steps["seed"], settings)
        log = train.trained_by_transformers(model, collate, data, [], steps,
                                            world.scratch / "oracle")
        result.facts["tokens chosen"] = collate.chosen
        train.compare_curves(result, train.curve(world.scratch / "run"), log)
        if strategy == "lora":
            got, wanted = load_file(world.scratch / "run" / "adapter" / "adapter_model.safetensors"), get_peft_model_state_dict(model)
            what = "adapter"
        else:
            got, wanted, what = oracle(world.scratch / "run" / "model").state_dict(), model.state_dict(), "weights"
        if not result.same("tensors", sorted(got), sorted(wanted)):
            return
        slack = {"float32": 0, "bfloat16": 2 ** -8,
                 "float16": 2 ** -11}[SPECS[name].dtype] if strategy == "full" else 0
        for key, tensor in wanted.items():
            if not key.endswith("self.key.bias"):
                result.close(key, got[key], tensor.detach(), train.WEIGHTS + slack, what)
    return case


def cases(_all=False):
    found = {f"encoder/{name}/forward-{index}": forward_case(name, index) for name in SPECS
             for index in range(len(TEXTS))}
    found |= {f"encoder/{name}/info": info_case(name) for name in SPECS}
    found |= {"encoder/bert-plain/mlm-full": train_case("bert-plain", "full"),
              "encoder/bert-plain/mlm-lora": train_case("bert-plain", "lora"),
              "encoder/bert-old/mlm-full": train_case("bert-old", "full", mlm_probability=0.4,
                                                      mask_replace_prob=0.5,
                                                      random_replace_prob=0.5),
              "encoder/refused": refused_case}
    return found

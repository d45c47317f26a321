# SPDX-License-Identifier: GPL-3.0-or-later
"""Encoders: `forward` on a plain text, and runs of `objective: mlm`, against transformers. What a
run covers is drawn here a second time
(SplitMix64 by seed and place, as the engine says it draws), so that Trainer learns from the very
same rows."""
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import torch
import transformers
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

import report
import train
from deberta_parts import EnhancedDeberta
from families.base import randomise
from text_encoders import BERT, KINDS, Kind
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
    kind: Kind = BERT


ROBERTA = SMALL | dict(max_position_embeddings=66, type_vocab_size=1, layer_norm_eps=1e-5)
ALBERT = SMALL | dict(embedding_size=16, num_hidden_layers=3)
DEBERTA = SMALL | dict(relative_attention=True, pos_att_type=["p2c", "c2p"], type_vocab_size=0, position_biased_input=False,
                       max_relative_positions=-1)
SPECS = {
    "bert-plain": Spec(SMALL),
    "bert-old": Spec({**SMALL, "hidden_act": "gelu_accurate", "layer_norm_eps": 1e-5,
                      "type_vocab_size": 3, "num_attention_heads": 3}, "float16", old=True),
    "bert-relu": Spec({**SMALL, "tie_word_embeddings": False, "hidden_act": "relu"}, "bfloat16"),
    "roberta-plain": Spec(ROBERTA, kind=KINDS["roberta"]),
    "roberta-old": Spec(ROBERTA | dict(max_position_embeddings=80, hidden_act="gelu_new", type_vocab_size=2, num_attention_heads=3), "float16",
                        old=True, kind=KINDS["roberta"]),
    "roberta-relu": Spec(ROBERTA | dict(hidden_act="relu", tie_word_embeddings=False), "bfloat16", kind=KINDS["roberta"]),
    "xlm-roberta-plain": Spec(ROBERTA, kind=KINDS["xlm-roberta"]),
    "albert-plain": Spec(ALBERT, kind=KINDS["albert"]),
    "albert-groups": Spec(ALBERT | dict(num_hidden_layers=5, num_hidden_groups=2, inner_group_num=2, hidden_act="gelu"), "bfloat16",
                          kind=KINDS["albert"]),
    "albert-old": Spec(ALBERT | dict(embedding_size=48, num_hidden_groups=3, tie_word_embeddings=False), "float16", old=True, kind=KINDS["albert"]),
    "electra-plain": Spec(SMALL | dict(embedding_size=32), kind=KINDS["electra"]),
    "electra-wide": Spec(SMALL | dict(embedding_size=48, hidden_act="relu", num_attention_heads=3), "float16", old=True, kind=KINDS["electra"]),
    "electra-own": Spec(SMALL | dict(embedding_size=64, hidden_act="gelu_new", tie_word_embeddings=False), "bfloat16", kind=KINDS["electra"]),
    # v3's settings, v2's with its convolution, and each setting by itself.
    "deberta-v3": Spec(DEBERTA | dict(share_att_key=True, norm_rel_ebd="layer_norm", position_buckets=8, pooler_hidden_size=48),
                       kind=KINDS["deberta-v2"]),
    "deberta-v2": Spec(DEBERTA | dict(share_att_key=True, norm_rel_ebd="layer_norm", position_buckets=16, conv_kernel_size=3, conv_act="gelu",
                                      pos_att_type="p2c|c2p"), "float16", kind=KINDS["deberta-v2"]),
    "deberta-own": Spec(DEBERTA | dict(position_buckets=6, max_relative_positions=30, position_biased_input=True, type_vocab_size=2,
                                       num_attention_heads=3, hidden_act="gelu_new"), kind=KINDS["deberta-v2"]),
    "deberta-c2p": Spec(DEBERTA | dict(pos_att_type=["c2p"], max_relative_positions=12, conv_kernel_size=5, conv_groups=4, embedding_size=32,
                                       tie_word_embeddings=False), kind=KINDS["deberta-v2"]),
    "deberta-p2c": Spec(DEBERTA | dict(pos_att_type=["p2c"], share_att_key=True, norm_rel_ebd="none", legacy=False), "bfloat16",
                        kind=KINDS["deberta-v2"]),
    "deberta-enhanced": Spec(DEBERTA | dict(share_att_key=True, norm_rel_ebd="layer_norm", position_buckets=8, legacy=False, num_hidden_layers=3,
                                            enhanced_mask_decoder=True), kind=KINDS["deberta-v2"]),
    "deberta-enhanced-own": Spec(DEBERTA | dict(pos_att_type=["c2p"], conv_kernel_size=3, enhanced_mask_decoder=True), "bfloat16", kind=KINDS["deberta-v2"]),
    "deberta-absolute": Spec(DEBERTA | dict(relative_attention=False, position_biased_input=True, legacy=False, hidden_act="relu"),
                             kind=KINDS["deberta-v2"]),
}
LARGER = dict(hidden_size=128, intermediate_size=512, num_hidden_layers=4, max_position_embeddings=256)
SPECS |= {"bert-larger": Spec(SMALL | LARGER),
          "albert-larger": Spec(ALBERT | LARGER, kind=KINDS["albert"]),
          "electra-larger": Spec(SMALL | LARGER | dict(embedding_size=32), kind=KINDS["electra"]),
          "enhanced-larger": Spec(DEBERTA | LARGER | dict(share_att_key=True, norm_rel_ebd="layer_norm", position_buckets=32, enhanced_mask_decoder=True),
                                  kind=KINDS["deberta-v2"]),
          "deberta-larger": Spec(DEBERTA | LARGER | dict(share_att_key=True, norm_rel_ebd="layer_norm", position_buckets=32, conv_kernel_size=3),
                                 kind=KINDS["deberta-v2"])}
PLAIN = [name for name in SPECS if not name.endswith("larger") and "enhanced" not in name]


def stored_parameters(model):
    """Each of the model's parameters by the name that files have: transformers calls a tied one by the module that it meets first."""
    tied = model._tied_weights_keys or {}
    named = {}
    for name, parameter in model.named_parameters():
        stored = tied.get(name, name)
        named[stored if model.get_parameter(stored) is parameter else name] = parameter
    return named


def make(name, root: Path):
    folder, spec = root / name, SPECS[name]
    if folder.exists():
        return folder
    kind, words = spec.kind, spec.kind.tokenizer()
    made = kind.pretraining if spec.old and kind.pretraining else EnhancedDeberta if spec.options.get("enhanced_mask_decoder") else kind.model
    model = made(kind.config(vocab_size=len(words) + 2, pad_token_id=words.pad_token_id, **spec.options))
    randomise(model, seed=sum(name.encode()))
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if key.lower().endswith(("layernorm.weight", "layer_norm.weight")):
                parameter.copy_(1 + parameter)
    model.to(getattr(torch, spec.dtype)).save_pretrained(folder)
    words.save_pretrained(folder)
    if spec.old:
        file = folder / "model.safetensors"
        tensors = {key.replace("LayerNorm.weight",
                               "LayerNorm.gamma").replace("LayerNorm.bias",
                                                          "LayerNorm.beta"): tensor.contiguous()
                   for key, tensor in load_file(file).items()}
        tensors[f"{kind.body}.embeddings.position_ids"] = torch.arange(spec.options["max_position_embeddings"]).unsqueeze(0)
        save_file(tensors, file, metadata={"format": "pt"})
    return folder


def oracle(folder):
    spec = SPECS[folder.name] if folder.name in SPECS else None
    config = json.loads((folder / "config.json").read_text())
    kind = spec.kind if spec else KINDS[config["model_type"]]
    return kind.load(folder).eval()


def longest_of(name):
    """Tokens of a row that a model has positions for."""
    options, kind = SPECS[name].options, SPECS[name].kind
    if options.get("relative_attention") is not None and not options.get("position_biased_input") and not options.get("enhanced_mask_decoder"):
        return 10 ** 6
    return options["max_position_embeddings"] - (2 if kind.body == "roberta" else 0)


def encoded(tokenizer, text, longest=64):
    """Ids, and as labels the text's own tokens."""
    ids = torch.tensor([tokenizer(text, truncation=True, max_length=longest)["input_ids"]])
    special = torch.tensor([[token in tokenizer.all_special_ids for token in ids[0].tolist()]])
    return ids, ids.masked_fill(special, -100)


def is_silent(name, key):
    """A softmax is blind to what all keys have alike; but where keys are asked by distances, the bias has its say."""
    asked = SPECS[name].options.get("relative_attention") and "p2c" in SPECS[name].options["pos_att_type"]
    return key.endswith(("key.bias", "pos_key_proj.bias")) or key.endswith("key_proj.bias") and not asked


def forward_case(name, index):
    def case(world, result):
        folder = make(name, world.checkpoints)
        model, tokenizer = oracle(folder), AutoTokenizer.from_pretrained(folder)
        text = TEXTS[index].replace("[MASK]", tokenizer.mask_token)
        (world.scratch / "text.json").write_text(json.dumps({"text": text}, ensure_ascii=False))
        named = stored_parameters(model)
        flags = [flag for key in named for flag in ("--grad", key)]
        world.program.run("forward", folder, "--input", world.scratch / "text.json", "--out",
                          world.scratch / "out.safetensors", "--dtype",
                          "float32", "--device", "cpu", *flags)
        got = load_file(world.scratch / "out.safetensors")
        ids, labels = encoded(tokenizer, text, longest_of(name))
        if not result.same("input_ids", got["input_ids"].flatten().tolist(),
                           ids.flatten().tolist()):
            return
        result.same("labels", got["labels"].flatten().tolist(), labels.flatten().tolist())
        with torch.no_grad():
            out = model(input_ids=ids, labels=labels)
        result.close("logits", got["logits"], out.logits, report.LOGITS, "logits")
        result.close("loss", got["loss"], out.loss.view(1), report.LOGITS, "loss")
        # In 64 bits: in 32 the reference's own are off by more than is allowed (shared layers).
        model.double()(input_ids=ids, labels=labels).loss.backward()
        largest = max(parameter.grad.abs().max().item() for parameter in named.values()
                      if parameter.grad is not None)
        for key, parameter in named.items():
            wanted = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            silent = is_silent(name, key)
            result.close(f"grad.{key}", got[f"grad.{key}"], wanted.float(), 1e-4,
                         "zero grad" if silent else "grad", largest if silent else 0.0)
    return case


def info_case(name):
    def case(world, result):
        folder = make(name, world.checkpoints)
        got = world.program.json("info", folder, "--json")
        result.same("model_type", got["model_type"], SPECS[name].kind.config.model_type)
        # Folders of pretraining keep their second head.
        spec = SPECS[name]
        whole = spec.kind.pretraining.from_pretrained(folder) if spec.old and spec.kind.pretraining else oracle(folder)
        result.same("parameters", got["parameters"], sum(parameter.numel() for parameter in whole.parameters()))
        result.same("parts", list(got["parts"]), ["language_model"])
    return case


def cleaned_case(world, result):
    """BERT's normalizer drops controls, formats and private characters, of those that it knows, and keeps what is unassigned."""
    folder = make("bert-plain", world.checkpoints)
    words = AutoTokenizer.from_pretrained(folder)
    for text in ("x\uffffy", "a\u0378b \ud7ff", "\u08e2x\u0890", "a\u00ad\u200bb\ue000c\x07d", "\U0001343f\U00013430a\U000110cd"):
        result.same(f"ids of {text!r}", world.program.json("tokenize", folder, "--text", text)["ids"], words(text)["input_ids"])


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


def refused_decoder_case(world, result):
    """A mask decoder where there is no place for it, by the key's name; and a folder that gets one."""
    folder = make("deberta-v3", world.checkpoints)
    for name, changed in (("biased", dict(position_biased_input=True)), ("one", dict(num_hidden_layers=1)), ("no", dict(enhanced_mask_decoder="yes"))):
        other = world.scratch / name
        shutil.copytree(folder, other)
        config = json.loads((other / "config.json").read_text()) | dict(enhanced_mask_decoder=True) | changed
        (other / "config.json").write_text(json.dumps(config))
        ended = world.program.end("info", other, "--json")
        result.expect(ended.returncode == 2 and "enhanced_mask_decoder" in ended.stderr, f"{name}: exit {ended.returncode}: {ended.stderr[-300:]}")
    said = world.program.json("head", folder, "--of", "masked", "--out", world.scratch / "with", "--json")
    result.same("architecture", said["architecture"], "DebertaV2ForMaskedLM")
    result.same("drawn", said["drawn"], ["deberta.embeddings.position_embeddings.weight"])
    model = EnhancedDeberta.from_pretrained(world.scratch / "with")
    spread = model.deberta.embeddings.position_embeddings.weight.std().item()
    result.near("spread of the positions", spread, 0.02, 0.1)
    result.same("what transformers' body misses", sorted(transformers.DebertaV2Model.from_pretrained(
        world.scratch / "with", output_loading_info=True)[1]["missing_keys"]), [])
    world.program.run("head", make("bert-plain", world.checkpoints), "--of", "masked", "--out", world.scratch / "none", status=2)


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
        pad = self.tokenizer.pad_token_id
        return {"input_ids": torch.tensor([ids + [pad] * (longest - len(ids)) for ids, _ in made]),
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
                         (part[0].tolist() for part in encoded(tokenizer, line, longest_of(name)))))
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
            if not is_silent(name, key):
                result.close(key, got[key], tensor.detach(), train.WEIGHTS + slack, what)
    return case


def loss_case(name, checkpointing="false"):
    """Every figure of one micro-batch of rows of different lengths, in which words became others, the padding's too."""
    settings = dict(mlm_probability=0.9, mask_replace_prob=0.1, random_replace_prob=0.8)

    def case(world, result):
        folder = make(name, world.checkpoints)
        tokenizer, model = AutoTokenizer.from_pretrained(folder), oracle(folder)
        lines = [line for line in TEXT.splitlines() if line]
        rows = [lines[0], " ".join(lines[:2]), "A", lines[2], " ".join(lines)]
        (world.scratch / "rows.jsonl").write_text("".join(json.dumps({"text": row}, ensure_ascii=False) + "\n" for row in rows))
        recipe = dict(model=str(folder), dataset="unused", output_dir=str(world.scratch / "run"), strategy="full", objective="mlm", mlm=settings,
                      training=dict(device="cpu", dtype="float32", gradient_checkpointing=checkpointing, max_length=60, seed=11))
        (world.scratch / "recipe.yaml").write_text(json.dumps(recipe))
        world.program.run("loss", world.scratch / "recipe.yaml", "--rows", world.scratch / "rows.jsonl", "--out", world.scratch / "out.safetensors")
        got = load_file(world.scratch / "out.safetensors")
        data = [dict(zip(("input_ids", "labels"), (part[0].tolist() for part in encoded(tokenizer, row, 60)))) for row in rows]
        batch = Covering(tokenizer, 11, settings)(data)
        inside = batch["input_ids"].eq(tokenizer.pad_token_id) & batch["attention_mask"].eq(1)
        result.facts["padding inside rows"] = int(inside.sum())
        for key, tensor in batch.items():
            result.same(key, got[key].tolist(), tensor.tolist())
        out = model(**batch)
        out.loss.backward()
        result.close("loss", got["loss"], out.loss.detach().view(1), report.LOGITS, "loss")
        named = stored_parameters(model)
        largest = max(parameter.grad.abs().max().item() for parameter in named.values() if parameter.grad is not None)
        reached = {"grad." + key for key, parameter in named.items() if parameter.grad is not None}
        made = {key for key, tensor in got.items() if key.startswith("grad.") and tensor.abs().max() > 0}
        result.expect(reached >= made, f"gradients of what transformers does not reach: {sorted(made - reached)}")
        for key, parameter in named.items():
            if parameter.grad is not None:
                silent = is_silent(name, key)
                result.close(f"grad.{key}", got[f"grad.{key}"], parameter.grad, 1e-4, "zero grad" if silent else "grad", largest if silent else 0.0)
    return case


def forecast_case(name, strategy, **settings):
    """`plan` against the peak of a run, as for every family."""
    def case(world, result):
        folder = make(name, world.checkpoints)
        row = {"text": "a small blue square and two green triangles stand above the old harbour in the morning"}
        (world.scratch / "train.jsonl").write_text((json.dumps(row) + "\n") * 40)
        recipe = dict(model=str(folder), dataset=str(world.scratch / "train.jsonl"), output_dir=str(world.scratch / "run"), objective="mlm",
                      strategy=strategy) | settings
        recipe["training"] = dict(max_steps=3, per_device_train_batch_size=8, gradient_accumulation_steps=1, device="cpu", dtype="float32",
                                  gradient_checkpointing="false", logging_steps=1, save_steps=0) | settings.get("training", {})
        (world.scratch / "recipe.yaml").write_text(json.dumps(recipe))
        foreseen = world.program.json("plan", world.scratch / "recipe.yaml", "--json")["total"]
        world.program.run("train", world.scratch / "recipe.yaml")
        peak = max(line["memory"]["peak"] for line in train.curve(world.scratch / "run"))
        result.facts["forecast error"] = f"{100 * (foreseen / peak - 1):+.1f} %"
        # Beside adapters it is the more above what is met the wider the machine's registers.
        result.near("forecast", foreseen, peak, 0.06 if foreseen > peak else 0.05, "forecast")
    return case


def cases(everything=False):
    found = {f"encoder/{name}/forward-{index}": forward_case(name, index) for name in PLAIN
             for index in range(len(TEXTS))}
    found |= {f"encoder/{name}/info": info_case(name) for name in PLAIN}
    found |= {f"encoder/{name}/loss": loss_case(name) for name in PLAIN}
    for name in ("roberta-plain", "albert-groups", "electra-plain", "deberta-v3", "deberta-c2p"):
        found[f"encoder/{name}/loss-recomputed"] = loss_case(name, "true")
        found[f"encoder/{name}/mlm-full"] = train_case(name, "full", mlm_probability=0.3, random_replace_prob=0.2, mask_replace_prob=0.7)
        found[f"encoder/{name}/mlm-lora"] = train_case(name, "lora", mlm_probability=0.3)
    lora = dict(adapter=dict(r=8, target_modules="all-linear"))
    for name in ("bert", "albert", "electra", "deberta"):
        found[f"encoder/forecast/{name}/full"] = forecast_case(f"{name}-larger", "full")
        found[f"encoder/forecast/{name}/lora"] = forecast_case(f"{name}-larger", "lora", **lora)
    for name in ("albert", "deberta"):
        found[f"encoder/forecast/{name}/full-recomputed"] = forecast_case(f"{name}-larger", "full", training=dict(gradient_checkpointing="true"))
    found |= {"encoder/bert-plain/mlm-full": train_case("bert-plain", "full"),
              "encoder/bert-plain/mlm-lora": train_case("bert-plain", "lora"),
              "encoder/bert-old/mlm-full": train_case("bert-old", "full", mlm_probability=0.4,
                                                      mask_replace_prob=0.5,
                                                      random_replace_prob=0.5),
              "encoder/refused": refused_case, "encoder/cleaned": cleaned_case}
    found |= {"encoder/deberta-enhanced/forward": forward_case("deberta-enhanced", 3), "encoder/deberta-enhanced/loss": loss_case("deberta-enhanced"),
              "encoder/deberta-enhanced/mlm-full": train_case("deberta-enhanced", "full", mlm_probability=0.3),
              "encoder/forecast/enhanced/full": forecast_case("enhanced-larger", "full"), "encoder/deberta-enhanced/refused": refused_decoder_case}
    if everything:
        for name in ("deberta-enhanced", "deberta-enhanced-own"):
            found |= {f"encoder/{name}/forward-{index}": forward_case(name, index) for index in range(len(TEXTS))}
            found |= {f"encoder/{name}/info": info_case(name), f"encoder/{name}/loss": loss_case(name), f"encoder/{name}/loss-recomputed": loss_case(name, "true"),
                      f"encoder/{name}/mlm-lora": train_case(name, "lora", mlm_probability=0.3)}
        found |= {"encoder/forecast/enhanced/lora": forecast_case("enhanced-larger", "lora", **lora),
                  "encoder/forecast/enhanced/full-recomputed": forecast_case("enhanced-larger", "full", training=dict(gradient_checkpointing="true"))}
    return found

# SPDX-License-Identifier: GPL-3.0-or-later
"""Text encoders with heads of classes: rows of one text and of two, and words, against transformers' ...ForSequenceClassification and
...ForTokenClassification; logits, loss, every gradient, and runs of `objective: classification`. And ELECTRA's discriminator."""
import json
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file
from transformers import AutoTokenizer

import report
import train
from encoders import ALBERT, DEBERTA, ROBERTA, SMALL
from families.base import randomise
from text_encoders import KINDS
from tokenizers_ import TEXT

LINES = [line for line in TEXT.splitlines() if line]
NAMES = ("bad", "good", "neither")
WORDS = [LINES[0].split()[:7], "A small blue square .".split(), LINES[2].split()[:9], ["red"], LINES[1].split()[:5]]


@dataclass
class Spec:
    kind: str
    options: dict
    says: str = "single_label_classification"


SPECS = {
    "bert-classes": Spec("bert", SMALL),
    "roberta-classes": Spec("roberta", ROBERTA),
    "xlm-roberta-classes": Spec("xlm-roberta", ROBERTA, "regression"),
    "albert-classes": Spec("albert", ALBERT | dict(num_hidden_groups=2, classifier_dropout_prob=0.0), "multi_label_classification"),
    "electra-classes": Spec("electra", SMALL | dict(embedding_size=32, hidden_act="relu")),
    "deberta-classes": Spec("deberta-v2", DEBERTA | dict(share_att_key=True, norm_rel_ebd="layer_norm", position_buckets=8)),
    "deberta-v2-classes": Spec("deberta-v2", DEBERTA | dict(pos_att_type=["c2p"], conv_kernel_size=3, pooler_hidden_act="tanh",
                                                            type_vocab_size=2)),
}


def class_of(kind, of):
    name = KINDS[kind].config.__name__.removesuffix("Config")
    return getattr(transformers, name + ("ForTokenClassification" if of == "tokens" else "ForSequenceClassification"))


def make(name, of, root: Path):
    folder, spec = root / f"{name}-{of}", SPECS[name]
    if folder.exists():
        return folder
    kind, words = KINDS[spec.kind], KINDS[spec.kind].tokenizer()
    more = {} if of == "tokens" else dict(problem_type=spec.says)
    config = kind.config(vocab_size=len(words) + 2, pad_token_id=words.pad_token_id, id2label=dict(enumerate(NAMES)),
                         label2id={label: number for number, label in enumerate(NAMES)}, **spec.options | more)
    model = class_of(spec.kind, of)(config)
    randomise(model, seed=sum(name.encode()) + len(of))
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if key.lower().endswith(("layernorm.weight", "layer_norm.weight")):
                parameter.copy_(1 + parameter)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def label_of(says, number):
    if says == "single_label_classification":
        return NAMES[number % 3] if number % 2 else number % 3
    if says == "multi_label_classification":
        return [NAMES[number % 3], NAMES[(number + 1) % 3]] if number % 2 else [NAMES[number % 3]]
    return [0.5 * number, -1.0, 0.25]


def target_of(says, number):
    if says == "single_label_classification":
        return number % 3
    if says == "multi_label_classification":
        return [1.0 if each == number % 3 or number % 2 and each == (number + 1) % 3 else 0.0 for each in range(3)]
    return [0.5 * number, -1.0, 0.25]


def rows_of(name, of, count):
    """Rows as they are written, and what they are learned as."""
    rows = []
    for number in range(count):
        if of == "tokens":
            words = WORDS[number % len(WORDS)]
            rows.append(dict(words=words, labels=[NAMES[(number + at) % 3] for at in range(len(words))]))
        else:
            row = dict(text=LINES[number % len(LINES)], label=label_of(SPECS[name].says, number))
            rows.append(row | ({"text_pair": LINES[(number + 3) % len(LINES)]} if number % 3 else {}))
    return rows


def padded(rows, value):
    longest = max(map(len, rows))
    return torch.tensor([row + [value] * (longest - len(row)) for row in rows])


class Collate:
    def __init__(self, folder, name, of):
        self.words, self.name, self.of = AutoTokenizer.from_pretrained(folder), name, of

    def __call__(self, rows):
        ids, types, labels = [], [], []
        for row in rows:
            number, row = row["number"], row["row"]
            if self.of == "tokens":
                frame = self.words("")["input_ids"]
                pieces, goals = [frame[0]], [-100]
                for at, word in enumerate(row["words"]):
                    own = self.words(word, add_special_tokens=False)["input_ids"]
                    pieces += own
                    goals += [(number + at) % 3] + [-100] * (len(own) - 1) if own else []
                ids.append(pieces + frame[1:])
                types.append([0] * len(ids[-1]))
                labels.append(goals + [-100] * (len(frame) - 1))
            else:
                made = self.words(row["text"], row.get("text_pair"), truncation=True, max_length=60, return_token_type_ids=True)
                ids.append(made["input_ids"])
                types.append(made["token_type_ids"])
                labels.append(target_of(SPECS[self.name].says, number))
        return dict(input_ids=padded(ids, self.words.pad_token_id), attention_mask=padded([[1] * len(each) for each in ids], 0),
                    token_type_ids=padded(types, 0), labels=padded(labels, -100) if self.of == "tokens" else torch.tensor(labels))


def recipe_of(world, folder, strategy, **more):
    (world.scratch / "recipe.yaml").write_text(json.dumps(dict(
        model=str(folder), dataset=str(world.scratch / "rows.jsonl"), output_dir=str(world.scratch / "run"), objective="classification",
        strategy=strategy) | more))
    return world.scratch / "recipe.yaml"


def is_silent(name, key):
    asked = SPECS[name].options.get("relative_attention") and "p2c" in SPECS[name].options["pos_att_type"]
    return key.endswith(("key.bias", "pos_key_proj.bias")) or key.endswith("key_proj.bias") and not asked


def loss_case(name, of):
    def case(world, result):
        folder, rows = make(name, of, world.checkpoints), rows_of(name, of, 5)
        model = class_of(SPECS[name].kind, of).from_pretrained(folder).eval()
        (world.scratch / "rows.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        training = dict(device="cpu", dtype="float32", max_length=60, per_device_train_batch_size=5)
        world.program.run("loss", recipe_of(world, folder, "full", training=training), "--rows", world.scratch / "rows.jsonl", "--out",
                          world.scratch / "out.safetensors")
        got, batch = load_file(world.scratch / "out.safetensors"), Collate(folder, name, of)([dict(number=number, row=row) for number, row in
                                                                                              enumerate(rows)])
        out = model(**batch)
        out.loss.backward()
        known = batch["labels"] != -100 if of == "tokens" else slice(None)
        result.close("logits", got["logits"], out.logits.detach()[known], report.LOGITS, "logits")
        result.close("loss", got["loss"], out.loss.detach().view(1), report.LOGITS, "loss")
        named = {key: parameter for key, parameter in model.named_parameters() if parameter.grad is not None}
        largest = max(parameter.grad.abs().max().item() for parameter in named.values())
        for key, parameter in named.items():
            silent = is_silent(name, key)
            result.close(f"grad.{key}", got[f"grad.{key}"], parameter.grad, 1e-4, "zero grad" if silent else "grad", largest if silent else 0.0)
    return case


def train_case(name, of, strategy):
    def case(world, result):
        folder, rows = make(name, of, world.checkpoints), rows_of(name, of, 12)
        model = class_of(SPECS[name].kind, of).from_pretrained(folder)
        (world.scratch / "rows.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        steps = train.DEFAULTS | dict(max_steps=6, per_device_train_batch_size=3, gradient_accumulation_steps=1, learning_rate=1e-3)
        more = dict(training=steps | dict(device="cpu", dtype="float32", gradient_checkpointing="false", logging_steps=1, save_steps=0, max_length=60))
        if strategy == "lora":
            targets = ["query_proj", "value_proj"] if "deberta" in name else ["query", "value"]
            model = get_peft_model(model, LoraConfig(task_type="TOKEN_CLS" if of == "tokens" else "SEQ_CLS", r=4, lora_alpha=8,
                                                     target_modules=targets, lora_dropout=0.0))
            model.save_pretrained(world.scratch / "start")
            more["adapter"] = dict(init_from=str(world.scratch / "start"))
        world.program.run("train", recipe_of(world, folder, strategy, **more))
        data = [dict(number=number, row=row) for number, row in enumerate(rows)]
        log = train.trained_by_transformers(model, Collate(folder, name, of), data, [], steps, world.scratch / "oracle")
        train.compare_curves(result, train.curve(world.scratch / "run"), log)
        if strategy == "lora":
            got, wanted = load_file(world.scratch / "run" / "adapter" / "adapter_model.safetensors"), get_peft_model_state_dict(model)
        else:
            got = class_of(SPECS[name].kind, of).from_pretrained(world.scratch / "run" / "model").state_dict()
            wanted = model.state_dict()
        if result.same("tensors", sorted(got), sorted(wanted)):
            for key, tensor in wanted.items():
                if not is_silent(name, key):
                    result.close(key, got[key], tensor.detach(), train.WEIGHTS, strategy)
    return case


def discriminator_case(world, result):
    """ElectraForPreTraining: what it says of each word's first token, and what it learns of those."""
    folder = world.checkpoints / "electra-discriminator"
    kind = KINDS["electra"]
    if not folder.exists():
        words = kind.tokenizer()
        model = transformers.ElectraForPreTraining(kind.config(vocab_size=len(words) + 2, **SMALL | dict(embedding_size=32, hidden_act="gelu_new")))
        randomise(model, seed=4)
        model.save_pretrained(folder)
        words.save_pretrained(folder)
    model, words = transformers.ElectraForPreTraining.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    rows = [dict(words=row, labels=["replaced" if at % 3 == 1 else "original" for at in range(len(row))]) for row in WORDS]
    (world.scratch / "rows.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    training = dict(device="cpu", dtype="float32", max_length=60)
    world.program.run("loss", recipe_of(world, folder, "full", training=training), "--rows", world.scratch / "rows.jsonl", "--out",
                      world.scratch / "out.safetensors")
    got, said, goals = load_file(world.scratch / "out.safetensors"), [], []
    for row in rows:
        ids, first = [words.cls_token_id], []
        for word in row["words"]:
            first.append(len(ids))
            ids += words(word, add_special_tokens=False)["input_ids"]
        said.append(model(torch.tensor([ids + [words.sep_token_id]])).logits[0][first])
        goals += [float(label == "replaced") for label in row["labels"]]
    said = torch.cat(said)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(said, torch.tensor(goals))
    loss.backward()
    result.close("logits", got["logits"][:, 1] - got["logits"][:, 0], said.detach(), report.LOGITS, "logits")
    result.close("loss", got["loss"], loss.detach().view(1), report.LOGITS, "loss")
    largest = max(parameter.grad.abs().max().item() for parameter in model.parameters())
    for key, parameter in model.named_parameters():
        silent = key.endswith("key.bias")
        result.close(f"grad.{key}", got[f"grad.{key}"], parameter.grad, 1e-4, "zero grad" if silent else "grad", largest if silent else 0.0)


def one_kind_case(world, result):
    """Two texts a row where the model knows one kind of token: a sentence that says so (transformers: IndexError)."""
    SPECS["bert-one-kind"] = Spec("bert", SMALL | dict(type_vocab_size=1))
    folder, rows = make("bert-one-kind", "rows", world.checkpoints), rows_of("bert-one-kind", "rows", 5)
    (world.scratch / "rows.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    ended = world.program.end("loss", recipe_of(world, folder, "full", training=dict(device="cpu", dtype="float32")), "--rows", world.scratch / "rows.jsonl", "--out",
                              world.scratch / "out.safetensors")
    result.expect(ended.returncode > 0 and "type_vocab_size" in ended.stderr, f"exit {ended.returncode}: {ended.stderr.strip()[-300:]}")


def cases(_all=False):
    found = {f"encoder-classes/{name}/{of}": loss_case(name, of) for name in SPECS for of in ("rows", "tokens")}
    found["encoder-classes/discriminator"] = discriminator_case
    found["encoder-classes/one-kind"] = one_kind_case
    for name, of, strategy in (("bert-classes", "rows", "full"), ("bert-classes", "tokens", "lora"), ("roberta-classes", "rows", "lora"),
                               ("albert-classes", "rows", "full"), ("electra-classes", "rows", "lora"), ("electra-classes", "tokens", "full"),
                               ("deberta-classes", "rows", "full"), ("deberta-classes", "rows", "lora")):
        found[f"encoder-classes/{name}/{of}-{strategy}"] = train_case(name, of, strategy)
    return found

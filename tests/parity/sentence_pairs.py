# SPDX-License-Identifier: GPL-3.0-or-later
"""Next sentence and sentence order: `objective: mlm` with `mlm.pairs`, against transformers' BertForPreTraining and AlbertForPreTraining. Which sentences
come together, which second text is another document's and which tokens are covered are drawn here a second time, as the engine says that it draws. And
whole words and stretches that are covered together, whose draws are made once more, too."""
import json
import re
import shutil

import torch
import transformers
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

import encoders
import report
import train
from encoders import ALBERT, GOLDEN, LARGER, SMALL, WORD, Draws, mixed
from families.base import randomise
from text_encoders import KINDS
from tokenizers_ import TEXT

SPECS = {"bert-pairs": ("bert", SMALL), "albert-pairs": ("albert", ALBERT | dict(classifier_dropout_prob=0.0)),
         "bert-pairs-own": ("bert", SMALL | dict(tie_word_embeddings=False, hidden_act="relu", num_attention_heads=3)),
         "bert-pairs-larger": ("bert", SMALL | LARGER)}
TASKS = {"bert": "next", "albert": "order"}
LABEL = {"bert": "next_sentence_label", "albert": "sentence_order_label"}
LINES = [line for line in TEXT.splitlines() if line]
DOCUMENTS = [" ".join(LINES[:3]), "\n".join(LINES[3:7]), "A circle. A square! Is it red? There are two.", " ".join(LINES[8:12]),
             "  The old harbour was quiet.\n\nBoats lay on the sand (nobody was there.) She left at once. ", " ".join(LINES[1:4])]


def seeded(seed, place):
    """engine/base/random_stream.h: stream_seed"""
    return mixed((seed * GOLDEN + (place + 1) * 0xD1B54A32D192ED03) & WORD)


class Stream(Draws):
    def __init__(self, seed, stream, index=0):
        super().__init__(seed, stream)
        self.state ^= index * 0xD1B54A32D192ED03 & WORD

    def below(self, count):
        return (self.bits() >> 32) * count >> 32


def make(name, root):
    folder = root / name
    if folder.exists():
        return folder
    kind, options = KINDS[SPECS[name][0]], SPECS[name][1]
    words = kind.tokenizer()
    model = kind.pretraining(kind.config(vocab_size=len(words) + 2, pad_token_id=words.pad_token_id, **options))
    randomise(model, seed=sum(name.encode()))
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if key.lower().endswith(("layernorm.weight", "layer_norm.weight")):
                parameter.copy_(1 + parameter)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def kind_of(name):
    return KINDS[SPECS[name][0]]


def oracle(name, folder):
    return kind_of(name).pretraining.from_pretrained(folder).eval()


def sentences_of(row):
    if "sentences" in row:
        return row["sentences"]
    parts = (part for line in row["text"].split("\n") for part in re.split(r"""(?<=[.!?])[ \t]+|(?<=[.!?][)"'])[ \t]+""", line))
    return [part.strip() for part in parts if part.strip()]


def cut(first, second, room, draws):
    first, second = list(first), list(second)
    while len(first) + len(second) > room:
        longer = first if len(first) > len(second) else second
        longer.pop(0 if draws.unit() < 0.5 else -1)
    return first, second


def chunks_of(sentences, target):
    chunks, begin = [], 0
    for at in range(len(sentences)):
        if at + 1 < len(sentences) and (sum(map(len, sentences[begin:at + 1])) < target or at + 1 - begin < 2):
            continue
        chunks.append((begin - (at + 1 - begin < 2), at + 1))
        begin = at + 1
    return chunks


def drawn_pair(words, row, room, noise):
    sentences = [ids for ids in (words(each, add_special_tokens=False)["input_ids"] for each in sentences_of(row)) if ids]
    draws = Stream(noise, 0)
    is_short, target = draws.unit() < 0.1, room
    shorter = 2 + draws.below(max(2, room) - 1)
    chunks = chunks_of(sentences, shorter if is_short else target)
    begin, end = chunks[draws.below(len(chunks))]
    middle = begin + 1 + draws.below(end - begin - 1)
    return cut(sum(sentences[begin:middle], []), sum(sentences[middle:end], []), room, draws)


class Pairing:
    """Micro-batch after micro-batch of rows that stand at their numbers."""

    def __init__(self, words, name, settings, seed, limit, count, masked=None):
        self.words, self.task, self.label, self.settings, self.seed, self.limit, self.count = (
            words, TASKS[SPECS[name][0]], LABEL[SPECS[name][0]], settings, seed, limit, count)
        self.batches = self.seen = 0
        self.labels, self.masked = [], masked or encoders.covered

    def __call__(self, rows):
        room, batch = self.limit - 3, seeded(self.seed, self.batches)
        epoch = self.seen // self.count
        self.batches, self.seen = self.batches + 1, self.seen + len(rows)
        pairs = [None if "text_pair" in row else drawn_pair(self.words, row, room, seeded(seeded(self.seed, epoch), row["number"])) for row in rows]
        ids, types, covered, labels = [], [], [], []
        for place, row in enumerate(rows):
            if pairs[place] is None:
                made = self.words(row["text"], row["text_pair"], truncation="longest_first", max_length=self.limit, return_token_type_ids=True)
                ids.append(made["input_ids"]), types.append(made["token_type_ids"])
                labels.append(int(row["label"]))
            else:
                (first, second), draws = pairs[place], Stream(batch, place, 1)
                changed = draws.unit() < 0.5
                if self.task == "order":
                    first, second = (second, first) if changed else (first, second)
                elif changed:
                    others = [each for each in range(len(rows)) if pairs[each] is not None and rows[each]["number"] != row["number"]]
                    changed = bool(others)
                    second = pairs[others[draws.below(len(others))]][1] if others else second
                first, second = cut(first, second, room, draws)
                cls, sep = self.words.cls_token_id, self.words.sep_token_id
                ids.append([cls, *first, sep, *second, sep])
                types.append([0] * (len(first) + 2) + [1] * (len(second) + 1))
                labels.append(int(changed))
            own = [-100 if token in self.words.all_special_ids else token for token in ids[-1]]
            ids[-1], own = self.masked(ids[-1], own, Stream(batch, place), self.words, self.settings)
            covered.append(own)
        self.labels += labels

        def padded(lists, value):
            longest = max(map(len, lists))
            return torch.tensor([each + [value] * (longest - len(each)) for each in lists])
        return {"input_ids": padded(ids, self.words.pad_token_id), "attention_mask": padded([[1] * len(each) for each in ids], 0),
                "token_type_ids": padded(types, 0), "labels": padded(covered, -100), self.label: torch.tensor(labels)}


def settings_of(name, **changed):
    return dict(mlm_probability=0.3, mask_replace_prob=0.7, random_replace_prob=0.2, pairs=TASKS[SPECS[name][0]]) | changed


def write(world, rows, name="rows.jsonl"):
    (world.scratch / name).write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return str(world.scratch / name)


def recipe_of(world, folder, rows, settings, strategy="full", **more):
    (world.scratch / "recipe.yaml").write_text(json.dumps(dict(
        model=str(folder), dataset=write(world, rows), output_dir=str(world.scratch / "run"), objective="mlm", strategy=strategy, mlm=settings) | more))
    return world.scratch / "recipe.yaml"


def written():
    rows = [dict(text=text) for text in DOCUMENTS[:4]]
    rows.append(dict(text=LINES[0], text_pair=LINES[1], label=0))
    rows.append(dict(sentences=[LINES[4], "Nobody.", LINES[6], LINES[5], LINES[2]]))
    rows.append(dict(text=LINES[3] * 2, text_pair=LINES[0], label=True))
    return rows


def silent(key):
    return key.endswith(("key.bias", "key_proj.bias"))


def loss_case(name, limit, checkpointing="false", masked=None, **changed):
    """Every figure of one micro-batch of documents and of pairs that are given; `limit`: of a row's tokens."""
    settings = settings_of(name, **changed)

    def case(world, result):
        folder, rows = make(name, world.checkpoints), written()
        model, words = oracle(name, folder), AutoTokenizer.from_pretrained(folder)
        training = dict(device="cpu", dtype="float32", gradient_checkpointing=checkpointing, max_length=limit, seed=11, per_device_train_batch_size=8)
        recipe = recipe_of(world, folder, rows, settings, training=training)
        world.program.run("loss", recipe, "--rows", world.scratch / "rows.jsonl", "--out", world.scratch / "out.safetensors")
        got = load_file(world.scratch / "out.safetensors")
        longest = min(limit, SPECS[name][1]["max_position_embeddings"])
        batch = Pairing(words, name, settings, 11, longest, len(rows), masked)([row | dict(number=number) for number, row in enumerate(rows)])
        labels = batch[LABEL[SPECS[name][0]]]
        result.facts["labels"] = "".join(map(str, labels.tolist()))
        for key, tensor in batch.items():
            own = "pair_labels" if key == LABEL[SPECS[name][0]] else key
            if not result.same(own, got[own].tolist(), tensor.tolist()):
                return
        out = model(**batch)
        said = out.seq_relationship_logits if "bert" == SPECS[name][0] else out.sop_logits
        loss = out.loss
        if (batch["labels"] == -100).all():
            loss = torch.nn.functional.cross_entropy(said, labels)
            result.facts["nothing covered"] = "yes"
        loss.backward()
        result.close("pair_logits", got["pair_logits"], said.detach(), report.LOGITS, "logits")
        result.close("loss", got["loss"], loss.detach().view(1), 1e-5, "loss")
        result.close("metric.pair_accuracy", got["metric.pair_accuracy"], (said.argmax(1) == labels).float().mean().view(1), 1e-6)
        named = encoders.stored_parameters(model)
        reached = {key: parameter for key, parameter in named.items() if parameter.grad is not None}
        result.expect(any("pooler" in key for key in reached) and len(reached) > 20, "the pooler has no gradient")
        largest = max(parameter.grad.abs().max().item() for parameter in reached.values())
        for key, parameter in reached.items():
            result.close(f"grad.{key}", got[f"grad.{key}"], parameter.grad, 1e-4, "zero grad" if silent(key) else "grad", largest if silent(key) else 0.0)
    return case


def loaded_whole(result, kind, folder):
    """transformers' own class, which finds all that it wants and nothing besides."""
    model, about = kind.from_pretrained(folder, output_loading_info=True)
    for key in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        result.same(key, sorted(about[key]), [])
    return model


def train_case(name, strategy, limit=40, resumes=False):
    settings = settings_of(name)

    def case(world, result):
        folder, rows = make(name, world.checkpoints), [dict(text=text) for text in DOCUMENTS]
        words, model = AutoTokenizer.from_pretrained(folder), oracle(name, folder)
        steps = train.DEFAULTS | dict(max_steps=8, per_device_train_batch_size=3, gradient_accumulation_steps=1, learning_rate=1e-3,
                                      lr_scheduler_type="linear", warmup_steps=2, weight_decay=0.01)
        more = dict(training=steps | dict(device="cpu", dtype="float32", gradient_checkpointing="false", logging_steps=1, max_length=limit,
                                          save_steps=3 if resumes else 0, save_total_limit=5))
        if strategy == "lora":
            model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", lora_dropout=0.0))
            model.save_pretrained(world.scratch / "start")
            more["adapter"] = dict(init_from=str(world.scratch / "start"))
        recipe = recipe_of(world, folder, rows, settings, strategy, **more)
        world.program.run("train", recipe)
        collate = Pairing(words, name, settings, steps["seed"], limit, len(rows))
        data = [row | dict(number=number) for number, row in enumerate(rows)]
        log = train.trained_by_transformers(model, collate, data, [], steps, world.scratch / "oracle")
        result.facts["labels"] = "".join(map(str, collate.labels))
        lines = train.curve(world.scratch / "run")
        train.compare_curves(result, lines, log)
        result.expect(all(0 <= line["pair_accuracy"] <= 1 for line in lines if line.get("loss") is not None), "a step tells no pair_accuracy")
        if strategy == "lora":
            got, wanted = load_file(world.scratch / "run" / "adapter" / "adapter_model.safetensors"), get_peft_model_state_dict(model)
        else:
            got, wanted = loaded_whole(result, kind_of(name).pretraining, world.scratch / "run" / "model").state_dict(), model.state_dict()
        if result.same("tensors", sorted(got), sorted(wanted)):
            for key, tensor in wanted.items():
                if not silent(key):
                    result.close(key, got[key], tensor.detach(), train.WEIGHTS, strategy)
        if resumes:
            resumed(world, result, recipe)
    return case


def resumed(world, result, recipe, folders=("model",)):
    """The run once more from its first checkpoint: the same bytes."""
    run, again = world.scratch / "run", world.scratch / "cut"
    shutil.copytree(run, again)
    for each in folders:
        shutil.rmtree(again / each)
    saved = sorted((again / "checkpoints").iterdir())
    result.expect(len(saved) > 1, f"the run kept {[each.name for each in saved]}")
    for later in saved[1:]:
        shutil.rmtree(later)
    about = json.loads((again / "run.json").read_text())
    (again / "run.json").write_text(json.dumps(about | {"state": "interrupted"}))
    world.program.run("train", recipe, "--resume", again)
    for each in folders:
        result.expect((again / each / "model.safetensors").read_bytes() == (run / each / "model.safetensors").read_bytes(),
                      f"the resumed run's {each} has other bytes")


def statistics_case(world, result):
    """Of many rows how often a pair is changed, how often it is short, and that each text is a stretch of its document."""
    folder = make("bert-pairs", world.checkpoints)
    words = AutoTokenizer.from_pretrained(folder)
    lexicon = [word for word in dict.fromkeys(re.findall("[a-z]+", TEXT.lower())) if len(words(word, add_special_tokens=False)["input_ids"]) == 1]
    documents = [[" ".join(lexicon[(7 * row + 3 * at + step) % len(lexicon)] for step in range(4)) for at in range(12)] for row in range(300)]
    rows = [dict(sentences=each) for each in documents]
    training = dict(device="cpu", dtype="float32", max_length=27, seed=5, per_device_train_batch_size=2)
    recipe = recipe_of(world, folder, rows, dict(mlm_probability=1e-9, pairs="next"), training=training)
    world.program.run("loss", recipe, "--rows", world.scratch / "rows.jsonl", "--out", world.scratch / "out.safetensors")
    got, own, short, ends = load_file(world.scratch / "out.safetensors"), 0, 0, 0
    for ids, mask, label, document in zip(got["input_ids"].tolist(), got["attention_mask"].sum(1).tolist(), got["pair_labels"].tolist(), documents):
        first, second = (part.split() for part in words.decode(ids[1:mask]).split("[SEP]")[:2])
        whole = " ".join(" ".join(document).split())
        result.expect(" ".join(first) in whole, "a first text is none of its document's")
        own += label == 0
        ends += label == 0 and " ".join(first + second) in whole
        short += mask < 20
    count = len(rows)
    result.facts |= {"follow": f"{own / count:.3f}", "short": f"{short / count:.3f}"}
    result.near("share that follows", own / count, 0.5, 0.15)
    result.expect(ends >= own * 0.9, f"of {own} pairs that follow {ends} do in their document")
    result.expect(0.02 < short / count < 0.2, f"{short} of {count} rows are short")


def word_starts(words, ids, own):
    pieces = words.convert_ids_to_tokens(ids)
    marks = words.__class__.__name__ == "BertTokenizer"
    return [at == 0 or own[at - 1] == -100 or (not piece.startswith("##") if marks else piece.startswith(("▁", "Ġ"))) for at, piece in enumerate(pieces)]


def covered_by_units(ids, own, draws, words, settings):
    """Whole words or stretches."""
    most, share = settings.get("max_ngram", 1), settings["mlm_probability"]
    shares = [1 / n for n in range(1, most + 1)]
    mean = most / sum(shares)
    begin_one = share / (share + (1 - share) * mean)
    starts = word_starts(words, ids, own) if settings.get("whole_word_mask") else [True] * len(ids)
    chosen, left, takes = [], 0, False
    for at in range(len(ids)):
        if own[at] == -100:
            left, takes = 0, False
        elif starts[at]:
            left = max(0, left - 1)
            takes = left > 0
            if not takes and draws.unit() < begin_one:
                left, takes = 1, True
                if most > 1:
                    place = draws.unit() * sum(shares)
                    while left < most:
                        place -= 1 / left
                        if place < 0:
                            break
                        left += 1
        chosen.append(takes and own[at] != -100)
    ids, own = list(ids), list(own)
    for at in range(len(ids)):
        how, other = draws.unit(), int(draws.unit() * len(words))
        if own[at] == -100:
            continue
        if not chosen[at]:
            own[at] = -100
        elif how < settings["mask_replace_prob"]:
            ids[at] = words.mask_token_id
        elif how < settings["mask_replace_prob"] + settings["random_replace_prob"]:
            ids[at] = other
    return ids, own


def units_case(name, **changed):
    """What is covered of plain texts, by words or stretches, and how much of them."""
    settings = dict(mlm_probability=0.2, mask_replace_prob=0.7, random_replace_prob=0.2) | changed

    def case(world, result):
        folder = encoders.make(name, world.checkpoints)
        words, model = AutoTokenizer.from_pretrained(folder), encoders.oracle(folder)
        rows = [dict(text=line) for line in LINES * 20]
        recipe = recipe_of(world, folder, rows, settings, training=dict(device="cpu", dtype="float32", max_length=60, seed=7))
        world.program.run("loss", recipe, "--rows", world.scratch / "rows.jsonl", "--out", world.scratch / "out.safetensors")
        got, batch = load_file(world.scratch / "out.safetensors"), seeded(7, 0)
        inputs, chosen, whole = [], 0, 0
        for place, row in enumerate(rows):
            ids, own = (part[0].tolist() for part in encoders.encoded(words, row["text"], 60))
            starts = word_starts(words, ids, own)
            covered_ids, labels = covered_by_units(ids, own, Stream(batch, place), words, settings)
            inputs.append((covered_ids, labels))
            chosen, whole = chosen + sum(label != -100 for label in labels), whole + sum(label != -100 for label in own)
            if settings.get("whole_word_mask"):
                for at in range(1, len(ids)):
                    if own[at] != -100 and own[at - 1] != -100 and not starts[at]:
                        result.expect((labels[at] == -100) == (labels[at - 1] == -100), "a word is covered in part")
            result.same(f"row {place} input_ids", got["input_ids"][place, :len(ids)].tolist(), covered_ids)
            result.same(f"row {place} labels", got["labels"][place, :len(ids)].tolist(), labels)
        result.facts["share"] = f"{chosen / whole:.3f}"
        result.near("share covered", chosen / whole, settings["mlm_probability"], 0.15)
        with torch.no_grad():
            loss = model(input_ids=got["input_ids"], attention_mask=got["attention_mask"], labels=got["labels"]).loss
        result.close("loss", got["loss"], loss.view(1), 1e-5, "loss")
    return case


def head_case(world, result):
    """A folder without the head gets one when it is asked for: drawn, or its files' own."""
    folder = encoders.make("bert-plain", world.checkpoints)
    recipe = recipe_of(world, folder, [dict(text=text) for text in DOCUMENTS], dict(pairs="next"))
    world.program.run("train", recipe, status=2)
    result.expect(not (world.scratch / "run").exists(), "a run that cannot be left a folder")
    said = world.program.json("head", folder, "--of", "pairs", "--out", world.scratch / "with", "--json")
    result.same("architecture", said["architecture"], "BertForPreTraining")
    result.same("drawn", sorted(said["drawn"]), sorted(f"{part}.{slot}" for part in ("bert.pooler.dense", "cls.seq_relationship") for slot in ("weight", "bias")))
    model = loaded_whole(result, transformers.BertForPreTraining, world.scratch / "with")
    start = load_file(folder / "model.safetensors")
    for key, tensor in load_file(world.scratch / "with" / "model.safetensors").items():
        if key in start:
            result.expect(torch.equal(tensor, start[key]), f"{key} is another")
    drawn = model.bert.pooler.dense.weight
    result.expect(0.015 < drawn.std().item() < 0.025 and not model.bert.pooler.dense.bias.any(), "the pooler is not drawn as it should")
    recipe = recipe_of(world, world.scratch / "with", [dict(text=text) for text in DOCUMENTS], dict(pairs="next"),
                       training=dict(max_steps=1, device="cpu", dtype="float32", per_device_train_batch_size=3))
    world.program.run("train", recipe)
    # Files that hold it under a class that does not.
    held = world.scratch / "held"
    shutil.copytree(make("albert-pairs", world.checkpoints), held)
    config = json.loads((held / "config.json").read_text())
    (held / "config.json").write_text(json.dumps(config | dict(architectures=["AlbertForMaskedLM"])))
    said = world.program.json("head", held, "--of", "pairs", "--out", world.scratch / "again", "--json")
    result.same("drawn of a folder that holds it", said["drawn"], [])
    for key, tensor in load_file(world.scratch / "again" / "model.safetensors").items():
        result.expect(torch.equal(tensor, load_file(held / "model.safetensors")[key]), f"{key} is another")
    # A class that is named, and files that hold nothing of it.
    lacking = world.scratch / "lacking"
    shutil.copytree(make("bert-pairs", world.checkpoints), lacking)
    tensors = {key: tensor for key, tensor in load_file(lacking / "model.safetensors").items() if "seq_relationship" not in key}
    save_file(tensors, lacking / "model.safetensors", metadata={"format": "pt"})
    world.program.run("info", lacking, "--json", status=2)
    ended = world.program.end("train", recipe_of(world, lacking, [dict(text=text) for text in DOCUMENTS], dict(pairs="next"), output_dir=str(world.scratch / "no")))
    result.expect(ended.returncode == 2 and "seq_relationship" in ended.stderr, f"exit {ended.returncode}: {ended.stderr[-300:]}")
    said = world.program.json("head", lacking, "--of", "pairs", "--out", world.scratch / "mended", "--json")
    result.same("drawn of a folder that lacks it", sorted(said["drawn"]), ["cls.seq_relationship.bias", "cls.seq_relationship.weight"])
    for flags in (["--classes", "a,b"], ["--says", "several"]):
        world.program.run("head", folder, "--of", "pairs", *flags, "--out", world.scratch / "none", status=2)
    world.program.run("head", encoders.make("roberta-plain", world.checkpoints), "--of", "pairs", "--out", world.scratch / "none", status=2)
    result.expect(not (world.scratch / "none").exists(), "a refused head left a folder")


def refused_case(world, result):
    """Rows and settings that no pair comes of, each by its field."""
    folder = make("bert-pairs", world.checkpoints)
    good = [dict(text=text) for text in DOCUMENTS]
    for row, field in ((dict(text="One sentence and no other"), "text"), (dict(text=""), "text"), (dict(sentences=[]), "text"),
                       (dict(sentences=["a", 3]), "sentences[1]"), (dict(sentences="a"), "sentences"), (dict(text="a", text_pair="b"), "label"),
                       (dict(text="a", text_pair="b", label=2), "label"), (dict(text="a", text_pair=5, label=0), "text_pair"),
                       (dict(text_pair="b", label=0), "text"), (dict(messages=[]), "text")):
        ended = world.program.end("train", recipe_of(world, folder, good + [row], dict(pairs="next")))
        result.expect(ended.returncode == 2 and f"row 7: {field}" in ended.stderr, f"{row}: exit {ended.returncode}: {ended.stderr[-300:]}")
    for settings, training, said in ((dict(pairs="previous"), {}, "pairs"), (dict(pairs="next"), dict(per_device_train_batch_size=1), "per_device_train_batch_size"),
                                     (dict(pairs="order"), dict(max_length=4), "max_length"), (dict(max_ngram=0), {}, "max_ngram")):
        ended = world.program.end("train", recipe_of(world, folder, good, settings, training=dict(device="cpu") | training))
        result.expect(ended.returncode == 2 and said in ended.stderr, f"{settings} {training}: exit {ended.returncode}: {ended.stderr[-300:]}")
    for name in ("roberta-plain", "albert-plain"):
        ended = world.program.end("train", recipe_of(world, encoders.make(name, world.checkpoints), good, dict(pairs="order")))
        result.expect(ended.returncode == 2 and "follow one another" in ended.stderr, f"{name}: exit {ended.returncode}: {ended.stderr[-300:]}")


def forecast_case(name, strategy, pairs, **more):
    def case(world, result):
        folder = make(name, world.checkpoints)
        sentence = "a small blue square and two green triangles stand above the old harbour in the morning"
        row = dict(text=f"{sentence}. {sentence}. {sentence}. {sentence}.") if pairs != "none" else dict(text=sentence)
        training = dict(max_steps=3, per_device_train_batch_size=8, gradient_accumulation_steps=1, device="cpu", dtype="float32",
                        gradient_checkpointing="false", logging_steps=1, save_steps=0, max_length=40)
        recipe = recipe_of(world, folder, [row] * 40, dict(pairs=pairs), strategy, training=training, **more)
        foreseen = world.program.json("plan", recipe, "--json")["total"]
        world.program.run("train", recipe)
        peak = max(line["memory"]["peak"] for line in train.curve(world.scratch / "run"))
        result.facts["forecast error"] = f"{100 * (foreseen / peak - 1):+.1f} %"
        result.near("forecast", foreseen, peak, 0.05, "forecast")
    return case


def cases(everything=False):
    found = {"sentence-pairs/bert-pairs/loss": loss_case("bert-pairs", 40), "sentence-pairs/albert-pairs/loss": loss_case("albert-pairs", 48),
             "sentence-pairs/bert-pairs/loss-positions": loss_case("bert-pairs", 500), "sentence-pairs/bert-pairs/nothing-covered":
             loss_case("bert-pairs", 40, mlm_probability=1e-9), "sentence-pairs/albert-pairs/full": train_case("albert-pairs", "full"),
             "sentence-pairs/bert-pairs/full": train_case("bert-pairs", "full", resumes=True), "sentence-pairs/head": head_case,
             "sentence-pairs/refused": refused_case, "sentence-pairs/statistics": statistics_case,
             "sentence-pairs/forecast/next": forecast_case("bert-pairs-larger", "full", "next"),
             "masking/words": units_case("bert-plain", whole_word_mask=True), "masking/stretches": units_case("albert-plain", whole_word_mask=True, max_ngram=3)}
    if everything:
        found |= {"sentence-pairs/bert-pairs-own/loss": loss_case("bert-pairs-own", 30, "true"), "sentence-pairs/bert-pairs/lora": train_case("bert-pairs", "lora"),
                  "sentence-pairs/albert-pairs/loss-words": loss_case("albert-pairs", 48, masked=covered_by_units, whole_word_mask=True, max_ngram=3),
                  "sentence-pairs/forecast/next-lora": forecast_case("bert-pairs-larger", "lora", "next", adapter=dict(r=8, target_modules="all-linear")),
                  "sentence-pairs/forecast/none": forecast_case("bert-pairs-larger", "full", "none"),
                  "masking/words-bytes": units_case("roberta-plain", whole_word_mask=True), "masking/tokens": units_case("electra-plain", max_ngram=4)}
    return found

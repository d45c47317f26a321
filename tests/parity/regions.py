# SPDX-License-Identifier: GPL-3.0-or-later
"""VisualBERT and LXMERT against transformers' classes of pretraining and of answers: `objective: regions`, whose exchanged texts and covered tokens and regions
are drawn here a second time, and `objective: classification` on questions about regions. What is given of a picture are files of a detector's features."""
import json
import shutil
from dataclasses import dataclass, field

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from transformers import (AutoTokenizer, LxmertConfig, LxmertForPreTraining, LxmertForQuestionAnswering, VisualBertConfig, VisualBertForPreTraining,
                          VisualBertForQuestionAnswering)

import encoders
import report
import train
from blip import settled
from encoders import SMALL
from sentence_pairs import Stream, cut, loaded_whole, resumed, seeded, silent
from text_encoders import wordpieces
from tokenizers_ import TEXT

WIDTH = 20
NAMES = ("no", "yes", "red", "two", "a boat")
LINES = [line for line in TEXT.splitlines() if line]
LARGER = dict(hidden_size=256, intermediate_size=1024, num_attention_heads=4, max_position_embeddings=64)
VISUAL = SMALL | dict(visual_embedding_dim=WIDTH)
LXMERT = {key: value for key, value in SMALL.items() if key != "num_hidden_layers"} | dict(
    l_layers=2, x_layers=2, r_layers=1, visual_feat_dim=WIDTH, num_qa_labels=len(NAMES), num_object_labels=11, num_attr_labels=7)


@dataclass
class Spec:
    kind: str
    options: dict = field(default_factory=dict)
    answers: bool = False

    @property
    def lxmert(self):
        return self.kind == "lxmert"

    @property
    def model(self):
        if self.lxmert:
            return LxmertForQuestionAnswering if self.answers else LxmertForPreTraining
        return VisualBertForQuestionAnswering if self.answers else VisualBertForPreTraining


SPECS = {
    "visual-bert-plain": Spec("visual_bert", VISUAL),
    "visual-bert-own": Spec("visual_bert", VISUAL | dict(tie_word_embeddings=False, hidden_act="relu", num_attention_heads=3, type_vocab_size=3,
                                                         layer_norm_eps=1e-5)),
    "visual-bert-answers": Spec("visual_bert", VISUAL, answers=True),
    "visual-bert-larger": Spec("visual_bert", LARGER | dict(num_hidden_layers=4, visual_embedding_dim=512)),
    "visual-bert-answers-larger": Spec("visual_bert", LARGER | dict(num_hidden_layers=4, visual_embedding_dim=512), answers=True),
    "lxmert-plain": Spec("lxmert", LXMERT),
    "lxmert-parts": Spec("lxmert", LXMERT | dict(tie_word_embeddings=False, hidden_act="relu", num_attention_heads=3, visual_attr_loss=False, task_qa=False,
                                                 visual_loss_normalizer=2.5, r_layers=2, l_layers=1)),
    "lxmert-words": Spec("lxmert", LXMERT | dict(task_obj_predict=False, task_matched=False)),
    "lxmert-answers": Spec("lxmert", LXMERT, answers=True),
    "lxmert-larger": Spec("lxmert", {**LXMERT, **LARGER, "visual_feat_dim": 512, "num_object_labels": 400, "num_attr_labels": 100, "num_qa_labels": 300}),
    "lxmert-answers-larger": Spec("lxmert", {**LXMERT, **LARGER, "visual_feat_dim": 512}, answers=True),
}


def make(name, root):
    folder, spec = root / name, SPECS[name]
    if folder.exists():
        return folder
    words = wordpieces()
    named = dict(id2label=dict(enumerate(NAMES)), label2id={label: number for number, label in enumerate(NAMES)}) if spec.answers else {}
    config = LxmertConfig if spec.lxmert else VisualBertConfig
    own = dict(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, vocab_size=len(words) + 2, pad_token_id=words.pad_token_id)
    model = spec.model(config(**{**own, **spec.options, **named}))
    settled(model, seed=sum(name.encode()))
    if spec.lxmert and hasattr(model, "answer_head"):
        with torch.no_grad():
            model.answer_head.logit_fc[2].weight.add_(1)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def oracle(name, folder):
    return SPECS[name].model.from_pretrained(folder).eval()


def region_file(world, number, count, width=WIDTH, **more):
    """What a detector would say of one picture."""
    generator = torch.Generator().manual_seed(number)
    corners = torch.rand(count, 2, 2, generator=generator).sort(1).values
    made = {"features": torch.randn(count, width, generator=generator), "boxes": corners.reshape(count, 4),
            "objects": torch.randint(0, 11, (count,), generator=generator), "object_confidences": torch.rand(count, generator=generator),
            "attributes": torch.randint(0, 7, (count,), generator=generator), "attribute_confidences": torch.rand(count, generator=generator)} | more
    (world.scratch / "regions").mkdir(exist_ok=True)
    save_file({key: tensor.contiguous() for key, tensor in made.items() if tensor is not None}, world.scratch / "regions" / f"{number}.safetensors")
    return f"regions/{number}.safetensors", made


class Rows:
    """Rows as they are written, and their regions."""

    def __init__(self, world):
        self.world, self.written, self.regions = world, [], []

    def add(self, count=5, width=WIDTH, given=None, **row):
        file, made = region_file(self.world, len(self.written), count, width, **(given or {}))
        self.written.append(row | dict(regions=file))
        self.regions.append(made)
        return self

    def data(self):
        return [row | dict(number=number) for number, row in enumerate(self.written)]


def padded(rows, value):
    longest = max(map(len, rows))
    return torch.tensor([row + [value] * (longest - len(row)) for row in rows])


def stacked(tensors, count):
    """[rows, count, …], zeros behind."""
    out = torch.zeros(len(tensors), count, *tensors[0].shape[1:], dtype=tensors[0].dtype)
    for row, tensor in enumerate(tensors):
        out[row, :len(tensor)] = tensor
    return out


class Looking:
    """What either class gets of rows: their texts, and regions with a mask of those that there are."""

    def __init__(self, words, name, rows, limit):
        self.words, self.spec, self.rows, self.limit = words, SPECS[name], rows, limit

    def encoded(self, row):
        made = self.words(row["text"], row.get("text_pair"), truncation="longest_first" if "text_pair" in row else True, max_length=self.limit,
                          return_token_type_ids=True)
        return made["input_ids"], made["token_type_ids"]

    def seen(self, rows, ids, types, features=None, gone=()):
        regions = [self.rows.regions[row["number"]] for row in rows]
        features = features or [each["features"] for each in regions]
        most = max(map(len, features))
        mask = padded([[1.0] * len(each) for each in features], 0.0)
        batch = {"input_ids": padded(ids, self.words.pad_token_id), "attention_mask": padded([[1] * len(each) for each in ids], 0),
                 "token_type_ids": padded(types, 0), "visual_attention_mask": mask}
        if self.spec.lxmert:
            return batch | {"visual_feats": stacked(features, most), "visual_pos": stacked([each["boxes"] for each in regions], most)}
        batch["visual_attention_mask"] = mask.long()
        batch |= {"visual_embeds": stacked(features, most)}
        aligned = [each.get("alignment") if place not in gone else None for place, each in enumerate(regions)]
        if any(each is not None for each in aligned):
            wide = max(each.shape[1] for each in aligned if each is not None)
            places = torch.full((len(rows), most, wide), -1)
            for row, each in enumerate(aligned):
                if each is not None:
                    places[row, :each.shape[0], :each.shape[1]] = each
            batch["image_text_alignment"] = places
        return batch


class Pretraining(Looking):
    """Micro-batch after micro-batch, with the engine's draws."""

    def __init__(self, words, name, rows, limit, settings, seed, model=None):
        super().__init__(words, name, rows, limit)
        self.settings, self.seed, self.batches, self.model, self.matches = settings, seed, 0, model, []
        self.weight = model.visual_loss_normalizer if model and self.spec.lxmert else None

    def __call__(self, rows):
        batch = seeded(self.seed, self.batches)
        self.batches += 1
        texts = [self.encoded(row) for row in rows]
        ids, types, labels, match, gone, features, hidden = [], [], [], [], [], [], []
        for place, row in enumerate(rows):
            own, kinds = texts[place]
            if "match" in row:
                match.append(int(row["match"]))
            else:
                draws = Stream(batch, place, 1)
                others = [other for other, each in enumerate(rows) if each["number"] != row["number"] and ("text_pair" in each) == ("text_pair" in row)]
                changed = draws.unit() < self.settings["exchange_probability"] and bool(others)
                match.append(int(not changed))
                if changed:
                    gone.append(place)
                    own, kinds = self.exchanged(texts[place], texts[others[draws.below(len(others))]], "text_pair" in row, draws)
            known = [-100 if token in self.words.all_special_ids else token for token in own]
            own, known = encoders.covered(own, known, Stream(batch, place), self.words, self.settings)
            ids.append(own), types.append(kinds), labels.append(known)
            given = self.rows.regions[row["number"]]["features"]
            draws = Stream(batch, place, 2)
            covered = torch.tensor([float(draws.unit() < self.settings["region_probability"]) for _ in given])
            hidden.append(covered)
            features.append(given.masked_fill(covered.bool().unsqueeze(1), 0) if self.covers() else given)
        self.matches += match
        made = self.seen(rows, ids, types, features, gone)
        made["labels"] = padded(labels, -100)
        if not self.spec.lxmert:
            most = made["visual_embeds"].shape[1]
            made["labels"] = torch.cat([made["labels"], torch.full((len(rows), most), -100)], 1)
            return made | {"sentence_image_labels": 1 - torch.tensor(match)}
        made["matched_label"] = torch.tensor(match)
        answers = torch.tensor([row.get("answer", -100) if same else -100 for row, same in zip(rows, match)])
        if (answers != -100).any():
            made["ans"] = answers
        if self.covers():
            most = made["visual_feats"].shape[1]
            of = lambda key: stacked([self.rows.regions[row["number"]][key] for row in rows], most)
            mask = stacked(hidden, most)
            made["obj_labels"] = {"obj": (of("objects"), of("object_confidences") * mask), "attr": (of("attributes"), of("attribute_confidences") * mask),
                                  "feat": (of("features"), mask)}
            # The class's means go over what fills rows up, too.
            self.model.visual_loss_normalizer = self.weight * mask.numel() / sum(map(len, hidden))
        self.hidden = torch.cat(hidden)
        return made

    def covers(self):
        return self.spec.lxmert and self.spec.options.get("task_obj_predict", True)

    def exchanged(self, mine, its, pair, draws):
        if not pair:
            return its
        ends = [[at for at, token in enumerate(ids) if token == self.words.sep_token_id] for ids, _ in (mine, its)]
        first, second = mine[0][1:ends[0][0]], its[0][ends[1][0] + 1:ends[1][1]]
        first, second = cut(first, second, max(len(mine[0]), len(its[0])) - 3, draws)
        cls, sep = self.words.cls_token_id, self.words.sep_token_id
        return [cls, *first, sep, *second, sep], [0] * (len(first) + 2) + [1] * (len(second) + 1)


class Answering(Looking):
    def __call__(self, rows):
        batch = self.seen(rows, *zip(*[self.encoded(row) for row in rows]))
        wanted = torch.zeros(len(rows), len(NAMES))
        for row, each in enumerate(rows):
            for label, score in (each["answer"] if isinstance(each["answer"], dict) else {each["answer"]: 1.0}).items():
                wanted[row, NAMES.index(label) if isinstance(label, str) else label] = score
        return batch | {"labels": wanted.argmax(1) if self.spec.lxmert else wanted}


def settings_of(**changed):
    return dict(mlm_probability=0.3, mask_replace_prob=0.7, random_replace_prob=0.2, region_probability=0.4, exchange_probability=0.5) | changed


def recipe_of(world, folder, rows, objective="regions", strategy="full", settings=None, **more):
    (world.scratch / "rows.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    (world.scratch / "recipe.yaml").write_text(json.dumps(dict(
        model=str(folder), dataset=str(world.scratch / "rows.jsonl"), output_dir=str(world.scratch / "run"), objective=objective, strategy=strategy,
    ) | (dict(regions=settings) if settings else {}) | more))
    return world.scratch / "recipe.yaml"


def pretraining_rows(world, name):
    """Rows of different numbers of regions; texts alone and two together; given and drawn; aligned, answered and not."""
    rows = Rows(world)
    for number in range(4):
        rows.add(4 + number % 3, text=LINES[number], **(dict(answer=number % len(NAMES)) if number % 2 == 0 else {}))
    if not SPECS[name].lxmert:
        rows.written[0]["regions"], rows.regions[0] = region_file(world, 0, 4, alignment=torch.tensor([[1, 2], [3, -1], [-1, -1], [0, 5]]),
                                                                 boxes=None, objects=None, object_confidences=None)
    rows.add(5, text=LINES[4], match=False, answer=1).add(3, text=LINES[5], match=1, answer=3)
    rows.add(4, text=LINES[6], text_pair=LINES[2] * 2).add(6, text=LINES[0], text_pair=LINES[8], match=0).add(2, text=LINES[9], text_pair=LINES[1])
    return rows


def wide(batch):
    if isinstance(batch, dict):
        return {key: wide(each) for key, each in batch.items()}
    if isinstance(batch, tuple):
        return tuple(map(wide, batch))
    return batch.double() if batch.is_floating_point() else batch


def compare_gradients(result, model, got, batch):
    """Against 64 bits: where the scores hardly depend on keys any 32 are off by a good part of what is allowed."""
    model.zero_grad()
    model.double()(**wide(batch)).loss.backward()
    named = encoders.stored_parameters(model)
    reached = {key: parameter for key, parameter in named.items() if parameter.grad is not None}
    result.expect(len(reached) > 20, "few gradients")
    largest = max(parameter.grad.abs().max().item() for parameter in reached.values())
    for key, parameter in named.items():
        still = silent(key) or parameter.grad is None
        wanted = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        result.close(f"grad.{key}", got.get(f"grad.{key}", torch.zeros_like(parameter)), wanted, 1e-4, "zero grad" if still else "grad", largest if still else 0.0)


def loss_case(name, limit=40, checkpointing="false", **changed):
    settings = settings_of(**changed)

    def case(world, result):
        folder, rows = make(name, world.checkpoints), pretraining_rows(world, name)
        model, words, spec = oracle(name, folder), AutoTokenizer.from_pretrained(folder), SPECS[name]
        training = dict(device="cpu", dtype="float32", gradient_checkpointing=checkpointing, max_length=limit, seed=11, per_device_train_batch_size=16)
        recipe = recipe_of(world, folder, rows.written, settings=settings, training=training)
        world.program.run("loss", recipe, "--rows", world.scratch / "rows.jsonl", "--out", world.scratch / "out.safetensors")
        got, made = load_file(world.scratch / "out.safetensors"), Pretraining(words, name, rows, limit, settings, 11, model)
        batch = made(rows.data())
        result.facts["match"] = "".join(map(str, made.matches))
        for key in ("input_ids", "attention_mask", "token_type_ids"):
            if not result.same(key, got[key].tolist(), batch[key].tolist()):
                return
        longest = batch["input_ids"].shape[1]
        labels = batch["labels"][:, :longest]
        result.same("labels", got["labels"].tolist(), labels.tolist())
        result.same("match_labels", got["match_labels"].tolist(), batch["matched_label" if spec.lxmert else "sentence_image_labels"].tolist())
        if made.covers():
            result.same("covered", got["covered"].tolist(), made.hidden.tolist())
        out = model(**batch)
        result.close("logits", got["logits"], out.prediction_logits[:, :longest].detach()[labels != -100], report.LOGITS, "logits")
        match = out.cross_relationship_score if spec.lxmert else out.seq_relationship_logits
        if spec.options.get("task_matched", True):
            result.close("match_logits", got["match_logits"], match.detach(), report.LOGITS, "logits")
        if spec.lxmert and spec.options.get("task_qa", True):
            result.close("answer_logits", got["answer_logits"], out.question_answering_score.detach(), report.LOGITS, "logits")
        result.close("loss", got["loss"], out.loss.detach().view(1), 1e-5, "loss")
        compare_gradients(result, model, got, batch)
    return case


def train_case(name, strategy, resumes=False):
    """Rows of one number of regions, in the order of their file."""
    spec, settings = SPECS[name], settings_of()

    def case(world, result):
        folder, rows = make(name, world.checkpoints), Rows(world)
        for number in range(6):
            answer = (dict(answer={NAMES[number % 5]: 1.0, NAMES[(number + 2) % 5]: 0.3}) if not spec.lxmert and number % 2 else dict(answer=NAMES[number % 5])
                      ) if spec.answers else dict(answer=number % 5)
            rows.add(5, text=LINES[number], **answer)
        words, model = AutoTokenizer.from_pretrained(folder), oracle(name, folder)
        steps = train.DEFAULTS | dict(max_steps=6, per_device_train_batch_size=3, gradient_accumulation_steps=1, learning_rate=1e-3,
                                      lr_scheduler_type="linear", warmup_steps=2, weight_decay=0.01)
        more = dict(training=steps | dict(device="cpu", dtype="float32", gradient_checkpointing="false", logging_steps=1, max_length=40,
                                          save_steps=2 if resumes else 0, save_total_limit=5))
        inner = model
        if strategy == "lora":
            head = "answer_head" if spec.lxmert else "cls"
            model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules=["query", "value"], lora_dropout=0.0,
                                                     modules_to_save=[head] if spec.answers else None))
            model.save_pretrained(world.scratch / "start")
            more["adapter"] = dict(init_from=str(world.scratch / "start"))
        recipe = recipe_of(world, folder, rows.written, "classification" if spec.answers else "regions", strategy,
                           settings=None if spec.answers else settings, **more)
        world.program.run("train", recipe)
        collate = Answering(words, name, rows, 40) if spec.answers else Pretraining(words, name, rows, 40, settings, steps["seed"], inner)
        log = train.trained_by_transformers(model, collate, rows.data(), [], steps, world.scratch / "oracle")
        train.compare_curves(result, train.curve(world.scratch / "run"), log)
        if strategy == "lora":
            got, wanted = load_file(world.scratch / "run" / "adapter" / "adapter_model.safetensors"), get_peft_model_state_dict(model)
        else:
            got, wanted = loaded_whole(result, spec.model, world.scratch / "run" / "model").state_dict(), model.state_dict()
        if result.same("tensors", sorted(got), sorted(wanted)):
            for key, tensor in wanted.items():
                if not silent(key):
                    result.close(key, got[key], tensor.detach(), train.WEIGHTS, strategy)
        if resumes:
            resumed(world, result, recipe)
    return case


def answers_case(name):
    """Loss, gradients and what `classify` says."""
    spec = SPECS[name]

    def case(world, result):
        folder, rows = make(name, world.checkpoints), Rows(world)
        for number in range(5):
            scored = not spec.lxmert and number % 2
            rows.add(3 + number % 3, text=LINES[number], answer={NAMES[number]: 0.9, NAMES[(number + 1) % 5]: 0.3} if scored else
                     NAMES[number] if number % 3 else number)
        model, words = oracle(name, folder), AutoTokenizer.from_pretrained(folder)
        training = dict(device="cpu", dtype="float32", max_length=40, per_device_train_batch_size=8)
        recipe = recipe_of(world, folder, rows.written, "classification", training=training)
        world.program.run("loss", recipe, "--rows", world.scratch / "rows.jsonl", "--out", world.scratch / "out.safetensors")
        got, batch = load_file(world.scratch / "out.safetensors"), Answering(words, name, rows, 40)(rows.data())
        out = model(**batch)
        said = out.question_answering_score if spec.lxmert else out.logits   # of VisualBERT with labels their logarithms
        shown = got["logits"] if spec.lxmert else got["logits"].log_softmax(1)
        result.close("logits", shown, said.detach(), report.LOGITS, "logits")
        result.close("loss", got["loss"], out.loss.detach().view(1), 1e-5, "loss")
        compare_gradients(result, model, got, batch)
        told = world.program.json("classify", folder, "--rows", world.scratch / "rows.jsonl", "--device", "cpu", "--dtype", "float32", "--json")
        for row, wanted in zip(told["rows"], said.softmax(1).detach()):
            result.close("probabilities", torch.tensor([row["probabilities"][label] for label in NAMES]), wanted, report.LOGITS, "logits")
            result.same("answer", row["classes"], [NAMES[wanted.argmax()]])
        scores = batch["labels"] if not spec.lxmert else torch.nn.functional.one_hot(batch["labels"], len(NAMES)).float()
        right = scores.gather(1, said.argmax(1, keepdim=True)).mean().item()
        result.near("accuracy", told["accuracy"], right, 1e-6, "accuracy")
        result.close("metric.accuracy", got["metric.accuracy"], torch.tensor([right]), 1e-6)
    return case


def forward_case(name):
    """One row's logits, with its regions and, where the model reads texts alone, without them."""
    spec = SPECS[name]

    def case(world, result):
        folder, rows = make(name, world.checkpoints), Rows(world).add(4, text=LINES[0])
        model, words = oracle(name, folder), AutoTokenizer.from_pretrained(folder)
        for row in (rows.written[0],) + (() if spec.lxmert else (dict(text=LINES[1]),)):
            (world.scratch / "row.json").write_text(json.dumps(row))
            world.program.run("forward", folder, "--input", world.scratch / "row.json", "--out", world.scratch / "out.safetensors", "--dtype", "float32",
                              "--device", "cpu")
            got, looking = load_file(world.scratch / "out.safetensors"), Looking(words, name, rows, 64)
            ids, types = looking.encoded(row)
            batch = looking.seen([row | dict(number=0)], [ids], [types]) if "regions" in row else dict(input_ids=torch.tensor([ids]))
            with torch.no_grad():
                out = model(**batch).prediction_logits[:, :len(ids)]
            result.close("logits", got["logits"].view(out.shape), out, report.LOGITS, "logits")
    return case


def head_case(name, wanted, drawn):
    def case(world, result):
        folder, rows = make(name, world.checkpoints), Rows(world)
        said = world.program.json("head", folder, "--classes", "left,right,none", "--out", world.scratch / "with", "--json")
        result.same("architecture", said["architecture"], wanted.__name__)
        result.same("drawn", sorted(said["drawn"]), sorted(f"{part}.{slot}" for part in drawn for slot in ("weight", "bias")))
        model = loaded_whole(result, wanted, world.scratch / "with")
        result.same("answers", model.config.num_qa_labels if SPECS[name].lxmert else model.num_labels, 3)
        rows.add(4, text=LINES[0], answer="left").add(2, text=LINES[1], answer="none")
        recipe = recipe_of(world, world.scratch / "with", rows.written, "classification",
                           training=dict(max_steps=1, device="cpu", dtype="float32", per_device_train_batch_size=2))
        world.program.run("train", recipe)
    return case


def forecast_case(name, strategy, **more):
    spec = SPECS[name]

    def case(world, result):
        folder, rows = make(name, world.checkpoints), Rows(world)
        text = "a small blue square and two green triangles stand above the old harbour"
        for number in range(8):
            rows.add(12, 512, text=text, answer=NAMES[number % 5] if spec.answers else number)
        training = dict(max_steps=3, per_device_train_batch_size=8, gradient_accumulation_steps=1, device="cpu", dtype="float32",
                        gradient_checkpointing=more.pop("checkpointing", "false"), logging_steps=1, save_steps=0, max_length=40)
        recipe = recipe_of(world, folder, rows.written * 3, "classification" if spec.answers else "regions", strategy, training=training, **more)
        foreseen = world.program.json("plan", recipe, "--json")["total"]
        world.program.run("train", recipe)
        peak = max(line["memory"]["peak"] for line in train.curve(world.scratch / "run"))
        result.facts["forecast error"] = f"{100 * (foreseen / peak - 1):+.1f} %"
        result.near("forecast", foreseen, peak, 0.05, "forecast")
    return case


def refused_case(world, result):
    """Files of regions, rows, settings and configurations that nothing can come of, each by its field."""
    def ended_of(*arguments, **settings):
        shutil.rmtree(world.scratch / "run", ignore_errors=True)   # a file's numbers are read in the first step alone
        return world.program.end("train", recipe_of(world, *arguments, **settings))

    folders = {name: make(name, world.checkpoints) for name in ("visual-bert-plain", "lxmert-plain", "visual-bert-answers", "lxmert-answers")}
    features, boxes = torch.randn(3, WIDTH), torch.tensor([[0.1, 0.2, 0.5, 0.6]] * 3)
    wrong = [("lxmert-plain", dict(boxes=None), "boxes"), ("lxmert-plain", dict(boxes=boxes * 3), "boxes"), ("lxmert-plain", dict(boxes=boxes[:, [2, 3, 0, 1]]), "boxes"),
             ("lxmert-plain", dict(boxes=boxes[:2]), "boxes"), ("visual-bert-plain", dict(features=features[:, 1:]), "features"),
             ("visual-bert-plain", dict(features=None), "features"), ("visual-bert-plain", dict(features=torch.randn(2000, WIDTH), boxes=None), "features"),
             ("visual-bert-plain", dict(features=features.clone().fill_(float("nan"))), "features"), ("visual-bert-plain", dict(features=features.long()), "features"),
             ("lxmert-plain", dict(objects=torch.tensor([0, 11, 2])), "objects"), ("lxmert-plain", dict(objects=torch.tensor([0.5, 1, 2])), "objects"),
             ("lxmert-plain", dict(attribute_confidences=torch.tensor([0.5, 1.5, 0])), "attribute_confidences"),
             ("visual-bert-plain", dict(alignment=torch.tensor([[1], [2], [900]])), "alignment"),
             ("visual-bert-plain", dict(alignment=torch.tensor([[1], [2]])), "alignment")]
    training = dict(device="cpu", dtype="float32", max_steps=1, per_device_train_batch_size=2)
    for name, changed, said in wrong:
        rows = Rows(world).add(3, text="a boat").add(3, text="two boats", given=changed)
        ended = ended_of(folders[name], rows.written, training=training)
        result.expect(ended.returncode == 2 and "row 2: regions" in ended.stderr and said in ended.stderr, f"{changed.keys()}: {ended.returncode}: {ended.stderr[-300:]}")
    good = Rows(world).add(3, text="a boat").add(3, text="two boats")
    file = good.written[0]["regions"]
    for name, objective, row, said in (
            ("visual-bert-plain", "regions", dict(text="a", regions="none.safetensors"), "none.safetensors"), ("visual-bert-plain", "regions", dict(text="a"), "regions"),
            ("visual-bert-plain", "regions", dict(regions=file), "text"), ("visual-bert-plain", "regions", dict(text="a", regions=5), "regions"),
            ("visual-bert-plain", "regions", dict(text="a", regions=file, match=2), "match"), ("lxmert-plain", "regions", dict(text="a", regions=file, answer=5), "answer"),
            ("visual-bert-answers", "classification", dict(text="a", regions=file, answer="green"), "answer"),
            ("visual-bert-answers", "classification", dict(text="a", regions=file, answer=dict(yes=2)), "answer"),
            ("lxmert-answers", "classification", dict(text="a", label=1), "regions")):
        rows = [row] + [each | (dict(answer=1) if objective != "regions" else {}) for each in good.written]
        ended = ended_of(folders[name], rows, objective, training=training)
        result.expect(ended.returncode == 2 and f"row 1: {said}" in ended.stderr or said in ended.stderr, f"{row}: {ended.returncode}: {ended.stderr[-300:]}")
    for name, objective, settings, changed, said in (
            ("visual-bert-plain", "regions", dict(exchange_probability=2), {}, "exchange_probability"),
            ("visual-bert-plain", "regions", dict(mask_replace_prob=0.8, random_replace_prob=0.5), {}, "random_replace_prob"),
            ("visual-bert-plain", "regions", {}, dict(per_device_train_batch_size=1), "per_device_train_batch_size"),
            ("visual-bert-answers", "regions", {}, {}, "architectures"), ("lxmert-plain", "classification", {}, {}, "head"),
            ("lxmert-plain", "mlm", {}, {}, "objective")):
        ended = ended_of(folders[name], good.written, objective, settings=settings, training=training | changed)
        result.expect(ended.returncode == 2 and said in ended.stderr, f"{name} {objective} {settings}: {ended.returncode}: {ended.stderr[-300:]}")
    other = world.scratch / "other"
    for name, changed, said in (
            ("visual-bert-plain", dict(visual_embedding_dim=0), "visual_embedding_dim"), ("visual-bert-plain", dict(visual_embedding_dim=21), "visual_projection"),
            ("visual-bert-plain", dict(type_vocab_size=1), "type_vocab_size"), ("visual-bert-plain", dict(bypass_transformer=True), "bypass_transformer"),
            ("visual-bert-plain", dict(architectures=["VisualBertForVisualReasoning"]), "architectures"), ("lxmert-plain", dict(x_layers=0), "x_layers"),
            ("lxmert-plain", dict(l_layers=3), "l_layers"), ("lxmert-plain", dict(visual_pos_dim=5), "visual_pos_dim"), ("lxmert-plain", dict(num_qa_labels=-1), "num_qa_labels"),
            ("lxmert-plain", dict(visual_loss_normalizer="much"), "visual_loss_normalizer"), ("lxmert-plain", dict(task_qa=3), "task_qa"),
            ("lxmert-plain", dict(num_object_labels=2 ** 40), "num_object_labels")):
        other.mkdir(exist_ok=True)
        for each in folders[name].iterdir():
            (other / each.name).write_bytes(each.read_bytes())
        config = json.loads((other / "config.json").read_text())
        (other / "config.json").write_text(json.dumps(config | changed))
        ended = ended_of(other, good.written, training=training)
        result.expect(ended.returncode == 2 and said in ended.stderr, f"{changed}: {ended.returncode}: {ended.stderr[-300:]}")


def cases(everything=False):
    found = {"regions/visual-bert-plain/loss": loss_case("visual-bert-plain"), "regions/visual-bert-plain/full": train_case("visual-bert-plain", "full"),
             "regions/visual-bert-answers/loss": answers_case("visual-bert-answers"), "regions/visual-bert-answers/lora": train_case("visual-bert-answers", "lora"),
             "regions/lxmert-plain/loss": loss_case("lxmert-plain"), "regions/lxmert-plain/full": train_case("lxmert-plain", "full"),
             "regions/lxmert-answers/loss": answers_case("lxmert-answers"), "regions/refused": refused_case,
             "regions/visual-bert/head": head_case("visual-bert-plain", VisualBertForQuestionAnswering, ["cls"]),
             "regions/forecast/visual-bert-full": forecast_case("visual-bert-larger", "full"), "regions/forecast/lxmert-full": forecast_case("lxmert-larger", "full")}
    if not everything:
        return found
    lora = dict(adapter=dict(r=8, target_modules=["query", "value"]))
    return found | {
        "regions/visual-bert-own/loss": loss_case("visual-bert-own", 24, "true", exchange_probability=1.0),
        "regions/visual-bert-plain/lora": train_case("visual-bert-plain", "lora"),
        "regions/visual-bert-plain/forward": forward_case("visual-bert-plain"), "regions/lxmert-plain/forward": forward_case("lxmert-plain"),
        "regions/visual-bert-plain/resumed": train_case("visual-bert-plain", "full", resumes=True),
        "regions/visual-bert-answers/full": train_case("visual-bert-answers", "full"),
        "regions/lxmert-parts/loss": loss_case("lxmert-parts", 24, "true", exchange_probability=0.2),
        "regions/lxmert-words/loss": loss_case("lxmert-words"), "regions/lxmert-plain/lora": train_case("lxmert-plain", "lora"),
        "regions/lxmert-plain/resumed": train_case("lxmert-plain", "full", resumes=True),
        "regions/lxmert-answers/full": train_case("lxmert-answers", "full"), "regions/lxmert-answers/lora": train_case("lxmert-answers", "lora"),
        "regions/lxmert/head": head_case("lxmert-answers", LxmertForQuestionAnswering, ["answer_head.logit_fc.3"]),
        "regions/forecast/visual-bert-lora": forecast_case("visual-bert-larger", "lora", **lora),
        "regions/forecast/visual-bert-answers": forecast_case("visual-bert-answers-larger", "full"),
        "regions/forecast/visual-bert-checkpointing": forecast_case("visual-bert-larger", "full", checkpointing="true"),
        "regions/forecast/lxmert-lora": forecast_case("lxmert-larger", "lora", **lora),
        "regions/forecast/lxmert-answers": forecast_case("lxmert-answers-larger", "full"),
        "regions/forecast/lxmert-checkpointing": forecast_case("lxmert-larger", "full", checkpointing="true")}

# SPDX-License-Identifier: GPL-3.0-or-later
"""`objective: image_text_pretraining` against transformers' modules, put together by the formulas of the authors' blip2_qformer.py (BLIP-2's first stage over
Blip2ForImageTextRetrieval) and blip_pretrain.py (BLIP's joint step over BlipForImageTextRetrieval and BlipForConditionalGeneration with what they share). What
negatives, momentum copies and queues are drawn by is drawn here once more."""
import copy
import json
import math
from types import SimpleNamespace

import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import cross_entropy, layer_norm, linear
from transformers.activations import ACT2FN

import blip
import blip2_retrieval
import report
import train
from blip import felt
from blip2_retrieval import HEAD
from families.base import read, write
from matching import compare_gradients, drawn, pairs_of
from sentence_pairs import Stream, resumed
from transformers import BlipForConditionalGeneration
from two_towers import caption_forecast_case, rows, write_lines

PARTS = ("itc_weight", "itm_weight", "lm_weight")
SETTINGS = dict(itc_weight=1.0, itm_weight=1.0, lm_weight=1.0, momentum=0.0, queue_size=0, alpha=0.4, alpha_steps=0)
blip.SPECS |= {
    "blip-joint": blip.Spec("retrieval", blip.TOWER, blip.TEXT | blip.SHORT, dict(image_text_hidden_size=24)),
    "blip-joint-captioner": blip.Spec("caption", blip.TOWER, {**blip.TEXT, **blip.SHORT, "label_smoothing": 0.1}),
    "blip-joint-larger": blip.Spec("retrieval", *blip.LARGER, dict(image_text_hidden_size=64)),
    "blip-joint-larger-captioner": blip.Spec("caption", *blip.LARGER),
}


def make(name, root):
    """BLIP's retriever with a temperature; its captioner lies beside."""
    if not name.startswith("blip-joint"):
        return blip2_retrieval.make(name, root)
    fresh = not (root / name).exists()
    folder = blip.make(name, root)
    if fresh:
        file = folder / "model.safetensors"
        save_file(load_file(file) | {"temp": torch.tensor(0.09)}, file, metadata={"format": "pt"})
        write(folder / "config.json", read(folder / "config.json") | {"pretraining_head": True})
        blip.make(f"{name}-captioner", root)
    return folder


class Step(torch.nn.Module):
    """The three parts of a window; what a kind makes of pictures and texts is its own."""

    def __init__(self, joining, settings):
        super().__init__()
        self.joining, self.settings = joining, settings

    def similar(self, batch):
        """Logits of texts among pictures, of pictures among texts, and the contrast's loss."""
        out = self.model(**batch, return_loss=True, **self.scaled())
        return out.logits_per_text, out.logits_per_image, out.loss

    def forward(self, made, draws):
        count, settings, told = len(made), self.settings, {}
        ids = self.joining.texts(made)
        batch = self.joining.padded(ids) | {"pixel_values": self.joining.pixels(made)}
        told["texts"], told["pictures"], told["itc"] = self.similar(batch)
        told["pairs"] = pairs_of(told["texts"][:, :count].detach(), told["pictures"][:, :count].detach(), draws)
        texts, pictures = told["pairs"]
        read = self.joining.padded([self.joining.beside(ids[row]) for row in texts])
        told["scores"] = self.model.matched(**read, pixel_values=batch["pixel_values"][pictures])
        told["itm"] = cross_entropy(told["scores"], torch.tensor([1] * count + [0] * (2 * count)))
        told["lm"] = self.written(batch, ids)
        told["loss"] = sum(settings[weight] * told[part] for weight, part in zip(PARTS, ("itc", "itm", "lm")) if settings[weight])
        return SimpleNamespace(**told)


class StageOne(Step):
    prefixes = {"grad.": lambda self: self.named()}

    def __init__(self, folder, settings):
        super().__init__(blip2_retrieval.Joining(folder), settings)
        self.model = blip2_retrieval.oracle(folder)
        stored = load_file(folder / "model.safetensors")
        self.head = torch.nn.ParameterDict({key.replace(".", "/"): torch.nn.Parameter(stored[key].float()) for key in HEAD})

    def named(self):
        return dict(self.model.named_parameters()) | {key.replace("/", "."): tensor for key, tensor in self.head.items()}

    def scaled(self):
        return dict(scale=1 / self.head["temp"])

    def written(self, batch, ids):
        model, config = self.model, self.model.config
        part = lambda name: self.head[f"cls/predictions/{name}"]
        start, count = config.qformer_config.vocab_size - 1, config.num_query_tokens
        begun = [[start, *text[1:]] for text in ids]
        read = self.joining.padded(begun)
        known = read["attention_mask"].bool()
        places = count + known.shape[1]
        sees = torch.zeros(len(ids), places, places, dtype=torch.bool)
        sees[:, :, :count] = True
        sees[:, count:, count:] = known.unsqueeze(1) & torch.ones(known.shape[1], known.shape[1]).tril().bool()
        states = model.vision_model(batch["pixel_values"]).last_hidden_state
        out = model.qformer(query_embeds=model.embeddings(read["input_ids"], query_embeds=model.query_tokens.expand(len(ids), -1, -1)), query_length=count,
                            attention_mask=torch.zeros(sees.shape).masked_fill(~sees, torch.finfo(torch.float32).min).unsqueeze(1),
                            encoder_hidden_states=states, encoder_attention_mask=torch.ones(states.shape[:2], dtype=torch.long))
        made = ACT2FN[config.qformer_config.hidden_act](linear(out.last_hidden_state[:, count:], part("transform/dense/weight"), part("transform/dense/bias")))
        made = layer_norm(made, made.shape[-1:], part("transform/LayerNorm/weight"), part("transform/LayerNorm/bias"), config.qformer_config.layer_norm_eps)
        logits = linear(made, model.embeddings.word_embeddings.weight, part("bias"))
        labels = read["input_ids"].masked_fill(~known, -100)
        return cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), label_smoothing=0.1)

    def compare(self, world, result, strategy):
        folder = world.scratch / "run" / "model"
        blip2_retrieval.loaded(result, folder, head=True)
        compare_weights(result, load_file(folder / "model.safetensors"), self.named())


class Joint(Step):
    prefixes = {"grad.": lambda self: self.named(), "captioner_grad.": lambda self: self.named_of_writer()}

    def __init__(self, folder, settings, seed=0):
        super().__init__(blip.Joining(folder), settings)
        self.model = blip.oracle(folder)
        self.temp = torch.nn.Parameter(load_file(folder / "model.safetensors")["temp"])
        self.writer = BlipForConditionalGeneration.from_pretrained(folder.parent / f"{folder.name}-captioner", dtype=torch.float32).eval()
        own, other = self.model.text_encoder, self.writer.text_decoder.bert
        self.writer.vision_model, other.embeddings = self.model.vision_model, own.embeddings
        self.writer.text_decoder.cls.predictions.decoder.weight = own.embeddings.word_embeddings.weight
        for reads, writes in zip(own.encoder.layer, other.encoder.layer):
            for part in ("crossattention", "intermediate", "output"):
                setattr(writes, part, getattr(reads, part))
        self.copies, self.steps = copy.deepcopy(self.model), 0
        for parameter in self.copies.parameters():
            parameter.requires_grad_(False)
        width = self.model.config.image_text_hidden_size
        self.queues = [points(settings["queue_size"], width, seed, side) for side in (1, 2)]

    def named(self):
        return dict(self.model.named_parameters()) | {"temp": self.temp}

    def named_of_writer(self):
        """What is its own."""
        shared = {id(parameter) for parameter in self.model.parameters()}
        return {key: parameter for key, parameter in self.writer.named_parameters() if id(parameter) not in shared}

    def both(self, model, batch):
        """Unit vectors of pictures and texts."""
        states = model.vision_model(batch["pixel_values"]).last_hidden_state[:, 0]
        texts = model.text_encoder(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state[:, 0]
        unit = lambda made: torch.nn.functional.normalize(made, dim=-1)
        return unit(model.vision_proj(states)), unit(model.text_proj(texts))

    def similar(self, batch):
        with torch.no_grad():
            self.temp.clamp_(0.001, 0.5)
        pictures, texts = self.both(self.model, batch)
        count, settings = len(texts), self.settings
        if not settings["momentum"]:
            logits, own = texts @ pictures.t() / self.temp, torch.arange(count)
            return logits, logits.t(), (cross_entropy(logits, own) + cross_entropy(logits.t(), own)) / 2
        with torch.no_grad():
            copied = self.both(self.copies, batch)
            among = [torch.cat([side, queue]) for side, queue in zip(copied, self.queues)]    # pictures, texts
            alpha = settings["alpha"] * (min(1, self.steps / settings["alpha_steps"]) if settings["alpha_steps"] else 1)
            own = torch.eye(count, len(among[0]))
            targets = [alpha * (side @ others.t() / self.temp).softmax(1) + (1 - alpha) * own for side, others in zip(copied, reversed(among))]
        logits = pictures @ among[1].t() / self.temp, texts @ among[0].t() / self.temp
        loss = sum(-(side.log_softmax(1) * target).sum(1).mean() for side, target in zip(logits, targets)) / 2
        self.newest = copied
        return logits[1], logits[0], loss

    @torch.no_grad()
    def moved(self):
        """After a step: the copies go after the model, the queue takes the window's vectors."""
        if not self.settings["momentum"]:
            return
        size, at = self.settings["queue_size"], self.steps * len(self.newest[0])
        for queue, made in zip(self.queues, self.newest):
            for place, vector in enumerate(made):
                if size:
                    queue[(at + place) % size] = vector
        self.steps += 1
        for copied, parameter in zip(self.copies.parameters(), self.model.parameters()):
            copied.mul_(self.settings["momentum"]).add_(parameter, alpha=1 - self.settings["momentum"])

    def scaled(self):
        return {}

    def written(self, batch, ids):
        labels = [[self.joining.start, *text[1:]] for text in ids]
        longest = max(map(len, labels))
        wanted = torch.tensor([text + [-100] * (longest - len(text)) for text in labels])
        return self.writer(pixel_values=batch["pixel_values"], **self.joining.padded(labels), labels=wanted).loss

    def compare(self, world, result, strategy):
        run = world.scratch / "run"
        _, notes = blip.BlipForImageTextRetrieval.from_pretrained(run / "model", output_loading_info=True)
        result.same("missing, unexpected", [sorted(notes["missing_keys"]), sorted(notes["unexpected_keys"])], [[], ["temp"]])
        writer, notes = BlipForConditionalGeneration.from_pretrained(run / "captioner", output_loading_info=True)
        result.same("captioner: missing, unexpected", [sorted(notes["missing_keys"]), sorted(notes["unexpected_keys"])], [[], []])
        compare_weights(result, load_file(run / "model" / "model.safetensors"), self.named())
        compare_weights(result, dict(writer.named_parameters()), dict(self.writer.named_parameters()))


def points(size, width, seed, side):
    """As engine/objectives/momentum_queue.cpp draws them."""
    made = torch.empty(size, width, dtype=torch.float64)
    for row in range(size):
        draws = Stream(seed, side, row)
        for place in range(width):
            radius = math.sqrt(-2 * math.log(1 - draws.unit()))
            made[row, place] = radius * math.cos(2 * math.pi * draws.unit())
    return (made / made.norm(dim=1, keepdim=True)).float()


def silent(key):
    return key.endswith(".key.bias")


def compare_weights(result, got, wanted):
    if not result.same("tensors", sorted(got), sorted(wanted)):
        return
    for key, tensor in wanted.items():
        if not silent(key):
            result.close(key, felt(key, got[key].float()), felt(key, tensor.detach()), train.WEIGHTS, "weights")


def stepping(folder, settings, seed):
    return Joint(folder, settings, seed) if folder.name.startswith("blip-joint") else StageOne(folder, settings)


def recipe_of(world, folder, made, settings, strategy="full", **training):
    given = {key: value for key, value in settings.items() if key != "captioner"}
    if folder.name.startswith("blip-joint") and settings["lm_weight"]:
        given["captioner"] = str(folder.parent / f"{folder.name}-captioner")
    recipe = dict(model=str(folder), dataset=write_lines(world.scratch / "train.jsonl", made), output_dir=str(world.scratch / "run"),
                  objective="image_text_pretraining", strategy=strategy, image_text_pretraining=given,
                  training=dict(device="cpu", dtype="float32", gradient_checkpointing="false") | training)
    if strategy == "freeze":
        recipe["freeze"] = dict(vision_tower=True, projector=False, language_model=False)
    (world.scratch / "recipe.yaml").write_text(json.dumps(recipe))
    return world.scratch / "recipe.yaml"


def loss_case(name, **changed):
    settings = SETTINGS | changed

    def case(world, result):
        folder, made = make(name, world.checkpoints), rows(world, 5)
        recipe = recipe_of(world, folder, made, settings, per_device_train_batch_size=5, seed=3)
        world.program.run("loss", recipe, "--rows", world.scratch / "train.jsonl", "--out", world.scratch / "out.safetensors")
        got, step = load_file(world.scratch / "out.safetensors"), stepping(folder, settings, 3)
        if settings["queue_size"]:
            for key, queue in zip(("image_queue", "text_queue"), step.queues):
                result.close(key, got[key], queue, 1e-6, "queue")
        out = step(made, got["draws"].tolist() if settings["itm_weight"] else [[0.5] * 5] * 2)
        out.loss.backward()
        if settings["itm_weight"]:
            result.same("pairs", [got["pair_texts"].tolist(), got["pair_pictures"].tolist()], [list(side) for side in out.pairs])
            result.close("itm_score", got["itm_score"], out.scores.detach(), report.LOGITS, "logits")
        if settings["itc_weight"]:
            result.close("logits_per_text", got["logits_per_text"], out.texts.detach(), report.LOGITS, "logits")
            result.close("logits_per_image", got["logits_per_image"], out.pictures.detach(), report.LOGITS, "logits")
        result.close("loss", got["loss"], out.loss.detach().view(1), 1e-5, "loss")
        for weight, part in zip(PARTS, ("itc", "itm", "lm")):
            if settings[weight]:
                result.close(part, got[f"metric.{part}_loss"], getattr(out, part).detach().view(1), 1e-5, "loss")
        for prefix, named in step.prefixes.items():
            if prefix == "grad." or settings["lm_weight"]:
                compare_gradients(result, SimpleNamespace(silent=silent, felt=felt), got, named(step), prefix)
    return case


def train_case(name, strategy="full", resumes=False, checkpointing="false", **changed):
    settings = SETTINGS | changed

    def case(world, result):
        folder, made = make(name, world.checkpoints), rows(world, 12)
        steps = train.DEFAULTS | dict(max_steps=5, per_device_train_batch_size=4, gradient_accumulation_steps=1, learning_rate=1e-3)
        recipe = recipe_of(world, folder, made, settings, strategy,
                           **steps | dict(gradient_checkpointing=checkpointing, logging_steps=1, save_steps=2 if resumes else 0, save_total_limit=9))
        world.program.run("train", recipe)
        step = stepping(folder, settings, steps["seed"])
        trained = [parameter for parameter in step.parameters() if parameter.requires_grad]
        if strategy == "freeze":
            trained = [parameter for key, parameter in step.named().items() if not key.startswith("vision_model.")]
            for parameter in step.model.vision_model.parameters():
                parameter.requires_grad_(False)
        optimizer, log = torch.optim.AdamW(trained, lr=steps["learning_rate"], betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0), []
        for number in range(steps["max_steps"]):
            optimizer.zero_grad()
            at = 4 * number % len(made)
            out = step(made[at:at + 4], drawn(steps["seed"], number, 4))
            out.loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(trained, steps["max_grad_norm"]).item()
            optimizer.step()
            if isinstance(step, Joint):
                step.moved()
            log.append(dict(loss=out.loss.item(), grad_norm=norm, itc_loss=out.itc.item(), itm_loss=out.itm.item(), lm_loss=out.lm.item()))
        got = train.curve(world.scratch / "run")
        result.same("steps", len(got), len(log))
        for number, (line, wanted) in enumerate(zip(got, log), 1):
            for key, value in wanted.items():
                result.near(f"step {number} {key}", line.get(key, float("nan")), value, train.CURVE, key)
        step.compare(world, result, strategy)
        if resumes:
            resumed(world, result, recipe, ("model", "captioner") if isinstance(step, Joint) else ("model",))
    return case


def second_stage_case(world, result):
    """What the first stage left is the tower and the Q-Former of the second's checkpoint."""
    import composed
    folder = make("blip2-stage-one", world.checkpoints)
    told = world.program.json("compose", "--tower", folder, "--connector", "qformer", "--language-model", composed.half(world, "opt"), "--out",
                              world.scratch / "second", "--json")
    composed.check_loading(result, told, world.scratch / "second")
    first, second = load_file(folder / "model.safetensors"), load_file(world.scratch / "second" / "model.safetensors")
    taken = [key for key in second if key.startswith(("vision_model.", "qformer.", "query_tokens"))]
    result.expect("query_tokens" in taken and any(".crossattention." in key for key in taken), f"taken: {len(taken)}")
    for key in taken:
        result.expect(torch.equal(first[key].to(second[key].dtype), second[key]), f"{key} is not the first stage's")
    config = read(world.scratch / "second" / "config.json")
    result.same("queries, layers", [config["num_query_tokens"], config["qformer_config"]["num_hidden_layers"], config["qformer_config"]["use_qformer_text_input"]],
                [5, 3, False])


def refused_case(world, result):
    """Folders that lack a head, a writer or a class, captioners of other sizes, windows of one row; nothing is left behind."""
    joint, stage = make("blip-joint", world.checkpoints), make("blip2-stage-one", world.checkpoints)
    bare, other = blip.make("blip-retrieval", world.checkpoints), blip.make("blip-caption-uneven", world.checkpoints)
    captioner, made = joint.parent / "blip-joint-captioner", rows(world, 4)

    def refused(folder, said, given, strategy="full", together=2, **training):
        recipe = dict(model=str(folder), dataset=write_lines(world.scratch / "train.jsonl", made), output_dir=str(world.scratch / "run"),
                      objective="image_text_pretraining", strategy=strategy, image_text_pretraining=given,
                      training=dict(per_device_train_batch_size=together, gradient_accumulation_steps=1, max_steps=1) | training)
        (world.scratch / "recipe.yaml").write_text(json.dumps(recipe))
        ended = world.program.end("train", world.scratch / "recipe.yaml")
        result.expect(ended.returncode == 2 and said in ended.stderr, f"{said}: exit {ended.returncode}: {ended.stderr[-300:]}")
        result.expect(not (world.scratch / "run").exists(), f"{said}: a run that cannot be left a folder")
    refused(bare, "head MODEL --of pretraining", dict(captioner=str(captioner)))
    refused(blip2_retrieval.make("blip2-retrieval", world.checkpoints), "head MODEL --of pretraining", {})
    refused(captioner, "is not pretrained", {})
    refused(joint, "image_text_pretraining.captioner", {})
    refused(joint, "vision_config", dict(captioner=str(other)))
    refused(joint, "image_text_pretraining.captioner", dict(captioner=str(stage)))
    refused(joint, "image_text_pretraining.captioner", dict(captioner=str(world.scratch / "nowhere")))
    refused(joint, "strategy", dict(captioner=str(captioner)), "freeze")
    refused(stage, "strategy", {}, "lora")
    refused(stage, "image_text_pretraining.captioner", dict(captioner=str(captioner)))
    refused(stage, "momentum", dict(momentum=0.995))
    refused(joint, "training.dtype", dict(captioner=str(captioner), momentum=0.995), dtype="bfloat16", device="cpu")
    refused(joint, "queue_size", dict(captioner=str(captioner), queue_size=8))
    refused(stage, "itc_weight", dict(itc_weight=0, itm_weight=0, lm_weight=0))
    refused(stage, "per_device_train_batch_size", {}, together=1)


def forecast_case(name, strategy="full", **changed):
    given = {key: value for key, value in changed.items() if key != "captioner"}

    def settings(world):
        return given | (dict(captioner=str(world.checkpoints / f"{name}-captioner")) if name.startswith("blip-joint") and given.get("lm_weight", 1) else {})
    more = dict(freeze=dict(vision_tower=True, projector=False, language_model=False)) if strategy == "freeze" else {}
    return caption_forecast_case(make, name, strategy, "image_text_pretraining", image_text_pretraining=settings, **more)


def cases(everything=False):
    momentum = dict(momentum=0.9, queue_size=6, alpha_steps=3)
    found = {"pretraining/stage-one/loss": loss_case("blip2-stage-one"),
             "pretraining/stage-one/freeze": train_case("blip2-stage-one", "freeze"),
             "pretraining/stage-one/second-stage": second_stage_case,
             "pretraining/stage-one-uneven/loss": loss_case("blip2-stage-one-uneven", itc_weight=0.5, itm_weight=2.0, lm_weight=0.25),
             "pretraining/joint/loss": loss_case("blip-joint"),
             "pretraining/joint/momentum-loss": loss_case("blip-joint", **momentum | dict(alpha_steps=0)),
             "pretraining/joint/momentum-full": train_case("blip-joint", resumes=True, **momentum),
             "pretraining/refused": refused_case,
             "pretraining/forecast/stage-one": forecast_case("blip2-larger", "freeze"),
             "pretraining/forecast/momentum": forecast_case("blip-joint-larger", momentum=0.995, queue_size=512)}
    if everything:
        found |= {f"pretraining/stage-one/{left}-alone": loss_case("blip2-stage-one", **{weight: 1.0 * (weight == left) for weight in PARTS}) for left in PARTS}
        found |= {"pretraining/joint/itm-alone": loss_case("blip-joint", itc_weight=0.0, lm_weight=0.0),
                  "pretraining/joint/full": train_case("blip-joint", checkpointing="true"),
                  "pretraining/stage-one-uneven/full": train_case("blip2-stage-one-uneven", resumes=True),
                  "pretraining/forecast/stage-one-full": forecast_case("blip2-larger"),
                  "pretraining/forecast/joint": forecast_case("blip-joint-larger")}
    return found

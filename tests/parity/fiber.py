# SPDX-License-Identifier: GPL-3.0-or-later
"""FIBER (Dou et al. 2022), of which transformers has no class, against fiber_parts.py's. Contrast by two_towers.py's cases, matching by matching.py's, covered words
beside a picture, the three in one step, answers, and the published names turned into the layout that docs/lab.md describes."""
import json
import re
import sys
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from torch.nn.functional import cross_entropy
from transformers import RobertaConfig, RobertaModel, SwinConfig, SwinModel

import matching
import report
import train
import two_towers
from blip import SimpleOutput
from encoder_decoders import padded
from encoders import GOLDEN, WORD, Covering, covered, mixed
from families.base import read, write
from fiber_parts import NAMES, SPECS, Joining, make, oracle, published, stored
from matching import compare_gradients, drawn, pairs_of
from sentence_pairs import Stream
from two_towers import caption_forecast_case, rows, write_lines

KIND = sys.modules[__name__]
MODEL_TYPE = "fiber"
HEADS = ("image_fusion.", "text_fusion.", "cross_modal_", "itm_score.", "mlm_score.", "vqa_classifier.", "temp")
PARTS = {"vision_tower": ("swin.",), "projector": HEADS, "language_model": ("roberta.",)}
STEPS = dict(adam_epsilon=1e-5)   # as in pictures_alone.py: gradients that are rounding alone shall not be whole steps


class Beside(Covering):
    """Micro-batch after micro-batch of rows whose words are covered as the engine does; `index`: of the stream."""

    def __init__(self, joining, seed, settings):
        super().__init__(joining.tokenizer, seed, settings)
        self.joining = joining

    def __call__(self, made):
        special = self.tokenizer.all_special_ids
        texts = [dict(input_ids=ids, labels=[-100 if id in special else id for id in ids]) for ids in self.joining.texts(made)]
        return super().__call__(texts) | {"pixel_values": self.joining.pixels(made)}


class Answering:
    def __init__(self, joining):
        self.joining = joining

    def __call__(self, made):
        wanted = torch.zeros(len(made), len(NAMES))
        for row, each in enumerate(made):
            for name, score in (each["answer"] if isinstance(each["answer"], dict) else {each["answer"]: 1.0}).items():
                wanted[row, NAMES.index(name) if isinstance(name, str) else name] = score
        return self.joining.read(made) | {"labels": wanted}


def silent(key):
    """A softmax is blind to what all keys have alike."""
    return key.endswith((".key.bias", ".k_proj.bias"))


def felt(key, tensor):
    return tensor


def with_adapter(model, world, recipe, strategy, **more):
    if strategy == "freeze":
        for key, parameter in model.named_parameters():
            parameter.requires_grad_(key.startswith(HEADS))
    if strategy != "lora":
        return model
    model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules=["query", "value", "q_proj", "v_proj", "fc1", "dense"], lora_dropout=0.0, **more))
    model.save_pretrained(world.scratch / "start")
    recipe["adapter"] = dict(init_from=str(world.scratch / "start"))
    return model


def compare_results(world, result, name, model, strategy):
    if strategy == "lora":
        got, wanted, slack = load_file(world.scratch / "run" / "adapter" / "adapter_model.safetensors"), get_peft_model_state_dict(model), 0
    else:
        got = load_file(world.scratch / "run" / "model" / "model.safetensors")
        wanted, slack = {stored(key): tensor for key, tensor in model.named_parameters()}, {"float32": 0, "bfloat16": 2 ** -8}[SPECS[name].dtype]
    if not result.same("tensors", sorted(got), sorted(wanted)):
        return
    for key, tensor in wanted.items():
        if not silent(key):
            result.close(key, got[key].float(), tensor.detach(), train.WEIGHTS + slack, "adapter" if strategy == "lora" else "weights")


def recipe_of(world, folder, made, objective, strategy="full", settings=None, **training):
    recipe = dict(model=str(folder), dataset=write_lines(world.scratch / "train.jsonl", made), output_dir=str(world.scratch / "run"), objective=objective,
                  strategy=strategy, training=dict(device="cpu", dtype="float32", gradient_checkpointing="false") | training) | (settings or {})
    (world.scratch / "recipe.yaml").write_text(json.dumps(recipe, ensure_ascii=False))
    return recipe


def loss_of(world, folder, made, objective, **given):
    recipe_of(world, folder, made, objective, **given)
    world.program.run("loss", world.scratch / "recipe.yaml", "--rows", world.scratch / "train.jsonl", "--out", world.scratch / "out.safetensors")
    return load_file(world.scratch / "out.safetensors")


COVERING = dict(mlm_probability=0.4, mask_replace_prob=0.7, random_replace_prob=0.2)


def covered_case(name, checkpointing="false"):
    """`objective: mlm` on rows with pictures."""
    def case(world, result):
        folder, made = make(name, world.checkpoints), rows(world, 5)
        got = loss_of(world, folder, made, "mlm", settings=dict(mlm=COVERING), per_device_train_batch_size=5, seed=11, gradient_checkpointing=checkpointing)
        model, batch = oracle(folder), Beside(Joining(folder), 11, COVERING)(made)
        for key in ("input_ids", "attention_mask", "labels"):
            result.same(key, got[key].tolist(), batch[key].tolist())
        out = model(**batch)
        out.loss.backward()
        result.close("loss", got["loss"], out.loss.detach().view(1), 1e-5, "loss")
        compare_gradients(result, KIND, got, dict(model.named_parameters()))
    return case


def train_case(name, objective, strategy="full", checkpointing="false"):
    """`mlm` beside pictures, or answers to questions about them."""
    answers = objective == "classification"

    def case(world, result):
        folder, made = make(name, world.checkpoints), rows(world, 12)
        if answers:
            made = [dict(row, answer=NAMES[at % 4] if at % 3 else {NAMES[at % 4]: 1.0, NAMES[(at + 1) % 4]: 0.3}) for at, row in enumerate(made)]
        steps = train.DEFAULTS | STEPS | dict(max_steps=5, per_device_train_batch_size=3, gradient_accumulation_steps=1, learning_rate=1e-3)
        recipe = recipe_of(world, folder, made, objective, strategy, {} if answers else dict(mlm=COVERING), **steps, logging_steps=1, save_steps=0)
        recipe["training"]["gradient_checkpointing"] = checkpointing
        model = with_adapter(oracle(folder), world, recipe, strategy, **(dict(modules_to_save=["vqa_classifier"]) if answers else {}))
        if answers and strategy == "lora":
            recipe["adapter"]["modules_to_save"] = ["vqa_classifier"]
        (world.scratch / "recipe.yaml").write_text(json.dumps(recipe))
        world.program.run("train", world.scratch / "recipe.yaml")
        joining = Joining(folder)
        collate = Answering(joining) if answers else Beside(joining, steps["seed"], COVERING)
        log = train.trained_by_transformers(model, collate, made, [], steps, world.scratch / "oracle")
        train.compare_curves(result, train.curve(world.scratch / "run"), log)
        compare_results(world, result, name, model, strategy)
    return case


class Step:
    """Contrast, matching and covered words of a window."""

    def __init__(self, folder, seed, settings):
        self.model, self.joining, self.seed, self.settings, self.number = oracle(folder), Joining(folder), seed, settings, 0

    def __call__(self, made, draws=None):
        count, ids, told = len(made), self.joining.texts(made), {}
        batch = self.joining.read(made)
        with torch.no_grad():
            self.model.temp.clamp_(0.001, 1.0)
        out = self.model(**batch, return_loss=True)
        told["texts"], told["itc"] = out.logits_per_text, out.loss
        own = drawn(self.seed, self.number, count)
        told["pairs"] = pairs_of(out.logits_per_text.detach(), out.logits_per_image.detach(), draws or own)
        seed = mixed((self.seed * GOLDEN + (self.number + 1) * 0xD1B54A32D192ED03) & WORD)
        self.number += 1
        texts, pictures = told["pairs"]
        told["scores"] = self.model.matched(**self.joining.padded([ids[row] for row in texts]), pixel_values=batch["pixel_values"][pictures])
        told["itm"] = cross_entropy(told["scores"], torch.tensor([1] * count + [0] * (2 * count)))
        special = self.joining.tokenizer.all_special_ids
        rule = dict(mlm_probability=0.15, mask_replace_prob=0.8, random_replace_prob=0.1)
        hidden = [covered(row, [-100 if id in special else id for id in row], Stream(seed, place, 1), self.joining.tokenizer, rule)
                  for place, row in enumerate(ids)]
        told["covered"] = hidden
        logits = self.model.said(**self.joining.padded([row for row, _ in hidden]), pixel_values=batch["pixel_values"])
        told["mlm"] = cross_entropy(logits.flatten(0, 1), padded([labels for _, labels in hidden], -100).flatten())
        told["loss"] = sum(weight * told[part] for weight, part in zip(self.settings, ("itc", "itm", "mlm")) if weight)
        return SimpleOutput(told)


def joint_case(name, weights=(1.0, 1.0, 1.0), checkpointing="false"):
    def case(world, result):
        folder, made = make(name, world.checkpoints), rows(world, 5)
        given = dict(zip(("itc_weight", "itm_weight", "lm_weight"), weights))
        got = loss_of(world, folder, made, "image_text_pretraining", settings=dict(image_text_pretraining=given), per_device_train_batch_size=5, seed=3,
                      gradient_checkpointing=checkpointing)
        step = Step(folder, 3, weights)
        out = step(made, got["draws"].tolist())
        out.loss.backward()
        result.same("pairs", [got["pair_texts"].tolist(), got["pair_pictures"].tolist()], [list(side) for side in out.pairs])
        wanted = [sum(side, []) for side in zip(*out.covered)]   # behind the rows stands filler
        result.same("covered", [got[f"covered_{what}"].tolist()[:len(wanted[0])] for what in ("ids", "labels")], wanted)
        result.close("itm_score", got["itm_score"], out.scores.detach(), report.LOGITS, "logits")
        for part in ("itc", "itm", "mlm"):
            result.close(part, got[f"metric.{part}_loss"], out[part].detach().view(1), 1e-5, "loss")
        result.close("loss", got["loss"], out.loss.detach().view(1), 1e-5, "loss")
        compare_gradients(result, KIND, got, dict(step.model.named_parameters()))
    return case


def joint_train_case(name, strategy="full", checkpointing="false"):
    def case(world, result):
        folder, made = make(name, world.checkpoints), rows(world, 12)
        steps = train.DEFAULTS | STEPS | dict(max_steps=5, per_device_train_batch_size=4, gradient_accumulation_steps=1, learning_rate=1e-3)
        recipe_of(world, folder, made, "image_text_pretraining", strategy, **steps, logging_steps=1, save_steps=0)
        world.program.run("train", world.scratch / "recipe.yaml")
        step = Step(folder, steps["seed"], (1.0, 1.0, 1.0))
        with_adapter(step.model, world, {}, strategy)
        trained = [parameter for parameter in step.model.parameters() if parameter.requires_grad]
        optimizer, log = torch.optim.AdamW(trained, lr=1e-3, betas=(0.9, 0.999), eps=STEPS["adam_epsilon"], weight_decay=0.0), []
        for number in range(5):
            optimizer.zero_grad()
            at = 4 * number % len(made)
            out = step(made[at:at + 4])
            out.loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(trained, steps["max_grad_norm"]).item()
            optimizer.step()
            log.append(dict(loss=out.loss.item(), grad_norm=norm, mlm_loss=out.mlm.item(), itm_loss=out.itm.item()))
        got = train.curve(world.scratch / "run")
        result.same("steps", len(got), len(log))
        for number, (line, wanted) in enumerate(zip(got, log), 1):
            for key, value in wanted.items():
                result.near(f"step {number} {key}", line.get(key, float("nan")), value, train.CURVE, key)
        compare_results(world, result, name, step.model, strategy)
    return case


def answers_case(world, result):
    """A head of answers drawn, what `classify` says under it, and the loss of answers with scores."""
    source, made = make("fiber-plain", world.checkpoints), rows(world, 4)
    told = world.program.json("head", source, "--classes", ",".join(NAMES), "--says", "several", "--out", world.scratch / "with", "--json")
    result.same("architecture", told["architecture"], "FiberForQuestionAnswering")
    result.same("drawn", sorted(told["drawn"]), sorted(f"vqa_classifier.{part}.{slot}" for part in (0, 1, 3) for slot in ("weight", "bias")))
    folder = make("fiber-answers", world.checkpoints)
    made = [dict(row, answer=answer) for row, answer in zip(made, ("red", 1, {"two": 1.0, "no": 0.3}, "yes"))]
    got, batch = loss_of(world, folder, made, "classification", per_device_train_batch_size=4), Answering(Joining(folder))(made)
    model = oracle(folder)
    out = model(**batch)
    out.loss.backward()
    result.close("logits", got["logits"], out.logits.detach(), report.LOGITS, "logits")
    result.close("loss", got["loss"], out.loss.detach().view(1), 1e-5, "loss")
    compare_gradients(result, KIND, got, dict(model.named_parameters()))
    told = world.program.json("classify", folder, "--rows", world.scratch / "train.jsonl", "--device", "cpu", "--dtype", "float32", "--json")
    for row, wanted in zip(told["rows"], out.logits.sigmoid().detach()):
        result.close("probabilities", torch.tensor([row["probabilities"][label] for label in NAMES]), wanted, report.LOGITS, "logits")


def published_case(world, result):
    """The lines of docs/lab.md make our layout of the authors' names."""
    folder = make("fiber-plain", world.checkpoints)
    model = oracle(folder)
    text = (Path(__file__).parents[2] / "docs" / "lab.md").read_text()
    code = text[text.index("def fiber_layout("):]
    scope = {"re": re}
    exec(code[:code.index("```")], scope)   # our own documentation
    got, wanted = scope["fiber_layout"](published(model), model.count), load_file(folder / "model.safetensors")
    if result.same("tensors", sorted(got), sorted(wanted)):
        for key, tensor in wanted.items():
            result.expect(torch.equal(got[key], tensor), key)


def parts_case(world, result):
    """What has a class loads from the folder by itself."""
    folder = make("fiber-plain", world.checkpoints)
    content = read(folder / "config.json")
    for made, config, section, more in ((SwinModel, SwinConfig, "vision_config", {}), (RobertaModel, RobertaConfig, "text_config", {})):
        _, notes = made.from_pretrained(folder, config=config(**content[section]), add_pooling_layer=False, output_loading_info=True, **more)
        result.same(f"{made.__name__}: missing", sorted(notes["missing_keys"]), [])


def refused_case(world, result):
    """Configurations, rows and settings that nothing can come of, each by its field; nothing is left behind."""
    folder, answers, made = make("fiber-plain", world.checkpoints), make("fiber-answers", world.checkpoints), rows(world, 3)
    (world.scratch / "rows.json").write_text(json.dumps(made))

    def said(change, tensors=lambda key: True):
        other = world.scratch / "other"
        other.mkdir(exist_ok=True)
        for file in folder.iterdir():
            (other / file.name).write_bytes(file.read_bytes())
        content = read(other / "config.json")
        change(content)
        write(other / "config.json", content)
        save_file({key: tensor for key, tensor in load_file(folder / "model.safetensors").items() if tensors(key)}, other / "model.safetensors",
                  metadata={"format": "pt"})
        done = world.program.end("forward", other, "--input", world.scratch / "rows.json", "--out", world.scratch / "out.safetensors")
        return done.returncode, done.stderr

    for told, change, tensors in (("architectures", lambda config: config.update(architectures=["FiberForBoxes"]), lambda key: True),
                                  ("num_fuse_block", lambda config: config.update(num_fuse_block=4), lambda key: True),
                                  ("vision_config", lambda config: config["vision_config"].update(model_type="vit"), lambda key: True),
                                  ("image_size", lambda config: config["vision_config"].update(image_size=16), lambda key: True),
                                  ("pad_token_id", lambda config: config["text_config"].update(pad_token_id=None), lambda key: True),
                                  ("text_fusion.1.alpha", lambda config: None, lambda key: key != "text_fusion.1.alpha")):
        status, text = said(change, tensors)
        result.expect(status == 2 and told in text, f"{told}: {status}, {text.strip()[-300:]}")
    for model, objective, data, told in ((folder, "mlm", [{"text": "no picture"}] * 2, "image"), (answers, "classification", [{"text": "a", "label": "no"}] * 2, "question"),
                                         (answers, "classification", [dict(made[0], answer="maybe")] * 2, "answer"), (answers, "contrastive", made, "objective"),
                                         (folder, "classification", [dict(made[0], answer="no")] * 2, "head"),
                                         (folder, "matching", [{"text": "no picture"}] * 2, "image")):
        recipe_of(world, model, data, objective, per_device_train_batch_size=2, gradient_accumulation_steps=1, max_steps=1)
        ended = world.program.end("train", world.scratch / "recipe.yaml")
        result.expect(ended.returncode == 2 and told in ended.stderr, f"{objective} {told}: {ended.returncode}, {ended.stderr.strip()[-300:]}")
        result.expect(not (world.scratch / "run").exists(), f"{objective}: a run that cannot be left a folder")


def forecast_case(objective, strategy, name="fiber-larger", **settings):
    made = caption_forecast_case(make, name, strategy, objective, **settings)

    def case(world, result):
        made(world, result)
        error = float(result.facts["forecast error"].split()[0])
        result.expect(abs(error) <= 5, f"the forecast is {error} % off")
    return case


def cases(everything=False):
    contrast = lambda name, *given, **settings: two_towers.train_case(name, *given, kind=KIND, **settings)
    found = {"fiber/fiber-plain/forward": two_towers.forward_case("fiber-plain", KIND),
             "fiber/fiber-plain/matching-loss": matching.loss_case(KIND, "fiber-plain", 1.0),
             "fiber/fiber-uneven/joint": joint_case("fiber-uneven", (0.5, 2.0, 1.5)),
             "fiber/fiber-plain/mlm-lora": train_case("fiber-plain", "mlm", "lora", "true"),
             "fiber/fiber-plain/joint-full": joint_train_case("fiber-plain"),
             "fiber/answers": answers_case, "fiber/published": published_case, "fiber/refused": refused_case,
             "fiber/forecast/joint-full": forecast_case("image_text_pretraining", "full")}
    if not everything:
        return found
    found |= {"fiber/fiber-uneven/forward": two_towers.forward_case("fiber-uneven", KIND), "fiber/fiber-plain/info": two_towers.info_case("fiber-plain", KIND),
              "fiber/fiber-plain/similarity": two_towers.similarity_case("fiber-plain", KIND), "fiber/parts": parts_case,
              "fiber/fiber-plain/contrastive-full": contrast("fiber-plain", "full"), "fiber/fiber-plain/contrastive-freeze": contrast("fiber-plain", "freeze"),
              "fiber/fiber-plain/contrastive-cached": contrast("fiber-plain", "full", 2, 2, contrastive=dict(gradient_cache=True)),
              "fiber/fiber-uneven/matching-loss": matching.loss_case(KIND, "fiber-uneven", 0.0),
              "fiber/fiber-plain/joint": joint_case("fiber-plain", checkpointing="true"),
              "fiber/fiber-plain/joint-freeze": joint_train_case("fiber-plain", "freeze"),
              "fiber/fiber-plain/mlm": covered_case("fiber-plain"), "fiber/fiber-uneven/mlm": covered_case("fiber-uneven", "true"),
              "fiber/fiber-plain/mlm-full": train_case("fiber-plain", "mlm"), "fiber/fiber-plain/mlm-freeze": train_case("fiber-plain", "mlm", "freeze")}
    found |= {f"fiber/fiber-plain/matching-{strategy}": matching.train_case(KIND, "fiber-plain", strategy, 4, 1, checkpointing)
              for strategy, checkpointing in (("full", "false"), ("lora", "true"), ("freeze", "false"))}
    found |= {f"fiber/fiber-answers/{strategy}": train_case("fiber-answers", "classification", strategy) for strategy in ("full", "lora", "freeze")}
    return found | {f"fiber/forecast/{objective}-{strategy}": forecast_case(objective, strategy) for objective in ("contrastive", "matching")
                    for strategy in ("full", "lora", "freeze")}

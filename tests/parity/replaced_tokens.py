# SPDX-License-Identifier: GPL-3.0-or-later
"""ELECTRA's joint step (`objective: replaced_tokens`) against ElectraForMaskedLM and ElectraForPreTraining of transformers over the same tables, put together
as the authors' run_pretraining does, and DeBERTa v3's against its layers, put together as the authors' rtd_task does. What is covered and what the generator's words are drawn by is drawn here a second time."""
import json
import shutil

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

import encoders
import report
import train
from deberta_parts import EnhancedDeberta, ReplacedTokenDetectionModel
from encoders import LARGER, SMALL, Covering
from families.base import randomise
from sentence_pairs import LINES, Stream, loaded_whole, resumed, seeded, write
from text_encoders import KINDS

TABLES = dict(embedding_size=32)
GENERATOR = SMALL | TABLES | dict(hidden_size=24, intermediate_size=40, num_attention_heads=2)
SPECS = {
    "electra-joint": (SMALL | TABLES | dict(hidden_act="gelu_new"), GENERATOR),
    # One of the two projects its tables, the other does not.
    "electra-joint-wide": (SMALL | dict(embedding_size=48, num_hidden_layers=3), GENERATOR | dict(embedding_size=48, num_hidden_layers=1, hidden_act="relu")),
    "electra-joint-larger": (SMALL | LARGER | dict(embedding_size=64),
                             SMALL | LARGER | dict(embedding_size=64, hidden_size=64, intermediate_size=256, num_attention_heads=2)),
}
V3 = encoders.DEBERTA | dict(share_att_key=True, norm_rel_ebd="layer_norm", position_buckets=8)
BIASED = V3 | dict(position_biased_input=True, type_vocab_size=2, embedding_size=32)
SPECS |= {
    "deberta-joint": (V3 | dict(num_hidden_layers=3), V3 | dict(legacy=False, enhanced_mask_decoder=True)),
    # Words and positions are in common, types and norms are not.
    "deberta-joint-biased": (BIASED | dict(hidden_act="relu"), BIASED | dict(hidden_size=24, intermediate_size=40, num_attention_heads=2)),
    "deberta-joint-larger": (V3 | LARGER | dict(position_buckets=32), V3 | LARGER | dict(position_buckets=32, num_hidden_layers=2, enhanced_mask_decoder=True)),
}


def parts_of(name):
    """Body, configuration, and the classes of the discriminator and of the generator."""
    if not name.startswith("deberta"):
        return "electra", transformers.ElectraConfig, transformers.ElectraForPreTraining, transformers.ElectraForMaskedLM
    generator = EnhancedDeberta if SPECS[name][1].get("enhanced_mask_decoder") else transformers.DebertaV2ForMaskedLM
    return "deberta", transformers.DebertaV2Config, ReplacedTokenDetectionModel, generator


def make(name, root):
    """The discriminator's folder and the generator's, whose tables are not yet the discriminator's."""
    folder, other = root / name, root / f"{name}-generator"
    if other.exists():
        return folder, other
    body, config, discriminator, generator = parts_of(name)
    words = KINDS["deberta-v2" if body == "deberta" else body].tokenizer()
    for made, options, kind in ((folder, SPECS[name][0], discriminator), (other, SPECS[name][1], generator)):
        model = kind(config(vocab_size=len(words) + 2, pad_token_id=words.pad_token_id, **options))
        randomise(model, seed=sum(made.name.encode()))
        with torch.no_grad():
            for key, parameter in model.named_parameters():
                if key.lower().endswith("layernorm.weight"):
                    parameter.copy_(1 + parameter)
        words.save_pretrained(made)
        model.save_pretrained(made)
    return folder, other


class Disentangled(torch.nn.Module):
    """A table of the discriminator's: what is its own, and the generator's without a gradient."""

    def __init__(self, own, other):
        super().__init__()
        self.weight, self.other, self.padding = torch.nn.Parameter((own.weight - other.weight).detach()), [other], own.padding_idx

    def whole(self):
        return (self.weight + self.other[0].weight).detach()

    def forward(self, ids):
        look = torch.nn.functional.embedding
        return look(ids, self.weight, self.padding) + look(ids, self.other[0].weight.detach())


class Joint(torch.nn.Module):
    def __init__(self, folder, other, weight=50.0, sharing="shared"):
        super().__init__()
        self.body, _, discriminator, generator = parts_of(folder.name)
        self.discriminator, self.generator = discriminator.from_pretrained(folder).eval(), generator.from_pretrained(other).eval()
        own, others = getattr(self.discriminator, self.body).embeddings, getattr(self.generator, self.body).embeddings
        self.weight, self.sharing = weight, sharing
        self.tables = ["word_embeddings", "position_embeddings", "token_type_embeddings"]
        if self.body == "deberta":
            self.tables = self.tables[:2 if self.discriminator.config.position_biased_input else 1]
        if sharing == "shared" and self.body == "electra":
            self.generator.electra.embeddings = own
            self.generator.generator_lm_head.weight = own.word_embeddings.weight
        elif sharing == "shared":
            for table in self.tables:
                setattr(others, table, getattr(own, table))
            if self.generator.config.legacy:
                self.generator.cls.predictions.decoder.weight = own.word_embeddings.weight
        else:
            for table in self.tables:
                setattr(own, table, Disentangled(getattr(own, table), getattr(others, table)))

    def forward(self, input_ids, attention_mask, labels, units, **_):
        chosen = labels != -100
        ids, loss, told = torch.where(chosen, labels, input_ids), 0.0, {}
        replaced = ids.clone()
        if chosen.any():
            out = self.generator(input_ids=input_ids, attention_mask=attention_mask, labels=labels)
            with torch.no_grad():
                sums = out.logits[chosen].softmax(-1).cumsum(-1)
                drawn = (sums <= units[chosen].unsqueeze(1) * sums[:, -1:]).sum(-1).clamp(max=sums.shape[1] - 1)
                told["generator_accuracy"] = (out.logits[chosen].argmax(-1) == labels[chosen]).float().mean()
            replaced[chosen] = drawn
            loss = told["generator_loss"] = out.loss
        other = (replaced != ids).long()
        out = self.discriminator(input_ids=replaced, attention_mask=attention_mask, labels=other)
        told |= dict(loss=loss + self.weight * out.loss, discriminator_loss=out.loss, logits=out.logits, sampled_ids=replaced, replaced=other)
        return told

    def shared(self):
        if self.sharing != "shared":
            return set()
        names = [key for key, _ in getattr(self.discriminator, self.body).embeddings.named_parameters()]
        if self.body == "deberta":
            names = [f"{table}.weight" for table in self.tables]
        return {f"{self.body}.embeddings.{key}" for key in names}

    def results(self):
        """What either folder is to hold."""
        found = [dict(part.state_dict()) for part in (self.discriminator, self.generator)]
        if self.sharing != "shared":
            for table in self.tables:
                found[0][f"{self.body}.embeddings.{table}.weight"] = getattr(getattr(self.discriminator, self.body).embeddings, table).whole()
        return found


class Collate(Covering):
    """With the numbers that words are drawn by."""

    def __call__(self, rows):
        seed = seeded(self.seed, self.number)
        batch = super().__call__(rows)
        units = torch.zeros(batch["input_ids"].shape)
        for place, row in enumerate(rows):
            draws = Stream(seed, place, 1)
            units[place, :len(row["input_ids"])] = torch.tensor([draws.unit() for _ in row["input_ids"]], dtype=torch.float64).float()
        return batch | dict(units=units)


def data_of(words, texts, longest=60):
    return [dict(zip(("input_ids", "labels"), (part[0].tolist() for part in encoders.encoded(words, text, longest)))) for text in texts]


def covering(**settings):
    return dict(mlm_probability=0.15, mask_replace_prob=0.85, random_replace_prob=0.0) | settings


def recipe_of(world, folder, other, texts, settings=None, **more):
    (world.scratch / "recipe.yaml").write_text(json.dumps(dict(
        model=str(folder), dataset=write(world, [dict(text=text) for text in texts]), output_dir=str(world.scratch / "run"), objective="replaced_tokens",
        strategy="full", replaced_tokens=dict(generator=str(other)) | (settings or {})) | more))
    return world.scratch / "recipe.yaml"


def silent(key):
    return key.endswith("key.bias")   # in DeBERTa keys are asked by distances, so the bias has its say


def loss_case(name, checkpointing="false", weight=50, sharing="shared", **settings):
    def case(world, result):
        folder, other = make(name, world.checkpoints)
        model, words = Joint(folder, other, weight, sharing), AutoTokenizer.from_pretrained(folder)
        texts = [LINES[0], " ".join(LINES[:2]), "A", LINES[2], " ".join(LINES)]
        given = settings | dict(discriminator_weight=weight, table_sharing=sharing)
        training = dict(device="cpu", dtype="float32", gradient_checkpointing=checkpointing, max_length=60, seed=11)
        recipe = recipe_of(world, folder, other, texts, given, training=training)
        world.program.run("loss", recipe, "--rows", world.scratch / "rows.jsonl", "--out", world.scratch / "out.safetensors")
        got = load_file(world.scratch / "out.safetensors")
        batch = Collate(words, 11, covering(**settings))(data_of(words, texts))
        for key in ("input_ids", "attention_mask", "labels"):
            if not result.same(key, got[key].tolist(), batch[key].tolist()):
                return
        out, real = model(**batch), batch["attention_mask"] == 1
        result.facts |= {"covered": int((batch["labels"] != -100).sum()), "replaced": int(out["replaced"].sum())}
        for key in ("sampled_ids", "replaced"):
            result.same(key, got[key][real].tolist(), out[key][real].tolist())
        out["loss"].backward()
        result.close("logits", got["logits"][real], out["logits"].detach()[real], report.LOGITS, "logits")
        result.close("loss", got["loss"], out["loss"].detach().view(1), 1e-5, "loss")
        for key in ("generator_loss", "discriminator_loss"):
            if key in out:
                result.close(f"metric.{key}", got[f"metric.{key}"], out[key].detach().view(1), 1e-5, "loss")
        right = ((out["logits"] > 0) == (out["replaced"] == 1))[real].float().mean()
        result.close("metric.accuracy", got["metric.accuracy"], right.view(1), 1e-6)
        named = {f"grad.{key}": parameter for key, parameter in model.discriminator.named_parameters()}
        own = {f"generator_grad.{key}": parameter for key, parameter in model.generator.named_parameters() if key not in model.shared()}
        result.same("gradients", sorted(key for key in got if "grad." in key), sorted(named | own))
        for part in (named, own):
            grads = {key: torch.zeros_like(parameter) if parameter.grad is None else parameter.grad for key, parameter in part.items()}
            largest = max(grad.abs().max().item() for grad in grads.values())
            for key, grad in grads.items():
                result.close(key, got[key], grad, 1e-4, "zero grad" if silent(key) else "grad", largest if silent(key) else 0.0)
    return case


def train_case(name, dtype="float32", sharing="shared"):
    """The curve and both results; a resumed run's are the same bytes."""
    settings = dict(mlm_probability=0.3)

    def case(world, result):
        folder, other = make(name, world.checkpoints)
        model, words = Joint(folder, other, sharing=sharing), AutoTokenizer.from_pretrained(folder)
        texts = LINES[:9]
        steps = train.DEFAULTS | dict(max_steps=7, per_device_train_batch_size=3, gradient_accumulation_steps=1, learning_rate=1e-3,
                                      lr_scheduler_type="linear", warmup_steps=2, weight_decay=0.01)
        (world.scratch / "eval.jsonl").write_text("".join(json.dumps(dict(text=text), ensure_ascii=False) + "\n" for text in LINES[:4]))
        recipe = recipe_of(world, folder, other, texts, settings | dict(table_sharing=sharing), eval_dataset=str(world.scratch / "eval.jsonl"),
                           training=steps | dict(device="cpu", dtype=dtype, gradient_checkpointing="false", logging_steps=1, max_length=60, save_steps=3,
                                                 save_total_limit=5, eval_steps=7))
        world.program.run("train", recipe)
        run, lines = world.scratch / "run", train.curve(world.scratch / "run")
        last = next(line for line in reversed(lines) if line.get("eval_loss") is not None)
        for key in ("eval_accuracy", "eval_replaced", "eval_generator_accuracy"):
            result.expect(0 <= last.get(key, -1) <= 1, f"the evaluation tells {key}: {last.get(key)}")
        if dtype == "float32":
            collate = Collate(words, steps["seed"], covering(**settings))
            log = train.trained_by_transformers(model, collate, data_of(words, texts), [], steps, world.scratch / "oracle")
            train.compare_curves(result, lines, log)
        _, _, discriminator, generator = parts_of(name)
        got = loaded_whole(result, discriminator, run / "model"), loaded_whole(result, generator, run / "generator")
        if name.startswith("deberta"):
            result.same("what transformers' body misses", sorted(transformers.DebertaV2Model.from_pretrained(
                run / "model", output_loading_info=True)[1]["missing_keys"]), [])
        for mine, wanted in zip(got, model.results()) if dtype == "float32" else ():
            mine = mine.state_dict()
            if result.same("tensors", sorted(mine), sorted(wanted)):
                for key, tensor in wanted.items():
                    if not silent(key):
                        result.close(key, mine[key], tensor.detach(), train.WEIGHTS, "weights")
        tables = [load_file(run / part / "model.safetensors") for part in ("model", "generator")]
        start = load_file(folder / "model.safetensors")
        for key in model.shared():
            result.expect(torch.equal(*(each[key] for each in tables)), f"{key} is not the same in both results")
            result.expect(not torch.equal(tables[0][key], start[key]), f"{key} has not learned")
        resumed(world, result, recipe, ("model", "generator"))
    return case


def statistics_case(world, result):
    """How often a word is drawn is what the generator says of it."""
    folder, other = make("electra-joint", world.checkpoints)
    model, words, count = Joint(folder, other), AutoTokenizer.from_pretrained(folder), 1500
    recipe = recipe_of(world, folder, other, ["a small square"] * count, dict(mlm_probability=1, mask_replace_prob=1), training=dict(device="cpu", dtype="float32", seed=3))
    world.program.run("loss", recipe, "--rows", world.scratch / "rows.jsonl", "--out", world.scratch / "out.safetensors")
    got = load_file(world.scratch / "out.safetensors")
    with torch.no_grad():
        said = model.generator(input_ids=got["input_ids"][:1]).logits[0].softmax(-1)
    ids = words("a small square")["input_ids"]
    for place in range(1, got["input_ids"].shape[1] - 1):
        drawn = torch.bincount(got["sampled_ids"][:, place], minlength=said.shape[1]).double() / count
        often = said[place] * count > 5
        off = ((drawn - said[place]).abs() / (said[place] * (1 - said[place]) / count).sqrt())[often]
        result.near(f"place {place}: share of words that are rare", 1 + drawn[~often].sum().item(), 1 + said[place][~often].sum().item(), 0.05)
        result.facts[f"place {place}"] = f"{off.max():.1f} deviations"
        result.expect(off.max() < 5, f"place {place}: a word is drawn {off.max():.1f} standard deviations off")
        own = got["sampled_ids"][:, place] == ids[place]
        result.same("replaced where it is another", got["replaced"][:, place].bool().tolist(), (~own).tolist())


def fresh_case(world, result, sharing="shared"):
    """Both from nothing, with the same tables."""
    folder, other = make("electra-joint", world.checkpoints)
    training = dict(max_steps=1, learning_rate=0.0, device="cpu", dtype="float32", per_device_train_batch_size=2)
    world.program.run("train", recipe_of(world, folder, other, LINES[:4], dict(table_sharing=sharing), init="random", training=training))
    model = loaded_whole(result, transformers.ElectraForPreTraining, world.scratch / "run" / "model")
    generator = loaded_whole(result, transformers.ElectraForMaskedLM, world.scratch / "run" / "generator")
    result.expect(torch.equal(model.electra.embeddings.word_embeddings.weight, generator.electra.embeddings.word_embeddings.weight), "the tables differ")
    for each in (model, generator):
        spread = each.electra.encoder.layer[0].intermediate.dense.weight.std().item()
        result.near("spread", spread, 0.02, 0.1)
    if sharing == "shared":
        shutil.rmtree(world.scratch / "run")
        fresh_case(world, result, "gradient_disentangled")
    weights = [each.electra.encoder.layer[1].output.dense.weight.flatten()[:50] for each in (model, generator)]
    result.expect((weights[0] - weights[1]).abs().min() > 0, "both were drawn alike")


def fresh_deberta_case(world, result):
    """From nothing, what the discriminator adds begins at nothing."""
    folder, other = make("deberta-joint", world.checkpoints)
    training = dict(max_steps=1, learning_rate=0.0, device="cpu", dtype="float32", per_device_train_batch_size=2)
    world.program.run("train", recipe_of(world, folder, other, LINES[:4], dict(table_sharing="gradient_disentangled"), init="random", training=training))
    model = loaded_whole(result, ReplacedTokenDetectionModel, world.scratch / "run" / "model")
    generator = loaded_whole(result, EnhancedDeberta, world.scratch / "run" / "generator")
    result.expect(torch.equal(model.deberta.embeddings.word_embeddings.weight, generator.deberta.embeddings.word_embeddings.weight), "the tables differ")
    result.near("spread", generator.deberta.embeddings.position_embeddings.weight.std().item(), 0.02, 0.1)
    result.expect(not model.mask_predictions.classifer.bias.any(), "the head's bias is not 0")


def head_case(world, result):
    """A DeBERTa gets a discriminator's head: drawn, or its files' own, also as some spell it."""
    folder, _ = make("deberta-joint", world.checkpoints)
    start = load_file(folder / "model.safetensors")
    plain = encoders.make("deberta-v3", world.checkpoints)
    said = world.program.json("head", plain, "--of", "replaced", "--out", world.scratch / "with", "--json")
    result.same("architecture", said["architecture"], "ReplacedTokenDetectionModel")
    result.same("drawn", sorted(said["drawn"]), sorted(key for key in start if key.startswith("mask_predictions")))
    loaded_whole(result, ReplacedTokenDetectionModel, world.scratch / "with")
    held = world.scratch / "held"
    shutil.copytree(folder, held)
    save_file({key.replace("classifer", "classifier"): tensor for key, tensor in start.items()}, held / "model.safetensors", metadata={"format": "pt"})
    said = world.program.json("head", held, "--of", "replaced", "--out", world.scratch / "again", "--json")
    result.same("drawn of a folder that holds it", said["drawn"], [])
    for key, tensor in load_file(world.scratch / "again" / "model.safetensors").items():
        result.expect(torch.equal(tensor, start[key]), f"{key} is another")
    said = world.program.json("head", encoders.make("electra-plain", world.checkpoints), "--of", "replaced", "--out", world.scratch / "electra", "--json")
    result.same("ELECTRA's", said["architecture"], "ElectraForPreTraining")
    for flags in (["--classes", "a,b"], ["--says", "several"]):
        world.program.run("head", plain, "--of", "replaced", *flags, "--out", world.scratch / "none", status=2)
    world.program.run("head", encoders.make("bert-plain", world.checkpoints), "--of", "replaced", "--out", world.scratch / "none", status=2)
    result.expect(not (world.scratch / "none").exists(), "a refused head left a folder")


def refused_case(world, result):
    """What is no generator or no discriminator, or has other tables, by the setting's name."""
    folder, other = make("electra-joint", world.checkpoints)
    wide, _ = make("electra-joint-wide", world.checkpoints)
    bert = encoders.make("bert-plain", world.checkpoints)
    empty = world.scratch / "empty"
    empty.mkdir()

    def refused(recipe, said):
        ended = world.program.end("train", recipe)
        result.expect(ended.returncode == 2 and said in ended.stderr, f"{said}: exit {ended.returncode}: {ended.stderr[-300:]}")
        result.expect(not (world.scratch / "run").exists() or not list((world.scratch / "run").glob("*/config.json")), "a refused run left a model")
    texts = LINES[:3]
    refused(recipe_of(world, other, other, texts), "ElectraForPreTraining")
    refused(recipe_of(world, folder, folder, texts), "replaced_tokens.generator")
    refused(recipe_of(world, folder, bert, texts), "replaced_tokens.generator")
    refused(recipe_of(world, wide, other, texts), "embedding")
    refused(recipe_of(world, folder, empty, texts), "replaced_tokens.generator")
    refused(recipe_of(world, folder, world.scratch / "nowhere", texts), "replaced_tokens.generator")
    refused(recipe_of(world, folder, other, texts, strategy="lora"), "strategy")
    refused(recipe_of(world, folder, other, texts, replaced_tokens={}), "replaced_tokens.generator")
    refused(recipe_of(world, folder, other, texts, dict(mlm_probability=0)), "mlm_probability")
    refused(recipe_of(world, folder, other, texts, dict(discriminator_weight=-1)), "discriminator_weight")
    # The plan says so, too, and does not end otherwise.
    for recipe in (recipe_of(world, folder, world.scratch / "nowhere", texts), recipe_of(world, folder, empty, texts)):
        world.program.run("plan", recipe, "--json", status=2)


def forecast_case(name, settings=None, **training):
    def case(world, result):
        folder, other = make(name, world.checkpoints)
        text = "a small blue square and two green triangles stand above the old harbour in the morning"
        training_of = dict(max_steps=3, per_device_train_batch_size=8, gradient_accumulation_steps=1, device="cpu", dtype="float32",
                           gradient_checkpointing="false", logging_steps=1, save_steps=0) | training
        recipe = recipe_of(world, folder, other, [text] * 40, settings, training=training_of)
        foreseen = world.program.json("plan", recipe, "--json")["total"]
        world.program.run("train", recipe)
        peak = max(line["memory"]["peak"] for line in train.curve(world.scratch / "run"))
        result.facts["forecast error"] = f"{100 * (foreseen / peak - 1):+.1f} %"
        result.near("forecast", foreseen, peak, 0.05, "forecast")
    return case


def cases(everything=False):
    found = {"replaced-tokens/electra-joint/loss": loss_case("electra-joint", mlm_probability=0.3), "replaced-tokens/electra-joint/full": train_case("electra-joint"),
             "replaced-tokens/electra-joint-wide/loss": loss_case("electra-joint-wide", "true", 7.5, mlm_probability=0.4, mask_replace_prob=0.5),
             "replaced-tokens/electra-joint/nothing-covered": loss_case("electra-joint", mlm_probability=1e-9), "replaced-tokens/statistics": statistics_case,
             "replaced-tokens/refused": refused_case, "replaced-tokens/forecast": forecast_case("electra-joint-larger")}
    found["replaced-tokens/electra-joint/full-disentangled"] = train_case("electra-joint", sharing="gradient_disentangled")
    found |= {"replaced-tokens/deberta-joint/loss-disentangled": loss_case("deberta-joint", sharing="gradient_disentangled", mlm_probability=0.3),
              "replaced-tokens/deberta-joint/full-disentangled": train_case("deberta-joint", sharing="gradient_disentangled"),
              "replaced-tokens/deberta-joint-biased/loss": loss_case("deberta-joint-biased", mlm_probability=0.3),
              "replaced-tokens/deberta-joint/head": head_case,
              "replaced-tokens/forecast-deberta": forecast_case("deberta-joint-larger", settings=dict(table_sharing="gradient_disentangled"))}
    if everything:
        found |= {"replaced-tokens/deberta-joint/loss": loss_case("deberta-joint", "true", mlm_probability=0.3),
                  "replaced-tokens/deberta-joint/full": train_case("deberta-joint"),
                  "replaced-tokens/deberta-joint-biased/loss-disentangled": loss_case("deberta-joint-biased", "true", 20, "gradient_disentangled", mlm_probability=0.3),
                  "replaced-tokens/deberta-joint-biased/full": train_case("deberta-joint-biased"),
                  "replaced-tokens/deberta-joint-biased/full-disentangled": train_case("deberta-joint-biased", sharing="gradient_disentangled"),
                  "replaced-tokens/deberta-joint/bfloat16-disentangled": train_case("deberta-joint", "bfloat16", "gradient_disentangled"),
                  "replaced-tokens/forecast-deberta-shared": forecast_case("deberta-joint-larger"),
                  "replaced-tokens/forecast-deberta-recomputed": forecast_case("deberta-joint-larger", gradient_checkpointing="true"),
                  "replaced-tokens/fresh-deberta": fresh_deberta_case}
        found |= {"replaced-tokens/electra-joint/loss-disentangled": loss_case("electra-joint", sharing="gradient_disentangled", mlm_probability=0.3),
                  "replaced-tokens/electra-joint/bfloat16-disentangled": train_case("electra-joint", "bfloat16", "gradient_disentangled"),
                  "replaced-tokens/forecast-disentangled": forecast_case("electra-joint-larger", settings=dict(table_sharing="gradient_disentangled")),
                  "replaced-tokens/electra-joint-wide/full": train_case("electra-joint-wide"), "replaced-tokens/fresh": fresh_case,
                  "replaced-tokens/electra-joint/bfloat16": train_case("electra-joint", "bfloat16"),
                  "replaced-tokens/forecast-recomputed": forecast_case("electra-joint-larger", gradient_checkpointing="true"),
                  "replaced-tokens/forecast-accumulated": forecast_case("electra-joint-larger", gradient_accumulation_steps=2)}
    return found

# SPDX-License-Identifier: GPL-3.0-or-later
"""Reward models against the loss of TRL's RewardTrainer, and process reward models against
transformers' token classification, whose class TRL's PRMTrainer trained. Neither trainer takes
pictures: here their heads, transformers' own code of them, get the last states of the model with its
pictures. What PEFT writes of such a model we read, and the reverse."""
import contextlib
import json
import types
from collections import defaultdict

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import Trainer, TrainingArguments
from transformers.loss.loss_utils import ForTokenClassification
from transformers.modeling_layers import (GenericForSequenceClassification,
                                          GenericForTokenClassification)
from trl import RewardConfig, RewardTrainer
from trl.trainer.dpo_trainer import DataCollatorForVisionPreference

import adapters
import preferences
import train
from checkpoints import make
from conversations import OBJECTS, PLACES, resolved, rows

NUMBERS = {"reward": 1, "prm": 2}
TASKS = {"reward": "SEQ_CLS", "prm": "TOKEN_CLS"}
METRICS = ("min_reward", "mean_reward", "max_reward", "accuracy", "margin")
CHOICES = {"plain": {}, "centred": dict(center_rewards_coefficient=0.3)}


def with_head(checkpoint, objective, seed=42):
    """The model and the head beside it, drawn as ours is."""
    model, numbers = checkpoint.model(), NUMBERS[objective]
    text = model.config.get_text_config()
    model.score = torch.nn.Linear(text.hidden_size, numbers, bias=numbers > 1)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        model.score.weight.normal_(0, text.initializer_range, generator=generator)
        if numbers > 1:
            model.score.bias.zero_()
    return model


def started(objective):
    def start(world, checkpoint, kind, drawn):
        folder = world.adapters / f"{checkpoint.name}-{kind}-{objective}{'' if drawn else '-start'}"
        if not folder.exists():
            torch.manual_seed(5)
            model = get_peft_model(with_head(checkpoint, objective), LoraConfig(
                **adapters.settings(checkpoint, kind), lora_dropout=0.0,
                task_type=TASKS[objective]))
            if drawn:
                adapters.draw(model)
            model.save_pretrained(folder, save_embedding_layers=False)
        return folder, PeftModel.from_pretrained(with_head(checkpoint, objective), folder,
                                                 is_trainable=True)
    return start


def seen_by(model, checkpoint, **more):
    """What transformers' classes with a head see: the model without its own, and the head."""
    inner = model.base_model.model if isinstance(model, PeftModel) else model
    inner.config.get_text_config().pad_token_id = checkpoint.processor.tokenizer.pad_token_id
    return types.SimpleNamespace(base_model_prefix="backbone", backbone=inner.model,
                                 score=inner.score, config=inner.config,
                                 dropout=torch.nn.Identity(), **more)


def sequence_scores(model, checkpoint, inputs):
    return GenericForSequenceClassification.forward(seen_by(model, checkpoint), **inputs)


def token_scores(model, checkpoint, inputs):
    return GenericForTokenClassification.forward(
        seen_by(model, checkpoint, loss_function=lambda logits, labels, config:
                ForTokenClassification(logits, labels, types.SimpleNamespace(num_labels=2))),
        **inputs)


class Pictured(RewardTrainer):
    """TRL's trainer with its loss and its log, on batches of a picture collator."""
    def __init__(self, checkpoint, **given):
        Trainer.__init__(self, **given)
        self.checkpoint, self.model_accepts_loss_kwargs = checkpoint, False
        self._metrics = {"train": defaultdict(list), "eval": defaultdict(list)}
        self._total_train_tokens, self._tp_size = 0, 1
        self.maybe_activation_offload_context = contextlib.nullcontext()

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        def scored(margin=None, **given):
            return sequence_scores(model, self.checkpoint, given)
        return super().compute_loss(scored, dict(inputs), return_outputs)


def pairs(world, count, seed=31):
    """Pairs that say by how much one is better."""
    lines = preferences.pairs(world, count, seed)
    return [line | {"margin": [0.0, 0.5, -0.25][index % 3]} for index, line in enumerate(lines)]


def reward_trainer(world, checkpoint, model, lines, settings, _reference=None, training=None):
    collator = DataCollatorForVisionPreference(processor=preferences.processor_of(checkpoint))

    def collate(examples):
        chosen = [lines[example["index"]] for example in examples]
        batch = dict(collator([preferences.for_trl(line, "prompt", "chosen", "rejected")
                               for line in chosen]))
        batch.pop("completion_mask")
        return batch | {"margin": torch.tensor([line["margin"] for line in chosen])}

    made = Pictured(checkpoint, model=model, data_collator=collate,
                    args=preferences.arguments(RewardConfig, world, settings, training),
                    train_dataset=preferences.numbered(lines))
    return preferences.silenced(made)


def expected_reward(made, checkpoint, count):
    """Of all rows as one batch."""
    batch = made.data_collator([{"index": index} for index in range(count)])
    model = made.model.train()
    model.zero_grad()
    made._metrics["train"].clear()
    loss, outputs = made.compute_loss(model, batch, return_outputs=True)
    loss.backward()
    wanted = {"loss": loss.detach().view(1), "rewards": outputs.logits.detach().squeeze(-1),
              "attention_mask": batch["attention_mask"], "input_ids": batch["input_ids"]}
    wanted |= {f"metric.{name}": torch.tensor(made._metrics["train"][name][:1])
               for name in METRICS}
    return wanted | preferences.gradients(model)


def steps(world, count, seed=31):
    """Questions about a picture with answers in steps, some of them wrong."""
    found = []
    for index, row in enumerate(rows(count, seed=seed)):
        row = resolved(row, world.inputs)
        said = [f"{OBJECTS[(index + i) % len(OBJECTS)]} {PLACES[(3 * index + i) % len(PLACES)]}."
                for i in range(1 + index % 3)]
        found.append({"prompt": row[:-1], "completions": said,
                      "labels": [(index + i) % 3 != 1 for i in range(len(said))]})
    return found


def step_batch(checkpoint, lines, separator="\n", last_only=False):
    """The rows as TRL 1.9's PRMTrainer tokenizes them, with their pictures."""
    processor = preferences.processor_of(checkpoint)
    tokenizer = processor.tokenizer
    of_rows = []
    for line in lines:
        row = preferences.for_trl(line, "prompt")
        text = processor.apply_chat_template(row["prompt"], tokenize=False,
                                             add_generation_prompt=True)
        given = processor(images=row["images"], text=[text], add_special_tokens=False,
                          return_tensors="pt")
        end = tokenizer.encode(separator, add_special_tokens=False)
        ids, labels = [], []
        for place, (said, label) in enumerate(zip(line["completions"], line["labels"])):
            step = tokenizer(said, add_special_tokens=False)["input_ids"] + end
            counted = not last_only or place + 1 == len(line["labels"])
            labels += [-100] * (len(step) - 1) + [int(label) if counted else -100]
            ids += step
        of_rows.append((dict(given), ids, labels))
    prompts = [given["input_ids"].shape[1] for given, _, _ in of_rows]
    longest = max(length + len(ids) for length, (_, ids, _) in zip(prompts, of_rows))
    batch = {"labels": torch.full((len(lines), longest), -100),
             "completion_mask": torch.zeros(len(lines), longest, dtype=torch.long)}
    for index, (given, ids, labels) in enumerate(of_rows):
        begin, end = prompts[index], prompts[index] + len(ids)
        batch["labels"][index, begin:end] = torch.tensor(labels)
        batch["completion_mask"][index, begin:end] = 1
        for key, value in given.items():
            if value.shape == (1, begin):       # a number for each token
                if key not in batch:
                    fill = tokenizer.pad_token_id if key == "input_ids" else 0
                    batch[key] = torch.full((len(lines), longest), fill, dtype=value.dtype)
                batch[key][index, :begin] = value[0]
                if key in ("input_ids", "attention_mask"):
                    batch[key][index, begin:end] = (torch.tensor(ids) if key == "input_ids" else 1)
    for key in of_rows[0][0]:
        if key not in batch:
            each = [given[key] for given, _, _ in of_rows]
            most = max(value.shape[1] for value in each)    # tiles, where rows have several
            batch[key] = torch.cat([torch.cat([value, value.new_zeros(
                value.shape[0], most - value.shape[1], *value.shape[2:])], 1) for value in each])
    return batch


def expected_steps(model, checkpoint, batch):
    model.train()
    model.zero_grad()
    inputs = {key: value for key, value in batch.items() if key != "completion_mask"}
    outputs = token_scores(model, checkpoint, inputs | {"use_cache": False})
    outputs.loss.backward()
    told = batch["labels"] != -100
    wanted = {"loss": outputs.loss.detach().view(1),
              "logits": outputs.logits.detach() * told.unsqueeze(-1)}
    wanted |= {key: batch[key] for key in ("labels", "input_ids", "attention_mask",
                                           "completion_mask")}
    return wanted | preferences.gradients(model)


class StepTrainer(Trainer):
    """transformers' trainer of a token classification, as PRMTrainer is one."""
    def __init__(self, checkpoint, **given):
        super().__init__(**given)
        self.checkpoint, self.model_accepts_loss_kwargs = checkpoint, False

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        outputs = token_scores(model, self.checkpoint, dict(inputs) | {"use_cache": False})
        return (outputs.loss, outputs) if return_outputs else outputs.loss


def step_trainer(world, checkpoint, model, lines, settings, _reference=None, training=None):
    def collate(examples):
        batch = step_batch(checkpoint, [lines[example["index"]] for example in examples],
                           settings.get("step_separator", "\n"),
                           settings.get("train_on_last_step_only", False))
        batch.pop("completion_mask")
        return batch

    arguments = preferences.arguments(TrainingArguments, world, {}, training)
    return preferences.silenced(StepTrainer(checkpoint, model=model, data_collator=collate,
                                            args=arguments,
                                            train_dataset=preferences.numbered(lines)))


def reward_case(name, choices, kind="attention"):
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        folder, model = started("reward")(world, checkpoint, kind, True)
        lines = pairs(world, 4)
        preferences.write(world.scratch / "train.jsonl", lines)
        for label, settings in choices.items():
            made = reward_trainer(world, checkpoint, model, lines, settings)
            path = preferences.recipe(world, checkpoint, "lora", "reward", settings, folder)
            preferences.check(result, label, preferences.loss(world, path, lines),
                              expected_reward(made, checkpoint, len(lines)), METRICS)
    return case


def step_case(name, choices, kind="attention"):
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        folder, model = started("prm")(world, checkpoint, kind, True)
        lines = steps(world, 4)
        preferences.write(world.scratch / "train.jsonl", lines)
        for label, settings in choices.items():
            batch = step_batch(checkpoint, lines, settings.get("step_separator", "\n"),
                               settings.get("train_on_last_step_only", False))
            path = preferences.recipe(world, checkpoint, "lora", "prm", settings, folder)
            preferences.check(result, label, preferences.loss(world, path, lines),
                              expected_steps(model, checkpoint, batch), ())
    return case


def compare_whole(world, result, checkpoint, model):
    """The checkpoint has the head, and the base's own head of logits as it was."""
    got = load_file(world.scratch / "run" / "model" / "model.safetensors")
    named = {key if key.startswith("score.") else checkpoint.family.native_name(key): tensor
             for key, tensor in got.items()}
    wanted = {key: tensor for key, tensor in model.state_dict().items()
              if key in named or key.startswith("score.")}
    result.expect("score.weight" in got, f"score.weight is not in the file: {sorted(got)[-3:]}")
    result.same("tensors", sorted(named), sorted(wanted))
    for key, tensor in wanted.items():
        result.close(key, named[key], tensor.detach(), train.WEIGHTS, "weights")


def folder_case(name, objective):
    """What we write PEFT attaches without a complaint, and we read it again as we wrote it."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        lines = pairs(world, 4) if objective == "reward" else steps(world, 4)
        preferences.write(world.scratch / "train.jsonl", lines)
        path = preferences.recipe(world, checkpoint, "lora", objective, {},
                                  training=dict(max_steps=2))
        world.program.run("train", path)
        written = world.scratch / "run" / "adapter"
        config = json.loads((written / "adapter_config.json").read_text())
        result.same("task_type", config["task_type"], TASKS[objective])
        result.same("modules_to_save", config["modules_to_save"], ["classifier", "score"])
        model = PeftModel.from_pretrained(with_head(checkpoint, objective), written,
                                          is_trainable=True)
        for module in model.modules():      # as TRL's disable_dropout does
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        path = preferences.recipe(world, checkpoint, "lora", objective, {}, written)
        got = preferences.loss(world, path, lines)
        if objective == "reward":
            made = reward_trainer(world, checkpoint, model, lines, {})
            wanted = expected_reward(made, checkpoint, len(lines))
            preferences.check(result, "again", got, wanted, METRICS)
            told = world.program.json("score", checkpoint.path, "--reward", written, "--samples",
                                      world.scratch / "rows.jsonl", "--json", "--device", "cpu",
                                      "--dtype", "float32")
            scores = torch.tensor([line[key] for key in ("chosen", "rejected")
                                   for line in told["samples"]])
            result.close("score", scores, wanted["rewards"], preferences.SUMS, "rewards")
        else:
            preferences.check(result, "again", got, expected_steps(
                model, checkpoint, step_batch(checkpoint, lines)), ())
    return case


def reward_run(name, settings, **how):
    training = dict(max_steps=6) | how.pop("training", {})
    return preferences.train_case(name, "reward", lambda world: pairs(world, 8), reward_trainer,
                                  METRICS, settings, training=training, start=started("reward"),
                                  whole=lambda checkpoint: trained_whole(checkpoint, "reward"),
                                  compare=compare_whole, **how)


def trained_whole(checkpoint, objective):
    """Without the head of logits, which such a model has not."""
    model = with_head(checkpoint, objective)
    if model.lm_head.weight is not model.get_input_embeddings().weight:
        model.lm_head.requires_grad_(False)
    return model


def step_run(name, settings, **how):
    training = dict(max_steps=6) | how.pop("training", {})
    return preferences.train_case(name, "prm", lambda world: steps(world, 8), step_trainer, (),
                                  settings, training=training, start=started("prm"),
                                  whole=lambda checkpoint: trained_whole(checkpoint, "prm"),
                                  compare=compare_whole, **how)


def cases(everything=False):
    accumulated = dict(gradient_accumulation_steps=2)
    marked = dict(step_separator=" #\n", train_on_last_step_only=True)
    found = {
        "reward/clip-llama/loss": reward_case("clip-llama", CHOICES),
        "reward/qwen2_vl-plain/loss": reward_case("qwen2_vl-plain", {"plain": {}}),
        "reward/clip-llama/train": reward_run("clip-llama", {}, training=accumulated),
        "reward/clip-llama/full": reward_run("clip-llama", CHOICES["centred"], strategy="full",
                                             training=dict(learning_rate=5e-4)),
        "reward/clip-llama/folder": folder_case("clip-llama", "reward"),
        "prm/clip-llama/loss": step_case("clip-llama", {"plain": {}, "marked": marked}),
        "prm/qwen2_vl-plain/loss": step_case("qwen2_vl-plain", {"plain": {}}),
        "prm/clip-llama/train": step_run("clip-llama", {}),
    }
    if everything:
        for name in ("smolvlm-plain", "siglip-mistral", "qwen2_5_vl-plain"):
            found[f"reward/{name}/loss"] = reward_case(name, CHOICES)
            found[f"reward/{name}/train"] = reward_run(name, {})
            found[f"prm/{name}/loss"] = step_case(name, {"plain": {}, "marked": marked})
            found[f"prm/{name}/train"] = step_run(name, {})
        found["prm/clip-llama/full"] = step_run("clip-llama", marked, strategy="full",
                                                training=dict(learning_rate=5e-4))
        found["prm/clip-llama/folder"] = folder_case("clip-llama", "prm")
        found["reward/qwen2_vl-plain/folder"] = folder_case("qwen2_vl-plain", "reward")
    return found

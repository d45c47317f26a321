# SPDX-License-Identifier: GPL-3.0-or-later
"""Distillation from a teacher of another size against TRL, student and teacher each with a tower of
its own. GKDTrainer takes no pictures: here its compute_loss gets models that are shown those of the
batch. DistillationTrainer does, and is given answers in the place of those that it would draw.
Where a teacher's likeliest tokens are kept alone, GKDTrainer's loss gets the distributions over
those and "another one"."""
import dataclasses
import random

import torch
from transformers import Trainer, TrainingArguments
from trl import DistillationConfig, DistillationTrainer
from trl.experimental.gkd import GKDTrainer
from trl.trainer import distillation_trainer
from trl.trainer.utils import selective_log_softmax

import adapters
import preferences
from checkpoints import make, make_of
from conversations import resolved, rows

WIDER = dict(hidden_size=72, num_attention_heads=6, num_key_value_heads=3, num_hidden_layers=3)
CHOICES = {"between": {}, "forward": dict(beta=0.0), "reverse": dict(beta=1.0),
           "near the teacher": dict(beta=0.9)}
WRITTEN = dict(lmbda=0.0)       # answers are those of the rows


def teacher_of(checkpoint, root):
    """Wider and deeper than the student, with weights of its own and the same tokenizer."""
    spec = dataclasses.replace(checkpoint.spec, text_options=checkpoint.spec.text_options | WIDER)
    return make_of(checkpoint.family, spec, f"{checkpoint.name}-teacher", root)


def named(world, checkpoint):
    return WRITTEN | {"teacher_model_name_or_path":
                      str(teacher_of(checkpoint, world.checkpoints).path)}


class Shown:
    """A model that sees the batch's pictures, whatever it is called with."""

    def __init__(self, model, pictures):
        self.model, self.pictures = model, pictures

    def __call__(self, **given):
        return self.model(**given, **self.pictures, use_cache=False)

    def eval(self):
        self.model.eval()


class Pictured(Trainer):
    """GKDTrainer's loss, without the draws of its training_step."""
    generalized_jsd_loss = staticmethod(GKDTrainer.generalized_jsd_loss)

    def __init__(self, teacher, beta, **given):
        super().__init__(**given)
        self.model_accepts_loss_kwargs = True
        self.teacher, self.beta = teacher, beta

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        pictures = {key: value for key, value in inputs.items()
                    if key not in ("input_ids", "attention_mask", "labels")}
        self.teacher_model = Shown(self.teacher, pictures)
        return GKDTrainer.compute_loss(self, Shown(model, pictures), inputs, return_outputs,
                                       num_items_in_batch)


class ToldApart(Pictured):
    """Of the teacher's likeliest tokens, and all others as one."""
    kept = 4

    def generalized_jsd_loss(self, student_logits, teacher_logits, **how):
        ids = teacher_logits.topk(min(self.kept, teacher_logits.shape[-1]), -1).indices

        def told(logits):
            logs = logits.log_softmax(-1)
            others = logs.scatter(-1, ids, float("-inf")).logsumexp(-1, keepdim=True)
            return torch.cat([logs.gather(-1, ids), others.clamp_min(-1e4)], -1)
        return GKDTrainer.generalized_jsd_loss(told(student_logits), told(teacher_logits), **how)


def written(world, count, without_picture=()):
    return [{"messages": resolved(row, world.inputs)}
            for row in rows(count, seed=47, without_picture=without_picture)]


def trainer(world, checkpoint, model, lines, settings, _reference=None, training=None,
            kind=Pictured):
    examples = [checkpoint.example(line["messages"]) for line in lines]

    def collate(batch):
        return checkpoint.family.batch([examples[each["index"]] for each in batch])

    return preferences.silenced(kind(
        teacher_of(checkpoint, world.checkpoints).model(), settings.get("beta", 0.5), model=model,
        args=preferences.arguments(TrainingArguments, world, {}, training,
                                   label_names=["labels"]),
        data_collator=collate, train_dataset=preferences.numbered(lines)))


def expected(made, count):
    """Of all rows as one batch."""
    batch = made.data_collator([{"index": index} for index in range(count)])
    model = made.model.train()
    model.zero_grad()
    mask = (batch["labels"] != -100).long()
    loss = made.compute_loss(model, dict(batch), num_items_in_batch=mask[:, 1:].sum())
    loss.backward()
    with torch.no_grad():
        inputs = {key: value for key, value in batch.items() if key != "labels"}
        steps = selective_log_softmax(model(**inputs, use_cache=False).logits[:, :-1],
                                      batch["input_ids"][:, 1:])
    steps = torch.nn.functional.pad(steps * mask[:, 1:], (1, 0))
    return {"loss": loss.detach().view(1), "token_logps": steps, "logps": steps.sum(1),
            "completion_mask": mask, "attention_mask": batch["attention_mask"],
            "input_ids": batch["input_ids"]} | preferences.gradients(model)


def loss_case(name, choices, kind="attention"):
    """A drawn adapter, all of `choices` on one batch, a row without a picture in it."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        folder = adapters.make(checkpoint, kind, world.adapters)
        lines = written(world, 3, without_picture=(1,))
        model = adapters.PeftModel.from_pretrained(checkpoint.model(), folder, is_trainable=True)
        made = trainer(world, checkpoint, model, lines, {})
        preferences.write(world.scratch / "train.jsonl", lines)
        for label, settings in choices.items():
            made.beta = settings.get("beta", 0.5)
            path = preferences.recipe(world, checkpoint, "lora", "gkd",
                                      settings | named(world, checkpoint), folder)
            preferences.check(result, label, preferences.loss(world, path, lines),
                              expected(made, len(lines)), ())
    return case


def kept_case(name, numbers, betas):
    """What is kept of a teacher, all of it too: `loss`, and a run that has asked beforehand, whose
    file another run learns from without a teacher."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        folder = adapters.make(checkpoint, "attention", world.adapters)
        lines = written(world, 3, without_picture=(1,))
        model = adapters.PeftModel.from_pretrained(checkpoint.model(), folder, is_trainable=True)
        made = trainer(world, checkpoint, model, lines, {}, kind=ToldApart)
        preferences.write(world.scratch / "train.jsonl", lines)
        for kept in numbers:
            for beta in betas:
                made.beta, made.kept = beta, kept
                settings = dict(beta=beta, teacher_top_k=kept) | named(world, checkpoint)
                path = preferences.recipe(world, checkpoint, "lora", "gkd", settings, folder)
                wanted = expected(made, len(lines))
                # Of few tokens the loss is small beside its terms, which cancel one another.
                preferences.check(result, f"{kept} of them, beta {beta}",
                                  preferences.loss(world, path, lines), wanted, (), terms=0.05)
        world.program.run("train", path, "--set", "training.max_steps=1")
        file = world.scratch / "run" / "teacher.safetensors"
        path = preferences.recipe(world, checkpoint, "lora", "gkd", WRITTEN | dict(
            beta=beta, teacher_logits=str(file)), folder)
        preferences.check(result, "from the file", preferences.loss(world, path, lines), wanted,
                          (), terms=0.05)
    return case


def train_case(name, settings, **how):
    training = dict(max_steps=6) | how.pop("training", {})
    return preferences.train_case(name, "gkd", lambda world: written(world, 8, (2,)), trainer, (),
                                  settings, training=training, ours=named, **how)


METRICS = ("entropy", "completions/mean_length", "completions/min_length",
           "completions/max_length", "completions/clipped_ratio")
REVERSE = {"reverse": {}, "warm": dict(temperature=1.4, beta=0.3),
           "forward": dict(beta=0.0, temperature=0.8)}


def drawn(world, checkpoint, count, without_picture=()):
    """Prompts with an answer of their own each, as `rollouts` has them: some end, some are cut."""
    rng, found = random.Random(3), []
    tokenizer = checkpoint.processor.tokenizer
    words = [token for token in range(20, 120) if token not in tokenizer.all_special_ids]
    for index, line in enumerate(written(world, count, without_picture)):
        answer = [rng.choice(words) for _ in range(rng.randint(2, 9))]
        if index % 3:
            answer.append(tokenizer.eos_token_id)
        found.append({"prompt": line["messages"][:-1], "completion_ids": [answer]})
    return found


class Given(DistillationTrainer):
    """Answers that were drawn before."""

    def __init__(self, lines, **given):
        super().__init__(**given)
        self.lines = lines

    def _generate_and_score_completions(self, inputs):
        lines = [self.lines[each["index"]] for each in inputs]
        self.answers = [line["completion_ids"][0] for line in lines]
        return super()._generate_and_score_completions([
            preferences.for_trl(line, "prompt") for line in lines])

    def _generate_single_turn(self, *_, **__):
        return self.answers


def distillation_trainer_of(world, checkpoint, model, lines, settings, _reference=None,
                            training=None):
    # Which micro-batch a sample goes to is drawn; here each has its place.
    distillation_trainer.shuffle_sequence_dict = lambda batch: batch
    processor = preferences.processor_of(checkpoint)
    processor.tokenizer.padding_side = "left"
    return preferences.silenced(Given(
        lines, model=model, teacher_model=teacher_of(checkpoint, world.checkpoints).model(),
        args=preferences.arguments(DistillationConfig, world, settings, training,
                                   shuffle_dataset=False),
        train_dataset=preferences.numbered(lines).add_column("prompt", ["?"] * len(lines)),
        processing_class=processor))


def expected_of_drawn(made, checkpoint, lines, temperature):
    """Of all rows as one generation of one micro-batch."""
    model = made.model.train()
    model.zero_grad()
    made._metrics["train"].clear()
    inputs = made._generate_and_score_completions([{"index": at} for at in range(len(lines))])
    loss = made.compute_loss(model, inputs)
    loss.backward()
    batch = checkpoint.family.batch([preferences.answered(checkpoint, line["prompt"], answer)
                                     for line in lines for answer in line["completion_ids"]])
    mask = (batch.pop("labels") != -100).long()
    with torch.no_grad():
        logits = model(**batch, use_cache=False).logits[:, :-1] / temperature
        steps = selective_log_softmax(logits, batch["input_ids"][:, 1:])
    steps = torch.nn.functional.pad(steps * mask[:, 1:], (1, 0))
    wanted = {"loss": loss.detach().view(1), "token_logps": steps, "logps": steps.sum(1),
              "completion_mask": mask, "attention_mask": batch["attention_mask"],
              "input_ids": batch["input_ids"]}
    wanted |= {f"metric.{name}": torch.tensor(made._metrics["train"][name][-1:])
               for name in METRICS}
    return wanted | preferences.gradients(model)


def drawn_loss_case(name, choices, kind="attention"):
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        folder = adapters.make(checkpoint, kind, world.adapters)
        lines = drawn(world, checkpoint, 3)
        model = adapters.PeftModel.from_pretrained(checkpoint.model(), folder, is_trainable=True)
        made = distillation_trainer_of(world, checkpoint, model, lines, {})
        preferences.write(world.scratch / "train.jsonl", lines)
        for label, settings in choices.items():
            made.beta, made.temperature = settings.get("beta", 1.0), settings.get("temperature", 1.0)
            teacher = {"teacher_model_name_or_path":
                       str(teacher_of(checkpoint, world.checkpoints).path)}
            path = preferences.recipe(world, checkpoint, "lora", "distillation",
                                      settings | teacher, folder)
            preferences.check(result, label, preferences.loss(world, path, lines),
                              expected_of_drawn(made, checkpoint, lines, made.temperature),
                              METRICS)
    return case


def given_answers(world, checkpoint):
    return {"teacher_model_name_or_path": str(teacher_of(checkpoint, world.checkpoints).path),
            "rollouts": str(world.scratch / "train.jsonl")}


def drawn_train_case(name, settings, **how):
    training = dict(max_steps=6) | how.pop("training", {})

    def lines_of(world):
        return drawn(world, make(name, world.checkpoints), 12)
    return preferences.train_case(name, "distillation", lines_of, distillation_trainer_of, METRICS,
                                  settings, training=training, ours=given_answers, **how)


def cases(everything=False):
    some = {label: CHOICES[label] for label in ("between", "reverse")}
    found = {
        "gkd/clip-llama/loss": loss_case("clip-llama", CHOICES),
        "gkd/clip-llama/head": loss_case("clip-llama", some, "head"),
        "gkd/qwen2_vl-plain/loss": loss_case("qwen2_vl-plain", some),
        "gkd/smolvlm-plain/loss": loss_case("smolvlm-plain", some),
        "gkd/clip-llama/kept": kept_case("clip-llama", [4], [0.5]),
        "gkd/clip-llama/train": train_case("clip-llama", {},
                                           training=dict(gradient_accumulation_steps=2)),
    }
    found |= {
        "distillation/clip-llama/loss": drawn_loss_case("clip-llama", REVERSE),
        "distillation/qwen2_vl-plain/loss": drawn_loss_case("qwen2_vl-plain", {"reverse": {}}),
        "distillation/clip-llama/train": drawn_train_case(
            "clip-llama", {}, training=dict(gradient_accumulation_steps=2,
                                            per_device_train_batch_size=1)),
    }
    if everything:
        for name in ("qwen2_vl-plain", "smolvlm-plain", "siglip-llama", "qwen2_5_vl-plain"):
            found[f"distillation/{name}/all"] = drawn_loss_case(name, REVERSE)
            found[f"distillation/{name}/train"] = drawn_train_case(name, dict(beta=0.5))
            found[f"gkd/{name}/all"] = loss_case(name, CHOICES)
            found[f"gkd/{name}/kept"] = kept_case(name, [1, 7, 100_000], [0.0, 0.3, 1.0])
            found[f"gkd/{name}/train"] = train_case(name, dict(beta=0.3))
        found["gkd/clip-llama/full"] = train_case("clip-llama", dict(beta=1.0), strategy="full",
                                                  training=dict(learning_rate=5e-4))
    return found

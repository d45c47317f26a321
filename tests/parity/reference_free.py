# SPDX-License-Identifier: GPL-3.0-or-later
"""ORPO and CPO (with SimPO and AlphaPO) against the losses of TRL's trainers. Those trainers take no
pictures: here they get the logits of the model with its pictures, from the batch that DPO's picture
collator makes of the same rows. ORPO's likelihood leaves the pictures' tokens out."""
import torch
from transformers import Trainer
from trl import DPOConfig
from trl.experimental.cpo import CPOTrainer
from trl.experimental.orpo import ORPOTrainer
from trl.trainer.dpo_trainer import DataCollatorForVisionPreference
from trl.trainer.utils import selective_log_softmax

import adapters
import preferences
from checkpoints import make

PAIRS = ("rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins",
         "logps/chosen", "logps/rejected", "nll_loss")
METRICS = {"cpo": PAIRS, "orpo": (*PAIRS, "log_odds_ratio", "log_odds_chosen")}
CHOICES = {
    "orpo": {"plain": {}, "firm": dict(beta=0.9), "likelihood": dict(beta=0.0)},
    "cpo": {
        "sigmoid": {}, "hinge": dict(loss_type="hinge", beta=0.7),
        "ipo": dict(loss_type="ipo", cpo_alpha=0.3), "simpo": dict(loss_type="simpo", beta=2.0),
        "simpo alone": dict(loss_type="simpo", beta=2.5, simpo_gamma=1.4, cpo_alpha=0.0),
        "smoothed": dict(label_smoothing=0.2, beta=0.4),
        "smoothed simpo": dict(loss_type="simpo", label_smoothing=0.1, simpo_gamma=-0.3),
        "alpha": dict(loss_type="simpo", beta=2.5, simpo_gamma=0.1, alpha=0.25, cpo_alpha=0.0),
        "alpha below 0": dict(loss_type="ipo", alpha=-0.5),
    },
}
CHOICES["simpo"] = {"plain": {}, "margin": dict(beta=2.5, simpo_gamma=1.4),
                    "alpha": dict(beta=2.5, alpha=0.25, label_smoothing=0.1)}
METRICS["simpo"] = PAIRS
DEFAULTS = {"orpo": dict(beta=0.1),
            "cpo": dict(loss_type="sigmoid", beta=0.1, label_smoothing=0.0, cpo_alpha=1.0,
                        simpo_gamma=0.5, alpha=0.0)}
DEFAULTS["simpo"] = DEFAULTS["cpo"] | dict(loss_type="simpo", cpo_alpha=0.0)


def with_pictures(base, objective):
    """TRL's trainer with its loss, its metrics and its log, on batches of a picture collator."""
    class Pictured(base):
        def __init__(self, settings, picture_token, **given):
            Trainer.__init__(self, **given)
            self.model_accepts_loss_kwargs = False
            self._stored_metrics = {"train": {}, "eval": {}}
            self.is_encoder_decoder = self.aux_loss_enabled = False
            self._peft_has_been_casted_to_bf16 = False
            self.picture_token, self.padding_value, self.pad_token_id = picture_token, 0, 0
            self.choose(settings)

        def choose(self, settings):
            for key, value in (DEFAULTS[objective] | settings).items():
                setattr(self, key, value)

        def concatenated_inputs(self, batch, **_):
            ids, mask = batch["input_ids"], batch["attention_mask"]
            return {"concatenated_input_ids": ids,
                    "concatenated_attention_mask": mask * (ids != self.picture_token),
                    "concatenated_labels": ids.masked_fill(batch["completion_mask"] == 0, -100)}

        def concatenated_forward(self, model, batch):
            inputs = {key: value for key, value in batch.items() if key != "completion_mask"}
            count = batch["input_ids"].shape[0] // 2
            return super().concatenated_forward(
                lambda ids, **_: model(**inputs, use_cache=False),
                batch | {"chosen_labels": batch["input_ids"][:count]})

        def store_metrics(self, metrics, train_eval="train"):
            for key, value in metrics.items():
                self._stored_metrics[train_eval].setdefault(key, []).append(value)

        def log(self, logs, start_time=None):
            super().log(logs, start_time)
            self._stored_metrics = {"train": {}, "eval": {}}

    return Pictured


TRAINERS = {"orpo": with_pictures(ORPOTrainer, "orpo"), "cpo": with_pictures(CPOTrainer, "cpo"),
            "simpo": with_pictures(CPOTrainer, "simpo")}


def trainer(objective):
    def made(world, checkpoint, model, lines, settings, _reference=None, training=None):
        collator = DataCollatorForVisionPreference(processor=preferences.processor_of(checkpoint))

        def collate(examples):
            return dict(collator([preferences.for_trl(lines[example["index"]], "prompt", "chosen",
                                                      "rejected") for example in examples]))

        return preferences.silenced(TRAINERS[objective](
            settings, model.config.image_token_id, model=model,
            args=preferences.arguments(DPOConfig, world, {}, training),
            data_collator=collate, train_dataset=preferences.numbered(lines)))
    return made


def expected(made, count):
    """Of all rows as one batch."""
    batch = made.data_collator([{"index": index} for index in range(count)])
    model = made.model.train()
    model.zero_grad()
    loss, metrics = made.get_batch_loss_metrics(model, batch)
    loss.backward()
    with torch.no_grad():
        chosen, rejected = made.concatenated_forward(model, batch)[:2]
        inputs = {key: value for key, value in batch.items() if key != "completion_mask"}
        steps = selective_log_softmax(model(**inputs, use_cache=False).logits[:, :-1],
                                      batch["input_ids"][:, 1:])
    mask = batch["completion_mask"]
    wanted = {
        "loss": loss.detach().view(1), "logps": torch.cat([chosen, rejected]),
        "token_logps": torch.nn.functional.pad(steps * mask[:, 1:], (1, 0)),
        "completion_mask": mask, "attention_mask": batch["attention_mask"],
        "input_ids": batch["input_ids"],
    }
    wanted |= {f"metric.{name}": torch.tensor([float(value)]) for name, value in metrics.items()}
    return wanted | preferences.gradients(model)


def loss_case(name, objective, choices, kind="attention"):
    """A drawn adapter, all of `choices` on one batch."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        folder = adapters.make(checkpoint, kind, world.adapters)
        lines = preferences.pairs(world, 4)
        model = adapters.PeftModel.from_pretrained(checkpoint.model(), folder, is_trainable=True)
        made = trainer(objective)(world, checkpoint, model, lines, {})
        preferences.write(world.scratch / "train.jsonl", lines)
        for label, settings in choices.items():
            made.choose(settings)
            path = preferences.recipe(world, checkpoint, "lora", objective, settings, folder)
            preferences.check(result, label, preferences.loss(world, path, lines),
                              expected(made, len(lines)), METRICS[objective])
    return case


def train_case(name, objective, settings, **how):
    training = dict(max_steps=6) | how.pop("training", {})
    return preferences.train_case(name, objective, lambda world: preferences.pairs(world, 8),
                                  trainer(objective), METRICS[objective], settings,
                                  training=training, **how)


def cases(everything=False):
    accumulated = dict(gradient_accumulation_steps=2)
    simpo = dict(loss_type="simpo", beta=2.0, cpo_alpha=0.0)
    found = {
        "orpo/clip-llama/loss": loss_case("clip-llama", "orpo", CHOICES["orpo"]),
        "orpo/qwen2_vl-plain/loss": loss_case("qwen2_vl-plain", "orpo", {"plain": {}}),
        "orpo/smolvlm-plain/loss": loss_case("smolvlm-plain", "orpo", {"plain": {}}),
        "orpo/clip-llama/train": train_case("clip-llama", "orpo", {}, training=accumulated),
        "orpo/clip-llama/full": train_case("clip-llama", "orpo", dict(beta=0.5), strategy="full",
                                           training=dict(learning_rate=5e-4)),
        "cpo/clip-llama/loss": loss_case("clip-llama", "cpo", CHOICES["cpo"]),
        "cpo/qwen2_vl-plain/loss": loss_case("qwen2_vl-plain", "cpo",
                                             {"sigmoid": {}, "simpo": simpo}),
        "cpo/smolvlm-plain/loss": loss_case("smolvlm-plain", "cpo", {"sigmoid": {}}),
        "simpo/clip-llama/loss": loss_case("clip-llama", "simpo", CHOICES["simpo"]),
        "cpo/clip-llama/train": train_case("clip-llama", "cpo", {}, training=accumulated),
        "cpo/clip-llama/simpo": train_case("clip-llama", "cpo", simpo, drawn=False),
    }
    if everything:
        for name in ("qwen2_vl-plain", "smolvlm-plain", "siglip-mistral", "qwen2_5_vl-plain"):
            for objective, choices in CHOICES.items():
                found[f"{objective}/{name}/all"] = loss_case(name, objective, choices)
                found[f"{objective}/{name}/train"] = train_case(name, objective, {})
        for label, settings in CHOICES["cpo"].items():
            found[f"cpo/clip-llama/train, {label}"] = train_case(
                "clip-llama", "cpo", settings, training=preferences.STEADY)
        found["cpo/clip-llama/full"] = train_case("clip-llama", "cpo", simpo, strategy="full",
                                                  training=dict(learning_rate=5e-4))
    return found

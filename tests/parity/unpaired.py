# SPDX-License-Identifier: GPL-3.0-or-later
"""KTO against TRL's KTOTrainer with its picture collator, and BCO against the formula of its paper
(Jung et al. 2024) as TRL's BCOTrainer had it until 1.9: the trainer is gone since, so its loss is
written down here, on the log-probabilities and with the metrics of KTO's trainer."""
import torch
from trl import KTOConfig, KTOTrainer
from trl.trainer.kto_trainer import DataCollatorForVisionUnpairedPreference

import adapters
import preferences
from checkpoints import make

SINGLE = ("rewards/chosen", "rewards/rejected", "rewards/margins", "logps/chosen",
          "logps/rejected")
METRICS = {"kto": (*SINGLE, "logits/chosen", "logits/rejected", "kl", "entropy"),
           "bco": (*SINGLE, "delta")}
CHOICES = {
    "kto": {
        "kto": {}, "firm": dict(beta=0.9),
        "weights": dict(desirable_weight=0.4, undesirable_weight=1.7),
        "apo": dict(loss_type="apo_zero_unpaired"),
        "apo, weights": dict(loss_type="apo_zero_unpaired", beta=0.5, desirable_weight=1.3),
    },
    "bco": {"plain": {}, "firm": dict(beta=0.9)},
}


class BCOTrainer(KTOTrainer):
    """−log σ(±(reward − δ)), rows' mean; δ is the mean of all rewards that training has met."""
    met, delta = 0, 0.0

    def _compute_loss(self, model, inputs, return_outputs):
        super_kwargs = {key: value for key, value in inputs.items()
                        if not key.startswith("KL_") and key not in ("completion_mask", "label")}
        labels = inputs["input_ids"].masked_fill(inputs["completion_mask"] == 0, -100)

        def log_probs(asked):
            return asked(**super_kwargs, use_cache=False, labels=labels,
                         fused_lm_head=True).log_probs.sum(-1)

        with torch.no_grad():
            before = log_probs(self.ref_model)
        now, good = log_probs(model), inputs["label"].bool()
        rewards = self.beta * (now - before)
        self.met += len(rewards)
        self.delta += (rewards.mean().item() - self.delta) * len(rewards) / self.met
        signs = torch.where(good, 1.0, -1.0)
        told = self._metrics["train"]
        told["delta"].append(self.delta)
        for which, some in (("chosen", good), ("rejected", ~good)):
            if some.any():
                told[f"rewards/{which}"].append(rewards[some].mean().item())
                told[f"logps/{which}"].append(now[some].mean().item())
        if good.any() and not good.all():
            told["rewards/margins"].append(told["rewards/chosen"][-1]
                                           - told["rewards/rejected"][-1])
        return -torch.nn.functional.logsigmoid(signs * (rewards - self.delta)).mean()


TRAINERS = {"kto": KTOTrainer, "bco": BCOTrainer}


def trainer(objective):
    def made(world, checkpoint, model, lines, settings, ref_model=None, training=None):
        collator = DataCollatorForVisionUnpairedPreference(
            processor=preferences.processor_of(checkpoint))

        def collate(examples):
            collator.calculate_kl = found.calculate_KL
            return collator([
                preferences.for_trl(lines[example["index"]], "prompt", "completion")
                | {"label": lines[example["index"]]["label"]} for example in examples])

        found = TRAINERS[objective](
            model, ref_model=ref_model, data_collator=collate,
            args=preferences.arguments(KTOConfig, world, settings, training, max_length=None),
            train_dataset=preferences.numbered(lines), processing_class=checkpoint.processor)
        return preferences.silenced(found)
    return made


def expected(made, count):
    """Of all rows as one batch."""
    batch = dict(made.data_collator([{"index": index} for index in range(count)]))
    model = made.model.train()
    model.zero_grad()
    made._metrics["train"].clear()
    loss = made.compute_loss(model, batch)
    loss.backward()
    mask = batch["completion_mask"]
    plain = {key: value for key, value in batch.items()
             if not key.startswith("KL_") and key not in ("completion_mask", "label")}
    labels = batch["input_ids"].masked_fill(mask == 0, -100)
    with torch.no_grad():
        steps, before = (asked(**plain, use_cache=False, labels=labels,
                               fused_lm_head=True).log_probs
                         for asked in (model, made.ref_model))
    wanted = {
        "loss": loss.detach().view(1), "ref_logps": before.sum(-1), "logps": steps.sum(-1),
        "token_logps": torch.nn.functional.pad(steps, (1, 0)), "label": batch["label"].long(),
        "completion_mask": mask, "attention_mask": batch["attention_mask"],
        "input_ids": batch["input_ids"],
    }
    wanted |= {f"metric.{name}": torch.tensor(values[-1:])
               for name, values in made._metrics["train"].items()}
    return wanted | preferences.gradients(model)


def loss_case(name, objective, choices, kind="attention"):
    """A drawn adapter against the base that it hangs on, all of `choices` on one batch."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        folder = adapters.make(checkpoint, kind, world.adapters)
        lines = preferences.judged(world, 5)
        model = adapters.PeftModel.from_pretrained(checkpoint.model(), folder, is_trainable=True)
        made = trainer(objective)(world, checkpoint, model, lines, {}, checkpoint.model())
        preferences.write(world.scratch / "train.jsonl", lines)
        for label, settings in choices.items():
            for key, value in (dict(loss_type="kto", beta=0.1, desirable_weight=1.0,
                                    undesirable_weight=1.0) | settings).items():
                setattr(made, key, value)
            made.calculate_KL = made.loss_type == "kto"
            made.met, made.delta = 0, 0.0
            path = preferences.recipe(world, checkpoint, "lora", objective, settings, folder,
                                      checkpoint.path)
            preferences.check(result, label, preferences.loss(world, path, lines),
                              expected(made, len(lines)), METRICS[objective])
    return case


def train_case(name, objective, settings, **how):
    training = dict(max_steps=6, per_device_train_batch_size=3) | how.pop("training", {})
    return preferences.train_case(name, objective, lambda world: preferences.judged(world, 9),
                                  trainer(objective), METRICS[objective], settings,
                                  training=training, **how)


def cases(everything=False):
    # Two rows at a time: some micro-batches have no bad answer, and the last has one row.
    pairs = dict(per_device_train_batch_size=2, gradient_accumulation_steps=2)
    found = {
        "kto/clip-llama/loss": loss_case("clip-llama", "kto", CHOICES["kto"]),
        "kto/qwen2_vl-plain/loss": loss_case("qwen2_vl-plain", "kto", {"kto": {}}),
        "kto/smolvlm-plain/loss": loss_case("smolvlm-plain", "kto", {"kto": {}}),
        "kto/clip-llama/new": train_case("clip-llama", "kto", {}, drawn=False, training=pairs),
        "kto/clip-llama/base": train_case("clip-llama", "kto", dict(beta=0.3), reference="base"),
        "kto/clip-llama/kept": train_case("clip-llama", "kto", dict(desirable_weight=1.4)),
        "kto/clip-llama/full": train_case("clip-llama", "kto", dict(beta=0.5), strategy="full",
                                          training=dict(learning_rate=5e-4)),
        "bco/clip-llama/loss": loss_case("clip-llama", "bco", CHOICES["bco"]),
        "bco/qwen2_vl-plain/loss": loss_case("qwen2_vl-plain", "bco", {"plain": {}}),
        "bco/clip-llama/base": train_case("clip-llama", "bco", dict(beta=0.3), reference="base"),
        "bco/clip-llama/full": train_case("clip-llama", "bco", dict(beta=0.5), strategy="full",
                                          training=dict(learning_rate=5e-4)),
    }
    if everything:
        for name in ("qwen2_vl-plain", "smolvlm-plain", "siglip-mistral", "qwen2_5_vl-plain"):
            for objective, choices in CHOICES.items():
                found[f"{objective}/{name}/all"] = loss_case(name, objective, choices)
                found[f"{objective}/{name}/base"] = train_case(
                    name, objective, dict(beta=0.3), reference="base", training=preferences.STEADY)
        found["kto/clip-llama/apo"] = train_case("clip-llama", "kto",
                                                 dict(loss_type="apo_zero_unpaired"))
    return found

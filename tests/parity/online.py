# SPDX-License-Identifier: GPL-3.0-or-later
"""Online DPO, XPO and Nash-MD from judged answers against the losses of TRL's trainers, which draw and
judge inside of their training_step. XPO's and Nash-MD's have left TRL (1.9 had them). They are
written down here, on logits of the model with its pictures; OnlineDPOTrainer's own step is asked,
too, with answers and rewards given to it. Answers that a run has drawn itself are held against
transformers' logits: each token is the one that our random number falls on."""
import collections
import json
import random
import shutil

import torch
from torch.nn import functional
from transformers import Trainer
from trl import DPOConfig
from trl.experimental.online_dpo import OnlineDPOConfig, OnlineDPOTrainer
from trl.trainer.utils import selective_log_softmax

import adapters
import preferences
import reward_models
import train
from checkpoints import make

PAIRS = ("rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies",
         "logps/chosen", "logps/rejected", "objective/entropy")
METRICS = {
    "online_dpo": (*PAIRS, "objective/kl", "objective/non_score_reward", "objective/rlhf_reward",
                   "objective/scores", "objective/scores_margin", "val/contain_eos_token"),
    "xpo": (*PAIRS, "objective/kl", "loss/dpo", "loss/xpo", "objective/model_scores",
            "objective/ref_scores", "objective/scores_margin", "val/model_contain_eos_token",
            "val/ref_contain_eos_token"),
    "nash_md": (*PAIRS, "loss/score", "loss/kl", "rewards/probabilities",
                "val/model_contain_eos_token", "val/ref_contain_eos_token"),
}
CHOICES = {
    "online_dpo": {"sigmoid": {}, "ipo": dict(loss_type="ipo", beta=0.4),
                   "penalty": dict(missing_eos_penalty=1.5)},
    "xpo": {"plain": dict(alpha=0.01), "ipo": dict(loss_type="ipo", beta=0.7, alpha=0.2)},
    "nash_md": {"plain": {}, "penalty": dict(beta=0.6, missing_eos_penalty=0.8)},
}


def judged(world, checkpoint, count):
    """Prompts with two answers of different lengths, some of them cut off, and equal rewards among
    them."""
    rng, found, tokenizer = random.Random(9), [], checkpoint.processor.tokenizer
    words = [token for token in range(20, 120) if token not in tokenizer.all_special_ids]
    for index, line in enumerate(preferences.pairs(world, count)):
        answers = [[rng.choice(words) for _ in range(rng.randint(2, 8))] for _ in range(2)]
        for place, answer in enumerate(answers):
            if (index + place) % 3:
                answer.append(tokenizer.eos_token_id)
        rewards = [0.5, 0.5] if index == 1 else [round(rng.uniform(-2, 2), 3) for _ in range(2)]
        found.append({"prompt": line["prompt"], "completion_ids": answers, "rewards": rewards})
    return found


class Judged(Trainer):
    """The losses of TRL's trainers for these objectives."""

    def __init__(self, objective, settings, reference, eos, **given):
        super().__init__(**given)
        self.model_accepts_loss_kwargs = False
        self.objective, self.reference, self.eos, self.told = objective, reference, eos, {}
        self.choose(settings)

    def choose(self, settings):
        self.chosen = dict(loss_type="sigmoid", beta=0.1, alpha=1e-5,
                           missing_eos_penalty=None) | settings

    def log_probs(self, model, batch, mask):
        logits = model(**batch, use_cache=False).logits[:, :-1]
        return selective_log_softmax(logits, batch["input_ids"][:, 1:]) * mask[:, 1:]

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        batch = dict(inputs)
        rewards, mask = batch.pop("rewards"), (batch.pop("labels") != -100).long()
        ended = ((batch["input_ids"] == self.eos) & mask.bool()).any(1)
        now = self.log_probs(model, batch, mask)
        with torch.no_grad():
            if self.reference is None:
                with model.disable_adapter():
                    before = self.log_probs(model, batch, mask)
            else:
                before = self.log_probs(self.reference, batch, mask)
        scores = rewards.flatten().clone()
        if self.chosen["missing_eos_penalty"] is not None:
            scores[~ended] -= self.chosen["missing_eos_penalty"]
        loss, told = getattr(self, self.objective)(
            now, before, scores.view(-1, 2), ended.float().view(-1, 2))
        for name, value in told.items():
            self.told.setdefault(name, []).append(float(value))
        return loss

    def pairs(self, now, before, scores):
        sums, ratios = now.sum(1).view(-1, 2), (now - before).sum(1).view(-1, 2)
        good = torch.where(scores[:, 0] >= scores[:, 1], 0, 1)[:, None]
        beta, margins = self.chosen["beta"], (ratios.gather(1, good) - ratios.gather(1, 1 - good))
        losses = (-functional.logsigmoid(beta * margins) if self.chosen["loss_type"] == "sigmoid"
                  else (margins - 1 / (2 * beta)) ** 2).flatten()
        return losses, sums, ratios, good

    def told_of_pairs(self, ratios, logps, good):
        beta = self.chosen["beta"]
        chosen, rejected = beta * ratios.gather(1, good), beta * ratios.gather(1, 1 - good)
        return {"rewards/chosen": chosen.mean(), "rewards/rejected": rejected.mean(),
                "rewards/margins": (chosen - rejected).mean(),
                "rewards/accuracies": (chosen > rejected).float().mean(),
                "logps/chosen": logps.gather(1, good).mean(),
                "logps/rejected": logps.gather(1, 1 - good).mean(), "objective/kl": ratios.mean()}

    def online_dpo(self, now, before, scores, ended):
        losses, sums, ratios, good = self.pairs(now, before, scores)
        beta = self.chosen["beta"]
        return losses.mean(), self.told_of_pairs(ratios, sums, good) | {
            "objective/entropy": -sums.mean(), "objective/non_score_reward": -beta * ratios.mean(),
            "objective/rlhf_reward": (scores - beta * ratios).mean(),
            "objective/scores": scores.mean(), "val/contain_eos_token": ended.mean(),
            "objective/scores_margin": (scores.gather(1, good) - scores.gather(1, 1 - good)).mean()}

    def xpo(self, now, before, scores, ended):
        losses, sums, ratios, good = self.pairs(now, before, scores)
        explored = self.chosen["alpha"] * sums[:, 1]
        together = sums + before.sum(1).view(-1, 2)
        return (losses + explored).mean(), self.told_of_pairs(ratios, together, good) | {
            "objective/entropy": -sums.mean(), "loss/dpo": losses.mean(),
            "loss/xpo": explored.mean(), "objective/model_scores": scores[:, 0].mean(),
            "objective/ref_scores": scores[:, 1].mean(),
            "objective/scores_margin": (scores[:, 0] - scores[:, 1]).mean(),
            "val/model_contain_eos_token": ended[:, 0].mean(),
            "val/ref_contain_eos_token": ended[:, 1].mean()}

    def nash_md(self, now, before, scores, ended):
        now, before = now[::2], before[::2]
        wins = torch.sigmoid(scores[:, 0] - scores[:, 1])
        score, ratios = (wins - 0.5) * now.sum(1), (now - before).detach()
        sums, old = now.sum(1), before.sum(1)
        return (self.chosen["beta"] * (ratios * now).sum(1) - score).mean(), {
            "loss/score": score.mean(), "loss/kl": ratios.sum(1).mean(),
            "logps/chosen": sums.mean(), "logps/rejected": old.mean(),
            "rewards/chosen": scores[:, 0].mean(), "rewards/rejected": scores[:, 1].mean(),
            "rewards/probabilities": wins.mean(), "rewards/margins": (sums - old).mean(),
            "rewards/accuracies": (sums > old).float().mean(), "objective/entropy": -sums.mean(),
            "val/model_contain_eos_token": ended[:, 0].mean(),
            "val/ref_contain_eos_token": ended[:, 1].mean()}

    def log(self, logs, start_time=None):
        if "loss" in logs:
            logs |= {name: sum(values) / len(values) for name, values in self.told.items()}
            self.told = {}
        super().log(logs, start_time)


def trainer(objective):
    def made(world, checkpoint, model, lines, settings, reference=None, training=None):
        def collate(examples):
            chosen = [lines[example["index"]] for example in examples]
            batch = checkpoint.family.batch([
                preferences.answered(checkpoint, line["prompt"], answer)
                for line in chosen for answer in line["completion_ids"]])
            return batch | {"rewards": torch.tensor([line["rewards"] for line in chosen])}

        return preferences.silenced(Judged(
            objective, settings, reference, checkpoint.processor.tokenizer.eos_token_id,
            model=model, args=preferences.arguments(DPOConfig, world, {}, training),
            data_collator=collate, train_dataset=preferences.numbered(lines)))
    return made


class Given(OnlineDPOTrainer):
    """A step of TRL's own trainer with answers and rewards that were there before."""

    def __init__(self, checkpoint, lines, **given):
        Trainer.__init__(self, **given)
        self.checkpoint, self.lines, self.ref_model = checkpoint, lines, None
        self.eos_token_ids = [checkpoint.processor.tokenizer.eos_token_id]
        beta = self.args.beta
        self.reward_funcs, self._beta = [None], beta[0] if isinstance(beta, list) else beta
        self.stats, self.processing_class = collections.defaultdict(list), checkpoint.processor

    def _generate(self, *_):
        answers = [line["completion_ids"][place] for place in (0, 1) for line in self.lines]
        prompts = [self.checkpoint.encode(line["prompt"], prompt=True) for line in self.lines] * 2
        longest = max(prompt["input_ids"].shape[1] for prompt in prompts)
        ids, mask = (torch.cat([functional.pad(prompt[key], (longest - prompt[key].shape[1], 0))
                                for prompt in prompts]) for key in ("input_ids", "attention_mask"))
        answers = [torch.tensor(answer) for answer in answers]
        padded = torch.nn.utils.rnn.pad_sequence(answers, batch_first=True)
        there = torch.nn.utils.rnn.pad_sequence([torch.ones_like(answer) for answer in answers],
                                                batch_first=True)
        return ids, mask, padded, there, self.checkpoint.family.batch_pictures(prompts)

    def _calculate_rewards_from_functions(self, **_):
        return torch.tensor([line["rewards"][place] for place in (0, 1) for line in self.lines])


def of_the_trainer(world, checkpoint, model, lines, settings):
    """Loss and gradients of its step."""
    made = preferences.silenced(Given(
        checkpoint, lines, model=model,
        args=preferences.arguments(OnlineDPOConfig, world, settings),
        train_dataset=preferences.numbered(lines)))
    model.zero_grad()
    loss = made.training_step(model, {"prompt": [line["prompt"] for line in lines]})
    return {"loss": loss.view(1)} | preferences.gradients(model)


def expected(made, objective, count):
    """Of all rows as one batch."""
    batch = made.data_collator([{"index": index} for index in range(count)])
    model = made.model.train()
    model.zero_grad()
    made.told = {}
    loss = made.compute_loss(model, dict(batch))
    loss.backward()
    shown = slice(None, None, 2) if objective == "nash_md" else slice(None)
    mask = (batch.pop("labels") != -100).long()
    batch.pop("rewards")
    with torch.no_grad():
        steps = functional.pad(made.log_probs(model, batch, mask), (1, 0))[shown]
        with model.disable_adapter():
            before = made.log_probs(model, batch, mask)[shown].sum(1)
    longest = int(batch["attention_mask"][shown].sum(1).max())
    wanted = {"loss": loss.detach().view(1), "token_logps": steps[:, :longest],
              "logps": steps.sum(1), "ref_logps": before,
              "completion_mask": mask[shown][:, :longest],
              "attention_mask": batch["attention_mask"][shown][:, :longest],
              "input_ids": batch["input_ids"][shown][:, :longest]}
    wanted |= {f"metric.{name}": torch.tensor(values) for name, values in made.told.items()}
    return wanted | preferences.gradients(model)


def loss_case(name, objective, choices, kind="attention", asked=True):
    """A drawn adapter, all of `choices` on one batch. `asked`: so is TRL's trainer."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        folder = adapters.make(checkpoint, kind, world.adapters)
        lines = judged(world, checkpoint, 3)
        model = adapters.PeftModel.from_pretrained(checkpoint.model(), folder, is_trainable=True)
        made = trainer(objective)(world, checkpoint, model, lines, {})
        rows = preferences.write(world.scratch / "train.jsonl", lines)
        for label, settings in choices.items():
            made.choose(settings)
            path = preferences.recipe(world, checkpoint, "lora", objective,
                                      settings | {"rollouts": str(rows)}, folder, checkpoint.path)
            wanted = expected(made, objective, len(lines))
            if objective == "online_dpo" and asked:
                wanted |= of_the_trainer(world, checkpoint, model, lines, settings)
            preferences.check(result, label, preferences.loss(world, path, lines), wanted,
                              METRICS[objective])
    return case


def train_case(name, objective, settings, **how):
    training = dict(max_steps=6) | how.pop("training", {})

    def given(world, _checkpoint):
        return {"rollouts": str(world.scratch / "train.jsonl")}

    def lines_of(world):
        return judged(world, make(name, world.checkpoints), 12)
    return preferences.train_case(name, objective, lines_of, trainer(objective),
                                  METRICS[objective], settings, training=training, ours=given,
                                  reference="base", **how)


BITS = (1 << 64) - 1
GOLDEN, FIRST, SECOND = 0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9, 0x94d049bb133111eb
LONGEST, TEMPERATURE = 6, 0.9
# Of the reference in what each answer is drawn from; TRL's mixture_coef is a half.
SHARES = {"online_dpo": (0, 0), "xpo": (0, 1), "nash_md": (0, 0.5)}


def mixed_bits(state):
    """SplitMix64's."""
    state = (state ^ (state >> 30)) * FIRST & BITS
    state = (state ^ (state >> 27)) * SECOND & BITS
    return state ^ (state >> 31)


def drawn_number(seed, draw, step):
    """In [0, 1), of the first generation of a run."""
    generation = mixed_bits((~seed & BITS) * GOLDEN + 0xd1b54a32d192ed03 & BITS)
    return (mixed_bits(generation * GOLDEN + draw * FIRST + (step + 1) * SECOND & BITS)
            >> 11) * 2.0 ** -53


def reached(logits, token):
    """Where the token lies when probabilities are laid one behind the other, largest first."""
    order = torch.sort(logits, descending=True, stable=True).indices
    shares = torch.softmax(logits[order] / TEMPERATURE, 0).cumsum(0)
    place = int((order == token).nonzero())
    return (float(shares[place - 1]) if place else 0.0), float(shares[place])


def drawn_case(name, objectives):
    """One step of a run that draws: its answers, what a reward model says of them, and its loss."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        folder = adapters.make(checkpoint, "attention", world.adapters)
        judge, _ = reward_models.started("reward")(world, checkpoint, "attention", True)
        model = adapters.PeftModel.from_pretrained(checkpoint.model(), folder, is_trainable=True)
        prompts = [{"prompt": line["prompt"]} for line in preferences.pairs(world, 2)]
        preferences.write(world.scratch / "train.jsonl", prompts)
        end = checkpoint.processor.tokenizer.eos_token_id
        pictures = {checkpoint.family.image_token_id(checkpoint),
                    getattr(checkpoint.model().config, "video_token_id", None)} - {None}
        for objective in objectives:
            settings = {"reward_model": str(judge), "max_new_tokens": LONGEST}
            path = preferences.recipe(world, checkpoint, "lora", objective, settings, folder,
                                      checkpoint.path, dict(max_steps=1))
            shutil.rmtree(world.scratch / "run", ignore_errors=True)
            world.program.run("train", path)
            lines = [json.loads(line) for line in
                     (world.scratch / "run" / "rollouts.jsonl").read_text().splitlines()]
            result.same(f"{objective} rows", [line["row"] for line in lines], [0, 1])
            for row, line in enumerate(lines):
                for place, (ids, share) in enumerate(zip(line["completion_ids"],
                                                         SHARES[objective])):
                    told = f"{objective} row {row} answer {place}"
                    batch = preferences.answered(checkpoint, prompts[row]["prompt"], ids)
                    batch.pop("labels")
                    with torch.no_grad():
                        own = model(**batch).logits[0]
                        with model.disable_adapter():
                            other = model(**batch).logits[0]
                    logits = ((1 - share) * own + share * other)[-len(ids) - 1:-1].double()
                    logits[:, list(pictures)] = float("-inf")
                    for step, token in enumerate(ids):
                        number = drawn_number(42, 2 * row + place, step)
                        low, high = reached(logits[step], token)
                        result.expect(low - 1e-4 <= number <= high + 1e-4,
                                      f"{told} token {step}: {number} is not in {low} to {high}")
                    result.same(f"{told} length", len(ids) if end in ids else LONGEST, len(ids))
            answers = [{"prompt": line["prompt"], "completion": text} for line in lines
                       for text in line["completions"]]
            scores = world.program.json(
                "score", checkpoint.path, "--reward", judge, "--samples",
                preferences.write(world.scratch / "answers.jsonl", answers), "--json",
                "--device", "cpu", "--dtype", "float32")["samples"]
            rewards = [reward for line in lines for reward in line["rewards"][judge.name]]
            result.close(f"{objective} rewards", torch.tensor(rewards),
                         torch.tensor([each["score"] for each in scores]), preferences.SUMS)
            judged_lines = [line | {"prompt": prompt["prompt"], "rewards": line["rewards"][judge.name]}
                            for line, prompt in zip(lines, prompts)]
            made = trainer(objective)(world, checkpoint, model, judged_lines, {})
            wanted = float(expected(made, objective, 2)["loss"])
            result.near(f"{objective} loss", train.curve(world.scratch / "run")[0]["loss"], wanted,
                        1e-4, "loss", 0.05)
    return case


def cases(everything=False):
    accumulated = dict(gradient_accumulation_steps=2, per_device_train_batch_size=1)
    found = {
        "online_dpo/clip-llama/loss": loss_case("clip-llama", "online_dpo", CHOICES["online_dpo"]),
        "online_dpo/clip-llama/train": train_case("clip-llama", "online_dpo", {},
                                                  training=accumulated),
        "xpo/clip-llama/loss": loss_case("clip-llama", "xpo", CHOICES["xpo"]),
        "nash_md/clip-llama/loss": loss_case("clip-llama", "nash_md", CHOICES["nash_md"]),
        "nash_md/clip-llama/drawn": drawn_case("clip-llama", ["xpo", "nash_md"]),
    }
    if everything:
        for name in ("clip-llama", "qwen2_vl-plain", "smolvlm-plain"):
            found[f"online_dpo/{name}/drawn"] = drawn_case(name, list(SHARES))
        for objective, choices in CHOICES.items():
            for name in ("qwen2_vl-plain", "smolvlm-plain"):
                found[f"{objective}/{name}/loss"] = loss_case(name, objective, choices,
                                                             asked=False)
            found[f"{objective}/clip-llama/runs"] = train_case("clip-llama", objective,
                                                               dict(beta=0.3))
    return found

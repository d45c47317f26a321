# SPDX-License-Identifier: GPL-3.0-or-later
"""PPO against the formulas of TRL 1.9's PPOTrainer, the last one, which took no pictures: written
down here over the width of the longest answer as there, on logits of the policy and its reference
and on scores of a value model, all with their pictures. One batch through `loss` under every option,
and runs that are given their samples."""
import json
import random
import shutil

import torch
from peft import get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from trl.trainer.utils import selective_log_softmax

import adapters
import forward
import preferences
import reward_models
import train
from checkpoints import make

OBJECTIVE = ("objective/kl", "objective/entropy", "objective/non_score_reward",
             "objective/rlhf_reward", "objective/scores")
STEP = ("policy/approxkl_avg", "policy/clipfrac_avg", "policy/entropy_avg", "loss/policy_avg",
        "loss/value_avg", "val/clipfrac_avg", "val/ratio")
DEFAULTS = dict(response_length=9, temperature=0.7, kl_coef=0.05, kl_estimator="k1", cliprange=0.2,
                cliprange_value=0.2, vf_coef=0.1, gamma=1.0, lam=0.95, whiten_rewards=False,
                num_ppo_epochs=4, num_mini_batches=1, missing_eos_penalty=None)
CHOICES = {
    "plain": {}, "k3": dict(kl_estimator="k3", kl_coef=0.6),
    "whitened": dict(whiten_rewards=True, missing_eos_penalty=1.5),
    "clip": dict(cliprange=0.02, cliprange_value=0.01, vf_coef=0.7),
    "ahead": dict(gamma=0.9, lam=0.6, temperature=1.3, response_length=12),
}
BEYOND = 1.0    # what TRL has for a log-probability behind an answer


def masked_mean(values, mask):
    return (values * mask).sum() / mask.sum()


def whiten(values, mask, shift_mean=True):
    mean = masked_mean(values, mask)
    variance = masked_mean((values - mean) ** 2, mask) * mask.sum() / (mask.sum() - 1)
    found = (values - mean) * torch.rsqrt(variance + 1e-8)
    return found if shift_mean else found + mean


def given(world, checkpoint, count, seed=17):
    """Prompts with an answer each, some of them cut off, one of the whole width, with rewards."""
    rng, tokenizer, found = random.Random(seed), checkpoint.processor.tokenizer, []
    words = [token for token in range(20, 120) if token not in tokenizer.all_special_ids]
    for index, line in enumerate(preferences.pairs(world, count)):
        answer = [rng.choice(words) for _ in range(9 if index == 1 else rng.randint(2, 8))]
        if index % 3 != 1:
            answer[-1] = tokenizer.eos_token_id
        found.append({"prompt": line["prompt"], "completion_ids": [answer],
                      "rewards": [round(rng.uniform(-2, 2), 3)]})
    return found


class Ppo:
    def __init__(self, checkpoint, policy, reference, value, lines, settings):
        self.checkpoint, self.policy, self.reference, self.value = checkpoint, policy, reference, value
        self.lines, self.eos = lines, checkpoint.processor.tokenizer.eos_token_id
        self.choose(settings)

    def choose(self, settings):
        self.chosen = DEFAULTS | settings
        self.width = self.chosen["response_length"]

    def batch(self, places):
        examples = [preferences.answered(self.checkpoint, self.lines[place]["prompt"],
                                         self.lines[place]["completion_ids"][0]) for place in places]
        batch = self.checkpoint.family.batch(examples)
        batch.pop("labels")
        answers = [self.lines[place]["completion_ids"][0] for place in places]
        lengths = torch.tensor([len(answer) for answer in answers])
        starts = batch["attention_mask"].sum(1) - lengths - 1
        at = (starts[:, None] + torch.arange(self.width)).clamp(max=batch["input_ids"].shape[1] - 1)
        ids = torch.stack([torch.nn.functional.pad(torch.tensor(answer),
                                                   (0, self.width - len(answer)))
                           for answer in answers])
        columns = torch.arange(self.width)
        return (batch, ids, at, columns >= lengths[:, None], columns > lengths[:, None],
                torch.stack([starts, lengths]))

    def log_probs(self, model, batch, ids, at, beyond):
        logits = model(**batch, use_cache=False).logits
        logits = torch.stack([row[places] for row, places in zip(logits, at)])
        logits = logits / (self.chosen["temperature"] + 1e-7)
        found = selective_log_softmax(logits, ids).masked_fill(beyond, BEYOND)
        shares = torch.softmax(logits, -1)
        entropy = torch.logsumexp(logits, -1) - (shares * logits).sum(-1)
        return found, entropy[~beyond].mean()

    def values(self, batch, at):
        peft = isinstance(self.value, adapters.PeftModel)
        model = self.value.base_model.model if peft else self.value
        states = model.model(**batch, use_cache=False).last_hidden_state
        scores = model.score(states).squeeze(-1)
        return torch.stack([row[places] for row, places in zip(scores, at)])

    def old(self, places):
        """What TRL makes of samples when they are drawn, of all of them at once."""
        batch, ids, at, beyond, behind, (_, lengths) = self.batch(places)
        with torch.no_grad():
            drawn, _ = self.log_probs(self.policy, batch, ids, at, beyond)
            values = self.values(batch, at)
            if self.reference is None:
                with self.policy.disable_adapter():
                    before, _ = self.log_probs(self.policy, batch, ids, at, beyond)
            else:
                before, _ = self.log_probs(self.reference, batch, ids, at, beyond)
        for row, place in enumerate(places):
            line, length = self.lines[place], int(lengths[row])
            if "old_per_token_logps" in line:
                drawn[row, :length] = torch.tensor(line["old_per_token_logps"][0])
            if "old_values" in line:
                known = torch.tensor(line["old_values"][0])[:self.width]
                values[row, :len(known)] = known
        values = values.masked_fill(behind, 0)
        scores = torch.tensor([self.lines[place]["rewards"][0] for place in places])
        ended = torch.tensor([self.eos in self.lines[place]["completion_ids"][0]
                              for place in places])
        if self.chosen["missing_eos_penalty"] is not None:
            scores[~ended] -= self.chosen["missing_eos_penalty"]
        return self.worth(drawn, before, values, scores, lengths, beyond, behind)

    def worth(self, drawn, before, values, scores, lengths, beyond, behind):
        chosen, width = self.chosen, self.width
        logr = before - drawn
        kl = -logr if chosen["kl_estimator"] == "k1" else (logr.exp() - 1) - logr
        penalty = -chosen["kl_coef"] * kl
        rewards = penalty.clone()
        end = torch.where(lengths < width, lengths, lengths - 1)
        rewards[torch.arange(len(end)), end] += scores
        if chosen["whiten_rewards"]:
            rewards = whiten(rewards, ~behind, shift_mean=False).masked_fill(behind, 0)
        last, found = 0, []
        for t in reversed(range(width)):
            following = values[:, t + 1] if t < width - 1 else 0.0
            delta = rewards[:, t] + chosen["gamma"] * following - values[:, t]
            last = delta + chosen["gamma"] * chosen["lam"] * last
            found.append(last)
        advantages = torch.stack(found[::-1], 1)
        returns = advantages + values
        advantages = whiten(advantages, ~beyond).masked_fill(beyond, 0)
        non_score = penalty.sum(1).mean()
        told = {"objective/kl": kl.sum(1).mean(), "objective/entropy": (-drawn).sum(1).mean(),
                "objective/non_score_reward": non_score, "objective/scores": scores.mean(),
                "objective/rlhf_reward": non_score + scores.mean()}
        return dict(drawn=drawn, before=before, values=values, rewards=rewards, returns=returns,
                    advantages=advantages, told={name: float(one) for name, one in told.items()})

    def loss(self, places, old, rows):
        """Of the samples at `places`, which stand in these rows of what was made when they were
        drawn."""
        chosen = self.chosen
        batch, ids, at, beyond, behind, _ = self.batch(places)
        now, entropy = self.log_probs(self.policy, batch, ids, at, beyond)
        found = self.values(batch, at).masked_fill(behind, 0)
        advantages, returns, values = (old[key][rows] for key in ("advantages", "returns", "values"))
        near = torch.clamp(found, values - chosen["cliprange_value"],
                           values + chosen["cliprange_value"])
        plain, clipped = (found - returns) ** 2, (near - returns) ** 2
        of_values = 0.5 * masked_mean(torch.max(plain, clipped), ~behind)
        apart = now - old["drawn"][rows]
        ratio = apart.exp()
        first = -advantages * ratio
        second = -advantages * torch.clamp(ratio, 1 - chosen["cliprange"], 1 + chosen["cliprange"])
        of_policy = masked_mean(torch.max(first, second), ~beyond)
        told = {"policy/approxkl_avg": 0.5 * (apart ** 2).mean(), "policy/entropy_avg": entropy,
                "policy/clipfrac_avg": masked_mean((second > first).float(), ~beyond),
                "loss/policy_avg": of_policy, "loss/value_avg": of_values,
                "val/clipfrac_avg": masked_mean((clipped > plain).float(), ~behind),
                "val/ratio": ratio.mean()}
        return (of_policy + chosen["vf_coef"] * of_values,
                {name: float(one) for name, one in told.items()})

    def trained(self):
        return [parameter for model in (self.policy, self.value)
                for parameter in model.parameters() if parameter.requires_grad]

    def train(self, training):
        """The log of a run: an optimizer's step is a mini-batch."""
        chosen, size = self.chosen, training["per_device_train_batch_size"]
        rows = size * training["gradient_accumulation_steps"]
        part = rows // chosen["num_mini_batches"]
        micro = min(size, part)
        epochs, generations = chosen["num_ppo_epochs"], len(self.lines) // rows
        steps_each = epochs * chosen["num_mini_batches"]
        optimizer = torch.optim.AdamW(self.trained(), lr=training["learning_rate"],
                                      weight_decay=0.0)
        log, generation = [], 0
        while len(log) < training["max_steps"]:
            begin = generation % generations * rows
            places = list(range(begin, begin + rows))
            old = self.old(places)
            for step in range(steps_each):
                told = dict(old["told"]) if step == 0 else {}
                first = step % chosen["num_mini_batches"] * part
                sums = {}
                for start in range(first, first + part, micro):
                    here = list(range(start, start + micro))
                    loss, figures = self.loss([places[row] for row in here], old, here)
                    (loss * micro / part).backward()
                    for name, value in (figures | {"loss": float(loss)}).items():
                        sums[name] = sums.get(name, 0) + value * micro / part
                norm = torch.nn.utils.clip_grad_norm_(self.trained(), 1.0)
                optimizer.step()
                optimizer.zero_grad()
                done = len(log) + 1
                log.append(told | sums | {"step": done, "grad_norm": float(norm),
                                          "learning_rate": training["learning_rate"],
                                          "epoch": done / (generations * steps_each)})
                if done == training["max_steps"]:
                    break
            generation += 1
        return log


def whole_value_model(world, checkpoint):
    """A checkpoint with a head of scores, as a reward run with strategy: full leaves it, and the
    oracle's model of it."""
    folder = world.scratch / "value"
    model = reward_models.trained_whole(checkpoint, "reward")
    model.requires_grad_(True)
    if model.lm_head.weight is not model.get_input_embeddings().weight:
        model.lm_head.requires_grad_(False)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.02)
    shutil.copytree(checkpoint.path, folder)
    stored = load_file(folder / "model.safetensors")
    own = {checkpoint.family.native_name(name): name for name in stored}
    for name, tensor in model.state_dict().items():
        if name in own:
            stored[own[name]] = tensor.detach().clone().contiguous()
    stored["score.weight"] = model.score.weight.detach().clone()
    save_file(stored, folder / "model.safetensors", metadata={"format": "pt"})
    return folder, model


def drifted(made, count, seed=5):
    """Log-probabilities and values a little beside the models', as of who drew some steps before."""
    old, draws = made.old(list(range(count))), torch.Generator().manual_seed(seed)
    found = []
    for row, line in enumerate(made.lines):
        length = len(line["completion_ids"][0])
        logps = old["drawn"][row, :length] + 0.1 * torch.randn(length, generator=draws)
        values = torch.zeros(length + 1)
        known = old["values"][row][:length + 1]
        values[:len(known)] = known
        values += 0.05 * torch.randn(length + 1, generator=draws)
        found.append(line | {"old_per_token_logps": [logps.tolist()],
                             "old_values": [values.tolist()]})
    return found


def value_gradients(model):
    return {f"value_{name}": tensor for name, tensor in preferences.gradients(model).items()}


def loss_case(name, choices, kind="attention", count=4):
    """A drawn policy adapter against the base that it hangs on, and a drawn value adapter."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        folder = adapters.make(checkpoint, kind, world.adapters)
        value_folder, value = reward_models.started("reward")(world, checkpoint, kind, True)
        policy = adapters.PeftModel.from_pretrained(checkpoint.model(), folder, is_trainable=True)
        made = Ppo(checkpoint, policy, None, value, given(world, checkpoint, count), {})
        made.lines = drifted(made, count)
        rows = preferences.write(world.scratch / "train.jsonl", made.lines)
        places = list(range(count))
        for label, settings in choices.items():
            made.choose(settings)
            policy.zero_grad(), value.zero_grad()
            old = made.old(places)
            loss, told = made.loss(places, old, places)
            loss.backward()
            batch, ids, at, beyond, _, (starts, lengths) = made.batch(places)
            with torch.no_grad():
                now, _ = made.log_probs(policy, batch, ids, at, beyond)
            mask = torch.zeros_like(batch["input_ids"])
            steps = torch.zeros(mask.shape)
            for row, (start, length) in enumerate(zip(starts.tolist(), lengths.tolist())):
                mask[row, start + 1:start + 1 + length] = 1
                steps[row, start + 1:start + 1 + length] = now[row, :length]
            wanted = {"loss": loss.detach().view(1), "token_logps": steps, "logps": steps.sum(1),
                      "ref_logps": old["before"].masked_fill(beyond, 0).sum(1),
                      "input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"],
                      "completion_mask": mask}
            wanted |= {f"metric.{one}": torch.tensor([value_])
                       for one, value_ in (told | old["told"]).items()}
            wanted |= preferences.gradients(policy)
            path = preferences.recipe(
                world, checkpoint, "lora", "ppo", made.chosen | dict(
                    rollouts=str(rows), value_model=str(value_folder)), folder, checkpoint.path,
                dict(per_device_train_batch_size=count))
            got = preferences.loss(world, path, made.lines)
            preferences.check(result, label, got, wanted, OBJECTIVE + STEP,
                              old["advantages"].abs().max().item())
            result.same(f"{label} metrics", sorted(key for key in got if key.startswith("metric.")),
                        sorted(key for key in wanted if key.startswith("metric.")))
            for key, mine in (("token_rewards", "rewards"), ("advantages", "advantages"),
                              ("returns", "returns")):
                result.close(f"{label} {key}", got.get(key), old[mine], preferences.SUMS, key)
            slopes = value_gradients(value)
            if result.same(f"{label} names of the value model's gradients",
                           sorted(key for key in got if key.startswith("value_grad.")),
                           sorted(slopes)):
                largest = max(slope.abs().max().item() for slope in slopes.values())
                for key, slope in slopes.items():
                    result.close(f"{label} {key}", got[key], slope, forward.GRADIENTS, "grad",
                                 largest * 1e-3)
    return case


def train_case(name, settings, count=8, strategy="lora", kind="attention", training=None):
    """Six steps on given samples, of which only the rewards are known. Under full the value model is
    a whole checkpoint."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        lines = given(world, checkpoint, count)
        rows = preferences.write(world.scratch / "train.jsonl", lines)
        size = preferences.STEPS | dict(max_steps=6, gradient_accumulation_steps=2) | (training or {})
        folder, policy, reference = None, checkpoint.model(), None
        if strategy == "lora":
            folder, policy = preferences.started(world, checkpoint, kind, True)
            value_folder, value = reward_models.started("reward")(world, checkpoint, kind, True)
        else:
            reference = checkpoint.model()
            value_folder, value = whole_value_model(world, checkpoint)
        made = Ppo(checkpoint, policy, reference, value, lines, settings)
        path = preferences.recipe(
            world, checkpoint, strategy, "ppo", made.chosen | dict(
                rollouts=str(rows), value_model=str(value_folder)), folder,
            checkpoint.path if strategy == "lora" else None, size)
        world.program.run("train", path)
        log = made.train(size)
        run = world.scratch / "run"
        curve = train.curve(run)
        train.compare_curves(result, curve, log)
        for mine, theirs in zip(curve, log):
            for key in OBJECTIVE + STEP:
                if result.same(f"step {theirs['step']} has {key}", key in mine, key in theirs) \
                        and key in theirs:
                    result.near(f"step {theirs['step']} {key}", mine[key], theirs[key], train.CURVE,
                                "metrics", 0.05)
        if strategy == "lora":
            for where, model in (("adapter", policy), ("value_model", value)):
                got = load_file(run / where / "adapter_model.safetensors")
                wanted = get_peft_model_state_dict(model, save_embedding_layers=False)
                if result.same(f"{where} tensors", sorted(got), sorted(wanted)):
                    for key, tensor in wanted.items():
                        result.close(key, got[key], tensor.detach(), train.WEIGHTS, where)
            config = json.loads((run / "value_model" / "adapter_config.json").read_text())
            result.same("task_type", config["task_type"], "SEQ_CLS")
        else:
            train.compare_model(world, result, checkpoint, policy)
            got = load_file(run / "value_model" / "model.safetensors")
            result.close("score.weight", got.get("score.weight"), value.score.weight.detach(),
                         train.WEIGHTS, "value_model")
    return case


def cases(everything=False):
    several = dict(num_ppo_epochs=2, num_mini_batches=2)
    found = {
        "ppo/clip-llama/loss": loss_case("clip-llama", CHOICES if everything else {
            label: CHOICES[label] for label in ("plain", "k3", "whitened", "clip")}),
        "ppo/qwen2_vl-plain/loss": loss_case("qwen2_vl-plain", {"plain": {}}),
        "ppo/clip-llama/train": train_case("clip-llama", several),
    }
    if everything:
        for name in ("smolvlm-plain", "siglip-mistral", "qwen2_5_vl-plain"):
            found[f"ppo/{name}/loss"] = loss_case(name, CHOICES)
        found["ppo/qwen2_vl-plain/train"] = train_case("qwen2_vl-plain", several)
        found["ppo/clip-llama/accumulated"] = train_case(
            "clip-llama", dict(num_ppo_epochs=1, kl_estimator="k3", whiten_rewards=True,
                               missing_eos_penalty=1.0))
        found["ppo/clip-llama/full"] = train_case(
            "clip-llama", dict(num_ppo_epochs=2), strategy="full",
            training=dict(learning_rate=5e-4, gradient_accumulation_steps=1))
    return found

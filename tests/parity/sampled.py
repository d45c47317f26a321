# SPDX-License-Identifier: GPL-3.0-or-later
"""GRPO and RLOO against TRL's trainers, with pictures and the same samples: one batch through
`loss` under every loss type and option, and runs that are given their samples."""
import logging
import math

import torch
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer
from trl.trainer import grpo_trainer, rloo_trainer

import adapters
import preferences
from checkpoints import make
from conversations import resolved, rows

SHARED = ("reward", "reward_std", "frac_reward_zero_std", "entropy", "completions/mean_length",
          "completions/min_length", "completions/max_length", "completions/clipped_ratio")
CLIPPED = ("clip_ratio/low_mean", "clip_ratio/high_mean", "clip_ratio/region_mean",
           "clip_ratio/low_min", "clip_ratio/high_max")
GROUP = 4
PICTURES = ("pixel_values", "image_grid_thw", "num_images", "pixel_attention_mask",
            "spatial_shapes", "num_tiles", "image_sizes", "token_type_ids", "mm_token_type_ids",
            "image_position_ids")
GRPO = {
    "dapo": {}, "grpo": {}, "bnpo": {}, "dr_grpo": dict(max_completion_length=20), "sapo": {},
    "cispo": dict(epsilon_high=1.1), "luspo": dict(importance_sampling_level="sequence"),
    "vespo": dict(vespo_k_pos=1.5, vespo_lambda_neg=1.2),
}
OPTIONS = {
    "kl": dict(loss_type="grpo", beta=0.3),
    "kl, unweighed": dict(beta=0.2, use_bias_correction_kl=False),
    "sequence": dict(loss_type="grpo", importance_sampling_level="sequence", beta=0.1),
    "luspo, tokens": dict(loss_type="luspo", beta=0.1),
    "clip": dict(epsilon=0.05, epsilon_high=0.4, delta=1.2),
    "batch": dict(scale_rewards="batch"), "unscaled": dict(scale_rewards="none"),
    "cut": dict(loss_type="grpo", mask_truncated_completions=True, beta=0.1),
    "certain": dict(top_entropy_quantile=0.4),
    "entropy": dict(entropy_coef=0.2, top_entropy_quantile=0.7),
    "drift": dict(off_policy_mask_threshold=0.02),
    "warm": dict(temperature=0.7, beta=0.1),
}
SEVERAL = {
    "weights": dict(reward_weights=[0.3, 2.0]),
    "apart": dict(reward_weights=[1.0, 0.5], multi_objective_aggregation="normalize_then_sum"),
}
RLOO = {
    "plain": {}, "free": dict(beta=0.0), "normalized": dict(normalize_advantages=True),
    "ranged": dict(reward_clip_range=[-0.5, 0.4]), "clip": dict(epsilon=0.1, epsilon_high=0.3),
    "cut": dict(mask_truncated_completions=True), "warm": dict(temperature=1.2, beta=0.2),
}


def given(world, checkpoint, count, names=("reward",), group=GROUP, seed=31):
    """Questions about a picture with `group` samples each, some of them cut off, and rewards of
    which some are not there."""
    tokenizer = checkpoint.processor.tokenizer
    draws = torch.Generator().manual_seed(seed)
    words = tokenizer(" ".join(str(row[-1]["content"][0]["text"]) for row in rows(12, seed=seed)),
                      add_special_tokens=False)["input_ids"]
    lines = []
    for row in rows(count, seed=seed):
        samples, rewards = [], {name: [] for name in names}
        for place in range(group):
            length = 1 + int(torch.randint(9, (), generator=draws))
            start = int(torch.randint(len(words) - length, (), generator=draws))
            end = [tokenizer.eos_token_id] if place % 3 != 2 else []
            samples.append(words[start:start + length] + end)
            for name in names:
                value = round(float(torch.randn((), generator=draws)), 3)
                rewards[name].append(None if torch.rand((), generator=draws) < 0.15 else value)
        lines.append({"prompt": resolved(row, world.inputs)[:-1], "completion_ids": samples,
                      "rewards": rewards[names[0]] if names == ("reward",) else rewards})
    return lines


def rewards_of(line, name):
    return line["rewards"] if isinstance(line["rewards"], list) else line["rewards"][name]


class Given:
    """A trainer whose rows are numbers, and whose samples and rewards are those of the lines."""
    lines, old = (), None

    def _generate_and_score_completions(self, inputs):
        places = [(example["index"], place % self.num_generations)
                  for place, example in enumerate(inputs)]
        self.samples = [self.lines[row]["completion_ids"][place] for row, place in places]
        if self.old is not None:
            longest = max(len(sample) for sample in self.samples)
            self.old_now = torch.stack([torch.nn.functional.pad(
                torch.tensor(self.old[row][place]), (0, longest - len(self.old[row][place])))
                for row, place in places])
        made = super()._generate_and_score_completions(
            [preferences.for_trl(self.lines[row], "prompt") | {"row": row, "sample": place}
             for row, place in places])
        if self.old is not None and "old_logps" not in made:
            made["old_per_token_logps"] = self.old_now
        return made

    def _generate_single_turn(self, *_, **__):
        return [list(sample) for sample in self.samples], None

    def _get_per_token_logps_and_entropies(self, model, *inputs, **more):
        found = super()._get_per_token_logps_and_entropies(model, *inputs, **more)
        asks_old = self.old is not None and model is self.model and not torch.is_grad_enabled()
        return (self.old_now, *found[1:]) if asks_old else found


class GivenGRPO(Given, GRPOTrainer):
    pass


class GivenRLOO(Given, RLOOTrainer):
    def _generate_single_turn(self, *_, **__):
        return [list(sample) for sample in self.samples]


KINDS = {"grpo": (GivenGRPO, GRPOConfig, grpo_trainer), "rloo": (GivenRLOO, RLOOConfig, rloo_trainer)}


def trainer(objective):
    """As preferences.train_case asks for one: rows in their order, nothing is shuffled."""
    kind, config, module = KINDS[objective]

    def build(world, checkpoint, model, lines, settings, reference=None, training=None):
        processor = preferences.processor_of(checkpoint)
        processor.tokenizer.padding_side = "left"
        module.shuffle_sequence_dict = lambda batch: batch
        logging.getLogger(module.__name__).setLevel(logging.ERROR)  # samples without a reward
        names = list(lines[0]["rewards"]) if isinstance(lines[0]["rewards"], dict) else ["reward"]

        def judge(name):
            def function(row, sample, **_):
                return [rewards_of(lines[one], name)[other] for one, other in zip(row, sample)]
            function.__name__ = name
            return function

        arguments = preferences.arguments(config, world, settings, training, shuffle_dataset=False)
        made = preferences.silenced(kind(
            model, reward_funcs=[judge(name) for name in names], args=arguments,
            train_dataset=preferences.numbered(lines), processing_class=processor))
        made.lines = lines
        if reference is not None and settings.get("beta", config.beta) != 0:
            module.add_fused_lm_head(reference, temperature=arguments.temperature)
            made.ref_model = reference.eval()
        return made
    return build


def log_probs(made, inputs):
    with torch.no_grad():
        return GRPOTrainer._get_per_token_logps_and_entropies(
            made, made.model, torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], 1),
            torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], 1),
            inputs["completion_ids"].shape[1],
            **{key: inputs[key] for key in PICTURES if key in inputs})[0]


def right_padded(inputs, values, padding):
    """[samples, prompt + answer], each prompt's padding gone from its left: ids, masks and `values`
    of the answers' tokens."""
    prompts, answers = inputs["prompt_mask"].sum(1), inputs["completion_mask"].sum(1)
    longest = int((prompts + answers).max())
    shape = (len(prompts), longest)
    found = {"input_ids": torch.full(shape, padding), "token_logps": torch.zeros(shape),
             "attention_mask": torch.zeros(shape, dtype=torch.long),
             "completion_mask": torch.zeros(shape, dtype=torch.long)}
    for at, (prompt, answer) in enumerate(zip(prompts.tolist(), answers.tolist())):
        ids = torch.cat([inputs["prompt_ids"][at][-prompt:], inputs["completion_ids"][at][:answer]])
        found["input_ids"][at, :prompt + answer] = ids
        found["attention_mask"][at, :prompt + answer] = 1
        found["completion_mask"][at, prompt:prompt + answer] = 1
        found["token_logps"][at, prompt:prompt + answer] = values[at][:answer]
    return found


def expected(made, count, metrics):
    """Of all rows as one generation of one micro-batch."""
    model = made.model.train()
    model.zero_grad()
    made._metrics["train"].clear()
    made.current_gradient_accumulation_steps = 1
    inputs = made._generate_and_score_completions(
        [{"index": row} for row in range(count) for _ in range(made.num_generations)])
    loss = made._compute_loss(model, inputs)
    loss.backward()
    wanted = right_padded(inputs, log_probs(made, inputs), made._tokenizer.pad_token_id)
    wanted |= {"loss": loss.detach().view(1), "advantages": inputs["advantages"]}
    if "ref_per_token_logps" in inputs:
        wanted["ref_logps"] = (inputs["ref_per_token_logps"] * inputs["completion_mask"]).sum(1)
    told = made._metrics["train"]
    wanted |= {f"metric.{name}": torch.tensor(told[name][-1:]) for name in metrics
               if name in told and not math.isnan(told[name][-1])}
    return wanted | preferences.gradients(model)


def drifted(made, count, seed=3):
    """Log-probabilities a little beside the model's, as of one that drew the samples some steps
    before."""
    inputs = made._generate_and_score_completions(
        [{"index": row} for row in range(count) for _ in range(made.num_generations)])
    found, draws = log_probs(made, inputs), torch.Generator().manual_seed(seed)
    moved = found + 0.2 * torch.randn(found.shape, generator=draws)
    lengths = [[len(sample) for sample in line["completion_ids"]] for line in made.lines]
    return [[moved[row * made.num_generations + place][:length].tolist()
             for place, length in enumerate(of_row)] for row, of_row in enumerate(lengths)]


def loss_case(name, objective, kind, choices, names=("reward",), count=2):
    """A drawn adapter against the base that it hangs on, all of `choices` on one batch of samples
    that another model drew."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        folder = adapters.make(checkpoint, kind, world.adapters)
        lines = given(world, checkpoint, count, names, seed=38)
        build, old = trainer(objective), None
        size = dict(per_device_train_batch_size=count * GROUP)
        preferences.write(world.scratch / "train.jsonl", lines)
        for label, settings in choices.items():
            if label in GRPO and objective == "grpo":
                settings = dict(loss_type=label) | settings
            settings = dict(num_generations=GROUP) | settings
            model = adapters.PeftModel.from_pretrained(checkpoint.model(), folder,
                                                       is_trainable=True)
            if old is None:
                old = drifted(build(world, checkpoint, model, lines, dict(num_generations=GROUP),
                                    checkpoint.model(), size), count)
                lines = [line | {"old_per_token_logps": rest} for line, rest in zip(lines, old)]
                model = adapters.PeftModel.from_pretrained(checkpoint.model(), folder,
                                                           is_trainable=True)
            made = build(world, checkpoint, model, lines, settings, checkpoint.model(), size)
            made.old = old
            asked = [*SHARED, *CLIPPED, "kl", "cispo_clip_ratio", "vespo/phi_seq_mean",
                     *(f"rewards/{one}/{figure}" for one in names for figure in ("mean", "std"))]
            wanted = expected(made, count, asked)
            path = preferences.recipe(world, checkpoint, "lora", objective, settings, folder,
                                      checkpoint.path, size)
            got = preferences.loss(world, path, lines)
            metrics = [name.removeprefix("metric.") for name in wanted if name.startswith("metric.")]
            terms = wanted["advantages"].abs().max().item()
            if settings.get("loss_type") in ("cispo", "vespo"):  # of log-probabilities
                terms *= wanted["token_logps"].abs().max().item()
            preferences.check(result, label, got, wanted, metrics, terms)
            result.close(f"{label} advantages", got["advantages"], wanted["advantages"],
                         preferences.SUMS, "advantages")
            result.same(f"{label} metrics", sorted(key for key in got if key.startswith("metric.")),
                        sorted(key for key in wanted if key.startswith("metric.")))
    return case


def train_case(name, objective, settings, count, training, seed=31, **how):
    """Six steps on given samples, of which only the rewards are known."""
    size = dict(max_steps=6, per_device_train_batch_size=4) | training
    metrics = [*SHARED, "rewards/reward/mean", "rewards/reward/std", *CLIPPED]
    if settings.get("beta", 0.05 if objective == "rloo" else 0):
        metrics.append("kl")
    return preferences.train_case(
        name, objective,
        lambda world: given(world, make(name, world.checkpoints), count, group=2, seed=seed),
        trainer(objective), metrics, dict(num_generations=2) | settings, training=size,
        ours=dict(rollouts="train.jsonl"), **how)


def cases(everything=False):
    def part(choices, *labels):
        return choices if everything else {label: choices[label] for label in labels}

    some = {"dapo": GRPO["dapo"], "kl": OPTIONS["kl"]}
    found = {
        "grpo/clip-llama/types": loss_case("clip-llama", "grpo", "attention", GRPO),
        "grpo/clip-llama/options": loss_case("clip-llama", "grpo", "attention", part(
            OPTIONS, "kl", "sequence", "clip", "batch", "cut", "entropy", "drift")),
        "grpo/clip-llama/several": loss_case("clip-llama", "grpo", "attention",
                                             part(SEVERAL, "apart"), ("form", "answer")),
        "grpo/qwen2_vl-plain/types": loss_case("qwen2_vl-plain", "grpo", "attention", some),
        "rloo/clip-llama/options": loss_case("clip-llama", "rloo", "attention",
                                             part(RLOO, "plain", "ranged", "cut", "warm")),
        # Two steps on each generation, then its samples once more.
        "grpo/clip-llama/long": train_case(
            "clip-llama", "grpo", dict(steps_per_generation=2, num_iterations=2, beta=0.1,
                                       loss_type="grpo"), 8, {}, drawn=False),
        "grpo/clip-llama/dapo": train_case(
            "clip-llama", "grpo", {}, 24, dict(gradient_accumulation_steps=2), seed=5),
        "rloo/clip-llama/long": train_case(
            "clip-llama", "rloo", dict(steps_per_generation=2), 12, {}, drawn=False),
    }
    if everything:
        for name in ("smolvlm-plain", "siglip-mistral", "qwen2_5_vl-plain"):
            found[f"grpo/{name}/types"] = loss_case(name, "grpo", "attention", GRPO)
            found[f"rloo/{name}/options"] = loss_case(name, "rloo", "attention", RLOO)
        found["grpo/clip-llama/full"] = train_case(
            "clip-llama", "grpo", dict(beta=0.1, num_iterations=2), 12,
            dict(learning_rate=5e-4), strategy="full")
    return found

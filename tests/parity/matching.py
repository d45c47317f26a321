# SPDX-License-Identifier: GPL-3.0-or-later
"""`objective: matching` against a retrieval class of transformers (blip.py, blip2_retrieval.py): its negatives are drawn here once more. A kind is a module with
make, oracle (whose forward gives likenesses and their loss, and `matched` what is said of pairs), Joining, silent, felt, with_adapter and compare_results."""
import json
from types import SimpleNamespace

import torch
from safetensors.torch import load_file

import report
import train
from encoders import GOLDEN, WORD, Draws, mixed
from two_towers import rows, write_lines


def drawn(seed, number, count):
    """The two numbers a row of the micro-batch of this number: of pictures, of texts."""
    streams = [Draws(mixed((seed * GOLDEN + (number + 1) * 0xD1B54A32D192ED03) & WORD), index) for index in range(count)]
    return [[stream.unit() for stream in streams] for _ in range(2)]


def pairs_of(texts, pictures, draws):
    """Own pairs, each text beside another picture, each picture beside another text; by likenesses of texts among pictures and of pictures among texts."""
    own = list(range(len(texts)))
    return own + own + others(pictures, draws[1]), own + others(texts, draws[0]) + own


def compare_gradients(result, kind, got, named, prefix="grad."):
    """Of all trained tensors; what a loss does not reach is nought."""
    largest = max(parameter.grad.abs().max().item() for parameter in named.values() if parameter.grad is not None)
    for key, parameter in named.items():
        wanted = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        still = kind.silent(key) or not wanted.any()
        found = got.get(f"{prefix}{key}", torch.zeros_like(parameter))
        result.close(f"{prefix}{key}", kind.felt(key, found), kind.felt(key, wanted), 1e-4, "zero grad" if still else "grad", largest if still else 0.0)


def others(logits, draws):
    """Of each row the column that its number falls on among softmax + 1e-4, its own left out."""
    weights = (logits.softmax(1) + 1e-4).double()
    weights.fill_diagonal_(0)
    sums = weights.cumsum(1)
    return (sums <= torch.tensor(draws, dtype=torch.float64).view(-1, 1) * sums[:, -1:]).sum(1).tolist()


class Matching(torch.nn.Module):
    """The loss of `matching` around the retrieval class; `number`: of the window's first micro-batch."""

    def __init__(self, model, joining, seed=0, weight=1.0, every=1):
        super().__init__()
        self.model, self.joining, self.seed, self.weight, self.every, self.number = model, joining, seed, weight, every, 0
        self.draws = self.pairs = None      # set: those of the engine

    def __call__(self, made):
        base = getattr(self.model, "base_model", self.model)
        base = base.model if hasattr(base, "matched") is False and hasattr(base, "model") else base
        count = len(made)
        out = self.model(**self.joining(made))
        draws = self.draws
        if draws is None:
            draws = drawn(self.seed, self.number, count)
            self.number += self.every
        texts, pictures = self.pairs = pairs_of(out.logits_per_text.detach(), out.logits_per_image.detach(), draws)
        begun = [self.joining.beside(ids) for ids in self.joining.texts(made)]
        read = self.joining.padded([begun[row] for row in texts])
        scores = base.matched(**read, pixel_values=self.joining.pixels([made[row] for row in pictures]))
        right = torch.tensor([1] * count + [0] * (2 * count))
        loss = torch.nn.functional.cross_entropy(scores, right) + self.weight * out.loss
        return SimpleNamespace(loss=loss, scores=scores, likeness=out.logits_per_text)


def loss_case(kind, name, weight):
    def case(world, result):
        folder, made = kind.make(name, world.checkpoints), rows(world, 5)
        recipe = dict(model=str(folder), dataset=write_lines(world.scratch / "train.jsonl", made), objective="matching", strategy="full",
                      matching=dict(contrastive_weight=weight), training=dict(per_device_train_batch_size=5, device="cpu", dtype="float32"))
        (world.scratch / "recipe.yaml").write_text(json.dumps(recipe))
        world.program.run("loss", world.scratch / "recipe.yaml", "--rows", world.scratch / "train.jsonl", "--out", world.scratch / "out.safetensors")
        got, model = load_file(world.scratch / "out.safetensors"), kind.oracle(folder)
        asked = Matching(model, kind.Joining(folder), weight=weight)
        asked.draws = got["draws"].tolist()
        result.expect(got["draws"].unique().numel() == 10 and got["draws"].min() >= 0 and got["draws"].max() < 1, "the draws are no draws")
        out = asked(made)
        out.loss.backward()
        result.same("pairs", [got["pair_texts"].tolist(), got["pair_pictures"].tolist()], [list(side) for side in asked.pairs])
        result.close("logits_per_text", got["logits_per_text"], out.likeness.detach(), report.LOGITS, "logits")
        result.close("itm_score", got["itm_score"], out.scores.detach(), report.LOGITS, "logits")
        result.close("loss", got["loss"], out.loss.detach().view(1), 1e-5, "loss")
        compare_gradients(result, kind, got, dict(model.named_parameters()))
    return case


def train_case(kind, name, strategy, together=4, accumulation=1, checkpointing="false"):
    def case(world, result):
        folder, made = kind.make(name, world.checkpoints), rows(world, 12)
        steps = train.DEFAULTS | dict(max_steps=5, per_device_train_batch_size=together, gradient_accumulation_steps=accumulation, learning_rate=1e-3)
        recipe = dict(model=str(folder), dataset=write_lines(world.scratch / "train.jsonl", made), output_dir=str(world.scratch / "run"),
                      objective="matching", strategy=strategy,
                      training=steps | dict(device="cpu", dtype="float32", gradient_checkpointing=checkpointing, logging_steps=1, save_steps=0))
        model = kind.with_adapter(kind.oracle(folder), world, recipe, strategy)
        (world.scratch / "recipe.yaml").write_text(json.dumps(recipe))
        world.program.run("train", world.scratch / "recipe.yaml")
        asked = Matching(model, kind.Joining(folder), steps["seed"], every=accumulation)
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=steps["learning_rate"], betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
        window, log = together * accumulation, []
        for step in range(steps["max_steps"]):
            optimizer.zero_grad()
            at = step * window % len(made)
            out = asked(made[at:at + window])
            out.loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(trained, steps["max_grad_norm"]).item()
            optimizer.step()
            right = torch.tensor([1] * window + [0] * (2 * window))
            log.append({"loss": out.loss.item(), "grad_norm": norm, "accuracy/match": (out.scores.argmax(1) == right).float().mean().item()})
        got = train.curve(world.scratch / "run")
        result.same("steps", len(got), len(log))
        for number, (line, wanted) in enumerate(zip(got, log), 1):
            for key, value in wanted.items():
                result.near(f"step {number} {key}", line.get(key, float("nan")), value, train.CURVE, key.split("/")[0])
        kind.compare_results(world, result, name, model, strategy)
    return case

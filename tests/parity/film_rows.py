# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows with films against transformers, its processor given the frames: ids, labels, pixels, logits
and gradients; a greedy answer; a LoRA trajectory over rows with films, pictures, both and none."""
import json

import adapters
import films
import forward
import generate
import measure
from checkpoints import make
from conversations import image, text, turn, write_rows
from families import FAMILIES
from families.base import Plan
from report import of
from train import DEFAULTS, compare_adapter, compare_curves, curve, recipe, trained_by_transformers

TOKENS = 40


def forward_case(name, conversation):
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        folder = films.write_inputs(world.scratch / "films")
        messages = films.CONVERSATIONS[conversation]
        inputs = checkpoint.example(films.resolved(messages, folder))
        result.expect("pixel_values_videos" in inputs or "pixel_values" in inputs,
                      "the case is blind: it has no film")
        gradients = checkpoint.family.gradient_names(checkpoint)
        wanted = forward.expected(checkpoint, checkpoint.model(), inputs, gradients)
        wanted["pixel_values"] = checkpoint.family.film_pixels(messages, inputs)
        got = forward.run_forward(world.program, checkpoint, folder, conversation,
                                  world.scratch / "out.safetensors", gradients=gradients)
        forward.check(result, checkpoint.family, got, wanted,
                      forward.Exact(checkpoint, checkpoint.model, inputs, gradients))
    return case


def generate_case(name, conversation):
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        folder = films.write_inputs(world.scratch / "films")
        inputs = checkpoint.encode(films.resolved(films.CONVERSATIONS[conversation][:-1], folder),
                                   prompt=True)
        got = world.program.json("generate", checkpoint.path, "--input",
                                 folder / f"{conversation}.prompt.json", "--max-new-tokens", TOKENS,
                                 "--dtype", "float32", "--device", "cpu", "--json")
        result.same("prompt_tokens", got.get("prompt_tokens"), inputs["input_ids"].shape[1])
        generate.check(result, got["results"][0],
                       generate.greedy(checkpoint.model(), inputs, TOKENS,
                                       generate.stop_tokens(checkpoint)))
    return case


def film_rows(family):
    """What a data set mixes, but for what the family's reference does not take."""
    shortest = "still" if family.still_films else "short"
    shown = [[films.film("walk", 3)], [image("photo.png"), films.film("short")], [image("tall.png")],
             [], [films.film(shortest), films.film("short", 0.4)], [films.film("long", 1.5)],
             [films.film("short"), image("tiny.png")], [films.film("walk", listed=True)]]
    if family.lone_films:
        shown = [parts for parts in shown
                 if sum(part["type"] == "video" for part in parts) < 2
                 and ("one-film" in family.film_conversations
                      or len({part["type"] for part in parts}) < 2)]
    return [[turn("user", *parts, text(f"What is there? {index}")),
             turn("assistant", text("A red circle " * (1 + index % 3)))]
            for index, parts in enumerate(shown)]


def long_rows():
    """Films of which there is something to choose."""
    shown = [[films.film("walk", 3)], [films.film("long", 1.5)], [image("tall.png")],
             [films.film("walk", 2.5), films.film("long", 4)]]
    return [[turn("user", *parts, text(f"What is there? {index}")),
             turn("assistant", text("A blue square " * (1 + index % 3)))]
            for index, parts in enumerate(shown * 2)]


def train_case(name, kind, film=None, **training):
    """`film`: the recipe's, and what transformers' processor is told."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        folder = films.write_inputs(world.scratch / "films")
        plan = Plan(name, kind)
        limits = dict(film or {})
        checkpoint.film = limits
        if "max_pixels" in limits:
            checkpoint.film = limits | {"size": {"shortest_edge": limits["min_pixels"],
                                                 "longest_edge": limits["max_pixels"]}}
            del checkpoint.film["min_pixels"], checkpoint.film["max_pixels"]
        for key in ("min_frames", "max_frames"):    # Qwen3-VL's takes these of itself alone
            if key in limits:
                setattr(checkpoint.processor.video_processor, key, checkpoint.film[key])
        if "num_frames" in limits:
            checkpoint.film = {**checkpoint.film, "fps": None}
        settings = DEFAULTS | dict(max_steps=8, gradient_accumulation_steps=1) | training
        rows = long_rows() if film else film_rows(checkpoint.family)
        data = [checkpoint.example(films.resolved(row, folder)) for row in rows]
        write_rows(world.scratch / "train.jsonl", [films.resolved(row, folder) for row in rows])
        (world.scratch / "first.json").write_text(
            json.dumps({"messages": films.resolved(rows[0], folder)}))
        start = adapters.make(checkpoint, kind, world.adapters, random=False)
        model = adapters.start(checkpoint, kind)
        path = recipe(world, plan, settings, checkpoint, start)
        if film:
            path.write_text(path.read_text() + f"film: {json.dumps(film)}\n")
        world.program.run("train", path)
        log = trained_by_transformers(model, checkpoint.family.batch, data, [], settings,
                                      world.scratch / "oracle")
        model.eval()
        compare_curves(result, curve(world.scratch / "run"), log)
        compare_adapter(world, result, checkpoint, model, films.resolved(rows[0], folder))
    return case


def one_film(world, answer):
    return films.resolved([turn("user", films.film("walk"), text("What is it?")),
                           turn("assistant", answer)],
                          films.write_inputs(world.scratch / "films"))


def cases(everything=True):
    """Of the families that take films: every conversation with the first checkpoint, and each day
    one of every other."""
    found = {}
    for family in FAMILIES:
        if not family.films:
            continue
        names = [name for name in family.specs if family.has_films(name)]
        for place, name in enumerate(names):
            for conversation in family.film_conversations:
                if place and conversation != family.film_answers[0] and not everything:
                    continue
                if conversation == "still" and not family.still_films:
                    continue
                found[f"films/{name}/{conversation}"] = of(forward_case(name, conversation), family,
                                                           "forward", "gradients")
        first = names[0]
        found[f"films/{first}/generate"] = of(generate_case(first, family.film_answers[0]), family,
                                              "generate")
        if "march" in family.film_conversations:
            found[f"films/{first}/generate-march"] = of(generate_case(first, "march"), family,
                                                        "generate")
        found[f"films/{first}/train"] = of(
            train_case(first, "towers", per_device_train_batch_size=family.film_batch), family,
            "LoRA")
        for limits in family.film_limits[:None if everything else 1]:
            found[f"films/{first}/train-{next(iter(limits)).removeprefix('num_')}"] = of(
                train_case(first, "linear", limits), family, "LoRA")
        for kind in measure.KINDS if everything else ("lora",):
            if family.larger:
                found[f"films/{family.model_type}/forecast/{kind}"] = measure.forecast_case(
                    family, kind, one_film)
        if everything:
            for name in names[1:]:
                found[f"films/{name}/generate"] = of(generate_case(name, family.film_answers[1]),
                                                     family, "generate")
    return found

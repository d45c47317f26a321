# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases nobody chose: `--random N` draws N checkpoints of every family (draws.py) and compares
forward, gradients, greedy search, an adapter and,
every other time, a short training run. `--seed S` starts elsewhere; the name random/FAMILY/SEED of
a case says how to draw it again."""
import copy
import json
import random

import adapters
import checkpoints
import draws
import forward
import generate
import train
from conversations import CONVERSATIONS, resolved, rows
from families import FAMILIES
from families.base import Plan, old_processor_files, read


def drawn_family(family, rng, told):
    """The family with a `finish` that also ages the folder in ways drawn here."""
    left_out, aged, processor = (rng.random() < 0.4 for _ in range(3))
    kind = type(family)

    def finish(self, path, spec):
        kind.finish(self, path, spec)
        if aged and (path / "config.json").exists():
            draws.old_rotary(path)
            told.append("old rotary settings")
        if left_out and draws.defaults_left_out(path, family):
            told.append("defaults left out")
        if processor and (path / "processor_config.json").exists() and "image_processor" in read(
            path / "processor_config.json"):
            name = read(path / "processor_config.json")["image_processor"]["image_processor_type"].removesuffix("Pil")
            old_processor_files(path, name, kind.processor_class.__name__)
            told.append("old processor files")

    drawn = copy.copy(family)
    drawn.__class__ = type("Drawn" + kind.__name__, (kind,), {"finish": finish})
    return drawn


def draw(family, seed):
    """The family as drawn, its spec, and the generator for what follows; told gathers what was done
    to the folder."""
    rng, told = random.Random(f"{family.model_type}/{seed}"), []
    name = f"random-{family.model_type}-{seed}"
    spec = draws.draw_spec(rng, family)
    drawn = drawn_family(family, rng, told)
    tied = spec.model.get("tie_word_embeddings",
                          spec.text_options.get("tie_word_embeddings", False))
    drawn.kinds = {"drawn": draws.draw_adapter(rng, family, tied)}
    checkpoints.FAMILY_OF[name], checkpoints.SPECS[name] = drawn, spec
    return name, drawn, spec, rng, told


def write_conversations(world, rng, family, name):
    pictures = draws.draw_pictures(rng, world.inputs)
    made = {}
    for kind in ("plain", "several") if family.needs_picture else ("plain", "several", "words"):
        key = f"{name}-{kind}"
        made[key] = CONVERSATIONS[key] = draws.draw_conversation(rng, family, pictures, kind)
        (world.inputs / f"{key}.json").write_text(json.dumps({"messages": made[key]},
                                                             ensure_ascii=False))
        (world.inputs / f"{key}.prompt.json").write_text(
            json.dumps({"messages": made[key][:-1]}, ensure_ascii=False))
    return made


def held_against_double(checkpoint, result, before, got, wanted, inputs, names, folder=None):
    """Drawn models may magnify rounding beyond the tolerances of chosen ones: what is off no
    further from a computation in double precision
    than transformers' own result is no fault."""
    if len(result.problems) == before or any(": off by " not in problem
                                             for problem in result.problems[before:]):
        return

    def load():
        return adapters.attach(checkpoint.model(), folder) if folder else checkpoint.model()

    exact = forward.Exact(checkpoint, load, inputs, names).best
    kept = []
    for problem in result.problems[before:]:
        key = problem.split(": off by ")[0]
        theirs, ours = ((each[key].double() - exact[key]).abs().max() for each in (wanted, got))
        if ours <= 4 * theirs:
            result.facts["noise"] = result.facts.get("noise", 0) + 1
        else:
            kept.append(f"{problem} (from double: ours {ours:.1e}, theirs {theirs:.1e})")
    result.problems[before:] = kept


def compare(world, result, checkpoint, conversation, gradients):
    family = checkpoint.family
    try:
        inputs = checkpoint.example(resolved(CONVERSATIONS[conversation], world.inputs))
        names = family.gradient_names(checkpoint) if gradients else ()
        wanted = forward.expected(checkpoint, checkpoint.model(), inputs, names)
    except Exception as problem:
        result.facts["left out"] = f"{result.facts.get('left out', '')} {conversation.split('-')[-1]}: {type(problem).__name__} {problem}"[:160]
        return False
    if inputs["labels"].ne(-100).sum() == 0:
        return False
    got = forward.run_forward(world.program, checkpoint, world.inputs, conversation,
                              world.scratch / "out.safetensors", gradients=names)
    before = len(result.problems)
    forward.check(result, family, got, wanted)
    held_against_double(checkpoint, result, before, got, wanted, inputs, names)
    result.problems[before:] = [f"{conversation}: {problem}"
                                for problem in result.problems[before:]]
    return True


def random_case(family, seed):
    def case(world, result):
        name, drawn, spec, rng, told = draw(family, seed)
        made = write_conversations(world, rng, drawn, name)
        try:
            checkpoint = checkpoints.make(name, world.checkpoints)
            checkpoint.model()
        except Exception as problem:
            result.facts["cannot be drawn"] = f"{type(problem).__name__} {problem}"[:300]
            return
        checkpoint = checkpoints.Checkpoint(name, checkpoint.path, spec, drawn)
        steps = {f"forward {key.split('-')[-1]}": (lambda key=key: compare(
            world, result, checkpoint, key, not key.endswith("several")))
                 for key in made}
        conversation = next(iter(made))
        steps["generate"] = lambda: generate.greedy_case(name, conversation)(world, result)
        steps["adapter"] = lambda: adapter(world, result, checkpoint, conversation)
        if seed % 2 == 0:
            steps["train"] = lambda: training(world, result, checkpoint, rng)
        able = {}
        for step, act in steps.items():
            before = len(result.problems)
            if step in ("generate", "adapter") and not able.get("forward plain"):
                continue
            try:
                able[step] = act()
            except Exception as problem:
                result.problems.append(f"{type(problem).__name__}: {problem}")
            result.problems[before:] = [f"{step}: {problem}"
                                        for problem in result.problems[before:]]
        if result.problems:
            result.problems.insert(0, f"drawn as {spec!r}"[
                :1500] + f" {', '.join(told)} adapter {drawn.kinds['drawn']}")
    return case


def adapter(world, result, checkpoint, conversation):
    folder = adapters.make(checkpoint, "drawn", world.adapters)
    inputs = checkpoint.example(resolved(CONVERSATIONS[conversation], world.inputs))
    wanted = forward.expected(checkpoint, adapters.attach(checkpoint.model(), folder), inputs)
    got = forward.run_forward(world.program, checkpoint, world.inputs, conversation,
                              world.scratch / "out.safetensors", "--adapter", folder)
    before = len(result.problems)
    forward.check(result, checkpoint.family, got, wanted)
    held_against_double(checkpoint, result, before, got, wanted, inputs, (), folder)


def training(world, result, checkpoint, rng):
    """A few steps; rows of such lengths that the longest decides nothing for the others."""
    rope = checkpoint.spec.text_options.get("rope_parameters", {})
    if any(part.get("rope_type") in draws.STATEFUL
           for part in [rope, *(value for value in rope.values() if isinstance(value, dict))]):
        return
    own = checkpoint.family.model_type in ("qwen2_5_vl", "qwen3_vl",
                                           "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe",
                                           "glm4v")    # their Trainer means over micro-batches
    plan = Plan(checkpoint.name, "drawn", rows=8,
                without_picture=() if checkpoint.family.needs_picture else (3,), training=dict(
        max_steps=4, per_device_train_batch_size=rng.choice([2, 3]),
        gradient_accumulation_steps=1 if own else rng.choice([1, 2]),
        lr_scheduler_type=rng.choice(["constant", "linear", "cosine"]), shuffle=rng.random() < 0.5))
    train.train_case(plan)(world, result)


def cases(count, seed):
    return {f"random/{family.model_type}/{number}": random_case(family, number)
            for number in range(seed, seed + count)
            for family in FAMILIES if family.model_type in draws.DRAWS}

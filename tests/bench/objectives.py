# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows dpo, kto and grpo: whole steps beside TRL's trainers on the 70 M LLaVA, with the same rows
in the same order, an adapter and the base as its reference. Tokens are those of all sequences that a
step learns from, as ours counts them; both sides have the same rows, so that their ratio is that of
the seconds. A step of GRPO draws eight answers of 64 tokens to one picture, scores them and learns."""
import json
import random
import statistics
import sys

from measure import DECODER, HERE, WARM_UP, environment, luthier_train, run, summary

GENERATIONS, ANSWER = 8, 64
LORA = {"strategy": "lora", "adapter": {"r": 16, "lora_alpha": 32, "lora_dropout": 0.05,
                                        "target_modules": DECODER}}
SECTIONS = {
    "dpo": {"dpo": {"beta": 0.1}},
    "kto": {"kto": {"beta": 0.1}},
    "grpo": {"grpo": {"num_generations": GENERATIONS, "max_completion_length": ANSWER,
                      "reward_funcs": ["length"]}},
}
GOALS = {"dpo": (3, 0.35), "kto": (3, 0.35), "grpo": (5, 0.35)}
BATCHES = {"dpo": 4, "kto": 4, "grpo": GENERATIONS}


def rows_of(name, folder):
    """The model's rows as this objective reads them, beside its own."""
    path, pick = folder / "rows" / f"{name}.jsonl", random.Random(11)
    lines = []
    for number, line in enumerate(open(folder / "rows" / "train.jsonl")):
        question, answer = json.loads(line)["messages"]
        words = answer["content"][0]["text"].split()
        others = words[:]
        pick.shuffle(others)
        said = [[{"role": "assistant", "content": [{"type": "text", "text": " ".join(text)}]}]
                for text in (words, others)]
        row = {"prompt": [question]}
        if name == "dpo":
            row |= {"chosen": said[0], "rejected": said[1]}
        elif name == "kto":
            row |= {"completion": said[number % 2], "label": number % 2 == 0}
        else:
            row |= {"target_length": 120}
        lines.append(json.dumps(row))
    path.write_text("\n".join(lines) + "\n")
    return path


def measure(bench, name):
    rounds, steps = bench.repeats(2, 6)
    case = bench.made("llava-70m", max(steps, 10))
    case |= {"rows": rows_of(name, case["folder"]), "batch": BATCHES[name],
             "sections": {"objective": name, **LORA, **SECTIONS[name]}}
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(luthier_train([bench.cli, "train"], case, bench.work, bench.threads, steps))
        theirs.append(trl_train(name, case, bench.work, bench.threads, steps, ours[-1]["tokens"]))
    speed, memory = (statistics.median(compare(a, b) for a, b in zip(ours, theirs))
                     for compare in (lambda a, b: b["step_seconds"] / a["step_seconds"],
                                     lambda a, b: a["peak_bytes"] / b["peak_bytes"]))
    goals = GOALS[name]
    print(f"{name} (llava-70m): batch {case['batch']}, {bench.threads} threads, {rounds} pairs of {steps} steps")
    for title, runs in (("luthier", ours), ("TRL + PEFT", theirs)):
        middle = {key: statistics.median(each[key] for each in runs)
                  for key in ("step_seconds", "peak_bytes")}
        print(f"  {title:<14} {middle['step_seconds']:8.3f} s a step {middle['peak_bytes'] / 2**30:7.2f} GiB peak resident")
    print(f"  ratio          {speed:9.2f} x the speed (goal {goals[0]})            {memory:7.2f} x the memory (goal {goals[1]})", flush=True)
    return {"speed_ratio": speed, "memory_ratio": memory, "luthier": ours, "trl": theirs}


def trl_train(name, case, out, threads, steps, tokens):
    result = out / "trl.json"
    peak, _ = run([sys.executable, HERE / "trl_train.py", "--objective", name, "--model",
                   case["model"], "--rows", case["rows"], "--targets", DECODER, "--batch",
                   case["batch"], "--steps", steps, "--threads", threads, "--settings",
                   json.dumps({"generations": GENERATIONS, "answer": ANSWER}), "--out", result],
                  environment(threads))
    seconds = json.loads(result.read_text())["step_seconds"]
    assert len(seconds) == steps > WARM_UP, f"{len(seconds)} steps of {steps}"
    return summary(seconds, tokens, peak)

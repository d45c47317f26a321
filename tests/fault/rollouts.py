# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills a run of GRPO while it draws answers, while the person's reward program is at work, and while
it learns, and resumes it until it is finished: adapter, roll-outs and metrics as undisturbed, byte for
byte. A generation is learned from over several steps here, so that checkpoints fall into its midst."""
import signal
import subprocess
import sys
import time

from tiny import command, environment, result

PROGRAM = """#!/usr/bin/env python3
import json, os, sys, time
for line in sys.stdin:
    marker = os.environ["REWARD_MARKER"]
    open(marker, "w").close()
    time.sleep(0.02)
    answers = json.loads(line)["answers"]
    print(json.dumps({"rewards": [None if i % 5 == 4 else len(set(each["text"])) / 10
                                  for i, each in enumerate(answers)]}), flush=True)
    os.unlink(marker)
"""


def recipe(root, out):
    return (f"model: {root}/model\ninit: random\ndataset: {root}/prompts.jsonl\noutput_dir: {out}\n"
            "objective: grpo\nstrategy: lora\nadapter: {r: 4, lora_alpha: 8, lora_dropout: 0.1, target_modules: all-linear}\n"
            "grpo: {num_generations: 4, max_completion_length: 12, steps_per_generation: 4, num_iterations: 2, beta: 0.05, reward_funcs: [program, length]}\n"
            "training: {device: cpu, dtype: float32, max_steps: 40, per_device_train_batch_size: 4, gradient_accumulation_steps: 2, learning_rate: 2.0e-3, "
            "logging_steps: 1, save_steps: 3, save_total_limit: 2, gradient_checkpointing: false}\n")


def made_of(run):
    found = result(run)
    found["rollouts"] = (run / "rollouts.jsonl").read_text()
    return found


def lines_of(path):
    try:
        return path.read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def check(cli, root, count, chance):
    program, marker = root / "reward.py", root / "at-work"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    rows = (root / "rows.jsonl").read_text().splitlines()
    prompts = [line.replace('"messages"', '"target_length": 20, "messages"', 1) for line in rows]
    (root / "prompts.jsonl").write_text("\n".join(prompts) + "\n")
    recipe_file, run, whole = root / "rollouts.yaml", root / "rollouts", root / "rollouts-whole"
    recipe_file.write_text(recipe(root, run))
    around = {**environment(), "REWARD_MARKER": str(marker)}

    def started(resume):
        return subprocess.Popen(command(cli, recipe_file, run if resume else None)
                                + ["--reward-program", str(program)], env=around,
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def finished(resume):
        process = started(resume)
        error = process.stderr.read()
        if process.wait() != 0:
            sys.exit(f"a run of roll-outs failed with {process.returncode}:\n{error}")

    finished(resume=False)
    run.rename(whole)
    total = lines_of(whole / "metrics.jsonl")
    landed = {"in a reward function": 0, "in a roll-out": 0, "while learning": 0}
    wanted = made_of(whole)
    for number in range(count):
        marker.unlink(missing_ok=True)
        process = started(resume=run.exists())
        steps = min(total - 2, lines_of(run / "metrics.jsonl") + chance.randint(0, 4))
        kind = list(landed)[number % 3]
        until = time.time() + 60
        while process.poll() is None and time.time() < until and lines_of(run / "metrics.jsonl") < steps:
            time.sleep(0.0005)
        drawn = lines_of(run / "rollouts.jsonl")
        while process.poll() is None and time.time() < until:
            at_work = marker.exists()
            if kind == "in a reward function" and at_work:
                break
            # Answers are drawn before they are judged: once they are, the next ones come.
            if kind == "in a roll-out" and not at_work and lines_of(run / "rollouts.jsonl") == drawn:
                time.sleep(chance.uniform(0, 0.02))
                break
            if kind == "while learning" and lines_of(run / "rollouts.jsonl") > drawn:
                break
            time.sleep(0.0002)
        at_work = marker.exists()
        process.send_signal(signal.SIGKILL)
        error = process.stderr.read()
        process.wait()
        if process.returncode == 0:
            break   # it was finished before the kill
        if process.returncode != -signal.SIGKILL:
            sys.exit(f"a resume of roll-outs failed with {process.returncode}:\n{error}")
        landed["in a reward function" if at_work else
               kind if kind != "in a reward function" else "while learning"] += 1
    finished(resume=True)
    got = made_of(run)
    different = sorted(key for key in wanted.keys() | got.keys() if wanted.get(key) != got.get(key))
    if different:
        sys.exit("roll-outs: after the kills these differ from the undisturbed run: "
                 f"{', '.join(different)} (in {run})")
    print(f"ok   kill -9, roll-outs: {sum(landed.values())} kills "
          f"({', '.join(f'{times} {place}' for place, times in landed.items())}), "
          "every byte as undisturbed", flush=True)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills a run of stages at random moments, also between two stages and while one's adapter is
merged, and resumes it; every stage must have the very bytes of a run that nobody disturbed."""
import signal
import subprocess
import sys
import time

from tiny import command, environment, result, undisturbed

STAGES = ("1-whole", "2-sft", "3-sft-2")


def recipe(root, out):
    training = ("{device: cpu, dtype: float32, max_steps: 7, per_device_train_batch_size: 2, "
                "gradient_accumulation_steps: 2, learning_rate: 2.0e-3, warmup_steps: 2, "
                "save_steps: 3, save_total_limit: 2, gradient_checkpointing: false}")
    return (f"model: {root}/model\ninit: random\ndataset: {root}/rows.jsonl\noutput_dir: {out}\n"
            f"training: {training}\nstages:\n  - {{name: whole, strategy: full}}\n"
            "  - {adapter: {r: 4, lora_dropout: 0.1}}\n  - {merge: true, adapter: {r: 2}}\n")


def logged_lines(run):
    lines = 0
    for stage in STAGES:
        try:
            lines += (run / "stages" / stage / "metrics.jsonl").read_bytes().count(b"\n")
        except FileNotFoundError:
            pass
    return lines


def between(run):
    """A stage has ended and the next has not begun, or a merge is being written."""
    stages = run / "stages"
    if any(stages.glob(".*merged*")):
        return True
    for stage, following in zip(STAGES, STAGES[1:]):
        ended = any((stages / stage / result).is_dir() for result in ("model", "adapter"))
        if ended and not (stages / following).exists():
            return True
    return False


def check(cli, root, count, chance):
    recipe_file, run, whole = root / "stages.yaml", root / "stages", root / "stages-whole"
    recipe_file.write_text(recipe(root, run))
    undisturbed(cli, recipe_file)
    run.rename(whole)   # paths are in what is written
    total = logged_lines(whole)
    landed = {"between stages": 0, "within one": 0}
    for number in range(count):
        process = subprocess.Popen(command(cli, recipe_file, run), env=environment(),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        gap = number % 2 == 0
        lines = chance.randint(0, total * 2 // 3 - 1 if gap else total - 1)
        until = time.time() + 60
        while process.poll() is None and time.time() < until and logged_lines(run) < lines:
            time.sleep(0.0005)
        while gap and process.poll() is None and time.time() < until and not between(run):
            time.sleep(0.0002)
        where = "between stages" if between(run) else "within one"
        process.send_signal(signal.SIGKILL)
        error = process.stderr.read()
        process.wait()
        if process.returncode == 0:
            compare(run, whole)
            run.rename(root / f"stages-{number}")
            continue
        if process.returncode != -signal.SIGKILL:
            sys.exit(f"a resume of stages failed with {process.returncode}:\n{error}")
        landed[where] += 1
    done = subprocess.run(command(cli, recipe_file, run), env=environment(), capture_output=True,
                          text=True)
    if done.returncode != 0:
        sys.exit(f"the last resume of stages failed with {done.returncode}:\n{done.stderr}")
    compare(run, whole)
    print(f"ok   kill -9, stages: {sum(landed.values())} kills "
          f"({', '.join(f'{times} {place}' for place, times in landed.items())}), "
          "every byte as undisturbed", flush=True)


def compare(run, whole):
    for stage in STAGES:
        wanted, got = result(whole / "stages" / stage), result(run / "stages" / stage)
        different = sorted(key for key in wanted.keys() | got.keys()
                           if wanted.get(key) != got.get(key))
        if different:
            sys.exit(f"stages: after the kills these of {stage} differ from the undisturbed run: "
                     f"{', '.join(different)} (in {run})")

# SPDX-License-Identifier: GPL-3.0-or-later
"""./luthier bench: speed and memory side by side with TRL's SFTTrainer + PEFT, in one run, as ratios; and what the open window costs.

For each model the two programs train in turn (A B A B ...) on the same checkpoint, rows, batch and threads. Tokens a second are counted over whole
steps, the first two of each run left out; memory is the peak resident set of the whole process, as the kernel counts it."""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
DECODER = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"


def run_measured(command, env):
    """Exit status and peak resident bytes of one process."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([str(part) for part in command], stdout=log, stderr=subprocess.STDOUT, env=env)
        _, status, usage = os.wait4(process.pid, 0)
        if status != 0:
            log.seek(0)
            sys.exit(f"{' '.join(map(str, command))}\nfailed:\n{log.read().decode(errors='replace')[-3000:]}")
    return usage.ru_maxrss * 1024


def luthier_train(cli, case, out, threads, steps, extra=()):
    recipe = out / "recipe.yaml"
    recipe.write_text(f"""model: {case['model']}
dataset: {case['rows']}
output_dir: {out / 'run'}
strategy: lora
adapter: {{r: 16, lora_alpha: 32, lora_dropout: 0.05, target_modules: '{DECODER}'}}
training: {{device: cpu, dtype: float32, max_steps: {steps}, per_device_train_batch_size: {case['batch']}, gradient_accumulation_steps: 1,
  learning_rate: 2.0e-4, gradient_checkpointing: false, save_steps: 0, seed: 42}}
""")
    shutil.rmtree(out / "run", ignore_errors=True)
    peak = run_measured([*cli, recipe, *extra], dict(os.environ, OMP_NUM_THREADS=str(threads)))
    lines = [json.loads(line) for line in open(out / "run" / "metrics.jsonl")]
    seconds = [line["step_seconds"] for line in lines][2:]
    tokens = [b["tokens"] - a["tokens"] for a, b in zip(lines, lines[1:])][1:]
    return {"tokens_per_second": sum(tokens) / sum(seconds), "step_seconds": statistics.median(seconds), "peak_bytes": peak}


def trl_train(case, out, threads, steps):
    result = out / "trl.json"
    env = dict(os.environ, OMP_NUM_THREADS=str(threads), HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    peak = run_measured([sys.executable, HERE / "trl_train.py", "--model", case["model"], "--rows", case["rows"], "--targets", DECODER, "--batch",
                         case["batch"], "--steps", steps, "--threads", threads, "--out", result], env)
    found = json.loads(result.read_text())
    seconds, tokens = found["step_seconds"][1:], found["tokens"][1:]
    return {"tokens_per_second": sum(tokens) / sum(seconds), "step_seconds": statistics.median(seconds), "peak_bytes": peak}


def side_by_side(cli, case, work, threads, rounds, steps):
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(luthier_train([cli, "train"], case, work, threads, steps))
        theirs.append(trl_train(case, work, threads, steps))
    median = lambda runs, key: statistics.median(run[key] for run in runs)
    speed = statistics.median(a["tokens_per_second"] / b["tokens_per_second"] for a, b in zip(ours, theirs))
    memory = statistics.median(a["peak_bytes"] / b["peak_bytes"] for a, b in zip(ours, theirs))
    print(f"{case['name']}: batch {case['batch']}, {threads} threads, {rounds} pairs of {steps} steps")
    for name, runs in (("luthier", ours), ("TRL + PEFT", theirs)):
        print(f"  {name:<12} {median(runs, 'tokens_per_second'):9.0f} tokens/s {median(runs, 'step_seconds'):8.3f} s a step "
              f"{median(runs, 'peak_bytes') / 2**30:7.2f} GiB peak resident")
    print(f"  ratio        {speed:9.2f} x the speed (goal 2.5)           {memory:7.2f} x the memory (goal 0.45)", flush=True)
    return {"case": case["name"], "speed_ratio": speed, "memory_ratio": memory, "luthier": ours, "trl": theirs}


def window_cost(cli, window, case, work, threads, rounds, steps):
    """Training with the window open against headless, alternating; and how long its event loop was held."""
    base = [window, "--launch", "--exit-when-done", "--bench-loop", work / "loop.json"]
    env_platform = os.environ.get("QT_QPA_PLATFORM")
    if not os.environ.get("DISPLAY") and not env_platform:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    ratios, holds = [], []
    for _ in range(rounds):
        plain = luthier_train([cli, "train"], case, work, threads, steps)
        shown = luthier_train([base[0]], case, work, threads, steps, base[1:])
        ratios.append(plain["tokens_per_second"] / shown["tokens_per_second"] - 1)
        holds.append(json.loads((work / "loop.json").read_text())["max_hold_ms"])
    print(f"window open on {case['name']}: {100 * statistics.median(ratios):+.1f} % time a token over headless (goal 3 %), "
          f"event loop held at most {max(holds):.0f} ms (goal 100 ms), {rounds} alternating pairs of {steps} steps", flush=True)
    return {"cost": statistics.median(ratios), "max_hold_ms": max(holds), "all_costs": ratios, "all_holds": holds}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, default=SOURCE / "build")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", choices=["teaching", "llava-70m", "window"])
    parser.add_argument("--work", type=Path, help="where to keep the checkpoint and the runs")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    cli, window = options.build / "bin" / "luthier-cli", options.build / "bin" / "luthier"
    work = options.work or Path(tempfile.mkdtemp(prefix="luthier-bench-"))
    work.mkdir(parents=True, exist_ok=True)
    start = time.time()
    teaching = SOURCE / "resources" / "teaching"
    small = {"name": "the teaching model", "model": teaching / "base", "rows": teaching / "tasks" / "korean" / "train.jsonl", "batch": 16}
    large = {"name": "LLaVA of 70 M", "model": work / "llava-70m", "rows": work / "rows" / "train.jsonl", "batch": 4}
    if options.only in (None, "llava-70m") and not (work / "rows" / "train.jsonl").exists():
        import checkpoints
        checkpoints.make_checkpoint(large["model"])
        checkpoints.make_rows(large["model"], work / "rows", count=48, length=264)
    results = []
    if options.only in (None, "teaching"):
        results.append(side_by_side(cli, small, work, options.threads, options.rounds, max(options.steps, 40)))
    if options.only in (None, "llava-70m"):
        results.append(side_by_side(cli, large, work, options.threads, options.rounds, options.steps))
    if options.only in (None, "window"):
        results.append(window_cost(cli, window, small, work, options.threads, max(3, options.rounds), 150))
    if options.json:
        options.json.write_text(json.dumps(results, indent=2))
    if not options.work:
        shutil.rmtree(work, ignore_errors=True)
    print(f"{time.time() - start:.0f} s in all")


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: GPL-3.0-or-later
"""One training process, ours or theirs, and what it took. Both are timed on the wall from the end
of one step to the end of the next, so that reading
rows counts; tokens are those of the rows, padding and filler left out; memory is the process's peak
resident set as the kernel counts it.
A child's peak starts from its parent's size, so whatever starts one must stay small: nothing here
imports torch."""
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
DECODER = r".*(language_model|text_model).*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
TWO_STACKS = r".*language_model\.(encoder|decoder)\..*\.(q_proj|k_proj|v_proj|out_proj|fc1|fc2)"
WARM_UP = 2         # steps that are not counted


class Failed(Exception):
    pass


def environment(threads):
    """`threads` None: as the program chooses."""
    env = dict(os.environ, HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    env.pop("OMP_NUM_THREADS", None)
    return env if threads is None else env | {"OMP_NUM_THREADS": str(threads)}


def run(command, env, watched=None, out=None):
    """Peak resident bytes of one process, and when each line of the file `watched` appeared. `out`:
    a file for what it says."""
    stamps, lines = [], None
    with tempfile.TemporaryFile() as log:
        said = open(out, "wb") if out else log
        process = subprocess.Popen([str(part) for part in command], stdout=said, stderr=log,
                                   env=env)
        try:
            while True:
                done, status, usage = os.wait4(process.pid, os.WNOHANG if watched else 0)
                if lines is None and watched and watched.exists():
                    lines = open(watched, "rb")
                if lines:
                    stamps += [time.perf_counter()] * lines.read().count(b"\n")
                if done:
                    break
                time.sleep(0.01)
        except BaseException:
            process.kill()
            raise
        finally:
            if lines:
                lines.close()
            if out:
                said.close()
        process.returncode = os.waitstatus_to_exitcode(
            status)      # it is reaped: Popen shall not wait for it
        if process.returncode != 0:
            log.seek(0)
            tail = log.read().decode(errors="replace").strip()[-1500:]
            raise Failed(f"{' '.join(map(str, command))}\nended with {process.returncode}:\n{tail}")
    return usage.ru_maxrss * 1024, stamps


def summary(seconds, tokens, peak):
    """`seconds[i]` and `tokens[i]` belong to step i; the first ones warm up."""
    return {"tokens_per_second": sum(tokens[WARM_UP:]) / sum(seconds[WARM_UP:]),
            "step_seconds": statistics.median(seconds[WARM_UP:]),
            "peak_bytes": peak, "tokens": tokens}


def train(command, case, out, threads, steps, extra=(), settings=None):
    """Peak resident bytes, when each step ended, and the lines of metrics.jsonl. `case` may name
    what is not the usual: dtype, strategy. `settings`: environment variables beside the usual
    ones."""
    recipe, folder = out / "recipe.yaml", out / "run"
    recipe.write_text(recipe_text(case, folder, steps))
    shutil.rmtree(folder, ignore_errors=True)
    env = environment(threads) | (settings or {})
    peak, stamps = run([*command, recipe, *extra], env, folder / "metrics.jsonl")
    return peak, stamps, [json.loads(line) for line in open(folder / "metrics.jsonl")]


def recipe_text(case, folder, steps):
    """`sections` of a case: strategy and what belongs to it, where that is not the usual LoRA."""
    if "sections" in case:
        return sections_text(case, folder, steps)
    method = (f"adapter: {{r: 16, lora_alpha: 32, lora_dropout: 0.05, target_modules: '{case.get('targets', DECODER)}'}}\n"
              if case.get("strategy", "lora") == "lora" else "")
    return f"""model: {case['model']}
dataset: {case['rows']}
output_dir: {folder}
strategy: {case.get('strategy', 'lora')}
{method}training: {{device: cpu, dtype: {case.get('dtype', 'float32')}, max_steps: {steps}, per_device_train_batch_size: {case['batch']}, gradient_accumulation_steps: 1,
  learning_rate: 2.0e-4, gradient_checkpointing: false, shuffle: false, logging_steps: 1, save_steps: 0, seed: 42}}
"""


def sections_text(case, folder, steps):
    return json.dumps({
        "model": str(case["model"]), "dataset": str(case["rows"]), "output_dir": str(folder),
        **case["sections"],
        "training": {"device": "cpu", "dtype": case.get("dtype", "float32"), "max_steps": steps,
                     "per_device_train_batch_size": case["batch"],
                     "gradient_accumulation_steps": 1, "learning_rate": 2e-4,
                     "gradient_checkpointing": "false", "shuffle": False, "logging_steps": 1,
                     "save_steps": 0, "seed": 42}}) + "\n"


def step_tokens(lines):
    counts = [line["tokens"] for line in lines]
    return [b - a for a, b in zip([0] + counts, counts)]


def luthier_train(command, case, out, threads, steps, extra=(), settings=None):
    peak, stamps, lines = train(command, case, out, threads, steps, extra, settings)
    return summary([0.0] + [b - a for a, b in zip(stamps, stamps[1:])], step_tokens(lines), peak)


def peft_train(case, out, threads, steps):
    result = out / "peft.json"
    peak, _ = run([sys.executable, HERE / "peft_train.py", "--model", case["model"], "--rows",
                   case["rows"], "--targets", case.get("targets", DECODER), "--batch",
                   case["batch"], "--steps", steps, "--threads", threads, "--trainer",
                   case.get("trainer", "trl"), "--dtype", case.get("dtype", "float32"),
                   "--method", json.dumps(case.get("method")), "--out", result],
                  environment(threads))
    found = json.loads(result.read_text())
    return summary(found["step_seconds"], found["tokens"], peak)

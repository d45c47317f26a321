# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows window-compare, window-long-run, million-rows and million-findings: the real window, offscreen, is driven
through a flow (app/gui/bench_flow) by its own widgets while it notes how long its event loop is held.
A flow that does not come to its end, as when an answer is missing, is an error of the window and
fails its row."""
import json
import os
import random
import shutil
import time

from measure import environment, run, train

HOLD = 100                      # milliseconds, the longest turn
OPENS = 1.0                     # seconds, from the click to the drawn curves
SAMPLES, ADAPTERS, TOKENS = 50, 4, 24
STEPS, LONG_RUNS = 100_000, 4
ROWS, FEW_ROWS, EVERY = 1_000_000, 1_000, 1_000
NEEDLE = "marmalade"
MEMORY = 100                    # MiB that a million rows take more than a thousand


def drive(bench, flow):
    """What the window notes, and its peak resident bytes."""
    folder = bench.work / "flow"
    shutil.rmtree(folder / "config", ignore_errors=True)
    folder.mkdir(exist_ok=True)
    wanted, out = folder / "wanted.json", folder / "found.json"
    wanted.write_text(json.dumps(flow, default=str))
    out.unlink(missing_ok=True)
    env = environment(bench.threads) | {"XDG_CONFIG_HOME": str(folder / "config"),
                                        "XDG_DATA_HOME": str(folder / "data")}
    if not os.environ.get("DISPLAY"):
        env.setdefault("QT_QPA_PLATFORM", "offscreen")
    peak, _ = run([bench.window, "--lang", "en", "--bench-flow", wanted, "--bench-loop", out], env)
    return json.loads(out.read_text()) | {"peak_bytes": peak}


def held(found):
    """The longest turn, and the part of the flow that it was in."""
    longest = max(found["phases"], key=lambda phase: phase["max_hold_ms"])
    return longest["max_hold_ms"], longest["name"]


def parts(found):
    for phase in found["phases"]:
        print(f"    {phase['name']:<16} {phase['seconds']:7.1f} s, held at most {phase['max_hold_ms']:6.1f} ms "
              f"({phase['max_work_ms']:.1f} ms of its own work)", flush=True)


def compare(bench):
    """Four adapters of the teaching model and its base answer 50 samples, while a person turns pages."""
    teaching = bench.teaching_case()["model"].parent
    adapters = []
    for at, task in enumerate(("korean", "pirate", "json", "korean")):
        case = {"name": "teaching", "model": teaching / "base", "batch": 16,
                "rows": teaching / "tasks" / task / "train.jsonl"}
        train([bench.cli, "train"], case, bench.work, bench.threads, 12 + 6 * at)
        folder = bench.work / "flow-adapters" / f"{task}-{at}"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(bench.work / "run" / "adapter", folder)
        adapters.append(folder)
    found = drive(bench, {
        "flow": "compare", "model": teaching / "base", "adapters": adapters, "count": SAMPLES,
        "samples": teaching / "tasks" / "korean" / "heldout.jsonl", "max_new_tokens": TOKENS})
    longest, where = held(found)
    print(f"window-compare: {found['answers']} answers ({found['tokens']} tokens) of {ADAPTERS} adapters and the base to {SAMPLES} "
          f"samples, event loop held at most {longest:.0f} ms ({where}; goal {HOLD} ms)", flush=True)
    parts(found)
    return found | {"max_hold_ms": longest}


def metrics_line(step, draw):
    spike = 40 if step % 9973 == 0 else 0
    return {"step": step, "epoch": step / 1000, "loss": 2.5 / (1 + step / 5000) + draw() / 5 + spike,
            "grad_norm": 1 + draw(), "learning_rate": 2e-4 * (1 - step / (STEPS + 1)),
            "tokens": 512 * step, "tokens_per_second": 5000 + 500 * draw(), "step_seconds": 0.1 + draw() / 50,
            "memory": {"weights": 120 << 20, "adapter": 4 << 20, "gradients": 4 << 20, "optimizer": 8 << 20,
                       "activations": int((60 + 20 * draw()) * (1 << 20)), "allocated": 210 << 20,
                       "reserved": 240 << 20, "peak": 220 << 20, "rss": 700 << 20},
            "mean_token_accuracy": 0.5 + draw() / 10, "entropy": 1 + draw()}


def write_run(folder, steps, day):
    """A run's folder as a finished training leaves it, but for its result."""
    folder.mkdir(parents=True)
    draw = random.Random(folder.name).random
    (folder / "recipe.yaml").write_text(f"model: base\ndataset: rows.jsonl\noutput_dir: {folder}\n")
    (folder / "run.json").write_text(json.dumps({
        "state": "finished", "format_version": 1, "strategy": "lora", "step": steps, "total_steps": steps,
        "started": f"2026-01-{day:02}T00:00:00.000Z", "updated": f"2026-01-{day:02}T09:00:00.000Z"}))
    with open(folder / "metrics.jsonl", "w") as out:
        for step in range(1, steps + 1):
            out.write(json.dumps(metrics_line(step, draw), separators=(",", ":")) + "\n")
    with open(folder / "events.jsonl", "w") as out:
        for step in range(100, steps + 1, 100):
            out.write(json.dumps({"step": step, "time": "2026-01-01T00:00:00.000Z", "kind": "checkpoint",
                                  "detail": f"step-{step:06}"}) + "\n")


def long_run(bench):
    """Runs of 100,000 logged steps on the Runs page and the Train page."""
    runs = bench.work / "flow-runs"
    shutil.rmtree(runs, ignore_errors=True)
    write_run(runs / "short", 20, 28)
    names = [f"long-{at}" for at in range(LONG_RUNS)]
    for at, name in enumerate(names):
        write_run(runs / name, STEPS, at + 1)
    found = drive(bench, {"flow": "long_run", "runs": runs, "short": "short", "long": names,
                          "steps": STEPS})
    longest, where = held(found)
    print(f"window-long-run: a run of {STEPS:,} logged steps opens in {found['open_seconds']:.2f} s (goal {OPENS:.0f} s); zoomed, gone along, "
          f"{LONG_RUNS} over one another, resumed: event loop held at most {longest:.0f} ms ({where}; goal {HOLD} ms), "
          f"{found['peak_bytes'] / 2**20:.0f} MiB peak resident", flush=True)
    parts(found)
    return found | {"max_hold_ms": longest}


def write_rows(file, count, pictures):
    """Rows with a picture, a question and an answer; one of EVERY holds what is searched for. Returns
    the number of the longest, from 1 on."""
    draw = random.Random(count)
    words = "red blue green yellow circle square triangle left right above below large small two three".split()
    longest = count // 3
    with open(file, "w") as out:
        for row in range(count):
            answer = " ".join(draw.choices(words, k=4 + row % 9))
            if row % EVERY == EVERY // 2:
                answer += f" {NEEDLE.capitalize()}"
            if row == longest:
                answer += " and so on," * 100
            out.write(json.dumps({"messages": [
                {"role": "user", "content": [{"type": "image", "path": str(pictures[row % len(pictures)])},
                                             {"type": "text", "text": f"What is in picture {row}?"}]},
                {"role": "assistant", "content": [{"type": "text", "text": answer}]}]}) + "\n")
    return longest + 1


def timed(command, bench, out):
    """Peak resident bytes and seconds of a command, whose words go to `out`."""
    begun = time.perf_counter()
    peak, _ = run(command, environment(bench.threads), out=out)
    return peak, time.perf_counter() - begun


def room_for_rows(bench):
    """The teaching model's folder, an empty one for rows, and the pictures that they show."""
    folder = bench.work / "flow-rows"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    teaching = bench.teaching_case()["model"].parent
    pictures = sorted((teaching / "pictures" / "train").glob("*.png"))
    if not pictures:
        raise OSError("the teaching model's pictures are not there")
    return teaching, folder, pictures


def million_rows(bench):
    """A million rows listed, searched, sorted and counted, by the command line and in the window; memory
    over that of a thousand rows."""
    teaching, folder, pictures = room_for_rows(bench)
    figures = {}
    for count in (FEW_ROWS, ROWS):
        file, out = folder / f"{count}.jsonl", folder / "out.json"
        longest = write_rows(file, count, pictures)
        recipe = folder / f"{count}.yaml"
        recipe.write_text(f"model: {teaching / 'base'}\ndataset: {file}\noutput_dir: {folder / 'run'}\n")
        own = figures[count] = {"file_bytes": file.stat().st_size}
        for verb, extra in (("search", [NEEDLE]), ("stats", ["--model", teaching / "base"])):
            words = [bench.cli, "data", verb, file, *extra, "--json"]
            peak, seconds = timed(words, bench, out)
            said = json.loads(out.read_text())
            right = (len(said["found"]) == count // EVERY if verb == "search"
                     else said["rows"] == count and said["unreadable"] == 0)
            if not right:
                raise ValueError(f"data {verb} of {count} rows came to something else")
            own[verb] = {"seconds": seconds, "peak_bytes": peak}
        own["window"] = drive(bench, {"flow": "rows", "recipe": recipe, "rows": count, "search": NEEDLE,
                                      "found": count // EVERY, "longest": longest})
        if count == ROWS:
            file.unlink()
    many, few = figures[ROWS], figures[FEW_ROWS]
    window = many["window"]
    longest, where = held(window)

    def more(part):
        return (many[part]["peak_bytes"] - few[part]["peak_bytes"]) / 2**20
    print(f"million-rows: {ROWS:,} rows, {many['file_bytes'] / 2**20:.0f} MiB; in brackets what they take in memory over {FEW_ROWS:,} rows (goal {MEMORY} MiB)\n"
          f"  command line: searched in {many['search']['seconds']:.1f} s ({more('search'):.0f} MiB), counted in {many['stats']['seconds']:.1f} s ({more('stats'):.0f} MiB)\n"
          f"  window: listed in {window['list_seconds']:.1f} s, searched in {window['search_seconds']:.1f} s, sorted in {window['sort_seconds']:.1f} s, "
          f"counted in {window['statistics_seconds']:.1f} s ({more('window'):.0f} MiB); event loop held at most {longest:.0f} ms ({where}; goal {HOLD} ms)", flush=True)
    parts(window)
    return {"rows": {str(count): own for count, own in figures.items()}, "max_hold_ms": longest,
            "over_few_bytes": {part: many[part]["peak_bytes"] - few[part]["peak_bytes"]
                               for part in ("search", "stats", "window")}}


def million_findings(bench):
    """A million rows of which all but the first have a picture's mark too many."""
    teaching, folder, pictures = room_for_rows(bench)
    for name, count in (("rows", ROWS), ("other", FEW_ROWS)):
        with open(folder / f"{name}.jsonl", "w") as out:
            for row in range(count):
                marks = "<image>" * (1 if row == 0 else 2)
                out.write(json.dumps({"image": str(pictures[row % len(pictures)]),
                                      "prompt": f"{marks}What is in picture {row}?",
                                      "completion": f"a red circle, {row}"}) + "\n")
    recipe = folder / "recipe.yaml"
    recipe.write_text(f"model: {teaching / 'base'}\ndataset: {folder / 'rows.jsonl'}\noutput_dir: {folder / 'run'}\n")
    found = drive(bench, {"flow": "findings", "recipe": recipe, "rows": ROWS,
                          "other": folder / "other.jsonl"})
    (folder / "rows.jsonl").unlink()
    longest, where = held(found)
    print(f"million-findings: {ROWS:,} rows checked in {found['check_seconds']:.1f} s, {ROWS - 1:,} findings filtered, put right, left out, let go: "
          f"event loop held at most {longest:.0f} ms ({where}; goal {HOLD} ms), {found['peak_bytes'] / 2**20:.0f} MiB peak resident", flush=True)
    parts(found)
    return found | {"max_hold_ms": longest}


FLOWS = {"window-compare": compare, "window-long-run": long_run, "million-rows": million_rows,
         "million-findings": million_findings}

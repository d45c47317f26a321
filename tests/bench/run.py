# SPDX-License-Identifier: GPL-3.0-or-later
"""./luthier bench: speed and memory side by side with transformers + PEFT, as ratios; what loading
takes; what packing saves; what the open window
costs; training beside other busy programs. The two programs train in turn (A B A B ...) on the same
checkpoint, rows, order, batch and threads. docs/bench.md says how to read it."""
import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import comparing
import device
import forecast
import lab
import methods
import objectives
import real
import real_report
import window_flows
from busy import beside_others, described
from measure import (HERE, TWO_STACKS, Failed, environment, luthier_train, peft_train,
                     recipe_text, run)

SOURCE = HERE.parent.parent
# Two have no row. MiniCPM-V 4.6: transformers 5.17 takes no batch of pictures of unlike
# proportions.
# Llama 3.2 Vision: what TRL 1.16 puts together has a cross-attention mask of the prompt alone, and
# fails.
FAMILIES = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "glm4v", "glm46v", "smolvlm", "idefics3",
            "llava_next", "llava_onevision", "internvl", "paligemma", "gemma3",
            "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe", "mistral3", "gemma4", "gemma4_unified",
            "lfm2_vl", "aya_vision", "ovis2", "florence2")
# The same models, shown films: folders of eight frames.
FILMS = ("qwen2_5_vl-films", "qwen3_vl-films", "qwen3_5-films")
# What TRL's collator does not make the input of.
BY_TRAINER = {"paligemma": {"trainer": "suffix"},
              "florence2": {"trainer": "two_texts", "targets": TWO_STACKS},
              **dict.fromkeys(FILMS, {"trainer": "film"})}
# With experts or linear attention: these are to be four times as fast as the other side.
FOURFOLD = ("qwen3_vl_moe", "qwen3_5", "qwen3_5_moe", "qwen3_5-films")
PACKED = "qwen2_vl"
LONG = ("real", "packed-7b")    # rows that are measured only where they are named
BATCH = 4


class Bench:
    def __init__(self, options, work):
        self.cli, self.window = options.build / "bin" / "luthier-cli", options.build / "bin" / "luthier"
        self.options, self.work, self.threads = options, work, options.threads

    def repeats(self, rounds, steps):
        return self.options.rounds or rounds, self.options.steps or steps

    def made(self, name, steps):
        """FOLDER/NAME with model and rows, enough for no row to come twice."""
        folder = self.work / name
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            maker = HERE / ("real_models.py" if name in real.SIZES[1:] else "checkpoints.py")
            run([sys.executable, maker, name, folder, "--rows", max(40, steps * BATCH)],
                environment(self.threads))
        return {"name": name, "model": folder / "model", "rows": folder / "rows" / "train.jsonl",
                "batch": BATCH, "folder": folder}

    def ours(self, case, steps):
        return luthier_train([self.cli, "train"], case, self.work, self.threads, steps)

    def teaching_case(self):
        teaching = SOURCE / "resources" / "teaching"
        return {"name": "teaching", "model": teaching / "base",
                "rows": teaching / "tasks" / "korean" / "train.jsonl", "batch": 16}

    def side_by_side(self, case, rounds, steps, goals):
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append(self.ours(case, steps))
            theirs.append(peft_train(case, self.work, self.threads, steps))
        speed = statistics.median(a["tokens_per_second"] / b["tokens_per_second"]
                                  for a, b in zip(ours, theirs))
        memory = statistics.median(a["peak_bytes"] / b["peak_bytes"] for a, b in zip(ours, theirs))
        print(f"{case['name']}: batch {case['batch']}, {self.threads} threads, {rounds} pairs of {steps} steps")
        other = "TRL + PEFT" if case.get("trainer", "trl") == "trl" else "Trainer + PEFT"
        for name, runs in (("luthier", ours), (other, theirs)):
            middle = {key: statistics.median(each[key] for each in runs)
                      for key in ("tokens_per_second", "step_seconds", "peak_bytes")}
            print(f"  {name:<14} {middle['tokens_per_second']:9.0f} tokens/s {middle['step_seconds']:8.3f} s a step "
                  f"{middle['peak_bytes'] / 2**30:7.2f} GiB peak resident")
        print(f"  ratio          {speed:9.2f} x the speed (goal {goals[0]})            {memory:7.2f} x the memory (goal {goals[1]})", flush=True)
        if ours[0]["tokens"] != theirs[0]["tokens"]:
            here, there = sum(ours[0]["tokens"]), sum(theirs[0]["tokens"])
            print(f"  tokens of the same rows: {here} here, {there} there ({100 * (there / here - 1):+.1f} %)", flush=True)
        return {"speed_ratio": speed, "memory_ratio": memory, "luthier": ours, "peft": theirs}

    def teaching(self):
        return self.side_by_side(self.teaching_case(), *self.repeats(2, 30), (2.5, 0.45))

    def llava(self):
        rounds, steps = self.repeats(2, 10)
        return self.side_by_side(self.made("llava-70m", steps), rounds, steps, (3.5, 0.45))

    def bfloat16(self):
        """The 70 M model in bfloat16: beside TRL's, and beside our own float32."""
        rounds, steps = self.repeats(2, 10)
        case = self.made("llava-70m", steps)
        narrow = {**case, "name": "llava-70m, bfloat16", "dtype": "bfloat16"}
        result = self.side_by_side(narrow, rounds, steps, (2.5, 0.45))
        pairs = [(self.ours(narrow, steps), self.ours(case, steps)) for _ in range(rounds)]
        result["against_float32"] = statistics.median(
            a["tokens_per_second"] / b["tokens_per_second"] for a, b in pairs)
        print(f"  {result['against_float32']:.2f} x our own float32 (goal 2), {rounds} pairs",
              flush=True)
        return result

    def family(self, name):
        rounds, steps = self.repeats(2, 6)
        case = self.made(name, steps) | BY_TRAINER.get(name, {})
        case["name"] = f"{name} ({json.loads((case['folder'] / 'size.json').read_text()) / 1e6:.0f} M)"
        result = self.side_by_side(case, rounds, steps, (4 if name in FOURFOLD else 3, 0.5))
        result["padding"] = padding(case["folder"] / "rows", BATCH)
        print(f"  rows of {describe(case['folder'] / 'rows')}; padding would add {100 * result['padding']:.0f} % tokens", flush=True)
        return result

    def packing(self):
        """Rows of mixed sizes against rows of one size with as many tokens, ours alone, in turn."""
        rounds, steps = self.repeats(3, 8)
        case = self.made(PACKED, steps)
        mixed, equal = [], []
        for _ in range(rounds):
            mixed.append(self.ours(case, steps))
            equal.append(self.ours({**case, "rows": case["folder"] / "equal" / "train.jsonl"},
                                   steps))
        kept = statistics.median(a["tokens_per_second"] / b["tokens_per_second"]
                                 for a, b in zip(mixed, equal))
        memory = statistics.median(a["peak_bytes"] / b["peak_bytes"] for a, b in zip(mixed, equal))
        added = padding(case["folder"] / "rows", BATCH)
        print(f"packing ({PACKED}): rows of {describe(case['folder'] / 'rows')}: padding a batch of {BATCH} to its longest row would add "
              f"{100 * added:.0f} % tokens, a batch of 8 {100 * padding(case['folder'] / 'rows', 8):.0f} %\n  mixed rows run at {kept:.2f} x the tokens/s "
              f"of equal rows and {memory:.2f} x their memory (padded and otherwise equal: {1 / (1 + added):.2f} x)", flush=True)
        return {"speed_against_equal": kept, "memory_against_equal": memory, "padding": added,
                "mixed": mixed, "equal": equal}

    def loading(self):
        """Peak resident set of one generated token against the size of the checkpoint's files."""
        folder = self.work / "loading"
        run([sys.executable, HERE / "loading.py", folder], environment(self.threads))
        size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
        result = {"file_bytes": size}
        for dtype, goal in (("bfloat16", 1.1), ("float32", 2.1)):
            start = time.perf_counter()
            peak, _ = run([self.cli, "generate", folder, "--prompt", "two", "--max-new-tokens", 1,
                           "--device", "cpu", "--dtype", dtype],
                          environment(self.threads))
            result[dtype] = {"peak_bytes": peak, "ratio": peak / size}
            print(f"loading {size / 2**30:.2f} GiB of bfloat16 as {dtype}: {peak / 2**30:.2f} GiB peak resident, {peak / size:.3f} x the files "
                  f"(goal {goal}), {time.perf_counter() - start:.0f} s with one token", flush=True)
        shutil.rmtree(folder)
        return result

    def swap(self):
        """20 adapters beside a small and a 70 M base: their memory over the sum of the parts, and
        how long a change from one to another takes; and one question to 8 of them, together and one
        after another."""
        adapters, results = 20, {}
        for case in (self.teaching_case(), self.made("llava-70m", 3)):
            self.ours(case, 3)
            folder = self.work / "run" / "adapter"
            out = self.work / "swap.json"
            run([self.cli, "adapter", "swap", case["model"], "--adapter", folder, "--copies",
                 adapters, "--device", "cpu", "--dtype", "float32", "--json"],
                environment(self.threads), out=out)
            figures = json.loads(out.read_text())
            together, apart = self.answers_of_eight(case, folder)
            figures |= {"together_seconds": together, "apart_seconds": apart}
            results[case["name"]] = figures
            print(f"swap, {case['name']}: {adapters} adapters of {figures['adapter_bytes'] / 2**20:.1f} MiB on a base of "
                  f"{figures['base_bytes'] / 2**20:.1f} MiB take {100 * figures['over']:+.2f} % over the sum of both (goal 5 %); a swap "
                  f"{figures['swap_milliseconds']:.3f} ms, the longest {figures['longest_swap_milliseconds']:.3f} ms (goal 1 ms)\n"
                  f"  one question to 8 adapters, 32 tokens each: {together:.2f} s in one batch, {apart:.2f} s one after another", flush=True)
        return results

    def answers_of_eight(self, case, folder):
        """Seconds of decoding: eight rows of one batch under eight adapters, and eight times one."""
        seconds, out = [], self.work / "answers.json"
        for count in (8, 1):
            run([self.cli, "generate", case["model"], "--prompt", "What is in the picture?",
                 *(["--adapter", folder] * count), "--max-new-tokens", 32, "--ignore-eos",
                 "--device", "cpu", "--dtype", "float32", "--json"],
                environment(self.threads), out=out)
            seconds.append(max(each["seconds"]
                               for each in json.loads(out.read_text())["results"]))
        return seconds[0], 8 * seconds[1]

    def window_cost(self):
        """Training with the window open against headless, alternating; and how long its event loop
        was held."""
        rounds, steps = self.repeats(3, 150)
        case, loop = self.teaching_case(), self.work / "loop.json"
        if not os.environ.get("DISPLAY"):
            os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        costs, holds = [], []
        for _ in range(rounds):
            plain = self.ours(case, steps)
            shown = luthier_train([self.window], case, self.work, self.threads, steps,
                                  ["--launch", "--exit-when-done", "--bench-loop", loop])
            costs.append(plain["tokens_per_second"] / shown["tokens_per_second"] - 1)
            holds.append(json.loads(loop.read_text())["max_hold_ms"])
        print(f"window open on the teaching model: {100 * statistics.median(costs):+.1f} % time a token over headless (goal 3 %), event loop held at most "
              f"{max(holds):.0f} ms (goal 100 ms), {rounds} alternating pairs of {steps} steps",
              flush=True)
        return {"cost": statistics.median(costs), "max_hold_ms": max(holds), "all_costs": costs,
                "all_holds": holds}

    def busy(self):
        """Idle, beside one and beside two busy programs; the teaching model and 70 M; command line
        and window."""
        rounds, steps = self.repeats(3, 0)
        if not os.environ.get("DISPLAY"):
            os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        hosts = {"command line": ([self.cli, "train"], []),
                 "window": ([self.window], ["--launch", "--exit-when-done"])}
        cases = (("teaching", self.teaching_case(), steps or 80),
                 ("70 M", self.made("llava-70m", steps or 8), steps or 8))
        results = {}
        for model, case, count in cases:
            for host, (command, extra) in hosts.items():
                figures = beside_others(lambda settings: luthier_train(
                    command, case, self.work, None, count, extra,
                                                                       settings)["tokens_per_second"],
                                        len(os.sched_getaffinity(0)), rounds)
                results[f"{model}, {host}"] = figures
                print(described(f"{model}, {host}", figures), flush=True)
        return results

    def device(self):
        """Steps of real sizes on the pretended device: 2 rows of 2,048 tokens, bfloat16."""
        figures = device.dry_steps(self.options.build, self.work)
        print("device: a step of 2 x 2,048 tokens in bfloat16, counted on a pretended card, by kernels of our own and by ATen's; tokens/s are a roofline's, not measured")
        for figure in figures:
            print(device.described(figure), flush=True)
        return {"cases": figures}

    def packed_7b(self):
        """A LoRA step over a 7 B decoder's shape in NF4, and what it was forecast to take."""
        folder, steps = self.work / "packed-7b", self.options.steps or 3
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            run([sys.executable, HERE / "packed_models.py", folder, "--rows", steps + 1],
                environment(self.threads))
        case = {"name": "packed-7b", "model": folder / "model",
                "rows": folder / "rows" / "train.jsonl", "batch": 1}
        size = sum(file.stat().st_size for file in case["model"].glob("*.safetensors"))
        recipe, answer = self.work / "plan.yaml", self.work / "plan.json"
        recipe.write_text(recipe_text(case, self.work / "run", steps))
        run([self.cli, "plan", recipe, "--json"], environment(self.threads), out=answer)
        forecast = json.loads(answer.read_text())["total"]
        result = self.ours(case, steps) | {"forecast_bytes": forecast, "file_bytes": size}
        parameters = json.loads((folder / "size.json").read_text())
        print(f"packed-7b: {parameters / 1e9:.2f} B parameters in NF4 ({size / 2**30:.2f} GiB of "
              f"files), LoRA, {result['tokens'][-1]} tokens a step: {result['step_seconds']:.1f} s "
              f"a step, {result['peak_bytes'] / 2**30:.2f} GiB peak resident (goal 8), forecast "
              f"{forecast / 2**30:.2f}", flush=True)
        return result

    def rows(self):
        rows = {"teaching": self.teaching, "llava-70m": self.llava, "bfloat16": self.bfloat16}
        rows |= {name: lambda name=name: self.family(name) for name in (*FAMILIES, *FILMS)}
        rows |= {name: lambda name=name: objectives.measure(self, name)
                 for name in objectives.SECTIONS}
        return rows | {"packing": self.packing, "loading": self.loading, "swap": self.swap,
                       "compare": lambda: comparing.measure(self),
                       "forecast": forecast.Forecasts(self).measure,
                       "methods": methods.Methods(self).measure,
                       "lab": lambda: lab.measure(self),
                       "window": self.window_cost,
                       **{name: lambda flow=flow: flow(self)
                          for name, flow in window_flows.FLOWS.items()},
                       "busy": self.busy, "device": self.device,
                       "real": real.Real(self).measure, "packed-7b": self.packed_7b}


def padding(folder, batch):
    """The share of tokens that padding each batch to its longest row would add."""
    lengths = json.loads((folder / "lengths.json").read_text())
    batches = [lengths[at:at + batch] for at in range(0, len(lengths), batch)]
    return sum(max(each) * len(each) for each in batches) / sum(lengths) - 1


def describe(folder):
    lengths = json.loads((folder / "lengths.json").read_text())
    return f"{min(lengths)} to {max(lengths)} tokens, {statistics.mean(lengths):.0f} on average"


def main():
    names = ("teaching", "llava-70m", "bfloat16", *FAMILIES, *FILMS,
             *objectives.SECTIONS, "packing", "loading", "swap", "compare", "forecast", "methods",
             "lab", "window", *window_flows.FLOWS, "busy", "device", *LONG)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, default=SOURCE / "build")
    parser.add_argument("--rounds", type=int, help="pairs a row; each row has its own default")
    parser.add_argument("--steps", type=int,
                        help="steps a run, of which the first two are not counted; each row has its own default")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", nargs="+", choices=names, metavar="ROW",
                        help="of " + ", ".join(names))
    parser.add_argument("--work", type=Path,
                        help="where to keep checkpoints and runs for another time")
    parser.add_argument("--like", metavar="REGEX",
                        help="the rows forecast and methods: only what has this in its name")
    parser.add_argument("--json", type=Path, help="write all figures here")
    parser.add_argument("--long", action="store_true",
                        help="the row real: float32 of the largest model too, minutes more")
    parser.add_argument("--report", action="store_true",
                        help="put the tables of the rows real, device, forecast and methods, and real's picture, into docs/")
    options = parser.parse_args()
    if options.steps is not None and options.steps < 3:
        parser.error("--steps: at least 3, for the first two are not counted")
    work = options.work or Path(tempfile.mkdtemp(prefix="luthier-bench-"))
    work.mkdir(parents=True, exist_ok=True)
    wanted = options.only or [name for name in names if name not in LONG]
    start, results, failed = time.perf_counter(), {}, []
    try:
        for name, measure in Bench(options, work.resolve()).rows().items():
            if name not in wanted:
                continue
            begun = time.perf_counter()
            try:
                results[name] = measure()
            except (Failed, OSError, ValueError, KeyError) as problem:
                failed.append(name)
                results[name] = {"error": str(problem)}
                print(f"{name}: FAILED: {problem}", flush=True)
            results[name]["seconds"] = time.perf_counter() - begun
            print(f"  ({results[name]['seconds']:.0f} s)", flush=True)
            if options.json:
                options.json.write_text(json.dumps(results, indent=2))
            if options.report and name == "real" and name not in failed:
                real_report.write(results[name], SOURCE / "docs")
            if options.report and name in ("forecast", "methods") and name not in failed:
                {"forecast": forecast, "methods": methods}[name].write(results[name],
                                                                       SOURCE / "docs")
            if options.report and name == "device" and name not in failed:
                device.write(results[name]["cases"], SOURCE / "docs")
            if not options.work and name not in (PACKED, "llava-70m", *objectives.SECTIONS):
                shutil.rmtree(work / name, ignore_errors=True)
    finally:
        if not options.work:
            shutil.rmtree(work, ignore_errors=True)
    print(f"{(time.perf_counter() - start) / 60:.1f} minutes in all" + (
        f"; failed: {', '.join(failed)}" if failed else ""))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

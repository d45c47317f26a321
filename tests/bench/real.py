# SPDX-License-Identifier: GPL-3.0-or-later
"""The row `real`: models of the sizes that people train through the whole chain (info, plan, train,
generate, merge), each peak beside what was forecast. docs/bench.md says how to read it;
real_report.py makes its tables and picture of what is found here."""
import json
import re
import shutil
import time

from measure import environment, recipe_text, run, step_tokens, train

SIZES = ("llava-70m", "smolvlm-256m", "qwen2.5-vl-3b", "gemma-3-4b")
WHOLE = "smolvlm-256m"      # trained whole too, with a checkpoint of all its weights and moments
ROWS = {"llava-70m": (1, 2, 4), "smolvlm-256m": (1, 2, 4),
        "qwen2.5-vl-3b": (1, 2)}        # a step, in the first of the types; else one
STEPS = 3                   # of which the first is not counted: it compiles kernels
ANSWER = 17                 # tokens
MERGED = "qwen2.5-vl-3b"    # merged too, which takes it in float32
GIB = 2**30


def machine(threads):
    about = open("/proc/cpuinfo").read()
    name = re.search(r"model name\s*: (.*)", about)
    flags = re.search(r"flags\s*: (.*)", about).group(1).split()
    kinds = [kind for kind in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if kind in flags]
    memory = int(re.search(r"MemTotal:\s*(\d+)", open("/proc/meminfo").read()).group(1)) * 1024
    return {"processor": name.group(1).strip() if name else "unknown", "instructions": kinds,
            "threads": threads, "memory_bytes": memory, "date": time.strftime("%Y-%m-%d")}


class Real:
    """`bench`: run.Bench, which knows the program, the folders and the threads."""

    def __init__(self, bench):
        self.bench, self.cli, self.threads = bench, bench.cli, bench.threads
        self.out = bench.work / "real"

    def measure(self):
        about = machine(self.threads)
        found = {"machine": about, "models": {}}
        print(f"real: {about['processor']} ({', '.join(about['instructions'])}), {self.threads} "
              f"threads, {about['memory_bytes'] / GIB:.0f} GiB", flush=True)
        dtypes = ["bfloat16", "float32"]
        if not {"avx512_bf16", "amx_bf16"} & set(about["instructions"]):
            print("  no bfloat16: this processor has no instructions for it", flush=True)
            dtypes.remove("bfloat16")
        for name in SIZES:
            begun = time.perf_counter()
            found["models"][name] = self.model(name, dtypes)
            print(f"  ({name}: {time.perf_counter() - begun:.0f} s)", flush=True)
            if not self.bench.options.work:
                shutil.rmtree(self.bench.work / name, ignore_errors=True)
        shutil.rmtree(self.out, ignore_errors=True)
        return found

    def model(self, name, dtypes):
        begun = time.perf_counter()
        case = self.bench.made(name, STEPS)
        self.out.mkdir(exist_ok=True)
        result = {"making_seconds": time.perf_counter() - begun, "runs": [],
                  "file_bytes": sum(file.stat().st_size
                                    for file in case["model"].glob("*.safetensors"))}
        info, result["info_seconds"], result["info_peak_bytes"] = self.asked("info", case["model"])
        result["parameters"] = info["parameters"]
        print(f"{name}: {info['parameters'] / 1e6:,.0f} M parameters, "
              f"{result['file_bytes'] / GIB:.2f} GiB; info {result['info_seconds']:.1f} s", flush=True)
        for dtype in dtypes if name != SIZES[-1] or self.bench.options.long else dtypes[:1]:
            for rows in ROWS.get(name, (1,)) if dtype == dtypes[0] else (1,):
                result["runs"].append(self.trained({**case, "dtype": dtype, "batch": rows}))
                if "skipped" in result["runs"][-1]:
                    break
            if "skipped" not in result["runs"][-1]:
                result["runs"][-1]["answer"] = self.answered(case, dtype)
        if name == WHOLE:
            result["runs"].append(self.trained({**case, "dtype": "float32", "batch": 1,
                                                "strategy": "full"}))
        elif name == MERGED and "skipped" not in result["runs"][-1]:
            result["merge"] = self.merged(case)
        return result

    def asked(self, *command):
        """A verb's document, its seconds and its peak."""
        out, begun = self.out / "answer.json", time.perf_counter()
        peak, _ = run([self.cli, *command, "--json"], environment(self.threads), out=out)
        return json.loads(out.read_text()), time.perf_counter() - begun, peak

    def trained(self, case):
        what = f"  {case.get('strategy', 'lora')}, {case['dtype']}, {case['batch']} rows a step"
        result = {key: case.get(key, "lora") for key in ("strategy", "dtype", "batch")}
        recipe = self.out / "plan.yaml"
        recipe.write_text(recipe_text(case, self.out / "run", STEPS))
        plan, result["plan_seconds"], result["plan_peak_bytes"] = self.asked("plan", recipe)
        result["forecast_bytes"] = plan["total"]
        if not plan["fits"]:
            result["skipped"] = (f"it needs {plan['total'] / GIB:.1f} GiB, "
                                 f"{plan['available'] / GIB:.1f} are free")
            print(f"{what}: left out, {result['skipped']}", flush=True)
            return result
        begun = time.perf_counter()
        peak, stamps, lines = train([self.cli, "train"], case, self.out, self.threads, STEPS)
        ended = time.perf_counter()
        seconds = [b - a for a, b in zip(stamps, stamps[1:])]
        result |= {"peak_bytes": peak, "to_first_step_seconds": stamps[0] - begun,
                   "saving_seconds": ended - stamps[-1],
                   "tensors_bytes": max(line["memory"]["peak"] for line in lines),
                   "step_seconds": sum(seconds) / len(seconds), "tokens": step_tokens(lines)}
        result["tokens_per_second"] = sum(result["tokens"][1:]) / sum(seconds)
        print(f"{what}: {result['step_seconds']:.2f} s a step, {result['tokens_per_second']:.0f} "
              f"tokens/s ({result['tokens'][-1]} a step); first step after "
              f"{result['to_first_step_seconds']:.0f} s, saved in {result['saving_seconds']:.1f} s; "
              f"forecast {plan['total'] / GIB:.2f} GiB, tensors {result['tensors_bytes'] / GIB:.2f}, "
              f"resident {peak / GIB:.2f} ({peak / plan['total']:.2f} x; plan "
              f"{result['plan_seconds']:.1f} s)", flush=True)
        return result

    def answered(self, case, dtype):
        """With the adapter that was just trained."""
        document, seconds, peak = self.asked(
            "generate", case["model"], "--adapter", self.out / "run" / "adapter", "--image",
            case["rows"].parent / "0.jpg", "--prompt", "two", "--max-new-tokens", ANSWER,
            "--ignore-eos", "--device", "cpu", "--dtype", dtype)
        answer = document["results"][0]
        first = answer["first_token_seconds"]
        found = {"loading_seconds": seconds - answer["seconds"], "first_seconds": first,
                 "tokens_per_second": (ANSWER - 1) / (answer["seconds"] - first),
                 "peak_bytes": peak}
        print(f"  answer, {dtype}: loaded in {found['loading_seconds']:.1f} s, first token after "
              f"{first:.1f} s, then {found['tokens_per_second']:.1f} tokens/s; resident "
              f"{peak / GIB:.2f} GiB", flush=True)
        return found

    def merged(self, case):
        """The adapter into a whole checkpoint, which takes the model in float32."""
        target = self.out / "merged"
        _, seconds, peak = self.asked("merge", case["model"], "--adapter",
                                      self.out / "run" / "adapter", "--out", target)
        size = sum(file.stat().st_size for file in target.glob("*.safetensors"))
        shutil.rmtree(target)
        print(f"  merge: {seconds:.0f} s, resident {peak / GIB:.2f} GiB for {size / GIB:.2f} GiB "
              "written", flush=True)
        return {"seconds": seconds, "peak_bytes": peak, "written_bytes": size}

# SPDX-License-Identifier: GPL-3.0-or-later
"""The row `forecast`: what `plan` says of a recipe, beside the most that the tensors of three steps
of it held, as the engine's allocator counted it. A combination is family, method, weight format,
optimizer, checkpointing, rows of a micro-batch, micro-batches of a step, and whether those rows are
alike or mixed. Every family, every method and every optimizer is in several of them; which meet
which was drawn once, so that no two of these go together everywhere. docs/bench.md says how to read
it; its table is made here."""
import json
import re
import shutil
import statistics

import page
from measure import Failed, environment, run
from real import machine

STEPS = 3
MEDIAN, WORST = 0.02, 0.05
PARTS = ("weights", "adapter", "gradients", "optimizer")    # measured by themselves, too
OBJECTIVES = {"bert": "mlm", "t5": "span_corruption", "clip": "contrastive"}
TABLE = """
llava-70m   full                 float32  adamw_torch         kept  4 1 mixed
llava-70m   freeze               bfloat16 muon                again 2 1 equal
llava-70m   lora                 float32  adamw_torch         kept  4 1 equal
llava-70m   adalora              fp4      schedule_free_adamw again 1 1 mixed
llava-70m   vera                 bfloat16 adamw_8bit          kept  2 1 equal
llava-70m   lokr                 float32  lion_32bit          kept  1 1 equal
llava-70m   loha_cores           float32  adamw_torch         kept  1 1 equal
llava-70m   ia3                  int8     adafactor           kept  8 2 mixed
llava-70m   hra                  fp4      adamw_8bit          again 2 2 equal
llava-70m   visual_prompt_tuning float32  adamw_torch         again 4 1 mixed
qwen2_vl    full                 bfloat16 muon                again 4 1 equal
qwen2_vl    adalora              fp4      schedule_free_adamw again 4 1 equal
qwen2_vl    lokr                 nf4      lion_32bit          again 4 1 mixed
qwen2_vl    trainable_tokens     float32  adamw_torch         kept  2 2 equal
qwen2_vl    bottleneck           fp4      lion_32bit          again 4 2 mixed
qwen2_5_vl  lora                 nf4      paged_adamw_32bit   again 4 1 equal
qwen2_5_vl  loha                 bfloat16 schedule_free_adamw again 8 1 equal
qwen2_5_vl  hra                  bfloat16 lion_32bit          kept  8 1 mixed
qwen2_5_vl  fourierft            float32  paged_adamw_8bit    kept  4 1 mixed
qwen2_5_vl  bitfit               int8     schedule_free_adamw again 1 1 mixed
qwen2_5_vl  p_tuning             float32  lion_8bit           kept  8 2 mixed
qwen3_vl    freeze               bfloat16 schedule_free_adamw kept  2 1 mixed
qwen3_vl    boft                 float32  paged_adamw_32bit   again 8 1 equal
qwen3_vl    fourierft            bfloat16 lion_8bit           kept  8 1 equal
qwen3_vl    prompt_tuning        int8     paged_adamw_8bit    kept  2 1 equal
qwen3_vl    p_tuning             nf4      adamw_8bit          again 4 2 equal
smolvlm     freeze               float32  muon                kept  4 1 mixed
smolvlm     lokr                 int8     paged_adamw_8bit    again 2 1 mixed
smolvlm     p_tuning             int8     adamw_8bit          kept  2 1 mixed
smolvlm     prefix_tuning        bfloat16 paged_adamw_8bit    kept  4 1 equal
smolvlm     bottleneck           fp4      schedule_free_adamw again 1 1 equal
idefics3    loha                 nf4      paged_adamw_8bit    again 8 1 mixed
idefics3    lokr                 bfloat16 sgd                 again 1 2 mixed
idefics3    boft                 fp4      lion_8bit           kept  2 2 equal
idefics3    hra                  int8     lion_8bit           again 8 2 equal
idefics3    trainable_tokens     int8     schedule_free_adamw kept  4 2 equal
llava_next  freeze               float32  adamw_8bit          again 2 1 equal
llava_next  ia3                  nf4      schedule_free_adamw again 8 1 mixed
llava_next  ln_tuning            int8     adafactor           kept  4 1 mixed
llava_next  prompt_tuning        bfloat16 adamw_8bit          again 4 2 mixed
llava_next  prefix_tuning        int8     sgd                 kept  1 1 equal
internvl    lora                 fp4      lion_8bit           kept  1 2 mixed
internvl    ln_tuning            float32  paged_adamw_32bit   again 2 1 mixed
internvl    bitfit               float32  sgd                 kept  8 1 mixed
internvl    trainable_tokens     float32  lion_8bit           again 8 1 equal
internvl    bottleneck           fp4      adafactor           kept  1 1 equal
internvl    visual_prompt_tuning nf4      adamw_8bit          kept  2 1 equal
paligemma   boft                 int8     sgd                 kept  4 1 mixed
paligemma   fourierft            bfloat16 paged_adamw_32bit   kept  2 1 equal
paligemma   trainable_tokens     float32  lion_8bit           again 2 1 equal
paligemma   prompt_tuning        nf4      paged_adamw_32bit   kept  8 1 mixed
paligemma   bottleneck           float32  paged_adamw_32bit   kept  1 2 mixed
paligemma   visual_prompt_tuning bfloat16 sgd                 kept  8 1 mixed
gemma3      full                 bfloat16 adafactor           again 2 1 mixed
gemma3      lora                 bfloat16 lion_8bit           kept  8 1 mixed
gemma3      vera                 nf4      adamw_torch         again 2 2 equal
gemma3      oft                  bfloat16 adafactor           again 1 1 equal
gemma3      prefix_tuning        float32  adamw_torch         kept  4 1 mixed
llama       adalora              nf4      sgd                 kept  8 1 equal
llama       ia3                  nf4      paged_adamw_8bit    kept  1 1 mixed
llama       oft                  fp4      paged_adamw_8bit    kept  8 1 mixed
llama       ln_tuning            bfloat16 adafactor           again 4 1 equal
llama       p_tuning             fp4      adamw_8bit          again 1 1 equal
qwen2       lora                 nf4      adamw_torch         kept  8 1 equal
qwen2       ln_tuning            float32  adamw_torch         kept  2 1 equal
qwen2       bitfit               nf4      sgd                 kept  1 1 equal
qwen2       prompt_tuning        int8     adafactor           again 2 2 equal
qwen2       prefix_tuning        bfloat16 adamw_torch         kept  1 1 equal
bert        full                 float32  adamw_torch         kept  4 1 equal
bert        adalora              fp4      lion_32bit          again 4 1 equal
bert        vera                 bfloat16 sgd                 kept  4 1 mixed
bert        oft                  fp4      adamw_torch         again 8 1 mixed
bert        boft                 fp4      paged_adamw_8bit    again 4 1 equal
bert        fourierft            int8     lion_32bit          again 8 1 mixed
t5          full                 float32  paged_adamw_32bit   kept  1 2 mixed
t5          lora                 int8     sgd                 kept  1 1 mixed
t5          lora                 float32  adamw_torch         again 8 1 equal
t5          loha                 nf4      lion_32bit          kept  4 1 mixed
t5          oft                  float32  adafactor           again 2 2 equal
clip        full                 float32  muon                again 4 1 mixed
clip        vera                 nf4      adamw_torch         again 4 1 equal
clip        loha                 int8     paged_adamw_32bit   again 1 1 equal
clip        ia3                  float32  adamw_torch         kept  1 1 mixed
clip        hra                  int8     adamw_8bit          kept  2 1 mixed
clip        bitfit               float32  paged_adamw_32bit   kept  1 1 mixed
clip        lokr_cores           float32  sgd                 kept  1 1 equal
"""
COLUMNS = ("family", "method", "format", "optimizer", "layers", "batch", "accumulation", "rows")
# What a recipe says where a method's defaults would not do, and methods of other settings by names of
# their own.
METHODS = {
    "freeze": {"freeze": {"vision_tower": True, "projector": False, "language_model": False}},
    "ia3": {"adapter": {"target_modules": "all-linear"}},
    "trainable_tokens": {"adapter": {"token_indices": list(range(40, 104))}},
    # Of so high a rank that what is made of a convolution's cores decides how much is needed.
    "loha_cores": {"strategy": "loha", "adapter": {
        "r": 128, "use_effective_conv2d": True, "target_modules": ["patch_embedding", "q_proj"]}},
    "lokr_cores": {"strategy": "lokr", "adapter": {
        "r": 128, "use_effective_conv2d": True, "decompose_factor": 1,
        "target_modules": ["patch_embedding", "q_proj"]}},
}
FORMATS = {
    "float32": ({}, "float32"), "bfloat16": ({}, "bfloat16"),
    "nf4": ({"load_in_4bit": True, "bnb_4bit_use_double_quant": True}, "float32"),
    "fp4": ({"load_in_4bit": True, "bnb_4bit_quant_type": "fp4", "bnb_4bit_compute_dtype": "auto"},
            "bfloat16"),
    "int8": ({"load_in_8bit": True}, "float32"),
}


def combinations():
    found = []
    for line in TABLE.split("\n"):
        if line.strip():
            each = dict(zip(COLUMNS, line.split()))
            found.append(each | {key: int(each[key]) for key in ("batch", "accumulation")})
    return found


def name_of(each):
    return " ".join(str(each[key]) for key in COLUMNS)


class Forecasts:
    """`bench`: run.Bench, which knows the program, the folders and the threads."""

    def __init__(self, bench):
        self.bench, self.cli, self.threads = bench, bench.cli, bench.threads
        self.out = bench.work / "forecast"

    def measure(self):
        like = self.bench.options.like or ""
        wanted = [each for each in combinations() if re.search(like, name_of(each))]
        about = machine(self.threads)
        if not {"avx512_bf16", "amx_bf16"} & set(about["instructions"]):
            print("  no bfloat16: this processor has no instructions for it", flush=True)
            wanted = [each for each in wanted if FORMATS[each["format"]][1] == "float32"]
        self.out.mkdir(exist_ok=True)
        found, last = [], None
        for each in wanted:
            if last not in (None, each["family"]) and not self.bench.options.work:
                shutil.rmtree(self.bench.work / last, ignore_errors=True)
            last = each["family"]
            try:
                found.append(self.measured(each))
            except Failed as problem:
                found.append(each | {"failed": str(problem)})
            print(described(found[-1]), flush=True)
        shutil.rmtree(self.out, ignore_errors=True)
        if last and not self.bench.options.work and last != "llava-70m":
            shutil.rmtree(self.bench.work / last, ignore_errors=True)
        result = {"machine": about, "combinations": found}
        errors = [abs(each["error"]) for each in found if "error" in each]
        if not errors:
            raise Failed("no combination could be measured")
        result |= {"median": statistics.median(errors), "worst": max(errors)}
        print(f"forecast: {len(errors)} combinations, median error {100 * result['median']:.2f} % "
              f"(goal {100 * MEDIAN:.0f} %), worst {100 * result['worst']:.2f} % "
              f"(goal {100 * WORST:.0f} %)", flush=True)
        failed = [name_of(each) for each in found if "failed" in each]
        if failed:
            raise Failed("not measured: " + "; ".join(failed))
        return result

    def measured(self, each):
        case = self.bench.made(each["family"], 10)
        rows, recipe = self.out / "rows.jsonl", self.out / "recipe.yaml"
        self.write_rows(each, case, rows)
        recipe.write_text(json.dumps(self.recipe(each, case, rows)))
        answer = self.out / "plan.json"
        run([self.cli, "plan", recipe, "--json"], environment(self.threads), out=answer)
        plan = json.loads(answer.read_text())
        shutil.rmtree(self.out / "run", ignore_errors=True)
        resident, _ = run([self.cli, "train", recipe], environment(self.threads))
        lines = [json.loads(line) for line in open(self.out / "run" / "metrics.jsonl")]
        most = max((line["memory"] for line in lines), key=lambda memory: memory["peak"])
        shutil.rmtree(self.out / "run", ignore_errors=True)
        return each | {"forecast": plan["total"], "measured": most["peak"], "resident": resident,
                       "error": plan["total"] / most["peak"] - 1,
                       "forecast_parts": plan["parts"],
                       "measured_parts": {part: most[part] for part in (*PARTS, "activations")}}

    def write_rows(self, each, case, path):
        """Mixed: the rows of one step again in each, so that a fixed tower's features are kept; the
        longest are the last micro-batch, beside whose tensors the gradients of those before it
        stand. Alike: one row, in as many places as three steps have, which is one epoch."""
        lines = [json.loads(line) for line in open(case["rows"])]
        count = each["batch"] * each["accumulation"]
        lengths = case["rows"].parent / "lengths.json"
        lengths = (json.loads(lengths.read_text()) if lengths.exists()
                   else [len(line["text"].split()) for line in lines])
        longest = sorted(range(count), key=lambda at: -lengths[at])
        batch = each["batch"]
        order = [at for start in reversed(range(0, count, batch))
                 for at in longest[start:start + batch]]
        chosen = ([lines[at] for at in order] if each["rows"] == "mixed"
                  else [lines[longest[0]]] * (count * STEPS))
        for line in chosen:
            for message in line.get("messages", ()):
                for part in message["content"]:
                    if "path" in part:
                        part["path"] = str(case["rows"].parent / part["path"])
            if "image" in line:
                line["image"] = str(case["rows"].parent / line["image"])
        path.write_text("".join(json.dumps(line) + "\n" for line in chosen))

    def recipe(self, each, case, rows):
        packing, dtype = FORMATS[each["format"]]
        recipe = {"model": str(case["model"]), "dataset": str(rows),
                  "output_dir": str(self.out / "run"), "strategy": each["method"],
                  **METHODS.get(each["method"], {})}
        if packing:
            recipe["quantization"] = packing
        if each["family"] in OBJECTIVES:
            recipe["objective"] = OBJECTIVES[each["family"]]
        recipe["training"] = {
            "device": "cpu", "dtype": dtype, "optim": each["optimizer"], "max_steps": STEPS,
            "per_device_train_batch_size": each["batch"],
            "gradient_accumulation_steps": each["accumulation"], "shuffle": False,
            "gradient_checkpointing": "true" if each["layers"] == "again" else "false",
            "logging_steps": 1, "save_steps": 0, "learning_rate": 1e-4}
        return recipe


def described(each):
    if "failed" in each:
        return f"  {name_of(each)}: FAILED: {each['failed']}"
    mib = 2**20
    parts = " ".join(f"{part} {each['forecast_parts'][part] / mib:.1f}/"
                     f"{each['measured_parts'][part] / mib:.1f}" for part in PARTS)
    rest = each["forecast_parts"]["activations"] + each["forecast_parts"]["workspace"]
    return (f"  {100 * each['error']:+6.2f} % {name_of(each)}: {each['forecast'] / mib:.1f} MiB, "
            f"measured {each['measured'] / mib:.1f} ({parts} activations {rest / mib:.1f}/"
            f"{each['measured_parts']['activations'] / mib:.1f})")


def share(number):
    return f"{100 * number:+.1f} %"


def table(found):
    """One line a combination, the sums in MiB."""
    lines = ["| family | method | format | optimizer | layers | batch | forecast | measured | error | resident |",
             "|---|---|---|---|---|---|---|---|---|---|"]
    mib = 2**20
    for each in found["combinations"]:
        batch = f"{each['batch']}" + (f" × {each['accumulation']}" if each["accumulation"] > 1
                                      else "")
        lines.append(
            f"| {each['family']} | {each['method']} | {each['format']} | {each['optimizer']} "
            f"| {'made again' if each['layers'] == 'again' else 'kept'} | {batch} {each['rows']} "
            f"| {each['forecast'] / mib:,.1f} | {each['measured'] / mib:,.1f} "
            f"| {share(each['error'])} | {each['resident'] / mib:,.0f} |")
    return lines


def write(found, docs):
    head = (f"{page.measured_on(found['machine'])} {len(found['combinations'])} combinations, "
            f"median error {100 * found['median']:.2f} %, worst {100 * found['worst']:.2f} %; MiB.")
    page.fill(docs, "forecast", "\n".join([head, "", *table(found)]))

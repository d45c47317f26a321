# SPDX-License-Identifier: GPL-3.0-or-later
"""A run here, and the script that `export --to trl` writes of its recipe: losses, norms and rates of
ten steps. The script is run as it stands, in this process; once by torchrun as two ranks."""
import contextlib
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import accelerate
import datasets
import yaml
from accelerate.commands.config.config_args import load_config_from_file

import preferences
import qlora
import train
from checkpoints import FAMILY_OF, make
from conversations import OBJECTS, PLACES, image, resolved, rows, text, turn

TRAINING = dict(device="cpu", dtype="float32", max_steps=10, per_device_train_batch_size=2,
                gradient_accumulation_steps=2, learning_rate=2e-3, lr_scheduler_type="cosine",
                warmup_ratio=0.2, weight_decay=0.01, seed=7, gradient_checkpointing="false",
                logging_steps=1, save_steps=0, max_length=None)
LORA = dict(r=4, lora_alpha=8, lora_dropout=0.0)
FULL = dict(learning_rate=5e-4)
METHODS = ("vera", "loha", "lokr", "ia3", "oft", "boft", "hra", "ln_tuning")
FILES = {"train.py", "train.jsonl", "run.sbatch", "requirements.txt", "recipe.yaml", "accelerate"}
DIRECTIVE = re.compile(r"#SBATCH --(?:job-name|nodes|ntasks-per-node|gpus-per-node|time|output|"
                       r"partition)=\S+|#SBATCH --requeue")


def answers(world, count, seed=7, without_picture=()):
    return [{"messages": resolved(row, world.inputs)}
            for row in rows(count, seed=seed, without_picture=without_picture)]


def talks(world, count):
    """Rows in which the assistant speaks twice."""
    found = []
    for index, (one, other) in enumerate(zip(rows(count, seed=3), rows(count, seed=4))):
        again = turn("user", text(f"And {OBJECTS[index % len(OBJECTS)]}?"))
        said = turn("assistant", text(PLACES[index % len(PLACES)]))
        found.append({"messages": resolved([*one, again, said], world.inputs)})
    return found


def write_recipe(world, checkpoint, lines, settings):
    """recipe.yaml and train.jsonl; what `settings` say of `training` joins TRAINING."""
    sections = dict(settings)
    training = TRAINING | sections.pop("training", {})
    if sections.get("strategy", "lora") not in ("full", "freeze"):
        sections["adapter"] = LORA | sections.get("adapter", {}) if sections.get(
            "strategy", "lora") == "lora" else sections.get("adapter", {})
    found = {"model": str(checkpoint.path), "output_dir": str(world.scratch / "run"),
             "dataset": str(preferences.write(world.scratch / "train.jsonl", lines)),
             "training": training} | sections
    path = world.scratch / "recipe.yaml"
    path.write_text(yaml.safe_dump(json.loads(json.dumps(found)), allow_unicode=True))
    return path


def hand_over(world, path, *options):
    folder = world.scratch / "handed"
    said = world.program.json("export", path, "--to", "trl", "--out", folder, "--json", *options)
    return folder, said


def check_folder(result, folder, said):
    """The files that stand beside the script are such as their programs read."""
    result.expect(FILES <= {path.name for path in folder.iterdir()},
                  f"files lack: {sorted(path.name for path in folder.iterdir())}")
    result.same("the script is named first", said["files"][0], "train.py")
    source = (folder / "train.py").read_text()
    result.expect(max(map(len, source.splitlines())) <= 120, "the script has a line too long to read")
    batch = folder / "run.sbatch"
    shell = subprocess.run(["bash", "-n", str(batch)], capture_output=True, text=True)
    result.same("bash reads run.sbatch", (shell.returncode, shell.stderr), (0, ""))
    if shutil.which("sbatch"):
        asked = subprocess.run(["sbatch", "--test-only", str(batch)], capture_output=True, text=True)
        result.expect("error: Invalid" not in asked.stderr, asked.stderr.strip())
    for line in batch.read_text().splitlines():
        if line.startswith("#SBATCH"):
            result.expect(DIRECTIVE.fullmatch(line), f"no directive of sbatch: {line}")
    for config in sorted((folder / "accelerate").glob("*.yaml")):
        read = load_config_from_file(str(config))
        result.expect(read.num_processes >= 1, f"{config.name}: accelerate reads no processes")
    for config in (folder / "accelerate").glob("*.json"):
        result.expect("zero_optimization" in json.loads(config.read_text()), config.name)
    pins = dict(line.split("==") for line in (folder / "requirements.txt").read_text().splitlines()
                if "==" in line and not line.startswith("#"))
    held = dict(line.split("==") for line in
                (Path(__file__).parent / "requirements.txt").read_text().splitlines()
                if "==" in line)
    for name, version in pins.items():
        if name in held:
            result.same(f"the version of {name}", version, held[name])


def run_script(world, folder):
    """The script's own log of its steps, and its trainer."""
    before = datasets.config.HF_DATASETS_CACHE
    datasets.config.HF_DATASETS_CACHE = world.scratch / "cache"
    datasets.disable_progress_bars()
    accelerate.state.AcceleratorState._reset_state(True)
    try:
        with open(world.scratch / "said", "w") as said, contextlib.redirect_stdout(said):
            made = runpy.run_path(str(folder / "train.py"), run_name="__main__")
    finally:
        datasets.config.HF_DATASETS_CACHE = before
    return made["trainer"].state.log_history, made["trainer"]


def steps_of(log):
    """Without what a script prints at its end."""
    return [entry for entry in log if "train_runtime" not in entry]


# A run that blows a rounding up: its weights begun one rounding apart, ours is from itself by 8.5e-4
# in the eighth step's gradient norm and 2.6e-3 in the ninth's (the farthest of four draws).
FARTHER = {"gemma4-plain": 2.6e-3}


def run_case(name, lines_of, settings, evaluation=None, options=(), limit=train.CURVE):
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        settings_now = dict(settings)
        if evaluation:
            held_out = preferences.write(world.scratch / "eval.jsonl", evaluation(world))
            settings_now["eval_dataset"] = str(held_out)
        path = write_recipe(world, checkpoint, lines_of(world), settings_now)
        folder, said = hand_over(world, path, *options)
        check_folder(result, folder, said)
        world.program.run("train", path)
        log, _ = run_script(world, folder)
        train.compare_curves(result, train.curve(world.scratch / "run"), steps_of(log), limit)
        result.expect((folder / "result").is_dir(), "the script leaves no result")
    if name in FAMILY_OF:    # else one of the larger ones, which take pictures
        case.pictures = FAMILY_OF[name].pictures
    return case


def mixed_case(name):
    """Rows of two files by weights, over several epochs: the order is the run's own."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        other = preferences.write(world.scratch / "other.jsonl", answers(world, 4, seed=12))
        path = write_recipe(world, checkpoint, answers(world, 7), {
            "mixture": {"weights": [0.7, 0.3]},
            "dataset": [str(world.scratch / "train.jsonl"), str(other)]})
        folder, said = hand_over(world, path)
        result.expect("order.jsonl" in said["files"], "there is no order of rows")
        world.program.run("train", path)
        log, _ = run_script(world, folder)
        train.compare_curves(result, train.curve(world.scratch / "run"), steps_of(log))
    return case


def ranks_case(name):
    """Two ranks over Gloo: the steps that one takes with twice the batches."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        path = write_recipe(world, checkpoint, answers(world, 8), {})
        folder, _ = hand_over(world, path, "--gpus-per-node", "2")
        world.program.run("train", path)
        script = world.scratch / "logged.py"
        script.write_text("import json, os, runpy\n"
                          f"made = runpy.run_path({str(folder / 'train.py')!r})\n"
                          "if os.environ['RANK'] == '0':\n"
                          f"    json.dump(made['trainer'].state.log_history, "
                          f"open({str(world.scratch / 'log.json')!r}, 'w'))\n")
        done = subprocess.run(
            [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
             str(script)],
            capture_output=True, text=True, cwd=folder,
            env=os.environ | {"HF_DATASETS_CACHE": str(world.scratch / "cache")})
        if not result.same("torchrun's status", done.returncode, 0):
            result.problems.append(done.stderr[-900:])
            return
        log = json.loads((world.scratch / "log.json").read_text())
        train.compare_curves(result, train.curve(world.scratch / "run"), steps_of(log))
    return case


# On CPUs accelerate makes plain data parallelism of FSDP's file, and a recipe of the CPU has none: here
# the recipe is of whatever device there is, and ranks are taken for those of cards.
SHARDED = """import json, os, runpy
from accelerate import PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType
from torch.distributed.fsdp import FSDPModule

begin = AcceleratorState.__init__


def as_cards(self, *args, **kwargs):
    if PartialState._shared_state.get("distributed_type") == DistributedType.MULTI_CPU:
        PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU
    begin(self, *args, **kwargs)


AcceleratorState.__init__ = as_cards
trainer = runpy.run_path("train.py")["trainer"]
if os.environ["RANK"] == "0":
    parts = sum(isinstance(module, FSDPModule) for module in trainer.model_wrapped.modules())
    with open("log.json", "w") as log:
        json.dump({"parts": parts, "steps": trainer.state.log_history}, log)
"""


def sharded_case(name, settings):
    """Two ranks over Gloo as `accelerate launch` starts them by the FSDP file: the model in parts, and
    the steps that one takes with twice the batches."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        path = write_recipe(world, checkpoint, answers(world, 8), settings | dict(
            training=settings.get("training", {}) | dict(device="auto")))
        folder, _ = hand_over(world, path, "--gpus-per-node", "2", "--sharding", "fsdp")
        world.program.run("train", path)
        (folder / "sharded.py").write_text(SHARDED)
        done = subprocess.run(
            [sys.executable, "-m", "accelerate.commands.launch", "--config_file", "accelerate/fsdp.yaml",
             "--main_process_port", "0", "sharded.py"],
            capture_output=True, text=True, cwd=folder,
            env=os.environ | {"HF_DATASETS_CACHE": str(world.scratch / "cache"), "ACCELERATE_USE_CPU": "true",
                              "CUDA_VISIBLE_DEVICES": ""})
        if not result.same("accelerate's status", done.returncode, 0):
            result.problems.append(done.stderr[-2500:-900])
            return
        log = json.loads((folder / "log.json").read_text())
        result.expect(log["parts"] > 3, f"{log['parts']} modules are sharded")
        train.compare_curves(result, train.curve(world.scratch / "run"), steps_of(log["steps"]))
        result.expect((folder / "result").is_dir(), "the script leaves no result")
    return case


def refused_case(world, result):
    """What cannot be handed over is refused by a sentence that names it, and nothing is left."""
    checkpoint = make("qwen2_vl-plain", world.checkpoints)
    for settings, words in (
            (dict(objective="mlm"), "mlm"),
            (dict(objective="orpo"), "TRL 1.16"),
            (dict(strategy="bottleneck"), "bottleneck"),
            (dict(training=dict(loraplus_lr_ratio=4.0)), "training.loraplus_lr_ratio"),
            (dict(training=dict(optim="muon")), "training.optim"),
            (dict(training=dict(optim="muon"), strategy="full"), "training.optim"),
            (dict(init="random", strategy="full"), "init"),
            (dict(adapter=dict(target_modules=["lm_head"])), "head")):
        path = write_recipe(world, checkpoint, answers(world, 4), settings)
        ended = world.program.end("export", path, "--to", "trl", "--out", world.scratch / "no")
        result.same(f"{settings}: status", ended.returncode, 2)
        result.expect(words in ended.stderr, f"{settings}: {ended.stderr.strip()}")
        result.expect(not (world.scratch / "no").exists(), f"{settings}: a folder is left")
    path = write_recipe(world, checkpoint, answers(world, 4), {})
    for options, words in (((("--gpus-per-node", "3")), "(1, 2)"),
                           ((("--time", "soon")), "--time"), ((("--nodes", "0")), "--nodes"),
                           ((("--partition", "a b")), "--partition"),
                           ((("--sharding", "tensor")), "tensor"),
                           ((("--sharding", "fsdp")), "training.device")):
        ended = world.program.end("export", path, "--to", "trl", "--out", world.scratch / "no",
                                  *options)
        result.expect(ended.returncode != 0 and words in ended.stderr,
                      f"{options}: {ended.returncode} {ended.stderr.strip()}")


def pairs(world):
    return preferences.pairs(world, 8)


def judged(world):
    return preferences.judged(world, 9)


def some(count, **how):
    return lambda world: answers(world, count, **how)


def cases(everything=False):
    dpo = dict(objective="dpo", dpo=dict(beta=0.3), training=dict(shuffle=True))
    full = dict(strategy="full", training=FULL)
    found = {
        "handed-over/qwen2_vl/lora": run_case("qwen2_vl-plain", some(11, without_picture=(3,)), {},
                                              evaluation=some(4, seed=99)),
        "handed-over/clip-llama/lora": run_case("clip-llama", some(11), {}),
        "handed-over/smolvlm/full": run_case("smolvlm-plain", some(6), full),
        "handed-over/clip-llama/dpo": run_case("clip-llama", pairs, dpo),
        "handed-over/refused": refused_case,
    }
    if not everything:
        return found
    for name in ("qwen2_5_vl-plain", "qwen3_vl-plain", "gemma3-plain", "idefics3-llama",
                 "llava_next-clip", "onevision-plain", "internvl-plain",
                 "lfm2_vl-plain", "aya_vision-plain", "ovis2-plain", "glm4v-plain",
                 "deepseek_ocr2-plain", "gemma4-plain", "minicpmv4_6-plain"):
        found[f"handed-over/{name}/lora"] = run_case(name, some(7), {},
                                                     limit=FARTHER.get(name, train.CURVE))
    for name in ("llama-plain", "qwen3-plain", "phi3-plain", "lfm2-plain", "cohere2-plain"):
        found[f"handed-over/{name}/lora"] = run_case(name, some(7), {})
    one = dict(training=dict(per_device_train_batch_size=1, gradient_accumulation_steps=4))
    kto = dict(objective="kto", kto=dict(desirable_weight=1.4),
               training=dict(per_device_train_batch_size=3, gradient_accumulation_steps=1))
    return found | {
        # transformers loses a batch of one picture of one token
        "handed-over/mistral3/lora": run_case("mistral3-plain", some(6), {}),
        "handed-over/mllama/lora": run_case("mllama-plain", some(7), one),
        "handed-over/qwen3_5_moe/routers": run_case("qwen3_5_moe-plain", some(7), {}),
        "handed-over/qwen2_vl/all": run_case("qwen2_vl-plain", some(7),
                                             dict(training=dict(loss_on="all"))),
        "handed-over/llama/all": run_case("llama-plain", some(7),
                                          dict(training=dict(loss_on="all"))),
        "handed-over/qwen2_vl/assistant": run_case("qwen2_vl-plain", lambda world: talks(world, 7),
                                                   dict(training=dict(loss_on="assistant"))),
        "handed-over/qwen2/assistant": run_case("qwen2-plain", lambda world: talks(world, 7),
                                                dict(training=dict(loss_on="assistant"))),
        "handed-over/qwen2_vl/freeze": run_case("qwen2_vl-plain", some(7), dict(
            strategy="freeze", freeze=dict(vision_tower=True, projector=False,
                                           language_model=False), training=FULL)),
        "handed-over/qwen2_vl/pixels": run_case("qwen2_vl-plain", some(7), dict(
            image=dict(min_pixels=800, max_pixels=3000))),
        "handed-over/qwen2_vl/cut": run_case("qwen2_vl-plain", some(7), dict(
            training=dict(max_length=150))),
        "handed-over/clip-llama/cut": run_case("clip-llama", some(7), dict(
            training=dict(max_length=85))),
        "handed-over/qwen2_vl/epochs": run_case("qwen2_vl-plain", some(7), dict(
            training=dict(max_steps=-1, num_train_epochs=2.5, lr_scheduler_type="linear"))),
        "handed-over/clip-llama/dpo-full": run_case("clip-llama", pairs, dpo | dict(
            strategy="full", training=dict(learning_rate=5e-4, max_steps=5))),
        "handed-over/clip-llama/dpo-pissa": run_case("clip-llama", pairs, dpo | dict(
            adapter=dict(init_lora_weights="pissa"))),
        "handed-over/clip-llama/kto": run_case("clip-llama", judged, kto),
        "handed-over/llama/dpo": run_case("llama-plain", pairs, dpo),
        "handed-over/llama/reward": run_case("llama-plain", pairs, dict(objective="reward")),
        "handed-over/llama/reward-full": run_case("llama-plain", pairs, dict(
            objective="reward", strategy="full", training=FULL)),
        "handed-over/qwen2_vl/mixture": mixed_case("qwen2_vl-plain"),
        "handed-over/qwen2_vl/ranks": ranks_case("qwen2_vl-plain"),
        "handed-over/clip-llama/fsdp": sharded_case("clip-llama", {}),
        "handed-over/clip-llama/fsdp-full": sharded_case("clip-llama", full),
        "handed-over/qwen2_vl-tied/fsdp-full": sharded_case("qwen2_vl-tied", full),
        "handed-over/qwen2_vl/adafactor": run_case("qwen2_vl-plain", some(7), dict(
            training=dict(optim="adafactor"))),
        "handed-over/qwen2_vl/sgd": run_case("qwen2_vl-plain", some(7), dict(
            training=dict(optim="sgd", momentum=0.5, learning_rate=1e-2))),
        "handed-over/llava-larger/four-bit": run_case(qlora.CHECKPOINT, some(7), dict(
            quantization=dict(load_in_4bit=True) | qlora.SKIP,
            adapter=dict(target_modules=qlora.TARGETS), training=dict(learning_rate=1e-3))),
        **{f"handed-over/qwen2_vl/{method}": run_case("qwen2_vl-plain", some(7), dict(
            strategy=method, training=dict(max_steps=6, learning_rate=1e-3))) for method in METHODS},
    }

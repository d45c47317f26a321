# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills a training run at random moments and resumes it until it is finished; the result must have
the very bytes of a run that nobody disturbed.
    python3 tests/fault/run.py --cli build/bin/luthier-cli [--kills 20] [--quick] [--seed N]
        [--keep DIR] [--disk]
No LibTorch and no packages: a tiny checkpoint's config and the tokenizer of tests/data are all it
needs (weights start at random, seeded).
--disk (as root) also trains on a full tmpfs and demands that the previous checkpoint
stays whole."""
import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
FIXTURE = HERE.parent / "data" / "data_room"

CONFIG = {
    "model_type": "llava", "image_token_index": None, "vision_feature_layer": -2,
    "vision_feature_select_strategy": "default", "projector_hidden_act": "gelu",
    "text_config": {"model_type": "llama", "vocab_size": None, "hidden_size": 64,
                    "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
                    "num_key_value_heads": 2, "max_position_embeddings": 512,
                    "initializer_range": 0.02},
    "vision_config": {"model_type": "clip_vision_model", "hidden_size": 32, "intermediate_size": 64,
                      "num_hidden_layers": 2, "num_attention_heads": 4,
                      "image_size": 28, "patch_size": 14},
}


def make_model(folder):
    shutil.copytree(FIXTURE / "llava", folder)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    ids = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    vocabulary = 1 + max([*ids.values(), *tokenizer["model"]["vocab"].values()])
    config = json.loads(json.dumps(CONFIG))
    config["image_token_index"] = ids["<image>"]
    config["text_config"]["vocab_size"] = vocabulary
    (folder / "config.json").write_text(json.dumps(config, indent=2))


def make_rows(path, count):
    rows = []
    for i in range(count):
        question = f"What is in picture {i}?"
        content = [{"type": "text", "text": question}]
        if i % 3:
            content.insert(0, {"type": "image",
                               "path": str(FIXTURE / ("a.png" if i % 2 else "b.jpg"))})
        rows.append({"messages": [{"role": "user", "content": content},
                                  {"role": "assistant",
                                   "content": [{"type": "text",
                                                "text": f"It is {i * 7 % 11} and {i}."}]}]})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def recipe(root, strategy, out, steps):
    adapter = "adapter: {r: 4, lora_alpha: 8, lora_dropout: 0.1, target_modules: all-linear}\n" if strategy == "lora" else ""
    return (f"model: {root}/model\ninit: random\ndataset: {root}/rows.jsonl\neval_dataset: {root}/eval.jsonl\noutput_dir: {out}\nstrategy: {strategy}\n{adapter}"
            f"training: {{device: cpu, dtype: float32, max_steps: {steps}, per_device_train_batch_size: 2, gradient_accumulation_steps: 3, learning_rate: 2.0e-3, "
            "lr_scheduler_type: cosine, warmup_steps: 3, weight_decay: 0.01, logging_steps: 2, eval_steps: 9, save_steps: 4, save_total_limit: 2, gradient_checkpointing: false}\n")


def result(run):
    """Everything that must come out equal: the adapter or the model, and the metrics without times
    and memory."""
    found = {}
    for folder in ("adapter", "model"):
        for path in sorted((run / folder).rglob("*")):
            if path.is_file():
                found[str(path.relative_to(run))] = hashlib.sha256(path.read_bytes()).hexdigest()
    lines = []
    for line in (run / "metrics.jsonl").read_text().splitlines():
        fields = json.loads(line)
        lines.append({key: fields[key] for key in ("step", "epoch", "loss", "grad_norm",
                                                   "learning_rate", "tokens")
                                                   if key in fields} | {
                                                       "eval_loss": fields.get("eval_loss")})
    found["metrics"] = json.dumps(lines)
    return found


def command(cli, recipe_file, run=None):
    return [str(cli), "train", str(recipe_file)] + (["--resume", str(run)] if run else [])


def environment():
    return {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}


def undisturbed(cli, recipe_file):
    done = subprocess.run(command(cli, recipe_file), env=environment(), capture_output=True,
                          text=True)
    if done.returncode != 0:
        sys.exit(f"the undisturbed run failed:\n{done.stderr}")


def logged_lines(run):
    try:
        return (run / "metrics.jsonl").read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def makers(run):
    """Who made the run's float32 products, and how many threads shared a sum."""
    about = json.loads((run / "run.json").read_text())
    return about["products"], about["threads"]


def killed_until_finished(cli, recipe_file, run, kills, logged, chance):
    """Kills `kills` times, each at a random moment (or while a checkpoint is being written), then
    lets it finish."""
    landed = {"before a checkpoint": 0, "in a save": 0, "elsewhere": 0}
    for _ in range(kills):
        process = subprocess.Popen(command(cli, recipe_file, run), env=environment(),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        # A moment is a number of logged lines to wait for and then a little more, so that a slow
        # machine is killed as evenly as a fast one.
        lines = chance.randint(0, logged)
        saves = chance.random() < 0.3
        while process.poll() is None and logged_lines(run) < lines:
            time.sleep(0.0005)
        until = time.time() + chance.uniform(0, 0.3 if lines == 0 else 0.03)
        while process.poll() is None and (time.time() < until
                                          or (saves
                                              and not any(
                                                  (run / "checkpoints").glob(".*partial*")))):
            time.sleep(0.0002)
        partial = any((run / "checkpoints").glob(".*partial*"))
        whole = any((run / "checkpoints").glob("step-*"))
        process.send_signal(signal.SIGKILL)
        error = process.stderr.read()
        process.wait()
        if process.returncode == 0:
            break   # it was finished before the kill
        if process.returncode != -signal.SIGKILL:
            sys.exit(f"a resume failed with {process.returncode}:\n{error}")
        landed["in a save" if partial else "elsewhere" if whole else "before a checkpoint"] += 1
    done = subprocess.run(command(cli, recipe_file, run), env=environment(), capture_output=True,
                          text=True)
    if done.returncode != 0:
        sys.exit(f"the last resume failed with {done.returncode}:\n{done.stderr}")
    return landed


def kills(cli, root, strategy, count, chance):
    steps = 22
    whole = root / f"{strategy}-whole"
    recipe_file = root / f"{strategy}.yaml"
    recipe_file.write_text(recipe(root, strategy, whole, steps))
    undisturbed(cli, recipe_file)
    wanted = result(whole)
    logged = logged_lines(whole)
    places = {}
    rounds = 0
    while sum(places.values()) < count:
        before = dict(places)
        run = root / f"{strategy}-{rounds}"
        rounds += 1
        recipe_file.write_text(recipe(root, strategy, run, steps))
        for place, times in killed_until_finished(cli, recipe_file, run, min(
            5, count - sum(places.values())), logged, chance).items():
            places[place] = places.get(place, 0) + times
        got = result(run)
        different = sorted(key for key in wanted.keys() | got.keys()
                           if wanted.get(key) != got.get(key))
        if different and makers(run) != makers(whole) and rounds < 2 * count:
            # Each start times the libraries of products; two starts that chose apart have other
            # last bits from their first step, and a resume has no part in it.
            print(f"     {strategy}: products by {makers(run)}, those of the undisturbed run by "
                  f"{makers(whole)}: not compared", flush=True)
            places = before
            continue
        if different:
            sys.exit(f"{strategy}: after the kills these differ from the undisturbed run: "
                     f"{', '.join(different)} (in {run}; products by {makers(run)}, undisturbed "
                     f"{makers(whole)})")
    print(f"ok   kill -9, {strategy}: {sum(places.values())} kills in {rounds} runs ({', '.join(f'{times} {place}' for place, times in places.items())}), every byte as undisturbed", flush=True)


def full_disk(cli, root):
    place = root / "small-disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=900k", "none", str(place)],
                      capture_output=True).returncode != 0:
        print("skip full disk: a tmpfs cannot be mounted here")
        return
    try:
        recipe_file = root / "disk.yaml"
        recipe_file.write_text(recipe(root, "lora", place / "run",
                                      22).replace("save_total_limit: 2", "save_total_limit: 0"))
        done = subprocess.run(command(cli, recipe_file), env=environment(), capture_output=True,
                              text=True)
        if done.returncode != 3 or "space" not in done.stderr.lower():
            sys.exit(f"full disk: exit {done.returncode} where 3 was expected, with the reason:\n{done.stderr}")
        checkpoints = sorted((place / "run" / "checkpoints").glob("step-*"))
        if not checkpoints:
            sys.exit("full disk: no checkpoint came before the disk was full; the test's disk is too small")
        for checkpoint in checkpoints:
            manifest = json.loads((checkpoint / "manifest.json").read_text())
            for name, about in manifest["files"].items():
                data = (checkpoint / name).read_bytes()
                if len(data) != about["size"] or hashlib.sha256(
                    data).hexdigest() != about["sha256"]:
                    sys.exit(f"full disk: {checkpoint / name} is not what its manifest says")
        # With room again, the run ends as if nothing had been.
        subprocess.run(["mount", "-o", "remount,size=16m", str(place)], check=True)
        done = subprocess.run(command(cli, recipe_file, place / "run"), env=environment(),
                              capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"full disk: the resume failed:\n{done.stderr}")
        wanted = result(root / "lora-whole")
        if result(place / "run") != wanted:
            sys.exit("full disk: the resumed run ended otherwise than the undisturbed one")
        print(f"ok   full disk: exit 3 with the reason, {len(checkpoints)} checkpoints whole, and the resume ends in the same bytes", flush=True)
    finally:
        subprocess.run(["umount", str(place)], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cli", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=20, help="kills a strategy")
    parser.add_argument("--quick", action="store_true", help="6 kills, lora alone")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--disk", action="store_true")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.randrange(1 << 30)
    print(f"seed {seed}", flush=True)
    chance = random.Random(seed)
    root = options.keep or Path(tempfile.mkdtemp(prefix="luthier-fault-"))
    root.mkdir(parents=True, exist_ok=True)
    try:
        make_model(root / "model")
        make_rows(root / "rows.jsonl", 17)
        make_rows(root / "eval.jsonl", 5)
        kills(options.cli.resolve(), root, "lora", 6 if options.quick else options.kills, chance)
        if not options.quick:
            kills(options.cli.resolve(), root, "full", options.kills, chance)
        if options.disk:
            full_disk(options.cli.resolve(), root)
    finally:
        if not options.keep:
            shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()

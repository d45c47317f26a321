# SPDX-License-Identifier: GPL-3.0-or-later
"""What the faults happen to: a tiny checkpoint's config with the tokenizer of tests/data (weights
start at random, seeded), rows for it, recipes, and what of a run must come out equal."""
import hashlib
import json
import os
import shutil
import subprocess
import sys
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


def makers(run):
    """Who made the run's float32 products, and how many threads shared a sum."""
    about = json.loads((run / "run.json").read_text())
    return about["products"], about["threads"]

# SPDX-License-Identifier: GPL-3.0-or-later
"""The other side of the rows dpo, kto and grpo: TRL's trainers on the same checkpoint, rows, order,
batch and threads. Writes JSON with each step's time, from the end of the one before."""
import argparse
import json
import time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--objective", choices=["dpo", "kto", "grpo"], required=True)
parser.add_argument("--model", required=True)
parser.add_argument("--rows", required=True)
parser.add_argument("--targets", required=True, help="a regular expression of module names")
parser.add_argument("--batch", type=int, required=True)
parser.add_argument("--steps", type=int, required=True)
parser.add_argument("--threads", type=int, required=True)
parser.add_argument("--settings", required=True, help="JSON: generations, answer")
parser.add_argument("--out", required=True)
options = parser.parse_args()

import torch

torch.set_num_threads(options.threads)
from datasets import Dataset, Features, Image as Picture, List, Value
from peft import LoraConfig
from transformers import AutoModelForImageTextToText, AutoProcessor, TrainerCallback

folder, wanted, ends = Path(options.rows).parent, json.loads(options.settings), []


class Clock(TrainerCallback):
    def on_train_begin(self, *args, **kwargs):
        ends.append(time.perf_counter())

    def on_step_end(self, *args, **kwargs):
        ends.append(time.perf_counter())


def turns(messages):
    return [{"role": message["role"],
             "content": "".join(part.get("text", "") for part in message["content"])}
            for message in messages]


rows, answers = [], {"dpo": ("chosen", "rejected"), "kto": ("completion",), "grpo": ()}
for line in open(options.rows):
    row = json.loads(line)
    path = next(part["path"] for part in row["prompt"][0]["content"] if part["type"] == "image")
    made = {"images": [{"path": str(folder / path), "bytes": None}], "prompt": turns(row["prompt"])}
    made |= {name: turns(row[name]) for name in answers[options.objective]}
    made |= {name: row[name] for name in ("label", "target_length") if name in row}
    rows.append(made)
turn = List({"role": Value("string"), "content": Value("string")})
features = {"images": List(Picture()), "prompt": turn}
features |= {name: turn for name in answers[options.objective]}
features |= {name: Value(kind) for name, kind in (("label", "bool"), ("target_length", "int64"))
             if name in rows[0]}
data = Dataset.from_list(rows, features=Features(features))
settings = dict(output_dir=str(Path(options.out).parent / "oracle"),
                per_device_train_batch_size=options.batch, gradient_accumulation_steps=1,
                max_steps=options.steps, learning_rate=2e-4, lr_scheduler_type="cosine",
                logging_steps=1, save_strategy="no", report_to=[], gradient_checkpointing=False,
                use_cpu=True, bf16=False, fp16=False, dataloader_num_workers=0,
                dataloader_pin_memory=False, seed=42, disable_tqdm=True)
model = AutoModelForImageTextToText.from_pretrained(options.model, dtype=torch.float32)
processor = AutoProcessor.from_pretrained(options.model)
adapter = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.05, target_modules=options.targets)


def near(completions, target_length, **_):
    texts = [completion[0]["content"] for completion in completions]
    return [max(0.0, 1 - abs(len(text) - length) / length)
            for text, length in zip(texts, target_length)]


def trainer():
    if options.objective == "dpo":
        from trl import DPOConfig, DPOTrainer
        return DPOTrainer(model, args=DPOConfig(max_length=None, beta=0.1, **settings),
                          train_dataset=data, processing_class=processor, peft_config=adapter)
    if options.objective == "kto":
        from trl import KTOConfig, KTOTrainer
        return KTOTrainer(model, args=KTOConfig(max_length=None, beta=0.1, **settings),
                          train_dataset=data, processing_class=processor, peft_config=adapter)
    from trl import GRPOConfig, GRPOTrainer
    processor.tokenizer.padding_side = "left"
    return GRPOTrainer(model, reward_funcs=near, args=GRPOConfig(
        num_generations=wanted["generations"], max_completion_length=wanted["answer"],
        shuffle_dataset=False, **settings), train_dataset=data, processing_class=processor,
        peft_config=adapter)


made = trainer()
made.add_callback(Clock())
made.train()
json.dump({"step_seconds": [b - a for a, b in zip(ends, ends[1:])]}, open(options.out, "w"))

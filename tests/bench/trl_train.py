# SPDX-License-Identifier: GPL-3.0-or-later
"""The other side of the benchmark: TRL's SFTTrainer with PEFT on the same checkpoint, rows, batch and threads. Writes JSON with the time of each step."""
import argparse
import json
import time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--model", required=True)
parser.add_argument("--rows", required=True)
parser.add_argument("--targets", required=True, help="a regular expression of module names")
parser.add_argument("--batch", type=int, required=True)
parser.add_argument("--steps", type=int, required=True)
parser.add_argument("--threads", type=int, required=True)
parser.add_argument("--out", required=True)
options = parser.parse_args()

import torch

torch.set_num_threads(options.threads)
from datasets import Dataset
from peft import LoraConfig
from PIL import Image
from transformers import AutoProcessor, LlavaForConditionalGeneration, TrainerCallback
from trl import SFTConfig, SFTTrainer

folder = Path(options.rows).parent
rows = []
for line in open(options.rows):
    messages = json.loads(line)["messages"]
    image = next(part for part in messages[0]["content"] if part["type"] == "image")
    picture = Image.open(folder / image["path"]).convert("RGB")
    text = next(part["text"] for part in messages[0]["content"] if part["type"] == "text")
    rows.append({"images": [picture], "prompt": [{"role": "user", "content": text}],
                 "completion": [{"role": "assistant", "content": messages[1]["content"][0]["text"]}]})

stamps, tokens = [], []


class Clock(TrainerCallback):
    def on_step_begin(self, *args, **kwargs):
        stamps.append(time.perf_counter())

    def on_step_end(self, *args, **kwargs):
        stamps.append(time.perf_counter())


model = LlavaForConditionalGeneration.from_pretrained(options.model, dtype=torch.float32)
processor = AutoProcessor.from_pretrained(options.model)
arguments = SFTConfig(output_dir=str(Path(options.out).parent / "trl"), per_device_train_batch_size=options.batch, gradient_accumulation_steps=1,
                      max_steps=options.steps, learning_rate=2e-4, lr_scheduler_type="cosine", logging_steps=1, save_strategy="no", report_to=[],
                      gradient_checkpointing=False, use_cpu=True, bf16=False, fp16=False, max_length=None, dataloader_num_workers=0, seed=42,
                      disable_tqdm=True)
trainer = SFTTrainer(model=model, args=arguments, train_dataset=Dataset.from_list(rows), processing_class=processor, callbacks=[Clock()],
                     peft_config=LoraConfig(r=16, lora_alpha=32, lora_dropout=0.05, target_modules=options.targets))
collate = trainer.data_collator


def counted(features):
    batch = collate(features)
    tokens.append(int(batch["attention_mask"].sum()))
    return batch


trainer.data_collator = counted
trainer.train()
ends = stamps[1::2]
json.dump({"step_seconds": [b - a for a, b in zip(ends, ends[1:])], "tokens": tokens[1:len(ends)], "loss": [e["loss"] for e in trainer.state.log_history if "loss" in e]},
          open(options.out, "w"))

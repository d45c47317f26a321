# SPDX-License-Identifier: GPL-3.0-or-later
"""The other side of the benchmark: transformers + PEFT on the same checkpoint, rows, order, batch
and threads, through TRL's SFTTrainer with its
own collator; or through transformers' Trainer where that collator does not make the family's input
(PaliGemma's prefix and suffix, Florence-2's two texts, films).
Writes JSON with each step's time, from the end of the one before, and its tokens without
padding."""
import argparse
import json
import time
import re
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--model", required=True)
parser.add_argument("--rows", required=True)
parser.add_argument("--targets", required=True, help="a regular expression of module names")
parser.add_argument("--batch", type=int, required=True)
parser.add_argument("--steps", type=int, required=True)
parser.add_argument("--threads", type=int, required=True)
parser.add_argument("--trainer", choices=["trl", "suffix", "two_texts", "film"], default="trl")
parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32",
                    help="of the weights; with bfloat16 also Trainer's bf16")
parser.add_argument("--method", default="null",
                    help="JSON: PEFT's config and its settings, or what trains without PEFT; null: LoRA")
parser.add_argument("--out", required=True)
options = parser.parse_args()

import torch

torch.set_num_threads(options.threads)
import peft
from peft import LoraConfig, get_peft_model
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor, Trainer, TrainerCallback, TrainingArguments

folder = Path(options.rows).parent
rows = []
for line in open(options.rows):
    messages = json.loads(line)["messages"]
    shown, asked = messages[0]["content"]
    rows.append((str(folder / shown.get("path", shown.get("video"))), asked["text"],
                 messages[1]["content"][0]["text"]))

ends, tokens = [], []


class Clock(TrainerCallback):
    def on_train_begin(self, *args, **kwargs):
        ends.append(time.perf_counter())

    def on_step_end(self, *args, **kwargs):
        ends.append(time.perf_counter())


model = AutoModelForImageTextToText.from_pretrained(options.model, dtype=getattr(torch, options.dtype))
processor = AutoProcessor.from_pretrained(options.model)
method = json.loads(options.method)
if method is None:
    adapter = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.05, target_modules=options.targets)
elif "config" in method:
    task = {"task_type": "CAUSAL_LM"}
    adapter = getattr(peft, method["config"])(**task, **method["settings"])
else:
    adapter = None
    for name, parameter in model.named_parameters():
        parameter.requires_grad = re.fullmatch(method["trains"], name) is not None


class Allocates(TrainerCallback):
    """AdaLoRA's budget, which PEFT leaves to the loop."""

    def on_optimizer_step(self, args, state, control, model=None, **kwargs):
        model.base_model.update_and_allocate(state.global_step)


settings = dict(output_dir=str(Path(options.out).parent / "oracle"),
                per_device_train_batch_size=options.batch, gradient_accumulation_steps=1,
                max_steps=options.steps, learning_rate=2e-4, lr_scheduler_type="cosine",
                logging_steps=1, save_strategy="no", report_to=[],
                gradient_checkpointing=False, use_cpu=True, bf16=options.dtype == "bfloat16", fp16=False,
                dataloader_num_workers=0, dataloader_pin_memory=False, seed=42,
                disable_tqdm=True, train_sampling_strategy="sequential")


def with_trl():
    from datasets import Dataset, Features, Image as Picture, List, Value
    from trl import SFTConfig, SFTTrainer
    turn = List({"role": Value("string"), "content": Value("string")})
    data = Dataset.from_list(
        [{"images": [{"path": path, "bytes": None}], "prompt": [{"role": "user", "content": text}],
          "completion": [{"role": "assistant", "content": answer}]} for path, text, answer in rows],
        features=Features({"images": List(Picture()), "prompt": turn, "completion": turn}))
    return SFTTrainer(model=model, args=SFTConfig(max_length=None, **settings), train_dataset=data,
                      processing_class=processor, peft_config=adapter)


def with_trainer(collate):
    return Trainer(get_peft_model(model, adapter),
                   TrainingArguments(remove_unused_columns=False, label_names=["labels"],
                                     **settings),
                   data_collator=collate, train_dataset=rows)


def picture(path):
    return Image.open(path).convert("RGB")


def prefix_and_suffix(examples):
    return processor(text=["<image>" + text for _, text, _ in examples],
                     suffix=[answer for _, _, answer in examples], padding="longest",
                     images=[[picture(path)] for path, _, _ in examples], return_tensors="pt")


def two_texts(examples):
    """A picture and a question for the encoder; labels for the decoder."""
    batch = processor(text=[text for _, text, _ in examples], padding="longest",
                      images=[picture(path) for path, _, _ in examples], return_tensors="pt")
    answers = processor.tokenizer([answer for *_, answer in examples], padding="longest",
                                  return_tensors="pt")
    batch["labels"] = answers["input_ids"].masked_fill(answers["attention_mask"] == 0, -100)
    return batch


def frames(path):
    return [str(file) for file in sorted(Path(path).iterdir(), key=lambda file: int(file.stem))]


def films(examples):
    """Folders of frames, all of which are shown."""
    turns = [[{"role": "user", "content": [{"type": "video", "video": frames(path)},
                                           {"type": "text", "text": text}]},
              {"role": "assistant", "content": [{"type": "text", "text": answer}]}]
             for path, text, answer in examples]
    counts = [len(turn[0]["content"][0]["video"]) for turn in turns]
    batch = processor.apply_chat_template(
        turns, tokenize=True, return_dict=True, return_tensors="pt", processor_kwargs={
            "padding": True, "videos_kwargs": {"do_sample_frames": False, "video_metadata": [
                {"total_num_frames": count, "fps": None, "frames_indices": list(range(count))}
                for count in counts]}})
    labels = batch["input_ids"].clone()
    for row, (mask, (*_, answer)) in enumerate(zip(batch["attention_mask"], examples)):
        end = int(mask.nonzero().max()) + 1
        labels[row, :end - len(processor.tokenizer(answer)["input_ids"])] = -100
        labels[row, end:] = -100
    batch["labels"] = labels
    return batch


COLLATORS = {"suffix": prefix_and_suffix, "two_texts": two_texts, "film": films}
trainer = with_trl() if options.trainer == "trl" else with_trainer(COLLATORS[options.trainer])
trainer.add_callback(Clock())
if method and method.get("config") == "AdaLoraConfig":
    trainer.add_callback(Allocates())
collate = trainer.data_collator


def counted(features):
    batch = collate(features)
    tokens.append(int(batch["attention_mask"].sum()))
    if options.trainer == "two_texts":
        tokens[-1] += int((batch["labels"] != -100).sum())
    return batch


trainer.data_collator = counted
trainer.train()
seconds = [b - a for a, b in zip(ends, ends[1:])]
json.dump({"step_seconds": seconds, "tokens": tokens[:len(seconds)],
           "loss": [e["loss"] for e in trainer.state.log_history if "loss" in e]},
          open(options.out, "w"))

# SPDX-License-Identifier: GPL-3.0-or-later
"""Infilling against transformers: the rows that `loss` made are read back by the paper's layout and are
the texts as the tokenizer has them, and loss and gradients are those of the model class given the same
ids with every token a label."""
import torch

import adapters
import forward
import preferences
from checkpoints import make

TEXTS = ["A red circle stands beside two blue squares.", "def add(a, b):\n    return a + b\n",
         "One, two, three, four, five, six, seven, eight, nine and ten.", "Short."]


def marks_of(checkpoint, texts):
    """Three tokens of the vocabulary that no text has."""
    used = {token for text in texts for token in checkpoint.tokenizer_ids(text)}
    tokenizer = checkpoint.processor.tokenizer
    special = set(tokenizer.all_special_ids)
    free = [token for token in range(len(tokenizer) - 1, 0, -1)
            if token not in used and token not in special]
    return free[:3], tokenizer.convert_ids_to_tokens(free[:3])


def parts_of(ids, marks):
    """(beginning, middle, end) of a parted text, and whether its end stood first."""
    prefix, suffix, middle = (ids.index(mark) for mark in marks)
    before, end, rest = ids[prefix + 1:suffix], ids[suffix + 1:middle], ids[middle + 1:]
    return before, rest, end, suffix == prefix + 1


def loss_case(name, **settings):
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        folder = adapters.make(checkpoint, "attention", world.adapters)
        marks, tokens = marks_of(checkpoint, TEXTS)
        lines = [{"text": text} for text in TEXTS]
        preferences.write(world.scratch / "train.jsonl", lines)
        words = dict(zip(("prefix_token", "suffix_token", "middle_token"), tokens))
        path = preferences.recipe(world, checkpoint, "lora", "infilling", words | settings, folder)
        got = preferences.loss(world, path, lines)
        end = checkpoint.processor.tokenizer.eos_token_id
        special = set(checkpoint.processor.tokenizer.all_special_ids)
        parted = 0
        for row, mask, text in zip(got["input_ids"], got["attention_mask"], TEXTS):
            ids = row[mask.bool()].tolist()
            wanted = [token for token in checkpoint.tokenizer_ids(text) if token not in special]
            result.same(f"{text!r} ends", ids[-1], end)
            own = [token for token in ids if token not in special]
            if marks[0] in own:
                parted += 1
                before, middle, after, _ = parts_of(own, marks)
                own = before + middle + after
            result.same(f"{text!r} comes out whole", own, wanted)
        rate = settings.get("fim_rate", 0.5)
        if rate in (0, 1):
            result.same("texts that are parted", parted, rate * len(TEXTS))
        model = adapters.PeftModel.from_pretrained(checkpoint.model(), folder, is_trainable=True)
        model.train()
        labels = got["input_ids"].masked_fill(got["attention_mask"] == 0, -100)
        loss = model(input_ids=got["input_ids"], attention_mask=got["attention_mask"],
                     labels=labels, use_cache=False).loss
        loss.backward()
        result.close("loss", got["loss"], loss.detach().view(1), preferences.SUMS, "loss")
        slopes = preferences.gradients(model)
        largest = max(gradient.abs().max().item() for gradient in slopes.values())
        for key, gradient in slopes.items():
            result.close(key, got[key], gradient, forward.GRADIENTS, "grad", largest * 1e-3)
    return case


def cases(everything=False):
    found = {"infilling/clip-llama/parted": loss_case("clip-llama", fim_rate=1)}
    if everything:
        for name in ("clip-llama", "qwen2_vl-plain", "smolvlm-plain"):
            found[f"infilling/{name}/plain"] = loss_case(name, fim_rate=0)
            found[f"infilling/{name}/psm"] = loss_case(name, fim_rate=1, fim_spm_rate=0)
            found[f"infilling/{name}/half"] = loss_case(name)
    return found

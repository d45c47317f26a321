# SPDX-License-Identifier: GPL-3.0-or-later
"""Models that read one text and write another: T5 of both versions against T5ForConditionalGeneration. The loss and every gradient of rows of
different lengths, runs of `objective: span_corruption`, greedy answers. What a run cuts out is drawn here a second time, by T5's rule and with
SplitMix64 by seed and place, as the engine says it draws."""
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy
import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, T5Config, T5ForConditionalGeneration, T5Tokenizer

import report
import train
from encoders import GOLDEN, WORD, Draws, mixed
from tokenizers_ import TEXT

SENTINELS = 20
SMALL = dict(d_model=48, d_kv=10, d_ff=80, num_layers=2, num_heads=4, relative_attention_num_buckets=8, relative_attention_max_distance=20,
             dropout_rate=0.0, decoder_start_token_id=0, pad_token_id=0, eos_token_id=1)
LINES = [line for line in TEXT.splitlines() if line]
ROWS = [LINES[0], " ".join(LINES[:3]), "A", LINES[2], " ".join(LINES) + " " + " ".join(reversed(LINES))]
PROMPTS = ("A red circle stands", "How many shapes are there? <extra_id_0>", " ".join(LINES[:2]))


@dataclass
class Spec:
    options: dict = field(default_factory=dict)
    dtype: str = "float32"
    own_head: bool = False
    old: bool = False       # names and settings as files before transformers 5 have them


SPECS = {
    "t5-plain": Spec(),
    "t5-gated": Spec(dict(feed_forward_proj="gated-gelu", num_layers=3, num_decoder_layers=2, d_kv=12), own_head=True, old=True),
    "t5-shared": Spec(dict(feed_forward_proj="gated-silu", tie_word_embeddings=False, num_layers=3, num_decoder_layers=1), "bfloat16"),
    "t5-old": Spec(dict(feed_forward_proj="gelu", relative_attention_num_buckets=32, relative_attention_max_distance=128), "float16", old=True),
}


def tokenizer():
    """Words and letters, as a Unigram of which the longest piece is the likeliest."""
    letters = sorted(set(TEXT) - set(" \n"))
    words = sorted({word for word in "".join(c if c.isalpha() else " " for c in TEXT).split()})
    scores = {"<pad>": 0.0, "</s>": 0.0, "<unk>": 0.0, "▁": -2.0}
    for number, letter in enumerate(letters):
        scores.setdefault(letter, -6.0 - number * 0.01)
    for number, word in enumerate(words):
        scores.setdefault("▁" + word, -3.0 - number * 0.013)
    return T5Tokenizer(vocab=list(scores.items()), extra_ids=SENTINELS)


def draw(model, seed):
    """Weights of a size at which every block matters."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() == 1:
                parameter.copy_(1 + 0.15 * noise)
            elif name in ("shared.weight", "lm_head.weight") or "relative" in name:
                parameter.copy_(0.6 * noise)
            else:
                scale = 0.35 if name.endswith(".q.weight") else 3.0 if name.endswith(("o.weight", "wo.weight")) else 1.0
                parameter.copy_(scale * noise / parameter.shape[1] ** 0.5)


def make(name, root: Path):
    folder, spec = root / name, SPECS[name]
    if folder.exists():
        return folder
    words = tokenizer()
    model = T5ForConditionalGeneration(T5Config(vocab_size=len(words) + 3, **SMALL | spec.options))
    if spec.own_head:
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    draw(model, seed=sum(name.encode()))
    model.to(getattr(torch, spec.dtype)).save_pretrained(folder)
    words.save_pretrained(folder)
    tensors = {key: tensor.contiguous() for key, tensor in load_file(folder / "model.safetensors").items()}
    config = json.loads((folder / "config.json").read_text())
    if spec.own_head:
        tensors["lm_head.weight"] = model.lm_head.weight.detach().contiguous()
    if spec.old:
        for stack in ("encoder", "decoder"):
            tensors[f"{stack}.embed_tokens.weight"] = tensors["shared.weight"].clone()
        bias = tensors["decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"]
        tensors["decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"] = bias.clone() + 1
        config.pop("scale_decoder_outputs")
        config["tie_word_embeddings"] = not spec.own_head
        (folder / "config.json").write_text(json.dumps(config))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def oracle(folder):
    return T5ForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()


def parts_at_random(items, count, draws):
    """`items` in `count` parts: each place between two is a border with the share of borders that are left to place."""
    borders, parts, length = count - 1, [], 0
    for places in range(items - 1, -1, -1):
        length += 1
        if places == 0 or draws.unit() * places < borders:
            parts.append(length)
            length, borders = 0, borders - 1
    return parts


def cut_out(ids, draws, settings, sentinels, end=1):
    """(read, written) of a text's ids without the end token."""
    if len(ids) < 2:
        return ids + [end], sentinels[:len(ids)] + [end]
    noise = int(numpy.clip(numpy.round(settings["noise_density"] * len(ids)), 1, len(ids) - 1))
    spans = int(max(1, numpy.round(noise / settings["mean_noise_span_length"])))
    spans = min(spans, noise, len(ids) - noise, len(sentinels))
    cut, left = parts_at_random(noise, spans, draws), parts_at_random(len(ids) - noise, spans, draws)
    lengths = numpy.stack([left, cut], axis=1).reshape(-1)
    is_noise = numpy.repeat(numpy.arange(2 * spans) % 2 == 1, lengths)
    first = is_noise & ~numpy.concatenate([[False], is_noise[:-1]])
    other = ~is_noise & ~numpy.concatenate([[True], ~is_noise[:-1]])
    number = numpy.cumsum(first) - 1
    read, written = [], []
    for place, token in enumerate(ids):
        if first[place]:
            read.append(sentinels[number[place]])
            written.append(sentinels[number[place]])
        (written if is_noise[place] else read).append(token)
    assert other.sum() <= spans
    return read + [end], written + [end]


def padded(rows, value):
    longest = max(map(len, rows))
    return torch.tensor([row + [value] * (longest - len(row)) for row in rows])


class Cutting:
    """A collator that cuts micro-batch after micro-batch as the engine does."""

    def __init__(self, words, seed, settings):
        self.sentinels = [words.convert_tokens_to_ids(f"<extra_id_{number}>") for number in range(SENTINELS)]
        self.seed, self.settings, self.number, self.written = seed, settings, 0, 0

    def __call__(self, rows):
        seed = mixed((self.seed * GOLDEN + (self.number + 1) * 0xD1B54A32D192ED03) & WORD)
        self.number += 1
        made = [cut_out(list(row["ids"]), Draws(seed, index), self.settings, self.sentinels) for index, row in enumerate(rows)]
        self.written += sum(len(written) for _, written in made)
        return {"input_ids": padded([read for read, _ in made], 0), "attention_mask": padded([[1] * len(read) for read, _ in made], 0),
                "labels": padded([written for _, written in made], -100)}


def settings_of(changed):
    return dict(noise_density=0.15, mean_noise_span_length=3) | changed


def write_rows(path, rows):
    path.write_text("".join(json.dumps({"text": row}, ensure_ascii=False) + "\n" for row in rows))


def data_of(words, rows, longest):
    return [{"ids": words(row, truncation=True, max_length=longest)["input_ids"][:-1]} for row in rows]


def loss_case(name, **changed):
    """Every figure of one micro-batch of rows of different lengths."""
    settings = settings_of(changed)

    def case(world, result):
        folder = make(name, world.checkpoints)
        words, model = AutoTokenizer.from_pretrained(folder), oracle(folder)
        write_rows(world.scratch / "rows.jsonl", ROWS)
        recipe = dict(model=str(folder), dataset="unused", output_dir=str(world.scratch / "run"), strategy="full", objective="span_corruption",
                      span_corruption=settings, training=dict(device="cpu", dtype="float32", gradient_checkpointing="false", max_length=200, seed=11))
        for checkpointing in ("false", "true"):
            recipe["training"]["gradient_checkpointing"] = checkpointing
            (world.scratch / "recipe.yaml").write_text(json.dumps(recipe))
            world.program.run("loss", world.scratch / "recipe.yaml", "--rows", world.scratch / "rows.jsonl", "--out",
                              world.scratch / "out.safetensors")
            got = load_file(world.scratch / "out.safetensors")
            batch = Cutting(words, 11, settings)(data_of(words, ROWS, 200))
            for key, tensor in batch.items():
                result.same(key, got[key].tolist(), tensor.tolist())
            model.zero_grad()
            out = model(**batch)
            out.loss.backward()
            known = batch["labels"] != -100
            result.same("shape of logits", list(got["logits"].shape), list(out.logits.shape))
            result.close("logits", got["logits"][known], out.logits.detach()[known], report.LOGITS, "logits")
            result.close("loss", got["loss"], out.loss.detach().view(1), report.LOGITS, "loss")
            named = dict(model.named_parameters())
            result.same("gradients", sorted(key for key in got if key.startswith("grad.")), sorted("grad." + key for key in named))
            for key, parameter in named.items():
                result.close(f"grad.{key}", got[f"grad.{key}"], parameter.grad, 1e-4, "grad")
    return case


def plain_loop(model, collate, data, steps):
    """A loop of PyTorch alone: what each step logs."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=steps["learning_rate"], betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
    log, at, every = [], 0, steps["gradient_accumulation_steps"]
    for step in range(steps["max_steps"]):
        optimizer.zero_grad()
        total = 0.0
        for _ in range(every):
            rows = data[at:at + steps["per_device_train_batch_size"]]
            at = (at + len(rows)) % len(data)
            loss = model(**collate(rows)).loss / every
            loss.backward()
            total += loss.item()
        norm = torch.nn.utils.clip_grad_norm_(trained, steps["max_grad_norm"]).item()
        optimizer.step()
        log.append(dict(step=step + 1, loss=total, grad_norm=norm))
    return log


def train_case(name, strategy, checkpointing="false", **changed):
    settings = settings_of(changed)

    def case(world, result):
        folder = make(name, world.checkpoints)
        words, model = AutoTokenizer.from_pretrained(folder), oracle(folder)
        rows = [LINES[number % len(LINES)] + " " + LINES[(number * 3 + 1) % len(LINES)][:11 * number % 40] for number in range(12)]
        write_rows(world.scratch / "train.jsonl", rows)
        steps = train.DEFAULTS | dict(max_steps=8, per_device_train_batch_size=3, gradient_accumulation_steps=2, learning_rate=1e-3)
        recipe = dict(model=str(folder), dataset=str(world.scratch / "train.jsonl"), output_dir=str(world.scratch / "run"),
                      objective="span_corruption", strategy=strategy, span_corruption=settings,
                      training=steps | dict(device="cpu", dtype="float32", gradient_checkpointing=checkpointing, logging_steps=1, save_steps=0,
                                            max_length=64))
        if strategy == "lora":
            modules = ["q", "k", "v", "o", "wi", "wi_0", "wi_1", "wo"]
            model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules=modules, lora_dropout=0.0))
            model.save_pretrained(world.scratch / "start")
            recipe["adapter"] = dict(init_from=str(world.scratch / "start"))
        (world.scratch / "recipe.yaml").write_text(json.dumps(recipe))
        world.program.run("train", world.scratch / "recipe.yaml")
        collate = Cutting(words, steps["seed"], settings)
        log = plain_loop(model, collate, data_of(words, rows, 64), steps)
        result.facts["tokens written"] = collate.written
        got = train.curve(world.scratch / "run")
        result.same("steps", [line["step"] for line in got if line.get("loss") is not None], [line["step"] for line in log])
        for line, wanted in zip(got, log):
            for key in ("loss", "grad_norm"):
                result.near(f"step {wanted['step']} {key}", line.get(key, float("nan")), wanted[key], train.CURVE, key)
        if strategy == "lora":
            got, wanted = load_file(world.scratch / "run" / "adapter" / "adapter_model.safetensors"), get_peft_model_state_dict(model)
        else:
            got, wanted = oracle(world.scratch / "run" / "model").state_dict(), model.state_dict()
        if not result.same("tensors", sorted(got), sorted(wanted)):
            return
        slack = {"float32": 0, "bfloat16": 2 ** -8, "float16": 2 ** -11}[SPECS[name].dtype] if strategy == "full" else 0
        for key, tensor in wanted.items():
            result.close(key, got[key], tensor.detach(), train.WEIGHTS + slack, "adapter" if strategy == "lora" else "weights")
    return case


def generate_case(name):
    def case(world, result):
        folder = make(name, world.checkpoints)
        words, model = AutoTokenizer.from_pretrained(folder), oracle(folder)
        lengths = set()
        for number, prompt in enumerate(PROMPTS):
            encoded = words(prompt, return_tensors="pt")
            out = model.generate(**encoded, max_new_tokens=14, do_sample=False, num_beams=1, output_scores=True, return_dict_in_generate=True)
            wanted = out.sequences[0, 1:].tolist()
            (world.scratch / "row.json").write_text(json.dumps({"text": prompt}))
            given = ["--prompt", prompt] if number % 2 else ["--input", world.scratch / "row.json"]
            got = world.program.json("generate", folder, *given, "--max-new-tokens", "14", "--dtype", "float32", "--device", "cpu", "--json")
            answer = got["results"][0]
            result.same("token_ids", answer["token_ids"], wanted)
            result.same("prompt_tokens", answer["prompt_tokens"], encoded["input_ids"].shape[1])
            result.same("text", answer["text"], words.decode(wanted, skip_special_tokens=True))
            logs = torch.tensor([scores[0].log_softmax(-1)[token].item() for scores, token in zip(out.scores, wanted)])
            result.close("logprobs", torch.tensor(answer["logprobs"]), logs, 1e-4, "logprobs")
            lengths.add(tuple(wanted))
        result.expect(len(lengths) > 1, "every prompt has the same answer")
    return case


def info_case(name):
    def case(world, result):
        folder = make(name, world.checkpoints)
        got = world.program.json("info", folder, "--json")
        result.same("model_type", got["model_type"], "t5")
        result.same("parameters", got["parameters"], sum(parameter.numel() for parameter in oracle(folder).parameters()))
        result.same("parts", list(got["parts"]), ["language_model"])
    return case


def refused_case(world, result):
    """What T5 cannot do is refused by its name, and so is the objective on other models."""
    folder = make("t5-plain", world.checkpoints)
    rows = world.scratch / "rows.jsonl"
    rows.write_text(json.dumps({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}) + "\n")
    recipe = world.scratch / "recipe.yaml"
    base = dict(model=str(folder), dataset=str(rows), output_dir=str(world.scratch / "run"), strategy="full")
    for objective in ("dpo", "mlm"):
        recipe.write_text(json.dumps(base | dict(objective=objective)))
        world.program.run("train", recipe, status=2)
    for settings in (dict(noise_density=0), dict(noise_density=1), dict(mean_noise_span_length=0.5)):
        recipe.write_text(json.dumps(base | dict(objective="span_corruption", span_corruption=settings)))
        world.program.run("train", recipe, status=2)
    text = world.scratch / "text.json"
    text.write_text(json.dumps({"text": "A red circle"}))
    world.program.run("forward", folder, "--input", text, "--out", world.scratch / "out.safetensors", status=2)
    result.expect(not (world.scratch / "run").exists(), "a run that cannot be left a folder")


def merge_case(name):
    """An adapter merged into the weights answers as PEFT's merge does."""
    def case(world, result):
        folder = make(name, world.checkpoints)
        model = get_peft_model(oracle(folder), LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", init_lora_weights=False))
        generator = torch.Generator().manual_seed(3)
        with torch.no_grad():
            for key, parameter in model.named_parameters():
                if "lora_" in key:
                    parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
        model.save_pretrained(world.scratch / "adapter")
        world.program.run("merge", folder, "--adapter", world.scratch / "adapter", "--out", world.scratch / "merged")
        got, wanted = oracle(world.scratch / "merged"), model.merge_and_unload()
        slack = {"float32": 0, "bfloat16": 2 ** -8, "float16": 2 ** -11}[SPECS[name].dtype]
        for key, tensor in wanted.state_dict().items():
            result.close(key, got.state_dict()[key], tensor, 1e-5 + slack, "weights")
        result.same("scaled outputs", got.config.scale_decoder_outputs, wanted.config.scale_decoder_outputs)
    return case


def cases(everything=False):
    found = {f"encoder-decoder/{name}/loss": loss_case(name) for name in SPECS}
    found |= {f"encoder-decoder/{name}/generate": generate_case(name) for name in SPECS}
    found |= {f"encoder-decoder/{name}/info": info_case(name) for name in SPECS}
    found |= {"encoder-decoder/t5-plain/loss-dense": loss_case("t5-plain", noise_density=0.6, mean_noise_span_length=1.5),
              "encoder-decoder/t5-plain/full": train_case("t5-plain", "full"),
              "encoder-decoder/t5-gated/full": train_case("t5-gated", "full", "true", noise_density=0.3),
              "encoder-decoder/t5-plain/lora": train_case("t5-plain", "lora", "true"),
              "encoder-decoder/t5-gated/lora": train_case("t5-gated", "lora"),
              "encoder-decoder/t5-gated/merge": merge_case("t5-gated"),
              "encoder-decoder/t5-shared/merge": merge_case("t5-shared"),
              "encoder-decoder/refused": refused_case}
    if everything:
        found["encoder-decoder/t5-shared/full"] = train_case("t5-shared", "full")
    return found

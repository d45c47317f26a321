# SPDX-License-Identifier: GPL-3.0-or-later
"""BART and mBART against BartForConditionalGeneration and MBartForConditionalGeneration: rows of a text and what is written for it (`sft`, T5 too),
runs of `objective: denoising`, greedy answers with the tokens that must come. What a run masks is drawn here a second time, by fairseq's rule and
with SplitMix64 by seed and place, as the engine says it draws."""
import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, BartConfig, BartForConditionalGeneration, MBartConfig, MBartForConditionalGeneration, MBartTokenizer
from transformers.models.mbart.modeling_mbart import shift_tokens_right
from transformers.models.mbart.tokenization_mbart import FAIRSEQ_LANGUAGE_CODES

import encoder_decoders
import report
import tokenizers_
import train
from encoder_decoders import LINES, ROWS, padded, plain_loop, write_rows
from encoders import GOLDEN, WORD, Draws, mixed
from tokenizers_ import TEXT

SMALL = dict(d_model=48, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=80,
             decoder_ffn_dim=64, dropout=0.0, max_position_embeddings=256)
PAIRS = [(LINES[0], LINES[1][:40]), ("A red circle", "A blue one"), (" ".join(LINES[:3]), LINES[3]), (LINES[4], LINES[0] + " " + LINES[2])]


@dataclass
class Spec:
    options: dict = field(default_factory=dict)
    dtype: str = "float32"
    own_head: bool = False  # which differs from the table of words, and a bias on the logits
    old: bool = False       # the stacks' names alone, and no bias
    generation: dict = field(default_factory=dict)


SPECS = {
    "bart-plain": Spec(),
    "bart-scaled": Spec(dict(scale_embedding=True, activation_function="relu", encoder_layers=3, decoder_layers=1, encoder_attention_heads=3,
                             decoder_attention_heads=2, decoder_start_token_id=0), "bfloat16", own_head=True,
                        generation=dict(forced_bos_token_id=0, no_repeat_ngram_size=2)),
    "bart-old": Spec(dict(activation_function="gelu_new"), "float16", old=True, generation=dict(min_length=9)),
    "mbart-plain": Spec(dict(scale_embedding=True), generation=dict(forced_bos_token_id="ro_RO")),
    "mbart-uneven": Spec(dict(encoder_layers=1, decoder_layers=3, decoder_attention_heads=3, activation_function="relu"), "bfloat16", own_head=True,
                         generation=dict(decoder_start_token_id="ro_RO")),
    "bart-larger": Spec(dict(d_model=192, encoder_ffn_dim=512, decoder_ffn_dim=512, encoder_layers=3)),
    "mbart-larger": Spec(dict(d_model=192, encoder_ffn_dim=512, decoder_ffn_dim=512, encoder_layers=3)),
}


def mbart_tokenizer():
    """A Unigram of words and letters, with the language's code behind every text."""
    letters = sorted(set(TEXT) - set(" \n"))
    words = sorted({word for word in "".join(c if c.isalpha() else " " for c in TEXT).split()})
    scores = {"<s>": 0.0, "<pad>": 0.0, "</s>": 0.0, "<unk>": 0.0, "▁": -2.0}
    for number, letter in enumerate(letters):
        scores.setdefault(letter, -6.0 - number * 0.01)
    for number, word in enumerate(words):
        scores.setdefault("▁" + word, -3.0 - number * 0.013)
    for code in FAIRSEQ_LANGUAGE_CODES:
        scores[code] = 0.0
    scores["<mask>"] = 0.0
    return MBartTokenizer(vocab=list(scores.items()), src_lang="en_XX", tgt_lang="ro_RO")


def make(name, root: Path):
    if name.startswith("t5"):
        return encoder_decoders.make(name, root)
    folder, spec = root / name, SPECS[name]
    if folder.exists():
        return folder
    many = name.startswith("mbart")
    words = mbart_tokenizer() if many else tokenizers_.bart_tokenizer()
    config = (MBartConfig if many else BartConfig)(vocab_size=len(words) + 3, **SMALL | spec.options)
    model = (MBartForConditionalGeneration if many else BartForConditionalGeneration)(config)
    if spec.own_head:
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    generator = torch.Generator().manual_seed(sum(name.encode()))
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if "norm" in key and key.endswith("weight"):
                parameter.copy_(1 + 0.15 * noise)
            elif parameter.dim() == 1:
                parameter.copy_(0.1 * noise)
            elif key.endswith(("shared.weight", "lm_head.weight")):
                parameter.copy_((0.05 if config.scale_embedding else 0.2) * noise)
            elif key.endswith("embed_positions.weight"):
                parameter.copy_(0.4 * noise)
            else:
                parameter.copy_(1.6 * noise / parameter.shape[1] ** 0.5)
        if spec.own_head:
            model.final_logits_bias.copy_(torch.randn(model.final_logits_bias.shape, generator=generator))
    for key, value in spec.generation.items():
        setattr(model.generation_config, key, words.convert_tokens_to_ids(value) if isinstance(value, str) else value)
    model.to(getattr(torch, spec.dtype)).save_pretrained(folder)
    words.save_pretrained(folder)
    tensors = {key: tensor.contiguous() for key, tensor in load_file(folder / "model.safetensors").items()}
    if spec.own_head:
        tensors["lm_head.weight"] = model.lm_head.weight.detach().contiguous()
    if spec.old:
        tensors = {key.removeprefix("model."): tensor for key, tensor in tensors.items() if key != "final_logits_bias"}
        for stack in ("encoder", "decoder"):
            tensors[f"{stack}.embed_tokens.weight"] = tensors["shared.weight"].clone()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def oracle(folder):
    return AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=torch.float32).eval()


def poisson_shares(mean):
    shares, total, share, length = [], 0.0, math.exp(-mean), 0
    while length < 128:
        if length:
            share *= mean / length
        total += share
        shares.append(total)
        if share < 1e-7 and length > mean:
            break
        length += 1
    return [each / total for each in shares]


def below(count, draws):
    return min(int(draws.unit() * count), count - 1)


class Noise:
    """A text's own ids as they are read."""

    def __init__(self, words, settings, draws):
        self.words, self.settings, self.draws, self.lengths = words, settings, draws, []

    def __call__(self, ids):
        pieces, parts = self.words.convert_ids_to_tokens(ids), []
        for token, piece in zip(ids, pieces):
            if not parts or piece.startswith(("Ġ", "▁")):
                parts.append([])
            parts[-1].append(token)
        return self.more(self.masked(self.permuted(parts)), len(ids))

    def permuted(self, parts):
        if not self.draws.unit() < self.settings["permute_sentence_ratio"]:
            return parts
        sentences, ended = [], True
        for part in parts:
            if ended:
                sentences.append([])
            ended = self.words.convert_ids_to_tokens(part[-1]).endswith((".", "!", "?"))
            sentences[-1].append(part)
        for number in range(len(sentences), 1, -1):
            other = below(number, self.draws)
            sentences[number - 1], sentences[other] = sentences[other], sentences[number - 1]
        return [part for sentence in sentences for part in sentence]

    def mask(self):
        if not self.draws.unit() < self.settings["random_ratio"]:
            return self.words.mask_token_id
        return below(len(self.words), self.draws)

    def masked(self, parts):
        wanted, shares = math.ceil(self.settings["mask_ratio"] * len(parts)), poisson_shares(self.settings["poisson_lambda"])
        while sum(self.lengths) < wanted:
            at = self.draws.unit()
            self.lengths.append(min(sum(share <= at for share in shares), wanted - sum(self.lengths)))
        places, covered, gone, taken = list(range(len(parts))), {}, set(), 0
        for length in self.lengths:
            if length == 0:
                continue
            other = taken + below(len(parts) - taken, self.draws)
            places[taken], places[other] = places[other], places[taken]
            first = places[taken]
            taken += 1
            covered[first] = self.mask()
            gone |= set(range(first + 1, min(len(parts), first + length)))
        return [token for number, part in enumerate(parts) if number not in gone for token in ([covered[number]] if number in covered else part)]

    def more(self, ids, most):
        for _ in range(self.lengths.count(0)):
            if len(ids) >= most:
                break
            at = below(len(ids) + 1, self.draws)
            ids.insert(at, self.mask())
        return ids


class Denoising:
    """A collator that noises micro-batch after micro-batch as the engine does."""

    def __init__(self, folder, seed, settings):
        self.words, self.seed, self.settings, self.number, self.written = AutoTokenizer.from_pretrained(folder), seed, settings, 0, 0

    def __call__(self, rows):
        seed = mixed((self.seed * GOLDEN + (self.number + 1) * 0xD1B54A32D192ED03) & WORD)
        self.number += 1
        read = []
        for index, row in enumerate(rows):
            ids, special = list(row["ids"]), set(self.words.all_special_ids)
            first, last = 0, len(ids)
            while ids[first] in special:
                first += 1
            while ids[last - 1] in special:
                last -= 1
            read.append(ids[:first] + Noise(self.words, self.settings, Draws(seed, index))(ids[first:last]) + ids[last:])
            self.written += len(ids)
        return {"input_ids": padded(read, self.words.pad_token_id), "attention_mask": padded([[1] * len(ids) for ids in read], 0),
                "labels": padded([list(row["ids"]) for row in rows], -100)}


def settings_of(changed):
    return dict(mask_ratio=0.3, poisson_lambda=3, permute_sentence_ratio=1, random_ratio=0.1) | changed


def pair_ids(words, pair, longest=10 ** 6):
    return {"read": words(pair[0])["input_ids"][:longest], "written": words(text_target=pair[1])["input_ids"][:longest]}


def pair_batch(words, rows):
    return {"input_ids": padded([row["read"] for row in rows], words.pad_token_id), "attention_mask": padded([[1] * len(row["read"]) for row in rows], 0),
            "labels": padded([row["written"] for row in rows], -100)}


def compare_gradients(result, got, model):
    named = dict(model.named_parameters())
    result.same("gradients", sorted(key for key in got if key.startswith("grad.")), sorted("grad." + key for key in named))
    largest = max(parameter.grad.abs().max().item() for parameter in named.values())
    for key, parameter in named.items():
        silent = key.endswith("k_proj.bias")    # a softmax is blind to it
        result.close(f"grad.{key}", got[f"grad.{key}"], parameter.grad, 1e-4, "zero grad" if silent else "grad", largest if silent else 0.0)


def denoising_loss_case(name, **changed):
    """Every figure of one micro-batch of rows of different lengths."""
    settings = settings_of(changed)

    def case(world, result):
        folder = make(name, world.checkpoints)
        model = oracle(folder)
        write_rows(world.scratch / "rows.jsonl", ROWS)
        recipe = dict(model=str(folder), dataset="unused", output_dir=str(world.scratch / "run"), strategy="full", objective="denoising",
                      denoising=settings, training=dict(device="cpu", dtype="float32", gradient_checkpointing="false", max_length=200, seed=11))
        for checkpointing in ("false", "true"):
            recipe["training"]["gradient_checkpointing"] = checkpointing
            (world.scratch / "recipe.yaml").write_text(json.dumps(recipe))
            world.program.run("loss", world.scratch / "recipe.yaml", "--rows", world.scratch / "rows.jsonl", "--out",
                              world.scratch / "out.safetensors")
            got = load_file(world.scratch / "out.safetensors")
            collate = Denoising(folder, 11, settings)
            batch = collate(texts_of(collate.words, ROWS, 200))
            for key, tensor in batch.items():
                result.same(key, got[key].tolist(), tensor.tolist())
            model.zero_grad()
            out = model(**batch)
            out.loss.backward()
            known = batch["labels"] != -100
            result.close("logits", got["logits"][known], out.logits.detach()[known], report.LOGITS, "logits")
            result.close("loss", got["loss"], out.loss.detach().view(1), report.LOGITS, "loss")
            compare_gradients(result, got, model)
    return case


def texts_of(words, rows, longest):
    return [{"ids": words(row, truncation=True, max_length=longest)["input_ids"]} for row in rows]


def statistics_case(world, result):
    """Of many texts: how many words are masked, how long spans are, how many masks are some token, and in which order sentences come."""
    folder = make("bart-plain", world.checkpoints)
    words, settings = AutoTokenizer.from_pretrained(folder), settings_of({})
    ids = words(" ".join(LINES[:5] * 8), add_special_tokens=False)["input_ids"]
    lengths, masks, others, first, known = [], 0, 0, 0, set(ids)
    for index in range(400):
        noise = Noise(words, settings, Draws(17, index))
        made = noise(list(ids))
        lengths += noise.lengths[:-1]
        masks += made.count(words.mask_token_id)
        others += sum(token not in known and token != words.mask_token_id for token in made)
        first += made[0] == ids[0]
    result.facts["mean span"] = f"{sum(lengths) / len(lengths):.3f}"
    result.near("mean length of spans", sum(lengths) / len(lengths), 3, 0.03)
    result.near("spans of no word", lengths.count(0) / len(lengths), math.exp(-3), 0.1)
    share = others / (others + masks)
    result.expect(0.06 < share < 0.11, f"{share:.3f} of the masks are some token")
    result.expect(first / 400 < 0.4, f"{first} texts begin as they did")


def forward_case(name):
    """`forward` on rows of a text and what is written for it."""
    def case(world, result):
        folder = make(name, world.checkpoints)
        words, model = AutoTokenizer.from_pretrained(folder), oracle(folder)
        named = dict(model.named_parameters())
        for number, pair in enumerate(PAIRS[:2]):
            row = dict(source=pair[0], target=pair[1]) if number else dict(
                messages=[dict(role="user", content=pair[0]), dict(role="assistant", content=pair[1])])
            (world.scratch / "row.json").write_text(json.dumps(row, ensure_ascii=False))
            flags = [flag for key in named for flag in ("--grad", key)]
            world.program.run("forward", folder, "--input", world.scratch / "row.json", "--out", world.scratch / "out.safetensors", "--dtype", "float32",
                              "--device", "cpu", *flags)
            got, batch = load_file(world.scratch / "out.safetensors"), pair_batch(words, [pair_ids(words, pair)])
            result.same("input_ids", got["input_ids"].tolist(), batch["input_ids"].tolist())
            result.same("labels", got["labels"].tolist(), batch["labels"].tolist())
            model.zero_grad()
            out = model(**batch)
            out.loss.backward()
            result.close("logits", got["logits"].view(out.logits.shape), out.logits.detach(), report.LOGITS, "logits")
            result.close("loss", got["loss"], out.loss.detach().view(1), report.LOGITS, "loss")
            compare_gradients(result, got, model)
    return case


def train_case(name, objective, strategy, checkpointing="false", **changed):
    settings = settings_of(changed)

    def case(world, result):
        folder = make(name, world.checkpoints)
        words, model = AutoTokenizer.from_pretrained(folder), oracle(folder)
        texts = [LINES[number % len(LINES)] + " " + LINES[(number * 3 + 1) % len(LINES)][:11 * number % 40] for number in range(12)]
        steps = train.DEFAULTS | dict(max_steps=8, per_device_train_batch_size=3, gradient_accumulation_steps=2 if objective == "denoising" else 1,
                                      learning_rate=1e-3)
        recipe = dict(model=str(folder), dataset=str(world.scratch / "train.jsonl"), output_dir=str(world.scratch / "run"), objective=objective,
                      strategy=strategy, training=steps | dict(device="cpu", dtype="float32", gradient_checkpointing=checkpointing, logging_steps=1,
                                                               save_steps=0, max_length=64))
        if objective == "denoising":
            recipe["denoising"] = settings
            write_rows(world.scratch / "train.jsonl", texts)
            collate, data = Denoising(folder, steps["seed"], settings), texts_of(words, texts, 64)
        else:
            pairs = [(text, texts[(number + 5) % 12][:50]) for number, text in enumerate(texts)]
            (world.scratch / "train.jsonl").write_text("".join(json.dumps(dict(source=a, target=b), ensure_ascii=False) + "\n" for a, b in pairs))
            data = [{key: cut(words, ids, 64 if key == "read" else 63) for key, ids in pair_ids(words, pair).items()} for pair in pairs]
            collate = lambda rows: pair_batch(words, rows)
        if strategy == "lora":
            model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", lora_dropout=0.0))
            model.save_pretrained(world.scratch / "start")
            recipe["adapter"] = dict(init_from=str(world.scratch / "start"))
        (world.scratch / "recipe.yaml").write_text(json.dumps(recipe))
        world.program.run("train", world.scratch / "recipe.yaml")
        log = plain_loop(model, collate, data, steps)
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
        dtype = encoder_decoders.SPECS[name].dtype if name.startswith("t5") else SPECS[name].dtype
        slack = {"float32": 0, "bfloat16": 2 ** -8, "float16": 2 ** -11}[dtype] if strategy == "full" else 0
        for key, tensor in wanted.items():
            if not key.endswith("k_proj.bias"):
                result.close(key, got[key], tensor.detach(), train.WEIGHTS + slack, "adapter" if strategy == "lora" else "weights")
    return case


def cut(words, ids, longest):
    """The text loses of its end; what the tokenizer puts behind it stays."""
    last = len(ids)
    while last and ids[last - 1] in words.all_special_ids:
        last -= 1
    over = max(0, len(ids) - longest)
    return ids[:max(0, last - over)] + ids[last:]


def generate_case(name):
    def case(world, result):
        folder = make(name, world.checkpoints)
        words, model = AutoTokenizer.from_pretrained(folder), oracle(folder)
        lengths = set()
        for number, prompt in enumerate(("A red circle stands", "How many shapes are there? <mask>", " ".join(LINES[:2]))):
            encoded = words(prompt, return_tensors="pt")
            out = model.generate(**encoded, max_new_tokens=40, do_sample=False, num_beams=1, output_logits=True, return_dict_in_generate=True)
            wanted = out.sequences[0, 1:].tolist()
            (world.scratch / "row.json").write_text(json.dumps({"text": prompt}))
            given = ["--prompt", prompt] if number % 2 else ["--input", world.scratch / "row.json"]
            got = world.program.json("generate", folder, *given, "--max-new-tokens", "40", "--dtype", "float32", "--device", "cpu", "--json")
            answer = got["results"][0]
            result.same("token_ids", answer["token_ids"], wanted)
            result.same("prompt_tokens", answer["prompt_tokens"], encoded["input_ids"].shape[1])
            result.same("text", answer["text"], words.decode(wanted, skip_special_tokens=True))
            lengths.add(tuple(wanted))
        result.expect(len(lengths) > 1, "every prompt has the same answer")
    return case


def info_case(name):
    def case(world, result):
        folder = make(name, world.checkpoints)
        got = world.program.json("info", folder, "--json")
        result.same("model_type", got["model_type"], name.split("-")[0])
        result.same("parameters", got["parameters"], sum(parameter.numel() for parameter in oracle(folder).parameters()))
        result.same("parts", list(got["parts"]), ["language_model"])
    return case


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
        got, wanted = oracle(world.scratch / "merged").state_dict(), model.merge_and_unload().state_dict()
        slack = {"float32": 0, "bfloat16": 2 ** -8, "float16": 2 ** -11}[SPECS[name].dtype]
        for key, tensor in wanted.items():
            result.close(key, got[key], tensor, 1e-5 + slack, "weights")
    return case


def shift_case(world, result):
    """What mBART's decoder gets: the language in front, which the last row shows where rows are of different lengths."""
    folder = make("mbart-plain", world.checkpoints)
    words = AutoTokenizer.from_pretrained(folder)
    rows = [pair_ids(words, pair) for pair in PAIRS]
    write = "".join(json.dumps(dict(source=a, target=b), ensure_ascii=False) + "\n" for a, b in PAIRS)
    (world.scratch / "rows.jsonl").write_text(write)
    recipe = dict(model=str(folder), dataset="unused", output_dir=str(world.scratch / "run"), strategy="full", objective="denoising",
                  training=dict(device="cpu", dtype="float32", seed=3))
    write_rows(world.scratch / "texts.jsonl", ROWS)
    (world.scratch / "recipe.yaml").write_text(json.dumps(recipe))
    world.program.run("loss", world.scratch / "recipe.yaml", "--rows", world.scratch / "texts.jsonl", "--out", world.scratch / "out.safetensors")
    got = load_file(world.scratch / "out.safetensors")
    known = got["labels"] != -100
    wanted = shift_tokens_right(got["labels"].clone(), words.pad_token_id)
    result.same("decoder_input_ids", got["decoder_input_ids"][known].tolist(), wanted[known].tolist())
    result.expect(len(rows) == 4, "four rows")


def forecast_case(name, objective, strategy, checkpointing="false"):
    """`plan` against the peak of a run over rows of one length."""
    def case(world, result):
        folder = make(name, world.checkpoints)
        text = " ".join(LINES[:4])
        recipe = dict(model=str(folder), dataset=str(world.scratch / "train.jsonl"), output_dir=str(world.scratch / "run"), objective=objective,
                      strategy=strategy, training=dict(max_steps=3, per_device_train_batch_size=8, gradient_accumulation_steps=1, device="cpu",
                                                       dtype="float32", gradient_checkpointing=checkpointing, logging_steps=1, save_steps=0))
        row = dict(text=text) if objective == "denoising" else dict(source=text, target=text[:150])
        (world.scratch / "train.jsonl").write_text((json.dumps(row, ensure_ascii=False) + "\n") * 8)
        if strategy == "lora":
            recipe["adapter"] = dict(r=8, target_modules="all-linear")
        (world.scratch / "recipe.yaml").write_text(json.dumps(recipe))
        foreseen = world.program.json("plan", world.scratch / "recipe.yaml", "--json")
        world.program.run("train", world.scratch / "recipe.yaml")
        peak = max(line["memory"]["peak"] for line in train.curve(world.scratch / "run"))
        result.facts["forecast error"] = f"{100 * (foreseen['total'] / peak - 1):+.1f} %"
        # A checkpointed layer's widest moment is foreseen one state too wide: 5.2 % of a model so small.
        widest = 0.06 if checkpointing == "true" and foreseen["total"] > peak else 0.05
        result.near("forecast", foreseen["total"], peak, 0.1 if objective == "denoising" else widest, "forecast")
    return case


def refused_case(world, result):
    """What these models cannot do is refused by its name, and so are rows that are not theirs."""
    folder, t5 = make("bart-plain", world.checkpoints), make("t5-plain", world.checkpoints)
    recipe, rows = world.scratch / "recipe.yaml", world.scratch / "rows.jsonl"
    pair = [{"source": "a", "target": "b"}]
    picture = [{"messages": [{"role": "user", "content": [{"type": "image"}]}, {"role": "assistant", "content": "b"}], "images": ["x.png"]}]
    several = [{"messages": [{"role": role, "content": "a"} for role in ("user", "assistant", "user", "assistant")]}]
    for model, objective, data in ((folder, "dpo", [{"prompt": "a", "chosen": "b", "rejected": "c"}]), (folder, "mlm", [{"text": "a"}]),
                                   (folder, "span_corruption", [{"text": "a"}]), (t5, "denoising", [{"text": "a"}]), (folder, "sft", picture),
                                   (folder, "sft", several), (folder, "denoising", pair)):
        rows.write_text("".join(json.dumps(row) + "\n" for row in data))
        recipe.write_text(json.dumps(dict(model=str(model), dataset=str(rows), output_dir=str(world.scratch / "run"), strategy="full",
                                          objective=objective)))
        world.program.run("train", recipe, status=2)
        result.expect(not (world.scratch / "run").exists(), f"{objective}: a run that cannot be left a folder")
    for settings in (dict(mask_ratio=0), dict(mask_ratio=1.5), dict(poisson_lambda=0), dict(random_ratio=-1)):
        recipe.write_text(json.dumps(dict(model=str(folder), dataset=str(rows), output_dir=str(world.scratch / "run"), strategy="full",
                                          objective="denoising", denoising=settings)))
        world.program.run("train", recipe, status=2)
    (world.scratch / "long.json").write_text(json.dumps({"text": " ".join(LINES * 4)}))
    world.program.run("generate", folder, "--input", world.scratch / "long.json", status=2)


def cases(everything=False):
    plain = [name for name in SPECS if not name.endswith("-larger")]
    found = {f"rewriter/{name}/{kind}": make_case(name) for name in plain
             for kind, make_case in (("denoising", denoising_loss_case), ("forward", forward_case), ("generate", generate_case), ("info", info_case))}
    found |= {"rewriter/bart-plain/denoising-dense": denoising_loss_case("bart-plain", mask_ratio=0.8, poisson_lambda=1.2, permute_sentence_ratio=0.5),
              "rewriter/mbart-plain/denoising-35": denoising_loss_case("mbart-plain", mask_ratio=0.35, random_ratio=0),
              "rewriter/statistics": statistics_case, "rewriter/mbart-plain/shift": shift_case,
              "rewriter/t5-plain/forward": forward_case("t5-plain"), "rewriter/t5-gated/forward": forward_case("t5-gated"),
              "rewriter/t5-plain/sft-lora": train_case("t5-plain", "sft", "lora"),
              "rewriter/bart-plain/denoising-full": train_case("bart-plain", "denoising", "full"),
              "rewriter/bart-scaled/denoising-lora": train_case("bart-scaled", "denoising", "lora", "true"),
              "rewriter/bart-plain/sft-lora": train_case("bart-plain", "sft", "lora", "true"),
              "rewriter/bart-scaled/sft-full": train_case("bart-scaled", "sft", "full", "true"),
              "rewriter/mbart-plain/sft-full": train_case("mbart-plain", "sft", "full"),
              "rewriter/mbart-uneven/sft-lora": train_case("mbart-uneven", "sft", "lora"),
              "rewriter/bart-old/merge": merge_case("bart-old"), "rewriter/mbart-uneven/merge": merge_case("mbart-uneven"),
              "rewriter/forecast/bart-lora": forecast_case("bart-larger", "sft", "lora"),
              "rewriter/forecast/bart-full": forecast_case("bart-larger", "sft", "full"),
              "rewriter/forecast/bart-denoising": forecast_case("bart-larger", "denoising", "full"),
              "rewriter/forecast/mbart-lora": forecast_case("mbart-larger", "sft", "lora", "true"),
              "rewriter/forecast/mbart-full": forecast_case("mbart-larger", "sft", "full"),
              "rewriter/refused": refused_case}
    return found

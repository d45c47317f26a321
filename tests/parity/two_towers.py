# SPDX-License-Identifier: GPL-3.0-or-later
"""Two towers: `forward` on pictures and texts, and runs of `objective: contrastive`, against transformers' CLIPModel. A window is compared whole,
so that accumulation is a larger batch there. Other kinds of two towers (siglip.py, align.py) bring a module with the names that KIND lists."""
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from PIL import Image
from safetensors.torch import load_file, save_file
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer, CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

import report
import tokenizers_
import train
from conversations import SIZES
from families.base import randomise, read, write

CAPTIONS = ("a red circle", "two  GREEN triangles, above!", "파란 사각형 É", "the old harbour was quiet in the morning; boats lay on the sand", "x",
            "it's 4 shapes I'm 빨간 원")
LONGEST = 14
# What a case asks of its kind: SPECS, make, oracle, Joining, silent, felt, PARTS, MODEL_TYPE.
KIND = sys.modules[__name__]
MODEL_TYPE = "clip"
PARTS = {"vision_tower": ("vision_model.",), "projector": ("visual_projection", "text_projection", "logit_scale"), "language_model": ("text_model.",)}
TOWER = dict(hidden_size=32, intermediate_size=56, num_attention_heads=4, num_hidden_layers=2, image_size=30, patch_size=6)
TEXT = dict(hidden_size=40, intermediate_size=72, num_attention_heads=4, num_hidden_layers=2, max_position_embeddings=LONGEST)
LARGER = (dict(hidden_size=96, intermediate_size=256, num_attention_heads=4, num_hidden_layers=4, image_size=48, patch_size=8),
          dict(hidden_size=128, intermediate_size=384, num_attention_heads=4, num_hidden_layers=4, max_position_embeddings=77))


@dataclass
class Spec:
    tower: dict = field(default_factory=dict)
    text: dict = field(default_factory=dict)
    model: dict = field(default_factory=dict)
    dtype: str = "float32"
    old: bool = False       # end token 2, which is not it, the sections' older names beside newer ones that lie, and buffers among the tensors


SPECS = {
    "towers-plain": Spec(TOWER, TEXT, dict(projection_dim=24)),
    "towers-old": Spec({**TOWER, "hidden_act": "gelu"}, {**TEXT, "hidden_act": "gelu", "num_hidden_layers": 3}, dict(projection_dim=16), "float16", old=True),
    "towers-uneven": Spec({**TOWER, "patch_size": 7, "num_attention_heads": 2, "layer_norm_eps": 1e-4}, {**TEXT, "num_attention_heads": 5, "intermediate_size": 40},
                        dict(projection_dim=48, logit_scale_init_value=1.0), "bfloat16"),
    "towers-larger": Spec(*LARGER, dict(projection_dim=64)),
}


def words():
    """CLIP's own tokenizer over bytes, bytes that end a word, and what a few lines merge."""
    raw = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    raw.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    raw.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(r"[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), behavior="removed", invert=True),
                                                 pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    raw.train_from_iterator(tokenizers_.TEXT.splitlines(), trainers.BpeTrainer(vocab_size=700, initial_alphabet=alphabet, end_of_word_suffix="</w>",
                                                                             show_progress=False))
    merges = [tuple(merge) for merge in json.loads(raw.to_str())["model"]["merges"]]
    pieces = [*alphabet, *(character + "</w>" for character in alphabet), *("".join(merge) for merge in merges), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={piece: number for number, piece in enumerate(dict.fromkeys(pieces))}, merges=merges)


def make(name, root: Path, draw=0):
    """`draw`: other weights of the same shape."""
    folder, spec = root / (f"{name}-{draw}" if draw else name), SPECS[name]
    if folder.exists():
        return folder
    tokenizer = words()
    mark = tokenizer.eos_token_id
    config = CLIPConfig(vision_config=spec.tower, text_config=dict(
        spec.text, vocab_size=len(tokenizer) + 1, eos_token_id=2 if spec.old else mark, bos_token_id=tokenizer.bos_token_id, pad_token_id=mark), **spec.model)
    model = CLIPModel(config)
    for number, (_, part) in enumerate(model.named_children()):
        randomise(part, seed=sum(name.encode()) + number + 10 * draw)
    with torch.no_grad():
        model.logit_scale.fill_(1.3)
    model.to(getattr(torch, spec.dtype)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    size = model.config.vision_config.image_size
    CLIPImageProcessorPil(size={"shortest_edge": size}, crop_size={"height": size, "width": size}).save_pretrained(folder)
    if spec.old:
        content = read(folder / "config.json")
        for key, lie in (("vision_config", {"num_hidden_layers": 7, "hidden_act": "quick_gelu"}), ("text_config", {"vocab_size": 5})):
            content[f"{key}_dict"], content[key] = content[key], lie
        write(folder / "config.json", content)
        file = folder / "model.safetensors"
        buffers = {"text_model.embeddings.position_ids": torch.arange(LONGEST).view(1, -1), "vision_model.embeddings.position_ids": torch.arange(26).view(1, -1)}
        save_file(load_file(file) | buffers, file, metadata={"format": "pt"})
    return folder


def oracle(folder):
    return CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()


def rows(world, count):
    names = sorted(SIZES)
    return [{"image": str(world.inputs / names[index % len(names)]), "text": f"{CAPTIONS[index % len(CAPTIONS)]} {index // len(CAPTIONS)}".strip(" 0")}
            for index in range(count)]


def write_lines(path, made):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in made))
    return str(path)


class Joining:
    """What CLIPModel gets of rows; texts padded behind their ends."""

    def __init__(self, folder):
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.pictures = CLIPImageProcessorPil.from_pretrained(folder)

    def texts(self, made):
        return [self.tokenizer(row["text"], truncation=True, max_length=LONGEST)["input_ids"] for row in made]

    def __call__(self, made):
        texts = self.texts(made)
        longest = max(map(len, texts))
        pad = self.tokenizer.eos_token_id
        return {"input_ids": torch.tensor([ids + [pad] * (longest - len(ids)) for ids in texts]),
                "attention_mask": torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids in texts]),
                "pixel_values": self.pictures([Image.open(row["image"]).convert("RGB") for row in made], return_tensors="pt")["pixel_values"],
                "return_loss": True}


def silent(key):
    """Biases that a softmax is blind to: their gradients are rounding alone."""
    return "k_proj" in key and key.endswith("bias")


def felt(key, tensor):
    """Of a tensor what a loss can feel."""
    return tensor


def forward_case(name, kind=KIND):
    def case(world, result):
        folder = kind.make(name, world.checkpoints)
        model, made = kind.oracle(folder), rows(world, 6)
        (world.scratch / "rows.json").write_text(json.dumps(made, ensure_ascii=False))
        named = dict(model.named_parameters())
        world.program.run("forward", folder, "--input", world.scratch / "rows.json", "--out", world.scratch / "out.safetensors", "--dtype", "float32",
                          "--device", "cpu", *[flag for key in named for flag in ("--grad", key)])
        got = load_file(world.scratch / "out.safetensors")
        joining = kind.Joining(folder)
        inputs = joining(made)
        own = torch.tensor([id for ids in joining.texts(made) for id in ids])
        result.expect(max(map(len, joining.texts(made))) == LONGEST, "no text is cut")
        out = model(**inputs)
        out.loss.backward()
        if not result.same("input_ids", got["input_ids"].flatten().tolist(), own.tolist()):
            return
        result.close("pixel_values", got["pixel_values"], inputs["pixel_values"], 1e-6, "pixels")
        result.close("logits_per_text", got["logits_per_text"], out.logits_per_text.detach(), report.LOGITS, "logits")
        result.close("loss", got["loss"], out.loss.detach().view(1), report.LOGITS, "loss")
        largest = max(parameter.grad.abs().max().item() for parameter in named.values() if parameter.grad is not None)
        for key, parameter in named.items():
            wanted = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            result.close(f"grad.{key}", got[f"grad.{key}"], wanted, 1e-4, "zero grad" if kind.silent(key) else "grad", largest if kind.silent(key) else 0.0)
    return case


def info_case(name, kind=KIND):
    def case(world, result):
        folder = kind.make(name, world.checkpoints)
        got, named = world.program.json("info", folder, "--json"), dict(kind.oracle(folder).named_parameters())
        result.same("model_type", got["model_type"], kind.MODEL_TYPE)
        result.same("dtype", got["dtype"], kind.SPECS[name].dtype)
        result.same("parameters", got["parameters"], sum(parameter.numel() for parameter in named.values()))
        parts = {}
        for key, parameter in named.items():   # the longest beginning says whose it is
            part = max((begin, part) for part, begins in kind.PARTS.items() for begin in begins if key.startswith(begin))[1]
            parts[part] = parts.get(part, 0) + parameter.numel()
        result.same("parts", got["parts"], parts)
    return case


def train_case(name, strategy, together=4, accumulation=1, kind=KIND, **settings):
    """`settings`: of the recipe besides."""
    def case(world, result):
        folder, made, held_out = kind.make(name, world.checkpoints), rows(world, 12), rows(world, 18)[12:]
        steps = train.DEFAULTS | dict(max_steps=6, per_device_train_batch_size=together, gradient_accumulation_steps=accumulation,
                                      learning_rate=1e-3, lr_scheduler_type="linear", warmup_steps=2, weight_decay=0.01) | getattr(kind, "STEPS", {})
        recipe = dict(model=str(folder), dataset=write_lines(world.scratch / "train.jsonl", made), output_dir=str(world.scratch / "run"),
                      eval_dataset=write_lines(world.scratch / "eval.jsonl", held_out), objective="contrastive", strategy=strategy,
                      training=steps | dict(device="cpu", dtype="float32", gradient_checkpointing="false", logging_steps=1, save_steps=0, eval_steps=6)) | settings
        model = kind.oracle(folder)
        if strategy == "lora":
            model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", lora_dropout=0.0))
            model.save_pretrained(world.scratch / "start")
            recipe["adapter"] = dict(init_from=str(world.scratch / "start"))
        elif strategy == "freeze":
            for key, parameter in model.named_parameters():
                parameter.requires_grad_(key.startswith(kind.PARTS["projector"]))
            for module in model.modules():   # a frozen tower stays in evaluation
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.train = lambda mode=True, module=module: module
        (world.scratch / "recipe.yaml").write_text(json.dumps(recipe))
        world.program.run("train", world.scratch / "recipe.yaml")
        whole = steps | dict(per_device_train_batch_size=together * accumulation, gradient_accumulation_steps=1)
        joining = kind.Joining(folder)
        log = train.trained_by_transformers(model, joining, made, [], whole, world.scratch / "oracle")
        curve = train.curve(world.scratch / "run")
        train.compare_curves(result, curve, log)
        compare_evaluation(result, curve[-1], model.eval(), [joining(held_out[at:at + together * accumulation])
                                                             for at in range(0, len(held_out), together * accumulation)])
        if strategy == "lora":
            got, wanted, slack = load_file(world.scratch / "run" / "adapter" / "adapter_model.safetensors"), get_peft_model_state_dict(model), 0
        else:
            stored, start = load_file(world.scratch / "run" / "model" / "model.safetensors"), load_file(folder / "model.safetensors")
            result.same("stored names", sorted(stored), sorted(key for key in start if not key.endswith("position_ids")))
            got, wanted = kind.oracle(world.scratch / "run" / "model").state_dict(), model.state_dict()
            slack = {"float32": 0, "float16": 2 ** -11, "bfloat16": 2 ** -8}[kind.SPECS[name].dtype]
        if not result.same("tensors", sorted(got), sorted(wanted)):
            return
        for key, tensor in wanted.items():
            if not kind.silent(key):
                result.close(key, *(kind.felt(key, each) for each in (got[key], tensor.detach())), train.WEIGHTS + slack, "weights")
    return case


@torch.no_grad()
def compare_evaluation(result, line, model, batches):
    """Each batch by its rows, and the shares of rows that pick their own."""
    losses, texts, images = [], [], []
    for batch in batches:
        out = model(**batch)
        own = torch.arange(len(out.logits_per_text))
        losses += [out.loss.item()] * len(own)
        texts.append((out.logits_per_text.argmax(1) == own).float().mean().item())
        images.append((out.logits_per_image.argmax(1) == own).float().mean().item())
    result.near("eval_loss", line["eval_loss"], sum(losses) / len(losses), train.CURVE, "eval_loss")
    result.near("eval_accuracy/text", line["eval_accuracy/text"], sum(texts) / len(texts), 1e-5, floor=1e-3)
    result.near("eval_accuracy/image", line["eval_accuracy/image"], sum(images) / len(images), 1e-5, floor=1e-3)


def recall(logits, own, ks):
    """Of likenesses [seeking, found] the shares that find one of their own among the first k, and the median rank of it."""
    ranks = []
    for line, right in zip(logits, own):
        best = max(line[place] for place in right)
        ranks.append(1 + sum(value >= best for place, value in enumerate(line) if place not in right))
    return {str(k): sum(rank <= k for rank in ranks) / len(ranks) for k in ks}, float(torch.tensor(ranks, dtype=torch.float64).quantile(0.5))


def similarity_case(name, kind=KIND):
    """The `similarity` verb: texts for pictures, and rows that find one another."""
    def case(world, result):
        folder = kind.make(name, world.checkpoints)
        model, joining, made = kind.oracle(folder), kind.Joining(folder), rows(world, 6)
        shown, said = [row["image"] for row in made[:3]], ["red", "two blue squares", "파란 원", "boats"]
        got = world.program.json("similarity", folder, "--images", *shown, "--texts", *said, "--pattern", "a photo of a {}, you see", "--dtype", "float32",
                                 "--device", "cpu", "--json")
        with torch.no_grad():
            texts = joining([{"image": shown[0], "text": f"a photo of a {text}, you see"} for text in said])
            pixels = joining([{"image": image, "text": "x"} for image in shown])["pixel_values"]
            out = model(**{key: value for key, value in texts.items() if key in ("input_ids", "attention_mask")}, pixel_values=pixels)
        probabilities = out.logits_per_image.sigmoid() if kind.MODEL_TYPE == "siglip" else out.logits_per_image.softmax(-1)
        result.close("logits_per_text", torch.tensor(got["logits_per_text"]), out.logits_per_text, report.LOGITS, "logits")
        result.close("probabilities", torch.tensor(got["probabilities"]), probabilities, report.LOGITS, "probabilities")
        result.same("the likeliest", [picture["best"] for picture in got["pictures"]], [said[place] for place in probabilities.argmax(1).tolist()])
        twice = made + [{"image": made[0]["image"], "text": "another text of the first"}]
        got = world.program.json("similarity", folder, "--rows", write_lines(world.scratch / "rows.jsonl", twice), "--k", "1", "2", "4", "--batch", "2",
                                 "--dtype", "float32", "--device", "cpu", "--json")
        with torch.no_grad():
            logits = model(**{key: value for key, value in joining(twice).items()}).logits_per_text
        places = {}
        for row in twice:
            places.setdefault(row["image"], len(places))
        columns = [next(at for at, row in enumerate(twice) if row["image"] == image) for image in places]
        logits = logits[:, columns]
        own = [[places[row["image"]]] for row in twice]
        shares, median = recall(logits.tolist(), own, (1, 2, 4))
        result.same("recall of texts", got["text_to_image"], {"recall": shares, "median_rank": median})
        shares, median = recall(logits.t().tolist(), [[at for at, row in enumerate(twice) if row["image"] == image] for image in places], (1, 2, 4))
        result.same("recall of pictures", got["image_to_text"], {"recall": shares, "median_rank": median})
    return case


def loss_case(world, result):
    """The `loss` verb on rows of one window."""
    folder, made = make("towers-plain", world.checkpoints), rows(world, 5)
    recipe = dict(model=str(folder), dataset=write_lines(world.scratch / "train.jsonl", made), objective="contrastive", strategy="full",
                  training=dict(device="cpu", dtype="float32"))
    (world.scratch / "recipe.yaml").write_text(json.dumps(recipe))
    world.program.run("loss", world.scratch / "recipe.yaml", "--rows", world.scratch / "train.jsonl", "--out", world.scratch / "out.safetensors")
    got, model = load_file(world.scratch / "out.safetensors"), oracle(folder)
    out = model(**Joining(folder)(made))
    out.loss.backward()
    result.close("logits_per_text", got["logits_per_text"], out.logits_per_text.detach(), report.LOGITS, "logits")
    result.close("loss", got["loss"], out.loss.detach().view(1), report.LOGITS, "loss")
    result.close("grad.logit_scale", got["grad.logit_scale"], model.logit_scale.grad, 1e-4, "grad")


def forecast_case(strategy, together, accumulation, name="towers-larger", kind=KIND, **settings):
    """`plan` against the peak of a run, as for every family."""
    def case(world, result):
        folder = kind.make(name, world.checkpoints)
        text = "a small blue square and two green triangles stand above the old harbour"
        made = [{"image": str(world.inputs / "photo.png"), "text": text}] * together * accumulation * (5 if strategy == "freeze" else 1)
        recipe = dict(model=str(folder), dataset=write_lines(world.scratch / "train.jsonl", made), output_dir=str(world.scratch / "run"),
                      objective="contrastive", strategy=strategy) | settings
        recipe["training"] = dict(max_steps=3, per_device_train_batch_size=together, gradient_accumulation_steps=accumulation, device="cpu",
                                  dtype="float32", gradient_checkpointing="false", logging_steps=1, save_steps=0) | settings.get("training", {})
        (world.scratch / "recipe.yaml").write_text(json.dumps(recipe))
        foreseen = world.program.json("plan", world.scratch / "recipe.yaml", "--json")
        world.program.run("train", world.scratch / "recipe.yaml")
        peak = max(line["memory"]["peak"] for line in train.curve(world.scratch / "run"))
        result.facts["forecast error"] = f"{100 * (foreseen['total'] / peak - 1):+.1f} %"
        result.near("forecast", foreseen["total"], peak, 0.05, "forecast")
    return case


def caption_forecast_case(make, name, strategy, objective, together=8, **settings):
    """The same of rows of one caption, for models that write or match them. `settings`: of the recipe besides, after `make`'s folder is known."""
    def case(world, result):
        folder = make(name, world.checkpoints)
        row = {"image": str(world.inputs / "photo.png"), "text": "a small blue square and two green triangles stand above the old harbour"}
        more = {key: value(world) if callable(value) else value for key, value in settings.items()}
        recipe = dict(model=str(folder), dataset=write_lines(world.scratch / "train.jsonl", [row] * together), output_dir=str(world.scratch / "run"),
                      objective=objective, strategy=strategy,
                      training=dict(max_steps=3, per_device_train_batch_size=together, gradient_accumulation_steps=1, device="cpu", dtype="float32",
                                    gradient_checkpointing="false", logging_steps=1, save_steps=0)) | more
        if strategy == "lora":
            recipe["adapter"] = dict(r=8, target_modules="all-linear")
        (world.scratch / "recipe.yaml").write_text(json.dumps(recipe))
        foreseen = world.program.json("plan", world.scratch / "recipe.yaml", "--json")
        world.program.run("train", world.scratch / "recipe.yaml")
        peak = max(line["memory"]["peak"] for line in train.curve(world.scratch / "run"))
        result.facts["forecast error"] = f"{100 * (foreseen['total'] / peak - 1):+.1f} %"
        result.near("forecast", foreseen["total"], peak, 0.1, "forecast")
    return case


def refused_case(world, result):
    """What two towers cannot do is refused, and rows that are not theirs; nothing is left behind."""
    folder, made = make("towers-plain", world.checkpoints), rows(world, 3)
    chat = [{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}]
    samples = write_lines(world.scratch / "samples.jsonl", chat)
    for verb in (("generate", folder, "--prompt", "red"), ("compare", folder, "--adapter", f"one={folder}", "--samples", samples, "--out", world.scratch / "out")):
        world.program.run(*verb, status=2)
    said = world.program.end("generate", folder, "--prompt", "red").stderr
    result.expect("clip does not write text" in said, f"generate said {said.strip()[-200:]}")
    recipe = world.scratch / "recipe.yaml"
    for objective, data in (("sft", chat), ("mlm", [{"text": "a"}]), ("contrastive", chat), ("contrastive", [{"text": "no picture"}]),
                            ("contrastive", [{"text": "two", "image": [made[0]["image"]] * 2}])):
        recipe.write_text(json.dumps(dict(model=str(folder), dataset=write_lines(world.scratch / "rows.jsonl", data), output_dir=str(world.scratch / "run"),
                                          objective=objective, strategy="full")))
        world.program.run("train", recipe, status=2)
        result.expect(not (world.scratch / "run").exists(), f"{objective}: a run that cannot be left a folder")
    for data in (made[:1] + [{"text": "no picture"}], chat, []):
        (world.scratch / "rows.json").write_text(json.dumps(data))
        world.program.run("forward", folder, "--input", world.scratch / "rows.json", "--out", world.scratch / "out.safetensors", status=2)


def cases(_all=False):
    plain = [name for name in SPECS if name != "towers-larger"]
    found = {f"two-towers/{name}/forward": forward_case(name) for name in plain}
    found |= {f"two-towers/{name}/info": info_case(name) for name in plain}
    found |= {"two-towers/towers-plain/full": train_case("towers-plain", "full"),
              "two-towers/towers-plain/full-accumulated": train_case("towers-plain", "full", 2, 2),
              "two-towers/towers-plain/freeze": train_case("towers-plain", "freeze"),
              "two-towers/towers-old/full": train_case("towers-old", "full", 3, 1),
              "two-towers/towers-old/lora": train_case("towers-old", "lora", 2, 2),
              "two-towers/towers-uneven/lora": train_case("towers-uneven", "lora"),
              "two-towers/towers-plain/similarity": similarity_case("towers-plain"),
              "two-towers/loss": loss_case, "two-towers/refused": refused_case}
    lora = dict(adapter=dict(r=8, target_modules="all-linear"))
    return found | {"two-towers/forecast/lora": forecast_case("lora", 8, 1, **lora), "two-towers/forecast/full": forecast_case("full", 8, 1),
                    "two-towers/forecast/full-accumulated": forecast_case("full", 4, 2),
                    "two-towers/forecast/full-recomputed": forecast_case("full", 8, 1, training=dict(gradient_checkpointing="true")),
                    "two-towers/forecast/projector": forecast_case("freeze", 8, 1),
                    "two-towers/forecast/texts": forecast_case("freeze", 8, 1, freeze=dict(vision_tower=True, projector=True, language_model=False)),
                    "two-towers/forecast/pictures": forecast_case("freeze", 8, 1, freeze=dict(vision_tower=False, projector=True, language_model=True))}

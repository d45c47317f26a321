# SPDX-License-Identifier: GPL-3.0-or-later
"""BLIP against transformers' three classes. Captions (BlipForConditionalGeneration) and answers (BlipForQuestionAnswering): `forward`, `objective: sft`, greedy
texts. Retrieval (BlipForImageTextRetrieval): two_towers.py's cases on its two projections, and `objective: matching` by matching.py's.
What is written begins with [DEC]; a text that is read with its picture begins with [ENC], as the authors' does."""
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, BlipConfig, BlipForConditionalGeneration, BlipForImageTextRetrieval, BlipForQuestionAnswering
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

import matching
import report
import train
import two_towers
from conversations import SIZES
from encoder_decoders import padded, plain_loop
from encoders import stored_parameters
from families.base import read, write
from text_encoders import wordpieces
from two_towers import CAPTIONS, LONGEST, rows, write_lines

KIND = sys.modules[__name__]
MODEL_TYPE = "blip"
PARTS = {"vision_tower": ("vision_model.",), "projector": ("vision_proj.", "text_proj.", "itm_head."), "language_model": ("text_encoder.",)}
CLASSES = {"caption": BlipForConditionalGeneration, "answer": BlipForQuestionAnswering, "retrieval": BlipForImageTextRetrieval}
TOWER = dict(hidden_size=32, intermediate_size=56, num_attention_heads=4, num_hidden_layers=2, image_size=30, patch_size=6)
TEXT = dict(hidden_size=40, intermediate_size=72, num_attention_heads=4, num_hidden_layers=2, max_position_embeddings=64)
LARGER = (dict(hidden_size=96, intermediate_size=256, num_attention_heads=4, num_hidden_layers=4, image_size=48, patch_size=8),
          dict(hidden_size=128, intermediate_size=512, num_attention_heads=4, num_hidden_layers=4, max_position_embeddings=64))
QUESTIONS = ("how many circles are there?", "is it red", "what lies on the sand; what stands above?")


@dataclass
class Spec:
    kind: str = "caption"
    tower: dict = field(default_factory=dict)
    text: dict = field(default_factory=dict)
    model: dict = field(default_factory=dict)
    dtype: str = "float32"
    old: bool = False       # what the published files have besides: buffers of positions
    ends: tuple = ()        # how much likelier eos_token_id's token is, which ends nothing, and [SEP], so that texts have the one and end with the other


UNEVEN = ({**TOWER, "hidden_size": 48, "num_attention_heads": 2, "patch_size": 7, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-4},
          {**TEXT, "num_attention_heads": 5, "num_hidden_layers": 3, "hidden_act": "gelu_new", "layer_norm_eps": 1e-5})
SHORT = dict(max_position_embeddings=LONGEST)
SPECS = {
    "blip-caption": Spec("caption", TOWER, {**TEXT, "label_smoothing": 0.1}, old=True, ends=(10.0, 9.0)),
    "blip-caption-uneven": Spec("caption", UNEVEN[0], {**UNEVEN[1], "tie_word_embeddings": False}, dict(tie_word_embeddings=False), "bfloat16",
                                ends=(4.0, 1.0)),
    "blip-answer": Spec("answer", {**TOWER, "hidden_size": 40}, {**TEXT, "label_smoothing": 0.1}, ends=(5.0, 2.0)),
    "blip-retrieval": Spec("retrieval", TOWER, TEXT | SHORT, dict(image_text_hidden_size=24), old=True),
    "blip-retrieval-uneven": Spec("retrieval", UNEVEN[0], UNEVEN[1] | SHORT, dict(image_text_hidden_size=16, logit_scale_init_value=1.5), "bfloat16"),
    "blip-caption-larger": Spec("caption", *LARGER),
    "blip-retrieval-larger": Spec("retrieval", *LARGER, dict(image_text_hidden_size=64)),
}


def settled(model, seed):
    """Weights of a size at which every block matters."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if "norm" in key.lower() and key.endswith("weight"):
                parameter.copy_(1 + 0.15 * noise)
            elif parameter.dim() < 2:
                parameter.copy_(0.1 * noise)
            elif "embedding" in key and "patch" not in key:
                parameter.copy_(0.6 * noise)
            else:
                parameter.copy_(1.2 * noise / parameter[0].numel() ** 0.5)


def make(name, root: Path, draw=0):
    """`draw`: other weights of the same shape."""
    folder, spec = root / (f"{name}-{draw}" if draw else name), SPECS[name]
    if folder.exists():
        return folder
    words = wordpieces()
    text = dict(spec.text, vocab_size=len(words) + 2, bos_token_id=len(words), sep_token_id=words.sep_token_id, pad_token_id=words.pad_token_id)
    model = CLASSES[spec.kind](BlipConfig(vision_config=dict(spec.tower, initializer_range=0.02), text_config=text, **spec.model))
    settled(model, sum(name.encode()) + 10 * draw)
    with torch.no_grad():
        for token, more in zip((2, words.sep_token_id), spec.ends):
            model.text_decoder.cls.predictions.decoder.bias[token] += more
    model.to(getattr(torch, spec.dtype)).save_pretrained(folder)
    words.save_pretrained(folder)
    size = spec.tower["image_size"]
    BlipImageProcessorPil(size={"height": size, "width": size}).save_pretrained(folder)
    if spec.old:
        file, body = folder / "model.safetensors", "text_decoder.bert" if spec.kind == "caption" else "text_encoder"
        buffer = {f"{body}.embeddings.position_ids": torch.arange(text["max_position_embeddings"]).view(1, -1)}
        save_file(load_file(file) | buffer, file, metadata={"format": "pt"})
    return folder


class Retrieval(BlipForImageTextRetrieval):
    """With likenesses and their loss as two_towers.py asks for them, which the class itself leaves to who trains it."""

    def forward(self, input_ids, pixel_values, attention_mask=None, return_loss=None, **given):
        cosines = super().forward(input_ids, pixel_values, use_itm_head=False, attention_mask=attention_mask, **given).itm_score
        logits = cosines * torch.tensor(self.config.logit_scale_init_value).exp()   # [pictures, texts]
        own = torch.arange(len(logits))
        both = (torch.nn.functional.cross_entropy(logits, own) + torch.nn.functional.cross_entropy(logits.t(), own)) / 2 if return_loss else None
        return SimpleOutput(loss=both, logits_per_text=logits.t(), logits_per_image=logits)

    def matched(self, input_ids, pixel_values, attention_mask):
        """Of texts that begin with [ENC] each with its picture: [pairs, 2]."""
        return super().forward(input_ids, pixel_values, use_itm_head=True, attention_mask=attention_mask).itm_score


class Answering(torch.nn.Module):
    """A batch's mean over its labels from rows one by one: the class's decoder looks across to what fills up other rows' questions, too."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, **batch):
        losses, counts = [], []
        for row in range(len(batch["labels"])):
            own, read = batch["decoder_attention_mask"][row].sum(), batch["attention_mask"][row].sum()
            cut = {key: tensor[row:row + 1] for key, tensor in batch.items()}
            for key in ("labels", "decoder_input_ids", "decoder_attention_mask"):
                cut[key] = cut[key][:, :own]
            for key in ("input_ids", "attention_mask"):
                cut[key] = cut[key][:, :read]
            losses.append(self.model(**cut).loss)
            counts.append(own.item() - 1)
        return SimpleNamespace(loss=sum(loss * count for loss, count in zip(losses, counts)) / sum(counts))


class SimpleOutput(dict):
    """What the Trainer takes for an output."""
    __getattr__ = dict.__getitem__


def oracle(folder):
    kind = SPECS[folder.name].kind if folder.name in SPECS else None
    made = Retrieval if kind == "retrieval" or not kind and "Retrieval" in read(folder / "config.json")["architectures"][0] else None
    made = made or CLASSES[kind or "caption"]
    return made.from_pretrained(folder, dtype=torch.float32).eval()


class Joining:
    """What the retrieval class gets of rows; texts padded behind their ends."""

    def __init__(self, folder, text=None):
        self.tokenizer, self.pictures = AutoTokenizer.from_pretrained(folder), BlipImageProcessorPil.from_pretrained(folder)
        text = text or read(folder / "config.json")["text_config"]
        self.start, self.end, self.longest = text.get("bos_token_id"), text.get("sep_token_id"), text["max_position_embeddings"]

    def pixels(self, made):
        return self.pictures([Image.open(row["image"]).convert("RGB") for row in made], return_tensors="pt")["pixel_values"]

    def texts(self, made):
        return [self.tokenizer(row["text"], truncation=True, max_length=self.longest)["input_ids"] for row in made]

    def padded(self, texts):
        return {"input_ids": padded(texts, 0), "attention_mask": padded([[1] * len(ids) for ids in texts], 0)}

    def __call__(self, made):
        return self.padded(self.texts(made)) | {"pixel_values": self.pixels(made), "return_loss": True}

    def bare(self, text):
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def beside(self, ids):
        """What is read with a picture begins with [ENC]."""
        return [self.start + 1, *ids[1:]]


class Writing(Joining):
    """What the writing classes get: [DEC], the text, [SEP]; of a question [ENC] in the place of [CLS]."""

    def __call__(self, made):
        texts = [[self.start, *self.bare(row["text"]), self.end] for row in made]
        batch = {"pixel_values": self.pixels(made), "labels": padded(texts, -100)}
        if "question" not in made[0]:
            return batch | self.padded(texts)
        read = self.padded([[self.start + 1, *self.bare(row["question"]), self.end] for row in made])
        return batch | read | {"decoder_input_ids": padded(texts, 0), "decoder_attention_mask": padded([[1] * len(ids) for ids in texts], 0)}


def silent(key):
    return key.endswith("self.key.bias")


def felt(key, tensor):
    """The keys' part of a fused bias is none of it."""
    if not key.endswith("qkv.bias"):
        return tensor
    query, _, value = tensor.chunk(3)
    return torch.cat([query, value])


def written_rows(world, name, count):
    """Captions, or questions and their answers."""
    made = [dict(row, text=CAPTIONS[index * 5 % len(CAPTIONS)]) for index, row in enumerate(rows(world, count))]
    if SPECS[name].kind == "answer":
        made = [dict(row, question=QUESTIONS[index % len(QUESTIONS)]) for index, row in enumerate(made)]
    return made


def conversation(row):
    """As the engine reads a question."""
    if "question" not in row:
        return row
    user = dict(role="user", content="<image>" + row["question"])
    return dict(messages=[user, dict(role="assistant", content=row["text"])], images=[row["image"]])


def forward_case(name):
    def case(world, result):
        folder, made = make(name, world.checkpoints), written_rows(world, name, 3)
        model, joining = oracle(folder), Writing(folder)
        named = stored_parameters(model)
        for row in made:
            (world.scratch / "row.json").write_text(json.dumps(conversation(row), ensure_ascii=False))
            flags = [flag for key in named for flag in ("--grad", key)]
            world.program.run("forward", folder, "--input", world.scratch / "row.json", "--out", world.scratch / "out.safetensors", "--dtype", "float32",
                              "--device", "cpu", *flags)
            got, batch = load_file(world.scratch / "out.safetensors"), joining([row])
            result.close("pixel_values", got["pixel_values"], batch["pixel_values"], 1e-6, "pixels")
            if not result.same("labels", got["labels"].flatten().tolist(), batch["labels"][0, 1:].tolist()):
                return
            model.zero_grad()
            loss, logits = written(model, batch)
            loss.backward()
            result.close("logits", got["logits"].view(logits.shape), logits.detach(), report.LOGITS, "logits")
            result.close("loss", got["loss"], loss.detach().view(1), 1e-5, "loss")
            largest = max(parameter.grad.abs().max().item() for parameter in named.values() if parameter.grad is not None)
            for key, parameter in named.items():
                wanted = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                still = silent(key) or parameter.grad is None
                result.close(f"grad.{key}", felt(key, got[f"grad.{key}"]), felt(key, wanted), 1e-4, "zero grad" if still else "grad", largest if still else 0.0)
    return case


def written(model, batch):
    """The loss and the logits that have a label after them, which the class of questions keeps to itself."""
    if "decoder_input_ids" not in batch:
        out = model(**batch)
        return out.loss, out.logits[:, :-1]
    kept = []
    hook = model.text_decoder.register_forward_hook(lambda _module, _given, out: kept.append(out.logits[:, :-1]))
    loss = model(**batch).loss
    hook.remove()
    return loss, kept[0]


def info_case(name):
    def case(world, result):
        folder = make(name, world.checkpoints)
        got, model = world.program.json("info", folder, "--json"), oracle(folder)
        count = lambda begins: sum(parameter.numel() for key, parameter in model.named_parameters() if key.startswith(begins))
        result.same("model_type", got["model_type"], MODEL_TYPE)
        result.same("parts", got["parts"], {"vision_tower": count("vision_model."), "language_model": count(("text_decoder.", "text_encoder."))})
    return case


def compare_results(world, result, name, model, strategy):
    """What a run left beside what the oracle has come to; a saved model is read by transformers' own class."""
    if strategy == "lora":
        got, wanted, slack = load_file(world.scratch / "run" / "adapter" / "adapter_model.safetensors"), get_peft_model_state_dict(model), 0
    else:
        folder = world.scratch / "run" / "model"
        stored, start = load_file(folder / "model.safetensors"), load_file(world.checkpoints / name / "model.safetensors")
        result.same("stored names", sorted(stored), sorted(key for key in start if not key.endswith("position_ids")))
        loaded, notes = CLASSES[SPECS[name].kind].from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
        result.same("missing, unexpected", [sorted(notes["missing_keys"]), sorted(notes["unexpected_keys"])], [[], []])
        got, wanted, slack = loaded.state_dict(), model.state_dict(), {"float32": 0, "bfloat16": 2 ** -8}[SPECS[name].dtype]
    if not result.same("tensors", sorted(got), sorted(wanted)):
        return
    for key, tensor in wanted.items():
        if not silent(key):
            result.close(key, felt(key, got[key]), felt(key, tensor.detach()), train.WEIGHTS + slack, "adapter" if strategy == "lora" else "weights")


def with_adapter(model, world, recipe, strategy):
    if strategy == "freeze":
        for key, parameter in model.named_parameters():
            parameter.requires_grad_(key.startswith(PARTS["projector"]))
    if strategy != "lora":
        return model
    model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", lora_dropout=0.0))
    model.save_pretrained(world.scratch / "start")
    recipe["adapter"] = dict(init_from=str(world.scratch / "start"))
    return model


def written_train_case(name, strategy, checkpointing="false"):
    def case(world, result):
        folder, made = make(name, world.checkpoints), written_rows(world, name, 12)
        steps = train.DEFAULTS | dict(max_steps=6, per_device_train_batch_size=3, gradient_accumulation_steps=1, learning_rate=1e-3)
        recipe = dict(model=str(folder), dataset=write_lines(world.scratch / "train.jsonl", map(conversation, made)), output_dir=str(world.scratch / "run"),
                      objective="sft", strategy=strategy,
                      training=steps | dict(device="cpu", dtype="float32", gradient_checkpointing=checkpointing, logging_steps=1, save_steps=0))
        model = with_adapter(oracle(folder), world, recipe, strategy)
        (world.scratch / "recipe.yaml").write_text(json.dumps(recipe))
        world.program.run("train", world.scratch / "recipe.yaml")
        log = plain_loop(Answering(model) if SPECS[name].kind == "answer" else model, Writing(folder), made, steps)
        got = train.curve(world.scratch / "run")
        result.same("steps", len(got), len(log))
        for line, wanted in zip(got, log):
            for key in ("loss", "grad_norm"):
                result.near(f"step {wanted['step']} {key}", line.get(key, float("nan")), wanted[key], train.CURVE, key)
        compare_results(world, result, name, model, strategy)
    return case


def generate_case(name):
    def case(world, result):
        folder, made = make(name, world.checkpoints), written_rows(world, name, 4)
        model, joining, answers = oracle(folder), Writing(folder), set()
        for row in made:
            batch = joining([row])
            given = {key: batch[key] for key in ("input_ids", "attention_mask")} if "question" in row else {}
            out = model.generate(pixel_values=batch["pixel_values"], **given, max_new_tokens=40, do_sample=False, num_beams=1)
            wanted = out[0, 1:].tolist()
            content = "<image>" + row.get("question", "")
            (world.scratch / "row.json").write_text(json.dumps(dict(messages=[dict(role="user", content=content)], images=[row["image"]])))
            got = world.program.json("generate", folder, "--input", world.scratch / "row.json", "--max-new-tokens", "40", "--dtype", "float32", "--device",
                                     "cpu", "--json")["results"][0]
            result.same("token_ids", got["token_ids"], wanted)
            answers.add(tuple(wanted))
        result.expect(len(answers) > 1, "every picture has the same text")
        if SPECS[name].ends[1] > 1:
            result.expect(any(len(answer) < 40 and answer[-1] == joining.end for answer in answers), "no text ends")
    return case


def refused_case(world, result):
    """Classes that are not built, folders that lack a head or [ENC], rows and windows that are no model's; nothing is left behind."""
    folder, captioner = make("blip-retrieval", world.checkpoints), make("blip-caption", world.checkpoints)
    made = rows(world, 4)

    def said(config, tensors, of=folder):
        other = world.scratch / "other"
        if not other.exists():
            other.mkdir()
        for file in of.iterdir():
            (other / file.name).write_bytes(file.read_bytes())
        content = read(other / "config.json")
        config(content)
        write(other / "config.json", content)
        kept = {key: tensor for key, tensor in load_file(of / "model.safetensors").items() if tensors(key)}
        save_file(kept, other / "model.safetensors", metadata={"format": "pt"})
        (world.scratch / "rows.json").write_text(json.dumps(made))
        done = world.program.end("forward", other, "--input", world.scratch / "rows.json", "--out", world.scratch / "out.safetensors")
        return done.returncode, done.stderr

    for wrong, config, tensors, told in (
            ("class", lambda content: content.update(architectures=["BlipModel"]), lambda key: True, "BlipModel"),
            ("no class", lambda content: content.pop("architectures"), lambda key: True, "architectures"),
            ("head", lambda content: None, lambda key: "itm_head" not in key, "itm_head"),
            ("[ENC]", lambda content: content["text_config"].update(bos_token_id=content["text_config"]["vocab_size"] - 1), lambda key: True, "bos_token_id"),
            ("decoder", lambda content: content["text_config"].update(is_decoder=False), lambda key: True, "is_decoder")):
        status, text = said(config, tensors)
        result.expect(status == 2 and told in text, f"{wrong}: {status}, {text.strip()[-200:]}")
    recipe = world.scratch / "recipe.yaml"
    beside = [dict(messages=[dict(role="user", content="<image>what?"), dict(role="assistant", content="a")], images=[made[0]["image"]])]
    for model, objective, data, together in ((folder, "sft", made, 2), (captioner, "matching", made, 2), (captioner, "contrastive", made, 2),
                                             (folder, "matching", made, 1), (captioner, "sft", beside, 1)):
        recipe.write_text(json.dumps(dict(model=str(model), dataset=write_lines(world.scratch / "rows.jsonl", data), output_dir=str(world.scratch / "run"),
                                          objective=objective, strategy="full",
                                          training=dict(per_device_train_batch_size=together, gradient_accumulation_steps=1, max_steps=1))))
        world.program.run("train", recipe, status=2)
        result.expect(not (world.scratch / "run").exists(), f"{objective}: a run that cannot be left a folder")


def cases(all_=False):
    contrast = lambda name, *given, **settings: two_towers.train_case(name, *given, kind=KIND, **settings)
    forecast = lambda name, strategy, objective: two_towers.caption_forecast_case(make, name, strategy, objective)
    matching_loss_case = lambda *given: matching.loss_case(KIND, *given)
    matching_train_case = lambda *given: matching.train_case(KIND, *given)
    found = {f"blip/{name}/{kind}": made(name) for name in ("blip-caption", "blip-answer") for kind, made in (("forward", forward_case),
                                                                                                              ("generate", generate_case))}
    found |= {"blip/blip-caption-uneven/forward": forward_case("blip-caption-uneven"), "blip/blip-caption/info": info_case("blip-caption"),
              "blip/blip-caption/full": written_train_case("blip-caption", "full"), "blip/blip-caption/lora": written_train_case("blip-caption", "lora", "true"),
              "blip/blip-answer/lora": written_train_case("blip-answer", "lora"), "blip/refused": refused_case,
              "blip/blip-retrieval/forward": two_towers.forward_case("blip-retrieval", KIND),
              "blip/blip-retrieval/similarity": two_towers.similarity_case("blip-retrieval", KIND),
              "blip/blip-retrieval/contrastive-full": contrast("blip-retrieval", "full"),
              "blip/blip-retrieval/matching-loss": matching_loss_case("blip-retrieval", 1.0),
              "blip/blip-retrieval/matching-full": matching_train_case("blip-retrieval", "full"),
              "blip/blip-retrieval-uneven/matching-lora": matching_train_case("blip-retrieval-uneven", "lora", 2, 2, "true"),
              "blip/forecast/matching-full": forecast("blip-retrieval-larger", "full", "matching")}
    if not all_:
        return found
    return found | {"blip/blip-caption-uneven/generate": generate_case("blip-caption-uneven"),
                    "blip/blip-caption-uneven/full": written_train_case("blip-caption-uneven", "full", "true"),
                    "blip/blip-caption-uneven/lora": written_train_case("blip-caption-uneven", "lora"),
                    "blip/blip-answer/full": written_train_case("blip-answer", "full", "true"), "blip/blip-answer/info": info_case("blip-answer"),
                    "blip/blip-retrieval/info": two_towers.info_case("blip-retrieval", KIND),
                    "blip/blip-retrieval-uneven/forward": two_towers.forward_case("blip-retrieval-uneven", KIND),
                    "blip/blip-retrieval-uneven/contrastive-lora": contrast("blip-retrieval-uneven", "lora"),
                    "blip/blip-retrieval/contrastive-freeze": contrast("blip-retrieval", "freeze"),
                    "blip/blip-retrieval-larger/contrastive-cached": contrast("blip-retrieval-larger", "full", 2, 2, contrastive=dict(gradient_cache=True)),
                    "blip/blip-retrieval-uneven/matching-loss": matching_loss_case("blip-retrieval-uneven", 0.0),
                    "blip/blip-retrieval-uneven/matching-full": matching_train_case("blip-retrieval-uneven", "full", 2, 2),
                    "blip/blip-retrieval/matching-lora": matching_train_case("blip-retrieval", "lora"),
                    "blip/blip-retrieval/matching-freeze": matching_train_case("blip-retrieval", "freeze"),
                    "blip/forecast/caption-full": forecast("blip-caption-larger", "full", "sft"),
                    "blip/forecast/caption-lora": forecast("blip-caption-larger", "lora", "sft"),
                    "blip/forecast/contrastive-full": forecast("blip-retrieval-larger", "full", "contrastive"),
                    "blip/forecast/matching-lora": forecast("blip-retrieval-larger", "lora", "matching")}

# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture encoder and a text decoder that looks across to it: ViT and GPT-2, or BERT, as VisionEncoderDecoderModel. `forward` on a picture and its caption, runs of
`objective: sft` on captions, greedy captions. What is learned of a caption is its tokens and the end token."""
import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoTokenizer, BertConfig, GPT2Config, VisionEncoderDecoderConfig, VisionEncoderDecoderModel, ViTConfig
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

import report
import tokenizers_
import train
from conversations import SIZES
from encoder_decoders import padded, plain_loop
from two_towers import CAPTIONS, caption_forecast_case, write_lines

TOWER = dict(hidden_size=32, intermediate_size=56, num_attention_heads=4, num_hidden_layers=2, image_size=30, patch_size=6, hidden_dropout_prob=0.0,
             attention_probs_dropout_prob=0.0)
BERT = dict(hidden_size=48, intermediate_size=80, num_hidden_layers=3, num_attention_heads=4, max_position_embeddings=64, hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0, pad_token_id=0)
TEXT = dict(n_embd=48, n_inner=80, n_layer=2, n_head=4, n_positions=64, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)


@dataclass
class Spec:
    tower: dict = field(default_factory=dict)
    text: dict = field(default_factory=dict)
    dtype: str = "float32"
    text_class: type = GPT2Config


SPECS = {
    "captioner-plain": Spec(TOWER, TEXT),
    # one width, so that nothing stands between the two
    "captioner-even": Spec({**TOWER, "hidden_size": 48, "patch_size": 10, "qkv_bias": False, "hidden_act": "relu"},
                           {**TEXT, "n_inner": None, "scale_attn_by_inverse_layer_idx": True, "n_layer": 3, "tie_word_embeddings": False}, "bfloat16"),
    "captioner-bert": Spec(TOWER, {**BERT, "hidden_act": "gelu_new"}, text_class=BertConfig),
    "captioner-bert-larger": Spec({**TOWER, "hidden_size": 96, "intermediate_size": 256, "num_hidden_layers": 4, "image_size": 48, "patch_size": 8},
                                  {**BERT, "hidden_size": 192, "intermediate_size": 768, "num_hidden_layers": 4}, text_class=BertConfig),
    "captioner-larger": Spec({**TOWER, "hidden_size": 96, "intermediate_size": 256, "num_hidden_layers": 4, "image_size": 48, "patch_size": 8},
                             {**TEXT, "n_embd": 192, "n_inner": 768, "n_layer": 4}),
}


def make(name, root: Path):
    folder, spec = root / name, SPECS[name]
    if folder.exists():
        return folder
    words = tokenizers_.gpt2_tokenizer()
    text = spec.text_class(vocab_size=len(words) + 2, add_cross_attention=True, is_decoder=True, bos_token_id=words.bos_token_id, eos_token_id=words.eos_token_id,
                      **spec.text)
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(ViTConfig(**spec.tower), text)
    config.decoder_start_token_id = config.pad_token_id = config.eos_token_id = words.eos_token_id
    model = VisionEncoderDecoderModel(config)
    generator = torch.Generator().manual_seed(sum(name.encode()))
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if ("norm" in key.lower() or ".ln_" in key) and key.endswith("weight"):
                parameter.copy_(1 + 0.15 * noise)
            elif parameter.dim() == 1:
                parameter.copy_(0.1 * noise)
            elif key.endswith(("wte.weight", "wpe.weight", "lm_head.weight")) or "decoder.bert.embeddings" in key:
                parameter.copy_(0.3 * noise)
            elif "token" in key or "position" in key:
                parameter.copy_(0.6 * noise)
            else:
                parameter.copy_(1.2 * noise / parameter[0].numel() ** 0.5)
    model.generation_config.decoder_start_token_id = model.generation_config.pad_token_id = model.generation_config.eos_token_id = words.eos_token_id
    model.to(getattr(torch, spec.dtype)).save_pretrained(folder)
    words.save_pretrained(folder)
    size = spec.tower["image_size"]
    ViTImageProcessorPil(size={"height": size, "width": size}).save_pretrained(folder)
    return folder


def oracle(folder):
    return VisionEncoderDecoderModel.from_pretrained(folder, dtype=torch.float32).eval()


def rows(world, count):
    names = sorted(SIZES)
    return [{"image": str(world.inputs / names[index % len(names)]), "text": CAPTIONS[index * 5 % len(CAPTIONS)]} for index in range(count)]


class Joining:
    """What the model gets of rows."""

    def __init__(self, folder):
        self.words, self.pictures = AutoTokenizer.from_pretrained(folder), ViTImageProcessorPil.from_pretrained(folder)

    def pixels(self, made):
        return self.pictures([Image.open(row["image"]).convert("RGB") for row in made], return_tensors="pt")["pixel_values"]

    def __call__(self, made):
        return {"pixel_values": self.pixels(made),
                "labels": padded([self.words(row["text"])["input_ids"] + [self.words.eos_token_id] for row in made], -100)}


def silent(key):
    return key.endswith(("k_proj.bias", "c_attn.bias", "key.bias"))


def forward_case(name):
    def case(world, result):
        folder, made = make(name, world.checkpoints), rows(world, 3)
        model, joining = oracle(folder), Joining(folder)
        stored = sorted(load_file(folder / "model.safetensors"))
        for number, row in enumerate(made):
            given = row if number else dict(messages=[dict(role="user", content="<image>"), dict(role="assistant", content=row["text"])], images=[row["image"]])
            (world.scratch / "row.json").write_text(json.dumps(given, ensure_ascii=False))
            flags = [flag for key in stored for flag in ("--grad", key)]
            world.program.run("forward", folder, "--input", world.scratch / "row.json", "--out", world.scratch / "out.safetensors", "--dtype", "float32",
                              "--device", "cpu", *flags)
            got, batch = load_file(world.scratch / "out.safetensors"), joining([row])
            result.close("pixel_values", got["pixel_values"], batch["pixel_values"], 1e-6, "pixels")
            result.same("labels", got["labels"].tolist(), batch["labels"].tolist())
            model.zero_grad()
            out = model(**batch)
            out.loss.backward()
            result.close("logits", got["logits"].view(out.logits.shape), out.logits.detach(), report.LOGITS, "logits")
            result.close("loss", got["loss"], out.loss.detach().view(1), report.LOGITS, "loss")
            gradients = [None if parameter.grad is None else parameter.grad for parameter in model.parameters()]
            largest = max(gradient.abs().max().item() for gradient in gradients if gradient is not None)
            reversed_ = stored_of(model)
            for key in stored:
                parameter = reversed_[key]
                wanted = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                still = silent(key) or "key.bias" in key or parameter.grad is None
                result.close(f"grad.{key}", got[f"grad.{key}"], wanted, 1e-4, "zero grad" if still else "grad", largest if still else 0.0)
    return case


def stored_of(model):
    """The parameters by the names that files have."""
    found = {}
    for key, parameter in model.named_parameters():
        name = key
        if key.startswith("encoder.layers."):
            name = "encoder.encoder.layer." + key.removeprefix("encoder.layers.")
            for now, old in (("attention.q_proj", "attention.attention.query"), ("attention.k_proj", "attention.attention.key"),
                             ("attention.v_proj", "attention.attention.value"), ("attention.o_proj", "attention.output.dense"),
                             ("mlp.fc1", "intermediate.dense"), ("mlp.fc2", "output.dense")):
                name = name.replace(f".{now}.", f".{old}.")
        found[name] = parameter
    return found


def info_case(name):
    def case(world, result):
        folder = make(name, world.checkpoints)
        got, model = world.program.json("info", folder, "--json"), oracle(folder)
        count = lambda begin: sum(parameter.numel() for key, parameter in model.named_parameters() if key.startswith(begin))
        parts = {"vision_tower": count("encoder."), "projector": count("enc_to_dec_proj."), "language_model": count("decoder.")}
        result.same("model_type", got["model_type"], "vision-encoder-decoder")
        result.same("parts", got["parts"], {part: number for part, number in parts.items() if number or part != "projector"})
    return case


def train_case(name, strategy, checkpointing="false"):
    def case(world, result):
        folder, made = make(name, world.checkpoints), rows(world, 12)
        model, steps = oracle(folder), train.DEFAULTS | dict(max_steps=8, per_device_train_batch_size=3, gradient_accumulation_steps=1, learning_rate=1e-3)
        recipe = dict(model=str(folder), dataset=write_lines(world.scratch / "train.jsonl", made), output_dir=str(world.scratch / "run"), objective="sft",
                      strategy=strategy, training=steps | dict(device="cpu", dtype="float32", gradient_checkpointing=checkpointing, logging_steps=1, save_steps=0))
        if strategy == "lora":
            model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", lora_dropout=0.0))
            model.save_pretrained(world.scratch / "start")
            recipe["adapter"] = dict(init_from=str(world.scratch / "start"))
        (world.scratch / "recipe.yaml").write_text(json.dumps(recipe))
        world.program.run("train", world.scratch / "recipe.yaml")
        log = plain_loop(model, Joining(folder), made, steps)
        got = train.curve(world.scratch / "run")
        for line, wanted in zip(got, log):
            for key in ("loss", "grad_norm"):
                result.near(f"step {wanted['step']} {key}", line.get(key, float("nan")), wanted[key], train.CURVE, key)
        if strategy == "lora":
            got, wanted = load_file(world.scratch / "run" / "adapter" / "adapter_model.safetensors"), get_peft_model_state_dict(model)
            made_of = json.loads((world.scratch / "run" / "adapter" / "adapter_config.json").read_text())
            result.same("fan_in_fan_out", made_of["fan_in_fan_out"], json.loads((world.scratch / "start" / "adapter_config.json").read_text())["fan_in_fan_out"])
        else:
            got, wanted = oracle(world.scratch / "run" / "model").state_dict(), model.state_dict()
        if not result.same("tensors", sorted(got), sorted(wanted)):
            return
        slack = {"float32": 0, "bfloat16": 2 ** -8, "float16": 2 ** -11}[SPECS[name].dtype] if strategy == "full" else 0
        for key, tensor in wanted.items():
            if not silent(key):
                result.close(key, got[key], tensor.detach(), train.WEIGHTS + slack, "adapter" if strategy == "lora" else "weights")
    return case


def generate_case(name):
    def case(world, result):
        folder, made = make(name, world.checkpoints), rows(world, 4)
        model, joining, answers = oracle(folder), Joining(folder), set()
        for row in made:
            out = model.generate(pixel_values=joining.pixels([row]), max_new_tokens=40, do_sample=False, num_beams=1)
            wanted = out[0, 1:].tolist()
            (world.scratch / "row.json").write_text(json.dumps(dict(messages=[dict(role="user", content="<image>")], images=[row["image"]])))
            got = world.program.json("generate", folder, "--input", world.scratch / "row.json", "--max-new-tokens", "40", "--dtype", "float32", "--device",
                                     "cpu", "--json")["results"][0]
            result.same("token_ids", got["token_ids"], wanted)
            answers.add(tuple(wanted))
        result.expect(len(answers) > 1, "every picture has the same caption")
    return case


SELDOM = {f"captioner/{name}" for name in ("captioner-bert/generate", "captioner-bert/info", "captioner-bert/lora", "forecast/bert", "captioner-plain/generate", "captioner-plain/full", "captioner-even/lora", "forecast/full")}


def cases(everything=False):
    plain = ("captioner-plain", "captioner-even", "captioner-bert")
    found = {f"captioner/{name}/{kind}": made(name) for name in plain for kind, made in (("forward", forward_case), ("generate", generate_case),
                                                                                         ("info", info_case))}
    found |= {"captioner/captioner-plain/full": train_case("captioner-plain", "full"),
                    "captioner/captioner-plain/lora": train_case("captioner-plain", "lora", "true"),
                    "captioner/captioner-even/lora": train_case("captioner-even", "lora"),
                    "captioner/captioner-even/full": train_case("captioner-even", "full", "true"),
                    "captioner/captioner-bert/full": train_case("captioner-bert", "full"),
                    "captioner/captioner-bert/lora": train_case("captioner-bert", "lora", "true"),
                    "captioner/forecast/bert": caption_forecast_case(make, "captioner-bert-larger", "lora", "sft"),
                    "captioner/forecast/lora": caption_forecast_case(make, "captioner-larger", "lora", "sft"), "captioner/forecast/full": caption_forecast_case(make, "captioner-larger", "full", "sft")}
    return {name: case for name, case in found.items() if everything or name not in SELDOM}

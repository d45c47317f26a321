# SPDX-License-Identifier: GPL-3.0-or-later
"""MAE against transformers' ViTMAEForPreTraining: `loss` on pictures with the noise that was drawn, and runs of `objective: masked_pictures`, whose noise is
drawn here a second time (SplitMix64 by seed and place, as the engine says it draws) so that Trainer learns from the very same patches."""
import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import ViTImageProcessorPil, ViTMAEConfig, ViTMAEForPreTraining
from transformers.models.vit_mae.modeling_vit_mae import build_2d_sinusoidal_position_embedding

import report
import train
from conversations import SIZES
from encoders import GOLDEN, WORD, Draws, mixed
from families.base import randomise
from pictures_alone import silent, write_lines

MAE = dict(hidden_size=32, intermediate_size=56, num_attention_heads=4, num_hidden_layers=2, image_size=30, patch_size=6, decoder_hidden_size=24,
           decoder_num_hidden_layers=1, decoder_num_attention_heads=2, decoder_intermediate_size=40)
SPECS = {"mae-plain": MAE,
         "mae-uneven": {**MAE, "mask_ratio": 0.6, "norm_pix_loss": True, "num_hidden_layers": 3, "decoder_num_hidden_layers": 2, "qkv_bias": False,
                        "hidden_act": "gelu_new", "layer_norm_eps": 1e-5, "image_size": 28, "patch_size": 7},
         "mae-larger": {**MAE, "hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 4, "image_size": 96, "patch_size": 8, "decoder_hidden_size": 96,
                        "decoder_num_hidden_layers": 3, "decoder_num_attention_heads": 4, "decoder_intermediate_size": 256}}


def make(name, root: Path):
    folder = root / name
    if folder.exists():
        return folder
    model = ViTMAEForPreTraining(ViTMAEConfig(**SPECS[name]))
    randomise(model, seed=sum(name.encode()))
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if fixed(key):
                parameter.copy_(sines(parameter))
    model.save_pretrained(folder)
    if name == "mae-uneven":
        file = folder / "model.safetensors"
        save_file({published(key): tensor for key, tensor in load_file(file).items()}, file, metadata={"format": "pt"})
    size = SPECS[name]["image_size"]
    ViTImageProcessorPil(size={"height": size, "width": size}).save_pretrained(folder)
    return folder


def published(key):
    """A name as the authors' files have it, which transformers reads. It writes another one: its renaming of layers meets decoder_layers, too."""
    return key.replace("decoder.decoder_encoder.layer.", "decoder.decoder_layers.")


def fixed(key):
    """Tables of positions: transformers' class means to hold them fixed, and forgets it of a model that it loads."""
    return key.endswith(("position_embeddings", "decoder_pos_embed"))


def sines(like):
    """As its class makes them, before it fills a fresh model's with zeros."""
    side = int((like.shape[1] - 1) ** 0.5)
    table = build_2d_sinusoidal_position_embedding(side, side, embed_dim=like.shape[2], cls_token=True)
    half = table.shape[-1] // 2
    return torch.cat([table[:, half:], table[:, :half]], 1).unsqueeze(0)


def oracle(folder):
    model = ViTMAEForPreTraining.from_pretrained(folder, dtype=torch.float32).eval()
    for key, parameter in model.named_parameters():
        parameter.requires_grad_(not fixed(key))
    return model


def rows(world, count):
    names = sorted(SIZES)
    return [{"image": str(world.inputs / names[index % len(names)])} for index in range(count)]


class Joining:
    """What the model gets of rows; `patches`: with the noise that the engine draws micro-batch after micro-batch."""

    def __init__(self, folder, seed=0, patches=0):
        self.pictures, self.seed, self.patches, self.number = ViTImageProcessorPil.from_pretrained(folder), seed, patches, 0

    def __call__(self, made):
        inputs = {"pixel_values": self.pictures([Image.open(row["image"]).convert("RGB") for row in made], return_tensors="pt")["pixel_values"]}
        if self.patches:
            seed = mixed((self.seed * GOLDEN + (self.number + 1) * 0xD1B54A32D192ED03) & WORD)
            self.number += 1
            noise = []
            for index in range(len(made)):
                draws = Draws(seed, index)
                noise.append([draws.unit() for _ in range(self.patches)])
            inputs["noise"] = torch.tensor(noise, dtype=torch.float64).float()
        return inputs


def loss_case(name):
    def case(world, result):
        folder, made = make(name, world.checkpoints), rows(world, 5)
        recipe = dict(model=str(folder), dataset=write_lines(world.scratch / "train.jsonl", made), objective="masked_pictures", strategy="full",
                      training=dict(device="cpu", dtype="float32"))
        (world.scratch / "recipe.yaml").write_text(json.dumps(recipe))
        world.program.run("loss", world.scratch / "recipe.yaml", "--rows", world.scratch / "train.jsonl", "--out", world.scratch / "out.safetensors")
        got, model = load_file(world.scratch / "out.safetensors"), oracle(folder)
        inputs = Joining(folder)(made)
        result.close("pixel_values", got["pixel_values"], inputs["pixel_values"], 1e-6, "pixels")
        noise = got["noise"]
        result.expect(noise.min() >= 0 and noise.max() < 1 and len(noise.unique()) == noise.numel(), "the noise is no noise")
        out = model(**inputs, noise=noise)
        out.loss.backward()
        result.close("mask", got["mask"], out.mask, 0.0, "mask")
        result.close("logits", got["logits"], out.logits.detach(), report.LOGITS, "logits")
        result.close("loss", got["loss"], out.loss.detach().view(1), 1e-5, "loss")
        named = {key: parameter for key, parameter in model.named_parameters() if parameter.requires_grad}
        largest = max(parameter.grad.abs().max().item() for parameter in named.values())
        for key, parameter in named.items():
            result.close(f"grad.{key}", got[f"grad.{key}"], parameter.grad, 1e-4, "zero grad" if silent(key) else "grad", largest if silent(key) else 0.0)
        result.same("no gradient of what nothing trains", sorted(key for key in got if key.startswith("grad.")), sorted("grad." + key for key in named))
    return case


def train_case(name, strategy, together=3, accumulation=1):
    def case(world, result):
        folder, made = make(name, world.checkpoints), rows(world, 12)
        steps = train.DEFAULTS | dict(max_steps=6, per_device_train_batch_size=together, gradient_accumulation_steps=accumulation, learning_rate=1e-3,
                                      lr_scheduler_type="linear", warmup_steps=2, weight_decay=0.01)
        recipe = dict(model=str(folder), dataset=write_lines(world.scratch / "train.jsonl", made), output_dir=str(world.scratch / "run"),
                      objective="masked_pictures", strategy=strategy,
                      training=steps | dict(device="cpu", dtype="float32", gradient_checkpointing="false", logging_steps=1, save_steps=0))
        model = oracle(folder)
        patches = model.vit.embeddings.patch_embeddings.num_patches
        if strategy == "lora":
            model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "fc1", "decoder_embed"], lora_dropout=0.0))
            model.save_pretrained(world.scratch / "start")
            recipe["adapter"] = dict(init_from=str(world.scratch / "start"))
        (world.scratch / "recipe.yaml").write_text(json.dumps(recipe))
        world.program.run("train", world.scratch / "recipe.yaml")
        log = train.trained_by_transformers(model, Joining(folder, steps["seed"], patches), made, [], steps, world.scratch / "oracle")
        train.compare_curves(result, train.curve(world.scratch / "run"), log)
        if strategy == "lora":
            got, wanted = load_file(world.scratch / "run" / "adapter" / "adapter_model.safetensors"), get_peft_model_state_dict(model)
        else:
            stored, start = load_file(world.scratch / "run" / "model" / "model.safetensors"), load_file(folder / "model.safetensors")
            result.same("stored names", sorted(stored), sorted(map(published, start)))
            got, wanted = oracle(world.scratch / "run" / "model").state_dict(), model.state_dict()
        if not result.same("tensors", sorted(got), sorted(wanted)):
            return
        for key, tensor in wanted.items():
            if not silent(key):
                result.close(key, got[key], tensor.detach(), train.WEIGHTS, "weights")
    return case


def info_case(name):
    def case(world, result):
        folder = make(name, world.checkpoints)
        got = world.program.json("info", folder, "--json")
        result.same("parameters", got["parameters"], sum(parameter.numel() for parameter in oracle(folder).parameters() if parameter.requires_grad))
    return case


def fresh_case(world, result):
    """A fresh model's tables are sines."""
    folder = make("mae-plain", world.checkpoints)
    steps = train.DEFAULTS | dict(max_steps=1, learning_rate=0.0, gradient_accumulation_steps=1, device="cpu", dtype="float32", logging_steps=1, save_steps=0)
    recipe = dict(model=str(folder), dataset=write_lines(world.scratch / "train.jsonl", rows(world, 3)), output_dir=str(world.scratch / "run"),
                  objective="masked_pictures", strategy="full", init="random", training=steps)
    (world.scratch / "recipe.yaml").write_text(json.dumps(recipe))
    world.program.run("train", world.scratch / "recipe.yaml")
    for key, parameter in oracle(world.scratch / "run" / "model").named_parameters():
        if fixed(key):
            result.close(key, parameter.detach(), sines(parameter), 1e-6, "tables")


def forecast_case(world, result):
    folder = make("mae-larger", world.checkpoints)
    made = [{"image": str(world.inputs / "photo.png")}] * 8
    recipe = dict(model=str(folder), dataset=write_lines(world.scratch / "train.jsonl", made), output_dir=str(world.scratch / "run"), objective="masked_pictures",
                  strategy="full", training=dict(max_steps=3, per_device_train_batch_size=8, gradient_accumulation_steps=1, device="cpu", dtype="float32",
                                                 gradient_checkpointing="false", logging_steps=1, save_steps=0))
    (world.scratch / "recipe.yaml").write_text(json.dumps(recipe))
    foreseen = world.program.json("plan", world.scratch / "recipe.yaml", "--json")
    world.program.run("train", world.scratch / "recipe.yaml")
    peak = max(line["memory"]["peak"] for line in train.curve(world.scratch / "run"))
    result.facts["forecast error"] = f"{100 * (foreseen['total'] / peak - 1):+.1f} %"
    result.near("forecast", foreseen["total"], peak, 0.05, "forecast")


def cases(everything=False):
    plain = ("mae-plain", "mae-uneven")
    found = {f"masked-pictures/{name}/loss": loss_case(name) for name in plain}
    found |= {"masked-pictures/mae-uneven/full": train_case("mae-uneven", "full", 2, 2), "masked-pictures/mae-plain/lora": train_case("mae-plain", "lora")}
    if everything:
        found |= {"masked-pictures/mae-plain/full": train_case("mae-plain", "full")}
    return found | {"masked-pictures/mae-plain/info": info_case("mae-plain"), "masked-pictures/fresh": fresh_case,
                    "masked-pictures/forecast/full": forecast_case}

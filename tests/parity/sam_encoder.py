# SPDX-License-Identifier: GPL-3.0-or-later
"""SAM's picture encoder against transformers' SamVisionModel: `forward` on pictures with every gradient, from its own files and from a whole SamModel's, and
runs with Luthier's head of classes, which is put together here: a product with the mean of the neck's map."""
import json
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from PIL import Image
from safetensors.torch import load_file
from transformers import SamConfig, SamImageProcessorPil, SamModel, SamVisionConfig, SamVisionModel

import report
import train
from families.base import randomise, read
from pictures_alone import NAMES, OURS, compare_evaluation, recipe_of, rows, steps_of, write_lines

# Windows of 3 over 5 patches a side, of 4 over 6: with zeros around; one layer looks over all.
SAM = dict(hidden_size=32, output_channels=24, num_hidden_layers=3, num_attention_heads=4, image_size=40, patch_size=8, window_size=3, global_attn_indexes=[1],
           mlp_dim=48, initializer_range=0.02)
SPECS = {"sam-plain": SAM,
         "sam-whole": {**SAM, "image_size": 48, "window_size": 4, "qkv_bias": False, "hidden_act": "gelu_new", "layer_norm_eps": 1e-4, "mlp_dim": None,
                       "mlp_ratio": 1.5, "num_attention_heads": 2},
         "sam-bare": {**SAM, "use_abs_pos": False, "use_rel_pos": False, "window_size": 0, "global_attn_indexes": []},
         "sam-larger": {**SAM, "hidden_size": 96, "num_hidden_layers": 4, "image_size": 128, "mlp_dim": 256, "output_channels": 64, "window_size": 6}}
WHOLE = ("sam-whole",)    # a SamModel's folder, whose encoder alone is read


def make(name, root: Path):
    folder = root / name
    if folder.exists():
        return folder
    config = SamVisionConfig(**SPECS[name])
    if name in WHOLE:
        small = dict(hidden_size=24, mlp_dim=32, num_attention_heads=2)
        model = SamModel(SamConfig(vision_config=config.to_dict(), mask_decoder_config=dict(small, iou_head_hidden_dim=16),
                                   prompt_encoder_config=dict(hidden_size=24, image_size=config.image_size, patch_size=config.patch_size)))
    else:
        model = SamVisionModel(config)
    randomise(model, seed=sum(name.encode()))
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "pos" in key and "rel_pos" not in key:
                parameter.mul_(0.3)
    model.save_pretrained(folder)
    edge = config.image_size
    SamImageProcessorPil(size={"longest_edge": edge}, pad_size={"height": edge, "width": edge}).save_pretrained(folder)
    return folder


def encoder(folder):
    config = read(folder / "config.json")
    if config["model_type"] == "sam":
        whole = SamModel.from_pretrained(folder, dtype=torch.float32)
        model = SamVisionModel(whole.config.vision_config)
        model.vision_encoder.load_state_dict(whole.vision_encoder.state_dict())
        return model.eval()
    return SamVisionModel.from_pretrained(folder, dtype=torch.float32).eval()


class Told(torch.nn.Module):
    """SamVisionModel with a head of classes, as a ...ForImageClassification would be."""

    accepts_loss_kwargs = False

    def __init__(self, folder):
        super().__init__()
        model = encoder(folder)
        self.vision_encoder, self.config = model.vision_encoder, model.config
        self.classifier = torch.nn.Linear(model.config.output_channels, len(NAMES))
        self.load_state_dict({key: tensor for key, tensor in load_file(folder / "model.safetensors").items()})
        self.eval()

    def forward(self, pixel_values, labels=None, **_):
        logits = self.classifier(self.vision_encoder(pixel_values).last_hidden_state.mean((2, 3)))
        loss = None if labels is None else torch.nn.functional.cross_entropy(logits, labels)
        return Said(loss=loss, logits=logits)


class Said(dict):
    """What Trainer and the cases ask of an output."""

    def __getattr__(self, key):
        return self[key]


class Joining:
    def __init__(self, folder):
        self.pictures = SamImageProcessorPil.from_pretrained(folder)

    def __call__(self, made):
        return {"pixel_values": self.pictures([Image.open(row["image"]).convert("RGB") for row in made], return_tensors="pt")["pixel_values"],
                "labels": torch.tensor([NAMES.index(row["label"]) for row in made])}


def silent(key):
    """The keys' third of the joint bias, which a softmax is blind to, goes unheld with the rest of it."""
    return key.endswith("qkv.bias")


def forward_case(name):
    def case(world, result):
        folder = make(name, world.checkpoints)
        model, joining = encoder(folder), Joining(folder)
        named = dict(model.named_parameters())
        for row in rows(world, 6):
            (world.scratch / "row.json").write_text(json.dumps({"image": row["image"]}))
            world.program.run("forward", folder, "--input", world.scratch / "row.json", "--out", world.scratch / "out.safetensors", "--dtype", "float32",
                              "--device", "cpu", *[flag for key in named for flag in ("--grad", key)])
            got, inputs = load_file(world.scratch / "out.safetensors"), joining([row])
            result.close("pixel_values", got["pixel_values"], inputs["pixel_values"], 1e-6, "pixels")
            maps = model(inputs["pixel_values"]).last_hidden_state
            result.close("last_hidden_state", got["last_hidden_state"], maps.detach(), report.LOGITS, "features")
            model.zero_grad()
            maps.pow(2).mean().backward()
            largest = max(parameter.grad.abs().max().item() for parameter in named.values())
            for key, parameter in named.items():
                result.close(f"grad.{key}", got[f"grad.{key}"], parameter.grad, 1e-4, "grad", 0.02 * largest)
    return case


def headed(name, world):
    folder = world.checkpoints / f"{name}-headed"
    if not folder.exists():
        world.program.run("head", make(name, world.checkpoints), "--of", "pictures", "--classes", ",".join(NAMES), "--out", folder)
    return folder


def head_case(name):
    """What `head` writes is a SamVisionModel's folder with a head beside."""
    def case(world, result):
        folder = headed(name, world)
        result.same("model_type", read(folder / "config.json")["model_type"], "sam_vision_model")
        wanted, got = encoder(make(name, world.checkpoints)).state_dict(), SamVisionModel.from_pretrained(folder).state_dict()
        result.same("tensors", sorted(got), sorted(wanted))
        for key, tensor in wanted.items():
            result.close(key, got[key], tensor, 0.0, "weights")
        told = world.program.json("info", folder, "--json")
        result.same("parts", told["parts"]["projector"], len(NAMES) * (SPECS[name]["output_channels"] + 1))
    return case


def train_case(name, strategy, together=4, accumulation=1):
    def case(world, result):
        folder, made, held_out = headed(name, world), rows(world, 14), rows(world, 20)[14:]
        steps, model, settings = steps_of(together, accumulation), Told(folder), {}
        if strategy == "lora":
            model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules=["qkv", "lin1"], modules_to_save=["classifier"], lora_dropout=0.0))
            model.save_pretrained(world.scratch / "start")
            settings = dict(adapter=dict(init_from=str(world.scratch / "start")))
        elif strategy == "freeze":
            for key, parameter in model.named_parameters():
                parameter.requires_grad_(key.startswith("classifier"))
        recipe = recipe_of(world, folder, made, strategy, eval_dataset=write_lines(world.scratch / "eval.jsonl", held_out), training=steps | OURS, **settings)
        world.program.run("train", recipe)
        joining = Joining(folder)
        log = train.trained_by_transformers(model, joining, made, [], steps, world.scratch / "oracle")
        curve = train.curve(world.scratch / "run")
        train.compare_curves(result, curve, log)
        compare_evaluation(result, curve[-1], model.eval(), [joining(held_out[at:at + together]) for at in range(0, len(held_out), together)])
        if strategy == "lora":
            got, wanted = load_file(world.scratch / "run" / "adapter" / "adapter_model.safetensors"), get_peft_model_state_dict(model)
        else:
            got, wanted = load_file(world.scratch / "run" / "model" / "model.safetensors"), model.state_dict()
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
        result.same("model_type", got["model_type"], read(folder / "config.json")["model_type"])
        result.same("parameters", got["parameters"], sum(parameter.numel() for parameter in encoder(folder).parameters()))
    return case


def forecast_case(strategy, together=6):
    """As of every frozen tower the forecast leaves out what passes through it (pictures_alone.forecast_case), so `freeze` is not asked."""
    def case(world, result):
        folder, made = headed("sam-larger", world), []
        for number in range(together):
            picture = world.scratch / f"{number}.png"
            Image.new("RGB", (96, 64), (number, 5 * number, 120)).save(picture)
            made.append({"image": str(picture), "label": NAMES[0]})
        recipe = recipe_of(world, folder, made, strategy, training=dict(
            max_steps=3, per_device_train_batch_size=together, gradient_accumulation_steps=1, device="cpu", dtype="float32", gradient_checkpointing="false",
            logging_steps=1, save_steps=0))
        foreseen = world.program.json("plan", recipe, "--json")
        world.program.run("train", recipe)
        peak = max(line["memory"]["peak"] for line in train.curve(world.scratch / "run"))
        result.facts["forecast error"] = f"{100 * (foreseen['total'] / peak - 1):+.1f} %"
        result.near("forecast", foreseen["total"], peak, 0.05, "forecast")
    return case


def cases(everything=False):
    found = {"sam-encoder/sam-plain/forward": forward_case("sam-plain"), "sam-encoder/sam-whole/forward": forward_case("sam-whole"),
             "sam-encoder/sam-whole/head": head_case("sam-whole"), "sam-encoder/sam-plain/lora": train_case("sam-plain", "lora"),
             "sam-encoder/sam-whole/info": info_case("sam-whole"), "sam-encoder/forecast/full": forecast_case("full")}
    if everything:
        found |= {"sam-encoder/sam-bare/forward": forward_case("sam-bare"), "sam-encoder/sam-whole/full": train_case("sam-whole", "full", 2, 2),
                  "sam-encoder/sam-plain/freeze": train_case("sam-plain", "freeze"), "sam-encoder/sam-plain/info": info_case("sam-plain")}
    return found

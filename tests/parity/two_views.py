# SPDX-License-Identifier: GPL-3.0-or-later
"""SimCLR (Chen et al. 2020), which transformers has no class for: `objective: two_views` against its formulas in torch over the same checkpoints'
…ForImageClassification. Views are made here a second time from the draws (SplitMix64 by seed and place), the loss is NT-Xent of what the head says."""
import json
import math

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file

import train
from encoders import GOLDEN, WORD, Draws, mixed
from pictures_alone import SPECS, Joining, counted, make, oracle, rows, silent, write_lines

SETTINGS = dict(temperature=0.3, smallest=0.3, jitter=0.6)
DRAWS = 10


def luma(picture):
    return (0.2989 * picture[0] + 0.587 * picture[1] + 0.114 * picture[2]).unsqueeze(0)


def view(picture, draws, colours, smallest, jitter):
    """[3, height, width] as the model gets it, and the ten numbers of one view."""
    area_, form_, left, top, mirrored, coloured, brightness, contrast, saturation, grey = draws
    height, width = picture.shape[1:]
    area, form = height * width * (smallest + (1 - smallest) * area_), math.exp((2 * form_ - 1) * math.log(4 / 3))
    w = min(max(math.floor(math.sqrt(area * form) + 0.5), 1), width)
    h = min(max(math.floor(math.sqrt(area / form) + 0.5), 1), height)
    x, y = int(left * (width - w + 1)), int(top * (height - h + 1))
    part = torch.nn.functional.interpolate(picture[None, :, y:y + h, x:x + w], size=(height, width), mode="bilinear", antialias=True)[0]
    if mirrored < 0.5:
        part = part.flip(-1)
    mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in colours)
    part = part * deviation + mean
    if coloured < 0.8:
        low = max(0.0, 1 - jitter)
        factor = lambda drawn: low + (1 + jitter - low) * drawn
        part = (factor(brightness) * part).clamp(0, 1)
        part = (factor(contrast) * part + (1 - factor(contrast)) * luma(part).mean()).clamp(0, 1)
        part = (factor(saturation) * part + (1 - factor(saturation)) * luma(part)).clamp(0, 1)
    if grey < 0.2:
        part = luma(part).expand_as(part)
    return (part - mean) / deviation


def colours_of(name):
    processor = SPECS[name].picture()
    return tuple(processor.image_mean), tuple(processor.image_std)


def views(name, pixels, draws):
    """Each picture's two views after one another."""
    made = [view(picture, drawn[begin:begin + DRAWS], colours_of(name), SETTINGS["smallest"], SETTINGS["jitter"])
            for picture, drawn in zip(pixels, draws) for begin in (0, DRAWS)]
    return torch.stack(made)


def nt_xent(said):
    points = torch.nn.functional.normalize(said, dim=-1)
    alike = points @ points.T / SETTINGS["temperature"]
    alike = alike.masked_fill(torch.eye(len(alike), dtype=torch.bool), -math.inf)
    return torch.nn.functional.cross_entropy(alike, torch.arange(len(alike)) ^ 1), alike


class SimClr(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixel_values):
        return {"loss": nt_xent(self.model(pixel_values=pixel_values).logits)[0]}


class Viewed(Joining):
    """With the draws that the engine makes, micro-batch after micro-batch."""

    def __init__(self, name, seed):
        super().__init__(name)
        self.name, self.seed, self.number = name, seed, 0

    def __call__(self, made):
        pixels = super().__call__(made)["pixel_values"]
        seed = mixed((self.seed * GOLDEN + (self.number + 1) * 0xD1B54A32D192ED03) & WORD)
        self.number += 1
        draws = []
        for index in range(len(made)):
            drawn = Draws(seed, index)
            draws.append([drawn.unit() for _ in range(2 * DRAWS)])
        return {"pixel_values": views(self.name, pixels, draws)}


def recipe_of(world, folder, made, strategy, **settings):
    made = [{"image": row["image"]} for row in made]
    recipe = dict(model=str(folder), dataset=write_lines(world.scratch / "train.jsonl", made), output_dir=str(world.scratch / "run"), objective="two_views",
                  two_views=SETTINGS, strategy=strategy) | settings
    (world.scratch / "recipe.yaml").write_text(json.dumps(recipe))
    return world.scratch / "recipe.yaml"


def loss_case(name):
    def case(world, result):
        folder = make(name, world.checkpoints)
        recipe = recipe_of(world, folder, rows(world, 5), "full", training=dict(device="cpu", dtype="float32"))
        world.program.run("loss", recipe, "--rows", world.scratch / "train.jsonl", "--out", world.scratch / "out.safetensors")
        got, model = load_file(world.scratch / "out.safetensors"), oracle(folder)
        draws = got["draws"]
        result.expect(draws.min() >= 0 and draws.max() < 1 and len(draws.unique()) == draws.numel(), "the draws are no draws")
        result.close("views", got["views"], views(name, got["pixel_values"][::2], draws.tolist()), 1e-5, "pixels")
        said = model.train()(pixel_values=got["views"]).logits   # norms go by the batch's statistics
        result.close("points", got["points"], torch.nn.functional.normalize(said, dim=-1).detach(), 2e-5, "points")
        loss, _ = nt_xent(said)
        loss.backward()
        result.close("loss", got["loss"], loss.detach().view(1), 1e-5, "loss")
        largest = max(parameter.grad.abs().max().item() for parameter in model.parameters())
        stored = {key.removeprefix("grad."): tensor for key, tensor in got.items() if key.startswith("grad.")}
        named = dict(model.named_parameters())
        result.same("gradients", len(stored), len(named))
        norm = math.sqrt(sum(parameter.grad.double().pow(2).sum().item() for parameter in named.values()))
        result.near("norm of the gradients", math.sqrt(sum(tensor.double().pow(2).sum().item() for tensor in stored.values())), norm, 1e-4, "norm")
        for key in set(stored) & set(named):
            result.close(f"grad.{key}", stored[key], named[key].grad, 1e-4, "zero grad" if silent(key) else "grad", largest if silent(key) else 1e-5 * largest)
    return case


def train_case(name, strategy):
    def case(world, result):
        folder, made = make(name, world.checkpoints), rows(world, 12)
        steps = train.DEFAULTS | dict(max_steps=6, per_device_train_batch_size=4, gradient_accumulation_steps=1, learning_rate=1e-3, weight_decay=0.01)
        settings = dict(training=steps | dict(device="cpu", dtype="float32", gradient_checkpointing="false", logging_steps=1, save_steps=0))
        model = oracle(folder)
        if strategy == "lora":
            model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules=["query", "value"] if name.startswith("dino") else ["q_proj", "v_proj"],
                                                     lora_dropout=0.0, modules_to_save=["classifier"]))
            model.save_pretrained(world.scratch / "start")
            settings["adapter"] = dict(init_from=str(world.scratch / "start"))
        if strategy == "freeze":   # the tower is fixed, and its pictures are looked at anew all the same
            for key, parameter in model.named_parameters():
                parameter.requires_grad_(key.startswith("classifier"))
        world.program.run("train", recipe_of(world, folder, made, strategy, **settings))
        log = train.trained_by_transformers(SimClr(model), Viewed(name, steps["seed"]), made, [], steps, world.scratch / "oracle")
        train.compare_curves(result, train.curve(world.scratch / "run"), log)
        if strategy == "lora":
            got, wanted = load_file(world.scratch / "run" / "adapter" / "adapter_model.safetensors"), get_peft_model_state_dict(model)
        else:
            got, wanted = oracle(world.scratch / "run" / "model").state_dict(), model.state_dict()
        if result.same("tensors", sorted(got), sorted(wanted)):
            for key, tensor in wanted.items():
                if not silent(key) and not counted(key):
                    result.close(key, got[key], tensor.detach(), train.WEIGHTS, "weights")
    return case


def forecast_case(world, result):
    folder = make("vit-larger", world.checkpoints)
    made = [{"image": str(world.inputs / "photo.png")}] * 8
    recipe = recipe_of(world, folder, made, "full", training=dict(max_steps=3, per_device_train_batch_size=8, gradient_accumulation_steps=1, device="cpu",
                                                                  dtype="float32", gradient_checkpointing="false", logging_steps=1, save_steps=0))
    foreseen = world.program.json("plan", recipe, "--json")
    world.program.run("train", recipe)
    peak = max(line["memory"]["peak"] for line in train.curve(world.scratch / "run"))
    result.facts["forecast error"] = f"{100 * (foreseen['total'] / peak - 1):+.1f} %"
    result.near("forecast", foreseen["total"], peak, 0.05, "forecast")


def cases(_all=False):
    found = {"two-views/vit-plain/loss": loss_case("vit-plain"), "two-views/resnet-basic/loss": loss_case("resnet-basic"),
             "two-views/vit-plain/full": train_case("vit-plain", "full"), "two-views/vit-plain/lora": train_case("vit-plain", "lora"),
             "two-views/vit-plain/freeze": train_case("vit-plain", "freeze"),
             "two-views/forecast/full": forecast_case}
    return found | ({"two-views/dinov2-plain/lora": train_case("dinov2-plain", "lora")} if _all else {})

# SPDX-License-Identifier: GPL-3.0-or-later
"""CLIPSeg against transformers' CLIPSegForImageSegmentation: `loss` on prompts of either kind, runs of `objective: segmentation` against Trainer and PEFT,
and the `segment` verb. A prompt's point is made by the oracle's own CLIP, row by row, since a batch there has texts or pictures and never both."""
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy
import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from PIL import Image, ImageDraw
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, CLIPSegConfig, CLIPSegForImageSegmentation, ViTImageProcessorPil

import report
import train
from conversations import SIZES
from families.base import randomise, read, write
from two_towers import LONGEST, TEXT, TOWER, silent, words, write_lines

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
PROMPTS = ("a red circle", "two GREEN triangles", "파란 사각형", "the old harbour was quiet in the morning; boats lay on the sand", "x")
DECODER = dict(projection_dim=24, reduce_dim=16, decoder_num_attention_heads=4, decoder_intermediate_size=40)


@dataclass
class Spec:
    tower: dict = field(default_factory=dict)
    text: dict = field(default_factory=dict)
    model: dict = field(default_factory=dict)
    size: int = 30          # of the processor's frames
    dtype: str = "float32"
    old: bool = False       # the sections' older names beside newer ones that lie, an older processor's file, and buffers among the tensors


SPECS = {
    "clipseg-plain": Spec({**TOWER, "num_hidden_layers": 4}, TEXT, {**DECODER, "extract_layers": [0, 2, 3]}),
    # Frames of another size with a rest of a patch, two transposed convolutions that say fewer pixels than a patch has, the prompt in the second layer.
    "clipseg-stretched": Spec({**TOWER, "patch_size": 9, "num_hidden_layers": 3, "hidden_act": "gelu", "layer_norm_eps": 1e-4}, {**TEXT, "num_attention_heads": 5},
                              {**DECODER, "extract_layers": [1, 0], "conditional_layer": 1, "use_complex_transposed_convolution": True,
                               "decoder_num_attention_heads": 2, "reduce_dim": 12}, 43, "bfloat16", old=True),
    "clipseg-larger": Spec(dict(hidden_size=96, intermediate_size=256, num_attention_heads=4, num_hidden_layers=4, image_size=64, patch_size=8),
                           dict(hidden_size=64, intermediate_size=128, num_attention_heads=4, num_hidden_layers=2, max_position_embeddings=77),
                           dict(projection_dim=64, reduce_dim=64, decoder_num_attention_heads=4, decoder_intermediate_size=512, extract_layers=[1, 2, 3]), 128),
}


def make(name, root: Path):
    folder, spec = root / name, SPECS[name]
    if folder.exists():
        return folder
    tokenizer = words()
    mark = tokenizer.eos_token_id
    config = CLIPSegConfig(vision_config=spec.tower, text_config=dict(spec.text, vocab_size=len(tokenizer) + 1, bos_token_id=tokenizer.bos_token_id,
                                                                      eos_token_id=2 if spec.old else mark, pad_token_id=mark), **spec.model)
    model = CLIPSegForImageSegmentation(config)
    for number, part in enumerate((model.clip.text_model, model.clip.vision_model, model.clip.text_projection, model.clip.visual_projection, model.decoder)):
        randomise(part, seed=sum(name.encode()) + number)
    model.to(getattr(torch, spec.dtype)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    ViTImageProcessorPil(size={"height": spec.size, "width": spec.size}, image_mean=MEAN, image_std=STD).save_pretrained(folder)
    if spec.old:
        content = read(folder / "config.json")
        for key, lie in (("vision_config", {"num_hidden_layers": 7}), ("text_config", {"vocab_size": 5})):
            content[f"{key}_dict"], content[key] = content[key], lie
        write(folder / "config.json", content)
        settings = read(folder / "preprocessor_config.json")
        settings["feature_extractor_type"], settings["size"] = "ViTFeatureExtractor", spec.size
        settings.pop("image_processor_type")
        write(folder / "preprocessor_config.json", settings)
        file = folder / "model.safetensors"
        save_file(load_file(file) | {"clip.text_model.embeddings.position_ids": torch.arange(LONGEST).view(1, -1)}, file, metadata={"format": "pt"})
    return folder


def oracle(folder):
    model = CLIPSegForImageSegmentation.from_pretrained(folder, dtype=torch.float32).eval()
    model.accepts_loss_kwargs = False    # its class takes num_items_in_batch and drops it, so that Trainer would add up a window's means
    return model


def shape_of(index, width, height):
    """A box or polygons, as a row has them and as a mask [height, width]; centres of pixels decide."""
    box = [0.2 * width, 0.1 * height, max(0.2 * width + 1, 0.7 * width), max(0.1 * height + 1, 0.8 * height)]
    corners = [[0, 0], [width, 0.3 * height], [0.5 * width, height]]
    y, x = numpy.mgrid[0:height, 0:width] + 0.5
    inside = (x >= box[0]) & (x < box[2]) & (y >= box[1]) & (y < box[3])
    if index % 2 == 0:
        return box, inside
    sides = [(a, b) for a, b in zip(corners, corners[1:] + corners[:1])]
    crosses = [((b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])) for a, b in sides]
    triangle = numpy.all([each >= 0 for each in crosses], axis=0) | numpy.all([each <= 0 for each in crosses], axis=0)
    flat = [number for corner in corners for number in corner]
    return [flat, box], inside | triangle


def rows(world, count, prompts="both"):
    """Rows with masks of all kinds, and beside them the masks as arrays. `prompts`: texts, pictures, both."""
    names = [name for name in sorted(SIZES) if name != "tiny.png"]
    made, masks = [], []
    for index in range(count):
        name = names[index % len(names)]
        width, height = SIZES[name]
        row = {"image": str(world.inputs / name)}
        if prompts == "pictures" or (prompts == "both" and index % 3 == 1):
            row["prompt_image"] = str(world.inputs / names[(index + 2) % len(names)])
        else:
            row["text"] = f"{PROMPTS[index % len(PROMPTS)]} {index // len(PROMPTS)}".strip(" 0")
        if index % 2 == 0:
            mask = Image.new("1" if index % 4 else "L", (width, height))
            ImageDraw.Draw(mask).ellipse((0.1 * width, 0.2 * height, 0.8 * width, 0.9 * height), fill=255)
            file = world.scratch / f"mask-{index}.png"
            mask.save(file)
            row["mask"], inside = str(file), numpy.asarray(mask.convert("L")) > 0
        else:
            row["mask"], inside = shape_of(index // 2, width, height)
        made.append(row)
        masks.append(inside)
    return made, masks


class Joining:
    """What the model gets of rows: pixels, points of prompts, and masks at the logits' size."""

    def __init__(self, folder, masks):
        self.tokenizer, self.pictures, self.clip = AutoTokenizer.from_pretrained(folder), ViTImageProcessorPil.from_pretrained(folder), oracle(folder)
        self.masks = {id(row): mask for row, mask in masks}
        with torch.no_grad():
            size = self.pictures.size["height"]
            self.edge = self.clip(pixel_values=torch.zeros(1, 3, size, size), input_ids=torch.tensor([[self.tokenizer.eos_token_id]])).logits.shape[-1]

    def pixels(self, files):
        return self.pictures([Image.open(file).convert("RGB") for file in files], return_tensors="pt")["pixel_values"]

    @torch.no_grad()
    def point(self, row):
        if "prompt_image" in row:
            return self.clip.get_conditional_embeddings(batch_size=1, conditional_pixel_values=self.pixels([row["prompt_image"]]).to(self.clip.dtype))
        ids = self.tokenizer(row["text"], truncation=True, max_length=LONGEST, return_tensors="pt")
        return self.clip.get_conditional_embeddings(batch_size=1, **ids)

    def __call__(self, made):
        masks = [Image.fromarray(self.masks[id(row)]).convert("L").resize((self.edge, self.edge), Image.Resampling.NEAREST) for row in made]
        pixels = self.pixels([row["image"] for row in made]).to(self.clip.dtype)
        return {"pixel_values": pixels, "conditional_embeddings": torch.cat([self.point(row) for row in made]),
                "labels": torch.stack([torch.tensor(numpy.asarray(mask) > 0).to(pixels) for mask in masks])}


def joining_of(folder, made, masks):
    return Joining(folder, list(zip(made, masks)))


def recipe_of(world, folder, made, strategy, **settings):
    recipe = dict(model=str(folder), dataset=write_lines(world.scratch / "train.jsonl", made), output_dir=str(world.scratch / "run"), objective="segmentation",
                  strategy=strategy) | settings
    (world.scratch / "recipe.yaml").write_text(json.dumps(recipe, ensure_ascii=False))
    return world.scratch / "recipe.yaml"


def loss_case(name, prompts):
    def case(world, result):
        folder, (made, masks) = make(name, world.checkpoints), rows(world, 6, prompts)
        recipe = recipe_of(world, folder, made, "full", training=dict(device="cpu", dtype="float32"))
        world.program.run("loss", recipe, "--rows", world.scratch / "train.jsonl", "--out", world.scratch / "out.safetensors")
        # In float64: transformers' float32 is off by more than what is allowed where a prompt's point nearly takes a layer's states away.
        got, model, joining = load_file(world.scratch / "out.safetensors"), oracle(folder).double(), joining_of(folder, made, masks)
        joining.clip.double()
        inputs = joining(made)
        queries = [index for index, row in enumerate(made) for _ in range(2 if "prompt_image" in row else 1)]
        first = [queries.index(index) for index in range(len(made))]
        result.close("pixel_values", got["pixel_values"][first], inputs["pixel_values"], 1e-6, "pixels")
        result.close("masks", got["masks"], inputs["labels"], 0.0, "mask")
        out = model(**inputs)
        out.loss.backward()
        result.close("logits", got["logits"], out.logits.detach(), report.LOGITS, "logits")
        result.close("loss", got["loss"], out.loss.detach().view(1), 1e-5, "loss")
        named = dict(model.named_parameters())
        largest = max(parameter.grad.abs().max().item() for parameter in named.values() if parameter.grad is not None)
        for key, parameter in named.items():
            if parameter.grad is None:
                mine = got.get(f"grad.{key}")
                result.expect(key.startswith("clip.") and (mine is None or not mine.any()), f"{key} has a gradient")
            else:
                result.close(f"grad.{key}", got[f"grad.{key}"], parameter.grad, 1e-4, "zero grad" if silent(key) else "grad", largest if silent(key) else 0.0)
    return case


def overlap(logits, masks):
    """Of each row the intersection over union of what is said and what is meant, and of the rest."""
    found, meant = logits > 0, masks > 0.5
    both = []
    for a, b in ((found, meant), (~found, ~meant)):
        union = (a | b).sum((1, 2))
        both.append(torch.where(union > 0, (a & b).sum((1, 2)) / union.clamp(min=1), torch.ones(len(a))))
    return both


def train_case(name, strategy, together=4, accumulation=1, prompts="both", targets="all-linear"):
    def case(world, result):
        folder, (made, masks) = make(name, world.checkpoints), rows(world, 16, prompts)
        held_out, joining = made[12:], joining_of(folder, made, masks)
        made = made[:12]
        steps = train.DEFAULTS | dict(max_steps=6, per_device_train_batch_size=together, gradient_accumulation_steps=accumulation, learning_rate=1e-3,
                                      lr_scheduler_type="linear", warmup_steps=2, weight_decay=0.01)
        settings, model = {}, oracle(folder)
        if strategy == "lora":
            model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules=targets, lora_dropout=0.0))
            model.accepts_loss_kwargs = False
            model.save_pretrained(world.scratch / "start")
            settings = dict(adapter=dict(init_from=str(world.scratch / "start")))
        elif strategy == "freeze":
            for key, parameter in model.named_parameters():
                parameter.requires_grad_(key.startswith("decoder."))
        recipe = recipe_of(world, folder, made, strategy, eval_dataset=write_lines(world.scratch / "eval.jsonl", held_out), training=steps | dict(
            device="cpu", dtype="float32", gradient_checkpointing="false", logging_steps=1, save_steps=0, eval_steps=6), **settings)
        world.program.run("train", recipe)
        log = train.trained_by_transformers(model, joining, made, [], steps, world.scratch / "oracle")
        curve = train.curve(world.scratch / "run")
        train.compare_curves(result, curve, log)
        with torch.no_grad():
            inputs = joining(held_out)
            out = model.eval()(**inputs)
        inside, outside = overlap(out.logits, inputs["labels"])
        result.near("eval_loss", curve[-1]["eval_loss"], out.loss.item(), train.CURVE, "eval_loss")
        result.near("eval_iou", curve[-1]["eval_iou"], inside.mean().item(), 0.02, "eval_iou")
        result.near("eval_mean_iou", curve[-1]["eval_mean_iou"], ((inside + outside) / 2).mean().item(), 0.02, "eval_iou")
        if strategy == "lora":
            got, wanted, slack = load_file(world.scratch / "run" / "adapter" / "adapter_model.safetensors"), get_peft_model_state_dict(model), 0
        else:
            stored, start = load_file(world.scratch / "run" / "model" / "model.safetensors"), load_file(folder / "model.safetensors")
            result.same("stored names", sorted(stored), sorted(key for key in start if not key.endswith("position_ids")))
            got, wanted = oracle(world.scratch / "run" / "model").state_dict(), model.state_dict()
            slack = {"float32": 0, "bfloat16": 2 ** -8}[SPECS[name].dtype]
        if not result.same("tensors", sorted(got), sorted(wanted)):
            return
        for key, tensor in wanted.items():
            still = "clip." in key
            if still:
                result.close(key, got[key], tensor.detach(), 0.0, "weights that stand still")
            elif not silent(key):
                result.close(key, got[key], tensor.detach(), train.WEIGHTS + slack, "weights")
    return case


def segment_case(name):
    """The verb: a map and an area a prompt, at the picture's size."""
    def case(world, result):
        folder, file = make(name, world.checkpoints), world.inputs / "photo.png"
        other, texts = world.inputs / "square.png", ["a red circle", "boats"]
        got = world.program.json("segment", folder, "--image", file, "--prompt", texts[0], "--prompt-image", other, "--prompt", texts[1], "--out",
                                 world.scratch / "out", "--dtype", "float32", "--device", "cpu", "--json")
        asked = [{"image": str(file), "text": text} for text in texts] + [{"image": str(file), "prompt_image": str(other)}]
        model, joining = oracle(folder), Joining(folder, [])
        width, height = SIZES["photo.png"]
        with torch.no_grad():
            logits = model(pixel_values=joining.pixels([file] * 3), conditional_embeddings=torch.cat([joining.point(row) for row in asked])).logits
            wanted = torch.nn.functional.interpolate(logits.sigmoid().unsqueeze(1), (height, width), mode="bilinear").squeeze(1)
        result.same("prompts", [each.get("prompt", each.get("prompt_image")) for each in got["prompts"]], [*texts, str(other)])
        for each, share in zip(got["prompts"], wanted):
            map_ = torch.tensor(numpy.asarray(Image.open(each["file"]).convert("L"))).float()
            result.close("map", map_, 255 * share, 0.51 / (255 * share.max().item()), "map")    # a byte each
            result.near("mean_probability", each["mean_probability"], share.mean().item(), 1e-5)
            near = ((share - 0.5).abs() < 1e-4).sum().item()
            result.expect(abs(each["pixels"] - (share > 0.5).sum().item()) <= near, f"{each['pixels']} pixels")
        result.same("overlay", Image.open(got["overlay"]).size, (width, height))
    return case


def info_case(name):
    def case(world, result):
        got, named = world.program.json("info", make(name, world.checkpoints), "--json"), dict(oracle(world.checkpoints / name).named_parameters())
        result.same("model_type", got["model_type"], "clipseg")
        result.same("dtype", got["dtype"], SPECS[name].dtype)
        result.same("parameters", got["parameters"], sum(parameter.numel() for parameter in named.values()))
        result.same("the decoder", got["parts"]["projector"], sum(parameter.numel() for key, parameter in named.items() if key.startswith("decoder.")))
    return case


def forecast_case(strategy, together=8, **settings):
    def case(world, result):
        folder = make("clipseg-larger", world.checkpoints)
        made = [{"image": str(world.inputs / "photo.png"), "text": "a small blue square", "mask": [0, 0, 40, 40]}] * together * (3 if strategy == "freeze" else 1)
        recipe = recipe_of(world, folder, made, strategy, training=dict(
            max_steps=3, per_device_train_batch_size=together, gradient_accumulation_steps=1, device="cpu", dtype="float32", gradient_checkpointing="false",
            logging_steps=1, save_steps=0), **settings)
        foreseen = world.program.json("plan", recipe, "--json")
        world.program.run("train", recipe)
        peak = max(line["memory"]["peak"] for line in train.curve(world.scratch / "run"))
        result.facts["forecast error"] = f"{100 * (foreseen['total'] / peak - 1):+.1f} %"
        result.near("forecast", foreseen["total"], peak, 0.05, "forecast")
    return case


def refused_case(world, result):
    """Rows that are none of masks, by row and field; a processor that shows the model a part of the picture."""
    folder = make("clipseg-plain", world.checkpoints)
    image, scratch = str(world.inputs / "photo.png"), world.scratch
    Image.new("L", (97, 61), 255).save(scratch / "fits.png")
    Image.new("L", (97, 60)).save(scratch / "small.png")
    Image.new("L", (97, 61), 7).save(scratch / "grey.png")
    whole = {"image": image, "text": "a", "mask": str(scratch / "fits.png")}
    for change, place, said in (({"mask": None}, "mask", "no mask"), ({"mask": str(scratch / "small.png")}, "mask", "97 x 60"),
                                ({"mask": str(scratch / "grey.png")}, "mask", "not black and white"), ({"mask": str(scratch / "none.png")}, "mask", "none.png"),
                                ({"mask": [3, 3, 2, 9]}, "mask", "corner"), ({"mask": [[0, 0, 500, 0, 0, 500]]}, "mask", "outside its picture"),
                                ({"mask": [[1, 2, 3]]}, "mask[0]", "neither a box"), ({"mask": []}, "mask", "empty"),
                                ({"mask": [[0.1, 0.1], [0.2, 0.1], [0.1, 0.2]]}, "mask", "covers no pixel"), ({"text": " "}, "text", "prompt is empty"),
                                ({"text": None}, "text", "no prompt"), ({"prompt_image": image}, "prompt_image", "a text and a picture"),
                                ({"image": None}, "image", "no picture")):
        recipe = recipe_of(world, folder, [{key: value for key, value in (whole | change).items() if value is not None}], "full", training=dict(
            device="cpu", dtype="float32", max_steps=1))
        done = world.program.end("train", recipe)
        result.expect(done.returncode == 2 and said in done.stderr and f"row 1: {place}" in done.stderr, f"{change} said {done.stderr.strip()[-300:]}")
        if said not in ("not black and white", "covers no pixel"):   # which is found where the mask is drawn
            result.expect(not (scratch / "run").exists(), f"{change} left a folder")
        shutil.rmtree(scratch / "run", ignore_errors=True)
    done = world.program.end("segment", folder, "--image", image, "--prompt", " ", "--out", scratch / "out")
    result.expect(done.returncode == 2 and "prompt is empty" in done.stderr, f"segment said {done.stderr.strip()[-300:]}")
    shutil.copytree(folder, scratch / "cropped")
    settings = read(folder / "preprocessor_config.json")
    write(scratch / "cropped" / "preprocessor_config.json", settings | {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 30}, "crop_size": 30})
    done = world.program.end("segment", scratch / "cropped", "--image", image, "--prompt", "a", "--out", scratch / "out")
    result.expect(done.returncode == 2 and "picture as it is" in done.stderr, f"segment said {done.stderr.strip()[-300:]}")


def cases(everything=False):
    found = {"segmentation/clipseg-plain/loss": loss_case("clipseg-plain", "both"), "segmentation/clipseg-stretched/loss": loss_case("clipseg-stretched", "texts"),
             "segmentation/clipseg-plain/full": train_case("clipseg-plain", "full", 2, 2), "segmentation/clipseg-stretched/lora": train_case("clipseg-stretched", "lora"),
             "segmentation/clipseg-stretched/segment": segment_case("clipseg-stretched"), "segmentation/clipseg-plain/info": info_case("clipseg-plain"),
             "segmentation/refused": refused_case, "segmentation/forecast/freeze": forecast_case("freeze")}
    if everything:
        found |= {"segmentation/clipseg-stretched/pictures": loss_case("clipseg-stretched", "pictures"),
                  "segmentation/clipseg-plain/freeze": train_case("clipseg-plain", "freeze", prompts="pictures"),
                  "segmentation/clipseg-stretched/full": train_case("clipseg-stretched", "full"), "segmentation/clipseg-plain/segment": segment_case("clipseg-plain"),
                  "segmentation/forecast/full": forecast_case("full"),
                  "segmentation/forecast/lora": forecast_case("lora", adapter=dict(r=8, target_modules="all-linear"))}
    return found

# SPDX-License-Identifier: GPL-3.0-or-later
"""Models of pictures alone with a head of classes: ViT, DINOv2 with and without registers, ResNet, EfficientNet, Swin, NFNet in timm's own folders, and CLIP's and SigLIP's
towers by themselves. `forward` and `loss` on rows of a picture and a label, runs of `objective: classification` against transformers' Trainer and PEFT, and a
resumed run that ends in the bytes of an undisturbed one."""
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import timm
import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import (AutoConfig, AutoModelForImageClassification, BitImageProcessorPil, CLIPConfig, CLIPForImageClassification, CLIPImageProcessorPil, ConvNextImageProcessorPil, Dinov2Config,
                          Dinov2ForImageClassification, Dinov2WithRegistersConfig, Dinov2WithRegistersForImageClassification, EfficientNetConfig,
                          EfficientNetForImageClassification, EfficientNetImageProcessorPil, ResNetConfig, ResNetForImageClassification, SiglipConfig,
                          SiglipForImageClassification, SiglipImageProcessorPil, SwinConfig, SwinForImageClassification, TimmWrapperImageProcessor, ViTConfig,
                          ViTForImageClassification, ViTImageProcessorPil)

import report
import train
from conversations import SIZES
from families.base import randomise, read, write

NAMES = ("red", "blue", "초록")
VIT = dict(hidden_size=32, intermediate_size=56, num_attention_heads=4, num_hidden_layers=2, image_size=30, patch_size=6)
DINO = dict(hidden_size=32, mlp_ratio=2, num_attention_heads=4, num_hidden_layers=2, image_size=30, patch_size=6, layerscale_value=0.5)
SWIN = dict(image_size=46, patch_size=4, embed_dim=16, depths=[2, 2], num_heads=[2, 4], window_size=5, mlp_ratio=2.0, drop_path_rate=0.0)
STAGES = dict(kernel_sizes=(3, 5, 3), in_channels=(32, 16, 24), out_channels=(16, 24, 32), strides=(1, 2, 2), num_block_repeats=(1, 2, 1), expand_ratios=(1, 4, 6))


@dataclass
class Spec:
    config: object
    model: type
    picture: object                     # the processor
    dtype: str = "float32"
    convolutions: bool = False
    body: str = "vision_tower"
    old: bool = False                   # names without the body's, an older processor's file
    timm: dict | None = None            # a folder of timm's own: what its create_model gets, and what config.json says of pictures


def bit(size, crop):
    return BitImageProcessorPil(size={"shortest_edge": size}, crop_size={"height": crop, "width": crop})


SPECS = {
    "vit-plain": Spec(lambda: ViTConfig(**VIT), ViTForImageClassification, lambda: ViTImageProcessorPil(size={"height": 30, "width": 30})),
    "vit-uneven": Spec(lambda: ViTConfig(**{**VIT, "patch_size": 7, "num_attention_heads": 2, "qkv_bias": False, "hidden_act": "gelu_new", "layer_norm_eps": 1e-5}),
                       ViTForImageClassification, lambda: ViTImageProcessorPil(size={"height": 30, "width": 30}, resample=3), "bfloat16", old=True),
    "dinov2-plain": Spec(lambda: Dinov2Config(**DINO), Dinov2ForImageClassification, lambda: bit(34, 30)),
    "dinov2-stretched": Spec(lambda: Dinov2Config(**{**DINO, "use_swiglu_ffn": True, "num_hidden_layers": 3, "use_mask_token": False}),
                             Dinov2ForImageClassification, lambda: bit(44, 42), "float16"),
    "registers-plain": Spec(lambda: Dinov2WithRegistersConfig(**{**DINO, "num_register_tokens": 3, "qkv_bias": False}), Dinov2WithRegistersForImageClassification,
                            lambda: bit(34, 30)),
    "registers-stretched": Spec(lambda: Dinov2WithRegistersConfig(**{**DINO, "use_swiglu_ffn": True, "hidden_act": "relu"}),
                                Dinov2WithRegistersForImageClassification, lambda: bit(60, 48)),
    "resnet-basic": Spec(lambda: ResNetConfig(embedding_size=8, hidden_sizes=[8, 16, 24], depths=[1, 2, 1], layer_type="basic"), ResNetForImageClassification,
                         lambda: ConvNextImageProcessorPil(size={"shortest_edge": 40}, crop_pct=0.9), convolutions=True),
    "resnet-bottleneck": Spec(lambda: ResNetConfig(embedding_size=8, hidden_sizes=[16, 32], depths=[2, 2], downsample_in_first_stage=True,
                                                   downsample_in_bottleneck=True, hidden_act="gelu"), ResNetForImageClassification,
                              lambda: ConvNextImageProcessorPil(size={"shortest_edge": 40}), "bfloat16", True, old=True),
    "resnet-warped": Spec(lambda: ResNetConfig(embedding_size=8, hidden_sizes=[16, 32], depths=[1, 1]), ResNetForImageClassification,
                          lambda: ConvNextImageProcessorPil(size={"shortest_edge": 384}), convolutions=True),
    "efficientnet-plain": Spec(lambda: EfficientNetConfig(width_coefficient=0.5, depth_coefficient=1.0, hidden_dim=640, image_size=46, dropout_rate=0.0,
                                                          drop_connect_rate=0.0, **STAGES), EfficientNetForImageClassification,
                               lambda: EfficientNetImageProcessorPil(size={"height": 46, "width": 46}), convolutions=True),
    "efficientnet-padded": Spec(lambda: EfficientNetConfig(width_coefficient=0.4, depth_coefficient=1.2, hidden_dim=512, depthwise_padding=[1, 4], pooling_type="max",
                                                           batch_norm_momentum=0.2, squeeze_expansion_ratio=0.5, hidden_act="gelu", dropout_rate=0.0,
                                                           drop_connect_rate=0.0, **STAGES), EfficientNetForImageClassification,
                                lambda: EfficientNetImageProcessorPil(size={"height": 50, "width": 50}, do_center_crop=True, crop_size={"height": 45, "width": 45},
                                                                      rescale_offset=True, rescale_factor=1 / 127.5), "float16", True),
    "clip-tower": Spec(lambda: CLIPConfig(vision_config={**VIT, "hidden_act": "quick_gelu"}), CLIPForImageClassification,
                       lambda: CLIPImageProcessorPil(size={"shortest_edge": 30}, crop_size={"height": 30, "width": 30})),
    "siglip-tower": Spec(lambda: SiglipConfig(vision_config={**VIT, "hidden_act": "gelu_pytorch_tanh"}), SiglipForImageClassification,
                         lambda: SiglipImageProcessorPil(size={"height": 30, "width": 30}), "bfloat16"),
    # A frame that patches and windows do not part evenly; one window as large as the last map.
    "swin-plain": Spec(lambda: SwinConfig(**SWIN), SwinForImageClassification, lambda: ViTImageProcessorPil(size={"height": 46, "width": 46})),
    "swin-absolute": Spec(lambda: SwinConfig(**{**SWIN, "use_absolute_embeddings": True, "image_size": 48, "qkv_bias": False, "hidden_act": "gelu_new", "depths": [2, 3],
                                                "layer_norm_eps": 1e-3}), SwinForImageClassification,
                          lambda: ViTImageProcessorPil(size={"height": 48, "width": 48}), "bfloat16", old=True),
    "swin-last": Spec(lambda: SwinConfig(**{**SWIN, "window_size": 4, "depths": [2, 2, 2], "num_heads": [1, 2, 8], "mlp_ratio": 1.5}), SwinForImageClassification,
                      lambda: ViTImageProcessorPil(size={"height": 64, "width": 64}), "float16"),
    "swin-larger": Spec(lambda: SwinConfig(**{**SWIN, "embed_dim": 64, "depths": [2, 2, 2], "num_heads": [2, 4, 8], "window_size": 5, "mlp_ratio": 4}),
                        SwinForImageClassification, lambda: ViTImageProcessorPil(size={"height": 96, "width": 96})),
    "vit-larger": Spec(lambda: ViTConfig(**{**VIT, "hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 4, "image_size": 96, "patch_size": 8}),
                       ViTForImageClassification, lambda: ViTImageProcessorPil(size={"height": 96, "width": 96})),
    "dinov2-larger": Spec(lambda: Dinov2Config(**{**DINO, "hidden_size": 128, "num_hidden_layers": 4, "image_size": 96, "patch_size": 8, "use_swiglu_ffn": True}),
                          Dinov2ForImageClassification, lambda: bit(96, 80)),
    "resnet-larger": Spec(lambda: ResNetConfig(embedding_size=32, hidden_sizes=[64, 128, 256], depths=[2, 2, 2]), ResNetForImageClassification,
                          lambda: ConvNextImageProcessorPil(size={"shortest_edge": 96}), convolutions=True),
    "efficientnet-larger": Spec(lambda: EfficientNetConfig(width_coefficient=1.0, depth_coefficient=1.0, hidden_dim=1280, dropout_rate=0.0, drop_connect_rate=0.0),
                                EfficientNetForImageClassification, lambda: EfficientNetImageProcessorPil(size={"height": 96, "width": 96}), convolutions=True),
}


NFNET = dict(depths=[1, 2, 1], channels=[16, 32, 48], stem_chs=16, group_size=8, num_features=40)


def nfnet(architecture, args, pictures, dtype="float32"):
    """A folder of timm's own layout. Its transform is the processor, by config.json."""
    pictures = dict(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), interpolation="bicubic") | pictures
    return Spec(None, None, lambda: TimmWrapperImageProcessor(pretrained_cfg=dict(pictures), architecture=architecture), dtype,
                timm=dict(architecture=architecture, args=NFNET | args, pictures=pictures))


SPECS |= {
    # Of 48 pixels 45 are taken from 1.5 on, which torchvision rounds to 2.
    "nfnet-plain": nfnet("dm_nfnet_f0", {}, dict(input_size=(3, 45, 45), crop_pct=0.93, crop_mode="squash")),
    "nfnet-deep": nfnet("dm_nfnet_f1", dict(depths=[2, 1, 3], group_size=16, alpha=0.3, attn_gain=1.5, act_layer="silu", skipinit=False, bottle_ratio=1.0),
                        dict(input_size=(3, 38, 38), crop_pct=0.9, crop_mode="center", interpolation="bilinear", mean=(0.5, 0.5, 0.5), std=(0.5, 0.4, 0.3)), "bfloat16"),
    "nfnet-uneven": nfnet("dm_nfnet_f0", dict(act_layer="relu", depths=[1, 1], channels=[24, 40], std_conv_eps=1e-3),
                          dict(input_size=(3, 50, 37), crop_pct=0.8, crop_mode="squash"), "float16"),
    "nfnet-larger": nfnet("dm_nfnet_f0", dict(depths=[1, 2, 2], channels=[64, 128, 256], stem_chs=64, group_size=32, num_features=512),
                          dict(input_size=(3, 96, 96), crop_pct=1.0)),
}


def numbered(config, says="single_label_classification"):
    config.id2label, config.label2id = dict(enumerate(NAMES)), {name: number for number, name in enumerate(NAMES)}
    config.problem_type = says
    return config


def settle(model, convolutions):
    """Statistics that are none of a fresh model, and weights that leave states of one size through many convolutions."""
    with torch.no_grad():
        for key, tensor in model.named_buffers():
            generator = torch.Generator().manual_seed(sum(key.encode()))
            if key.endswith("running_mean"):
                tensor.copy_(0.3 * torch.randn(tensor.shape, generator=generator))
            elif key.endswith("running_var"):
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
            elif key.endswith("num_batches_tracked"):
                tensor.fill_(7)
        for key, tensor in model.named_parameters():
            if tensor.dim() == 4:
                tensor.mul_((2 / tensor[0].numel()) ** 0.5 / tensor.std())
            elif convolutions and key.endswith(("normalization.weight", "batchnorm.weight", "bn.weight", "norm.weight")):
                tensor.uniform_(0.6, 1.2, generator=torch.Generator().manual_seed(sum(key.encode())))


def make_of_timm(name, folder, spec):
    """As timm's save_for_hf writes it."""
    model = timm.create_model(spec.timm["architecture"], num_classes=len(NAMES), **spec.timm["args"])
    generator = torch.Generator().manual_seed(sum(name.encode()))
    with torch.no_grad():
        for key, tensor in model.named_parameters():
            noise = torch.randn(tensor.shape, generator=generator)
            if key.endswith(("gain", "skipinit_gain")):
                tensor.copy_(0.8 + 0.2 * noise)
            else:
                tensor.copy_(0.2 * noise if tensor.dim() == 1 else noise / tensor[0].numel() ** 0.5)
    model.pretrained_cfg = {**model.pretrained_cfg, **spec.timm["pictures"]}
    timm.models.save_for_hf(model.to(getattr(torch, spec.dtype)), folder, model_config=dict(label_names=list(NAMES)), model_args=spec.timm["args"],
                            safe_serialization=True)
    return folder


def make(name, root: Path):
    folder, spec = root / name, SPECS[name]
    if folder.exists():
        return folder
    if spec.timm:
        return make_of_timm(name, folder, spec)
    model = spec.model(numbered(spec.config()))
    randomise(model, seed=sum(name.encode()))
    settle(model, spec.convolutions)
    model.to(getattr(torch, spec.dtype)).save_pretrained(folder)
    spec.picture().save_pretrained(folder)
    if spec.old:
        settings = read(folder / "preprocessor_config.json")
        settings["feature_extractor_type"] = settings.pop("image_processor_type").replace("ImageProcessorPil", "FeatureExtractor").replace("ImageProcessor", "FeatureExtractor")
        size = settings["size"]
        settings["size"] = size.get("shortest_edge") or size["height"]
        write(folder / "preprocessor_config.json", settings)
    return folder


def oracle(folder):
    return AutoModelForImageClassification.from_pretrained(folder, dtype=torch.float32).eval()


def rows(world, count):
    names = sorted(SIZES)
    return [{"image": str(world.inputs / names[index % len(names)]), "label": NAMES[(index * 5 + index // 3) % len(NAMES)]} for index in range(count)]


def write_lines(path, made):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in made))
    return str(path)


class Joining:
    """What the model gets of rows."""

    def __init__(self, name):
        self.pictures = SPECS[name].picture()

    def __call__(self, made):
        return {"pixel_values": self.pictures([Image.open(row["image"]).convert("RGB") for row in made], return_tensors="pt")["pixel_values"],
                "labels": torch.tensor([NAMES.index(row["label"]) for row in made])}


def is_head(key):
    return key.startswith(("classifier", "head.fc", "timm_model.head.fc"))


def ours(key):
    """A parameter of transformers' by our name in memory."""
    return key.replace("timm_model.head.fc", "classifier")


def silent(key):
    """Biases that a softmax is blind to: their gradients are rounding alone."""
    return ("k_proj" in key or "attention.key" in key) and key.endswith("bias")


def counted(key):
    return key.endswith(("running_mean", "running_var", "num_batches_tracked"))


def forward_case(name):
    def case(world, result):
        folder, made = make(name, world.checkpoints), rows(world, 5)
        model, joining = oracle(folder), Joining(name)
        for row in made:
            (world.scratch / "row.json").write_text(json.dumps(row, ensure_ascii=False))
            world.program.run("forward", folder, "--input", world.scratch / "row.json", "--out", world.scratch / "out.safetensors", "--dtype", "float32",
                              "--device", "cpu")
            got, inputs = load_file(world.scratch / "out.safetensors"), joining([row])
            result.close("pixel_values", got["pixel_values"], inputs["pixel_values"], 1e-6, "pixels")
            with torch.no_grad():
                result.close("logits", got["logits"], model(pixel_values=inputs["pixel_values"]).logits, report.LOGITS, "logits")
        said = world.program.json("classify", folder, "--rows", write_lines(world.scratch / "rows.jsonl", made), "--json")
        with torch.no_grad():
            wanted = [NAMES[model(**joining([row])).logits.argmax().item()] for row in made]
        result.same("classes said", [row["classes"][0] for row in said["rows"]], wanted)
    return case


def info_case(name):
    def case(world, result):
        folder = make(name, world.checkpoints)
        got, named = world.program.json("info", folder, "--json"), dict(oracle(folder).named_parameters())
        result.same("dtype", got["dtype"], SPECS[name].dtype)
        result.same("parameters", got["parameters"], sum(parameter.numel() for parameter in named.values()))
        head = sum(parameter.numel() for key, parameter in named.items() if is_head(key))
        result.same("the head", got["parts"]["projector"], head)
    return case


def recipe_of(world, folder, made, strategy, **settings):
    recipe = dict(model=str(folder), dataset=write_lines(world.scratch / "train.jsonl", made), output_dir=str(world.scratch / "run"), objective="classification",
                  strategy=strategy) | settings
    (world.scratch / "recipe.yaml").write_text(json.dumps(recipe))
    return world.scratch / "recipe.yaml"


def loss_case(name):
    """Loss and gradients of one batch in training: norms by the batch's own statistics."""
    def case(world, result):
        folder, made = make(name, world.checkpoints), rows(world, 6)
        recipe = recipe_of(world, folder, made, "full", training=dict(device="cpu", dtype="float32"))
        world.program.run("loss", recipe, "--rows", world.scratch / "train.jsonl", "--out", world.scratch / "out.safetensors")
        got, model = load_file(world.scratch / "out.safetensors"), oracle(folder).train()
        out = model(**Joining(name)(made))
        out.loss.backward()
        result.close("loss", got["loss"], out.loss.detach().view(1), 1e-5, "loss")
        named = dict(model.named_parameters())
        largest = max(parameter.grad.abs().max().item() for parameter in named.values() if parameter.grad is not None)
        for key, parameter in named.items():
            wanted = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            # A norm by a batch's own statistics, with nothing but a product before it, is blind to what all pixels have more.
            still = silent(key) or key.endswith("project_bn.bias")
            result.close(f"grad.{key}", got[f"grad.{ours(key)}"], wanted, 1e-4, "zero grad" if still else "grad", largest if still else 1e-5 * largest)
    return case


def steps_of(together, accumulation, **more):
    return train.DEFAULTS | dict(max_steps=6, per_device_train_batch_size=together, gradient_accumulation_steps=accumulation, learning_rate=1e-3,
                                 lr_scheduler_type="linear", warmup_steps=2, weight_decay=0.01) | more


OURS = dict(device="cpu", dtype="float32", gradient_checkpointing="false", logging_steps=1, save_steps=0, eval_steps=6)


def train_case(name, strategy, together=4, accumulation=1, **settings):
    def case(world, result):
        folder, made, held_out = make(name, world.checkpoints), rows(world, 14), rows(world, 20)[14:]
        # Adam's usual 1e-8 makes whole steps of gradients that are rounding alone, and the next norms' statistics tell of them.
        steps = steps_of(together, accumulation, **(dict(adam_epsilon=1e-5) if SPECS[name].convolutions else {}))
        model, adapter = oracle(folder), {}
        if SPECS[name].convolutions:   # its class takes num_items_in_batch and drops it, so that Trainer would add up a window's means
            model.accepts_loss_kwargs = False
        if strategy == "lora":
            chosen = settings.get("targets", ["q_proj", "v_proj"])
            model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules=chosen, modules_to_save=["classifier"], lora_dropout=0.0))
            model.save_pretrained(world.scratch / "start")
            adapter = dict(adapter=dict(init_from=str(world.scratch / "start")))
        elif strategy == "freeze":
            for key, parameter in model.named_parameters():
                parameter.requires_grad_(is_head(key))
            for module in model.modules():   # a frozen tower stays in evaluation
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.train = lambda mode=True, module=module: module
        recipe = recipe_of(world, folder, made, strategy, eval_dataset=write_lines(world.scratch / "eval.jsonl", held_out), training=steps | OURS, **adapter)
        world.program.run("train", recipe)
        joining = Joining(name)
        log = train.trained_by_transformers(model, joining, made, [], steps, world.scratch / "oracle")
        curve = train.curve(world.scratch / "run")
        train.compare_curves(result, curve, log)
        compare_evaluation(result, curve[-1], model.eval(), [joining(held_out[at:at + together]) for at in range(0, len(held_out), together)])
        if strategy == "lora":
            got, wanted, slack = load_file(world.scratch / "run" / "adapter" / "adapter_model.safetensors"), get_peft_model_state_dict(model), 0
        else:
            stored, start = load_file(world.scratch / "run" / "model" / "model.safetensors"), load_file(folder / "model.safetensors")
            result.same("stored names", sorted(stored), sorted(start))
            got, wanted = oracle(world.scratch / "run" / "model").state_dict(), model.state_dict()
            slack = {"float32": 0, "float16": 2 ** -11, "bfloat16": 2 ** -8}[SPECS[name].dtype]
        if not result.same("tensors", sorted(got), sorted(wanted)):
            return
        for key, tensor in wanted.items():
            if key.endswith("num_batches_tracked"):
                result.same(key, got[key].item(), tensor.item())
            elif not silent(key):
                result.close(key, got[key], tensor.detach(), train.WEIGHTS + slack, "statistics" if counted(key) else "weights")
    return case


@torch.no_grad()
def compare_evaluation(result, line, model, batches):
    losses, right = [], []
    for batch in batches:
        out = model(**batch)
        losses += [out.loss.item()] * len(batch["labels"])
        right.append((out.logits.argmax(1) == batch["labels"]).float().mean().item())
    result.near("eval_loss", line["eval_loss"], sum(losses) / len(losses), train.CURVE, "eval_loss")
    result.near("eval_accuracy", line["eval_accuracy"], sum(right) / len(right), 1e-5, floor=1e-3)


def resumed_case(name):
    """Six steps, and the same from their checkpoint after three: the same bytes."""
    def case(world, result):
        folder, made = make(name, world.checkpoints), rows(world, 14)
        steps = steps_of(4, 2, lr_scheduler_type="constant", warmup_steps=0) | OURS | dict(eval_steps=0, save_steps=3, save_total_limit=5)
        recipe = recipe_of(world, folder, made, "full", training=steps)
        world.program.run("train", recipe)
        run, cut = world.scratch / "run", world.scratch / "cut"
        shutil.copytree(run, cut)
        shutil.rmtree(cut / "model")
        saved = sorted((cut / "checkpoints").iterdir())
        result.expect(len(saved) > 1, f"the run kept {[each.name for each in saved]}")
        for later in saved[1:]:
            shutil.rmtree(later)
        result.expect((saved[0] / "statistics.safetensors").exists(), "the checkpoint has no statistics")
        about = json.loads((cut / "run.json").read_text())
        (cut / "run.json").write_text(json.dumps(about | {"state": "interrupted"}))
        world.program.run("train", recipe, "--resume", cut)
        wanted = (run / "model" / "model.safetensors").read_bytes()
        result.expect((cut / "model" / "model.safetensors").read_bytes() == wanted, "the resumed run ended in other bytes")
    return case


def forecast_case(name, strategy, together=8, **settings):
    """`plan` against the peak of a run over as many pictures as rows: a frozen model reads a picture once. Of a frozen ViT the forecast leaves out
    what passes through it (a quarter of this small one's whole), so it is not asked."""
    def case(world, result):
        folder = make(name, world.checkpoints)
        made = []
        for number in range(together * (5 if strategy == "freeze" else 1)):
            picture = world.scratch / f"{number}.png"
            Image.new("RGB", (96, 96), (number, 5 * number, 120)).save(picture)
            made.append({"image": str(picture), "label": NAMES[0]})
        recipe = recipe_of(world, folder, made, strategy, **settings, training=dict(
            max_steps=3, per_device_train_batch_size=together, gradient_accumulation_steps=1, device="cpu", dtype="float32", gradient_checkpointing="false",
            logging_steps=1, save_steps=0))
        foreseen = world.program.json("plan", recipe, "--json")
        world.program.run("train", recipe)
        peak = max(line["memory"]["peak"] for line in train.curve(world.scratch / "run"))
        result.facts["forecast error"] = f"{100 * (foreseen['total'] / peak - 1):+.1f} %"
        result.near("forecast", foreseen["total"], peak, 0.1 if SPECS[name].convolutions or SPECS[name].timm else 0.05, "forecast")
    return case


def bare_case(world, result):
    """An adapter on convolutions alone is refused, by a sentence that says why."""
    folder = make("resnet-basic", world.checkpoints)
    said = world.program.end("train", recipe_of(world, folder, rows(world, 4), "lora", training=OURS | dict(max_steps=1, eval_steps=0)))
    result.same("exit", said.returncode, 2)
    result.expect("nothing that the method could hang on" in said.stderr and not (world.scratch / "run").exists(), f"it said {said.stderr.strip()[-300:]}")


def refused_timm_case(world, result):
    """What timm's config.json says and no NFNet of ours is, by the field."""
    folder, count = make("nfnet-plain", world.checkpoints), 0
    for part, key, value in ((None, "architecture", "resnet50"), (None, "architecture", "dm_nfnet_f7"), (None, "num_classes", -1), (None, "label_names", ["a"]),
                             ("model_args", "depths", [1]), ("model_args", "group_size", 4096), ("model_args", "group_size", 9), ("model_args", "act_layer", "tanh"),
                             ("model_args", "features_only", True), ("model_args", "stem_chs", 12), ("pretrained_cfg", "crop_mode", "border"),
                             ("pretrained_cfg", "interpolation", "random"), ("pretrained_cfg", "input_size", [3, 8]), ("pretrained_cfg", "mean", [0.5]),
                             ("pretrained_cfg", "crop_pct", 0)):
        count += 1
        other = world.scratch / str(count)
        shutil.copytree(folder, other)
        config = read(other / "config.json")
        (config if part is None else config[part])[key] = value
        write(other / "config.json", config)
        ended = world.program.end("classify", other, "--rows", write_lines(world.scratch / "rows.jsonl", rows(world, 1)))
        result.expect(ended.returncode == 2 and key in ended.stderr, f"{key}: exit {ended.returncode}: {ended.stderr[-300:]}")
    said = world.program.end("train", recipe_of(world, folder, rows(world, 4), "lora", training=OURS | dict(max_steps=1, eval_steps=0)))
    result.expect(said.returncode == 2 and "nothing that the method could hang on" in said.stderr, f"an adapter on convolutions: {said.stderr.strip()[-300:]}")


def fresh_timm_case(world, result):
    """From nothing: gains, the blocks' own numbers and weights begin as timm's."""
    folder = make("nfnet-larger", world.checkpoints)
    training = OURS | dict(max_steps=1, learning_rate=0.0, per_device_train_batch_size=2, eval_steps=0)
    world.program.run("train", recipe_of(world, folder, rows(world, 2), "full", init="random", training=training))
    got, timms = load_file(world.scratch / "run" / "model" / "model.safetensors"), dict(oracle_of_timm("nfnet-larger").named_parameters())
    result.same("names", sorted(got), sorted(timms))
    for key, wanted in timms.items():
        if wanted.numel() > 4000:
            result.near(f"{key}: spread", got[key].std().item(), wanted.std().item(), 0.1)
        elif not key.endswith(".weight"):
            result.expect(torch.equal(got[key], wanted), f"{key} begins otherwise")


def oracle_of_timm(name):
    return timm.create_model(SPECS[name].timm["architecture"], num_classes=len(NAMES), **SPECS[name].timm["args"])


def published_timm_case(world, result):
    """The shapes of the published ones: what timm makes is what we count."""
    for architecture in ("dm_nfnet_f0", "dm_nfnet_f1"):
        with torch.device("meta"):
            model = timm.create_model(architecture)
        folder = world.scratch / architecture
        folder.mkdir()
        write(folder / "config.json", dict(architecture=architecture, num_classes=1000, pretrained_cfg=dict(input_size=[3, 192, 192])))
        save_file({key: torch.zeros(tensor.shape, dtype=torch.bfloat16) for key, tensor in model.state_dict().items()}, folder / "model.safetensors",
                  metadata={"format": "pt"})
        got = world.program.json("info", folder, "--json")
        result.same(f"{architecture}: parameters", got["parameters"], sum(parameter.numel() for parameter in model.parameters()))
        shutil.rmtree(folder)


def head_case(name):
    """A head of other classes: transformers loads it, and what is no part of the head is as it was."""
    def case(world, result):
        folder = make(name, world.checkpoints)
        world.program.run("head", folder, "--classes", "a,b,c,d", "--of", "pictures", "--out", world.scratch / "headed")
        before, after = load_file(folder / "model.safetensors"), load_file(world.scratch / "headed" / "model.safetensors")
        result.same("names", sorted(after), sorted(before))
        for key, tensor in before.items():
            if not is_head(key):
                result.expect(torch.equal(after[key], tensor), f"{key} changed")
        config = AutoConfig.from_pretrained(world.scratch / "headed")
        result.same("classes", list(config.id2label.values()), ["a", "b", "c", "d"])
        model = oracle(world.scratch / "headed")
        result.expect(not any(tensor.is_meta for tensor in model.state_dict().values()), "tensors are missing")
    return case


SELDOM = {f"pictures-alone/{name}" for name in ("swin-plain/info", "nfnet-plain/info", "forecast/nfnet-full",
    "vit-uneven/info", "registers-plain/info", "resnet-basic/info", "efficientnet-padded/info", "resnet-basic/loss", "efficientnet-plain/loss",
    "resnet-warped/forward", "registers-stretched/full", "siglip-tower/full", "resnet-bottleneck/freeze", "registers-plain/freeze",
    "resnet-bottleneck/full-accumulated", "efficientnet-plain/full", "efficientnet-plain/resumed", "vit-plain/head", "forecast/dinov2-full",
    "forecast/resnet-full")}


def cases(everything=False):
    plain = [name for name in SPECS if not name.endswith("larger") and (everything or name not in ("nfnet-deep", "nfnet-uneven", "swin-absolute", "swin-last"))]
    small = [name for name in plain if name not in ("resnet-warped", "nfnet-uneven")]   # timm cannot train with its relu
    found = {f"pictures-alone/{name}/forward": forward_case(name) for name in plain}
    found |= {f"pictures-alone/{name}/info": info_case(name) for name in small}
    found |= {f"pictures-alone/{name}/loss": loss_case(name) for name in small}
    full = ("vit-plain", "vit-uneven", "dinov2-stretched", "registers-stretched", "siglip-tower", "resnet-basic", "efficientnet-plain")
    found |= {f"pictures-alone/{name}/full": train_case(name, "full") for name in full}
    found |= {f"pictures-alone/{name}/full-accumulated": train_case(name, "full", 2, 2) for name in ("resnet-bottleneck", "efficientnet-padded")}
    found |= {f"pictures-alone/{name}/freeze": train_case(name, "freeze") for name in ("vit-plain", "registers-plain", "resnet-bottleneck", "efficientnet-plain")}
    found |= {"pictures-alone/clip-tower/lora": train_case("clip-tower", "lora"),
              "pictures-alone/vit-plain/lora": train_case("vit-plain", "lora"),
              "pictures-alone/dinov2-plain/lora": train_case("dinov2-plain", "lora", targets=["query", "value", "fc1"]),
              "pictures-alone/registers-stretched/lora": train_case("registers-stretched", "lora", 2, 2, targets=["query", "dense", "weights_in", "projection"])}
    found |= {f"pictures-alone/{name}/resumed": resumed_case(name) for name in ("resnet-basic", "efficientnet-plain")}
    found |= {f"pictures-alone/{name}/head": head_case(name) for name in ("vit-plain", "resnet-bottleneck", "siglip-tower")}
    found |= {"pictures-alone/resnet-basic/refused": bare_case}
    lora = dict(adapter=dict(r=8, target_modules=["q_proj", "v_proj", "fc1"], modules_to_save=["classifier"]))
    found |= {"pictures-alone/forecast/vit-full": forecast_case("vit-larger", "full"),
                    "pictures-alone/forecast/vit-lora": forecast_case("vit-larger", "lora", **lora),
                    "pictures-alone/forecast/dinov2-full": forecast_case("dinov2-larger", "full"),
                    "pictures-alone/forecast/resnet-full": forecast_case("resnet-larger", "full"),
                    "pictures-alone/forecast/resnet-freeze": forecast_case("resnet-larger", "freeze"),
                    "pictures-alone/forecast/efficientnet-full": forecast_case("efficientnet-larger", "full")}
    found |= {"pictures-alone/swin-plain/full": train_case("swin-plain", "full"),
              "pictures-alone/swin-plain/lora": train_case("swin-plain", "lora", targets=["q_proj", "v_proj", "fc1", "reduction"]),
              "pictures-alone/forecast/swin-full": forecast_case("swin-larger", "full")}
    if everything:
        found |= {"pictures-alone/swin-absolute/full": train_case("swin-absolute", "full"), "pictures-alone/swin-plain/freeze": train_case("swin-plain", "freeze"),
                  "pictures-alone/swin-plain/head": head_case("swin-plain"),
                  "pictures-alone/forecast/swin-lora": forecast_case("swin-larger", "lora", adapter=dict(
                      r=8, target_modules=["q_proj", "v_proj", "fc1"], modules_to_save=["classifier"]))}
    found |= {"pictures-alone/nfnet-plain/full": train_case("nfnet-plain", "full"), "pictures-alone/nfnet-plain/head": head_case("nfnet-plain"),
              "pictures-alone/nfnet-plain/refused": refused_timm_case, "pictures-alone/forecast/nfnet-full": forecast_case("nfnet-larger", "full")}
    if everything:
        found |= {"pictures-alone/nfnet-deep/full": train_case("nfnet-deep", "full"), "pictures-alone/nfnet-plain/freeze": train_case("nfnet-plain", "freeze"),
                  "pictures-alone/nfnet-plain/full-accumulated": train_case("nfnet-plain", "full", 2, 2), "pictures-alone/nfnet-fresh": fresh_timm_case,
                  "pictures-alone/forecast/nfnet-freeze": forecast_case("nfnet-larger", "freeze"), "pictures-alone/nfnet-published": published_timm_case}
    return {name: case for name, case in found.items() if everything or name not in SELDOM}

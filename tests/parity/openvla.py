# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenVLA, of which transformers has no class: timm's towers, a projector and LlamaForCausalLM put together here as the authors' files are. Rows of
actions (ids, labels, pixels of six channels), loss and every gradient, runs of `objective: actions` (full, LoRA beside PEFT), the actions that
`act` says, and that a saved folder holds the very names."""
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy
import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from PIL import Image
from safetensors.torch import load_file, save_file
from timm.models.vision_transformer import VisionTransformer
from torchvision.transforms import functional
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

import report
import tokenizers_
import train
from families.base import LLAMA, write

BINS, PADDED, SPACE = 32, 8, 5
DINO, SIGLIP = "vit_small_patch14_reg4_dinov2.lvd142m", "vit_base_patch16_siglip_224"
MEANS = {DINO: (0.485, 0.456, 0.406), SIGLIP: (0.5, 0.5, 0.5)}
STDS = {DINO: (0.229, 0.224, 0.225), SIGLIP: (0.5, 0.5, 0.5)}
ROBOTS = {"arm": dict(q01=[-0.3, -1.0, 0.0, 0.0], q99=[0.5, 1.5, 2.0, 1.0], mask=[True, True, True, False]),
          "crane": dict(q01=[-1.0, -2.0, -0.1, 0.0], q99=[1.0, 2.0, 0.1, 1.0], mask=[True, True, True, False])}


@dataclass
class Spec:
    towers: tuple = (DINO, SIGLIP)
    sizes: tuple = (dict(embed_dim=32, depth=3, num_heads=4, mlp_ratio=2.0, patch_size=8, reg_tokens=3),
                    dict(embed_dim=24, depth=4, num_heads=3, mlp_ratio=3.0, patch_size=8))
    image: int = 24
    text: dict = field(default_factory=lambda: dict(LLAMA, num_key_value_heads=2))
    dtype: str = "float32"


SPECS = {
    "openvla-fused": Spec(),
    "openvla-dino": Spec((DINO,), (dict(embed_dim=40, depth=2, num_heads=5, mlp_ratio=4.0, patch_size=6, reg_tokens=0),), 30,
                         dict(LLAMA, num_key_value_heads=4), "bfloat16"),
    "openvla-siglip": Spec((SIGLIP,), (dict(embed_dim=24, depth=3, num_heads=2, mlp_ratio=2.5, patch_size=12),), 36, dict(LLAMA, num_key_value_heads=1)),
}
INSTRUCTIONS = ("pick up the RED circle", "move left", "stop")


def tower(model, size, image):
    dino = model == DINO
    own = {key: value for key, value in size.items() if key != "reg_tokens"}
    return VisionTransformer(img_size=image, num_classes=0, class_token=dino, global_pool="token" if dino else "map",
                             init_values=1e-5 if dino else None, reg_tokens=size.get("reg_tokens", 0), no_embed_class=dino, **own)


def last_but_one(vit, pixels):
    x = vit._pos_embed(vit.patch_embed(pixels))
    for block in vit.blocks[:-1]:
        x = block(x)
    return x[:, vit.num_prefix_tokens:]


class Backbone(torch.nn.Module):
    def __init__(self, spec):
        super().__init__()
        self.featurizer = tower(spec.towers[0], spec.sizes[0], spec.image)
        if len(spec.towers) > 1:
            self.fused_featurizer = tower(spec.towers[1], spec.sizes[1], spec.image)

    def forward(self, pixels):
        parts = [last_but_one(self.featurizer, pixels[:, :3])]
        if hasattr(self, "fused_featurizer"):
            parts.append(last_but_one(self.fused_featurizer, pixels[:, 3:]))
        return torch.cat(parts, 2)


class Projector(torch.nn.Module):
    def __init__(self, width, out, fused):
        super().__init__()
        wide = 4 * width if fused else out
        self.fc1, self.fc2 = torch.nn.Linear(width, wide), torch.nn.Linear(wide, out)
        if fused:
            self.fc3 = torch.nn.Linear(out, out)

    def forward(self, x):
        x = self.fc2(torch.nn.functional.gelu(self.fc1(x)))
        return self.fc3(torch.nn.functional.gelu(x)) if hasattr(self, "fc3") else x


class OpenVla(torch.nn.Module):
    def __init__(self, spec, words):
        super().__init__()
        self.vision_backbone = Backbone(spec)
        width = sum(size["embed_dim"] for size in spec.sizes)
        self.language_model = LlamaForCausalLM(LlamaConfig(vocab_size=words + PADDED, tie_word_embeddings=False, **spec.text))
        self.projector = Projector(width, self.language_model.config.hidden_size, len(spec.towers) > 1)

    def forward(self, input_ids, pixel_values, labels=None, attention_mask=None, **_):
        """Ids begin with the first token; the patches come behind it."""
        patches = self.projector(self.vision_backbone(pixel_values))
        words = self.language_model.get_input_embeddings()(input_ids)
        embeddings = torch.cat([words[:, :1], patches, words[:, 1:]], 1)
        around = patches.shape[:2]
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        mask = torch.cat([mask[:, :1], mask.new_ones(around), mask[:, 1:]], 1)
        if labels is not None:
            labels = torch.cat([labels[:, :1], labels.new_full(around, -100), labels[:, 1:]], 1)
        out = self.language_model(inputs_embeds=embeddings, attention_mask=mask, labels=labels)
        return {"loss": out.loss, "logits": out.logits}


def on_disk(name):
    return name.replace(".gamma", ".scale_factor")


def weights(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if "norm" in name and name.endswith("weight") or name.endswith("gamma"):
                parameter.copy_(1 + 0.2 * noise)
            elif parameter.dim() == 1:
                parameter.copy_(0.1 * noise)
            elif "embed_tokens" in name or name.endswith(("_token", "pos_embed", "latent")):
                parameter.copy_(0.6 * noise)
            else:
                parameter.copy_(1.2 * noise / parameter[0].numel() ** 0.5)


def make(name, root: Path):
    folder, spec = root / name, SPECS[name]
    if folder.exists():
        return folder
    folder.mkdir(parents=True)
    tokenizer = tokenizers_.llama_tokenizer(root, tokens=(), add_bos_token=True)
    tokenizer.save_pretrained(folder)
    words = len(tokenizer) + 1 + BINS  # the bins are tokens of their own here
    model = OpenVla(spec, words)
    weights(model, sum(name.encode()))
    dtype = getattr(torch, spec.dtype)
    save_file({on_disk(key): tensor.to(dtype).contiguous() for key, tensor in model.state_dict().items()}, folder / "model.safetensors",
              metadata={"format": "pt"})
    write(folder / "config.json", dict(
        model_type="openvla", architectures=["OpenVLAForActionPrediction"], arch_specifier="no-align+" + ("fused-" if len(spec.towers) > 1 else "") + "gelu-mlp",
        timm_model_ids=list(spec.towers), timm_model_args=list(spec.sizes), timm_override_act_layers=[None] * len(spec.towers), image_sizes=[spec.image] * len(spec.towers),
        text_config=model.language_model.config.to_dict(), n_action_bins=BINS, pad_to_multiple_of=PADDED, action_space_token_id=SPACE,
        norm_stats={robot: {"action": stats} for robot, stats in ROBOTS.items()}))
    write(folder / "preprocessor_config.json", dict(
        image_processor_type="PrismaticImageProcessor", image_resize_strategy="resize-naive", input_sizes=[[3, spec.image, spec.image]] * len(spec.towers),
        interpolations=["bicubic"] * len(spec.towers), means=[MEANS[each] for each in spec.towers], stds=[STDS[each] for each in spec.towers]))
    return folder


def oracle(folder, name):
    spec, config = SPECS[name], json.loads((folder / "config.json").read_text())
    model = OpenVla(spec, config["text_config"]["vocab_size"] - PADDED)
    stored = load_file(folder / "model.safetensors")
    model.load_state_dict({key: stored[on_disk(key)].float() for key in model.state_dict()})
    return model.eval()


def action_ids(action, robot, words):
    """The authors' ActionTokenizer over normalised actions."""
    low, high, mask = (numpy.array(ROBOTS[robot][key]) for key in ("q01", "q99", "mask"))
    action = numpy.array(action, dtype=numpy.float64)
    normal = numpy.clip(numpy.where(mask, 2 * (action - low) / (high - low) - 1, action), -1, 1)
    return (words - numpy.digitize(normal, numpy.linspace(-1, 1, BINS))).tolist()


def action_of(ids, robot, words):
    low, high, mask = (numpy.array(ROBOTS[robot][key]) for key in ("q01", "q99", "mask"))
    edges = numpy.linspace(-1, 1, BINS)
    middles = (edges[:-1] + edges[1:]) / 2
    normal = middles[numpy.clip(words - numpy.array(ids) - 1, 0, BINS - 2)]
    return numpy.where(mask, 0.5 * (normal + 1) * (high - low) + low, normal)


def pixels(path, spec):
    picture = Image.open(path).convert("RGB")
    parts = []
    for each in spec.towers:
        sized = functional.resize(picture, [spec.image, spec.image], interpolation=functional.InterpolationMode.BICUBIC)
        parts.append(functional.normalize(functional.to_tensor(sized), MEANS[each], STDS[each]))
    return torch.cat(parts)


def rows(world):
    made, generator = [], numpy.random.default_rng(5)
    for index in range(6):
        path = world.scratch / f"{index}.png"
        Image.fromarray(generator.integers(0, 255, (17 + 7 * index, 40 - 3 * index, 3), dtype=numpy.uint8)).save(path)
        action = (generator.normal(size=4) * 1.2).round(3).tolist()
        action[3] = float(index % 2)
        made.append(dict(image=str(path), instruction=INSTRUCTIONS[index % 3], action=action, robot="arm" if index % 2 else "crane"))
    return made


def example(row, spec, tokenizer, words, prompt=False):
    question = f"In: What action should the robot take to {row['instruction'].lower()}?\nOut:"
    before = [tokenizer.bos_token_id, *tokenizer(question, add_special_tokens=False)["input_ids"], SPACE]
    answer = [] if prompt else [*action_ids(row["action"], row["robot"], words), tokenizer.eos_token_id]
    return dict(input_ids=before + answer, labels=[-100] * len(before) + answer, pixel_values=pixels(row["image"], spec))


def batch(rows_):
    longest = max(len(row["input_ids"]) for row in rows_)
    filled = lambda key, value: torch.tensor([row[key] + [value] * (longest - len(row[key])) for row in rows_])
    return dict(input_ids=filled("input_ids", 0), labels=filled("labels", -100), pixel_values=torch.stack([row["pixel_values"] for row in rows_]),
                attention_mask=torch.tensor([[1] * len(row["input_ids"]) + [0] * (longest - len(row["input_ids"])) for row in rows_]))


def write_recipe(world, folder, made, **more):
    (world.scratch / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in made))
    recipe = dict(model=str(folder), dataset=str(world.scratch / "train.jsonl"), output_dir=str(world.scratch / "run"), objective="actions") | more
    recipe["training"] = dict(device="cpu", dtype="float32", gradient_checkpointing="false", logging_steps=1, save_steps=0) | more.get("training", {})
    (world.scratch / "recipe.yaml").write_text(json.dumps(recipe))
    return world.scratch / "recipe.yaml"


def loss_case(name):
    def case(world, result):
        folder, spec, made = make(name, world.checkpoints), SPECS[name], rows(world)
        model, tokenizer = oracle(folder, name), AutoTokenizer.from_pretrained(folder)
        words = model.language_model.config.vocab_size - PADDED
        data = [example(row, spec, tokenizer, words) for row in made]
        recipe = write_recipe(world, folder, made, strategy="full")
        world.program.run("loss", recipe, "--rows", world.scratch / "train.jsonl", "--out", world.scratch / "out.safetensors")
        got = load_file(world.scratch / "out.safetensors")
        patches = (spec.image // spec.sizes[0]["patch_size"]) ** 2
        for index, row in enumerate(data):
            ids = got["input_ids"][index].tolist()[:len(row["input_ids"]) + patches]
            if not result.same(f"ids {index}", [ids[0]] + ids[1 + patches:], row["input_ids"]):
                return
        out = model(**batch(data))
        out["loss"].backward()
        result.close("loss", got["loss"], out["loss"].detach().view(1), report.LOGITS, "loss")
        named = {on_disk(key): parameter for key, parameter in model.named_parameters()}
        largest = max(parameter.grad.abs().max().item() for parameter in named.values() if parameter.grad is not None)
        for key, parameter in named.items():
            wanted = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            result.close(f"grad.{key}", got[f"grad.{key}"], wanted, 1e-4, "grad", 1e-3 * largest)
        labels = torch.tensor([label for row in data for label in row["labels"] if label != -100])
        said = torch.cat([out["logits"][index, patches + len(row["input_ids"]) - len([1 for each in row["labels"] if each != -100]) - 1:
                                        patches + len(row["input_ids"]) - 1].argmax(1) for index, row in enumerate(data)])
        acts = labels >= words - BINS
        acts &= labels < words
        result.near("action_accuracy", got["metric.action_accuracy"].item(), (said == labels)[acts].float().mean().item(), 1e-6, "figure", floor=1e-6)
    return case


def seen_case(name):
    """What a model learns to say of a picture before it moves: `objective: sft` on one question and its answer."""
    def case(world, result):
        folder, spec, made = make(name, world.checkpoints), SPECS[name], rows(world)
        model, tokenizer = oracle(folder, name), AutoTokenizer.from_pretrained(folder)
        said = [("What is there?", "a red circle"), ("Which shape?", "two blue squares, above"), ("Where?", "left")]
        data = [dict(messages=[dict(role="user", content=f"<image>{question}"), dict(role="assistant", content=answer)], images=[row["image"]])
                for row, (question, answer) in zip(made, said)]
        examples = []
        for row, (question, answer) in zip(made, said):
            before = [tokenizer.bos_token_id, *tokenizer(f"In: {question}\nOut:", add_special_tokens=False)["input_ids"]]
            after = [*tokenizer(answer, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
            examples.append(dict(input_ids=before + after, labels=[-100] * len(before) + after, pixel_values=pixels(row["image"], spec)))
        recipe = write_recipe(world, folder, data, strategy="full", objective="sft")
        world.program.run("loss", recipe, "--rows", world.scratch / "train.jsonl", "--out", world.scratch / "out.safetensors")
        got, out = load_file(world.scratch / "out.safetensors"), model(**batch(examples))
        out["loss"].backward()
        result.close("loss", got["loss"], out["loss"].detach().view(1), report.LOGITS, "loss")
        named = {on_disk(key): parameter for key, parameter in model.named_parameters() if parameter.grad is not None}
        largest = max(parameter.grad.abs().max().item() for parameter in named.values())
        for key, parameter in named.items():
            result.close(f"grad.{key}", got[f"grad.{key}"], parameter.grad, 1e-4, "grad", 1e-3 * largest)
    return case


def act_case(name):
    def case(world, result):
        folder, spec, made = make(name, world.checkpoints), SPECS[name], rows(world)
        model, tokenizer = oracle(folder, name), AutoTokenizer.from_pretrained(folder)
        words = model.language_model.config.vocab_size - PADDED
        (world.scratch / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in made))
        told = world.program.json("act", folder, "--rows", world.scratch / "rows.jsonl", "--json", "--dtype", "float32")["rows"]
        for row, got in zip(made, told):
            prompt = example(row, spec, tokenizer, words, prompt=True)
            ids = list(prompt["input_ids"])
            with torch.no_grad():
                for _ in range(4):
                    out = model(torch.tensor([ids]), prompt["pixel_values"][None])
                    ids.append(out["logits"][0, -1].argmax().item())
            result.same("tokens", got["tokens"], ids[-4:])
            result.close("action", torch.tensor(got["action"]), torch.tensor(action_of(ids[-4:], row["robot"], words)), 1e-6, "action")
    return case


def train_case(name, strategy):
    def case(world, result):
        folder, spec, made = make(name, world.checkpoints), SPECS[name], rows(world)
        model, tokenizer = oracle(folder, name), AutoTokenizer.from_pretrained(folder)
        words = model.language_model.config.vocab_size - PADDED
        data = [example(row, spec, tokenizer, words) for row in made]
        steps = train.DEFAULTS | dict(max_steps=6, per_device_train_batch_size=2, gradient_accumulation_steps=1, learning_rate=1e-3)
        more = dict(strategy=strategy, training=steps)
        if strategy == "lora":
            torch.manual_seed(3)
            targets = ["q_proj", "v_proj", "down_proj", "qkv", "fc2", "fc1"]
            model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules=targets, lora_dropout=0.0))
            with torch.no_grad():
                for key, parameter in model.named_parameters():
                    if "lora_B" in key:
                        parameter.copy_(0.05 * torch.randn_like(parameter))
            model.save_pretrained(world.scratch / "start")
            more["adapter"] = dict(init_from=str(world.scratch / "start"), lora_dropout=0.0)
        world.program.run("train", write_recipe(world, folder, made, **more))
        model.train()
        log = train.trained_by_transformers(model, batch, data, [], dict(steps), world.scratch / "oracle")
        train.compare_curves(result, train.curve(world.scratch / "run"), log)
        if strategy == "lora":
            got, wanted = load_file(world.scratch / "run" / "adapter" / "adapter_model.safetensors"), get_peft_model_state_dict(model)
        else:
            got, wanted = load_file(world.scratch / "run" / "model" / "model.safetensors"), {on_disk(key): tensor for key, tensor in model.state_dict().items()}
        if not result.same("tensors", sorted(got), sorted(wanted)):
            return
        slack = {"float32": 0, "bfloat16": 2 ** -8}[spec.dtype] if strategy == "full" else 0
        for key, tensor in wanted.items():
            if not key.endswith("qkv.bias"):  # a softmax is blind to the keys' part
                result.close(key, got[key].float(), tensor.detach().float(), train.WEIGHTS + slack, "weights")
    return case


def forecast_case(strategy):
    def case(world, result):
        folder, made = make("openvla-fused", world.checkpoints), rows(world)
        recipe = write_recipe(world, folder, made * 4, strategy=strategy, training=dict(max_steps=3, per_device_train_batch_size=8,
                              gradient_accumulation_steps=1), **({"adapter": dict(r=8, target_modules="all-linear")} if strategy == "lora" else {}))
        foreseen = world.program.json("plan", recipe, "--json")
        world.program.run("train", recipe)
        peak = max(line["memory"]["peak"] for line in train.curve(world.scratch / "run"))
        result.facts["forecast error"] = f"{100 * (foreseen['total'] / peak - 1):+.1f} %"
        result.near("forecast", foreseen["total"], peak, 0.1, "forecast")
    return case


def refused_case(world, result):
    folder, made = make("openvla-fused", world.checkpoints), rows(world)
    for change in (dict(action=[0.1]), dict(action="up"), dict(robot="whale"), dict(instruction=None), dict(image=None), dict(action=[0, 0, 0, 1e999])):
        recipe = write_recipe(world, folder, [made[0] | change], strategy="full")
        (world.scratch / "rows.jsonl").write_text(json.dumps(made[0] | change) + "\n")
        world.program.run("loss", recipe, "--rows", world.scratch / "rows.jsonl", "--out", world.scratch / "out.safetensors", status=2)
    chat = [{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}]
    turns = [{"messages": chat[0]["messages"] * 2}]
    for objective, data in (("sft", turns), ("actions", chat)):
        world.program.run("train", write_recipe(world, folder, data, strategy="full", objective=objective), status=2)
        result.expect(not (world.scratch / "run").exists(), f"{objective}: a run that cannot be left a folder")
    config = json.loads((folder / "config.json").read_text())
    for index, change in enumerate((dict(timm_model_ids=["resnet50"]), dict(timm_model_ids=[]), dict(n_action_bins=0), dict(norm_stats={}), dict(pad_to_multiple_of=10 ** 9),
                                    dict(arch_specifier="no-align+linear"), dict(timm_model_args=[dict(num_heads=5), {}]), dict(action_space_token_id=-1))):
        lie = world.scratch / f"lie{index}"
        lie.mkdir()
        for file in folder.iterdir():
            (lie / file.name).symlink_to(file) if file.name != "config.json" else write(lie / "config.json", config | change)
        world.program.run("info", lie, status=2)


SELDOM = {f"openvla/{name}" for name in ("openvla-dino/act", "openvla-siglip/act", "openvla-dino/full", "openvla-siglip/lora", "forecast/full")}


def cases(everything=False):
    found = {f"openvla/{name}/loss": loss_case(name) for name in SPECS}
    found |= {f"openvla/{name}/act": act_case(name) for name in SPECS}
    found |= {"openvla/openvla-fused/full": train_case("openvla-fused", "full"), "openvla/openvla-fused/lora": train_case("openvla-fused", "lora"),
              "openvla/openvla-fused/seen": seen_case("openvla-fused"), "openvla/openvla-dino/full": train_case("openvla-dino", "full"), "openvla/openvla-siglip/lora": train_case("openvla-siglip", "lora"),
              "openvla/forecast/full": forecast_case("full"), "openvla/forecast/lora": forecast_case("lora"), "openvla/refused": refused_case}
    return {name: case for name, case in found.items() if everything or name not in SELDOM}

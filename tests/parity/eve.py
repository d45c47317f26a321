# SPDX-License-Identifier: GPL-3.0-or-later
"""EVE against its formulas (transformers has no class of it): pictures on a square canvas whose filled part a mask names, as the paper has them, a convolution, a
pooled square that looks at its own patches, a class token that looks at all squares, row ends, two products, and LlamaForCausalLM over the joined states.
`objective: visual_alignment` against CLIPVisionModel's states: 1 - cos of each patch, the mean of a picture's, the mean over pictures."""
import json
import math
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional
from transformers import AutoTokenizer, CLIPConfig, CLIPImageProcessorPil, CLIPModel, LlamaConfig, LlamaForCausalLM

import composed
import tokenizers_
import train
import two_towers
import written_models
from conversations import SIZES
from two_towers import CAPTIONS
from written_models import Out, draw, read_weights

MODEL_TYPE = "eve"
KIND = sys.modules[__name__]
TWO_TEXTS = False
PARTS = {"vision_tower": ("model.vision_tower",), "projector": ("model.mm_projector.",), "language_model": ("model.embed", "model.layers", "model.norm", "lm_head.")}
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "q.1", "kv.1", "proj", "mm_projector.0", "mm_projector.2"]
TEXT = dict(hidden_size=48, intermediate_size=80, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=512,
            initializer_range=0.02, tie_word_embeddings=False)
PICTURES = dict(image_size=64, image_size_clip=32, patch_stride=4, patch_stride_clip=4, conv_stride=2)
MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
TEMPLATE = ("{{ bos_token }}{% for message in messages %}{% if message.role == 'user' %}{{ 'USER: ' }}{% elif message.role == 'assistant' %}{{ 'ASSISTANT: ' }}{% endif %}"
            "{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content %}"
            "{% if part.type == 'image' %}{{ '<image>\n' }}{% else %}{{ part.text }}{% endif %}{% endfor %}{% endif %}"
            "{% if message.role == 'assistant' %}{{ eos_token }}{% else %}{{ ' ' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}")


@dataclass
class Spec:
    text: dict = field(default_factory=lambda: dict(TEXT))
    width: int = 32
    pictures: dict = field(default_factory=lambda: dict(PICTURES))
    aligned: dict | None = None
    own_word: bool = False    # whether <image> is in the table of words
    dtype: str = "float32"


SPECS = {
    "eve-plain": Spec(),
    # A patch of CLIP's is a square of two by two states, each of three by three patches.
    "eve-tied": Spec({**TEXT, "tie_word_embeddings": True, "num_key_value_heads": 2}, 40,
                     dict(image_size=96, image_size_clip=24, patch_stride=2, patch_stride_clip=3, conv_stride=3), None, True, "bfloat16"),
    "eve-larger": Spec({**TEXT, "hidden_size": 192, "intermediate_size": 512, "num_hidden_layers": 4, "num_key_value_heads": 2}, 128,
                       dict(image_size=168, image_size_clip=84, patch_stride=7, patch_stride_clip=7, conv_stride=2)),
    # What stands before the language model is the larger half.
    "eve-wide": Spec({**TEXT, "hidden_size": 64, "max_position_embeddings": 1024}, 256, dict(image_size=336, image_size_clip=168, patch_stride=14, patch_stride_clip=14, conv_stride=2)),
    # A square a patch of the teacher's; and four of them.
    "eve-aligned": Spec({**TEXT, "num_hidden_layers": 5}, aligned=dict(hidden_size=32, image_size=32, layer_rate=2)),
    "eve-aligned-fine": Spec({**TEXT, "num_hidden_layers": 4}, pictures={**PICTURES, "image_size": 64, "image_size_clip": 16},
                             aligned=dict(hidden_size=24, image_size=16)),
    "eve-aligned-larger": Spec({**TEXT, "hidden_size": 192, "intermediate_size": 512, "num_hidden_layers": 4, "num_key_value_heads": 2}, 128,
                               dict(image_size=168, image_size_clip=84, patch_stride=7, patch_stride_clip=7, conv_stride=2),
                               dict(hidden_size=96, image_size=84, layer_rate=2)),
}


class Looks(nn.Module):
    """What asks, and what it looks at: of the same width, eight heads, scores over the root of the whole width."""

    def __init__(self, width):
        super().__init__()
        self.q = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width, bias=False))
        self.kv = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width, bias=False))
        self.proj = nn.Linear(width, width)

    def forward(self, asking, seen):
        """asking [n, width], seen [n, m, width] -> [n, width]."""
        n, m, width = seen.shape
        keys, values = self.kv(seen).split(width, -1)
        heads = lambda x: x.reshape(*x.shape[:-1], 8, width // 8)
        shares = (torch.einsum("nhd,nmhd->nhm", heads(self.q(asking)), heads(keys)) / math.sqrt(width)).softmax(-1)
        return asking + self.proj(torch.einsum("nhm,nmhd->nhd", shares, heads(values)).reshape(n, width))


class PatchLayer(nn.Module):
    def __init__(self, width, stride, square):
        super().__init__()
        self.stride, self.square = stride, square
        self.patch_embedding = nn.Conv2d(3, width, stride, stride, bias=False)
        self.class_embedding, self.split_embedding = nn.Parameter(torch.zeros(width)), nn.Parameter(torch.zeros(width))
        self.local_attention, self.global_attention = Looks(width), Looks(width)

    def forward(self, canvas, mask):
        """canvas [3, side, side], of which mask [side, side] says what is picture -> its states."""
        made = self.patch_embedding(canvas[None])[0]
        filled = functional.avg_pool2d(mask[None, None], self.stride)[0, 0].nonzero()
        (top, left), (bottom, right) = filled[0].tolist(), filled[-1].tolist()
        made = made[:, top:bottom + 1, left:right + 1]
        high, wide = made.shape[1] // self.square, made.shape[2] // self.square
        # [width · square², squares], each square's patches row by row
        patches = functional.unfold(made[None], self.square, stride=self.square)[0].reshape(made.shape[0], self.square ** 2, high * wide).permute(2, 1, 0)
        states = self.local_attention(functional.avg_pool2d(made, self.square).flatten(1).T, patches)
        whole = self.global_attention(self.class_embedding[None], states[None])
        rows = [torch.cat([row, self.split_embedding[None]]) for row in states.reshape(high, wide, -1)]
        return torch.cat([whole, *rows])


class Compressor(nn.Module):
    """States of every n-th layer, from the last one down, each normed and made as wide as the teacher's; the last one's look at the others, patch by patch."""

    def __init__(self, layers, hidden, width, rate):
        super().__init__()
        self.which = list(range(layers, -1, -rate))
        self.norm_layer = nn.ModuleList(nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, width, bias=False)) for _ in self.which)
        self.input_layer, self.output_layer = nn.Linear(hidden, width), nn.Linear(width, width)

    def forward(self, hidden_states):
        """Of one picture's patches: [patches, hidden] of each layer and of what enters the first."""
        made = torch.stack([layer(hidden_states[number]) for layer, number in zip(self.norm_layer, self.which)], 1)
        patches, count, width = made.shape
        heads = made.reshape(patches, count, 8, width // 8)
        shares = (torch.einsum("phd,pchd->phc", heads[:, 0], heads[:, 1:]) / math.sqrt(width)).softmax(-1)
        mixed = torch.einsum("phc,pchd->phd", shares, heads[:, 1:]).reshape(patches, width)
        return self.input_layer(hidden_states[-1]) + self.output_layer(mixed)


class Eve(nn.Module):
    def __init__(self, config):
        super().__init__()
        text = {key: value for key, value in config.items() if key in TEXT or key.endswith("_token_id") or key == "vocab_size"}
        language = LlamaForCausalLM(LlamaConfig(**text, attn_implementation="eager"))
        self.model, self.lm_head = language.model, language.lm_head
        width = config["mm_hidden_size"]
        self.model.vision_tower = PatchLayer(width, config.get("patch_stride", 14), config.get("conv_stride", 2))
        self.model.mm_projector = nn.Sequential(nn.Linear(width, config["hidden_size"]), nn.GELU(), nn.Linear(config["hidden_size"], config["hidden_size"]))
        self.image = config.get("image_token_id", config["vocab_size"])
        self.square = config.get("patch_stride", 14) * config.get("conv_stride", 2)
        self.teacher = None
        if (aligned := config.get("alignment_config")) is not None:
            self.model.vision_tower_compressor = Compressor(config["num_hidden_layers"], config["hidden_size"], aligned["hidden_size"], aligned.get("layer_rate", 4))

    def states(self, ids, pictures):
        """Of one row: its words' states, with those of its pictures at their places."""
        ids = torch.tensor(ids)
        shown = ids == self.image
        states = self.model.embed_tokens(ids.masked_fill(shown, 0))
        if not pictures:
            return states
        made = torch.cat([self.model.mm_projector(self.model.vision_tower(canvas, mask)) for canvas, mask, *_ in pictures])
        return states.index_put((shown.nonzero()[:, 0],), made)

    def hidden(self, ids, pictures):
        return [each[0] for each in self.model(inputs_embeds=self.states(ids, pictures)[None], use_cache=False, output_hidden_states=True).hidden_states]

    def row_logits(self, ids, pictures):
        return self.lm_head(self.hidden(ids, pictures)[-1])

    def apart(self, ids, pictures, hidden):
        """Of each picture of the row how far its patches lie from the teacher's."""
        at = (torch.tensor(ids) == self.image).nonzero()[:, 0].tolist()
        for canvas, mask, clip, clip_mask in pictures:
            high, wide = int(mask.any(1).sum()) // self.square, int(mask.any(0).sum()) // self.square
            own, at = at[1:1 + high * (wide + 1)], at[1 + high * (wide + 1):]
            stride = self.teacher[0].config.patch_size
            seen = functional.avg_pool2d(clip_mask[None, None], stride).flatten().bool()
            each = round((high * wide / int(seen.sum())) ** 0.5)
            grids = [states[own].reshape(high, wide + 1, -1)[:, :-1].permute(2, 0, 1) for states in hidden]
            said = self.model.vision_tower_compressor([functional.avg_pool2d(grid, each).flatten(1).T for grid in grids])
            with torch.no_grad():
                shown = self.teacher[0](clip[None], output_hidden_states=True).hidden_states[-2][0, 1:][seen]
            yield 1 - functional.cosine_similarity(said, shown, dim=-1).mean()

    def forward(self, rows, **beside):
        """rows: (ids, pictures, whether they are to be learned, all labels)."""
        total, count, logits, apart = 0.0, 0, [], []
        for ids, pictures, _, labels in rows:
            hidden = self.hidden(ids, pictures)
            logits.append(self.lm_head(hidden[-1]))
            total = total + functional.cross_entropy(logits[-1][:-1], torch.tensor(labels)[1:], reduction="sum")
            count += sum(label != -100 for label in labels[1:])
            if self.teacher:
                apart += self.apart(ids, pictures, hidden)
        return Out(total / count + (torch.stack(apart).mean() * WEIGHT if apart else 0), logits[0])


WEIGHT = 0.7    # of the alignment


def canvas_of(path, settings, times):
    """The picture in the middle of a square, between stripes of whole patches of CLIP's; and which part of it that is."""
    picture = Image.open(path).convert("RGB")
    size, stride = settings["image_size_clip"], settings["patch_stride_clip"]
    wide, high = picture.size
    count = math.ceil(size * min(wide, high) / max(wide, high) / stride)
    before = (size // stride - count) // 2 * stride * times
    shorter, longer = count * stride * times, size * times
    across = wide > high
    picture = picture.resize((longer, shorter) if across else (shorter, longer), Image.Resampling.BICUBIC)
    canvas, mask = Image.new("RGB", (longer, longer), tuple(int(mean * 255) for mean in MEAN)), torch.zeros(longer, longer)
    canvas.paste(picture, (0, before) if across else (before, 0))
    (mask if across else mask.T)[before:before + shorter] = 1
    numbers = torch.frombuffer(bytearray(canvas.tobytes()), dtype=torch.uint8).reshape(longer, longer, 3).permute(2, 0, 1).float() / 255
    return (numbers - torch.tensor(MEAN)[:, None, None]) / torch.tensor(DEVIATION)[:, None, None], mask


def flat_patches(canvas, mask, settings):
    """As the program lays them out: square by square, the patches of each row by row."""
    patch, side = settings["patch_stride"], settings["patch_stride"] * settings["conv_stride"]
    rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
    shown = canvas[:, rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
    found = [square.unfold(1, patch, patch).unfold(2, patch, patch).permute(1, 2, 0, 3, 4).flatten(0, 1).flatten(1)
             for line in shown.split(side, 1) for square in line.split(side, 2)]
    return torch.cat(found)


def square_patches(canvas, patch):
    return canvas.unfold(1, patch, patch).unfold(2, patch, patch).permute(1, 2, 0, 3, 4).flatten(0, 1).flatten(1)


def settings_of(folder):
    return json.loads((folder / "config.json").read_text())


def make(name, root: Path):
    folder, spec = root / name, SPECS[name]
    if folder.exists():
        return folder
    words = tokenizers_.llama_tokenizer(root / f"{name}.tokenizer")
    words.chat_template = TEMPLATE
    image = words.convert_tokens_to_ids("<image>")
    config = dict(architectures=["EVELlamaForCausalLM"], model_type="eve", mm_hidden_size=spec.width, mm_projector_type="mlp2x_gelu", requires_cliploss=False,
                  vocab_size=image + (3 if spec.own_word else 0), bos_token_id=words.bos_token_id, eos_token_id=words.eos_token_id, **spec.text,
                  patch_stride=spec.pictures["patch_stride"], conv_stride=spec.pictures["conv_stride"], dtype=spec.dtype)
    if spec.own_word:
        config["image_token_id"] = image
    if spec.aligned:
        config["alignment_config"] = spec.aligned
    model = Eve(config)
    draw(model, name)
    written_models.write(folder, model, config, spec.dtype)
    words.save_pretrained(folder)
    # As the authors' files: no type but CLIP's, whose own fields say nothing.
    (folder / "preprocessor_config.json").write_text(json.dumps(dict(
        feature_extractor_type="CLIPFeatureExtractor", do_resize=False, do_center_crop=False, do_normalize=True, resample=3, image_mean=MEAN,
        image_std=DEVIATION, **spec.pictures), indent=2))
    return folder


def oracle(folder):
    return read_weights(Eve(settings_of(folder)), folder)


def teacher_of(folder):
    """A CLIP of the sizes that the folder's model is aligned with."""
    sizes, patch = settings_of(folder)["alignment_config"], settings_of(folder)["patch_stride"]
    teacher = folder.parent / f"{folder.name}-teacher"
    if not teacher.exists():
        words = two_towers.words()
        tower = dict(hidden_size=sizes["hidden_size"], intermediate_size=2 * sizes["hidden_size"], num_attention_heads=4, num_hidden_layers=3,
                     image_size=sizes["image_size"], patch_size=patch)
        text = dict(two_towers.TEXT, vocab_size=len(words) + 1, eos_token_id=words.eos_token_id, bos_token_id=words.bos_token_id, pad_token_id=words.eos_token_id)
        model = CLIPModel(CLIPConfig(vision_config=tower, text_config=text, projection_dim=16))
        draw(model.vision_model, "teacher")
        model.save_pretrained(teacher)
        words.save_pretrained(teacher)
        size = sizes["image_size"]
        CLIPImageProcessorPil(size={"shortest_edge": size}, crop_size={"height": size, "width": size}).save_pretrained(teacher)
    return teacher


def taught_oracle(folder):
    model = oracle(folder)
    model.teacher = [CLIPModel.from_pretrained(teacher_of(folder)).vision_model.eval()]
    return model


class Taught:
    """This kind with a teacher beside the oracle."""

    def __init__(self):
        self.__dict__.update({key: value for key, value in globals().items() if not key.startswith("__")}, oracle=taught_oracle)


def aligned(case_of, name, *arguments, **settings):
    """A case of written_models under the objective."""
    def case(world, result):
        teacher = teacher_of(make(name, world.checkpoints))
        case_of(Taught(), name, *arguments, objective="visual_alignment", visual_alignment=dict(teacher=str(teacher), weight=WEIGHT), **settings)(world, result)
    return case


def rows(world, count):
    """Questions about a picture, one about two, and one about none."""
    names, made = sorted(SIZES), []
    for index in range(count):
        shown = [names[(index + 2 * each) % len(names)] for each in range((1, 2, 1, 0)[index % 4])]
        made.append(dict(messages=[dict(role="user", content="<image>" * len(shown) + "What is it?"), dict(role="assistant", content=CAPTIONS[index * 5 % len(CAPTIONS)])],
                         images=[str(world.inputs / each) for each in shown]))
    return made


class Joining:
    def __init__(self, folder):
        self.words, self.settings = AutoTokenizer.from_pretrained(folder), json.loads((folder / "preprocessor_config.json").read_text())
        self.image, self.aligned = "<image>", "alignment_config" in settings_of(folder)

    def pictures(self, row):
        times = self.settings["image_size"] // self.settings["image_size_clip"]
        return [canvas_of(path, self.settings, times) + (canvas_of(path, self.settings, 1) if self.aligned else ()) for path in row["images"]]

    def tokens_of(self, mask):
        side = self.settings["patch_stride"] * self.settings["conv_stride"]
        high, wide = int(mask.any(1).sum()) // side, int(mask.any(0).sum()) // side
        return 1 + high * (wide + 1)

    def ids(self, messages, pictures, prompts):
        parts = []
        for message in messages:
            shown = message["content"].count(self.image)
            parts.append(dict(role=message["role"], content=[dict(type="image")] * shown + [dict(type="text", text=message["content"][len(self.image) * shown:])]))
        text = self.words.apply_chat_template(parts, tokenize=False, add_generation_prompt=prompts)
        pieces = text.split(self.image)
        text = pieces[0] + "".join(self.image * self.tokens_of(mask) + piece for (_, mask, *_), piece in zip(pictures, pieces[1:]))
        return self.words(text, add_special_tokens=not text.startswith(self.words.bos_token))["input_ids"]    # as processors of transformers do

    def prompt(self, row):
        pictures = self.pictures(row)
        return self.ids(row["messages"][:1], pictures, True), pictures

    def __call__(self, made):
        found, patches = [], []
        for row in made:
            prompt, pictures = self.prompt(row)
            ids = self.ids(row["messages"], pictures, False)
            assert ids[:len(prompt)] == prompt
            found.append((ids, pictures, True, [-100] * len(prompt) + ids[len(prompt):]))
            for canvas, mask, *clip in pictures:
                patches += [flat_patches(canvas, mask, self.settings)] + [square_patches(each, self.settings["patch_stride_clip"]) for each in clip[:1]]
        return dict(rows=found) | (dict(pixel_values=torch.cat(patches)) if patches else {})

    def greedy(self, model, row, length):
        (prompt, pictures), written = self.prompt(row), []
        while len(written) < length and self.words.eos_token_id not in written:
            written.append(model.row_logits(prompt + written, pictures)[-1].argmax().item())
        return written


def silent(key):
    return False


def trains(model, strategy, freeze):
    model.train()


def llama_case(name):
    """transformers' class loads the decoder of the folder."""
    def case(world, result):
        folder = make(name, world.checkpoints)
        config = settings_of(folder)
        text = {key: value for key, value in config.items() if key in TEXT or key == "vocab_size"}
        _, told = LlamaForCausalLM.from_pretrained(folder, config=LlamaConfig(**text), output_loading_info=True)
        result.expect(not told["missing_keys"] and not told["mismatched_keys"], f"it lacks {told}")
        begins = PARTS["vision_tower"] + PARTS["projector"]
        result.expect(all(key.startswith(begins) for key in told["unexpected_keys"]), f"{told['unexpected_keys']}")
    return case


def without_alignment(folder, config_of):
    config = config_of(settings_of(folder))
    (folder / "config.json").write_text(json.dumps(config))


def dropped_case(world, result):
    """Without alignment_config the folder answers as before, and what a run leaves of it has no aligning layers."""
    folder = world.scratch / "dropped"
    shutil.copytree(make("eve-aligned", world.checkpoints), folder)
    row = rows(world, 1)[0]
    (world.scratch / "row.json").write_text(json.dumps(written_models.asked(row, answered=False)))
    flags = ("--input", world.scratch / "row.json", "--max-new-tokens", "20", "--dtype", "float32", "--device", "cpu", "--json")
    before = world.program.json("generate", folder, *flags)["results"][0]["token_ids"]
    without_alignment(folder, lambda config: {key: value for key, value in config.items() if key != "alignment_config"})
    result.same("token_ids", world.program.json("generate", folder, *flags)["results"][0]["token_ids"], before)
    recipe = dict(model=str(folder), dataset=two_towers.write_lines(world.scratch / "train.jsonl", rows(world, 4)), output_dir=str(world.scratch / "run"), strategy="full",
                  training=dict(max_steps=1, device="cpu", dtype="float32", save_steps=0))
    (world.scratch / "recipe.yaml").write_text(json.dumps(recipe))
    world.program.run("train", world.scratch / "recipe.yaml")
    result.expect(not any("compressor" in key for key in load_file(world.scratch / "run" / "model" / "model.safetensors")), "the aligning layers are still there")


def begun_case(world, result):
    """`head --of aligned` draws the layers of a folder that has none, of the sizes that its config.json asks for, and a run begins with them."""
    source, out = world.scratch / "source", world.scratch / "begun"
    shutil.copytree(make("eve-plain", world.checkpoints), source)
    without_alignment(source, lambda config: config | dict(alignment_config=dict(hidden_size=32, image_size=32, layer_rate=1)))
    told = world.program.json("head", source, "--of", "aligned", "--out", out, "--json")
    made, held = load_file(out / "model.safetensors"), load_file(source / "model.safetensors")
    result.same("drawn", sorted(told["drawn"]), sorted(set(made) - set(held)))
    result.same("kept", sorted(key for key in held if not torch.equal(made[key], held[key])), [])
    recipe = dict(model=str(out), dataset=two_towers.write_lines(world.scratch / "train.jsonl", rows(world, 4)), output_dir=str(world.scratch / "run"), strategy="full",
                  objective="visual_alignment", visual_alignment=dict(teacher=str(teacher_of(out))), training=dict(max_steps=1, device="cpu", dtype="float32", save_steps=0))
    (world.scratch / "recipe.yaml").write_text(json.dumps(recipe))
    world.program.run("train", world.scratch / "recipe.yaml")
    result.same("tensors", sorted(load_file(world.scratch / "run" / "model" / "model.safetensors")), sorted(made))


def composed_case(world, result):
    """What `compose` makes over a Llama: its tensors, the whole by the formulas, and the three stages one after another."""
    folder, half = world.scratch / "composed", composed.half(world, "llama")
    sizes = ("patch_stride=4", "mm_hidden_size=32", 'alignment_config={"hidden_size":32,"image_size":32,"layer_rate":1}')
    told = world.program.json("compose", "--connector", "encoder-free", "--language-model", half, *(part for text in sizes for part in ("--set", text)), "--out", folder,
                              "--json")
    made = load_file(folder / "model.safetensors")
    for key, tensor in load_file(half / "model.safetensors").items():
        result.expect(key in made and torch.equal(made[key], tensor), f"{key} is another")
    kind = Taught()
    kind.make, kind.oracle = lambda name, root: folder, oracle
    written_models.forward_case(kind, "")(world, result)
    few = ("training.max_steps=1", "training.gradient_accumulation_steps=1", "training.per_device_train_batch_size=1", "training.device=cpu", "training.dtype=float32",
           "training.save_steps=0", f"output_dir={world.scratch / 'run'}", f"stages.1.visual_alignment.teacher={teacher_of(folder)}",
           f"stages.2.visual_alignment.teacher={teacher_of(folder)}")
    data = two_towers.write_lines(world.scratch / "train.jsonl", rows(world, 1))
    flags = few + tuple(f"stages.{number}.dataset={data}" for number in (1, 2, 3))
    world.program.run("train", f"{folder}.stages.yaml", *(part for text in flags for part in ("--set", text)))
    for number, stage in enumerate(told["stages"], 1):
        lines = [line for line in train.curve(world.scratch / "run" / "stages" / f"{number}-{stage['name']}") if line.get("loss") is not None]
        result.expect(len(lines) == 1 and ("alignment_loss" in lines[0]) == (number < 3), f"{stage['name']}: {lines}")


def refused_case(world, result):
    """A model without the layers, a teacher of another size or with other means, and none."""
    aligned_folder, plain = make("eve-aligned", world.checkpoints), make("eve-plain", world.checkpoints)
    other = world.scratch / "other"
    shutil.copytree(teacher_of(aligned_folder), other)
    settings = json.loads((other / "preprocessor_config.json").read_text())
    (other / "preprocessor_config.json").write_text(json.dumps(settings | dict(image_mean=[0.5, 0.5, 0.5])))
    for folder, teacher, wanted in ((plain, teacher_of(aligned_folder), "alignment_config"), (aligned_folder, teacher_of(make("eve-aligned-fine", world.checkpoints)), "width"),
                                    (aligned_folder, other, "image_mean"), (aligned_folder, "", "visual_alignment.teacher")):
        shutil.rmtree(world.scratch / "run", ignore_errors=True)
        (world.scratch / "recipe.yaml").write_text(json.dumps(dict(
            model=str(folder), dataset=two_towers.write_lines(world.scratch / "train.jsonl", rows(world, 4)), output_dir=str(world.scratch / "run"), strategy="full",
            objective="visual_alignment", visual_alignment=dict(teacher=str(teacher)), training=dict(max_steps=1, device="cpu", dtype="float32"))))
        told = world.program.end("train", world.scratch / "recipe.yaml")
        result.expect(told.returncode == 2 and wanted in told.stderr, f"{wanted}: {told.returncode} {told.stderr}")
        result.expect(not (world.scratch / "run").exists(), f"{wanted}: refused in mid-run")


STAGE_ONE = dict(vision_tower=False, projector=False, language_model=True)
FIXED = dict(vision_tower=True, projector=False, language_model=False)
def forecast(name, strategy, **settings):
    settings["within"] = 0.05
    return (aligned(written_models.forecast_case, name, strategy, **settings) if SPECS[name].aligned else
            written_models.forecast_case(KIND, name, strategy, **settings))


DAILY = {f"eve/{name}" for name in ("eve-plain/forward", "eve-tied/forward", "eve-plain/generate", "eve-plain/lora", "eve-aligned/first-stage", "forecast/wide",
                              "forecast/aligned")}


def cases(everything=False):
    found = {}
    for name in ("eve-plain", "eve-tied"):
        found |= {f"eve/{name}/forward": written_models.forward_case(KIND, name), f"eve/{name}/info": written_models.info_case(KIND, name),
                  f"eve/{name}/generate": written_models.generate_case(KIND, name), f"eve/{name}/llama": llama_case(name)}
    found |= {"eve/eve-plain/first-stage": written_models.train_case(KIND, "eve-plain", "freeze", freeze=STAGE_ONE),
              "eve/eve-plain/fixed": written_models.train_case(KIND, "eve-plain", "freeze", freeze=FIXED),
              "eve/eve-plain/full": written_models.train_case(KIND, "eve-plain", "full", "true"),
              "eve/eve-tied/full": written_models.train_case(KIND, "eve-tied", "full"),
              "eve/eve-plain/lora": written_models.train_case(KIND, "eve-plain", "lora", "true"),
              "eve/eve-aligned/forward": written_models.forward_case(KIND, "eve-aligned"), "eve/eve-aligned/generate": written_models.generate_case(KIND, "eve-aligned"),
              "eve/eve-aligned/info": written_models.info_case(KIND, "eve-aligned"),
              "eve/eve-aligned/first-stage": aligned(written_models.train_case, "eve-aligned", "freeze", freeze=STAGE_ONE),
              "eve/eve-aligned/full": aligned(written_models.train_case, "eve-aligned", "full", "true"),
              "eve/eve-aligned/fixed": aligned(written_models.train_case, "eve-aligned", "freeze", freeze=FIXED),
              "eve/eve-aligned-fine/full": aligned(written_models.train_case, "eve-aligned-fine", "full"),
              "eve/eve-aligned/lora": aligned(written_models.train_case, "eve-aligned", "lora", "true"),
              "eve/eve-aligned/dropped": dropped_case, "eve/eve-aligned/begun": begun_case, "eve/eve-aligned/refused": refused_case, "eve/composed": composed_case,
              "eve/forecast/aligned": forecast("eve-aligned-larger", "full"),
              "eve/forecast/aligned-first-stage": forecast("eve-aligned-larger", "freeze", freeze=STAGE_ONE),
              "eve/forecast/full": forecast("eve-larger", "full"), "eve/forecast/lora": forecast("eve-larger", "lora"),
              "eve/forecast/first-stage": forecast("eve-larger", "freeze", freeze=STAGE_ONE),
              "eve/forecast/wide": forecast("eve-wide", "full"), "eve/forecast/wide-lora": forecast("eve-wide", "lora"),
              "eve/forecast/wide-fixed": forecast("eve-wide", "freeze", freeze=FIXED),
              "eve/forecast/wide-first-stage": forecast("eve-wide", "freeze", freeze=STAGE_ONE)}
    return {name: case for name, case in found.items() if everything or name in DAILY}

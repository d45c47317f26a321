# SPDX-License-Identifier: GPL-3.0-or-later
"""EVE against its formulas (transformers has no class of it): pictures on a square canvas whose filled part a mask names, as the paper has them, a convolution, a
pooled square that looks at its own patches, a class token that looks at all squares, row ends, two products, and LlamaForCausalLM over the joined states."""
import json
import math
import sys
from dataclasses import dataclass, field
from pathlib import Path

import torch
from PIL import Image
from torch import nn
from torch.nn import functional
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

import tokenizers_
import written_models
from conversations import SIZES
from two_towers import CAPTIONS
from written_models import Out, draw, read_weights

MODEL_TYPE = "eve"
KIND = sys.modules[__name__]
TWO_TEXTS = False
PARTS = {"vision_tower": ("model.vision_tower.",), "projector": ("model.mm_projector.",), "language_model": ("model.embed", "model.layers", "model.norm", "lm_head.")}
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
    own_word: bool = False    # whether <image> is in the table of words
    dtype: str = "float32"


SPECS = {
    "eve-plain": Spec(),
    # A patch of CLIP's is a square of two by two states, each of three by three patches.
    "eve-tied": Spec({**TEXT, "tie_word_embeddings": True, "num_key_value_heads": 2}, 40,
                     dict(image_size=96, image_size_clip=24, patch_stride=2, patch_stride_clip=3, conv_stride=3), True, "bfloat16"),
    "eve-larger": Spec({**TEXT, "hidden_size": 192, "intermediate_size": 512, "num_hidden_layers": 4, "num_key_value_heads": 2}, 128,
                       dict(image_size=168, image_size_clip=84, patch_stride=7, patch_stride_clip=7, conv_stride=2)),
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

    def states(self, ids, pictures):
        """Of one row: its words' states, with those of its pictures at their places."""
        ids = torch.tensor(ids)
        shown = ids == self.image
        states = self.model.embed_tokens(ids.masked_fill(shown, 0))
        if not pictures:
            return states
        made = torch.cat([self.model.mm_projector(self.model.vision_tower(canvas, mask)) for canvas, mask in pictures])
        return states.index_put((shown.nonzero()[:, 0],), made)

    def row_logits(self, ids, pictures):
        return self.lm_head(self.model(inputs_embeds=self.states(ids, pictures)[None], use_cache=False).last_hidden_state[0])

    def forward(self, rows, **beside):
        """rows: (ids, pictures, whether they are to be learned, all labels)."""
        total, count, logits = 0.0, 0, []
        for ids, pictures, _, labels in rows:
            logits.append(self.row_logits(ids, pictures))
            total = total + functional.cross_entropy(logits[-1][:-1], torch.tensor(labels)[1:], reduction="sum")
            count += sum(label != -100 for label in labels[1:])
        return Out(total / count, logits[0])


def canvas_of(path, settings):
    """The picture in the middle of a square, between stripes of whole patches of CLIP's; and which part of it that is."""
    picture = Image.open(path).convert("RGB")
    size, stride = settings["image_size_clip"], settings["patch_stride_clip"]
    times = settings["image_size"] // size
    wide, high = picture.size
    count = math.ceil(size * min(wide, high) / max(wide, high) / stride)
    before = (size // stride - count) // 2 * stride * times
    shorter, longer = count * stride * times, settings["image_size"]
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
        self.image = "<image>"

    def pictures(self, row):
        return [canvas_of(path, self.settings) for path in row["images"]]

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
        text = pieces[0] + "".join(self.image * self.tokens_of(mask) + piece for (_, mask), piece in zip(pictures, pieces[1:]))
        return self.words(text, add_special_tokens=False)["input_ids"]

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
            patches += [flat_patches(canvas, mask, self.settings) for canvas, mask in pictures]
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


STAGE_ONE = dict(vision_tower=False, projector=False, language_model=True)
FIXED = dict(vision_tower=True, projector=False, language_model=False)
DAILY = {f"eve/{name}" for name in ("eve-plain/forward", "eve-tied/forward", "eve-plain/generate", "eve-plain/first-stage", "eve-plain/lora", "forecast/full")}


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
              "eve/forecast/full": written_models.forecast_case(KIND, "eve-larger", "full"),
              "eve/forecast/lora": written_models.forecast_case(KIND, "eve-larger", "lora"),
              "eve/forecast/first-stage": written_models.forecast_case(KIND, "eve-larger", "freeze", freeze=STAGE_ONE)}
    return {name: case for name, case in found.items() if everything or name in DAILY}

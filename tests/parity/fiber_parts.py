# SPDX-License-Identifier: GPL-3.0-or-later
"""FIBER put together: transformers' SwinModel and RobertaModel with cross-attention by the paper's formula between their last layers, and heads as the authors
name them; small checkpoints of it, in our layout and by the published names."""
import re
from dataclasses import dataclass, field
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch.nn import LayerNorm, Linear
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, gelu, normalize
from transformers import AutoTokenizer, PreTrainedConfig, PreTrainedModel, RobertaConfig, RobertaModel, SwinConfig, SwinModel
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from blip import SimpleOutput, settled
from encoder_decoders import padded
from families.base import read, write
from text_encoders import bytes_in_pairs
from two_towers import LONGEST

NAMES = ("no", "yes", "red", "two")
VISION = dict(image_size=46, patch_size=4, embed_dim=16, depths=[1, 3], num_heads=[2, 4], window_size=5, mlp_ratio=2.0, drop_path_rate=0.0)
TEXT = dict(hidden_size=40, intermediate_size=72, num_attention_heads=4, num_hidden_layers=3, max_position_embeddings=LONGEST + 2, type_vocab_size=1,
            layer_norm_eps=1e-5, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
UNEVEN = ({**VISION, "image_size": 40, "patch_size": 2, "depths": [1, 2, 1], "num_heads": [1, 2, 8], "qkv_bias": False, "hidden_act": "gelu_new", "window_size": 4,
           "layer_norm_eps": 1e-4},
          {**TEXT, "num_attention_heads": 5, "num_hidden_layers": 4, "hidden_act": "relu"})
LARGER = ({**VISION, "image_size": 64, "embed_dim": 32, "depths": [1, 2, 2], "num_heads": [2, 4, 8], "window_size": 4, "mlp_ratio": 4.0},
          {**TEXT, "hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 4, "max_position_embeddings": 66})


@dataclass
class Spec:
    vision: dict = field(default_factory=dict)
    text: dict = field(default_factory=dict)
    model: dict = field(default_factory=dict)
    dtype: str = "float32"
    answers: bool = False


SPECS = {
    "fiber-plain": Spec(VISION, TEXT, dict(num_fuse_block=2, hidden_size=24)),
    # The looks begin in a stage before the last, as in the published model; points without a second product.
    "fiber-uneven": Spec(*UNEVEN, dict(num_fuse_block=3, hidden_size=40, itc_pooler=False), "bfloat16"),
    "fiber-answers": Spec(VISION, TEXT, dict(num_fuse_block=2, hidden_size=24), answers=True),
    "fiber-larger": Spec(*LARGER, dict(num_fuse_block=3, hidden_size=96)),
    "fiber-larger-answers": Spec(*LARGER, dict(num_fuse_block=3, hidden_size=96), answers=True),
}
STORED = ((".attention.relative_position_bias.relative_position_bias_table", ".attention.self.relative_position_bias_table"),
          (".attention.q_proj.", ".attention.self.query."), (".attention.k_proj.", ".attention.self.key."), (".attention.v_proj.", ".attention.self.value."),
          (".attention.o_proj.", ".attention.output.dense."), (".mlp.fc1.", ".intermediate.dense."), (".mlp.fc2.", ".output.dense."))


def stored(key):
    """A tensor's name in files, in which Swin's layers have the names of before."""
    for now, old in STORED if key.startswith("swin.") else ():
        key = key.replace(now, old)
    return key


class Look(torch.nn.Module):
    """x + alpha · attention of (normed) x to the other side."""

    def __init__(self, width, seen, heads, bias=True, eps=None):
        super().__init__()
        self.heads = heads
        if eps is not None:
            self.norm = LayerNorm(width, eps=eps)
        self.query, self.key, self.value, self.dense = Linear(width, width, bias), Linear(seen, width, bias), Linear(seen, width, bias), Linear(width, width)
        self.alpha = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x, seen, known=None):
        heads = lambda made: made.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        query, key, value = heads(self.query(self.norm(x) if hasattr(self, "norm") else x)), heads(self.key(seen)), heads(self.value(seen))
        scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
        if known is not None:
            scores = scores.masked_fill(~known.bool()[:, None, None, :], float("-inf"))
        return x + self.alpha * self.dense((scores.softmax(-1) @ value).transpose(1, 2).flatten(2))


class Side(torch.nn.Module):
    def __init__(self, space):
        super().__init__()
        self.dense = Linear(space, space)

    def forward(self, x):
        return self.dense(x).tanh()


class Words(torch.nn.Module):
    def __init__(self, space, words):
        super().__init__()
        self.transform = torch.nn.ModuleDict({"dense": Linear(space, space), "LayerNorm": LayerNorm(space, eps=1e-12)})
        self.decoder, self.bias = Linear(space, words, bias=False), torch.nn.Parameter(torch.zeros(words))

    def forward(self, x):
        return self.decoder(self.transform["LayerNorm"](gelu(self.transform["dense"](x)))) + self.bias


class FiberConfig(PreTrainedConfig):
    model_type = "fiber"


class Fiber(PreTrainedModel):
    config_class = FiberConfig

    def __init__(self, config):
        super().__init__(config)
        vision, text = SwinConfig(**config.vision_config), RobertaConfig(**config.text_config)
        self.swin, self.roberta = SwinModel(vision, add_pooling_layer=False), RobertaModel(text, add_pooling_layer=False)
        blocks = [(stage, block) for stage, depth in enumerate(vision.depths) for block in range(depth)]
        self.count, self.pairs = config.num_fuse_block, blocks[-config.num_fuse_block:]
        widths = [vision.embed_dim * 2 ** stage for stage, _ in self.pairs]
        self.image_fusion = torch.nn.ModuleList(Look(width, text.hidden_size, vision.num_heads[stage], vision.qkv_bias, vision.layer_norm_eps)
                                                for width, (stage, _) in zip(widths, self.pairs))
        self.text_fusion = torch.nn.ModuleList(Look(text.hidden_size, width, text.num_attention_heads) for width in widths)
        space = config.hidden_size
        self.cross_modal_image_transform, self.cross_modal_text_transform = Linear(widths[-1], space), Linear(text.hidden_size, space)
        self.cross_modal_image_pooler, self.cross_modal_text_pooler = Side(space), Side(space)
        if config.answers:
            self.vqa_classifier = torch.nn.Sequential(Linear(2 * space, 2 * space), LayerNorm(2 * space), torch.nn.GELU(), Linear(2 * space, config.answers))
        else:
            self.cross_modal_image_transform_itc, self.cross_modal_text_transform_itc = Linear(widths[-1], space), Linear(text.hidden_size, space)
            if config.itc_pooler:
                self.cross_modal_image_pooler_itc, self.cross_modal_text_pooler_itc = Side(space), Side(space)
            self.itm_score = torch.nn.ModuleDict({"fc": Linear(2 * space, 2)})
            self.mlm_score, self.temp = Words(space, text.vocab_size), torch.nn.Parameter(torch.tensor(0.07))
        self.post_init()

    def _init_weights(self, module):
        pass

    def point(self, side, made):
        pooler = getattr(self, f"cross_modal_{side}_pooler_itc", lambda x: x)
        return normalize(pooler(made), dim=-1)

    def points(self, input_ids, attention_mask, pixel_values):
        """Of texts and of pictures, with nobody looking across."""
        images = self.cross_modal_image_transform_itc(self.swin(pixel_values).last_hidden_state).mean(1)
        texts = self.cross_modal_text_transform_itc(self.roberta(input_ids, attention_mask=attention_mask).last_hidden_state)[:, 0]
        return self.point("text", texts), self.point("image", images)

    def fused(self, input_ids, attention_mask, pixel_values):
        """Of texts [rows, tokens, space] and of pictures [rows, places, space], each having looked at the other."""
        image, size = self.swin.embeddings(pixel_values)
        text = self.roberta.embeddings(input_ids)
        known = torch.zeros(attention_mask.shape).masked_fill(attention_mask == 0, torch.finfo(torch.float32).min)[:, None, None, :]
        layers, done = self.roberta.encoder.layer, len(self.roberta.encoder.layer) - self.count
        for layer in layers[:done]:
            text = layer(text, known)
        for stage, part in enumerate(self.swin.encoder.layers):
            for place, block in enumerate(part.blocks):
                pair = self.pairs.index((stage, place)) if (stage, place) in self.pairs else None
                if pair is None:
                    image = block(image, size)[0]
                    continue
                def look(_module, _given, out, pair=pair, text=text):
                    windows = len(out[0]) // len(text)
                    repeated = lambda x: x.repeat_interleave(windows, 0)
                    return (self.image_fusion[pair](out[0], repeated(text), repeated(attention_mask)), out[1])
                hook = block.attention.register_forward_hook(look)
                seeing = block(image, size)[0]
                hook.remove()
                layer = layers[done + pair]
                made = layer.attention.output.dense(layer.attention.self(text, attention_mask=known)[0])
                state = layer.attention.output.LayerNorm(self.text_fusion[pair](made, image) + text)
                text = layer.output.dense(layer.intermediate(state)) + state
                if pair + 1 < self.count:
                    text = layer.output.LayerNorm(text)
                image = seeing
            if part.downsample is not None:
                image, size = part.downsample(image, size), tuple((side + 1) // 2 for side in size)
        return self.cross_modal_text_transform(text), self.cross_modal_image_transform(image)

    def together(self, **read):
        texts, images = self.fused(**read)
        return torch.cat([self.cross_modal_text_pooler(texts[:, 0]), self.cross_modal_image_pooler(images.mean(1))], -1)

    def matched(self, **read):
        return self.itm_score["fc"](self.together(**read))

    def said(self, **read):
        return self.mlm_score(self.fused(**read)[0])

    def answered(self, **read):
        return self.vqa_classifier(self.together(**read))

    def forward(self, input_ids, attention_mask, pixel_values, return_loss=None, labels=None):
        read = dict(input_ids=input_ids, attention_mask=attention_mask, pixel_values=pixel_values)
        if self.config.answers:
            logits = self.answered(**read)
            return SimpleOutput(loss=loss_of_answers(self.config, logits, labels), logits=logits)
        if labels is not None:
            logits = self.said(**read)
            return SimpleOutput(loss=cross_entropy(logits.flatten(0, 1), labels.flatten()), logits=logits)
        texts, images = self.points(**read)
        logits, own = texts @ images.t() / self.temp.clamp(0.001, 1), torch.arange(len(texts))
        loss = (cross_entropy(logits, own) + cross_entropy(logits.t(), own)) / 2 if return_loss else None
        return SimpleOutput(loss=loss, logits_per_text=logits, logits_per_image=logits.t())


def loss_of_answers(config, logits, wanted):
    several = config.problem_type == "multi_label_classification"
    return binary_cross_entropy_with_logits(logits, wanted) if several else -(wanted * logits.log_softmax(1)).sum(1).mean()


def config_of(spec, words, **more):
    text = dict(spec.text, vocab_size=len(words) + 2, pad_token_id=words.pad_token_id, model_type="roberta")
    named = dict(id2label={str(number): name for number, name in enumerate(NAMES)}, problem_type="multi_label_classification") if spec.answers else {}
    return dict(model_type="fiber", architectures=["FiberForQuestionAnswering" if spec.answers else "FiberForPreTraining"],
                vision_config=dict(spec.vision, model_type="swin"), text_config=text) | spec.model | named | more


def built(content):
    config = FiberConfig(**{key: value for key, value in content.items() if key not in ("id2label", "architectures")})
    config.answers = len(content["id2label"]) if content["architectures"] == ["FiberForQuestionAnswering"] else 0
    config.itc_pooler, config.problem_type = content.get("itc_pooler", True), content.get("problem_type")
    return Fiber(config)


def make(name, root: Path, draw=0):
    """`draw`: other weights of the same shape."""
    folder, spec = root / (f"{name}-{draw}" if draw else name), SPECS[name]
    if folder.exists():
        return folder
    words = bytes_in_pairs()
    content = config_of(spec, words)
    model = built(content)
    settled(model, sum(name.encode()) + 10 * draw)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if key.endswith("alpha"):
                parameter.fill_(0.8 - 0.3 * ("text" in key))
        if not spec.answers:
            model.temp.fill_(0.13)
    folder.mkdir(parents=True)
    tensors = {stored(key): tensor.to(getattr(torch, spec.dtype)).contiguous() for key, tensor in model.named_parameters()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    write(folder / "config.json", content)
    words.save_pretrained(folder)
    size = spec.vision["image_size"]
    BlipImageProcessorPil(size={"height": size, "width": size}).save_pretrained(folder)
    return folder


def oracle(folder):
    model, tensors = built(read(folder / "config.json")), load_file(folder / "model.safetensors")
    names = {stored(key): key for key, _ in model.named_parameters()}
    model.load_state_dict({names[key]: tensor.float() for key, tensor in tensors.items() if key in names} |
                          {key: tensor for key, tensor in model.state_dict().items() if key not in names.values()})
    return model.eval()


class Joining:
    """Rows as the towers take them; texts padded behind their ends."""

    def __init__(self, folder):
        self.tokenizer, self.pictures = AutoTokenizer.from_pretrained(folder), BlipImageProcessorPil.from_pretrained(folder)
        self.longest = read(folder / "config.json")["text_config"]["max_position_embeddings"] - 2

    def pixels(self, made):
        return self.pictures([Image.open(row["image"]).convert("RGB") for row in made], return_tensors="pt")["pixel_values"]

    def texts(self, made):
        return [self.tokenizer(row["text"], truncation=True, max_length=self.longest)["input_ids"] for row in made]

    def padded(self, texts):
        return {"input_ids": padded(texts, self.tokenizer.pad_token_id), "attention_mask": padded([[1] * len(ids) for ids in texts], 0)}

    def beside(self, ids):
        return ids

    def read(self, made):
        return self.padded(self.texts(made)) | {"pixel_values": self.pixels(made)}

    def __call__(self, made):
        return self.read(made) | {"return_loss": True}


def published(model):
    """The state of a model by the authors' names (microsoft/FIBER, coarse_grained), with what no task reads."""
    own, tensors = {key: tensor.detach() for key, tensor in model.named_parameters()}, {}
    vision, count = model.config.vision_config, model.count
    for key, tensor in own.items():
        place = re.match(r"swin\.encoder\.layers\.(\d+)\.(.*)", key)
        if place and ".attention." not in key:
            rest = place[2].replace("layernorm_before", "norm1").replace("layernorm_after", "norm2")
            tensors[f"vit_model.layers.{place[1]}.{rest}"] = tensor
        elif key.startswith("swin.embeddings."):
            tensors[key.replace("swin.embeddings.patch_embeddings.projection", "vit_model.patch_embed.proj").replace("swin.embeddings.norm", "vit_model.patch_embed.norm")] = tensor
        elif key.startswith("swin.layernorm."):
            tensors[key.replace("swin.layernorm", "vit_model.norm")] = tensor
        elif key.startswith("roberta."):
            tensors[key.replace("roberta.", "text_transformer.")] = tensor
        elif not key.startswith(("swin.", "image_fusion.", "text_fusion.")):
            tensors[key] = tensor
    for stage, depth in enumerate(vision["depths"]):
        for block in range(depth):
            ours, name = f"swin.encoder.layers.{stage}.blocks.{block}.attention.", f"vit_model.layers.{stage}.blocks.{block}.attn."
            for slot in ("weight", "bias"):
                tensors[f"{name}qkv.{slot}"] = torch.cat([own[f"{ours}{part}_proj.{slot}"] for part in "qkv"])
                tensors[f"{name}proj.{slot}"] = own[f"{ours}o_proj.{slot}"]
            tensors[f"{name}relative_position_bias_table"] = own[f"{ours}relative_position_bias.relative_position_bias_table"]
            tensors[f"{name}relative_position_index"] = torch.zeros(4, dtype=torch.long)
    layers = model.config.text_config["num_hidden_layers"]
    for pair, (stage, block) in enumerate(model.pairs):
        ours, name = f"image_fusion.{pair}.", f"vit_model.layers.{stage}.blocks.{block}.attn."
        text, other = f"text_fusion.{pair}.", f"text_transformer.encoder.layer.{layers - count + pair}."
        for slot in ("weight", "bias"):
            tensors[f"{name}qkv_text_i2t.{slot}"] = torch.cat([own[f"{ours}key.{slot}"], own[f"{ours}value.{slot}"]])
            for there, here in (("qkv_i2t", "query"), ("proj_i2t", "dense"), ("norm_i2t_i", "norm")):
                tensors[f"{name}{there}.{slot}"] = own[f"{ours}{here}.{slot}"]
            for part in ("query", "key", "value"):
                tensors[f"{other}crossattention_t2i.self.{part}.{slot}"] = own[f"{text}{part}.{slot}"]
            tensors[f"{other}crossattention_t2i.output.dense.{slot}"] = own[f"{text}dense.{slot}"]
            tensors[f"{other}crossattention_t2i.output.LayerNorm.{slot}"] = torch.ones(3)
        tensors[f"{name}alpha_i2t"], tensors[f"{other}alpha_t2i"] = own[f"{ours}alpha"], own[f"{text}alpha"]
    return tensors | {"text_transformer.encoder.layer.0.alpha_t2i": torch.zeros(1), "text_transformer.pooler.dense.weight": torch.ones(3),
                      "rank_output.weight": torch.ones(1, 3), "image_queue": torch.ones(3, 5), "queue_ptr": torch.zeros(1, dtype=torch.long)}

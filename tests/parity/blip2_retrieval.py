# SPDX-License-Identifier: GPL-3.0-or-later
"""BLIP-2 that finds texts (Blip2ForImageTextRetrieval): two_towers.py's cases on its likenesses, matching.py's on its pairs. The class strips the marks of a
picture's queries from what it reads, so that they are put there here."""
import sys
from dataclasses import dataclass, field
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken
from transformers import Blip2Config, Blip2ForImageTextRetrieval
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

import blip
import matching
import train
import two_towers
from blip import SimpleOutput, felt
from families.base import read, write
from text_encoders import wordpieces
from two_towers import LONGEST, rows, write_lines

KIND = sys.modules[__name__]
MODEL_TYPE = "blip-2"
PARTS = {"vision_tower": ("vision_model.",), "projector": ("query_tokens", "qformer.", "vision_projection.", "text_projection.", "itm_head."),
         "language_model": ("embeddings.",)}
TOWER = dict(hidden_size=32, intermediate_size=56, num_attention_heads=4, num_hidden_layers=2, image_size=32, patch_size=8)
QFORMER = dict(hidden_size=40, num_hidden_layers=3, num_attention_heads=4, intermediate_size=72, max_position_embeddings=LONGEST)
STILL = dict(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, use_qformer_text_input=True)
SCALE = 1 / 0.07     # of likenesses where no temperature learns
# What a folder has besides where its config.json says `pretraining_head`.
HEAD = ("cls.predictions.bias", "cls.predictions.transform.LayerNorm.bias", "cls.predictions.transform.LayerNorm.weight",
        "cls.predictions.transform.dense.bias", "cls.predictions.transform.dense.weight", "temp")


@dataclass
class Spec:
    tower: dict = field(default_factory=dict)
    qformer: dict = field(default_factory=dict)
    model: dict = field(default_factory=dict)
    dtype: str = "float32"
    mark: bool = True       # <image> stands in the tokenizer, behind the table, as in the published folders
    head: bool = False


SPECS = {
    "blip2-retrieval": Spec(TOWER, QFORMER, dict(image_text_hidden_size=24, num_query_tokens=5)),
    # every layer looks across, no biases of queries and values, another activation
    "blip2-retrieval-uneven": Spec({**TOWER, "qkv_bias": False, "num_hidden_layers": 3, "layer_norm_eps": 1e-3},
                                   {**QFORMER, "cross_attention_frequency": 1, "hidden_act": "gelu_new", "layer_norm_eps": 1e-5, "num_attention_heads": 2},
                                   dict(image_text_hidden_size=16, num_query_tokens=3), "bfloat16", mark=False),
    "blip2-stage-one": Spec(TOWER, QFORMER, dict(image_text_hidden_size=24, num_query_tokens=5), head=True),
    "blip2-stage-one-uneven": Spec({**TOWER, "num_attention_heads": 2}, {**QFORMER, "hidden_act": "relu", "num_hidden_layers": 2, "cross_attention_frequency": 1},
                                   dict(image_text_hidden_size=16, num_query_tokens=3), mark=False, head=True),
    "blip2-larger": Spec({**TOWER, "hidden_size": 96, "intermediate_size": 256, "num_hidden_layers": 4, "image_size": 48},
                         {**QFORMER, "hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 4, "max_position_embeddings": 64},
                         dict(image_text_hidden_size=64, num_query_tokens=8), head=True),
}


def make(name, root: Path):
    folder, spec = root / name, SPECS[name]
    if folder.exists():
        return folder
    words = wordpieces()
    words.add_special_tokens({"bos_token": "[DEC]"})
    table, more = len(words), {}
    if spec.mark:
        words.add_tokens([AddedToken("<image>", normalized=False, special=True)], special_tokens=True)
        more = dict(image_token_index=table)
    qformer = dict(spec.qformer, **STILL, vocab_size=table, pad_token_id=words.pad_token_id)
    config = Blip2Config(vision_config=spec.tower, qformer_config=qformer,
                         text_config=dict(model_type="opt", hidden_size=16, ffn_dim=16, num_hidden_layers=1, num_attention_heads=1, vocab_size=50), **spec.model,
                         **more)
    model = Blip2ForImageTextRetrieval(config)
    seed = sum(name.encode())
    blip.settled(model, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        model.query_tokens.copy_(torch.randn(model.query_tokens.shape, generator=generator))
    model.to(getattr(torch, spec.dtype)).save_pretrained(folder)
    words.save_pretrained(folder)
    size = spec.tower["image_size"]
    BlipImageProcessorPil(size={"height": size, "width": size}).save_pretrained(folder)
    if spec.head:
        add_head(folder, qformer["hidden_size"], table, generator)
    return folder


def add_head(folder, width, words, generator):
    noise = lambda *shape: torch.randn(shape, generator=generator)
    made = dict(zip(HEAD, (0.1 * noise(words), 0.1 * noise(width), 1 + 0.15 * noise(width), 0.1 * noise(width), 1.2 * noise(width, width) / width ** 0.5,
                           torch.tensor(0.09))))
    save_file(load_file(folder / "model.safetensors") | made, folder / "model.safetensors", metadata={"format": "pt"})
    write(folder / "config.json", read(folder / "config.json") | {"pretraining_head": True})


class Retrieval(Blip2ForImageTextRetrieval):
    """With likenesses and their loss as two_towers.py asks for them: cosines times a scale, labels smoothed by 0.1 as the authors' are."""

    def marked(self, input_ids, attention_mask):
        mark, count = self.config.image_token_index, self.config.num_query_tokens
        if mark is None:
            return dict(input_ids=input_ids, attention_mask=attention_mask)
        before = torch.full((len(input_ids), count), mark)
        return dict(input_ids=torch.cat([before, input_ids], 1), attention_mask=torch.cat([torch.ones_like(before), attention_mask], 1))

    def forward(self, input_ids, pixel_values, attention_mask, return_loss=None, scale=SCALE, **given):
        cosines = super().forward(pixel_values, **self.marked(input_ids, attention_mask), use_image_text_matching_head=False, **given).logits_per_image
        logits, own = cosines * scale, torch.arange(len(cosines))   # [pictures, texts]
        picked = lambda side: torch.nn.functional.cross_entropy(side, own, label_smoothing=0.1)
        both = (picked(logits) + picked(logits.t())) / 2 if return_loss else None
        return SimpleOutput(loss=both, logits_per_text=logits.t(), logits_per_image=logits)

    def matched(self, input_ids, pixel_values, attention_mask):
        return super().forward(pixel_values, **self.marked(input_ids, attention_mask), use_image_text_matching_head=True).logits_per_image


def oracle(folder):
    return Retrieval.from_pretrained(folder, dtype=torch.float32).eval()


class Joining(blip.Joining):
    """What the class gets of rows; a text that is read with a picture is read as it is."""

    def __init__(self, folder):
        super().__init__(folder, read(folder / "config.json")["qformer_config"])

    def beside(self, ids):
        return ids


def silent(key):
    return key.endswith(".key.bias")


def with_adapter(model, world, recipe, strategy):
    if strategy == "freeze":
        for key, parameter in model.named_parameters():
            parameter.requires_grad_(key.startswith(PARTS["projector"]))
    if strategy != "lora":
        return model
    # "all-linear" leaves out what transformers finds to be a text model's table, and this class has none to name.
    model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", lora_dropout=0.0))
    model.save_pretrained(world.scratch / "start")
    recipe["adapter"] = dict(init_from=str(world.scratch / "start"))
    return model


def loaded(result, folder, head=False):
    """transformers' own class, which finds all that it wants; besides, what it has no place for."""
    model, notes = Retrieval.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    result.same("missing, unexpected", [sorted(notes["missing_keys"]), sorted(notes["unexpected_keys"])], [[], sorted(HEAD) if head else []])
    return model


def compare_results(world, result, name, model, strategy):
    if strategy == "lora":
        got, wanted, slack = load_file(world.scratch / "run" / "adapter" / "adapter_model.safetensors"), get_peft_model_state_dict(model), 0
    else:
        folder = world.scratch / "run" / "model"
        result.same("stored names", sorted(load_file(folder / "model.safetensors")), sorted(load_file(world.checkpoints / name / "model.safetensors")))
        got, wanted = loaded(result, folder, SPECS[name].head).state_dict(), model.state_dict()
        slack = {"float32": 0, "bfloat16": 2 ** -8}[SPECS[name].dtype]
    if not result.same("tensors", sorted(got), sorted(wanted)):
        return
    for key, tensor in wanted.items():
        if not silent(key):
            result.close(key, felt(key, got[key]), felt(key, tensor.detach()), train.WEIGHTS + slack, "adapter" if strategy == "lora" else "weights")


def head_case(world, result):
    """`head --of pretraining` adds what the class lacks, and changes nothing else; a folder that has it keeps it."""
    folder = make("blip2-retrieval", world.checkpoints)
    told = world.program.json("head", folder, "--of", "pretraining", "--out", world.scratch / "head", "--json")
    result.same("drawn", sorted(told["drawn"]), sorted(HEAD))
    result.same("architecture", told["architecture"], "Blip2ForImageTextRetrieval")
    before, after = load_file(folder / "model.safetensors"), load_file(world.scratch / "head" / "model.safetensors")
    result.same("names", sorted(after), sorted([*before, *HEAD]))
    for key, tensor in before.items():
        result.expect(torch.equal(after[key], tensor), f"{key} is another")
    result.near("temp", after["temp"].item(), 0.07, 1e-6)
    result.expect(after[HEAD[4]].std() > 0.01 and not after[HEAD[0]].any(), "the head is not drawn as BERT's")
    loaded(result, world.scratch / "head", head=True)
    again = world.program.json("head", make("blip2-stage-one", world.checkpoints), "--of", "pretraining", "--out", world.scratch / "again", "--json")
    result.same("drawn anew", again["drawn"], [])
    world.program.run("head", blip.make("blip-caption", world.checkpoints), "--of", "pretraining", "--out", world.scratch / "other", status=2)


def cases(everything=False):
    found = {"blip2/retrieval/forward": two_towers.forward_case("blip2-retrieval", KIND), "blip2/retrieval/similarity": two_towers.similarity_case("blip2-retrieval", KIND),
             "blip2/retrieval-uneven/forward": two_towers.forward_case("blip2-retrieval-uneven", KIND), "blip2/retrieval/head": head_case,
             "blip2/retrieval/matching-loss": matching.loss_case(KIND, "blip2-retrieval", 1.0),
             "blip2/retrieval-uneven/matching-full": matching.train_case(KIND, "blip2-retrieval-uneven", "full", 2, 2)}
    if everything:
        found |= {"blip2/retrieval/info": two_towers.info_case("blip2-retrieval", KIND),
                  "blip2/retrieval/contrastive-full": two_towers.train_case("blip2-retrieval", "full", kind=KIND),
                  "blip2/retrieval/contrastive-cached": two_towers.train_case("blip2-retrieval", "full", 2, 2, kind=KIND, contrastive=dict(gradient_cache=True)),
                  "blip2/retrieval/matching-freeze": matching.train_case(KIND, "blip2-retrieval", "freeze"),
                  "blip2/retrieval-uneven/matching-loss": matching.loss_case(KIND, "blip2-retrieval-uneven", 0.0),
                  "blip2/retrieval/matching-lora": matching.train_case(KIND, "blip2-retrieval", "lora"),
                  "blip2/forecast/matching-full": two_towers.caption_forecast_case(make, "blip2-larger", "full", "matching"),
                  "blip2/forecast/contrastive-full": two_towers.caption_forecast_case(make, "blip2-larger", "full", "contrastive")}
    return found

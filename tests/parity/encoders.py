# SPDX-License-Identifier: GPL-3.0-or-later
"""Models that are no causal decoder: `forward --tensors` against the transformers class of the same
name, every output and every gradient. A model is a row of SYSTEMS."""
import math
from dataclasses import dataclass, field
from typing import Callable

import torch
from safetensors.torch import load_file, save_file
from transformers import (BertConfig, BertForMaskedLM, BertForPreTraining, CLIPConfig, CLIPModel,
                          T5Config, T5ForConditionalGeneration)

from report import LOGITS

GRADIENTS = 1e-4


@dataclass
class System:
    """A class with a small configuration, and what its forward gets. `options`: arguments that are
    no tensors. `silent`: parameters that a softmax is blind to, so that their gradient is zero but
    for rounding."""
    model: type
    config: Callable
    inputs: Callable
    options: dict = field(default_factory=dict)
    silent: tuple = ()
    core: bool = True


def ids(rows, length, vocabulary, seed=3, first=5):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(first, vocabulary, (rows, length), generator=generator)


def padded(rows, length, *lengths):
    mask = torch.zeros(rows, length, dtype=torch.int64)
    for row, count in enumerate(lengths):
        mask[row, :count] = 1
    return mask


def masked_words(config):
    """Three rows of uneven length, some places to be guessed; the mask token is 4."""
    given, mask = ids(3, 17, config.vocab_size), padded(3, 17, 17, 9, 13)
    chosen = (torch.arange(17) % 4 == 1) & mask.bool()
    labels = given.masked_fill(~chosen, -100)
    return {"input_ids": given.masked_fill(chosen, 4), "attention_mask": mask, "labels": labels,
            "token_type_ids": (torch.arange(17) > 6).long().expand(3, 17).contiguous()}


def masked_and_next(config):
    return masked_words(config) | {"next_sentence_label": torch.tensor([0, 1, 1])}


def pictures_and_texts(config):
    text = config.text_config
    given, mask = ids(4, 11, text.vocab_size - 1), padded(4, 11, 11, 6, 8, 3)
    ends = mask.sum(1) - 1
    given[torch.arange(4), ends] = text.eos_token_id
    given = given.masked_fill(mask == 0, text.pad_token_id)
    size = config.vision_config.image_size
    generator = torch.Generator().manual_seed(9)
    return {"input_ids": given, "attention_mask": mask,
            "pixel_values": torch.randn(4, 3, size, size, generator=generator)}


def spans(config):
    """Encoder rows with two sentinels, decoder targets with theirs, both padded."""
    given, mask = ids(2, 14, config.vocab_size - 10), padded(2, 14, 14, 10)
    given[:, 4], given[:, 8] = config.vocab_size - 1, config.vocab_size - 2
    labels = ids(2, 9, config.vocab_size - 10, seed=8)
    labels[:, 0], labels[1, 7:] = config.vocab_size - 1, -100
    return {"input_ids": given.masked_fill(mask == 0, 0), "attention_mask": mask, "labels": labels}


def bert(**options):
    sizes = dict(vocab_size=90, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                 intermediate_size=56, max_position_embeddings=40, hidden_dropout_prob=0.0,
                 attention_probs_dropout_prob=0.0)
    return BertConfig(**sizes | options)


def clip(**options):
    text = dict(vocab_size=80, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                num_attention_heads=4, max_position_embeddings=16, bos_token_id=77,
                eos_token_id=79, pad_token_id=0)
    tower = dict(hidden_size=32, intermediate_size=56, num_attention_heads=4, num_hidden_layers=3,
                 image_size=24, patch_size=8)
    return CLIPConfig(text_config=text | options, vision_config=tower, projection_dim=20)


def t5(**options):
    sizes = dict(vocab_size=100, d_model=32, d_kv=10, d_ff=48, num_layers=2, num_decoder_layers=3,
                 num_heads=4, relative_attention_num_buckets=8, relative_attention_max_distance=20,
                 dropout_rate=0.0, decoder_start_token_id=0)
    return T5Config(**sizes | options)


KEY_BIAS = ("key.bias", "k_proj.bias")
SYSTEMS = {
    "bert": System(BertForMaskedLM, bert, masked_words, silent=KEY_BIAS),
    "bert-untied": System(BertForMaskedLM, lambda: bert(tie_word_embeddings=False,
                                                        hidden_act="gelu_new",
                                                        layer_norm_eps=1e-5),
                          masked_words, silent=KEY_BIAS, core=False),
    "bert-pretraining": System(BertForPreTraining, bert, masked_and_next, silent=KEY_BIAS,
                               core=False),
    "clip": System(CLIPModel, clip, pictures_and_texts, dict(return_loss=True), silent=KEY_BIAS),
    "clip-old": System(CLIPModel, lambda: clip(eos_token_id=2), pictures_and_texts,
                       dict(return_loss=True), silent=KEY_BIAS, core=False),
    "t5": System(T5ForConditionalGeneration, t5, spans),
    "t5-gated": System(T5ForConditionalGeneration,
                       lambda: t5(feed_forward_proj="gated-gelu", tie_word_embeddings=False),
                       spans),
}


def draw(model, seed):
    """Weights of a size at which every block matters; scalars (a temperature) stay as they start."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() == 1:
                middle = 1.0 if "norm" in name.lower() and name.endswith("weight") else 0.0
                parameter.copy_(middle + 0.15 * noise)
            elif "embed" in name and "patch" not in name or "relative" in name:
                parameter.copy_(0.6 * noise)
            elif parameter.dim() > 1:
                parameter.copy_(noise * 1.2 / math.sqrt(parameter[0].numel()))


def written(system, folder, name):
    """The checkpoint, and what the class gives: outputs and gradients by their names on disk."""
    config = system.config()
    torch.manual_seed(1)
    model = system.model(config).eval()
    draw(model, seed=sum(name.encode()))
    model.save_pretrained(folder)
    stored = set(load_file(folder / "model.safetensors"))
    inputs = system.inputs(config)
    out = model(**inputs, **system.options)
    wanted = {key: value.detach().float() for key, value in out.items()
              if isinstance(value, torch.Tensor)}
    if "loss" in wanted:
        wanted["loss"] = wanted["loss"].view(1)
    out.loss.backward()
    gradients = {key: parameter.grad for key, parameter in model.named_parameters()
                 if key in stored and parameter.grad is not None}
    return inputs, wanted, gradients


def forward_case(name):
    system = SYSTEMS[name]

    def case(world, result):
        folder = world.scratch / "model"
        inputs, wanted, gradients = written(system, folder, name)
        given, out = world.scratch / "given.safetensors", world.scratch / "out.safetensors"
        save_file({key: value.contiguous() for key, value in inputs.items()}, given)
        options = [flag for key, value in system.options.items()
                   for flag in ("--option", f"{key}={str(value).lower()}")]
        world.program.run("forward", folder, "--tensors", given, "--out", out, "--grad", "all",
                          "--dtype", "float32", "--device", "cpu", *options)
        got = load_file(out)
        for key, value in wanted.items():
            result.close(key, got.get(key), value, LOGITS, "outputs")
        largest = max(gradient.abs().max().item() for gradient in gradients.values())
        names = sorted(key for key in got if key.startswith("grad."))
        result.same("names of gradients", names, sorted(f"grad.{key}" for key in gradients))
        for key, gradient in gradients.items():
            floor = largest if key.endswith(system.silent) else largest * 1e-4
            result.close(f"grad.{key}", got.get(f"grad.{key}"), gradient, GRADIENTS, "grad", floor)
    return case


def cases(everything=False):
    return {f"encoders/{name}": forward_case(name) for name, system in SYSTEMS.items()
            if everything or system.core}

# SPDX-License-Identifier: GPL-3.0-or-later
"""Methods that train tensors of the base itself, and P-tuning, against PEFT: norms, token rows (by
themselves and beside LoRA), prompts that a network makes. What PEFT lacks has its reference in a
few lines here: biases alone, the last layers alone, and layers that begin to train one after
another, all by the Trainer with the gradients that they say."""
import json
import re

import torch
from peft import (LNTuningConfig, LoraConfig, PromptEncoderConfig, TrainableTokensConfig)
from safetensors.torch import load_file, save_file
from transformers import TrainerCallback

import forward
import methods
import train
from checkpoints import make as make_checkpoint
from conversations import CONVERSATIONS, resolved, rows, write_rows
from families.base import Plan
from methods import TASK, Kind
from report import LOGITS

NORMS = ["input_layernorm", "post_attention_layernorm", "norm", "layer_norm1"]
TOKENS = [1, 2, 4, 5, 8, 13, 21, 34, 55, 89]
ROWS = dict(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], trainable_token_indices=TOKENS)
BY_MODULE = dict(trainable_token_indices={"embed_tokens": TOKENS})
WEIGHTS = dict(r=4, lora_alpha=8, target_modules=["q_proj"], rank_pattern={"up_proj.weight": 2},
               target_parameters=["up_proj.weight", "layers.1.self_attn.v_proj.weight"])
TIED = dict(r=4, lora_alpha=8, target_modules=["q_proj"], ensure_weight_tying=True,
            modules_to_save=["model.language_model.embed_tokens"])
# As clip-llama's template begins an answer.
INVOKED = dict(r=4, lora_alpha=8, alora_invocation_tokens=[325, 381],
               target_modules=r".*language_model.*\.(q_proj|v_proj|down_proj)")
ENCODER = dict(num_virtual_tokens=5, encoder_hidden_size=24)
# Among these tensors are elements whose gradient is nearly nothing (1e-6 of the largest, below what
# float32 resolves of the sums; clipped, below AdamW's usual epsilon), so that rounding alone says
# how far the first step goes: the reference itself, begun one rounding away, comes 1.6e-3 away in a
# norm and 2.3e-3 in a weight. With an epsilon above that it does not.
STEADY = dict(adam_epsilon=1e-6)
KINDS = {
    "norms": Kind("ln_tuning", lambda: LNTuningConfig(target_modules=NORMS, **TASK),
                  dict(target_modules=NORMS), around=None, spread=0.3, merges=True,
                  training=dict(weight_decay=0.1)),
    "token-rows": Kind(
        "trainable_tokens", lambda: TrainableTokensConfig(
            token_indices=TOKENS, target_modules=["embed_tokens"], **TASK),
        dict(token_indices=TOKENS, target_modules=["embed_tokens"]), around=None, spread=0.5,
        merges=True, training=dict(weight_decay=0.1)),
    "lora-token-rows": Kind(
        "lora", lambda: LoraConfig(lora_dropout=0.0, **ROWS, **TASK), ROWS | dict(lora_dropout=0.0),
        spread=0.3, merges=True, training=dict(weight_decay=0.1)),
    # As PEFT also writes it; the recipe takes it too and writes a list.
    "lora-token-map": Kind(
        "lora", lambda: LoraConfig(lora_dropout=0.0, **ROWS | BY_MODULE, **TASK),
        ROWS | BY_MODULE | dict(lora_dropout=0.0), spread=0.3, merges=True),
    "lora-weights": Kind(
        "lora", lambda: LoraConfig(lora_dropout=0.0, **WEIGHTS, **TASK),
        WEIGHTS | dict(lora_dropout=0.0), spread=0.3, merges=True, training=STEADY),
    "lora-invoked": Kind("lora", lambda: LoraConfig(lora_dropout=0.0, **INVOKED, **TASK),
                         INVOKED | dict(lora_dropout=0.0), spread=0.3),
    "lora-kept-tie": Kind("lora", lambda: LoraConfig(lora_dropout=0.0, **TIED, **TASK),
                          TIED | dict(lora_dropout=0.0), spread=0.1, merges=True),
    "mlp": Kind("p_tuning", lambda: PromptEncoderConfig(**ENCODER, **TASK), ENCODER,
                training=dict(learning_rate=1e-2, weight_decay=0.1)),
    "mlp-default": Kind("p_tuning", lambda: PromptEncoderConfig(num_virtual_tokens=3, **TASK),
                        dict(num_virtual_tokens=3), training=STEADY | dict(learning_rate=1e-2)),
    "lstm": Kind("p_tuning", lambda: PromptEncoderConfig(
        encoder_reparameterization_type="LSTM", encoder_num_layers=2, **ENCODER, **TASK),
        ENCODER | dict(encoder_reparameterization_type="LSTM", encoder_num_layers=2),
        training=dict(learning_rate=1e-2, weight_decay=0.1)),
}
methods.KINDS |= KINDS      # rows of the same table


def biases_of(model):
    return {name: parameter for name, parameter in model.named_parameters()
            if name.endswith(".bias")}


def bias_folder(model, folder):
    """Our layout: the biases under their plain names."""
    folder.mkdir(parents=True)
    save_file({f"base_model.model.{name}": bias.detach().clone()
               for name, bias in biases_of(model).items()}, folder / "adapter_model.safetensors")
    modules = sorted(name.removesuffix(".bias") for name in biases_of(model))
    (folder / "adapter_config.json").write_text(json.dumps(
        {"peft_type": "BITFIT", "target_modules": modules}))
    return folder


def with_biases(checkpoint):
    """The model with biases that are moved, and nothing else that trains."""
    model = checkpoint.model()
    generator = torch.Generator().manual_seed(3)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for bias in biases_of(model).values():
        with torch.no_grad():
            bias.add_(0.2 * torch.randn(bias.shape, generator=generator))
        bias.requires_grad_(True)
    return model


def bias_read_case(name):
    def case(world, result):
        checkpoint = make_checkpoint(name, world.checkpoints)
        model = with_biases(checkpoint)
        folder = bias_folder(model, world.scratch / "biases")
        inputs = checkpoint.example(resolved(CONVERSATIONS["several"], world.inputs))
        out = model(**inputs)
        out.loss.backward()
        got = forward.run_forward(world.program, checkpoint, world.inputs, "several",
                                  world.scratch / "out.safetensors", "--adapter", folder,
                                  gradients=("adapter",))
        result.close("logits", got["logits"], out.logits.detach(), LOGITS, "logits")
        gradients = {key: torch.zeros_like(bias) if bias.grad is None else bias.grad
                     for key, bias in biases_of(model).items()}
        largest = max(gradient.abs().max().item() for gradient in gradients.values())
        for key, gradient in gradients.items():
            result.close(key, got.get(f"grad.base_model.model.{key}"), gradient, forward.GRADIENTS,
                         "grad", largest * 1e-3)
    return case


def bias_train_case(name):
    """Ten steps of the biases by the Trainer, which decays none of them."""
    def case(world, result):
        checkpoint = make_checkpoint(name, world.checkpoints)
        settings = train.DEFAULTS | dict(weight_decay=0.1, per_device_train_batch_size=2)
        messages = [resolved(row, world.inputs) for row in rows(9, without_picture=(2,))]
        write_rows(world.scratch / "train.jsonl", messages)
        model = with_biases(checkpoint)
        folder = bias_folder(model, world.scratch / "start")
        got = train.run_from(world, result, checkpoint, "bitfit", folder, model, messages, settings)
        for key, bias in biases_of(model).items():
            if not checkpoint.family.silent(key):
                result.close(key, got.get(f"base_model.model.{key}"), bias.detach(), train.WEIGHTS,
                             "adapter")
    return case


def bias_merge_case(name):
    """The merged checkpoint is the model with those biases; a fresh one is the base."""
    def case(world, result):
        checkpoint = make_checkpoint(name, world.checkpoints)
        model = with_biases(checkpoint)
        folder = bias_folder(model, world.scratch / "biases")
        out = world.scratch / "merged"
        world.program.run("merge", checkpoint.path, "--adapter", folder, "--out", out)
        got = checkpoint.family.load_model(out, checkpoint.spec, "auto").state_dict()
        for key, tensor in model.state_dict().items():
            result.close(key, got.get(key), tensor, 1e-6, "weights")
    return case


def depth(checkpoint, names):
    """Of each tensor of tower and decoder: its part, and the layers between it and the part's end.
    What stands behind the layers goes with the last, what stands before them with the first."""
    counts, found = {}, {}
    for name in names:
        if number := re.search(r"\.layers\.(\d+)\.", name):
            part = checkpoint.family.part_of(name)
            counts[part] = max(counts.get(part, 0), int(number[1]) + 1)
    begun = set()
    for name in names:
        part = checkpoint.family.part_of(name)
        number = re.search(r"\.layers\.(\d+)\.", name)
        if number:
            begun.add(part)
        last = counts.get(part, 1) - 1
        found[name] = part, (last - int(number[1]) if number else 0 if part in begun else last)
    return found


class Unfreezing(TrainerCallback):
    """One more layer every so many steps."""

    def __init__(self, first_steps):
        self.first_steps = first_steps      # parameter → step

    def on_step_begin(self, args, state, control, **others):
        for parameter, step in self.first_steps:
            parameter.requires_grad_(state.global_step >= step)


def freeze_case(name, freeze, training):
    """Part of the base by the Trainer and by us: losses, norms, and which tensors are as before."""
    def case(world, result):
        checkpoint = make_checkpoint(name, world.checkpoints)
        settings = train.DEFAULTS | training
        messages = [resolved(row, world.inputs) for row in rows(9, without_picture=(2,))]
        data = [checkpoint.example(row) for row in messages]
        write_rows(world.scratch / "train.jsonl", messages)
        plan = Plan(name, strategy="freeze", freeze=freeze)
        path = train.recipe(world, plan, settings, checkpoint, None)
        world.program.run("train", path)
        model = checkpoint.model()
        places = depth(checkpoint, [key for key, _ in model.named_parameters()])
        every, later = freeze.get("unfreeze_steps"), []
        for key, parameter in model.named_parameters():
            part, behind = places[key]
            late = max(0, behind - (freeze.get(f"{part}_last_layers") or 1) + 1)
            if part == "projector" or (not every and not freeze.get(f"{part}_last_layers")):
                late = 0
            trains = not freeze.get(part, False) and (late == 0 or bool(every))
            parameter.requires_grad_(trains)
            if trains and late:
                later.append((parameter, late * every))
        result.expect(bool(later) == bool(every), "the case is blind: nothing begins later")
        log = train.trained_by_transformers(model, checkpoint.family.batch, data, [], settings,
                                            world.scratch / "oracle", [Unfreezing(later)])
        model.eval()
        train.compare_curves(result, train.curve(world.scratch / "run"), log)
        train.compare_model(world, result, checkpoint, model)
    return case


LAST = dict(vision_tower=False, projector=True, language_model=False, vision_tower_last_layers=2,
            language_model_last_layers=1)
GRADUAL = dict(vision_tower=True, projector=False, language_model=False, unfreeze_steps=3)
BOTH = dict(vision_tower=False, projector=False, language_model=False, unfreeze_steps=2,
            vision_tower_last_layers=2)
def token_map_case(name):
    """A recipe with the map makes what the list makes."""
    def case(world, result):
        checkpoint = make_checkpoint(name, world.checkpoints)
        write_rows(world.scratch / "train.jsonl", [resolved(row, world.inputs) for row in rows(2)])
        plan = Plan(name, strategy="lora")
        path = train.recipe(world, plan, train.DEFAULTS, checkpoint, None)
        text = path.read_text()
        tensors = {}
        for kind in ("lora-token-rows", "lora-token-map"):
            path.write_text(text + f"adapter: {json.dumps(KINDS[kind].recipe)}\n")
            world.program.run("adapter", "init", path, "--out", world.scratch / kind)
            tensors[kind] = load_file(world.scratch / kind / "adapter_model.safetensors")
        left, right = tensors.values()
        result.expect(sorted(left) == sorted(right) and any("token_adapter" in key for key in left)
                      and all(torch.equal(left[key], right[key]) for key in left),
                      "the map makes other tensors than the list")
    return case


SLOW = dict(learning_rate=1e-3, weight_decay=0.1)

ON_TIED = ("token-rows", "lora-token-rows", "lora-kept-tie")
ELSEWHERE = ("lora-kept-tie", "lora-token-map", "lora-invoked")
CORE = ([("clip-llama", kind) for kind in KINDS if kind not in ELSEWHERE]
        + [("clip-gqa-tied", kind) for kind in ON_TIED])
MORE = [(name, kind) for name in ("smolvlm-plain", "clip-gqa-tied", "siglip-qwen2")
        for kind in KINDS if (name, kind) not in CORE and kind not in ELSEWHERE]


def cases(everything=False):
    batch = dict(per_device_train_batch_size=3, gradient_accumulation_steps=1)
    found = {}
    for name, kind in CORE + (MORE if everything else []):
        root = f"base_tensors/{kind}/{name}"
        found[f"{root}/read"] = methods.read_case(name, kind, "several")
        found[f"{root}/train"] = methods.train_case(name, kind)
        found[f"{root}/fresh"] = methods.fresh_case(name, kind)
        found[f"{root}/merge"] = methods.merge_case(name, kind)
        if everything:
            found[f"{root}/train-batch"] = methods.train_case(name, kind, batch)
    for name in ("clip-llama", "clip-gqa-tied"):
        root = f"base_tensors/lora-token-map/{name}"
        found[f"{root}/read"] = methods.read_case(name, "lora-token-map", "several")
        found[f"{root}/init"] = token_map_case(name)
    for name in ("clip-gqa-tied", "clip-llama") if everything else ("clip-gqa-tied",):
        found[f"base_tensors/biases/{name}/read"] = bias_read_case(name)
        found[f"base_tensors/biases/{name}/train"] = bias_train_case(name)
        found[f"base_tensors/biases/{name}/merge"] = bias_merge_case(name)
    found["base_tensors/last-layers/clip-llama"] = freeze_case("clip-llama", LAST, SLOW)
    found["base_tensors/gradual/clip-llama"] = freeze_case("clip-llama", GRADUAL, SLOW)
    # Of clip-gqa-tied one number of the patches' weight has next to no gradient at the first steps, by
    # which Adam divides: the reference, begun one rounding apart, is up to 3.4e-3 from itself there.
    found["base_tensors/gradual-both/clip-llama"] = freeze_case(
        "clip-llama", BOTH, SLOW | dict(max_steps=8))
    return found

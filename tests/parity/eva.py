# SPDX-License-Identifier: GPL-3.0-or-later
"""LoRA's start by what layers read (EVA) against PEFT's own initialize_lora_eva_weights, on the same
checkpoint and the same batches: the same ranks, alphas and targets, the same subspaces, whatever
the signs of their directions; a run begins with what `adapter init` writes."""
import json

import torch
from peft import (EvaConfig, LoraConfig, get_peft_model, get_peft_model_state_dict,
                  initialize_lora_eva_weights)
from peft.tuners.lora.eva import prepare_layer_inputs_fn_language_modeling
from safetensors.torch import load_file

import lora_family
import train
from checkpoints import make as make_checkpoint
from conversations import resolved, rows

SUBSPACE = 2e-3     # of directions that stand where their cosines do
DECODERS = ("language_model", "text_model")


def of_decoder(modules):
    return rf".*({'|'.join(DECODERS)}).*\.({modules})"


# Where features are taken before a tower's last layer, PEFT looks at what that one reads, too; here
# it is not computed, and a target in it starts otherwise.
SETTINGS = {
    "text": dict(targets=of_decoder("q_proj|v_proj|up_proj|down_proj"), r=2),
    "all-tokens": dict(targets=of_decoder("q_proj|k_proj|o_proj|down_proj"), r=4,
                       eva=dict(use_label_mask=False, tau=0.95)),
    # Of layers that read the same, PEFT whitens the second one's directions twice.
    "whiten": dict(targets=of_decoder("q_proj|o_proj|down_proj"), r=4,
                   eva=dict(use_label_mask=False, whiten=True)),
    "tower": dict(targets=of_decoder("q_proj|v_proj|down_proj")
                  + r"|.*vision.*layers\.0\..*(q_proj|v_proj|out_proj|fc1)", r=3,
                  rank_pattern={"fc1": 2}, alpha_pattern={"q_proj": 5},
                  eva=dict(use_label_mask=False, adjust_scaling_factors=False, rho=1.5)),
    "fixed": dict(targets=of_decoder("q_proj|up_proj"), r=4,
                  eva=dict(use_label_mask=False, rho=1.0)),
    "no-label": dict(targets=of_decoder("o_proj|up_proj"), r=2, eva=dict(label_mask_value=3)),
}


def initialized(checkpoint, told, batches):
    """PEFT's model; in the tower, whose rows are no tokens, all of them count."""
    torch.manual_seed(1)
    config = LoraConfig(r=told["r"], lora_alpha=6, target_modules=told["targets"],
                        init_lora_weights="eva", eva_config=EvaConfig(**told.get("eva", {})),
                        rank_pattern=told.get("rank_pattern", {}),
                        alpha_pattern=told.get("alpha_pattern", {}), task_type="CAUSAL_LM")
    model = get_peft_model(checkpoint.model(), config)
    of_text = {name: prepare_layer_inputs_fn_language_modeling
               for name, module in model.named_modules()
               if hasattr(module, "base_layer") and any(part in name for part in DECODERS)}
    initialize_lora_eva_weights(model, batches, prepare_layer_inputs_fn=of_text,
                                show_progress_bar=False)
    return model.eval()


def section(told):
    """The recipe's adapter section: PEFT's, with the keys of eva_config beside the others."""
    given = {"target_modules": told["targets"], "r": told["r"], "lora_alpha": 6,
             "lora_dropout": 0.0, "init_lora_weights": "eva"}
    given |= {key: told[key] for key in ("rank_pattern", "alpha_pattern") if key in told}
    return given | {f"eva_{key}": value for key, value in told.get("eva", {}).items()}


def case_of(name, kind, batch_size):
    def case(world, result):
        checkpoint = make_checkpoint(name, world.checkpoints)
        told = SETTINGS[kind]
        messages = [resolved(row, world.inputs) for row in rows(12)]
        data = [checkpoint.example(row) for row in messages]
        batches = data if batch_size == 1 else [
            checkpoint.family.batch(data[begin:begin + batch_size])
            for begin in range(0, len(data), batch_size)]
        model = initialized(checkpoint, told, batches)
        settings = train.DEFAULTS | dict(per_device_train_batch_size=batch_size, max_steps=1,
                                         learning_rate=0.0)
        path = lora_family.recipe(world, checkpoint, None, messages, section(told), settings)
        folder = world.scratch / "fresh"
        world.program.run("adapter", "init", path, "--out", folder)
        lora_family.same_config(result, folder, model.peft_config["default"])
        got = load_file(folder / "adapter_model.safetensors")
        wanted = get_peft_model_state_dict(model)
        if not result.same("tensors", sorted(got), sorted(wanted)):
            return
        ranks = set()
        for key, tensor in wanted.items():
            result.same(key, list(got[key].shape), list(tensor.shape))
            if "lora_B" in key:
                result.close(key, got[key], tensor, 0.0, "start")
            else:
                ranks.add(len(tensor))
                result.close(f"{key} AᵀA", got[key].T @ got[key], tensor.T @ tensor, SUBSPACE,
                             "subspace")
        alike = kind in ("fixed", "no-label") or kind == "text" and batch_size > 1
        result.expect(len(ranks) > 1 or alike,
                      "the case is blind: all ranks are alike")
        lora_family.reads_back(world, result, checkpoint, folder, messages[0])
        world.program.run("train", path)
        run = load_file(world.scratch / "run" / "adapter" / "adapter_model.safetensors")
        result.expect(sorted(run) == sorted(got)
                      and all(torch.equal(run[key], got[key]) for key in got),
                      "the run begins with another start than adapter init writes")
    return case


def refused_case(world, result):
    """Where PEFT would look for ever, or fail, the field is named."""
    checkpoint = make_checkpoint("clip-llama", world.checkpoints)
    messages = [resolved(row, world.inputs) for row in rows(3)]
    for field, told in (("eva_rho", dict(r=40)), ("eva_rho", dict(r=16, eva_rho=1000)),
                        ("eva_rho", dict(eva_rho=0.5)), ("eva_tau", dict(eva_tau=1.5)),
                        ("target_parameters", dict(target_parameters=["o_proj.weight"]))):
        adapter = dict(target_modules=["q_proj"], r=2, lora_dropout=0.0,
                       init_lora_weights="eva") | told
        path = lora_family.recipe(world, checkpoint, None, messages, adapter, train.DEFAULTS)
        try:
            world.program.run("adapter", "init", path, "--out", world.scratch / "out", status=0)
            result.expect(False, f"{told} is taken")
        except Exception as failure:
            result.expect("exit 2" in str(failure) and field in str(failure), f"{told}: {failure}")


def cases(everything=False):
    found = {"eva/refused": refused_case, "eva/text/clip-llama": case_of("clip-llama", "text", 1),
             "eva/tower/clip-llama": case_of("clip-llama", "tower", 3)}
    if everything:
        for kind in SETTINGS:
            for name in ("clip-llama", "smolvlm-plain", "siglip-qwen2"):
                found[f"eva/{kind}/{name}/one"] = case_of(name, kind, 1)
            found[f"eva/{kind}/clip-llama/batches"] = case_of("clip-llama", kind, 4)
    return found

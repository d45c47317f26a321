# SPDX-License-Identifier: GPL-3.0-or-later
"""LoRA adapters made by PEFT, of every shape the recipe can ask for, in the names of this and of older transformers; and `merge`."""
import json
import math
import shutil
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import LlavaForConditionalGeneration

from checkpoints import make as make_checkpoint
from checkpoints import native_name

KINDS = {
    "linear": dict(r=4, lora_alpha=8, target_modules="all-linear"),
    "patterns": dict(r=3, lora_alpha=6, target_modules=["q_proj", "v_proj", "down_proj", "linear_2"],
                     rank_pattern={"layers.0.self_attn.q_proj": 7, "v_proj": 2}, alpha_pattern={"down_proj": 3.5, r"layers\.1\..*v_proj": 5}),
    "rslora": dict(r=3, lora_alpha=5, use_rslora=True, target_modules=r".*language_model.*\.(q_proj|o_proj|up_proj)"),
    "saved_modules": dict(r=2, lora_alpha=4, target_modules=["q_proj", "k_proj"], modules_to_save=["multi_modal_projector", "lm_head"]),
    "tower": dict(r=4, lora_alpha=4, target_modules=["out_proj", "fc1", "gate_proj", "linear_1"],
                  exclude_modules=r".*layers\.0\.mlp\.gate_proj"),
    "excluded": dict(r=4, lora_alpha=16, target_modules="all-linear", exclude_modules=["fc2", "vision_tower.head.mlp.fc1", "o_proj"]),
    "embedding": dict(r=4, lora_alpha=6, target_modules=["embed_tokens", "q_proj"]),
    "regex": dict(r=5, lora_alpha=10, target_modules=r".*language_model\.layers\.\d+\.self_attn\.[qv]_proj"),
    "attention": dict(r=4, lora_alpha=8, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"]),
}


def start(model, kind, seed=5):
    """PEFT's own fresh adapter on a model: A as PEFT draws it, B zero."""
    torch.manual_seed(seed)
    return get_peft_model(model, LoraConfig(**KINDS[kind], lora_dropout=0.0, task_type="CAUSAL_LM"))


def old_key(key):
    """A PEFT key as transformers before 4.52 named the modules."""
    name = key.removeprefix("base_model.model.")
    name = name.replace("model.language_model.", "language_model.model.", 1) if name.startswith("model.language_model.") else name
    name = "language_model." + name if name.startswith("lm_head") else name
    name = name.replace("model.vision_tower.", "vision_tower.vision_model.", 1).replace("model.multi_modal", "multi_modal", 1)
    return "base_model.model." + name


def make(checkpoint, kind, root: Path, generation="new", random=True):
    """Writes ROOT/CHECKPOINT-KIND-GENERATION once and returns it. `random`: A and B both drawn, so that the adapter shows."""
    folder = root / f"{checkpoint.name}-{kind}-{generation}{'' if random else '-start'}"
    if folder.exists():
        return folder
    model = start(checkpoint.model(), kind)
    if random:
        generator = torch.Generator().manual_seed(11)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "lora_" in name or "modules_to_save" in name:
                    scale = 0.7 / math.sqrt(parameter.shape[-1]) if "lora_" in name else 0.05
                    noise = torch.randn(parameter.shape, generator=generator) * scale
                    parameter.copy_(noise if "lora_" in name else parameter + noise)
    model.save_pretrained(folder, save_embedding_layers=False)
    if generation == "old":
        file = folder / "adapter_model.safetensors"
        save_file({old_key(key): tensor for key, tensor in load_file(file).items()}, file, metadata={"format": "pt"})
        config = json.loads((folder / "adapter_config.json").read_text())
        if isinstance(config["target_modules"], str):
            config["target_modules"] = config["target_modules"].replace(r"language_model\.layers", r"language_model\.model\.layers")
        for newer in ("use_dora", "use_rslora", "exclude_modules", "alpha_pattern", "rank_pattern", "corda_config", "eva_config", "lora_bias",
                      "trainable_token_indices", "target_parameters", "peft_version", "layer_replication", "loftq_config"):
            config.pop(newer, None)
        (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def attach(model, folder):
    return PeftModel.from_pretrained(model, folder).eval()


def same_weights(case, got, wanted, stored, rounding):
    """Two state dicts, by name. `rounding`: allowed difference of adapted tensors in units of the largest value."""
    case.same("tensor names", sorted(got), sorted(wanted))
    for name in sorted(set(got) & set(wanted)):
        case.expect(got[name].dtype == stored, f"{name}: stored as {got[name].dtype} instead of {stored}")
        case.close(name, got[name], wanted[name], rounding, "weights")


def merge_case(name, kind):
    def case(world, result):
        checkpoint = make_checkpoint(name, world.checkpoints)
        folder = make(checkpoint, kind, world.adapters)
        out = world.scratch / "merged"
        shutil.rmtree(out, ignore_errors=True)
        world.program.run("merge", checkpoint.path, "--adapter", folder, "--out", out)
        stored = getattr(torch, checkpoint.spec.dtype)
        wanted = attach(checkpoint.model(stored), folder).merge_and_unload().state_dict()
        got = LlavaForConditionalGeneration.from_pretrained(out, dtype="auto").state_dict()
        # one unit in the last place where float32 products were summed in another order
        same_weights(result, got, wanted, stored, {"float32": 1e-6, "bfloat16": 2 ** -8, "float16": 2 ** -11}[checkpoint.spec.dtype])
        exact = sum(torch.equal(got[key], wanted[key]) for key in got if key in wanted)
        result.expect(exact >= 0.5 * len(wanted), f"only {exact} of {len(wanted)} tensors are equal to the bit")
        names = {native_name(key) for key in load_all(out)}
        result.expect(names <= set(wanted) | {"lm_head.weight"}, f"unknown tensors {sorted(names - set(wanted))[:3]}")
        for file in ("config.json", "tokenizer_config.json"):
            result.expect((out / file).exists(), f"{file} is missing in the merged folder")
    return case


def load_all(folder):
    tensors = {}
    for path in sorted(Path(folder).glob("*.safetensors")):
        tensors |= load_file(path)
    return tensors


def cases():
    return {f"merge/{name}/{kind}": merge_case(name, kind) for name, kind in (
        ("clip-llama", "linear"), ("siglip-qwen2", "patterns"), ("siglip-mistral", "rslora"), ("clip-gqa-tied", "attention"),
        ("siglip-llama", "saved_modules"), ("clip-old", "attention"))}

# SPDX-License-Identifier: GPL-3.0-or-later
"""LoRA adapters made by PEFT, of every shape the recipe can ask for, in the names of this and of
older transformers; and `merge`."""
import json
import math
import shutil
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file

from checkpoints import make as make_checkpoint
from conversations import CONVERSATIONS, resolved
from exact import Exact, close
from families import FAMILIES
from report import LOGITS, of

# What a tied base makes hard: an adapter on one end of the weight that head and embedding share,
# or on both. The queries of the family's decoder are adapted with it.
TIED_KINDS = {
    "tied-head": dict(r=2, lora_alpha=4, modules_to_save=["lm_head"]),
    "tied-embedding": dict(r=2, lora_alpha=4, modules_to_save=["embed_tokens"]),
    "tied-both": dict(r=2, lora_alpha=4, modules_to_save=["lm_head", "embed_tokens"]),
    "tied-embedding-adapted": dict(r=4, lora_alpha=6, target_modules=["embed_tokens"]),
    "tied-head-adapted": dict(r=4, lora_alpha=6, target_modules=["lm_head"]),
}
ROUNDING = {
    "float32": LOGITS,
    "bfloat16": 4e-2,
    "float16": 5e-3,
}  # what storing merged weights so may move logits by


def settings(checkpoint, kind):
    family = checkpoint.family
    if kind in family.kinds:
        return family.kinds[kind]
    tied = TIED_KINDS[kind]
    return tied | {"target_modules": [*tied.get("target_modules", ()), *family.queries]}


def start(checkpoint, kind, seed=5):
    """PEFT's own fresh adapter on a model: A as PEFT draws it, B zero."""
    model = checkpoint.model()
    torch.manual_seed(seed)
    return get_peft_model(
        model, LoraConfig(**settings(checkpoint, kind), lora_dropout=0.0, task_type="CAUSAL_LM")
    )


def draw(model):
    """Values for all that an adapter trains, so that it shows."""
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name or "modules_to_save" in name:
                scale = 0.7 / math.sqrt(parameter.shape[-1]) if "lora_" in name else 0.05
                noise = torch.randn(parameter.shape, generator=generator) * scale
                parameter.copy_(noise if "lora_" in name else parameter + noise)


def make(checkpoint, kind, root: Path, generation="new", random=True):
    """Writes ROOT/CHECKPOINT-KIND-GENERATION once and returns it. `random`: A and B both drawn, so
    that the adapter shows."""
    folder = root / f"{checkpoint.name}-{kind}-{generation}{'' if random else '-start'}"
    if folder.exists():
        return folder
    model = start(checkpoint, kind)
    if random:
        draw(model)
    # As PEFT does by itself where the token embedding or the head is a target: the whole base
    # weight stands beside the pair.
    whole = any(
        name in settings(checkpoint, kind)["target_modules"] for name in ("embed_tokens", "lm_head")
    )
    model.save_pretrained(folder, save_embedding_layers="auto" if whole else False)
    if generation == "old":
        file = folder / "adapter_model.safetensors"
        prefix = "base_model.model."
        save_file({prefix + checkpoint.family.older_key(key.removeprefix(prefix)): tensor
                   for key, tensor in load_file(file).items()}, file,
                  metadata={"format": "pt"})
        config = json.loads((folder / "adapter_config.json").read_text())
        if isinstance(config["target_modules"], str):
            config["target_modules"] = checkpoint.family.older_pattern(config["target_modules"])
        for newer in ("use_dora", "use_rslora", "exclude_modules", "alpha_pattern", "rank_pattern",
                      "corda_config", "eva_config", "lora_bias",
                      "trainable_token_indices", "target_parameters", "peft_version",
                      "layer_replication", "loftq_config"):
            config.pop(newer, None)
        (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def attach(model, folder):
    return PeftModel.from_pretrained(model, folder).eval()


def same_weights(case, got, wanted, stored, rounding):
    """Two state dicts, by name. `rounding`: allowed difference of adapted tensors in units of the
    largest value."""
    case.same("tensor names", sorted(got), sorted(wanted))
    for name in sorted(set(got) & set(wanted)):
        case.expect(got[name].dtype == stored,
                    f"{name}: stored as {got[name].dtype} instead of {stored}")
        case.close(name, got[name], wanted[name], rounding, "weights")


def without_untied(checkpoint, got, wanted):
    """Both, but for an end of a tied weight that a pair hangs on. PEFT's merge goes into both ends,
    which it warns of itself; ours gives the head a weight of its own, so that the answers stay
    (tied_case)."""
    base, embedding = checkpoint.model().state_dict(), checkpoint.family.embedding
    head = next((key for key in base if key.endswith("lm_head.weight")), embedding)
    embedding = embedding if embedding in base else next(     # of another decoder than the first's
        key for key in base if key.endswith("embed_tokens.weight"))
    tied = torch.equal(base[head], base[embedding])
    if not tied or torch.equal(got[head], got[embedding]):
        return got, wanted
    ends = (head, embedding)
    changed = [end for end in ends if not torch.equal(got[end].float(), base[end])]
    kept = [end for end in ends if end not in changed]
    return tuple({key: tensor for key, tensor in each.items() if key not in kept}
                 for each in (got, wanted))


def merge_case(name, kind):
    def case(world, result):
        checkpoint = make_checkpoint(name, world.checkpoints)
        folder = make(checkpoint, kind, world.adapters)
        out = world.scratch / "merged"
        shutil.rmtree(out, ignore_errors=True)
        world.program.run("merge", checkpoint.path, "--adapter", folder, "--out", out)
        stored = getattr(torch, checkpoint.spec.dtype)
        wanted = attach(checkpoint.model(stored), folder).merge_and_unload().state_dict()
        got = checkpoint.family.load_model(out, checkpoint.spec, "auto").state_dict()
        # one unit in the last place where float32 products were summed in another order
        same_weights(result, got, wanted, stored,
                     {"float32": 1e-6, "bfloat16": 2 ** -8,
                      "float16": 2 ** -11}[checkpoint.spec.dtype])
        exact = sum(torch.equal(got[key], wanted[key]) for key in got if key in wanted)
        result.expect(exact >= 0.5 * len(wanted),
                      f"only {exact} of {len(wanted)} tensors are equal to the bit")
        names = {checkpoint.family.native_name(key) for key in load_all(out)}
        result.expect(names <= set(wanted) | {"lm_head.weight"},
                      f"unknown tensors {sorted(names - set(wanted))[:3]}")
        for file in ("config.json", "tokenizer_config.json"):
            result.expect((out / file).exists(), f"{file} is missing in the merged folder")
        same_answers(world, result, checkpoint, folder, out, rounded=True)
    return case


def rounded_merge(checkpoint, folder):
    """PEFT's merge in float32, then rounded as the checkpoint is stored: what 16 bits cost."""
    model = attach(checkpoint.model(), folder).merge_and_unload()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.to(getattr(torch, checkpoint.spec.dtype)))
    return model


def same_answers(world, result, checkpoint, folder, merged, rounded=False):
    """The merged folder by transformers and by us, PEFT's adapter beside the base: one answer.
    `rounded`: of 16-bit weights the reference is PEFT's own merge, rounded."""
    inputs = checkpoint.example(resolved(CONVERSATIONS["plain"], world.inputs))
    shown = checkpoint.family.shown
    with torch.no_grad():
        beside = shown(attach(checkpoint.model(), folder)(**inputs).logits)
        base = shown(checkpoint.model()(**inputs).logits)
        theirs = shown(checkpoint.family.load_model(merged, checkpoint.spec, torch.float32)(
            **inputs
        ).logits)
    moved = ((beside - base).abs().max() / base.abs().max()).item()
    allowed = ROUNDING[checkpoint.spec.dtype]
    result.expect(
        moved > 2 * allowed, f"the case is blind: its adapter moves the logits by {moved:.1e}"
    )
    if rounded and checkpoint.spec.dtype != "float32":
        allowed = 2e-3  # a sum in another order may round a weight to its neighbour
        with torch.no_grad():
            beside = shown(rounded_merge(checkpoint, folder)(**inputs).logits)
    written = world.scratch / "merged.safetensors"
    world.program.run(
        "forward",
        merged,
        "--input",
        world.inputs / "plain.json",
        "--out",
        written,
        "--dtype",
        "float32",
        "--device",
        "cpu",
    )
    exact = Exact(checkpoint, lambda: checkpoint.family.load_model(
        merged, checkpoint.spec, torch.float32), inputs)
    close(result, "logits", shown(load_file(written)["logits"]), theirs, LOGITS, "logits", exact)
    kind = "logits" if checkpoint.spec.dtype == "float32" else "rounding"
    result.close("logits of the merged folder and of PEFT's adapter", theirs, beside, allowed, kind)


def tied_case(name, kinds):
    def case(world, result):
        checkpoint = make_checkpoint(name, world.checkpoints)
        for kind in kinds:
            folder, out = make(checkpoint, kind, world.adapters), world.scratch / kind
            got = world.program.json(
                "merge", checkpoint.path, "--adapter", folder, "--out", out, "--json"
            )
            result.same(f"{kind}: untied", got.get("untied"), True)
            # 1e-5, and more only where the model's own rounding is as large (merge.h): Gemma 4's
            # scores are not scaled.
            result.expect(
                got.get("relative_error", 1) <= min(got["limit"], LOGITS),
                f"{kind}: the proof's figure is {got.get('relative_error')}",
            )
            result.same(
                f"{kind}: tie_word_embeddings",
                json.loads((out / "config.json").read_text()).get("tie_word_embeddings"),
                False,
            )
            same_answers(world, result, checkpoint, folder, out)

    return case


def load_all(folder):
    tensors = {}
    for path in sorted(Path(folder).glob("*.safetensors")):
        tensors |= load_file(path)
    return tensors


def cases(everything=True):
    found = {
        f"merge/{name}/{kind}": of(merge_case(name, kind), family, "LoRA")
        for family in FAMILIES
        for name, kind in family.merges
    }
    for family in FAMILIES:
        for name in family.tied:
            # all kinds once a family, every day of one family; a second checkpoint has its
            # configuration in another layout
            all_kinds = name == family.tied[0] and (everything or family is FAMILIES[0])
            kinds = tuple(TIED_KINDS) if all_kinds else ("tied-head",)
            found[f"merge/{name}/tied"] = of(tied_case(name, kinds), family, "LoRA")
    return found

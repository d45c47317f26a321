# SPDX-License-Identifier: GPL-3.0-or-later
"""Arithmetic of adapters against PEFT's add_weighted_adapter: the tensors of what `adapter combine`
writes, its settings, and PEFT's answers with our folder; and what the command line refuses. What is
drawn (DARE): arithmetic_dare."""
import itertools
import json
import math
import shutil

import torch
from peft import IA3Config, LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file

from checkpoints import make as make_checkpoint
from conversations import CONVERSATIONS, resolved
from report import LOGITS

TASK = dict(task_type="CAUSAL_LM")
LINEARS = ["q_proj", "v_proj", "down_proj", "fc1"]
SUMS = 2e-6  # of the largest: a few roundings of float32

# Adapters by name; each is drawn with a seed of its own.
ADAPTERS = {
    "first": LoraConfig(r=4, lora_alpha=6, target_modules=LINEARS, lora_dropout=0.1, **TASK),
    "second": LoraConfig(r=4, lora_alpha=3, target_modules=LINEARS,
                         alpha_pattern={"q_proj": 10, r"layers\.1\..*fc1": 2}, **TASK),
    "wider": LoraConfig(r=6, lora_alpha=6, target_modules=LINEARS,
                        rank_pattern={"v_proj": 3}, **TASK),
    "other-modules": LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "k_proj", "o_proj"],
                                **TASK),
    "embedding": LoraConfig(r=4, lora_alpha=8, target_modules=["embed_tokens", "q_proj"], **TASK),
    "embedding-too": LoraConfig(r=4, lora_alpha=4, target_modules=["embed_tokens", "v_proj"],
                                **TASK),
    "pattern": LoraConfig(r=4, lora_alpha=5, target_modules=r".*layers\.0\..*(q_proj|fc2)", **TASK),
    "pattern-too": LoraConfig(r=4, lora_alpha=5, target_modules=r".*layers\.1\..*(q_proj|up_proj)",
                              **TASK),
    "rslora": LoraConfig(r=4, lora_alpha=4, target_modules=LINEARS, use_rslora=True, **TASK),
    "saves-head": LoraConfig(r=4, lora_alpha=4, target_modules=LINEARS,
                             modules_to_save=["lm_head"], **TASK),
    "dora": LoraConfig(r=4, lora_alpha=4, target_modules=LINEARS, use_dora=True, **TASK),
    "ia3": IA3Config(target_modules=["k_proj", "v_proj", "down_proj"],
                     feedforward_modules=["down_proj"], **TASK),
    "ia3-too": IA3Config(target_modules=["k_proj", "q_proj", "down_proj"],
                         feedforward_modules=["down_proj"], **TASK),
}


def written(checkpoint, name, root):
    """PEFT's folder of the adapter, all of it drawn."""
    folder = root / f"{checkpoint.name}-arithmetic-{name}"
    if folder.exists():
        return folder
    config = ADAPTERS[name]
    model = get_peft_model(checkpoint.model(), config)
    generator = torch.Generator().manual_seed(sum(map(ord, name)))
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "lora_" in key and "magnitude" not in key:
                parameter.copy_(torch.randn(parameter.shape, generator=generator)
                                * 0.7 / math.sqrt(parameter.shape[-1]))
            elif "ia3_" in key:
                parameter.copy_(1 + 0.3 * torch.randn(parameter.shape, generator=generator))
    model.save_pretrained(folder)
    return folder


def combined_by_peft(checkpoint, folders, weights, kind, **options):
    """The model with the sum active, and the sum's tensors by the keys of the file."""
    names = [f"part{i}" for i in range(len(folders))]
    model = PeftModel.from_pretrained(checkpoint.model(), folders[0], adapter_name=names[0])
    for name, folder in zip(names[1:], folders[1:]):
        model.load_adapter(folder, name)
    lora = {} if kind == "ia3" else dict(combination_type=kind, **options)
    model.add_weighted_adapter(names, weights, "sum", **lora)
    model.set_adapter("sum")
    tensors = peft_tensors(model)
    return model.eval(), tensors


def peft_tensors(model):
    return {key: tensor.clone() for key, tensor in
            get_state(model).items() if ".base_layer." not in key}


def get_state(model):
    from peft import get_peft_model_state_dict
    return get_peft_model_state_dict(model, adapter_name="sum", save_embedding_layers=False)


def combine(world, folders, weights, kind, *extra, out="sum", **options):
    folder = world.scratch / out
    shutil.rmtree(folder, ignore_errors=True)
    flags = [part for each in folders for part in ("--adapter", each)]
    shown = ",".join(str(weight) for weight in weights)
    report = world.program.json("adapter", "combine", *flags, "--weights", shown,
                                "--combination-type", kind, "--out", folder, "--json", *extra,
                                **options)
    return folder, report


def products(tensors):
    """B·A by module, where a pair's signs are free."""
    found = {}
    for key, a in tensors.items():
        for first, second in ((".lora_A.weight", ".lora_B.weight"),
                              (".lora_embedding_A", ".lora_embedding_B")):
            if key.endswith(first):
                module = key.removesuffix(first)
                b = tensors[module + second]
                found[module] = b.double().flatten(1) @ a.double().flatten(1)
    return found


def ours(folder):
    return {key: tensor for key, tensor in load_file(folder / "adapter_model.safetensors").items()
            if ".base_layer." not in key}


def same_adapter(result, got, wanted, by_products):
    result.same("tensors", sorted(got), sorted(wanted))
    equal = 0
    for key in sorted(set(got) & set(wanted)):
        result.expect(got[key].dtype == torch.float32, f"{key}: stored as {got[key].dtype}")
        if not by_products:
            result.close(key, got[key], wanted[key], SUMS, "tensors", floor=1e-6)
        else:
            result.same(f"{key}: shape", list(got[key].shape), list(wanted[key].shape))
        equal += torch.equal(got[key], wanted[key])
    result.facts["equal to the bit"] = f"{equal} of {len(wanted)}"
    if by_products:
        theirs = products(wanted)
        for module, product in products(got).items():
            result.close(module, product, theirs[module], 1e-5, "products")


def same_answers(world, result, checkpoint, folder, model):
    """Ours with our folder, PEFT with our folder, and PEFT with its own sum."""
    inputs = checkpoint.example(resolved(CONVERSATIONS["plain"], world.inputs))
    with torch.no_grad():
        wanted = model(**inputs).logits
        theirs = PeftModel.from_pretrained(checkpoint.model(), folder).eval()(**inputs).logits
        base = checkpoint.model()(**inputs).logits
    moved = ((wanted - base).abs().max() / base.abs().max()).item()
    result.expect(moved > 1e-3, f"the case is blind: the sum moves the logits by {moved:.1e}")
    result.close("PEFT's logits with the combined folder", theirs, wanted, LOGITS, "logits")
    out = world.scratch / "logits.safetensors"
    world.program.run("forward", checkpoint.path, "--input", world.inputs / "plain.json", "--out",
                      out, "--adapter", folder, "--dtype", "float32", "--device", "cpu")
    result.close("our logits with it", load_file(out)["logits"], wanted, LOGITS, "logits")


def combine_case(kind, names, weights, checkpoint_name="clip-llama", answers=True, extra=(),
                 **options):
    def case(world, result):
        checkpoint = make_checkpoint(checkpoint_name, world.checkpoints)
        folders = [written(checkpoint, name, world.adapters) for name in names]
        folder, report = combine(world, folders, weights, kind, *extra)
        model, wanted = combined_by_peft(checkpoint, folders, weights, kind, **options)
        same_adapter(result, ours(folder), wanted, kind.endswith("svd"))
        config = json.loads((folder / "adapter_config.json").read_text())
        theirs = model.peft_config["sum"]
        for key in ("r", "lora_alpha", "alpha_pattern", "rank_pattern", "lora_dropout"):
            result.same(key, config[key], getattr(theirs, key))
        targets = theirs.target_modules
        result.same("target_modules", config["target_modules"],
                    targets if isinstance(targets, str) else sorted(targets))
        result.same("rank told", report["rank"], theirs.r)
        lacking = {"other-modules", "embedding", "embedding-too", "pattern", "pattern-too"}
        result.same("missing modules told", bool(report["notes"]), bool(lacking & set(names)))
        if answers:
            same_answers(world, result, checkpoint, folder, model)
    return case


def rslora_case(world, result):
    """PEFT keeps use_rslora in the sum's settings, so its scale is √r and not 1; the tensors are
    the same, and ours says what the weights say."""
    checkpoint = make_checkpoint("clip-llama", world.checkpoints)
    folders = [written(checkpoint, name, world.adapters) for name in ("rslora", "first")]
    folder, report = combine(world, folders, (0.6, 0.3), "cat")
    model, wanted = combined_by_peft(checkpoint, folders, [0.6, 0.3], "cat")
    same_adapter(result, ours(folder), wanted, False)
    config = json.loads((folder / "adapter_config.json").read_text())
    result.same("use_rslora", config["use_rslora"], False)
    result.expect(any("rsLoRA" in note for note in report["notes"]), "the setting's end is not told")
    parts = [products(load_file(each / "adapter_model.safetensors")) for each in folders]
    for module, product in products(ours(folder)).items():
        sum_ = 0.6 * 4 / math.sqrt(4) * parts[0][module] + 0.3 * 6 / 4 * parts[1][module]
        result.close(module, product, sum_, 1e-5, "weighted sum")


def ia3_case(world, result):
    checkpoint = make_checkpoint("clip-llama", world.checkpoints)
    folders = [written(checkpoint, name, world.adapters) for name in ("ia3", "ia3-too")]
    folder, report = combine(world, folders, (0.7, 0.3), "linear")
    model, wanted = combined_by_peft(checkpoint, folders, [0.7, 0.3], "ia3")
    same_adapter(result, ours(folder), wanted, False)
    config = json.loads((folder / "adapter_config.json").read_text())
    result.same("target_modules", config["target_modules"],
                sorted(model.peft_config["sum"].target_modules))
    result.same("feedforward_modules", config["feedforward_modules"], ["down_proj"])
    same_answers(world, result, checkpoint, folder, model)


def whole_weight_case(world, result):
    """PEFT writes the base's embedding beside the plug on it; the sum has it too."""
    checkpoint = make_checkpoint("clip-llama", world.checkpoints)
    folders = [written(checkpoint, name, world.adapters) for name in ("embedding", "embedding-too")]
    folder, _ = combine(world, folders, (0.5, 0.5), "linear")
    key = "base_model.model.model.language_model.embed_tokens.base_layer.weight"
    first = load_file(folders[0] / "adapter_model.safetensors")
    got = load_file(folder / "adapter_model.safetensors")
    whole = [name for name in first if ".base_layer." in name]
    result.same("the base's weight", whole, [key] if key in first else whole)
    for name in whole:
        result.expect(name in got and torch.equal(got[name], first[name]), f"{name} is not kept")


def refused_case(world, result):
    """Exit status 2 with the reason, and nothing written."""
    checkpoint = make_checkpoint("clip-llama", world.checkpoints)
    made = {name: written(checkpoint, name, world.adapters) for name in ADAPTERS}
    narrower = world.scratch / "another-base"
    shutil.copytree(made["first"], narrower)
    tensors = load_file(narrower / "adapter_model.safetensors")
    save_file({key: tensor[:, :-8].contiguous() if key.endswith("lora_A.weight") else tensor
               for key, tensor in tensors.items()}, narrower / "adapter_model.safetensors")
    renamed = world.scratch / "renamed-base"
    shutil.copytree(made["first"], renamed)
    config = json.loads((renamed / "adapter_config.json").read_text())
    (renamed / "adapter_config.json").write_text(json.dumps(
        config | {"base_model_name_or_path": "somebody/else"}))
    pissa = world.scratch / "pissa"
    shutil.copytree(made["first"], pissa)
    (pissa / "adapter_config.json").write_text(json.dumps(config | {"init_lora_weights": "pissa"}))
    first, two = made["first"], "0.5,0.5"
    for what, folders, weights, kind, extra, named in (
        ("weights that are not as many", [first], two, "linear", (), "--weights"),
        ("unequal ranks by linear", [first, made["wider"]], two, "linear", (), "rank"),
        ("unequal ranks by ties", [first, made["wider"]], two, "ties", ("--density", 0.5), "rank"),
        ("unlike targets", [first, made["pattern"]], two, "linear", (), "target_modules"),
        ("an unlike base's sizes", [first, narrower], two, "cat", (), "unlike bases"),
        ("an unlike base's name", [first, renamed], two, "cat", (), "unlike bases"),
        ("unlike methods", [first, made["ia3"]], two, "linear", (), "ia3"),
        ("IA3 by svd", [made["ia3"], made["ia3-too"]], two, "svd", (), "linear"),
        ("no density", [first, made["second"]], two, "ties", (), "--density"),
        ("a density of 0 for dare", [first, made["second"]], two, "dare_ties", ("--density", 0),
         "--density"),
        ("an unknown type", [first, made["second"]], two, "average", (), "average"),
        ("modules trained whole", [first, made["saves-head"]], two, "linear", (),
         "modules_to_save"),
        ("DoRA", [first, made["dora"]], two, "linear", (), "use_dora"),
        ("PiSSA", [first, pissa], two, "linear", (), "pissa"),
    ):
        flags = [part for each in folders for part in ("--adapter", each)]
        out = world.scratch / "refused"
        said = refusal(world, "adapter", "combine", *flags, "--weights", weights,
                       "--combination-type", kind, "--out", out, *extra)
        result.expect(named in said, f"{what}: the sentence does not name {named}: {said[:200]}")
        result.expect(not out.exists(), f"{what}: something was written")


def refusal(world, *arguments):
    done = world.program.end(*arguments)
    return done.stderr if done.returncode == 2 else f"(exit {done.returncode}) {done.stderr}"


TWO = ("first", "second")


def cases(everything=False):
    found = {}
    for kind in ("linear", "cat", "svd"):
        found[f"combine/{kind}"] = combine_case(kind, TWO, [0.7, 0.4])
        found[f"combine/{kind}/missing"] = combine_case(kind, ("first", "other-modules"),
                                                        [1.0, -0.6])
        found[f"combine/{kind}/embedding"] = combine_case(
            kind, ("embedding", "embedding-too", "other-modules"), [0.5, 0.8, 0.3])
    for kind in ("cat", "svd"):
        found[f"combine/{kind}/ranks"] = combine_case(kind, ("first", "wider"), [0.9, 0.5])
    found["combine/svd/rank"] = combine_case("svd", TWO, [0.7, 0.4], svd_rank=6,
                                             extra=("--svd-rank", 6))
    found["combine/linear/patterns"] = combine_case("linear", ("pattern", "pattern-too"),
                                                    [0.8, 0.7])
    found["combine/one"] = combine_case("linear", ("second",), [-1.2])
    for kind, sign, density in itertools.product(("ties", "ties_svd"), ("total", "frequency"),
                                                 (0.3, 1.0)):
        found[f"combine/{kind}/{sign}/{density}"] = combine_case(
            kind, TWO + ("other-modules",), [0.7, 0.4, -0.5], density=density,
            majority_sign_method=sign,
            extra=("--density", density, "--majority-sign-method", sign))
    for kind in ("magnitude_prune", "magnitude_prune_svd"):
        found[f"combine/{kind}"] = combine_case(kind, TWO, [0.7, 0.4], density=0.4,
                                                extra=("--density", 0.4))
    for kind in ("dare_linear", "dare_ties"):
        found[f"combine/{kind}/whole"] = combine_case(kind, TWO, [0.7, 0.4], density=1.0,
                                                      extra=("--density", 1))
    found |= {"combine/rslora": rslora_case, "combine/ia3": ia3_case,
              "combine/whole-weight": whole_weight_case, "combine/refused": refused_case}
    return found

# SPDX-License-Identifier: GPL-3.0-or-later
"""Methods that add a matrix to a weight, turn its input, or move ranks while they train, against
PEFT: what methods.py does for all methods, with a row for each setting that another formula goes
by."""
import peft.tuners.boft.layer as boft_layer
import peft.tuners.loha.layer as loha_layer
import torch
from peft import (AdaLoraConfig, BOFTConfig, FourierFTConfig, HRAConfig, LoHaConfig, LoKrConfig,
                  OFTConfig, VeraConfig, get_peft_model)
from transformers import TrainerCallback

import adapters
import forward
import methods
import train
from checkpoints import make as make_checkpoint
from conversations import CONVERSATIONS, resolved, write_rows
from families.base import Plan
from methods import TASK, Kind, fresh_case, merge_case, read_case, train_case


class BlockDiagonal:
    """What PEFT's CUDA kernel computes: [factors, blocks, b, b] as [factors, in, in]."""

    @staticmethod
    def apply(blocks):
        return torch.stack([torch.block_diag(*factor) for factor in blocks])


# With it PEFT takes chains of more than one rotation, which it shortens to one on the CPU.
boft_layer.get_fbd_cuda = lambda: True
boft_layer.FastBlockDiag = BlockDiagonal


def matrix_of_cores(t1, w1_a, w1_b, t2, w2_a, w2_b, scale=1):
    """LoHa's matrix of a window that is taken apart."""
    first, second = (torch.einsum("ijkl,jr,ip->prkl", core, b, a)
                     for core, a, b in ((t1, w1_a, w1_b), (t2, w2_a, w2_b)))
    return first * second * scale


class MatrixOfCores:
    """PEFT writes that matrix's backward by hand and takes each of the two w_a's gradients from the
    other pair's numbers: no slope (slopes_case). Here autograd takes it from the same forward."""
    apply = staticmethod(matrix_of_cores)


BY_HAND = loha_layer.HadaWeightCP
loha_layer.HadaWeightCP = MatrixOfCores


class Allocates(TrainerCallback):
    """What PEFT's documentation asks a training loop to do behind each step."""

    def __init__(self, model):
        self.model = model

    def on_optimizer_step(self, args, state, control, **kwargs):
        self.model.base_model.update_and_allocate(state.global_step)


SOME = ["q_proj", "v_proj", "down_proj"]
# PEFT's AdaLoRA fails where a tensor has no gradient, as in the last layer of this tower.
TEXT = r".*(language_model|text_model)\..*\.(q_proj|v_proj|up_proj|down_proj)"


def kind(strategy, config, spread=0.3, learning_rate=2e-3, targets=None, **rest):
    """The recipe's section says the same as PEFT's config."""
    targets = SOME if targets is None else targets
    given = {key: value for key, value in rest.items() if key not in Kind.__dataclass_fields__}
    more = {key: value for key, value in rest.items() if key in Kind.__dataclass_fields__}
    return Kind(strategy, lambda: config(target_modules=targets, **given, **TASK),
                dict(target_modules=targets, **given), dict(learning_rate=learning_rate),
                spread=spread, merges=True, **more)


DELTA = {
    "loha": kind("loha", LoHaConfig, r=4, alpha=6, rank_pattern={"down_proj": 2},
                 alpha_pattern={"q_proj": 3}, targets=[*SOME, "fc1"], determined=("w2_b",)),
    "loha-everywhere": kind("loha", LoHaConfig, targets="all-linear", determined=("w2_b",)),
    "lokr": kind("lokr", LoKrConfig, r=2, alpha=4, determined=("w1",)),
    "lokr-both": kind("lokr", LoKrConfig, r=1, alpha=2, decompose_both=True, decompose_factor=8,
                      targets=[*SOME, "fc2"]),
    "lokr-whole": kind("lokr", LoKrConfig, r=64, alpha=32, init_weights="lycoris",
                       determined=("w2",)),
    "vera": kind("vera", VeraConfig, r=12, d_initial=0.2, targets=[*SOME, "fc1"],
                 determined=("vera",)),
    "vera-unsaved": kind("vera", VeraConfig, r=5, save_projection=False, projection_prng_key=3,
                         determined=("vera",)),
    "oft": kind("oft", OFTConfig, oft_block_size=8, spread=0.05, determined=("oft",)),
    "oft-exact": kind("oft", OFTConfig, oft_block_size=11, use_cayley_neumann=False, spread=0.1,
                      targets=[*SOME, "fc1"]),
    "oft-shared": kind("oft", OFTConfig, r=4, oft_block_size=0, block_share=True, spread=0.05,
                       num_cayley_neumann_terms=3),
    "oft-small": kind("oft", OFTConfig, oft_block_size=8, coft=True, eps=0.2, spread=0.05,
                      num_cayley_neumann_terms=7),
    "boft": kind("boft", BOFTConfig, spread=0.2, around_one="boft_s", determined=("boft",)),
    "boft-chain": kind("boft", BOFTConfig, boft_block_size=4, boft_n_butterfly_factor=2,
                       spread=0.2, around_one="boft_s", targets=["q_proj", "v_proj"]),
    "boft-number": kind("boft", BOFTConfig, boft_block_size=0, boft_block_num=4, spread=0.1,
                        around_one="boft_s"),
    "hra": kind("hra", HRAConfig, r=4),
    "hra-right-angles": kind("hra", HRAConfig, r=3, apply_GS=True, targets=[*SOME, "fc1"]),
    "fourierft": kind("fourierft", FourierFTConfig, n_frequency=60, scaling=20.0,
                      n_frequency_pattern={"down_proj": 90}),
    "fourierft-seed": kind("fourierft", FourierFTConfig, n_frequency=30, random_loc_seed=5,
                           spread=0.05, learning_rate=5e-4),
    "adalora": kind("adalora", AdaLoraConfig, init_r=6, target_r=3, tinit=1, tfinal=3, deltaT=2,
                    total_step=10, lora_alpha=12, determined=("lora_E",),
                    targets=TEXT,
                    callbacks=lambda model: [Allocates(model)]),
    "adalora-to-the-end": kind("adalora", AdaLoraConfig, init_r=4, target_r=1, total_step=10,
                               beta1=0.5, beta2=0.7, orth_reg_weight=0.1, targets=TEXT,
                               callbacks=lambda model: [Allocates(model)]),
    # Layers of both towers by their numbers, or of one by what its list is called; trained biases.
    "adalora-layers": kind("adalora", AdaLoraConfig, init_r=4, target_r=2, total_step=10,
                           lora_alpha=12, layers_to_transform=[0], determined=("lora_E",),
                           callbacks=lambda model: [Allocates(model)]),
    "vera-layers": kind("vera", VeraConfig, r=6, layers_to_transform=[1],
                        layers_pattern=["layers"], bias="vera_only", determined=("vera", "bias"),
                        targets=[*SOME, "fc1"]),
    "loha-layers": kind("loha", LoHaConfig, r=3, layers_to_transform=[0], determined=("w2_b",)),
    "lokr-layers": kind("lokr", LoKrConfig, r=2, layers_to_transform=[1], determined=("w1",),
                        layers_pattern=["layers"]),
    "oft-layers": kind("oft", OFTConfig, oft_block_size=8, spread=0.05, layers_to_transform=[0],
                       bias="oft_only", determined=("oft", "bias"), targets=[*SOME, "fc2"]),
    "boft-layers": kind("boft", BOFTConfig, spread=0.2, around_one="boft_s", bias="boft_only",
                        layers_to_transform=[1], determined=("boft", "bias"),
                        targets=[*SOME, "fc1"]),
    "hra-layers": kind("hra", HRAConfig, r=4, layers_to_transform=[0], bias="hra_only",
                       determined=("bias",), targets=[*SOME, "fc1"]),
    "fourierft-layers": kind("fourierft", FourierFTConfig, n_frequency=60, scaling=20.0,
                             layers_to_transform=[1], bias="fourier_only", determined=("bias",),
                             targets=[*SOME, "fc1"]),
    # What drawn configurations showed (random_methods.py).
    "fourierft-zero": kind("fourierft", FourierFTConfig, n_frequency=40, scaling=20.0,
                           init_weights=True, determined=("spectrum",)),
    "fourierft-names": kind(
        "fourierft", FourierFTConfig, n_frequency=40, scaling=20.0,
        n_frequency_pattern={"model.language_model.layers.0.self_attn.q_proj": 7,
                             "1.self_attn.q_proj": 9}),
    "vera-drawn": kind("vera", VeraConfig, r=6, init_weights=False, determined=("lambda_b",)),
    "oft-drawn": kind("oft", OFTConfig, oft_block_size=8, init_weights=False, spread=0.05),
    "boft-drawn": kind("boft", BOFTConfig, init_weights=False, spread=0.1, around_one="boft_s"),
    "hra-drawn": kind("hra", HRAConfig, r=4, init_weights=False),
    "adalora-biases": kind("adalora", AdaLoraConfig, init_r=4, target_r=2, total_step=10,
                           lora_alpha=12, bias="all", determined=("lora_E", "bias"),
                           targets=TEXT, callbacks=lambda model: [Allocates(model)]),
    # A convolution over patches, which is a product too (not OFT's: oft_convolution_case).
    "loha-convolution": kind("loha", LoHaConfig, r=4, alpha=6, determined=("w2_b",),
                             targets=["patch_embedding", "v_proj"]),
    "lokr-convolution": kind("lokr", LoKrConfig, r=2, alpha=4, determined=("w1",),
                             targets=["patch_embedding", "v_proj"]),
    "lokr-convolution-whole": kind("lokr", LoKrConfig, r=64, alpha=32, determined=("w1",),
                                   targets=["patch_embedding", "v_proj"]),
    # Its window taken apart: other tensors.
    "loha-convolution-apart": kind("loha", LoHaConfig, r=4, alpha=6, use_effective_conv2d=True,
                                   spread=0.5, determined=("w2_b",),
                                   targets=["patch_embedding", "v_proj"]),
    "lokr-convolution-apart": kind("lokr", LoKrConfig, r=2, alpha=4, use_effective_conv2d=True,
                                   determined=("w1",), targets=["patch_embedding", "v_proj"]),
    "lokr-convolution-apart-both": kind("lokr", LoKrConfig, r=1, alpha=2, decompose_both=True,
                                        use_effective_conv2d=True, init_weights="lycoris",
                                        spread=0.5, determined=("w2_b",),
                                        targets=["patch_embedding", "v_proj"]),
    "boft-convolution": kind("boft", BOFTConfig, spread=0.1, around_one="boft_s",
                             boft_block_size=3, determined=("boft",),
                             targets=r".*patch_embedding|.*language_model.*v_proj"),
    "hra-convolution": kind("hra", HRAConfig, r=4, targets=["patch_embedding", "v_proj"]),
    # The text's too, whose gradients each row has; the convolution's of every row with a picture.
    "adalora-convolution": kind("adalora", AdaLoraConfig, init_r=5, target_r=3, tinit=1, tfinal=3,
                                deltaT=2, total_step=10, lora_alpha=12, determined=("lora_E",),
                                targets=TEXT + r"|.*patch_embedding", without_picture=(),
                                callbacks=lambda model: [Allocates(model)]),
    "vera-biases": kind("vera", VeraConfig, r=6, bias="all", determined=("vera", "bias")),
    "oft-biases": kind("oft", OFTConfig, oft_block_size=8, spread=0.05, bias="all",
                       determined=("oft", "bias")),
    "boft-biases": kind("boft", BOFTConfig, spread=0.1, around_one="boft_s", bias="all",
                        determined=("boft", "bias")),
    "hra-biases": kind("hra", HRAConfig, r=4, bias="all", determined=("bias",)),
    "fourierft-biases": kind("fourierft", FourierFTConfig, n_frequency=60, scaling=20.0,
                             bias="all", determined=("bias",)),
}
methods.KINDS.update(DELTA)


def pruned(world, checkpoint, kind):
    """PEFT's model after six steps of its schedule, and the inputs that it went over."""
    model = methods.start(checkpoint, kind)
    inputs = checkpoint.example(resolved(CONVERSATIONS["several"], world.inputs))
    model.train()
    for step in range(6):
        model.zero_grad()
        model(**inputs).loss.backward()
        model.base_model.update_and_allocate(step)
    return model, inputs


def pruned_case(name, kind):
    """A folder as PEFT writes it after pruning; ours answers with it as PEFT does."""
    def case(world, result):
        checkpoint = make_checkpoint(name, world.checkpoints)
        model, inputs = pruned(world, checkpoint, kind)
        model.eval()
        pattern = model.peft_config["default"].rank_pattern
        kept = sum(sum(flags) for flags in pattern.values())
        result.expect(0 < kept < 0.9 * sum(map(len, pattern.values())), "nothing was pruned")
        folder = methods.write(model, kind, world.scratch / kind)
        inputs.pop("labels")
        with torch.no_grad():
            wanted = adapters.attach(checkpoint.model(), folder)(**inputs).logits
        got = forward.run_forward(world.program, checkpoint, world.inputs, "several",
                                  world.scratch / "out.safetensors", "--adapter", folder)
        result.close("logits", got["logits"], wanted, methods.LOGITS, "logits")
    return case


def slopes_case(world, result):
    """Why MatrixOfCores stands in: PEFT's backward is that of its forward but for both w_a. The day
    PEFT mends it, this case fails, and the class can go."""
    generator = torch.Generator().manual_seed(3)
    drawn = [torch.randn(*shape, generator=generator, dtype=torch.float64, requires_grad=True)
             for shape in ((3, 3, 2, 2), (3, 5), (3, 4), (3, 3, 2, 2), (3, 5), (3, 4))]
    theirs = BY_HAND.apply(*drawn)
    result.close("the matrix", matrix_of_cores(*drawn).detach(), theirs.detach(), 1e-12, "matrix")
    weights = torch.randn(theirs.shape, generator=generator, dtype=torch.float64)
    by_hand = torch.autograd.grad((theirs * weights).sum(), drawn)
    slopes = torch.autograd.grad((matrix_of_cores(*drawn) * weights).sum(), drawn)
    for name, got, wanted in zip(("t1", "w1_a", "w1_b", "t2", "w2_a", "w2_b"), by_hand, slopes):
        if name.endswith("_a"):
            result.expect((got - wanted).abs().max() > 0.1 * wanted.abs().max(),
                          f"PEFT's gradient of {name} is the slope now")
        else:
            result.close(name, got, wanted, 1e-12, "slopes")


def oft_convolution_case(name):
    """PEFT's OFT of a convolution is no function of the kind that the others are: turning nothing
    it answers otherwise than the base, and merged otherwise than before. Its folder is refused, and
    so is a recipe, in words that say so; the day PEFT mends it, this case fails."""
    def case(world, result):
        checkpoint = make_checkpoint(name, world.checkpoints)
        messages = resolved(CONVERSATIONS["several"], world.inputs)
        inputs = checkpoint.example(messages)
        config = OFTConfig(target_modules=["patch_embedding", "v_proj"], oft_block_size=3, **TASK)
        model = get_peft_model(checkpoint.model(), config).eval()
        with torch.no_grad():
            base = checkpoint.model()(**inputs).logits
            fresh = model(**inputs).logits
            result.expect((fresh - base).abs().max() > 1e-2 * base.abs().max(),
                          "PEFT's OFT of a convolution starts as the base now")
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.normal_(0, 0.05)
            turned = model(**inputs).logits
        folder = world.scratch / "oft"
        model.save_pretrained(folder)
        with torch.no_grad():
            merged = model.merge_and_unload()(**inputs).logits
        result.expect((merged - turned).abs().max() > 1e-2 * base.abs().max(),
                      "PEFT's OFT of a convolution merges to what it answers now")
        write_rows(world.scratch / "train.jsonl", [messages])
        path = train.recipe(world, Plan(name, strategy="oft"), train.DEFAULTS, checkpoint, None)
        path.write_text(path.read_text()
                        + "adapter: {target_modules: [patch_embedding], oft_block_size: 3}\n")
        for verb in (("forward", checkpoint.path, "--input", world.inputs / "several.json",
                      "--out", world.scratch / "out.safetensors", "--adapter", folder),
                     ("plan", path),
                     ("adapter", "init", path, "--out", world.scratch / "fresh")):
            try:
                world.program.run(*verb, status=0)
                result.expect(False, f"{verb[0]} takes it")
            except Exception as failure:
                result.expect("exit 2" in str(failure) and "does not start as the base"
                              in str(failure), f"{verb[0]}: {failure}")
    return case


def ranks_case(name, kind):
    """Singular values of what PEFT adds, of an adapter whose vectors are pruned."""
    def case(world, result):
        checkpoint = make_checkpoint(name, world.checkpoints)
        model, _ = pruned(world, checkpoint, kind)
        folder = methods.write(model, kind, world.scratch / kind)
        model = adapters.attach(checkpoint.model(), folder)
        wanted = {key: (module.get_delta_weight("default").detach().double().flatten(1),
                        module.lora_A["default"].shape[0])
                  for key, module in model.base_model.model.named_modules()
                  if "default" in getattr(module, "lora_E", {})}
        got = world.program.json("adapter", "ranks", folder, "--json")
        result.same("modules", sorted(module["name"] for module in got["modules"]),
                    sorted(wanted))
        for module in got["modules"]:
            delta, rank = wanted[module["name"]]
            result.same("rank", module["rank"], rank)
            result.same("shape", module["shape"], list(delta.shape))
            count = len(module["singular_values"])
            result.same("values", count, min(rank, *delta.shape))
            if count:
                result.close(module["name"], torch.tensor(module["singular_values"]),
                             torch.linalg.svdvals(delta)[:count], 1e-5, "singular values")
    return case


DAILY = ("loha", "adalora", "oft-layers", "fourierft-names", "vera-drawn", "adalora-convolution")
# Of each method that hangs on a convolution: PEFT's folder here, ours in PEFT after ten steps, and
# merged.
DAILY_CONVOLUTIONS = ("loha-convolution", "lokr-convolution", "boft-convolution", "hra-convolution",
                      "loha-convolution-apart", "lokr-convolution-apart")
CONVOLUTIONS = ("adalora-convolution", *DAILY_CONVOLUTIONS)
EVERY_MODEL = ("loha-everywhere", "lokr", "vera", "oft", "boft", "hra", "fourierft", "adalora")


def cases(everything=False):
    found = {}
    for kind in DELTA if everything else DAILY:
        found[f"methods/{kind}/clip-llama/read"] = read_case("clip-llama", kind, "several")
        found[f"methods/{kind}/clip-llama/train"] = train_case("clip-llama", kind)
        found[f"methods/{kind}/clip-llama/fresh"] = fresh_case("clip-llama", kind)
        found[f"methods/{kind}/clip-llama/merge"] = merge_case("clip-llama", kind)
    for kind in () if everything else DAILY_CONVOLUTIONS:
        found[f"methods/{kind}/clip-llama/read"] = read_case("clip-llama", kind, "several")
        found[f"methods/{kind}/clip-llama/train"] = train_case("clip-llama", kind)
        found[f"methods/{kind}/clip-llama/merge"] = merge_case("clip-llama", kind)
    found["methods/oft-convolution/clip-llama/refused"] = oft_convolution_case("clip-llama")
    found["methods/loha-convolution-apart/slopes"] = slopes_case
    for kind in ("adalora", "adalora-convolution"):
        found[f"methods/{kind}/clip-llama/pruned"] = pruned_case("clip-llama", kind)
        found[f"methods/{kind}/clip-llama/ranks"] = ranks_case("clip-llama", kind)
    if everything:
        batch = dict(per_device_train_batch_size=3, gradient_accumulation_steps=1)
        for kind in EVERY_MODEL:
            for name in ("smolvlm-plain", "siglip-qwen2"):
                found[f"methods/{kind}/{name}/read"] = read_case(name, kind, "several")
                found[f"methods/{kind}/{name}/train"] = train_case(name, kind, batch)
                found[f"methods/{kind}/{name}/merge"] = merge_case(name, kind)
        for kind in CONVOLUTIONS:       # a tower whose convolution has a bias
            found[f"methods/{kind}/siglip-qwen2/merge"] = merge_case("siglip-qwen2", kind)
            # PEFT's BOFT and HRA take the "v" of its padding "valid" and fail where they answer.
            if kind in ("boft-convolution", "hra-convolution"):
                continue
            found[f"methods/{kind}/siglip-qwen2/read"] = read_case("siglip-qwen2", kind, "several")
            found[f"methods/{kind}/siglip-qwen2/train"] = train_case("siglip-qwen2", kind, batch)
    return found

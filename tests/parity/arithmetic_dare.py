# SPDX-License-Identifier: GPL-3.0-or-later
"""What `adapter combine` draws (DARE): which numbers are left out is read off our result and replayed
in PEFT's add_weighted_adapter."""
import itertools
import math

import peft.utils.merge_utils as merge_utils
import torch
from peft import PeftModel
from safetensors.torch import load_file

from arithmetic import combine, combined_by_peft, ours, products, same_adapter, written
from checkpoints import make as make_checkpoint


def dare_case(kind, density, sign="total"):
    """What was left out is read off results in which one adapter stands alone, and handed to PEFT
    in the place of its own draws."""
    def case(world, result):
        checkpoint = make_checkpoint("clip-llama", world.checkpoints)
        names, weights = ("first", "second"), (0.8, -0.5)
        folders = [written(checkpoint, name, world.adapters) for name in names]
        extra = ("--density", density, "--majority-sign-method", sign, "--seed", 7)
        folder, _ = combine(world, folders, weights, kind, *extra)
        got = ours(folder)
        again, _ = combine(world, folders, weights, kind, *extra, out="again")
        result.expect(all(torch.equal(tensor, got[key]) for key, tensor in ours(again).items()),
                      "the same seed does not leave out the same")
        other, _ = combine(world, folders, weights, kind, *extra[:-1], 8, out="other")
        result.expect(not all(torch.equal(tensor, got[key]) for key, tensor in ours(other).items()),
                      "another seed leaves out the same")
        # A weight of 0 takes the other adapter's numbers out and leaves the draws as they are.
        masks = {}
        for place in range(2):
            alone = [weight if i == place else 0.0 for i, weight in enumerate(weights)]
            single, _ = combine(world, folders, alone, "dare_linear", *extra, out=f"mask{place}")
            for key, tensor in ours(single).items():
                masks[key, place] = (tensor != 0).float()
        kept = torch.cat([mask.flatten() for mask in masks.values()])
        share, spread = kept.mean().item(), math.sqrt(density * (1 - density) / kept.numel())
        result.expect(abs(share - density) < 5 * spread,
                      f"{share:.4f} of {kept.numel()} numbers stay, {density} was asked for")
        both = torch.stack([torch.cat([masks[key, place].flatten() for key in sorted(got)])
                            for place in range(2)])
        together = (both[0] * both[1]).mean().item()
        result.expect(abs(together - density ** 2) < 5 * spread,
                      f"the adapters' draws hang together: {together:.4f}, {density ** 2:.4f}")
        wanted = replayed(checkpoint, folders, weights, kind, density, sign, masks)
        same_adapter(result, got, wanted, False)
    return case


def replayed(checkpoint, folders, weights, kind, density, sign, masks):
    """PEFT's sum with the masks given: it asks for each module's A, part after part, then its B."""
    queue, order = [], []
    drawn = merge_utils.random_pruning

    def pruning(tensor, density, rescale):
        key, place = order[len(queue)]
        queue.append(key)
        return tensor * masks[key, place] / density if rescale else tensor * masks[key, place]

    model = PeftModel.from_pretrained(checkpoint.model(), folders[0], adapter_name="part0")
    for name, module in model.base_model.model.named_modules():
        if hasattr(module, "lora_A") and "part0" in getattr(module, "lora_A"):
            for half, place in itertools.product(("lora_A", "lora_B"), range(2)):
                order.append((f"base_model.model.{name}.{half}.weight", place))
    merge_utils.random_pruning = pruning
    try:
        return combined_by_peft(checkpoint, folders, weights, kind, density=density,
                                majority_sign_method=sign)[1]
    finally:
        merge_utils.random_pruning = drawn


def dare_svd_case(kind):
    """At density 1 nothing is drawn; below it the mean over seeds comes to the whole."""
    def case(world, result):
        checkpoint = make_checkpoint("clip-llama", world.checkpoints)
        folders = [written(checkpoint, name, world.adapters) for name in ("first", "second")]
        folder, _ = combine(world, folders, (0.8, 0.4), kind, "--density", 1)
        _, wanted = combined_by_peft(checkpoint, folders, [0.8, 0.4], kind, density=1.0)
        same_adapter(result, ours(folder), wanted, True)
        rank = 48  # the whole side: nothing of the pruned change is cut off
        # ties divides by how many agree: of one adapter twice, halved, what either keeps is half.
        ties = kind == "dare_ties_svd"
        pair = (folders[:1] * 2, (0.5, 0.5)) if ties else (folders, (1.0, 0.0))
        value, stays = (0.5 / 0.6, 1 - 0.4 ** 2) if ties else (1 / 0.6, 0.6)
        key = None
        for seed in range(2):
            folder, _ = combine(world, *pair, kind, "--density", 0.6, "--svd-rank", rank, "--seed",
                                seed, out=f"seed{seed}")
            got = products(ours(folder))
            key = key or next(module for module in got if module.endswith("q_proj"))
            part = load_file(folders[0] / "adapter_model.safetensors")
            whole = 1.5 * products(part)[key]
            kept = got[key].abs() > 1e-5 * whole.abs().max()
            result.close("what stays, divided by the density", got[key][kept],
                         (value * whole)[kept], 1e-4, "kept")
            share, count = kept.float().mean().item(), kept.numel()
            result.expect(abs(share - stays) < 5 * math.sqrt(stays * (1 - stays) / count) + 0.01,
                          f"{share:.4f} of {count} numbers stay, {stays:.2f} was asked for")
    return case


def cases(everything=False):
    found = {}
    for kind in ("dare_linear", "dare_ties"):
        found[f"combine/{kind}"] = dare_case(kind, 0.7)
    found["combine/dare_ties/frequency"] = dare_case("dare_ties", 0.4, "frequency")
    for kind in ("dare_linear_svd", "dare_ties_svd"):
        found[f"combine/{kind}"] = dare_svd_case(kind)
    return found

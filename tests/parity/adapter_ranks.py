# SPDX-License-Identifier: GPL-3.0-or-later
"""`adapter ranks` against the singular values of the whole products."""
import math

import torch
from peft import PeftModel

from arithmetic import refusal, written
from checkpoints import make as make_checkpoint


def ranks_case(world, result):
    """Singular values of the whole product, by torch, and what follows from them."""
    checkpoint = make_checkpoint("clip-llama", world.checkpoints)
    for name in ("second", "wider", "embedding", "rslora"):
        folder = written(checkpoint, name, world.adapters)
        got = world.program.json("adapter", "ranks", folder, "--json")
        model = PeftModel.from_pretrained(checkpoint.model(), folder)
        wanted, squares = {}, {}
        for key, module in model.base_model.model.named_modules():
            if "default" in getattr(module, "lora_A", {}) or "default" in getattr(
                    module, "lora_embedding_A", {}):
                delta = module.get_delta_weight("default").double()
                rank = module.r["default"]
                wanted[key] = torch.linalg.svdvals(delta)[:rank], rank
        result.same(f"{name}: modules", sorted(module["name"] for module in got["modules"]),
                    sorted(wanted))
        for module in got["modules"]:
            values, rank = wanted[module["name"]]
            result.same("rank", module["rank"], rank)
            result.close(f"{name}: {module['name']}", torch.tensor(module["singular_values"]),
                         values[:len(module["singular_values"])], 1e-5, "singular values")
            shares = values / values.sum()
            result.near("effective rank", module["effective_rank"],
                        torch.exp(-(shares * shares.log()).sum()).item(), 1e-4, "effective rank")
            result.near("norm", module["norm"], values.square().sum().sqrt().item(), 1e-5, "norm")
            part = module["name"].split(".layers.")
            layer = f"{part[0]}.layers.{part[1].split('.')[0]}" if len(part) > 1 else part[0]
            squares[layer] = squares.get(layer, 0) + values.square().sum().item()
        result.same("layers", sorted(layer["name"] for layer in got["layers"]), sorted(squares))
        for layer in got["layers"]:
            result.near("layer's norm", layer["norm"], math.sqrt(squares[layer["name"]]), 1e-5,
                        "layer's norm")
    said = refusal(world, "adapter", "ranks", written(checkpoint, "ia3", world.adapters))
    result.expect("ia3" in said, f"a method without pairs is not named: {said[:200]}")


def cases(everything=False):
    return {"ranks": ranks_case}

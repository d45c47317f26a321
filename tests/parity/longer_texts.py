# SPDX-License-Identifier: GPL-3.0-or-later
"""`rope`: a checkpoint with scaled rotary positions is one that transformers loads, and `forward` over it
gives transformers' logits, within the length that it was made for and beyond it."""
import json

import torch
from safetensors.torch import load_file

import forward
from checkpoints import make
from conversations import CONVERSATIONS, resolved

KINDS = ("linear", "dynamic", "yarn", "longrope", "llama3")


def settings(kind, checkpoint, original):
    """`original`: shorter than the rows, so that what goes by the length is asked about too."""
    flags = ["--type", kind, "--factor", 4, "--original-length", original]
    if kind == "longrope":
        config = json.loads((checkpoint.path / "config.json").read_text())
        text = config.get("text_config", config)
        size = text.get("head_dim") or text["hidden_size"] // text["num_attention_heads"]
        for place, key in enumerate(("short_factor", "long_factor")):
            flags += ["--set", f"{key}={[1 + place + 0.1 * each for each in range(size // 2)]}"]
    return flags


def scaling_case(name, kind, original):
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        folder, out = world.scratch / "longer", world.scratch / "out.safetensors"
        world.program.run("rope", checkpoint.path, "--out", folder,
                          *settings(kind, checkpoint, original))
        inputs = checkpoint.example(resolved(CONVERSATIONS["plain"], world.inputs))
        model = checkpoint.family.load_model(folder, checkpoint.spec, torch.float32)
        wanted = forward.expected(checkpoint, model, inputs)
        base = forward.expected(checkpoint, checkpoint.model(), inputs)
        # The dynamic one leaves texts within the length as they are.
        within = kind == "dynamic" and original > inputs["input_ids"].numel()
        changes = (wanted["logits"] - base["logits"]).abs().max() > 1e-3
        result.expect(changes != within, "the case is blind: what the scaling changes")
        world.program.run("forward", folder, "--input", world.inputs / "plain.json", "--out", out,
                          "--dtype", "float32", "--device", "cpu")
        forward.check(result, checkpoint.family, load_file(out), wanted)
    return case


def cases(everything=False):
    found = {"longer_texts/clip-llama/yarn": scaling_case("clip-llama", "yarn", 16)}
    if everything:
        for kind in KINDS:
            for original in (16, 1024):
                found[f"longer_texts/clip-llama/{kind}/{original}"] = scaling_case(
                    "clip-llama", kind, original)
        for kind in ("linear", "yarn"):
            found[f"longer_texts/qwen2_vl-plain/{kind}"] = scaling_case("qwen2_vl-plain", kind, 16)
    return found

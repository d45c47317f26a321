# SPDX-License-Identifier: GPL-3.0-or-later
"""Several adapters in one batch of `generate` and `forward`, each against PEFT with it alone."""
import torch
from peft import PeftModel
from safetensors.torch import load_file

import generate
from arithmetic import written
from checkpoints import make as make_checkpoint
from conversations import CONVERSATIONS, resolved
from report import LOGITS

TOGETHER = ("clip-llama", "qwen2_5_vl-windows", "smolvlm-plain", "qwen2_vl-plain", "qwen3_vl-plain",
            "gemma3-plain", "internvl-plain", "llava_next-clip", "paligemma-plain",
            "idefics3-llama", "onevision-plain")


def together_case(name, kinds):
    """Several adapters in one batch: each answers as PEFT's does, and as ours does by itself."""
    def case(world, result):
        checkpoint = make_checkpoint(name, world.checkpoints)
        folders = [written(checkpoint, kind, world.adapters) for kind in kinds]
        inputs = checkpoint.encode(resolved(CONVERSATIONS["plain"][:-1], world.inputs), prompt=True)
        together = generate.run_generate(
            world, checkpoint, "plain", 24,
            *[part for folder in folders for part in ("--adapter", folder)])["results"]
        for folder, got in zip(folders, together):
            alone = generate.run_generate(world, checkpoint, "plain", 24, "--adapter",
                                          folder)["results"][0]
            result.same(f"{folder.name}: tokens", got["token_ids"], alone["token_ids"])
            model = PeftModel.from_pretrained(checkpoint.model(), folder).eval()
            generate.check(result, got, generate.greedy(model, inputs, 24,
                                                        generate.stop_tokens(checkpoint)),
                           f"{folder.name}: ")
        result.expect(len({tuple(got["token_ids"]) for got in together}) > 1,
                      "the case is blind: all adapters answer the same")
        out = world.scratch / "together.safetensors"
        world.program.run("forward", checkpoint.path, "--input", world.inputs / "plain.json",
                          "--out", out, *[part for folder in folders
                                          for part in ("--adapter", folder)],
                          "--dtype", "float32", "--device", "cpu")
        inputs = checkpoint.example(resolved(CONVERSATIONS["plain"], world.inputs))
        got = load_file(out)
        for place, folder in enumerate(folders):
            with torch.no_grad():
                wanted = PeftModel.from_pretrained(checkpoint.model(), folder).eval()(**inputs)
            result.close(f"{folder.name}: logits", got["logits"][place:place + 1], wanted.logits,
                         LOGITS, "logits")
            result.near(f"{folder.name}: loss", got["loss"][place].item(), wanted.loss.item(),
                        LOGITS, "loss")
    return case


def cases(everything=False):
    return {f"together/{name}": together_case(name, ("first", "other-modules", "ia3"))
            for name in (TOGETHER if everything else TOGETHER[:3])}

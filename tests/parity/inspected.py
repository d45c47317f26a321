# SPDX-License-Identifier: GPL-3.0-or-later
"""What `data show`, and so the window's Inspect, says of a row's tokens: their ids and the positions
that transformers' decoder turns them by, of one axis or of time, row and column."""
import torch

from checkpoints import make as make_checkpoint
from conversations import CONVERSATIONS, resolved, write_rows

LOOKED_AT = ("qwen2_vl-plain", "clip-llama", "qwen2_5_vl-windows", "qwen3_vl-plain", "qwen2_vl-tied",
             "glm4v-plain", "smolvlm-plain")
DAILY = 3
ROWS = ("plain", "several")


def turned_by(model, inputs):
    """The position ids that the decoder's rotary embedding is called with."""
    seen = []

    def keep(_, args, kwargs):
        seen.append(kwargs.get("position_ids", args[1] if len(args) > 1 else None))

    rotary, = (module for name, module in model.named_modules()
               if name.endswith(("language_model.rotary_emb", "text_model.rotary_emb")))
    handle = rotary.register_forward_pre_hook(keep, with_kwargs=True)
    with torch.no_grad():
        model(**inputs)
    handle.remove()
    ids = seen[0].long()
    # One axis has the row's dimension in front, three the axes'.
    return ids[:, 0] if ids.dim() == 3 else ids[:1]


def positions_case(name):
    def case(world, result):
        checkpoint = make_checkpoint(name, world.checkpoints)
        model = checkpoint.model()
        axes = set()
        for conversation in ROWS:
            row = resolved(CONVERSATIONS[conversation], world.inputs)
            rows = write_rows(world.scratch / f"{conversation}.jsonl", [row])
            inputs = checkpoint.example(row)
            said = world.program.json("data", "show", rows, 1, "--model", checkpoint.path,
                                      "--max-length", 0, "--json")["tokens"]
            result.same(f"{conversation}: ids", [each["id"] for each in said],
                        inputs["input_ids"][0].tolist())
            wanted = turned_by(model, inputs)
            places = [each["position"] for each in said]
            got = [[place] if isinstance(place, int) else place for place in places]
            axes.add(len(got[0]))
            # Where there is one axis, the three of transformers are alike.
            wanted = wanted.t().tolist() if len(got[0]) > 1 else [[p] for p in wanted[0].tolist()]
            result.same(f"{conversation}: positions", got, wanted)
        if "qwen" in name or "glm4v" in name:
            result.same("axes", axes, {3})
    return case


def cases(everything=False):
    names = LOOKED_AT if everything else LOOKED_AT[:DAILY]
    return {f"inspect/{name}/positions": positions_case(name) for name in names}

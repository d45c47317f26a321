# SPDX-License-Identifier: GPL-3.0-or-later
"""What `compare --score-answer` and `attention` say of an answer that stands, against transformers'
logits and its eager attentions, with PEFT's adapters."""
import json

import torch
from peft import PeftModel
from safetensors.torch import load_file

from arithmetic import written
from checkpoints import make as make_checkpoint
from conversations import CONVERSATIONS, resolved, write_rows
from report import LOGITS

# Families that attend and lay pictures out in different ways: those looked at every day first.
LOOKED_AT = ("clip-llama", "gemma3-plain", "qwen2_5_vl-windows", "smolvlm-plain", "paligemma-plain",
             "internvl-plain", "qwen3_vl-plain", "llava_next-clip", "idefics3-llama")
DAILY = 3
KINDS = ("first", "other-modules")


def models(checkpoint, folders):
    """Each column's model by its name, the base first. PEFT changes a model in its place."""
    yield "base", checkpoint.model()
    for kind, folder in folders.items():
        yield kind, PeftModel.from_pretrained(checkpoint.model(), folder).eval()


def asked(world, checkpoint):
    """The adapters, a file of one row, and the row as the oracle gets it."""
    folders = {kind: written(checkpoint, kind, world.adapters) for kind in KINDS}
    row = resolved(CONVERSATIONS["plain"], world.inputs)
    samples = write_rows(world.scratch / "samples.jsonl", [row])
    flags = [part for kind, folder in folders.items() for part in ("--adapter", f"{kind}={folder}")]
    return folders, ("--samples", samples, "--dtype", "float32", "--device", "cpu",
                     *flags), checkpoint.example(row)


def answer_places(inputs):
    """The first labelled stretch: its places."""
    labelled = (inputs["labels"][0] != -100).nonzero().flatten().tolist()
    end = next((i for i, (a, b) in enumerate(zip(labelled, labelled[1:])) if b != a + 1),
               len(labelled) - 1)
    return labelled[:end + 1]


def score_case(name, reference="base"):
    def case(world, result):
        checkpoint = make_checkpoint(name, world.checkpoints)
        folders, flags, inputs = asked(world, checkpoint)
        out = world.scratch / "out"
        world.program.run("compare", checkpoint.path, *flags, "--out", out, "--max-new-tokens", 3,
                          "--score-answer", "expected")
        scored, = json.loads((out / "comparison.json").read_text())["rows"][0]["scored"]
        places = answer_places(inputs)
        ids = inputs["input_ids"][0][places]
        if not result.same("token_ids", scored["token_ids"], ids.tolist()):
            return
        result.same("whose answer", (scored["of"], scored["reference"]), ("expected", reference))
        wanted = {}
        for column, model in models(checkpoint, folders):
            with torch.no_grad():
                logits = model(**inputs).logits[0].double()
            wanted[column] = torch.log_softmax(logits[[place - 1 for place in places]], -1)
        result.same("columns", [each["name"] for each in scored["columns"]], list(wanted))
        for each in scored["columns"]:
            column, own = each["name"], wanted[each["name"]]
            logprobs = own.gather(1, ids[:, None])[:, 0]
            divergences = (own.exp() * (own - wanted[reference])).sum(-1)
            result.close(f"{column}: probabilities", torch.tensor(each["logprobs"]).exp(),
                         logprobs.exp(), LOGITS, "probabilities", 1.0)
            result.close(f"{column}: logprobs", torch.tensor(each["logprobs"]), logprobs, LOGITS,
                         "logprobs")
            result.close(f"{column}: divergences", torch.tensor(each["divergences"]), divergences,
                         LOGITS, "divergences", 1.0)
            result.same(f"{column}: likeliest", each["likeliest"], own.argmax(-1).tolist())
            other = (own.argmax(-1) != ids).nonzero().flatten().tolist()
            result.same(f"{column}: first_other", each["first_other"], other[0] if other else None)
        result.expect(max(scored["columns"][1]["divergences"]) > 1e-3,
                      "the case is blind: its adapter changes nothing")
    return case


def attention_case(name):
    def case(world, result):
        checkpoint = make_checkpoint(name, world.checkpoints)
        folders, flags, inputs = asked(world, checkpoint)
        places = answer_places(inputs)
        token = len(places) // 2
        out = world.scratch / "attention.safetensors"
        said = world.program.json("attention", checkpoint.path, *flags, "--out", out, "--token",
                                  token)
        query = places[token] - 1
        result.same("query", said["query"], query)
        got = load_file(out)
        for column, model in models(checkpoint, folders):
            base = model.get_base_model() if isinstance(model, PeftModel) else model
            base.set_attn_implementation("eager")
            with torch.no_grad():
                seen = model(**inputs, output_attentions=True).attentions
            wanted = torch.stack([layer[0, :, query, :] for layer in seen])
            result.close(f"{column}: attention", got.get(column), wanted, LOGITS, "attention", 1.0)
        apart = (got["base"] - got[KINDS[0]]).abs().max()
        result.expect(apart > 1e-4, "the case is blind: its adapter looks where the base does")
        if not world.pictures:
            return
        # The cells are picture tokens, each of them once, in the order of the row.
        pictures = (inputs["input_ids"][0] == checkpoint.family.image_token_id(checkpoint)).nonzero()
        cells = [place for grid in said["grids"] for place in grid["places"]]
        result.expect(cells and cells == sorted(set(cells)), f"cells at {cells[:8]}")
        result.expect(set(cells) <= set(pictures.flatten().tolist()),
                      "a cell is no picture token")
        for grid in said["grids"]:
            result.same("cells", grid["rows"] * grid["columns"], len(grid["places"]))
    return case


def cases(everything=False):
    names = LOOKED_AT if everything else LOOKED_AT[:DAILY]
    return {f"compare/{name}/scored": score_case(name) for name in names} | {
        f"compare/{name}/attention": attention_case(name) for name in names}

# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/families/FAMILY.md from sizes/ and the program's own forecast. Folders of a configuration, a
tokenizer and a picture processor, without weights, are all that it needs.

    python tests/parity/pages.py --cli build/bin/luthier-cli            writes the pages
    python tests/parity/pages.py --held     writes what families.md says now into them, without more

The cases pages/FAMILY ask that every word is the same and every number of memory within 2 %. Where
this processor has not the instructions of the one that a page names, they may be ELSEWHERE further
apart: what products and attention take besides goes by those."""
import argparse
import contextlib
import json
import os
import re
import sys
import tempfile
from pathlib import Path

import torch
from PIL import Image

import program
import table
from conversations import image, text, turn, write_rows
from families import FAMILIES
from report import of, processor_flags
from sizes import SIZES

DOCS = Path(__file__).resolve().parents[2] / "docs"
HELD_BEGINS = "\n## Held against transformers\n"
TOKENS, RANK, ROOM = 2048, 16, 0.02
GIB = 2 ** 30
# GiB: a chunk of logits in float32 (2^22 of them) where no instruction multiplies bfloat16, what
# loops of our own lay out for a head where AMX does, and what is rounded on either side.
ELSEWHERE = 0.03
PROCESSORS = {  # what the forecast asks of a processor (engine/device/processor.h): flags of Linux
    "AMX": {"amx_tile", "amx_bf16", "avx512bw"},
    "AVX512-BF16": {"avx512_bf16", "avx512bw"},
    "no products of bfloat16": set(),
}
NF4 = dict(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True)
RUNS = {"LoRA": ("lora", None), "QLoRA": ("lora", NF4), "full": ("full", None)}
HEAD = """# `{family}`

Made by the tests, not by hand: `.deps/oracle/bin/python tests/parity/pages.py --cli build/bin/luthier-cli`.

## Memory

What `plan` forecasts, in GiB, for {tokens:,} tokens a step: one row{pictures}, bfloat16, gradient checkpointing, AdamW, on one
thread of a CPU (that of this page: {processor}). *LoRA*: rank {rank} on `all-linear`; *QLoRA*: the same over a base packed as
nf4 with doubly quantized scales; *full*: every weight.

{sizes}
"""
TABLE = """| size | parameters | held by | {runs} |
{line}
{rows}

*held by* says why the numbers of a size are believed, from which `tests/parity/sizes/` makes it. *count*: they are recalled, and so
is the published checkpoint's count of parameters; the one comes to the other, to the last. *read*: they stand in a copy of its
`config.json`, or in transformers, in defaults or conversion scripts. *rounded*: recalled in part; they come to the published count,
or to the length of the published files, as either is rounded. Sizes of which nothing of this can be said are left out.{notes}"""
NONE = "No size is here: of none of this family are the numbers known."
HELD = HELD_BEGINS + """
[families.md](../families.md) says what a column is and what is allowed.

| {columns} |
{line}
| {cells} |
"""


@contextlib.contextmanager
def without_drawing():
    """Weights exist as shapes alone: nothing draws them."""
    modules = [module for name, module in list(sys.modules.items())
               if name.startswith("families.") and hasattr(module, "randomise")]
    before = [module.randomise for module in modules]
    try:
        for module in modules:
            module.randomise = lambda *each, **settings: None
        with torch.device("meta"):
            yield
    finally:
        for module, draw in zip(modules, before):
            module.randomise = draw


def folder_of(family, size, folder, scratch):
    with without_drawing():
        model, processor = family.build(size.spec, family.model_type, scratch)
    folder.mkdir()
    model.config.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def here():
    """What the forecast finds of this machine's."""
    have = processor_flags()
    return next(name for name, wanted in PROCESSORS.items() if wanted <= have)


def row(family, size, scratch):
    picture = scratch / "picture.png"
    Image.new("RGB", size).save(picture)
    words = text("It is a red circle left of a small blue square and " * TOKENS)
    asked = [image(str(picture))] if family.pictures else []
    path = scratch / "rows.jsonl"
    write_rows(path, [[turn("user", *asked, text("What is it?")), turn("assistant", words)]])
    return path


def forecast(cli, folder, rows, run, scratch):
    strategy, packing = RUNS[run]
    lines = [f"model: {folder}", f"dataset: {rows}", f"output_dir: {scratch / 'run'}",
             f"strategy: {strategy}",
             "training: {device: cpu, dtype: bfloat16, gradient_checkpointing: true, max_steps: 1, "
             f"max_length: {TOKENS}, per_device_train_batch_size: 1, "
             "gradient_accumulation_steps: 1}"]
    if strategy == "lora":
        lines.append(f"adapter: {{r: {RANK}, lora_alpha: {2 * RANK}, target_modules: all-linear}}")
    if packing:
        lines.append(f"quantization: {json.dumps(packing)}")
    path = scratch / "recipe.yaml"
    path.write_text("\n".join(lines) + "\n")
    found = cli.json("plan", path, "--json")
    if found["batch_tokens"] != TOKENS:
        raise program.Failure(f"{folder.name}: {found['batch_tokens']} tokens, not {TOKENS}")
    return found["total"]


def memory(cli, family, scratch, sizes=None, processor=None):
    """The page as far as the forecast makes it; `sizes`: the first so many alone; `processor`: the
    one that it names, if not this machine's."""
    all_of = SIZES.get(family.model_type, {})
    pictures = {size.picture for size in all_of.values()}
    assert len(pictures) < 2, f"{family.model_type}: pictures of several sizes on one page"
    lines, made = [], " with one picture of {} x {} in it".format(*(pictures or {(640, 480)}).pop())
    for number, (name, size) in enumerate(list(all_of.items())[:sizes]):
        rows = row(family, size.picture, scratch)
        folder = folder_of(family, size, scratch / f"{family.model_type}-{number}",
                           scratch / f"{family.model_type}-{number}.tokenizer")
        parameters = cli.json("info", folder, "--json")["parameters"]
        if parameters != size.parameters:
            raise program.Failure(f"{name}: {parameters:,} parameters, "
                                  f"published are {size.parameters:,}")
        gib = [forecast(cli, folder, rows, run, scratch) / GIB for run in RUNS]
        lines.append(f"| {name} | {parameters:,} | {size.source} | "
                     + " | ".join(f"{each:.2f}" for each in gib) + " |")
    notes = dict.fromkeys(size.note for size in all_of.values() if size.note)
    found = TABLE.format(runs=" | ".join(RUNS), line="|---" * (3 + len(RUNS)) + "|",
                         rows="\n".join(lines), notes="".join(f"\n\n{note}" for note in notes))
    return HEAD.format(family=family.model_type, tokens=TOKENS, rank=RANK,
                       processor=processor or here(), sizes=found if all_of else NONE,
                       pictures=made if family.pictures else "")


def held(family):
    """The page's other part: what families.md says of this family."""
    cells = table.standing(DOCS / "families.md")
    return HELD.format(columns=" | ".join(table.COLUMNS), line="|---" * len(table.COLUMNS) + "|",
                       cells=" | ".join(cells.get((family.model_type, column), "not run")
                                        for column in table.COLUMNS))


def page_of(family):
    return DOCS / "families" / f"{family.model_type}.md"


def write_held():
    """What families.md says now, into the pages that there are."""
    for family in FAMILIES:
        path = page_of(family)
        if path.exists():
            path.write_text(path.read_text().split(HELD_BEGINS)[0] + held(family))


NUMBER = re.compile(r"(?<=\| )\d+\.\d\d(?= \|)")    # of memory: the only ones with two decimals
NAMED = re.compile(r"\(that of this page: (.*?)\)")


def case_of(family, sizes):
    def case(world, result):
        path = page_of(family)
        if not result.expect(path.exists(), f"{path}: no page; pages.py makes it"):
            return
        there, _, standing = path.read_text().partition(HELD_BEGINS)
        named = NAMED.search(there)
        if not result.expect(named and named[1] in PROCESSORS, "the page names no processor"):
            return
        made = memory(world.program, family, world.scratch, sizes, named[1])
        others = list(SIZES.get(family.model_type, {}).items())[sizes:] if sizes else []
        for name, size in others:
            begins = f"| {name} | {size.parameters:,} | {size.source} | "
            lines = [line for line in there.splitlines(True) if line.startswith(begins)]
            result.same(f"lines of {name}", len(lines), 1)
            for line in lines:
                there = there.replace(line, "")
        result.same("words of the page", NUMBER.sub("", there), NUMBER.sub("", made))
        found, wanted = NUMBER.findall(there), NUMBER.findall(made)
        apart = 0.0 if named[1] == here() else ELSEWHERE
        if result.same("numbers on the page", len(found), len(wanted)):
            for number, (one, other) in enumerate(zip(map(float, found), map(float, wanted))):
                beyond = max(0.0, abs(one - other) - apart)
                result.near(f"memory {number} ({one} on the page)", other + beyond, other, ROOM,
                            "memory", floor=0.5)
        result.same("what was held (pages.py --held writes it)", HELD_BEGINS + standing,
                    held(family))
    return of(case, family)


def cases(everything=False):
    """Of every day the smallest size of each."""
    return {f"pages/{family.model_type}": case_of(family, None if everything else 1)
            for family in FAMILIES}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cli", type=Path, help="luthier-cli")
    parser.add_argument("--held", action="store_true", help="write what families.md says alone")
    parser.add_argument("--only", help="this family alone")
    options = parser.parse_args()
    if options.held:
        write_held()
        return 0
    if not options.cli:
        parser.error("--cli PATH is needed (or --held)")
    os.environ["OMP_NUM_THREADS"] = "1"
    cli = program.Program(options.cli.resolve())
    (DOCS / "families").mkdir(exist_ok=True)
    for family in FAMILIES:
        if options.only in (None, family.model_type):
            with tempfile.TemporaryDirectory(prefix="pages-") as scratch:
                page_of(family).write_text(memory(cli, family, Path(scratch)) + held(family))
    return 0


if __name__ == "__main__":
    sys.exit(main())

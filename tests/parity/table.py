# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/families.md from the outcome of the cases: a row a family, a column a kind of check, each
cell the worst error that was met."""
from families import FAMILIES

COLUMNS = {  # column: the errors that it shows
    "forward": ("logits", "loss"),
    "gradients": ("grad",),
    "generate": ("logprobs",),
    "LoRA": ("loss", "grad_norm", "adapter", "logits", "weights"),
    "full": ("loss", "grad_norm", "weights"),
    "default LoRA": ("logits",),
    "default freeze": ("logits",),
    "default full": ("logits",),
    "bfloat16": ("logits", "gradients"),
    "packed": ("loss", "grad_norm"),
    "forecast error": (),
}
HEAD = """# Families: what is held against transformers

Made by the tests, not by hand: `.deps/oracle/bin/python tests/parity/run.py --cli build/bin/luthier-cli --table docs/families.md`.

A cell is the largest relative error of its cases against transformers {transformers}, PEFT {peft} and their Trainer, in float32 on the CPU, and in
brackets how many cases that was. Ids, labels, pixels and greedy continuations are equal in each of them.

- *forward*: logits and loss (2e-5 of the largest is allowed); *gradients*: of tensors in tower, projector and decoder (1e-4);
  *generate*: log-probabilities of the greedy answer (1e-4).
- *LoRA*: PEFT's adapters read and ours read by PEFT, merges, runs of ten steps from PEFT's own initial adapter (loss and gradient norm 3e-4,
  adapter 2e-3); *full*: steps of every weight, or of some parts.
- *default*: a recipe that names model, data and strategy alone; its result loaded by PEFT and
  transformers and by us, logits of both (2e-5). PEFT finds the modules that were trained, no other.
- *bfloat16*: how far logits and gradients of base and adapters are from float64, in the 2-norm and
  in transformers' own distance in bfloat16 (1.1 and 1.25 are allowed, and 2^-9 of the values);
  answers agree wherever float64 decides by more than that. Runs of every weight and of
  parts against Trainer's autocast (loss 1 % at each step).
- *packed*: rows of different lengths and pictures in one micro-batch against the same rows one after another (2e-5), and the share of a padded
  batch that holds no row; *forecast error*: `plan` against the measured peak of runs of LoRA, of every
  weight and of single parts, the largest (5 %).

"""


def cell(results):
    if not results:
        return "not run"
    column = next(iter(results)).column
    failed = sum(bool(result.problems) for result in results)
    if failed:
        return f"**{failed} of {len(results)} fail**"
    facts = [value for result in results for value in result.facts.values()]
    if column == "forecast error":
        return f"{max(facts, key=lambda fact: abs(float(fact.split()[0])))} ({len(results)})"
    count = len(results)
    worst = max((result.worst[kind] for result in results for kind in COLUMNS[column]
                 if kind in result.worst), default=0.0)
    if column == "bfloat16":
        return f"{worst:.2f} ({count})"
    return f"{worst:.0e} ({count}{'; ' + facts[0] if facts else ''})"


def standing(path):
    """(family, column) → cell of the table as it is."""
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in (path.read_text().splitlines() if path.exists() else [])
        if line.startswith("|") and not line.startswith("|---")
    ]
    if not rows:
        return {}
    return {
        (row[0].strip("`"), column): value
        for row in rows[1:]
        for column, value in zip(rows[0][1:], row[1:])
    }


def write(path, results, versions, wanted):
    """`results`: one Case a case and column that it counts for. `wanted`: how many (family, column)
    has; a cell whose cases did not all run, since only some were asked for, stays as it is."""
    before = standing(path)
    lines = ["| family | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for family in FAMILIES:
        mine = [result for result in results if result.family == family.model_type]
        cells = []
        for column in COLUMNS:
            found = [result for result in mine if result.column == column]
            key = family.model_type, column
            whole = len(found) == wanted.get(key, 0)
            cells.append(cell(found) if whole else before.get(key, "not run"))
        lines.append(f"| `{family.model_type}` | " + " | ".join(cells) + " |")
    lines += ["", "## Checkpoints", "",
              "Tiny and random, written by transformers; `tests/parity/families/` says what each is for.", ""]
    for family in FAMILIES:
        names = ", ".join(f"`{name}`" for name, spec in family.specs.items() if spec.conversations)
        lines.append(f"- `{family.model_type}`: {names}")
    path.write_text(HEAD.format(**versions) + "\n".join(lines) + "\n")

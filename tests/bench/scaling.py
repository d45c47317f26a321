#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scaling on paper: writes the tables of docs/scaling.md from what is counted of a step on one card
(the table `device` of docs/bench.md), the bytes that ranks send in a step, and a link's speed.
    python3 tests/bench/scaling.py            prints them
    python3 tests/bench/scaling.py --write    and puts them between the page's marks
    python3 tests/bench/scaling.py --check    exits with 1 where the page says something else"""
import argparse
import re
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"
CARDS = (1, 2, 4, 8, 16, 32, 64)
TOKENS = 2 * 2048               # of a counted step: two rows
GRADIENT, WEIGHT = 4, 2         # bytes of a number: float32 sums, bfloat16 weights
RANK = 16                       # of LoRA

# The shapes of engine/check/shapes.cpp: hidden, intermediate, layers, heads, key-value heads, head
# dimension, vocabulary, tied head.
SHAPES = {
    "0.6 B": (1024, 3072, 28, 16, 8, 128, 151936, True),
    "1.7 B": (2048, 6144, 28, 16, 8, 128, 151936, True),
    "4 B": (2560, 9728, 36, 32, 8, 128, 151936, True),
    "8 B": (4096, 12288, 36, 32, 8, 128, 151936, False),
}
# Bytes a second that one card sends and receives at once, as the makers name them, and a message's
# seconds: NVLink 4 has 900 GB/s both ways together, PCIe 5 x16 64 GB/s a way before its framing.
LINKS = {"NVLink 4": (450e9, 3e-6), "PCIe 5": (63e9, 5e-6), "400 Gb/s": (50e9, 1e-5),
         "100 Gb/s": (12.5e9, 1e-5)}


def linears(size):
    """(inputs, outputs) of a layer's linears."""
    hidden, wide, _, heads, pairs, width, _, _ = SHAPES[size]
    return [(hidden, heads * width), (hidden, pairs * width), (hidden, pairs * width),
            (heads * width, hidden), (hidden, wide), (hidden, wide), (wide, hidden)]


def parameters(size):
    """Of the language model: layers with their norms, embedding, head, last norm."""
    hidden, _, layers, _, _, width, vocabulary, tied = SHAPES[size]
    layer = sum(a * b for a, b in linears(size)) + 2 * hidden + 2 * width
    return layers * layer + vocabulary * hidden * (1 if tied else 2) + hidden


def layer_parameters(size):
    return sum(a * b for a, b in linears(size))


def lora_parameters(size):
    return SHAPES[size][2] * sum(RANK * (a + b) for a, b in linears(size))


def shared(cards):
    """What a rank sends of something that is shared out or gathered, as a share of it."""
    return (cards - 1) / cards


def gathered(size):
    """Bytes of layers that are gathered for a micro-batch: before the forward and again before the
    backward, but for the last and the first, which are still there where the direction turns."""
    return 2 * WEIGHT * (SHAPES[size][2] - 1) * layer_parameters(size)


def sent(strategy, size, cards):
    """Bytes that a rank sends in a step."""
    adapter = 2 * GRADIENT * lora_parameters(size)
    if strategy == "LoRA":
        return shared(cards) * adapter
    if strategy == "full":
        return shared(cards) * 2 * GRADIENT * parameters(size)
    if strategy == "full, ZeRO-1":      # gradients to their owners, weights back
        return shared(cards) * (GRADIENT + WEIGHT) * parameters(size)
    return shared(cards) * (adapter + gathered(size))


def sent_more(strategy, size, cards):
    """Bytes of each further micro-batch a rank: gradients go to their owners one by one, so that they
    are added in the micro-batches' order (docs/decisions/0021); a base's layers come again."""
    trains = parameters(size) if strategy.startswith("full") else lora_parameters(size)
    base = gathered(size) if "sharded" in strategy else 0
    return shared(cards) * (GRADIENT * trains + base)


STRATEGIES = ("LoRA", "full", "full, ZeRO-1", "LoRA, sharded base")


def counted():
    """Seconds of a step on one card by the model of docs/bench.md: {case: seconds}."""
    page = (DOCS / "bench.md").read_text()
    table = page.split("<!-- device: begin -->")[1].split("<!-- device: end -->")[0]
    found = {}
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split("|")]
        rate = re.match(r"([\d,]+) ", cells[-1])
        if len(cells) == 9 and rate:
            found[cells[0]] = TOKENS / float(rate.group(1).replace(",", ""))
    return found


def messages(strategy, size, cards):
    """Rounds in which ranks wait for one another."""
    rounds = 2 * (cards - 1)
    return rounds * (1 + (SHAPES[size][2] if "sharded" in strategy else 0))


def step_seconds(strategy, size, cards, link, work):
    """The critical path: sums wait for the backward's end; a base's layers come one ahead, behind
    the work on the layer before."""
    speed, wait = LINKS[link]
    if cards == 1:
        return work
    if "sharded" not in strategy:
        return work + sent(strategy, size, cards) / speed + wait * messages(strategy, size, cards)
    layers = SHAPES[size][2]
    adapter = shared(cards) * 2 * GRADIENT * lora_parameters(size) / speed
    layer = shared(cards) * WEIGHT * layer_parameters(size) / speed + wait * (cards - 1)
    passes = 2 * layers                     # forward and backward
    # Of a layer and the next one's way the slower counts; at two turns nothing comes.
    gathers = passes - 2
    return (gathers * max(layer, work / passes) + 2 * work / passes + adapter
            + wait * 2 * (cards - 1))


def number(value):
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if value >= unit:
            return f"{value / unit:,.1f} {name}"
    return f"{value / 1e3:,.0f} kB"


def bytes_table():
    lines = ["| model | strategy | trains | " + " | ".join(f"{cards}" for cards in CARDS[1:])
             + " | 64, each further micro-batch |", "|" + "---|" * (4 + len(CARDS) - 1)]
    for size in SHAPES:
        for strategy in STRATEGIES:
            trains = parameters(size) if strategy.startswith("full") else lora_parameters(size)
            lines.append(f"| {size} | {strategy} | {trains / 1e6:,.0f} M | " + " | ".join(
                number(sent(strategy, size, cards)) for cards in CARDS[1:])
                + f" | {number(sent_more(strategy, size, CARDS[-1]))} |")
    return "\n".join(lines)


def speed_table():
    work = counted()
    lines = ["| model | strategy | one card | link | " + " | ".join(f"{c}" for c in CARDS[1:]) + " |",
             "|" + "---|" * (4 + len(CARDS) - 1)]
    for size in SHAPES:
        for strategy in STRATEGIES:
            alone = work[f"{size}, {'full' if strategy.startswith('full') else 'LoRA'}"]
            for link in LINKS:
                shares = (alone / step_seconds(strategy, size, cards, link, alone)
                          for cards in CARDS[1:])
                lines.append(f"| {size} | {strategy} | {alone * 1e3:,.0f} ms | {link} | " + " | ".join(
                    f"{share * 100:.0f} %" for share in shares) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    page = DOCS / "scaling.md"
    text = before = page.read_text()
    for name, table in (("bytes", bytes_table()), ("speed", speed_table())):
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        front, rest = text.split(begin)
        text = f"{front}{begin}\n{table}\n{end}{rest.split(end)[1]}"
        if not (options.write or options.check):
            print(table, end="\n\n")
    if options.write:
        page.write_text(text)
    if options.check and text != before:
        print("docs/scaling.md: its tables are not those of tests/bench/scaling.py --write")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

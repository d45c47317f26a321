# SPDX-License-Identifier: GPL-3.0-or-later
"""What a training step would ask of a graphics card, without one: whole steps of real sizes on the
pretended device of tests/pretend, large work left out, by kernels of our own as a card runs them and
by ATen's in their place. Launches, bytes, products, copies, waits and peaks are counted; the tokens a
second are a roofline's over those counts for an H100, a model and not a measurement."""
import json
import os
import sys
from pathlib import Path

import page
from measure import run

MOST = {"8 B, LoRA": {"kernels": 4000, "bytes": 450e9}}  # of a step, by kernels of our own


def dry_steps(build, work):
    """The figures of every case: sizes x (LoRA, checkpointing, pictures, full)."""
    run(["ninja", "-C", build, "pretend_tests"], os.environ)
    figures = work / "dry_steps.json"
    run([build / "tests" / "pretend_tests", "test_dry_steps"],
        {**os.environ, "LUTHIER_DRY": "all", "LUTHIER_DRY_JSON": str(figures),
         "QT_QPA_PLATFORM": "offscreen", "QTEST_FUNCTION_TIMEOUT": "6000000"})
    return json.loads(figures.read_text())


def waits(counted):
    """The host's: a copy down is waited for, too."""
    return counted["down"] + counted["waits"]


def bound(counted):
    return "launches" if counted["model_launch_seconds"] > counted["model_seconds"] else "work"


def described(figure):
    """Two lines for a case, and one for what is asked of it."""
    lines = []
    for whose, counted in (("own kernels", figure["own"]), ("ATen's", figure["aten"])):
        lines.append(
            f"  {figure['case'] if counted is figure['own'] else '':<38} {whose:<12}{counted['kernels']:6d} kernels {counted['bytes'] / 1e9:7.1f} GB "
            f"{counted['flops'] / 1e12:6.1f} Tflop {counted['up']:2d} up {waits(counted):2d} wait a step, peak {counted['peak_bytes'] / 1e9:6.2f} GB, "
            f"forecast {figure['forecast_bytes'] / counted['peak_bytes']:5.3f} x, {counted['model_tokens_per_second']:8.0f} tokens/s by the model ({bound(counted)})")
    if most := MOST.get(figure["case"]):
        own = figure["own"]
        kept = own["kernels"] <= most["kernels"] and own["bytes"] <= most["bytes"]
        lines.append(f"  {'':<38} goal: at most {most['kernels']:,} kernels and {most['bytes'] / 1e9:.0f} GB a step: {'reached' if kept else 'MISSED'}")
    return "\n".join(lines)


def table(figures):
    """The same as a table of docs/bench.md: by kernels of our own (by ATen's)."""
    lines = ["| case | kernels | moved | products | copies up | waits a step | peak | forecast | tokens/s of the model |",
             "|---|---|---|---|---|---|---|---|---|"]
    for figure in figures:
        own, aten = figure["own"], figure["aten"]

        def both(text):
            return f"{text(own)} ({text(aten)})"
        lines.append(
            f"| {figure['case']} | {both(lambda one: format(one['kernels'], ','))} | {both(lambda one: format(one['bytes'] / 1e9, '.0f'))} GB "
            f"| {own['flops'] / 1e12:.1f} Tflop | {own['up']} | {waits(own)} | {both(lambda one: format(one['peak_bytes'] / 1e9, '.1f'))} GB "
            f"| {both(lambda one: format(figure['forecast_bytes'] / one['peak_bytes'], '.3f'))} × "
            f"| {both(lambda one: format(one['model_tokens_per_second'], ',.0f'))}, {bound(own)} |")
    return "\n".join(lines)


def write(figures, docs):
    page.fill(docs, "device", table(figures))


if __name__ == "__main__":
    found = json.loads(Path(sys.argv[1]).read_text())
    write(found["device"]["cases"] if isinstance(found, dict) else found, Path(sys.argv[2]))

# SPDX-License-Identifier: GPL-3.0-or-later
"""What a training step would ask of a graphics card, without one: whole steps of real sizes on the
pretended device of tests/pretend, large work left out. Launches, bytes, products and peaks are
counted; the tokens a second are a roofline's over those counts for an H100, a model and not a
measurement."""
import json
import os
import sys
from pathlib import Path

from measure import run

BEGIN, END = "<!-- device: begin -->", "<!-- device: end -->"


def dry_steps(build, work):
    """The figures of every case: sizes x (LoRA, checkpointing, pictures, full)."""
    run(["ninja", "-C", build, "pretend_test_dry_steps"], os.environ)
    figures = work / "dry_steps.json"
    run([build / "tests" / "pretend_test_dry_steps"],
        {**os.environ, "LUTHIER_DRY": "all", "LUTHIER_DRY_JSON": str(figures),
         "QT_QPA_PLATFORM": "offscreen", "QTEST_FUNCTION_TIMEOUT": "6000000"})
    return json.loads(figures.read_text())


def modelled(figure):
    """Seconds by the roofline: the card's work, or the host's launches where they take longer."""
    return max(figure["model_seconds"], figure["model_launch_seconds"])


def described(figure):
    """A line for a case."""
    seconds = modelled(figure)
    over = figure["peak_bytes"] - figure["weight_bytes"]
    return (f"  {figure['case']:<38} {figure['kernels']:7d} kernels {figure['bytes'] / 1e9:8.1f} GB {figure['flops'] / 1e12:7.1f} Tflop "
            f"{figure['up']:3d} up {figure['down']:2d} down {figure['waits']:2d} waits  {over / 1e9:7.2f} GB over weights, forecast {figure['forecast_bytes'] / figure['peak_bytes']:5.3f} x the peak  "
            f"{figure['tokens'] / seconds:8.0f} tokens/s by the model ({'launches' if seconds == figure['model_launch_seconds'] else 'work'})")


def table(figures):
    """The same as a table of docs/bench.md."""
    lines = ["| case | kernels | moved | products | copies up, down | waits | peak | forecast | tokens/s of the model |",
             "|---|---|---|---|---|---|---|---|---|"]
    for figure in figures:
        seconds = modelled(figure)
        bound = "launches" if seconds == figure["model_launch_seconds"] else "work"
        lines.append(
            f"| {figure['case']} | {figure['kernels']:,} | {figure['bytes'] / 1e9:.0f} GB | {figure['flops'] / 1e12:.1f} Tflop "
            f"| {figure['up']}, {figure['down']} | {figure['waits']} | {figure['peak_bytes'] / 1e9:.1f} GB "
            f"| {figure['forecast_bytes'] / figure['peak_bytes']:.3f} × | {figure['tokens'] / seconds:,.0f} ({bound}) |")
    return "\n".join(lines)


def write(figures, docs):
    page = docs / "bench.md"
    before, rest = page.read_text().split(BEGIN)
    _, after = rest.split(END)
    page.write_text(f"{before}{BEGIN}\n{table(figures)}\n{END}{after}")


if __name__ == "__main__":
    found = json.loads(Path(sys.argv[1]).read_text())
    write(found["device"]["cases"] if isinstance(found, dict) else found, Path(sys.argv[2]))

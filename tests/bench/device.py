# SPDX-License-Identifier: GPL-3.0-or-later
"""What a training step would ask of a graphics card, without one: whole steps of real sizes on the
pretended device of tests/pretend, large work left out. Launches, bytes, products and peaks are
counted; the tokens a second are a roofline's over those counts for an H100, a model and not a
measurement."""
import json
import os

from measure import run


def dry_steps(build, work):
    """The figures of every case: sizes x (LoRA, checkpointing, pictures, full)."""
    run(["ninja", "-C", build, "pretend_test_dry_steps"], os.environ)
    figures = work / "dry_steps.json"
    run([build / "tests" / "pretend_test_dry_steps"],
        {**os.environ, "LUTHIER_DRY": "all", "LUTHIER_DRY_JSON": str(figures),
         "QT_QPA_PLATFORM": "offscreen", "QTEST_FUNCTION_TIMEOUT": "6000000"})
    return json.loads(figures.read_text())


def described(figure):
    """A line of the table for a case."""
    seconds = max(figure["model_seconds"], figure["model_launch_seconds"])
    over = figure["peak_bytes"] - figure["weight_bytes"]
    return (f"  {figure['case']:<38} {figure['kernels']:7d} kernels {figure['bytes'] / 1e9:8.1f} GB {figure['flops'] / 1e12:7.1f} Tflop "
            f"{figure['up']:3d} up {figure['down']:2d} down {figure['waits']:2d} waits  {over / 1e9:7.2f} GB over weights, forecast {figure['forecast_bytes'] / figure['peak_bytes']:5.3f} x the peak  "
            f"{figure['tokens'] / seconds:8.0f} tokens/s by the model ({'launches' if seconds == figure['model_launch_seconds'] else 'work'})")

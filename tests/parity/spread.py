# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a reference run is from itself where its weights begin one rounding apart: what the limits
of runs that blow roundings up are taken from (MUON_LIMITS, EIGHT_BIT_LIMITS).
    python tests/parity/spread.py muon/full [--draws 6]     a plan of optimizers.py, strategy full"""
import argparse
import os
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

import conversations
import optimizers
import train
from checkpoints import make


def ended(plan, optimizer, checkpoint, data, draw, folder):
    """The log and the weights, `draw` 0 as they are stored."""
    model = checkpoint.model()
    generator = torch.Generator().manual_seed(draw)
    with torch.no_grad():
        for parameter in model.parameters() if draw else ():
            sign = torch.randint(-1, 2, parameter.shape, generator=generator)
            parameter.mul_(1 + sign * 2.0 ** -23)
    log = train.trained_by_transformers(model, checkpoint.family.batch, data, [],
                                        train.DEFAULTS | plan.training, folder / str(draw),
                                        optimizer=optimizer)
    return [entry for entry in log if "grad_norm" in entry], model.state_dict()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plan", choices=sorted(name for name, plan in optimizers.RUNS.items()
                                               if plan.strategy == "full"))
    parser.add_argument("--draws", type=int, default=6)
    options = parser.parse_args()
    plan = optimizers.RUNS[options.plan]
    optimizer = optimizers.MADE.get(options.plan)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        conversations.write_inputs(folder / "inputs")
        checkpoint = make(plan.checkpoint, folder / "checkpoints")
        data = [checkpoint.example(conversations.resolved(row, folder / "inputs"))
                for row in conversations.rows(plan.rows)]
        first, weights = ended(plan, optimizer, checkpoint, data, 0, folder)
        for draw in range(1, options.draws + 1):
            log, others = ended(plan, optimizer, checkpoint, data, draw, folder)
            apart = {key: max(abs(a[key] / b[key] - 1) for a, b in zip(log, first))
                     for key in ("loss", "grad_norm")}
            apart["weights"] = max(((others[name] - tensor).abs().max() / tensor.abs().max()).item()
                                   for name, tensor in weights.items())
            print(draw, ", ".join(f"{key} {value:.1e}" for key, value in apart.items()), flush=True)


if __name__ == "__main__":
    main()

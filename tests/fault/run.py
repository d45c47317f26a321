# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills a training run at random moments and resumes it until it is finished; the result must have
the very bytes of a run that nobody disturbed.
    python3 tests/fault/run.py --cli build/bin/luthier-cli [--kills 20] [--quick] [--seed N]
        [--keep DIR] [--disk]
No LibTorch and no packages: a tiny checkpoint's config and the tokenizer of tests/data are all it
needs (weights start at random, seeded).
--disk (as root) also trains, merges, packs and writes adapters on a full tmpfs (full_disk.py)."""
import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import full_disk
import ranks
import rollouts
import stages
from tiny import command, environment, make_model, make_rows, makers, recipe, result, undisturbed


def logged_lines(run):
    try:
        return (run / "metrics.jsonl").read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def killed_until_finished(cli, recipe_file, run, kills, logged, chance):
    """Kills `kills` times, each at a random moment (or while a checkpoint is being written), then
    lets it finish."""
    landed = {"before a checkpoint": 0, "in a save": 0, "elsewhere": 0}
    for _ in range(kills):
        process = subprocess.Popen(command(cli, recipe_file, run), env=environment(),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        # A moment is a number of logged lines to wait for and then a little more, so that a slow
        # machine is killed as evenly as a fast one.
        lines = chance.randint(0, logged)
        saves = chance.random() < 0.3
        while process.poll() is None and logged_lines(run) < lines:
            time.sleep(0.0005)
        until = time.time() + chance.uniform(0, 0.3 if lines == 0 else 0.03)
        while process.poll() is None and (time.time() < until
                                          or (saves
                                              and not any(
                                                  (run / "checkpoints").glob(".*partial*")))):
            time.sleep(0.0002)
        partial = any((run / "checkpoints").glob(".*partial*"))
        whole = any((run / "checkpoints").glob("step-*"))
        process.send_signal(signal.SIGKILL)
        error = process.stderr.read()
        process.wait()
        if process.returncode == 0:
            break   # it was finished before the kill
        if process.returncode != -signal.SIGKILL:
            sys.exit(f"a resume failed with {process.returncode}:\n{error}")
        landed["in a save" if partial else "elsewhere" if whole else "before a checkpoint"] += 1
    done = subprocess.run(command(cli, recipe_file, run), env=environment(), capture_output=True,
                          text=True)
    if done.returncode != 0:
        sys.exit(f"the last resume failed with {done.returncode}:\n{done.stderr}")
    return landed


def kills(cli, root, strategy, count, chance):
    steps = 22
    whole = root / f"{strategy}-whole"
    recipe_file = root / f"{strategy}.yaml"
    recipe_file.write_text(recipe(root, strategy, whole, steps))
    undisturbed(cli, recipe_file)
    wanted = result(whole)
    logged = logged_lines(whole)
    places = {}
    rounds = 0
    while sum(places.values()) < count:
        before = dict(places)
        run = root / f"{strategy}-{rounds}"
        rounds += 1
        recipe_file.write_text(recipe(root, strategy, run, steps))
        for place, times in killed_until_finished(cli, recipe_file, run, min(
            5, count - sum(places.values())), logged, chance).items():
            places[place] = places.get(place, 0) + times
        got = result(run)
        different = sorted(key for key in wanted.keys() | got.keys()
                           if wanted.get(key) != got.get(key))
        if different and makers(run) != makers(whole) and rounds < 2 * count:
            # Each start times the libraries of products; two starts that chose apart have other
            # last bits from their first step, and a resume has no part in it.
            print(f"     {strategy}: products by {makers(run)}, those of the undisturbed run by "
                  f"{makers(whole)}: not compared", flush=True)
            places = before
            continue
        if different:
            sys.exit(f"{strategy}: after the kills these differ from the undisturbed run: "
                     f"{', '.join(different)} (in {run}; products by {makers(run)}, undisturbed "
                     f"{makers(whole)})")
    print(f"ok   kill -9, {strategy}: {sum(places.values())} kills in {rounds} runs ({', '.join(f'{times} {place}' for place, times in places.items())}), every byte as undisturbed", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cli", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=20, help="kills a strategy")
    parser.add_argument("--quick", action="store_true", help="6 kills, lora alone")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--disk", action="store_true")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.randrange(1 << 30)
    print(f"seed {seed}", flush=True)
    chance = random.Random(seed)
    root = options.keep or Path(tempfile.mkdtemp(prefix="luthier-fault-"))
    root.mkdir(parents=True, exist_ok=True)
    try:
        make_model(root / "model")
        make_rows(root / "rows.jsonl", 17)
        make_rows(root / "eval.jsonl", 5)
        kills(options.cli.resolve(), root, "lora", 6 if options.quick else options.kills, chance)
        if not options.quick:
            kills(options.cli.resolve(), root, "full", options.kills, chance)
        stages.check(options.cli.resolve(), root, 2 if options.quick else options.kills, chance)
        rollouts.check(options.cli.resolve(), root, 3 if options.quick else options.kills, chance)
        ranks.check(options.cli.resolve(), root, options.quick)
        if options.disk:
            full_disk.check(options.cli.resolve(), root)
    finally:
        if not options.keep:
            shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()

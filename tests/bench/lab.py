# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's cards: each trains as it stands, and what its figure came to stands beside the stated
one, as the time beside the stated minutes. Nothing is kept from before: a folder is made anew."""
import json
import shutil

from measure import Failed, environment, run

THREADS = 2     # what the stated minutes are of


def cards(bench):
    out = bench.work / "lab.json"
    run([bench.cli, "lab", "list", "--json"], environment(THREADS), out=out)
    return json.loads(out.read_text())


def one(bench, card, seed):
    folder, out = bench.work / "lab" / f"{card}-{seed}", bench.work / "lab.json"
    shutil.rmtree(folder, ignore_errors=True)
    command = [bench.cli, "lab", "run", card, folder, "--seed", seed, "--json"]
    try:
        peak, _ = run(command, environment(THREADS), out=out)
    except Failed:
        # its figure fell short, or there is none: then the answer is no JSON either
        peak = 0
        if not out.read_text().startswith("{"):
            raise
    figures = json.loads(out.read_text())
    return {"value": figures["value"], "seconds": figures["seconds"], "peak_bytes": peak,
            "reached": figures["reached"]}


def measure(bench):
    """A row a card; the seeds are as many as rounds, 7 first."""
    results, short = {}, []
    rounds, _ = bench.repeats(1, 0)
    print(f"lab: {THREADS} threads; the figure of the run's last evaluation on rows never trained on")
    for card in cards(bench):
        runs = [one(bench, card["card"], 7 + number) for number in range(rounds)]
        results[card["card"]] = {"goal": card["goal"], "minutes": card["minutes"], "runs": runs}
        for figures in runs:
            in_time = figures["seconds"] <= 60 * card["minutes"]
            if not figures["reached"] or not in_time:
                short.append(card["card"])
            print(f"  {card['title']:<40} {card['figure_is']}: {figures['value']:.3f} (stated {card['goal']:.2f}) "
                  f"in {figures['seconds']:.0f} s (stated {60 * card['minutes']:.0f}){'' if in_time else ', too slow'}"
                  f"{'' if figures['reached'] else ', falls short'}", flush=True)
    if short:
        raise Failed("short of what is stated: " + ", ".join(dict.fromkeys(short)))
    return results

# SPDX-License-Identifier: GPL-3.0-or-later
"""The row compare: 50 samples by one column and by four adapters, decoded together over the resident
base, and by one column a sample at a time, as who compares without a workbench does. Loading is
left out: a comparison of one sample is taken off."""
import json
import statistics
import time

from measure import environment, luthier_train, run

SAMPLES, ADAPTERS, TOKENS = 50, 4, 64


def measure(bench):
    rounds, _ = bench.repeats(2, 3)
    case = bench.made("llava-70m", 3)
    luthier_train([bench.cli, "train"], case, bench.work, bench.threads, 3)
    adapter = bench.work / "run" / "adapter"
    lines = (case["folder"] / "rows" / "train.jsonl").read_text().splitlines()
    files = {}
    for count in (1, SAMPLES):
        files[count] = case["folder"] / "rows" / f"compare-{count}.jsonl"
        files[count].write_text("\n".join(lines[at % len(lines)] for at in range(count)) + "\n")

    def seconds(adapters, samples):
        columns = [part for at in range(adapters) for part in ("--adapter", f"a{at}={adapter}")]
        begun = time.perf_counter()
        run([bench.cli, "compare", case["model"], *columns, "--samples", files[samples], "--out",
             bench.work / "compared", "--max-new-tokens", TOKENS, "--device", "cpu", "--dtype",
             "float32"], environment(bench.threads))
        return time.perf_counter() - begun

    def one_at_a_time():
        """Decoding alone, as the program says it of each."""
        found = json.loads((bench.work / "compared" / "comparison.json").read_text())
        return found["rows"][0]["answers"][0]["seconds"] * SAMPLES

    one, several, alone = [], [], []
    for _ in range(rounds):
        start = seconds(0, 1)
        alone.append(one_at_a_time())
        one.append(seconds(0, SAMPLES) - start)
        several.append(seconds(ADAPTERS, SAMPLES) - seconds(ADAPTERS, 1))
    figures = {name: statistics.median(values) for name, values in
               (("one_column", one), ("base_and_adapters", several), ("one_at_a_time", alone))}
    columns = ADAPTERS + 1
    print(f"compare (llava-70m): {SAMPLES} samples of {TOKENS} tokens, {bench.threads} threads, {rounds} rounds: "
          f"one column {figures['one_column']:.1f} s, {columns} columns together {figures['base_and_adapters']:.1f} s "
          f"({figures['base_and_adapters'] / figures['one_column']:.2f} x one column, goal 2; "
          f"{figures['base_and_adapters'] / figures['one_at_a_time']:.2f} x one column a sample at a time)",
          flush=True)
    return figures

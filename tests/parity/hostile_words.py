# SPDX-License-Identifier: GPL-3.0-or-later
"""Words of a command line that lie: options and values that are misspelt, numbers that are none or
too large, outputs that cannot stand where they are asked for (told before the work), columns that
no row has, archives and recipes that are cut off; and the end of the terminal in a run."""
import json
import signal
import subprocess
import tarfile
import time

from checkpoints import make
from conversations import resolved, rows, write_rows
from hostile_folders import refused
from hostile_verbs import write_recipe


def words_case(world, result):
    checkpoint = make("clip-llama", world.checkpoints)
    model, out = checkpoint.path, world.scratch / "out"
    data = world.scratch / "rows.jsonl"
    write_rows(data, [resolved(row, world.inputs) for row in rows(2)])
    recipe = write_recipe(world, checkpoint, "strategy: lora")
    plain = world.inputs / "plain.json"
    taken = world.scratch / "taken"
    taken.write_text("x")
    folder = world.scratch / "folder"
    folder.mkdir()
    table = world.scratch / "table.csv"
    table.write_text("photo,q,a\na.png,what,that\n")
    cut = world.scratch / "cut.tar"
    with tarfile.open(cut, "w") as archive:
        archive.add(plain, "0001.json"), archive.add(plain, "0002.json")
    cut.write_bytes(cut.read_bytes()[:512 + -(-plain.stat().st_size // 512) * 512 + 300])
    unclosed = world.scratch / "unclosed.yaml"
    unclosed.write_text('model: a\ndataset: "b\noutput_dir: c\n')
    generate = "generate", model, "--input", plain
    compare = "compare", model, "--samples", data
    for what, named, *command in (
            ("a misspelt option", ("--jsno", "Did you mean --json?"), "info", model, "--jsno"),
            ("a setting as an option", ("--lr", "--set"), "train", recipe, "--lr", "3"),
            ("no option's value", ("hello", "--text"), "tokenize", model, "hello"),
            ("no number", ("--max-pixels", '"abc"'), *generate, "--max-pixels", "abc"),
            ("too large a number", ("--max-new-tokens", "too large"), *generate,
             "--max-new-tokens", "9" * 20),
            ("a count below 0", ("ROW", "-1"), "data", "show", data, "-1", "--model", model),
            ("a seed below 0", ("--seed", "-1"), *generate, "--seed", "-1"),
            ("not finite", ("--temperature", "nan"), *generate, "--temperature", "nan"),
            ("out of range", ("--nproc", "from 1 to 1024"), "launch", "--nproc", "0", recipe),
            ("a misspelt value", ("--to", "The nearest is gguf."), "export", model, "--to", "ggfu",
             "--out", out),
            ("no such finding", ("--drop", "too_long"), "data", "clean", data, "--drop",
             "too_lng", "--out", out),
            ("four bits of what", ("--bnb-4bit-quant-type", "nf4"), *generate, "--load-in-4bit",
             "--bnb-4bit-quant-type", "x"),
            ("four bits and eight", ("--load-in-8bit",), *generate, "--load-in-4bit",
             "--load-in-8bit"),
            ("no such method", ("--only", "lora"), "methods", model, "--only", "lorra"),
            ("a file in the place", (str(taken),), *compare, "--out", taken),
            ("a folder in the place", (str(folder),), "forward", model, "--input", plain, "--out",
             folder),
            ("no folder for the file", ("none/a.safetensors",), "forward", model, "--input", plain,
             "--out", world.scratch / "none" / "a.safetensors"),
            ("no such column to score", ("--score-answer", "nobody"), *compare, "--out", out,
             "--score-answer", "nobody"),
            ("both parts in one file", ("--validation",), "data", "split", data, "--train", out,
             "--validation", out),
            ("half a split", ("none",), "data", "split", data, "--train", out, "--validation",
             world.scratch / "none" / "b.jsonl"),
            ("no such column", ("--columns", "foto", "photo"), "data", "check", table, "--model",
             model, "--columns", "image=foto"),
            ("a column of no kind", ("answer", "completion"), "data", "check", table, "--model",
             model, "--columns", "answer=a"),
            ("no such column asked", ("--where", "colour", "photo"), "data", "search", table,
             "--where", "colour=red"),
            ("a cut archive", ("cut.tar", "ends within a header"), "data", "check", cut,
             "--model", model),
            ("an open quote", ("unclosed.yaml", "line 2", "never closed"), "plan", unclosed),
            ("no folder of runs", ("nowhere",), "runs", "list", world.scratch / "nowhere")):
        refused(world, result, what, named, *command, out=out)


def hangup_case(world, result):
    """The end of the terminal saves a run as Ctrl+C does; a pipe that closes does not end it."""
    checkpoint = make("clip-llama", world.checkpoints)
    recipe = write_recipe(world, checkpoint, "strategy: lora")
    run = world.scratch / "run"
    command = [str(world.program.path), "train", str(recipe), "--set", "training.device=cpu",
               "--set", "training.max_steps=100000"]

    def logged():
        return len((run / "metrics.jsonl").read_text().splitlines())

    process = subprocess.Popen(command, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # a harness under nohup ignores it
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True)
    process.stderr.readline()
    process.stderr.close()
    while process.poll() is None and not (run / "metrics.jsonl").exists():
        time.sleep(0.05)
    lines = logged()
    while process.poll() is None and logged() < lines + 20:
        time.sleep(0.05)
    process.send_signal(signal.SIGHUP)
    status = process.wait()
    result.expect(status == 130, f"exit {status} instead of 130")
    manifest = json.loads((run / "run.json").read_text())
    result.expect(manifest["state"] == "stopped", f"the run is {manifest['state']}")
    result.expect(any((run / "checkpoints").iterdir()), "no checkpoint was saved")


def cases(everything=False):
    return {"hostile/words": words_case, "hostile/hangup": hangup_case}

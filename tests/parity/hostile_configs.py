# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoint folders whose JSON files lie: every number and switch of config.json and of the
processors' files in turn becomes negative, zero, huge,
a fraction, a text, null, a list; and weights are cut short or have other shapes. The program must
say what is wrong and where, or work; never crash,
never take long or much memory. A case tries a small sample through the program
(tests/models/test_hostile_configs
tries every field without it); `python run.py --hostile` tries all."""
import json
import random
import shutil
import signal

from checkpoints import make
from families import FAMILIES
from report import of

VALUES = (-1, 0, 1, 7, 3.7, 1e308, -1e-300, 2 ** 31, 2 ** 63 - 1, 2 ** 64, float("nan"), "12", "",
          None, True, [], [-1], [1, 2, 3], [2 ** 62, 2 ** 62], {}, {"height": 0})
SECONDS, BYTES, SAMPLE = 10, 4 << 30, 8
FILES = ("config.json", "preprocessor_config.json", "processor_config.json",
         "generation_config.json")


def places(content, path=()):
    """Paths of everything that is not an object."""
    if isinstance(content, dict):
        return [place for key, value in content.items()
                for place in places(value, (*path, key))] + ([path] if path else [])
    if isinstance(content, list):
        return [path] + [place for index, value in enumerate(content)
                         for place in places(value, (*path, index))]
    return [path]


def changed(content, path, value):
    content = json.loads(json.dumps(content))
    at = content
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return content


def judge(program, result, what, command):
    done = program.end(*command, processor_limit=2 * SECONDS)
    status, text = done.returncode, done.stderr
    shown = text.strip()[-300:]
    if status < 0:
        result.expect(False, f"{what}: killed by {signal.Signals(-status).name}: {shown}")
    else:
        result.expect(status in (0, 2, 3), f"{what}: exit {status}: {shown}")
    result.expect(status != 3 or "memory" in text,
                  f"{what}: exit 3 where the files are at fault: {shown}")
    result.expect(status == 0 or len(text.strip().splitlines()) in (1, 2, 3) and ".json" in text
                  or "safetensors" in text or status == 3 or "model" in text,
                  f"{what}: no sentence with a file: {shown}")
    result.expect(done.processor_seconds <= SECONDS, f"{what}: {done.processor_seconds:.0f} s")
    result.expect(done.peak_bytes <= BYTES, f"{what}: {done.peak_bytes / 1e9:.1f} GB")
    return status


def case_of(family, sample):
    def case(world, result):
        checkpoint = make(next(name for name in reversed(family.specs)), world.checkpoints)
        folder = world.scratch / "model"
        shutil.copytree(checkpoint.path, folder)
        command = ["forward", folder, "--input", world.inputs / "plain.json",
                   "--out", world.scratch / "out.safetensors",
                   "--dtype", "float32", "--device", "cpu"]
        changes = []
        for name in FILES:
            if (folder / name).exists():
                content = json.loads((folder / name).read_text())
                changes += [(name, content, path, value) for path in places(content)
                            for value in VALUES]
        statuses = {}
        for name, content, path, value in changes if sample is None else random.Random(
            len(changes)).sample(changes, sample):
            (folder / name).write_text(json.dumps(changed(content, path, value)))
            status = judge(world.program, result, f"{name} {'.'.join(map(str, path))} = {value!r}", command)
            statuses[status] = statuses.get(status, 0) + 1
            (folder / name).write_text(json.dumps(content))
        weights = sorted(folder.glob("*.safetensors"))[0]
        whole = weights.read_bytes()
        for count in (0, 100, len(whole) - 1):
            weights.write_bytes(whole[:count])
            status = judge(world.program, result, f"{weights.name} of {count} bytes", command)
            result.same(f"{weights.name} of {count} bytes: exit", status, 2)
        weights.write_bytes(whole)
        result.facts |= {f"exit {status}": count for status, count in sorted(statuses.items())}
    return case


def cases(sample=SAMPLE):
    return {f"hostile/{family.model_type}": of(case_of(family, sample), family)
            for family in FAMILIES}

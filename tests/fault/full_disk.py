# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk that is really full: a small tmpfs (so as root), on which a run trains and every verb
writes that makes a model, an adapter or a file of tensors. Each ends with exit status 3 and a
sentence that names the place and the reason, wherever in its writing the room ended; it leaves
nothing behind and touches nothing that lies there; with room again the same command writes the very
bytes that it writes where there always was room."""
import hashlib
import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager

from tiny import command, environment, recipe, result

PAGE = 4096     # what a tmpfs gives a file at a time
LARGE = "16m"


@contextmanager
def small_disk(place, *options):
    """None where it cannot be mounted."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", ",".join(options), "none", str(place)]
    mounted = subprocess.run(mount, capture_output=True).returncode == 0
    try:
        yield place if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", str(place)], check=True)
        place.rmdir()


def resized(place, option):
    subprocess.run(["mount", "-o", f"remount,{option}", str(place)], check=True)


def ran(arguments):
    # One library of products, so that the same sums are the same bytes.
    surroundings = {"LUTHIER_PRODUCTS": "onednn"} | environment()
    return subprocess.run([str(each) for each in arguments], env=surroundings, capture_output=True,
                          text=True)


def made(what, arguments):
    done = ran(arguments)
    if done.returncode != 0:
        sys.exit(f"full disk, {what}: exit {done.returncode} where there is room:\n{done.stderr}")


def standing(place):
    """Everything under it, hidden or not: a file's checksum, of a folder that it is one."""
    return {str(path.relative_to(place)): None if path.is_dir()
            else hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(place.rglob("*"))}


def training(cli, root):
    """The run stops saved, and its resume ends as if nothing had been."""
    with small_disk(root / "small-disk", "size=900k") as place:
        if not place:
            return False
        recipe_file = root / "disk.yaml"
        recipe_file.write_text(recipe(root, "lora", place / "run",
                                      22).replace("save_total_limit: 2", "save_total_limit: 0"))
        whole = root / "disk-whole"
        undisturbed = root / "disk-whole.yaml"
        undisturbed.write_text(recipe(root, "lora", whole, 22))
        made("training", command(cli, undisturbed))
        done = ran(command(cli, recipe_file))
        if done.returncode != 3 or "space" not in done.stderr.lower():
            sys.exit(f"full disk: exit {done.returncode} where 3 was expected, with the reason:\n"
                     f"{done.stderr}")
        checkpoints = sorted((place / "run" / "checkpoints").glob("step-*"))
        if not checkpoints:
            sys.exit("full disk: no checkpoint came before the disk was full; the test's disk is "
                     "too small")
        for checkpoint in checkpoints:
            manifest = json.loads((checkpoint / "manifest.json").read_text())
            for name, about in manifest["files"].items():
                data = (checkpoint / name).read_bytes()
                if (len(data) != about["size"]
                        or hashlib.sha256(data).hexdigest() != about["sha256"]):
                    sys.exit(f"full disk: {checkpoint / name} is not what its manifest says")
        resized(place, "size=16m")
        made("the resume", command(cli, recipe_file, place / "run"))
        if result(place / "run") != result(whole):
            sys.exit("full disk: the resumed run ended otherwise than the undisturbed one")
        print(f"ok   full disk: exit 3 with the reason, {len(checkpoints)} checkpoints whole, and "
              "the resume ends in the same bytes", flush=True)
    return True


def inputs(cli, root, place):
    """On the disk itself: a checkpoint with weights, adapters over it, a recipe and a question."""
    def trained(name, strategy, *settings):
        file = root / f"disk-{name}.yaml"
        file.write_text(recipe(root, strategy, root / f"disk-{name}", 2))
        made(name, [*command(cli, file), *(part for each in settings for part in ("--set", each))])
        return root / f"disk-{name}"

    shutil.copytree(trained("full", "full") / "model", place / "model")
    over = (f"model={place / 'model'}", "init=pretrained")
    for name, start in (("one", "true"), ("two", "true"), ("pissa", "pissa")):
        run = trained(name, "lora", *over, f"adapter.init_lora_weights={start}",
                      f"training.seed={sum(map(ord, name))}")
        shutil.copytree(run / "adapter", place / name)
    recipe_file = place / "recipe.yaml"
    recipe_file.write_text(recipe(root, "lora", place / "never", 2)
                           .replace(f"model: {root}/model\ninit: random\n",
                                    f"model: {place}/model\n"))
    row = json.loads((root / "rows.jsonl").read_text().splitlines()[0])
    (place / "question.json").write_text(json.dumps(row))


def writers(place):
    """Verb → what stands before its --out."""
    model, one, two = place / "model", place / "one", place / "two"
    packed = ("--bnb-4bit-quant-type", "nf4", "--bnb-4bit-use-double-quant")
    both = ("--adapter", one, "--adapter", two, "--weights", "0.5,0.5", "--combination-type")
    return {
        "merge": ("merge", model, "--adapter", one),
        "adapter combine": ("adapter", "combine", *both, "linear"),
        "adapter combine by svd": ("adapter", "combine", *both, "svd"),
        "adapter convert": ("adapter", "convert", place / "pissa", "--model", model),
        "adapter init": ("adapter", "init", place / "recipe.yaml"),
        "quantize": ("quantize", model, *packed),
        "quantize to eight bits": ("quantize", model, "--load-in-8bit"),
        "quantize a file": ("quantize", one / "adapter_model.safetensors", *packed),
        "merge-models": ("merge-models", "--model", model, "--model", model, "--weights",
                         "0.5,0.5"),
        "forward": ("forward", model, "--input", place / "question.json", "--device", "cpu"),
    }


def pages(path):
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return sum(-(-file.stat().st_size // PAGE) for file in files)


def removed(path):
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def refused(what, arguments, out, before):
    done = ran(arguments)
    said = done.stderr.strip()
    if done.returncode != 3 or "No space left" not in said or out.name not in said:
        sys.exit(f"full disk, {what}: exit {done.returncode} where 3 was expected, with the place "
                 f"and the reason:\n{said}")
    after = standing(out.parent)
    if after != before:
        different = sorted(name for name in before.keys() | after.keys()
                           if before.get(name, "absent") != after.get(name, "absent"))
        sys.exit(f"full disk, {what}: left or touched {', '.join(different)}")


def verbs(cli, root):
    """Each verb where none of its pages has room, half of them, and all but the last."""
    with small_disk(root / "small-disk", f"size={LARGE}") as place:
        inputs(cli, root, place)
        ballast, out, moments = place / "ballast", place / "outcome-7", 0
        before = standing(place)
        for verb, arguments in writers(place).items():
            whole = [cli, *arguments, "--out", out]
            made(verb, whole)
            wanted, needed = standing(place), pages(out)
            removed(out)
            if standing(place) != before:
                sys.exit(f"full disk, {verb}: leaves or touches something where there is room")
            if needed < 2:
                sys.exit(f"full disk, {verb}: it writes too little to fill a disk")
            for room in sorted({0, 1, needed // 4, needed // 2, needed - 1}):
                about = os.statvfs(place)
                with open(ballast, "wb") as file:
                    os.posix_fallocate(file.fileno(), 0, about.f_bavail * about.f_frsize
                                       - room * PAGE)
                refused(f"{verb}, {room} of {needed} pages", whole, out, standing(place))
                ballast.unlink()
                moments += 1
            made(verb, whole)
            if standing(place) != wanted:
                sys.exit(f"full disk, {verb}: with room again it writes something else")
            removed(out)
        print(f"ok   full disk: {len(writers(place))} verbs at {moments} moments: exit 3 with "
              "place and reason, nothing left, nothing touched, the same bytes with room again",
              flush=True)
        # No room for another name either, which is no room for a folder.
        resized(place, f"nr_inodes={sum(1 for _ in place.rglob('*')) + 1}")
        for verb, arguments in writers(place).items():
            refused(f"{verb}, no name left", [cli, *arguments, "--out", out], out, before)
        resized(place, "nr_inodes=10000")
        for verb, arguments in writers(place).items():
            made(verb, [cli, *arguments, "--out", out])
            removed(out)
        print(f"ok   no name left on the disk: the same of {len(writers(place))} verbs", flush=True)


def check(cli, root):
    if not training(cli, root):
        print("skip full disk: a tmpfs cannot be mounted here")
        return
    verbs(cli, root)

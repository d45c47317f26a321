# SPDX-License-Identifier: GPL-3.0-or-later
"""`merge-models` from files to a file, against few lines here, and what of it is refused."""
import math
import shutil

import torch
from safetensors.torch import load_file, save_file

from arithmetic import SUMS, refusal
from checkpoints import make as make_checkpoint


def models_case(world, result):
    """`merge-models` from files to a file, against few lines here."""
    checkpoint = make_checkpoint("clip-llama", world.checkpoints)
    base = load_folder(checkpoint.path)
    folders, generator = [], torch.Generator().manual_seed(3)
    for place in range(2):
        folder = world.scratch / f"tuned{place}"
        shutil.copytree(checkpoint.path, folder)
        for file in sorted(folder.glob("*.safetensors")):
            save_file({key: tensor + 0.03 * torch.randn(tensor.shape, generator=generator)
                       for key, tensor in load_file(file).items()}, file, metadata={"format": "pt"})
        folders.append(folder)
    one, other = map(load_folder, folders)

    def ties(name):
        tasks = []
        for model in (one, other):
            task = (model[name] - base[name]).flatten()
            keep = task.abs().topk(int(0.7 * task.numel())).indices
            tasks.append(torch.zeros_like(task).index_copy(0, keep, task[keep]))
        sign = torch.where(tasks[0] + tasks[1] >= 0, 1.0, -1.0)
        agree = [(task.sign() == sign).float() for task in tasks]
        mean = (0.6 * tasks[0] * agree[0] + 0.4 * tasks[1] * agree[1]) / sum(agree).clamp(min=1)
        return base[name] + mean.view_as(base[name])

    def slerp(name):
        a, b = one[name].double(), other[name].double()
        cosine = ((a * b).sum() / a.norm() / b.norm()).clamp(-1, 1)
        if cosine.abs() > 0.9995:
            return (0.6 * a + 0.4 * b).float()
        angle = torch.acos(cosine)
        return ((torch.sin(0.6 * angle) * a + torch.sin(0.4 * angle) * b) / torch.sin(angle)).float()

    def task(name):
        return base[name] + 0.6 * (one[name] - base[name]) + 0.4 * (other[name] - base[name])

    based = ("--base", checkpoint.path)
    for method, wanted, extra in (
        ("linear", lambda name: 0.6 * one[name] + 0.4 * other[name], ()),
        ("slerp", slerp, ()), ("task_arithmetic", task, based),
        ("ties", ties, (*based, "--density", 0.7)),
        ("dare_linear", task, (*based, "--density", 1)),
    ):
        out = world.scratch / method
        report = world.program.json("merge-models", "--model", folders[0], "--model", folders[1],
                                    "--weights", "0.6,0.4", "--method", method, "--out", out,
                                    "--json", *extra)
        got = load_folder(out)
        result.same(f"{method}: tensors", sorted(got), sorted(base))
        result.same(f"{method}: parameters told", report["parameters"],
                    sum(tensor.numel() for tensor in base.values()))
        for name in got:
            result.close(f"{method}: {name}", got[name], wanted(name), SUMS, method, floor=1e-3)
        checkpoint.family.load_model(out, checkpoint.spec, torch.float32)
    out = world.scratch / "dare"
    world.program.run("merge-models", "--model", folders[0], "--weights", 1, "--method",
                      "dare_linear", "--density", 0.25, *based, "--out", out)
    got = load_folder(out)
    moved = torch.cat([(got[name] - base[name]).flatten() for name in sorted(got)])
    whole = torch.cat([(one[name] - base[name]).flatten() for name in sorted(got)])
    kept = moved != 0
    result.close("what DARE keeps", moved[kept], whole[kept] / 0.25, 1e-4, "dare")
    share = kept.float().mean().item()
    result.expect(abs(share - 0.25) < 5 * math.sqrt(0.19 / kept.numel()),
                  f"{share:.4f} of the numbers stay, 0.25 was asked for")
    another = make_checkpoint("siglip-qwen2", world.checkpoints)
    for what, arguments, named in (
        ("unlike models", ("--model", folders[0], "--model", another.path, "--weights", "0.5,0.5"),
         "unlike architectures"),
        ("no base", ("--model", folders[0], "--model", folders[1], "--weights", "0.5,0.5",
                     "--method", "ties", "--density", 1), "--base"),
        ("weights", ("--model", folders[0], "--model", folders[1], "--weights", "1"), "--weights"),
    ):
        said = refusal(world, "merge-models", *arguments, "--out", world.scratch / "refused")
        result.expect(named in said, f"{what}: the sentence does not name {named}: {said[:200]}")
        result.expect(not (world.scratch / "refused").exists(), f"{what}: something was written")


def load_folder(folder):
    tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        tensors |= load_file(path)
    return tensors


def cases(everything=False):
    return {"merge-models": models_case}

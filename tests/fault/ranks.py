# SPDX-License-Identifier: GPL-3.0-or-later
"""Several processes that train one run: the very bytes of one process with as many micro-batches a
step, whatever they train and however many they are; after a rank was killed, and resumed by another
number of ranks, too. Ranks that do not fit together say which of them and why."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import ranks_interrupted
import ranks_together
from tiny import environment, make_rows, makers, recipe, result

HANGS = 900    # seconds that only a hang reaches


def settings(root, name, strategy, accumulation, steps=7, objective=""):
    run = root / name
    text = recipe(root, strategy, run, steps)
    text = re.sub(r"gradient_accumulation_steps: \d+", f"gradient_accumulation_steps: {accumulation}", text)
    text = text.replace("eval_steps: 9", "eval_steps: 3").replace("save_steps: 4", "save_steps: 2")
    if objective:
        text = text.replace("rows.jsonl", "pairs.jsonl").replace("eval.jsonl", "pairs.jsonl") + f"objective: {objective}\n"
    file = root / f"{name}.yaml"
    file.write_text(text)
    return file, run


def make_pairs(root):
    pairs = []
    for line in (root / "rows.jsonl").read_text().splitlines()[:9]:
        user, answer = json.loads(line)["messages"]
        other = {"role": "assistant", "content": [{"type": "text", "text": "I do not know that."}]}
        pairs.append({"prompt": [user], "chosen": [answer], "rejected": [other]})
    (root / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))


def run_it(command, what, status=0, env=None):
    done = subprocess.run([str(part) for part in command], env=env or environment(),
                          capture_output=True, text=True, timeout=HANGS)
    if done.returncode != status:
        sys.exit(f"{what}: status {done.returncode}, not {status}\n{done.stderr}")
    return done.stderr


def compare(name, whole, run):
    wanted, got = result(whole), result(run)
    different = sorted(key for key in wanted.keys() | got.keys() if wanted.get(key) != got.get(key))
    if different and makers(whole) != makers(run):
        print(f"     {name}: products by {makers(run)}, those of one process by {makers(whole)}: "
              "not compared", flush=True)
        return False
    if different:
        sys.exit(f"{name}: these differ from one process: {', '.join(different)} (in {run})")
    return True


def equal_bytes(cli, root, name, strategy, count, accumulation=1, objective=""):
    """Where two starts choose the library of products apart, they are begun again."""
    for attempt in range(6):
        file, whole = settings(root, f"{name}-one-{attempt}", strategy, accumulation * count,
                               objective=objective)
        run_it([cli, "train", file], f"{name}, one process")
        file, run = settings(root, f"{name}-ranks-{attempt}", strategy, accumulation,
                             objective=objective)
        run_it([cli, "launch", "--nproc", count, file], f"{name}, {count} ranks")
        if compare(name, whole, run):
            print(f"ok   {count} ranks, {name}: every byte as one process", flush=True)
            return whole
    sys.exit(f"{name}: six times the starts chose other libraries")


def sharded(cli, root):
    """Each rank with a part of the optimizer's state: result and checkpoints as one process has them,
    and what a checkpoint holds goes to any number of ranks."""
    for name, count, accumulation, more in [
            ("sharded-adamw", 2, 1, ""), ("sharded-of-three", 3, 1, ""),
            ("sharded-bfloat16", 2, 2, "dtype: bfloat16"), ("sharded-8bit", 2, 1, "optim: adamw_8bit"),
            ("sharded-muon", 2, 1, "optim: muon")]:
        def written(which, batches):
            file, run = settings(root, f"{name}-{which}", "full", batches)
            text = file.read_text().replace("save_total_limit: 2", "save_total_limit: 9")
            if more:
                key = more.split(":")[0]
                text = re.sub(rf"{key}: [a-z0-9]+, ", "", text)
                text = text.replace("training: {", f"training: {{{more}, ")
            file.write_text(text)
            return file, run
        file, whole = written("one", accumulation * count)
        run_it([cli, "train", file], f"{name}, one process")
        file, run = written("ranks", accumulation)
        run_it([cli, "launch", "--nproc", count, file, "--shard", "optimizer"], f"{name}, ranks")
        if not compare(name, whole, run):
            continue
        for step in sorted(path.name for path in (whole / "checkpoints").iterdir()):
            for kept in ("optimizer.safetensors", "trained.safetensors"):
                one, other = (each / "checkpoints" / step / kept for each in (whole, run))
                if one.read_bytes() != other.read_bytes():
                    sys.exit(f"{name}: {step}/{kept} is another one")
        for resumed, shards in ((2, True), (3, True), (1, False), (2, False)):
            copy = root / f"{name}-again-{resumed}-{shards}"
            shutil.copytree(run, copy)
            shutil.rmtree(copy / "model")
            for step in ("step-000006", "step-000007"):
                shutil.rmtree(copy / "checkpoints" / step, ignore_errors=True)
            about = json.loads((copy / "run.json").read_text())
            (copy / "run.json").write_text(json.dumps(about | {"state": "interrupted"}))
            command = [cli, "launch", "--nproc", resumed] if resumed > 1 else [cli, "train"]
            command += [file, "--resume", copy] + (["--shard", "optimizer"] if shards else [])
            run_it(command, f"{name}, resumed by {resumed}")
            compare(f"{name}, resumed by {resumed}", whole, copy)
        print(f"ok   {count} ranks, {name}: every byte as one process, also resumed by 1, 2 and 3",
              flush=True)


def checkpoint(cli, root):
    """A base with weights in files: those of the other runs here are drawn."""
    file, run = settings(root, "base", "full", 1, steps=1)
    run_it([cli, "train", file], "a base")
    return run / "model"


def of_base(root, base, name, strategy, accumulation, more=()):
    """settings() over that base, which keeps all its checkpoints."""
    file, run = settings(root, name, strategy, accumulation)
    text = file.read_text().replace(f"model: {root}/model\ninit: random\n", f"model: {base}\n")
    text = text.replace("save_total_limit: 2", "save_total_limit: 9")
    for key, value in more:
        if f"{key}: " in text:
            text = re.sub(rf"{key}: [a-z0-9]+", f"{key}: {value}", text)
        else:
            text += f"{key}: {value}\n"
    file.write_text(text)
    return file, run


def sharded_base(cli, root, base, quick):
    """Each rank with a part of the decoder's frozen weights: results and checkpoints as one process
    has them, also where a run changes over on the way."""
    for name, strategy, count, accumulation, more in [
            ("base", "lora", 2, 1, ()),
            ("base-bfloat16-again", "lora", 3, 1, (("dtype", "bfloat16"),
                                                   ("gradient_checkpointing", "true"))),
            ("base-of-three", "lora", 3, 2, ()),
            ("base-again", "lora", 2, 1, (("gradient_checkpointing", "true"),)),
            ("base-bfloat16", "lora", 2, 2, (("dtype", "bfloat16"),)),
            ("base-dora", "dora", 2, 1, ()),
            ("base-freeze", "freeze", 2, 1, (("freeze", "{language_model: true}"),))][:2 if quick else 9]:
        dora = strategy == "dora"
        def written(which, batches):
            file, run = of_base(root, base, f"{name}-{which}", "lora" if dora else strategy,
                                batches, more)
            if dora:
                file.write_text(file.read_text().replace("{r: 4,", "{r: 4, use_dora: true,"))
            return file, run
        file, whole = written("one", accumulation * count)
        run_it([cli, "train", file], f"{name}, one process")
        file, run = written("ranks", accumulation)
        both = "optimizer,base" if strategy == "freeze" else "base"
        run_it([cli, "launch", "--nproc", count, file, "--shard", both], f"{name}, ranks")
        if not compare(name, whole, run):
            continue
        for path in sorted((whole / "checkpoints").rglob("*.safetensors")):
            if path.read_bytes() != (run / path.relative_to(whole)).read_bytes():
                sys.exit(f"{name}: {path.relative_to(whole)} is another one")
        again = ((count, True), (1, False)) + (() if quick else ((3, True), (2, False)))
        for resumed, shards in dict.fromkeys(again):
            copy = root / f"{name}-again-{resumed}-{shards}"
            shutil.copytree(run, copy)
            for result_folder in ("adapter", "model"):
                shutil.rmtree(copy / result_folder, ignore_errors=True)
            for step in ("step-000006", "step-000007"):
                shutil.rmtree(copy / "checkpoints" / step, ignore_errors=True)
            about = json.loads((copy / "run.json").read_text())
            (copy / "run.json").write_text(json.dumps(about | {"state": "interrupted"}))
            command = [cli, "launch", "--nproc", resumed] if resumed > 1 else [cli, "train"]
            command += [file, "--resume", copy] + (["--shard", "base"] if shards else [])
            run_it(command, f"{name}, resumed by {resumed}")
            compare(f"{name}, resumed by {resumed}", whole, copy)
        print(f"ok   {count} ranks, {name}: every byte as one process, also resumed", flush=True)


def time_of(process):
    """Ticks that a process has worked."""
    with open(f"/proc/{process}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def killed_in_gather(cli, root, base):
    """Rank 1 stands still until rank 0 does too, which waits for a layer then, and is killed."""
    file, run = of_base(root, base, "killed-in-gather", "lora", 1)
    file.write_text(file.read_text().replace("max_steps: 7", "max_steps: 4000"))
    process = subprocess.Popen([str(cli), "launch", "--nproc", "2", str(file), "--shard", "base"],
                               env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                               text=True)
    while process.poll() is None and logged(run) < 2:
        time.sleep(0.001)
    ranks = ranks_of(process.pid)
    if process.poll() is not None:
        sys.exit(f"a layer on its way: the run ended:\n{process.communicate()[1]}")
    os.kill(ranks[1], signal.SIGSTOP)
    still = 0
    worked = time_of(ranks[0])
    while process.poll() is None and still < 20:
        time.sleep(0.1)
        still = still + 1 if time_of(ranks[0]) == worked else 0
        worked = time_of(ranks[0])
    os.kill(ranks[1], signal.SIGKILL)
    try:
        error = process.communicate(timeout=HANGS)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        sys.exit("a layer on its way: the others did not end")
    if process.returncode == 0 or "Rank 1 is gone without a word" not in error:
        sys.exit(f"a layer on its way: nobody said who is gone:\n{error}")
    print("ok   rank 1 of 2 killed while a layer was on its way: rank 0 says so", flush=True)


def memory(cli, root):
    """What `plan --ranks` says of one of them beside what rank 0's tensors held."""
    base = cli.parent.parent.parent / "resources" / "teaching"
    for count, shards, dtype, again in ((2, "base", "float32", False), (2, "base", "bfloat16", True),
                                        (4, "base", "float32", False)):
        name = f"memory-{count}-{shards}-{dtype}"
        file = root / f"{name}.yaml"
        file.write_text(f"model: {base}/base\ndataset: {base}/tasks/korean/train.jsonl\n"
                        f"output_dir: {root}/{name}\nstrategy: lora\n"
                        "adapter: {r: 4, lora_alpha: 8, target_modules: all-linear}\n"
                        f"training: {{device: cpu, dtype: {dtype}, max_steps: 3, per_device_train_batch_size: 1, "
                        f"learning_rate: 1.0e-4, logging_steps: 1, gradient_checkpointing: {str(again).lower()}}}\n")
        forecast_and_measured(cli, root, file, name, count, ["--shard", shards])
    for count, shards, dtype in ((2, False, "float32"), (2, True, "float32"), (4, True, "bfloat16")):
        name = f"memory-{count}-{shards}-{dtype}"
        file = root / f"{name}.yaml"
        file.write_text(f"model: {base}/base\ndataset: {base}/tasks/korean/train.jsonl\n"
                        f"output_dir: {root}/{name}\nstrategy: full\n"
                        f"training: {{device: cpu, dtype: {dtype}, max_steps: 3, per_device_train_batch_size: 4, "
                        "learning_rate: 1.0e-4, logging_steps: 1, gradient_checkpointing: false}\n")
        forecast_and_measured(cli, root, file, name, count,
                              ["--shard", "optimizer"] if shards else [])


def forecast_and_measured(cli, root, file, name, count, more):
    planned = json.loads(subprocess.run(
        [str(cli), "plan", str(file), "--json", "--ranks", str(count), *more], check=True,
        capture_output=True, text=True, env=environment()).stdout)
    if planned["ranks"] != count or planned["shard"] != (more or ["none"])[-1]:
        sys.exit(f"{name}: the plan is of {planned['ranks']} ranks, sharded {planned['shard']}")
    run_it([cli, "launch", "--nproc", count, file, *more], name)
    lines = [json.loads(line) for line in (root / name / "metrics.jsonl").read_text().splitlines()]
    peak = max(line["memory"]["peak"] for line in lines)
    ratio = planned["total"] / peak
    print(f"     {name}: weights {planned['parts']['weights']} planned, "
          f"{lines[-1]['memory'].get('weights')} held; all {planned['total']}, {peak}", flush=True)
    if not 0.95 < ratio < 1.15:
        sys.exit(f"{name}: the forecast is {ratio:.3f} times what was measured")
    print(f"ok   memory of {name}: forecast {ratio:.3f} x measured", flush=True)


def teaching(cli, root):
    """A micro-batch that goes in parts on two threads, as one process and its resumes have it."""
    base = cli.parent.parent.parent / "resources" / "teaching"
    around = {**environment(), "OMP_NUM_THREADS": "2"}
    def written(name, accumulation):
        run = root / name
        file = root / f"{name}.yaml"
        file.write_text(f"model: {base}/base\ndataset: {base}/tasks/korean/train.jsonl\noutput_dir: {run}\n"
                        "strategy: lora\nadapter: {r: 8, lora_alpha: 16, target_modules: all-linear}\n"
                        f"training: {{device: cpu, dtype: float32, max_steps: 12, per_device_train_batch_size: 8, gradient_accumulation_steps: {accumulation}, "
                        "learning_rate: 2.0e-4, logging_steps: 1, save_steps: 3, gradient_checkpointing: false}\n")
        return file, run

    file, whole = written("teaching-one", 2)
    run_it([cli, "train", file], "teaching, one process", env=around)
    file, run = written("teaching-ranks", 1)
    run_it([cli, "launch", "--nproc", 2, file], "teaching, 2 ranks", env=around)
    if compare("teaching", whole, run):
        print("ok   2 ranks, the teaching model on two threads each: every byte as one process", flush=True)
    file, run = written("teaching-resumed", 2)
    process = subprocess.Popen([str(cli), "train", str(file)], env=around,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and logged(run) < 5:
        time.sleep(0.001)
    process.kill()
    process.wait()
    run_it([cli, "train", file, "--resume", run], "teaching, resumed", env=around)
    if compare("teaching, resumed", whole, run):
        print("ok   the teaching model on two threads, resumed: every byte as undisturbed", flush=True)


def logged(run):
    try:
        return (run / "metrics.jsonl").read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def ranks_of(launcher):
    """The launcher's processes by their ranks, from what the kernel says of them."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat") as stat:
                parent = stat.read().rsplit(")", 1)[1].split()[1]
            if parent != str(launcher):
                continue
            with open(f"/proc/{entry}/environ", "rb") as around:
                for variable in around.read().split(b"\0"):
                    if variable.startswith(b"RANK="):
                        found[int(variable[5:])] = int(entry)
        except OSError:
            continue
    return found


def killed(cli, root, whole, victim, resumed_by, sentence):
    """Kills a rank in mid-run; whoever is left says so, and the run goes on with others."""
    name = f"killed-{victim}"
    file, run = settings(root, name, "lora", 1)
    process = subprocess.Popen([str(cli), "launch", "--nproc", "2", str(file)], env=environment(),
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and logged(run) < 2:
        time.sleep(0.001)
    ranks = ranks_of(process.pid)
    if victim in ranks:
        os.kill(ranks[victim], signal.SIGKILL)
    try:
        error = process.communicate(timeout=HANGS)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        sys.exit(f"{name}: the others did not end")
    if process.returncode == 0:
        print(f"     {name}: it had ended before the kill", flush=True)
        return
    if sentence not in error or "killed by signal 9" not in error:
        sys.exit(f"{name}: nobody said \"{sentence}\":\n{error}")
    command = [cli, "launch", "--nproc", resumed_by, file] if resumed_by > 1 else [cli, "train", file]
    has = any((run / "checkpoints").glob("step-*"))
    run_it(command + (["--resume", run] if has else []), f"{name}, resumed by {resumed_by}")
    if has and not compare(name, whole, run):
        return
    print(f"ok   rank {victim} of 2 killed, resumed by {resumed_by}: every byte as one process",
          flush=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def rank_environment(rank, size, port):
    return {**environment(), "RANK": str(rank), "WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port), "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": str(size)}


def by_hand(cli, arguments, port):
    """Two ranks with arguments of their own: the standard errors and statuses."""
    processes = [subprocess.Popen([str(cli), "train", *map(str, each)], text=True,
                                  env=rank_environment(rank, 2, port), stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE)
                 for rank, each in enumerate(arguments)]
    told = []
    for process in processes:
        told.append((process.communicate(timeout=HANGS)[1], process.returncode))
    return told


def expect(what, text, *words):
    if not all(word in text for word in words):
        sys.exit(f"{what}: {', '.join(words)} is not in what was said:\n{text}")
    print(f"ok   ranks, {what}", flush=True)


def refused(cli, root):
    file, run = settings(root, "refused", "lora", 1)
    alone = {key: value for key, value in environment().items()
             if key not in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")}
    told = run_it([cli, "train", file], "half a launcher", 2, {**alone, "RANK": "1"})
    expect("a size that is missing", told, "RANK is set and WORLD_SIZE is not")
    told = run_it([cli, "train", file], "a rank too high", 2,
                  {**alone, "RANK": "2", "WORLD_SIZE": "2"})
    expect("a rank above the size", told, "RANK is 2 and WORLD_SIZE is 2")
    told = run_it([cli, "train", file, "--wait-for-ranks", 1], "nobody came", 3,
                  rank_environment(0, 3, free_port()))
    expect("ranks that do not come", told, "Ranks 1 and 2 of 3 did not come within 1 s")
    told = run_it([cli, "train", file, "--wait-for-ranks", 1], "nobody leads", 3,
                  rank_environment(1, 2, free_port()))
    expect("a leader that does not come", told, "found no rank 0 at")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        told = run_it([cli, "train", file], "a port in use", 3,
                      rank_environment(0, 2, taken.getsockname()[1]))
    expect("a port in use", told, "cannot listen at", "MASTER_PORT")
    told = by_hand(cli, [[file], [file, "--set", "training.seed=7"]], free_port())
    expect("another recipe", told[1][0], "Rank 1 has another recipe than rank 0", "training.seed")
    expect("another recipe, told by rank 0", told[0][0], "Rank 1")
    other = root / "other.jsonl"
    make_rows(other, 16)
    told = by_hand(cli, [[file], [file, "--set", f"dataset={other}"]], free_port())
    expect("other data", told[0][0], "Rank 1 has another dataset than rank 0")
    told = by_hand(cli, [[file], [file, "--set", f"dataset={root}/nowhere.jsonl"]], free_port())
    expect("data that one rank lacks", told[0][0], "Rank 1 ended", "nowhere.jsonl")
    if (run / "adapter").exists():
        sys.exit("a run that was refused has a result")


def check(cli, root, quick):
    make_pairs(root)
    whole = equal_bytes(cli, root, "lora", "lora", 2)
    refused(cli, root)
    ranks_interrupted.check(cli, settings(root, "interrupted", "lora", 1)[0], environment,
                            rank_environment, free_port)
    file, again = settings(root, whole.name, "lora", 2)
    run_it([cli, "launch", "--nproc", 2, file, "--resume", again], "a run that has ended")
    print("ok   ranks, a run that has ended is told as ended", flush=True)
    killed(cli, root, whole, 1, 1, "Rank 1 is gone without a word")
    teaching(cli, root)
    base = checkpoint(cli, root)
    sharded_base(cli, root, base, quick)
    killed_in_gather(cli, root, base)
    ranks_together.check(cli, root, quick)
    if quick:
        return
    sharded(cli, root)
    memory(cli, root)
    killed(cli, root, whole, 0, 3, "rank 0 was killed")
    for name, strategy, count, accumulation, objective in [
            ("lora over two batches each", "lora", 2, 2, ""), ("full", "full", 2, 1, ""),
            ("freeze", "freeze", 2, 1, ""), ("lora of three", "lora", 3, 1, ""),
            ("full of four", "full", 4, 1, ""), ("dpo", "lora", 2, 1, "dpo"),
            ("dpo, full", "full", 2, 2, "dpo")]:
        equal_bytes(cli, root, name.replace(" ", "-").replace(",", ""), strategy, count,
                    accumulation, objective)
    for path in root.glob("*-one-*"):
        if path.is_dir():
            shutil.rmtree(path)

# SPDX-License-Identifier: GPL-3.0-or-later
"""What several ranks make of rows that belong together: windows that are one loss, generations of
answers, a mean that is carried on, runs of stages. Results, figures, roll-outs and checkpoints have the
bytes of one process, also where other numbers of ranks go on."""
import json
import shutil
import subprocess
import sys

from tiny import CONFIG, FIXTURE, environment, make_model, makers, result

FAMILIES = FIXTURE.parent / "models" / "families"
HANGS = 900    # seconds that only a hang reaches
LORA = "strategy: lora\nadapter: {r: 4, lora_alpha: 8, lora_dropout: 0.1, target_modules: all-linear}\n"
OWN = {"step_seconds", "tokens_per_second", "memory"}    # of a machine, not of a run

# By the case: the model and rows that it has of those below, and what its recipe says more.
CASES = {
    "contrastive": ("clip", "captions", LORA + "objective: contrastive\n"),
    "contrastive-cached": ("clip", "captions", LORA + "objective: contrastive\ncontrastive: {gradient_cache: true}\n"),
    "contrastive-cached-full": ("clip", "captions", "strategy: full\nobjective: contrastive\ncontrastive: {gradient_cache: true}\n"),
    "bco": ("model", "unpaired", LORA + "objective: bco\n"),
    "grpo": ("model", "prompts", LORA + "objective: grpo\ngrpo: {num_generations: 2, max_completion_length: 8, steps_per_generation: 1, num_iterations: 1, reward_funcs: [length]}\n"),
    "grpo-of-two-steps": ("model", "prompts", LORA + "objective: grpo\ngrpo: {num_generations: 2, max_completion_length: 8, steps_per_generation: 4, num_iterations: 2, beta: 0.05, "
                          "reward_funcs: [program, length]}\n"),
    "rloo": ("model", "prompts", "strategy: full\nobjective: rloo\nrloo: {num_generations: 2, max_completion_length: 8, reward_funcs: [length]}\n"),
    "gkd": ("model", "rows", LORA + "objective: gkd\ngkd: {teacher_model_name_or_path: judge, lmbda: 0.6, max_new_tokens: 6}\n"),
    "online_dpo": ("model", "prompts", LORA + "objective: online_dpo\nonline_dpo: {reward_model: judge, max_new_tokens: 6}\n"),
    "teacher_top_k": ("model", "rows", LORA + "objective: gkd\ngkd: {teacher_model_name_or_path: judge, lmbda: 0, teacher_top_k: 12}\n"),
    "dpo-asked": ("model", "pairs", LORA + "objective: dpo\ndpo: {precompute_ref_log_probs: true}\n"),
    "visual_alignment": ("eve", "rows", "strategy: full\nobjective: visual_alignment\nvisual_alignment: {teacher: tower/model}\n"),
    "xpo": ("model", "prompts", LORA + "objective: xpo\nxpo: {reward_model: judge, max_new_tokens: 6}\n"),
    "nash_md": ("model", "prompts", LORA + "objective: nash_md\nnash_md: {reward_model: judge, max_new_tokens: 6}\n"),
    "ppo": ("model", "prompts", LORA + "objective: ppo\nppo: {reward_model: judge, response_length: 6, num_mini_batches: 2, num_ppo_epochs: 2}\n"),
}
PROGRAM = """#!/usr/bin/env python3
import json, sys
for line in sys.stdin:
    answers = json.loads(line)["answers"]
    print(json.dumps({"rewards": [None if i % 5 == 4 else len(set(each["text"])) / 10
                                  for i, each in enumerate(answers)]}), flush=True)
"""


def prepare(root):
    make_model(root / "clip")
    config = json.loads((root / "clip" / "config.json").read_text())
    text = {"vocab_size": config["text_config"]["vocab_size"], "hidden_size": 40, "intermediate_size": 72,
            "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 40, "eos_token_id": 2}
    (root / "clip" / "config.json").write_text(json.dumps({
        "model_type": "clip", "projection_dim": 24, "text_config": text, "vision_config": CONFIG["vision_config"]}))
    rows = [json.loads(line) for line in (root / "rows.jsonl").read_text().splitlines()[:13]]
    kinds = {"captions": [{"image": str(FIXTURE / ("a.png" if i % 2 else "b.jpg")), "text": f"picture {i * 7 % 11}"} for i in range(13)],
             "unpaired": [{"prompt": row["messages"][:1], "completion": row["messages"][1:], "label": i % 3 > 0} for i, row in enumerate(rows)],
             "prompts": [{"target_length": 20, **row} for row in rows]}
    for kind, made in kinds.items():
        (root / f"{kind}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in made))
    (root / "program.py").write_text(PROGRAM)
    (root / "program.py").chmod(0o755)
    make_eve(root)


def make_eve(root):
    """An EVE that is aligned with a CLIP, as its config.json has it, and that CLIP: a run's result."""
    make_model(root / "eve")
    llava = json.loads((root / "eve" / "config.json").read_text())
    words = llava["text_config"]["vocab_size"]
    own = json.loads((FAMILIES / "eve" / "config.json").read_text())
    (root / "eve" / "config.json").write_text(json.dumps(own | {
        "vocab_size": words, "image_token_id": llava["image_token_index"],
        "alignment_config": {"hidden_size": 32, "image_size": 32, "layer_rate": 1}}))
    shutil.copytree(root / "eve", root / "towers")
    clip, pictures = (json.loads((FAMILIES / "clip" / name).read_text()) for name in ("config.json", "preprocessor_config.json"))
    clip["text_config"] |= {"vocab_size": words, "eos_token_id": 2, "max_position_embeddings": 40}
    clip["vision_config"] |= {"image_size": 32, "patch_size": 4}
    pictures |= {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    (root / "towers" / "config.json").write_text(json.dumps(clip))
    (root / "towers" / "preprocessor_config.json").write_text(json.dumps(pictures))
    shutil.copy(FAMILIES / "eve" / "preprocessor_config.json", root / "eve")
    for folder in ("eve", "towers"):
        (root / folder / "processor_config.json").unlink()


def teach(cli, root):
    """What teaches and judges in the cases."""
    for name, model, rows, objective in (("judge", "model", "pairs", "reward"), ("tower", "towers", "captions", "contrastive")):
        file = root / f"{name}.yaml"
        file.write_text(f"model: {root}/{model}\ninit: random\ndataset: {root}/{rows}.jsonl\noutput_dir: {root}/{name}\nstrategy: full\nobjective: {objective}\n"
                        "training: {device: cpu, dtype: float32, max_steps: 2, per_device_train_batch_size: 2, gradient_accumulation_steps: 1, learning_rate: 1.0e-3}\n")
        run_it([cli, "train", file], f"a model for {objective}")


def written(root, name, out, accumulation, batch=2):
    model, rows, more = CASES[name]
    file, run = root / f"{out}.yaml", root / out
    file.write_text(f"model: {root}/{model}\ninit: random\ndataset: {root}/{rows}.jsonl\noutput_dir: {run}\n{more.replace('judge', str(root / 'judge' / 'model')).replace('tower/model', str(root / 'tower' / 'model'))}"
                    f"training: {{device: cpu, dtype: float32, max_steps: 4, per_device_train_batch_size: {batch}, gradient_accumulation_steps: {accumulation}, "
                    "learning_rate: 2.0e-3, logging_steps: 1, save_steps: 1, save_total_limit: 9, gradient_checkpointing: false}\n"
                    + (f"eval_dataset: {root}/{rows}.jsonl\n" if model == "clip" or name in ("teacher_top_k", "dpo-asked", "visual_alignment") else ""))
    return file, run


def run_it(command, what):
    done = subprocess.run([str(part) for part in command], env=environment(), capture_output=True, text=True, timeout=HANGS)
    if done.returncode != 0:
        sys.exit(f"{what}: status {done.returncode}\n{done.stderr}")


def made_of(run):
    """All that a run leaves: result, every figure, roll-outs, and its checkpoints' tensors."""
    found = result(run)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    found["figures"] = json.dumps([{key: line[key] for key in line if key not in OWN} for line in lines])
    for path in [*run.glob("rollouts.jsonl"), *run.glob("teacher.safetensors"), *run.glob("checkpoints/*/*.safetensors"), *run.glob("checkpoints/*/*.jsonl"),
                 *run.glob("value_model/*.safetensors"), *run.glob("checkpoints/*/adapter/*.safetensors")]:
        found[str(path.relative_to(run))] = path.read_bytes()
    for path in run.glob("checkpoints/*/trainer_state.json"):
        found[str(path.relative_to(run))] = json.dumps(json.loads(path.read_text()).get("objective"))
    return found


def compare(what, whole, run):
    """False where two starts chose other libraries of products."""
    wanted, got = made_of(whole), made_of(run)
    different = sorted(key for key in wanted.keys() | got.keys() if wanted.get(key) != got.get(key))
    if different and makers(whole) != makers(run):
        print(f"     {what}: products by {makers(run)}, those of one process by {makers(whole)}: not compared", flush=True)
        return False
    if different:
        sys.exit(f"{what}: these differ from one process: {', '.join(different)} (in {run})")
    return True


def case(cli, root, name, count, accumulation=1, resumed=()):
    train = ["--reward-program", root / "program.py"] if "program" in CASES[name][2] else []
    for attempt in range(6):
        out = f"{name}-{count}-{attempt}"
        file, whole = written(root, name, f"{out}-one", accumulation * count)
        run_it([cli, "train", file, *train], f"{name}, one process")
        file, run = written(root, name, out, accumulation)
        run_it([cli, "launch", "--nproc", count, file, *train], f"{name}, {count} ranks")
        if compare(f"{name}, {count} ranks", whole, run):
            break
    else:
        sys.exit(f"{name}: six times the starts chose other libraries")
    left = sorted(path.name for path in root.glob(f"{out}*") if path.name.startswith(f"{out}."))
    if left not in ([f"{out}.yaml"], []):
        sys.exit(f"{name}: left beside the run's folder: {left}")
    for ranks in resumed:
        again = root / f"{out}-by-{ranks}"
        shutil.copytree(run, again)
        for left in ("adapter", "model", "value_model"):
            shutil.rmtree(again / left, ignore_errors=True)
        for checkpoint in sorted((again / "checkpoints").iterdir())[1:]:
            shutil.rmtree(checkpoint)
        about = json.loads((again / "run.json").read_text())
        (again / "run.json").write_text(json.dumps(about | {"state": "interrupted"}))
        command = [cli, "launch", "--nproc", ranks] if ranks > 1 else [cli, "train"]
        run_it([*command, file, "--resume", again, *train], f"{name}, resumed by {ranks}")
        compare(f"{name}, resumed by {ranks}", whole, again)
    print(f"ok   {count} ranks, {name}: every byte as one process"
          + (f", also resumed by {', '.join(map(str, resumed))}" if resumed else ""), flush=True)


def stages(cli, root, count, resumed=()):
    """Full tuning, an adapter over its result, and another over that one merged."""
    run = root / f"course-{count}"    # paths are in what is written: all have this one

    def stage_recipe(accumulation):
        file = root / f"course-{count}-{accumulation}.yaml"
        file.write_text(f"model: {root}/model\ninit: random\ndataset: {root}/rows.jsonl\noutput_dir: {run}\n"
                        f"training: {{device: cpu, dtype: float32, max_steps: 3, per_device_train_batch_size: 2, gradient_accumulation_steps: {accumulation}, "
                        "learning_rate: 2.0e-3, logging_steps: 1, save_steps: 2, gradient_checkpointing: false}\n"
                        "stages:\n  - {name: whole, strategy: full}\n  - {name: sft, adapter: {r: 4, lora_dropout: 0.1}}\n"
                        "  - {name: again, merge: true, adapter: {r: 2}}\n")
        return file

    def same(what, whole, other):
        return all([compare(f"{what}, stage {stage}", whole / "stages" / stage, other / "stages" / stage)
                    for stage in ("1-whole", "2-sft", "3-again")])

    file = stage_recipe(1)
    for attempt in range(6):
        whole, kept = root / f"course-{count}-one-{attempt}", root / f"course-{count}-ranks-{attempt}"
        run_it([cli, "train", stage_recipe(count)], "stages, one process")
        run.rename(whole)
        run_it([cli, "launch", "--nproc", count, file], f"stages, {count} ranks")
        run.rename(kept)
        if same(f"stages, {count} ranks", whole, kept):
            break
    else:
        sys.exit("stages: six times the starts chose other libraries")
    for ranks in resumed:    # from the midst of the second on
        shutil.copytree(kept, run)
        for left in ("3-again", "2-sft-merged", "2-sft/adapter", "2-sft/checkpoints/step-000003"):
            shutil.rmtree(run / "stages" / left, ignore_errors=True)
        about = json.loads((run / "stages" / "2-sft" / "run.json").read_text())
        (run / "stages" / "2-sft" / "run.json").write_text(json.dumps(about | {"state": "interrupted"}))
        command = [cli, "launch", "--nproc", ranks] if ranks > 1 else [cli, "train"]
        run_it([*command, file, "--resume", run], f"stages, resumed by {ranks}")
        same(f"stages, resumed by {ranks}", whole, run)
        shutil.rmtree(run)
    print(f"ok   {count} ranks, stages: every byte as one process"
          + (f", also resumed by {', '.join(map(str, resumed))}" if resumed else ""), flush=True)


def check(cli, root, quick):
    prepare(root)
    case(cli, root, "contrastive-cached", 2)
    case(cli, root, "bco", 2)
    case(cli, root, "grpo", 2)
    stages(cli, root, 2, resumed=() if quick else (3, 1))
    if quick:
        return
    teach(cli, root)
    case(cli, root, "contrastive", 2, resumed=(3, 1))
    case(cli, root, "contrastive-cached-full", 3, resumed=(2, 1))
    case(cli, root, "bco", 3, accumulation=2, resumed=(2, 1))
    case(cli, root, "grpo-of-two-steps", 2, resumed=(3, 1))
    for name in ("rloo", "gkd", "teacher_top_k", "online_dpo", "xpo", "nash_md"):
        case(cli, root, name, 3, resumed=(2, 1))
    case(cli, root, "dpo-asked", 3, resumed=(2, 1))
    case(cli, root, "visual_alignment", 2, accumulation=2, resumed=(3, 1))
    case(cli, root, "ppo", 3, accumulation=2, resumed=(2, 1))

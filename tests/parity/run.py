# SPDX-License-Identifier: GPL-3.0-or-later
"""The parity suite: makes tiny checkpoints, adapters and training runs with transformers and PEFT, lets luthier-cli do the same, compares.
    python tests/parity/run.py --cli build/bin/luthier-cli [--only TEXT]... [--all] [--jobs N] [--keep DIR] [--list] [--real DIR]
    python tests/parity/run.py --cli build/bin/luthier-cli --random 3 [--seed 100]       cases drawn at random, nothing else
    python tests/parity/run.py --cli build/bin/luthier-cli --random-methods 3 [--seed 100]   the same of PEFT's methods
    python tests/parity/run.py --cli build/bin/luthier-cli --hostile [--only FAMILY]     every lie in every field, nothing else (an hour)
    python tests/parity/run.py --cli build/bin/luthier-cli --table docs/families.md      and writes the table of what passed
                                                                           (with --only: the cells whose cases all ran)
    python tests/parity/run.py --make DIR [--only CHECKPOINT]...    only writes checkpoints, inputs and what forward should give
Run it with the oracle's Python (transformers 5.17, peft 0.21)."""
import argparse
import importlib
import multiprocessing
import os
import re
import queue
import random
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("TORCH_COMPILE_DISABLE", "1")  # bitsandbytes would compile for minutes
sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent))
warnings.filterwarnings("ignore")

import peft
import torch
import transformers

transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
torch.set_num_threads(1)

import adapters
import bfloat16_training
import checkpoints
import conversations
import curves
import defaults
import encoders
import forward
import generate
import hostile_configs
import lora_settings
import measure
import pages
import program
import random_cases
import random_methods
import real
import report
import results
import runs_of_before
import table
import train
import two_towers
import verbs
from families import FAMILIES

# Modules whose cases() takes whether all are wanted: what continuous integration runs is a part.
IN_PART = (
    "arithmetic",
    "arithmetic_dare",
    "adapter_ranks",
    "adapters_together",
    "compared",
    "boxes",
    "inspected",
    "laws",
    "merged_models",
    "bfloat16",
    "methods",
    "delta_methods",
    "lora_family",
    "lora_starts",
    "lora_training",
    "eva",
    "bottlenecks",
    "optimizers",
    "dpo",
    "reference_free",
    "teachers",
    "online",
    "unpaired",
    "sampled",
    "ppo",
    "quantized",
    "qlora",
    "hostile_folders",
    "hostile_verbs",
    "hostile_words",
    "grouped",
    "encoders",
    "encoder_classes",
    "sentence_pairs",
    "regions",
    "replaced_tokens",
    "encoder_decoders",
    "two_towers",
    "reward_models",
    "base_tensor_methods",
    "visual_prompts",
    "experts",
    "pages",
    "film_rows",
    "infilling",
    "rewriters",
    "siglip",
    "align",
    "blip",
    "blip2_retrieval",
    "image_text_pretraining",
    "pictures_alone",
    "masked_pictures",
    "segmentation",
    "sam_encoder",
    "two_views",
    "captioners",
    "clipcap",
    "simvlm",
    "eve",
    "virtex",
    "visualgpt",
    "fiber",
    "composed",
    "openvla",
    "longer_texts",
    "published_templates",
    "by_tensors",
    "by_tensors_bodies",
    "by_tensors_families",
    "by_tensors_heads",
    "vocabulary_files",
    "gguf_files",
    "handed_over",
)


@dataclass
class World:
    """What every case gets: the program and the folders. `scratch` is the case's own, empty when it starts."""
    root: Path
    program: program.Program | None
    case: str = ""
    pictures: bool | str = True     # whether the case's family takes any; "single": one a row

    @property
    def checkpoints(self):
        return self.root / "checkpoints"

    @property
    def inputs(self):
        return self.root / {True: "inputs", False: "words"}.get(self.pictures, self.pictures)

    @property
    def adapters(self):
        return self.root / "adapters"

    @property
    def scratch(self):
        return self.root / "scratch" / self.case.replace("/", ".")


def write_everything(world, only):
    """--make: checkpoints, inputs, an adapter of each kind, and expected outputs of `forward` as expected/CHECKPOINT/INPUT.safetensors."""
    from safetensors.torch import save_file
    for name in checkpoints.SPECS:
        if only and not any(text in name for text in only):
            continue
        checkpoint = checkpoints.make(name, world.checkpoints)
        world.pictures = checkpoint.family.pictures
        model = checkpoint.model()
        out = world.root / "expected" / name
        out.mkdir(parents=True, exist_ok=True)
        for conversation in checkpoint.spec.conversations:
            inputs = checkpoint.example(conversations.resolved(conversations.CONVERSATIONS[conversation], world.inputs))
            wanted = forward.expected(checkpoint, model, inputs, checkpoint.family.gradient_names(checkpoint))
            save_file({key: tensor.contiguous().clone() for key, tensor in wanted.items()}, out / f"{conversation}.safetensors")
        for made, kind, generation in checkpoint.family.adapters:
            if made == name:
                adapters.make(checkpoint, kind, world.adapters, generation)
        print(f"made {name}: {checkpoint.path}")


def run_case(name, case, world, keep):
    """One case in its own empty folder: what it found, the seconds it took and those of them in luthier-cli."""
    before, start = world.program.seconds, time.time()
    world.case, world.pictures = name, getattr(case, "pictures", True)
    shutil.rmtree(world.scratch, ignore_errors=True)
    world.scratch.mkdir(parents=True)
    random.seed(0)
    torch.manual_seed(0)
    result = report.Case(name, getattr(case, "family", ""))
    try:
        case(world, result)
    except program.Failure as failure:
        result.problems.append(str(failure))
    except Exception:
        result.problems.append("the harness or the output's form: " + traceback.format_exc(limit=-3).strip())
    if not keep:
        shutil.rmtree(world.scratch, ignore_errors=True)
    return name, result, time.time() - start, world.program.seconds - before


def prepare(world):
    for folder in (world.checkpoints, world.inputs, world.adapters):
        folder.mkdir(parents=True, exist_ok=True)
    conversations.write_inputs(world.root / "inputs")
    conversations.write_inputs(world.root / "words", pictures=False)
    conversations.write_inputs(world.root / conversations.SINGLE)


def work(place, names, cases, world, keep, answers):
    """A worker takes names until none is left. What the cases make lies in a folder of its own."""
    world = World(world.root / f"worker-{place}", world.program.another())
    prepare(world)
    for name in iter(names.get, None):
        answers.put(run_case(name, cases[name], world, keep))


def results_of(cases, world, options):
    """What run_case says of each case, as they end; --jobs of them at a time, each on one thread."""
    if options.jobs < 2:
        for name, case in cases.items():
            yield run_case(name, case, world, options.keep)
        return
    # Forked, since cases are closures.
    context = multiprocessing.get_context("fork")
    names, answers = context.Queue(), context.Queue()
    for name in cases:
        names.put(name)
    for _ in range(options.jobs):
        names.put(None)
    workers = [context.Process(target=work, args=(place, names, cases, world, options.keep, answers))
               for place in range(options.jobs)]
    for worker in workers:
        worker.start()
    left = set(cases)
    while left:
        try:
            name, *found = answers.get(timeout=600)
        except queue.Empty:
            if any(worker.is_alive() for worker in workers):
                continue
            for name in sorted(left):
                lost = report.Case(name, getattr(cases[name], "family", ""))
                lost.problems.append("its worker died")
                yield name, lost, 0.0, 0.0
            break
        left.discard(name)
        yield name, *found
    for worker in workers:
        worker.join()


# Kinds of case that every family has, and the families that stand for all of them in the daily run:
# frames of one size and of any, tied and untied, states that are carried, layers that share.
OF_EVERY_FAMILY = re.compile(
    r"train/(?P<train>.+)-(?:recomputed|embedding|decoder|linear|full)"
    r"|forecast/(?P<forecast>[^/]+)/(?:projector|projector-alone|decoder|tower)"
    r"|forecast/(?P<forecast_full>[^/]+)/full"
    r"|default/(?P<default>[^/]+)/(?:full|freeze)"
    r"|merge/(?P<merge>[^/]+)/(?:tied|towers|attention)"
    r"|forward/(?P<forward>[^/]+)/(?:korean|more|rest|kinds)"
    r"|bfloat16/(?P<bfloat16>[^/]+)"
    r"|films/(?P<films>[^/]+)/(?:film-and-picture|films|still|march|generate-march|train-frames)")
STAND_FOR_ALL = {"clip", "siglip", "llava", "qwen2_vl", "qwen2_5_vl", "qwen3_5", "gemma3", "gemma4",
                 "llama"}


def asked_of_some(name):
    """Whether --all alone asks it."""
    match = OF_EVERY_FAMILY.fullmatch(name)
    family = match and next(each for each in match.groups() if each is not None)
    return bool(match) and family.split("-")[0] not in STAND_FOR_ALL


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cli", type=Path, help="luthier-cli")
    parser.add_argument("--ready", type=Path, metavar="LIBRARY", help="build/tests/libready.so: luthier-cli starts once for each job and not for each command")
    parser.add_argument("--only", action="append", default=[], help="only cases whose name holds this text")
    parser.add_argument("--all", action="store_true",
                        help="also the cases that are too many for every day")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="cases at a time, each on one thread")
    parser.add_argument("--keep", type=Path, help="work here and leave everything")
    parser.add_argument("--list", action="store_true", help="print the cases' names")
    parser.add_argument("--make", type=Path, help="write checkpoints, inputs and expectations into this folder, run nothing")
    parser.add_argument("--real", type=Path, help="a folder with llama2-tokenizer.model and mllm_demo.json: adds a case that trains on it")
    parser.add_argument("--table", type=Path, help="write what was met, family by family, as Markdown")
    parser.add_argument("--times", type=Path, help="write the seconds of each case, the longest first")
    parser.add_argument("--random", type=int, default=0, metavar="N", help="instead of the fixed cases N drawn ones of every family")
    parser.add_argument("--random-methods", type=int, default=0, metavar="N", help="instead of the fixed cases N drawn configurations of every method")
    parser.add_argument("--seed", type=int, default=1, help="the first of the drawn cases")
    parser.add_argument("--hostile", action="store_true", help="instead of the fixed cases every hostile value in every field of the JSON files")
    options = parser.parse_args()

    if options.random:
        found = random_cases.cases(options.random, options.seed)
    elif options.random_methods:
        found = random_methods.cases(options.random_methods, options.seed)
    elif options.hostile:
        found = hostile_configs.cases(sample=None)
    else:
        found = (
            forward.cases(options.all)
            | generate.cases(options.all)
            | adapters.cases(options.all)
            | train.cases()
            | defaults.cases()
            | lora_settings.cases()
            | verbs.cases(options.all)
        )
        found |= measure.cases() | hostile_configs.cases()
        found |= results.cases() | runs_of_before.cases()
        found |= bfloat16_training.cases() | curves.cases()
        for name in IN_PART:
            found |= importlib.import_module(name).cases(options.all)
        seldom = {name for family in FAMILIES for name in family.seldom}
        assert seldom <= set(found), f"no such cases: {sorted(seldom - set(found))}"
        seldom |= {name for name in found if asked_of_some(name)}
        found = {name: case for name, case in found.items() if options.all or name not in seldom}
    if options.real:
        found |= real.cases(options.real.resolve())
    if options.list:
        print("\n".join(found))
        return 0
    if not options.make and not options.cli:
        parser.error("--cli PATH is needed (or --make DIR, or --list)")
    keep = options.make or options.keep
    root = Path(keep).resolve() if keep else Path(tempfile.mkdtemp(prefix="parity-"))
    world = World(root, program.Program(options.cli.resolve(), options.ready and options.ready.resolve()) if options.cli else None)
    prepare(world)
    if options.make:
        write_everything(world, options.only)
        return 0

    start = time.time()
    wanted_cases = {name: case for name, case in found.items()
                    if not options.only or any(text in name for text in options.only)}
    passed, failed, counted, seconds, times = 0, [], [], 0.0, {}
    try:
        for name, result, took, spent in results_of(wanted_cases, world, options):
            print(result.line(), flush=True)
            times[name] = took
            columns = getattr(wanted_cases[name], "columns", ())
            counted += [replace(result, column=column) for column in columns]
            passed += not result.problems
            failed += [result.line()] if result.problems else []
            seconds += spent
    finally:
        if not keep:
            shutil.rmtree(root, ignore_errors=True)
    if options.table:
        wanted = Counter(
            (getattr(case, "family", ""), column)
            for case in found.values()
            for column in getattr(case, "columns", ())
        )
        versions = {"transformers": transformers.__version__, "peft": peft.__version__}
        table.write(options.table, counted, versions, wanted)
        if options.table.resolve() == pages.DOCS / "families.md":
            pages.write_held()
    if options.times:
        options.times.write_text("".join(f"{took:.2f} {name}\n" for name, took in sorted(times.items(), key=lambda one: -one[1])))
    print("\n".join(failed), end="\n" if failed else "")
    print(f"{passed} passed, {len(failed)} failed ({time.time() - start:.0f} s, {seconds:.0f} s in luthier-cli)")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The house's rules that a compiler does not see: which room may include which, no Qt in the
engine, no torch header where the window or a
core room would get it, a licence line in every source, files of a readable size, and no way to run
code from data.

Usage: check_tree.py [--root DIR] [--program FILE]...   (programs are searched for forbidden
symbols)
The functions take the tree as a dictionary, so that test_check_tree.py can show each rule catching
its fault."""

import argparse
import pathlib
import re
import subprocess
import sys

# A room may include rooms of a lower level, and itself. docs/architecture.md draws the same
# picture.
LEVELS = [
    ["base"],
    ["io"],
    ["text", "vision", "config", "hub"],
    ["template"],
    ["arrow"],
    ["data"],
    ["runs", "rewards"],
    ["device"],
    ["kernels"],
    ["ranks"],
    ["nn"],
    ["models"],
    ["batches", "gguf"],
    ["methods", "optim"],
    ["generate"],
    ["objectives"],
    ["train"],
    ["compare", "forecast", "handover"],
    ["teaching"],
    ["lab"],
    ["check"],
    ["session"],
]
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
CORE_ROOMS = {"base", "io", "text", "template", "vision", "config", "hub", "arrow", "data", "rewards",
              "runs"}
# Headers of upper rooms that any room may include: plain data, no torch, held in the room that
# fills them.
PLAIN_HEADERS = {"engine/models/model_summary.h", "engine/forecast/forecast.h",
                 "engine/ranks/rank_place.h"}
# What the window and the programs may include of the engine.
WINDOW_ROOMS = {"base", "io", "config", "hub", "data", "runs", "forecast", "teaching", "session",
                "models", "text", "template", "vision", "compare", "handover", "lab"}

SOURCE_SUFFIXES = {".cpp", ".h", ".cu", ".cuh", ".py", ".cmake", ".sh"}
SOURCE_NAMES = {"CMakeLists.txt", "luthier", "run"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
TORCH = re.compile(r"^(torch|ATen|c10|caffe2)/")
QT = re.compile(r"^(Q[A-Z]\w*|Qt\w+/.*|qcustomplot\.h)$")
NO_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|'
                     r"(?<!\w)'(?:\\.|[^'\\\n])+'|^[ \t]*#(?:\\\n|[^\n])*", re.S | re.M)
NAMESPACE = re.compile(r"\bnamespace\s+(\w[\w:]*)$")
TYPE = re.compile(r"\b(?:struct|class|union|enum(?:\s+(?:class|struct))?)\s+(?:(?:alignas\([^)]*\)|\[\[[^\]]*\]\])"
                  r"\s*)?([A-Za-z_]\w*)(?:\s+final)?(?:\s*:[^:].*)?$", re.S)
LONGEST_FILE = 600
LISTS = ("engine/models/families.h", "engine/config/kind_lists.h")
FORBIDDEN = [
    (re.compile(r"\btorch::(jit::)?(load|pickle_load|pickle)\s*\("),
     "reads a format that can run code"),
    (re.compile(r"\b(pickle_load|readArchiveAndTensors)\b"), "reads a format that can run code"),
    (re.compile(r"(?<![\w.>])(?<!QLocale::)(system|popen|dlopen|execv|posix_spawnp?)\s*\("),
     "runs a shell or loads code"),
    (re.compile(r"\b(QProcess|QNetworkAccessManager|QTcpSocket|curl_easy_init)\b"),
     "starts a program or uses the network"),
    (re.compile(r"\bstd::w?(regex|cregex_iterator|sregex_iterator)\b"),
     "matches without limits (text/regex has them)"),
    (re.compile(r"\bat::parallel_(for|reduce)\("),
     "runs on one thread where a file is compiled without OpenMP (device/parallel has for_pieces)"),
    (re.compile(r"\bCheckpointFiles::open\("),
     "reads weights unasked whether they are config.json's (models/open_weights asks)"),
]
# What is loaded, by fixed names, where a device is there: LibTorch's own CUDA half, the NVIDIA
# driver's two libraries, and CUDA's compiler for kernels of our own; FFmpeg's libraries, where a
# film's file is opened; Apache Arrow's, where a Parquet or Arrow file is. The one file that uses the
# network, when the user fetches a model. The window's own program in its own place, when a card
# died under it. The program for rewards that a person names on the command line. This program as
# the ranks of a launch; its own command line, or ssh to one, where a run is to be elsewhere, and where
# a sweep is trained beside the window. The one file that is compiled with OpenMP. Beside the door to weights itself, who
# reads folders of which no modules are known, and one that the program has just written.
ALLOWED = {("engine/device/cuda_libraries.cpp", "dlopen("),
           ("engine/device/card_reader.cpp", "dlopen("),
           ("engine/kernels/compiler.cpp", "dlopen("),
           ("engine/kernels/cuda_driver.cpp", "dlopen("),
           ("engine/ranks/nccl_line.cpp", "dlopen("),
           ("engine/vision/film_libraries.cpp", "dlopen("),
           ("engine/data/sources/arrow_library.cpp", "dlopen("),
           ("engine/device/parallel.cpp", "at::parallel_for("),
           ("engine/hub/transfer.cpp", "curl_easy_init"),
           ("engine/io/checkpoint_files.cpp", "CheckpointFiles::open("),
           ("engine/models/open_weights.cpp", "CheckpointFiles::open("),
           ("engine/hub/found.cpp", "CheckpointFiles::open("),
           ("engine/methods/arithmetic/merge_models.cpp", "CheckpointFiles::open("),
           ("engine/teaching/finish.cpp", "CheckpointFiles::open("),
           ("engine/teaching/student.cpp", "CheckpointFiles::open("),
           ("engine/lab/cards/projector.cpp", "CheckpointFiles::open("),
           ("engine/lab/compose/tower_half.cpp", "CheckpointFiles::open("),
           ("engine/rewards/program_reward.cpp", "posix_spawn("),
           ("app/cli/launch.cpp", "posix_spawn("),
           ("engine/runs/elsewhere/child.cpp", "posix_spawnp("),
           ("ui/lab/laws_window.h", "QProcess"),
           ("ui/lab/laws_window.cpp", "QProcess"),
           ("app/gui/start_anew.cpp", "execv(")}
# A test waits by tests/patience.h, whose limit only a hang reaches, and asserts no time that a busy
# machine could stretch.
TIMED = [
    (re.compile(r"\b(QTRY_\w+|qWaitFor\w*|waitFor[A-Z]\w*)\s*\("), "waits with a limit of its own"),
    (re.compile(r"\b(QElapsedTimer|QDeadlineTimer|clock_gettime|\w+_clock(?=::now))\b"),
     "looks at a clock"),
]
PATIENCE = "tests/patience.h"
PYTHON_LIMIT = re.compile(r"\btimeout\s*=\s*(\d+)\b")
SHORTEST_LIMIT = 600    # seconds
FORBIDDEN_SYMBOLS = re.compile(r"\b(torch::jit::load|torch::jit::pickle_load|torch::pickle_load|torch::load|torch::jit::unpickle)\(")


def includes(text):
    """(is_system, name) of every include line."""
    return [(mark == "<", name) for mark, name in INCLUDE.findall(text)]


def room_of(path):
    parts = path.split("/")
    return parts[1] if parts[0] == "engine" and len(parts) > 2 else None


def closure(path, tree, seen=None):
    """System headers that a file gets through our own headers: {header: the file that includes
    it}."""
    seen = set() if seen is None else seen
    found = {}
    if path in seen or path not in tree:
        return found
    seen.add(path)
    for system, name in includes(tree[path]):
        if system or TORCH.match(name):
            found.setdefault(name, path)
        else:
            own = name if name in tree else "/".join(path.split("/")[:-1] + [name])
            for header, via in closure(own, tree, seen).items():
                found.setdefault(header, via)
    return found


def check_direction(tree):
    for path, text in tree.items():
        room = room_of(path)
        top = path.split("/")[0]
        if not path.endswith((".cpp", ".h")) or (room is None and top not in ("ui", "app")):
            continue
        if room is not None and room not in LEVEL:
            yield f"{path}: the room '{room}' has no level in tests/structure/check_tree.py"
            continue
        for _, name in includes(text):
            other = room_of(name)
            if name.startswith(("ui/", "app/")) and room is not None:
                yield f"{path}: the engine includes {name}"
            if name.startswith("app/") and top == "ui":
                yield f"{path}: the window includes {name}"
            if other is None or name in PLAIN_HEADERS:
                continue
            if top == "ui" and other not in WINDOW_ROOMS:
                yield f"{path}: the window includes {name}; it goes through engine/session"
            if room is not None and other != room and LEVEL.get(other, 99) >= LEVEL[room]:
                yield f"{path}: includes {name}, but {other} does not stand below {room}"


def check_torch_and_qt(tree):
    for path, text in tree.items():
        if not path.endswith((".cpp", ".h")):
            continue
        top, room = path.split("/")[0], room_of(path)
        direct = [name for _, name in includes(text)]
        if top == "engine":
            for name in direct:
                if QT.match(name):
                    yield f"{path}: includes {name}; the engine knows no Qt"
        if top not in ("engine", "ui", "app"):
            continue
        reached = closure(path, tree)
        torch = next((name for name in reached if TORCH.match(name)), None)
        qt = next((name for name in reached if QT.match(name)), None)
        if torch and (top == "ui" or room in CORE_ROOMS or path in PLAIN_HEADERS
                      or path == "engine/session/session.h"):
            yield f"{path}: gets the torch header {torch} through {reached[torch]}"
        elif torch and qt:
            yield f"{path}: Qt's {qt} and torch's {torch} meet here"


def check_text(tree):
    for path, text in tree.items():
        lines = text.count("\n") + 1
        if "SPDX-License-Identifier: GPL-3.0-or-later" not in "\n".join(text.split("\n")[:4]):
            yield f"{path}: no SPDX licence line at its head"
        if lines > LONGEST_FILE:
            yield f"{path}: {lines} lines; split it (600 at most)"
        if path.split("/")[0] in ("engine", "ui", "app"):
            for pattern, why in FORBIDDEN:
                for match in pattern.finditer(text):
                    if (path, match.group(0)) in ALLOWED:
                        continue
                    yield f"{path}:{text.count(chr(10), 0, match.start()) + 1}: {match.group(0)} {why}"


def check_lists(tree):
    """A kind has one row: a second one would make it twice, without a word."""
    for path in LISTS:
        rows = re.findall(r"^ +ROW\((\w+)\)", tree.get(path, ""), re.MULTILINE)
        for name in sorted({row for row in rows if rows.count(row) > 1}):
            yield f"{path}: {name} stands there twice"


def check_time(tree):
    """The bench measures time; nothing else under tests/ does."""
    for path, text in tree.items():
        if not path.startswith("tests/") or path.startswith(("tests/bench/", "tests/structure/")):
            continue
        if path.endswith(".py"):
            for match in PYTHON_LIMIT.finditer(text):
                if int(match.group(1)) < SHORTEST_LIMIT:
                    yield (f"{path}: {match.group(0)} can be reached on a busy machine; "
                           f"{SHORTEST_LIMIT} seconds at least")
        elif path != PATIENCE and path.endswith((".cpp", ".h")):
            for pattern, why in TIMED:
                for match in pattern.finditer(text):
                    number = text.count(chr(10), 0, match.start())
                    if "kHang" not in text.split("\n")[number]:
                        yield (f"{path}:{number + 1}: {match.group(1)} {why}; "
                               f"{PATIENCE} has what to use")


def types_of(text):
    """(name with its namespaces, line) of every type that a file defines in namespace luthier for all
    to see: not in an anonymous namespace, a class or a function."""
    def blank(match):
        return " " + "\n" * match.group(0).count("\n")
    text = NO_CODE.sub(blank, text)
    scopes, start = [], 0       # a namespace's names, or None for any other block
    for at in (match.start() for match in re.finditer(r"[{};]", text)):
        head, mark = text[start:at].strip(), text[at]
        start = at + 1
        if mark == "}" and scopes:
            scopes.pop()
        if mark != "{":
            continue
        space, kind = NAMESPACE.search(head), TYPE.search(head)
        around = [name for names in scopes if names for name in names]
        if kind and None not in scopes and around[:1] == ["luthier"]:
            yield "::".join(around + [kind.group(1)]), text.count("\n", 0, at) + 1
        scopes.append(space.group(1).split("::") if space else None)


def check_types(tree):
    """Two types of one name are one to the linker, which keeps the functions of either for both."""
    known = {}
    for path, text in tree.items():
        if path.split("/")[0] not in ("engine", "ui", "app") or not path.endswith((".cpp", ".h")):
            continue
        for name, line in types_of(text):
            other = known.setdefault(name, path)
            if other != path:
                yield f"{path}:{line}: {name} is defined in {other}, too; call one otherwise"


def check_symbols(program):
    names = subprocess.run(["nm", "-uDC", program], capture_output=True, text=True,
                           check=True).stdout
    for line in names.splitlines():
        if FORBIDDEN_SYMBOLS.search(line):
            yield f"{program}: is linked with {line.strip()}"


RULES = [check_direction, check_torch_and_qt, check_text, check_lists, check_time, check_types]


def read_tree(root):
    tree = {}
    for folder in ("engine", "ui", "app", "tests", "cmake", "installer", "resources", ".ci"):
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and not {"__pycache__",
                                       "seeds"} & set(path.parts) and (
                                           path.suffix in SOURCE_SUFFIXES
                                           or path.name in SOURCE_NAMES):
                tree[path.relative_to(root).as_posix()] = path.read_text(encoding="utf-8")
    for name in ("CMakeLists.txt", "luthier"):
        tree[name] = (root / name).read_text(encoding="utf-8")
    return tree


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parents[2])
    parser.add_argument("--program", action="append", default=[])
    arguments = parser.parse_args()
    tree = read_tree(arguments.root)
    faults = [fault for rule in RULES for fault in rule(tree)]
    for program in arguments.program:
        if pathlib.Path(program).exists():
            faults += check_symbols(program)
    for fault in faults:
        print(fault)
    print(f"{len(tree)} files, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

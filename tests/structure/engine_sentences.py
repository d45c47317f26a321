#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sentences that the engine can say, read out of its sources, and what of them has no Korean.

The engine speaks English; the window shows its sentences in the person's language by a catalogue
of patterns with holes (translations/engine_ko.json, read by ui/engine_words.cpp). A pattern is what
the source joins with +: "The rank of " + name + " is " + std::to_string(rank) + "." is the pattern
"The rank of %1 is %2."

In the Korean text %L1 is a hole filled with a list of names (its "or" is said too) and %S1 one
filled with a state of the session; particles after a hole are written in both forms: %1이(가).

Usage: engine_sentences.py           names what has no Korean, and what no source says (exit 1)
       engine_sentences.py --write   puts what is missing into the catalogue with an empty text,
                                     and takes out what no source says
                                     (--from FILE.json: texts for what is missing)
       engine_sentences.py --list    every pattern with the place that says it"""

import argparse
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CATALOGUE = "translations/engine_ko.json"

TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*|/\*.*?\*/|(?m:^[ \t]*\#(?:[^\n\\]|\\.|\\\n)*))
      | (?P<raw>(?:u8|u|U|L)?R"(?P<tag>[^()\\\s]*)\((?P<body>.*?)\)(?P=tag)")
      | (?P<text>(?:u8|u|U|L)?"(?:[^"\\\n]|\\.)*")
      | (?P<char>'(?:[^'\\\n]|\\.)+')
      | (?P<word>[A-Za-z_]\w*)
      | (?P<number>\.?\d(?:[\w.']|(?<=[eE])[+-])*)
      | (?P<mark>->|::|\+\+|--|<<|[-+*/%&|^!=<>]=|&&|\|\||.)""",
    re.X | re.S,
)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "f": "\f", "v": "\v", "a": "\a"}
OPEN, CLOSE = {"(": ")", "[": "]", "{": "}"}, {")": "(", "]": "[", "}": "{"}
MOST_BRANCHES = 16
WITH_TYPE = ("static_cast", "get", "value", "max", "min")   # whose < opens a type


def unescaped(text):
    def one(match):
        found = match.group(1)
        if found[0] in "xuU":
            return chr(int(found[1:], 16))
        return ESCAPES.get(found, found)

    return re.sub(r"\\(x[0-9a-fA-F]+|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", one, text, flags=re.S)


def tokens_of(source):
    """(kind, text, line) without spaces and comments; neighbouring literals are one."""
    tokens, line = [], 1
    for match in TOKEN.finditer(source):
        kind = match.lastgroup if match.lastgroup not in ("tag", "body") else "raw"
        whole = match.group(0)
        if match.group("raw"):
            kind, value = "text", match.group("body")
        elif kind == "text":
            value = unescaped(whole[whole.index('"') + 1 : -1])
        else:
            value = whole
        if kind != "space":
            if kind == "text" and tokens and tokens[-1][0] == "text":
                tokens[-1] = ("text", tokens[-1][1] + value, tokens[-1][2])
            else:
                tokens.append((kind, value, line))
        line += whole.count("\n")
    return tokens


class Reader:
    """Reads joined expressions from a list of tokens."""

    def __init__(self, tokens):
        self.tokens = tokens
        self.partner = {}
        stack = []
        for at, (kind, value, _) in enumerate(tokens):
            if kind == "mark" and value in OPEN:
                stack.append(at)
            elif kind == "mark" and value in CLOSE and stack:
                begin = stack.pop()
                self.partner[begin], self.partner[at] = at, begin

    def mark(self, at, *values):
        if not 0 <= at < len(self.tokens):
            return False
        return self.tokens[at][0] == "mark" and self.tokens[at][1] in values

    def word(self, at):
        return at >= 0 and self.tokens[at][0] == "word"

    def start_of(self, at):
        """The first token of the operand that ends with token `at`."""
        while True:
            kind, value, _ = self.tokens[at]
            if kind == "mark" and value in CLOSE and at in self.partner:
                at = self.partner[at]
                before = at - 1
                if self.word(before) or self.mark(before, ">", ")", "]"):
                    if self.tokens[before][1] in ("return", "if", "while", "switch", "case"):
                        return at
                    at = before
                    continue
            elif kind == "mark" and value == ">":
                depth = 0
                while at >= 0:
                    if self.mark(at, ">"):
                        depth += 1
                    elif self.mark(at, "<"):
                        depth -= 1
                        if depth == 0:
                            break
                    at -= 1
                at -= 1
                continue
            if self.mark(at - 1, ".", "->", "::"):
                at -= 2
                if not (self.word(at) or self.mark(at, ")", "]", ">")):
                    return at + 1   # a global ::name
                continue
            value = self.word(at - 2) or self.tokens[at - 2][0] == "number"
            if self.mark(at - 1, "*", "!") and not (value or self.mark(at - 2, ")", "]")):
                return at - 1
            return at

    def end_of(self, at):
        """One past the last token of the operand that begins at `at`."""
        while self.mark(at, "*", "!", "&", "-"):
            at += 1
        if at in self.partner:
            at = self.partner[at] + 1
        else:
            at += 1
        while at < len(self.tokens):
            if self.mark(at, "(", "[") and at in self.partner:
                at = self.partner[at] + 1
            elif self.mark(at, ".", "->", "::"):
                at += 2
            elif self.mark(at, "<") and self.tokens[at - 1][1] in WITH_TYPE:
                while not self.mark(at, ">"):
                    at += 1
                at += 1
            else:
                return at
        return at

    def joined(self, at):
        """(begin, end) of the expression joined with + around token `at`."""
        begin = self.wrapped(at)
        while self.mark(begin - 1, "+"):
            begin = self.wrapped(self.start_of(begin - 2))
        end = at + 1
        while True:
            if self.mark(end, ")") and self.begins_string(self.partner.get(end, -1)):
                end += 1
            elif self.mark(end, "+"):
                end = self.end_of(end + 1)
            else:
                return begin, end

    def wrapped(self, begin):
        """The start with a std::string( around it, where there is one."""
        return begin - 4 if self.mark(begin - 1, "(") and self.begins_string(begin - 1) else begin

    def begins_string(self, at):
        before = [token[1] for token in self.tokens[max(at - 3, 0) : at]]
        return self.mark(at, "(") and before == ["std", "::", "string"]

    def split(self, begin, end, *marks):
        """Ranges between the marks at this level."""
        parts, first, at = [], begin, begin
        while at < end:
            if self.mark(at, *marks):
                parts.append((first, at))
                first = at + 1
            at = self.partner[at] + 1 if self.mark(at, *OPEN) and at in self.partner else at + 1
        return parts + [(first, end)]

    def alternatives(self, begin, end):
        """What the expression can be, each a list of literals and None for a hole."""
        found = [[]]
        for first, last in self.split(begin, end, "+"):
            options = self.operand(first, last)
            if len(found) * len(options) > MOST_BRANCHES:
                options = [[None]]
            found = [left + right for left in found for right in options]
        return found

    def operand(self, begin, end):
        if end - begin == 1 and self.tokens[begin][0] == "text":
            return [[self.tokens[begin][1]]]
        if self.begins_string(begin + 3) and self.partner.get(begin + 3) == end - 1:
            return self.alternatives(begin + 4, end - 1)
        if self.mark(begin, "(") and self.partner.get(begin) == end - 1:
            inner = self.split(begin + 1, end - 1, "?")
            if len(inner) == 1:
                return self.alternatives(begin + 1, end - 1)
            if len(inner) == 2:
                sides = self.split(inner[1][0], inner[1][1], ":")
                if len(sides) == 2:
                    return self.alternatives(*sides[0]) + self.alternatives(*sides[1])
        return [[None]]


def pattern_of(parts):
    text, holes, after_hole = "", 0, False
    for part in parts:
        if part is not None:
            text += part.replace("%", "%%")
            after_hole = after_hole and part == ""
        elif not after_hole:
            holes += 1
            text += f"%{holes}"
            after_hole = True
    return text


def patterns_in(source, only=None):
    """{pattern: line}; `only`: what stands in the arguments of these functions."""
    reader, found, done = Reader(tokens_of(source)), {}, -1
    for at, (kind, _, line) in enumerate(reader.tokens):
        if kind != "text" or at < done:
            continue
        begin, end = reader.joined(at)
        done = end
        if inside(reader, at, NO_MESSAGE) or (only and not inside(reader, at, only)):
            continue
        for parts in reader.alternatives(begin, end):
            found.setdefault(pattern_of(parts), line)
    return found


def inside(reader, at, names):
    """Whether token `at` stands in the arguments of one of these functions."""
    for begin, end in reader.partner.items():
        call = begin > 0 and reader.mark(begin, "(") and reader.tokens[begin - 1][1] in names
        if call and begin < at < end:
            return True
    return False


def is_sentence(pattern):
    """Words for a person, not a name of the code or a place in a file."""
    words = [word.strip("".join(".,;:()\"'")) for word in re.sub(r"%\d+", " ", pattern).split()]
    plain = sum(bool(re.fullmatch(r"[A-Za-z][a-z']*(-[a-z]+)*", word)) for word in words)
    listed = sum("_" in word for word in words) >= 2 and not pattern.endswith((".", ":", "?", ")"))
    if listed and not re.search(r"[A-Z,;:\"]", pattern):
        return False   # a list of names
    return plain >= 2 or (plain == 1 and pattern.endswith(".") and pattern[0].isupper())


# Texts that are data, code, a document of its own or the command line's, and no message.
OTHER_FILES = (
    "engine/base/crash_report.cpp",
    "engine/config/field_notes.cpp",   # their Korean: tests/ui/test_help.cpp
    "engine/config/recipe_fields.cpp",
    "engine/config/training_fields.cpp",
    "engine/config/quantization_fields.cpp",
    "engine/config/recipe_help.cpp",
    "engine/teaching/language.cpp",
    "engine/teaching/rows.cpp",
    "engine/teaching/skeleton.cpp",
    "engine/compare/context_texts.h",
    "engine/compare/documents.cpp",
    "engine/compare/documents.h",
    "engine/compare/page.cpp",
    "engine/gguf/modelfile.cpp",
    "engine/handover/cluster_files.cpp",
    "engine/handover/python_text.cpp",
    "engine/handover/script.cpp",
    "engine/handover/script_parts.cpp",
    "engine/handover/sharded_part.cpp",
    "engine/handover/training_arguments.cpp",
    "engine/io/tensorboard.cpp",
    "engine/lab/compose/drawing.cpp",
    "engine/lab/compose/picture_template.cpp",
    "engine/models/idefics3/film_text.cpp",
)
# Rooms whose every text is the command line's: the window calls nothing of them.
OTHER_ROOMS = ("engine/check/",)
# Whose texts without a stop are lists of names.
NAME_LISTS = ("engine/config/names_",)
ERRORS = ("input_error", "machine_error", "interrupted_error")
NO_MESSAGE = ("TORCH_CHECK", "TORCH_INTERNAL_ASSERT", "assert", "static_assert", "to_model")


def sentences(root):
    """{pattern: place}: all that the engine can say, and what the window makes errors of."""
    found = {}
    paths = [path for room in ("engine", "ui") for path in (root / room).rglob("*")]
    for path in sorted(path for path in paths if path.suffix in (".cpp", ".h")):
        name = path.relative_to(root).as_posix()
        if name in OTHER_FILES or name.startswith(OTHER_ROOMS):
            continue
        only = ERRORS if name.startswith("ui/") else None
        for pattern, line in patterns_in(path.read_text(encoding="utf-8"), only).items():
            if name.startswith(NAME_LISTS) and not re.search(r"%|[.?]$", pattern):
                continue
            if is_sentence(pattern):
                found.setdefault(pattern, f"{name}:{line}")
    return found


# Sentences that no single expression of the sources makes: what stands around others, what is put
# together in steps, and what the C library, yaml-cpp, libpng and libcurl say.
EXTRA = """
%1: %2.
%1 (%2).
%1 and %2 more
row %1
%1: row %2
%1: row %2 (line %3)
step %1
saved
at least %1
at most %1
above %1
below %1
at least %1 and at most %2
at least %1 and below %2
above %1 and at most %2
above %1 and below %2
%1 <image> mark
%1 <image> marks
%1 <video> mark
%1 <video> marks
%1 picture
%1 pictures
%1 film
%1 films
Start with training.per_device_train_batch_size: %1.
Start with training.max_length: %1.
Resume with training.gradient_checkpointing: true, or start with \
training.per_device_train_batch_size: %1.
Resume with training.gradient_checkpointing: true, or start with training.max_length: %1.
The run is saved at step %1: resume it when the row is repaired, or with image.on_error: skip.
No such file or directory
Permission denied
Operation not permitted
No space left on device
Disk quota exceeded
Read-only file system
Is a directory
Not a directory
File exists
Directory not empty
File name too long
File too large
Too many open files
Input/output error
Cannot allocate memory
Device or resource busy
Invalid argument
Too many levels of symbolic links
Could not resolve hostname
Could not connect to server
Timeout was reached
Failed to connect to %1 port %2 after %3 ms: %4
Couldn't connect to server
Could not resolve host: %1
Connection timed out after %1 milliseconds
Resolving timed out after %1 milliseconds
Operation too slow. Less than %1 bytes/sec transferred the last %2 seconds
transfer closed with %1 bytes remaining to read
Empty reply from server
Recv failure: %1
Send failure: %1
Connection reset by peer
Connection refused
SSL certificate problem: %1
end of map not found
end of map flow not found
end of sequence not found
end of sequence flow not found
illegal map key
illegal map value
illegal block entry
illegal flow end
illegal EOF in scalar
illegal document indicator in scalar
illegal character in scalar
illegal tab when looking for indentation
unexpected character in block scalar
cannot set zero indentation for a block scalar
unknown token
unknown escape character: %1
bad character found while scanning hex number
invalid unicode: %1
cannot assign multiple tags to the same node
cannot assign multiple anchors to the same node
the referenced anchor is not defined
Read Error
CRC error
Not enough compressed data
Not a PNG file
Invalid IHDR data
""".strip().split("\n")
# Found in the sources, and no message of their own: parts of the sentences above, values of a
# recipe, what others say and is compared with.
NO_SENTENCE = {
    "at least ",
    "chosen, rejected",
    "strategy: lora",
    "Sixteen squares, each of another colour: 4 rows of 4.",
    "What is in the picture?",
    "How many squares have 4 rows of 4?",
    "%1: siblings: rfilename",
    "Authorization: Bearer %1",
    "; %1 was %2 and is now %3",
    " do not",
    "not in",
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "could not create a memory object",
    " and %1 more",
    "Resume with training.gradient_checkpointing: true",
    ", or start",
    "Start with training.per_device_train_batch_size: %1",
    ", or start with training.per_device_train_batch_size: %1",
    "Start with training.max_length: %1",
    ", or start with training.max_length: %1",
    "The run is saved at step",
    "The run is saved at step %1",
    ": resume it when the row is repaired, or with image.on_error: skip.",
}
# A particle that follows a hole depends on what fills it: both forms are written, as in %1이(가), and
# the window chooses.
PARTICLE = re.compile(r"%[LS]?\d['\"]?((은|는|이|가|을|를|과|와|로|으로)(?![가-힣(])|이어야|여야)")


def wanted(root):
    """{pattern: place}: what the catalogue must hold."""
    left_out = {text.strip() for text in NO_SENTENCE}
    found = {text.strip(): place for text, place in sentences(root).items()}
    needed = {text: place for text, place in found.items() if text not in left_out}
    return needed | {pattern: "EXTRA" for pattern in EXTRA}


def read_catalogue(root):
    return json.loads((root / CATALOGUE).read_text(encoding="utf-8"))


def said_twice(text):
    """Entries that stand twice, as a merge leaves them: the last would count, whoever reads the
    first."""
    pairs = []
    json.loads(text, object_pairs_hook=lambda found: pairs.extend(found) or dict(found))
    known = set()
    for pattern, _ in pairs:
        if pattern in known:
            yield f"{CATALOGUE}: {json.dumps(pattern)} stands there twice"
        known.add(pattern)


def faults(needed, catalogue):
    for pattern, place in needed.items():
        if not catalogue.get(pattern):
            yield f"{place}: no Korean for {json.dumps(pattern)}"
    for pattern, korean in catalogue.items():
        shown = json.dumps(korean, ensure_ascii=False)
        if pattern not in needed:
            yield f"{CATALOGUE}: no source says {json.dumps(pattern)}"
        holes = set(re.findall(r"%(\d)", pattern.replace("%%", "")))
        used = set(re.findall(r"%[LS]?(\d)", korean.replace("%%", "")))
        if korean and holes != used:
            yield f"{CATALOGUE}: the holes of {json.dumps(pattern)} are not those of {shown}"
        if PARTICLE.search(korean):
            yield f"{CATALOGUE}: one form of a particle after a hole in {shown}"


def write_catalogue(root, needed, catalogue):
    """In the order of the sources, two lines an entry, so that a change stays local."""
    lines = []
    for pattern in needed:
        korean = json.dumps(catalogue.get(pattern, ""), ensure_ascii=False)
        lines.append(f"{json.dumps(pattern, ensure_ascii=False)}:\n  {korean}")
    (root / CATALOGUE).write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=pathlib.Path, default=ROOT)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--from", type=pathlib.Path, dest="more")
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    needed, catalogue = wanted(arguments.root), read_catalogue(arguments.root)
    if arguments.list:
        for pattern, place in needed.items():
            print(f"{place}\t{json.dumps(pattern)}")
        return 0
    if arguments.write:
        if arguments.more:
            catalogue = json.loads(arguments.more.read_text(encoding="utf-8")) | catalogue
        write_catalogue(arguments.root, needed, catalogue)
        catalogue = read_catalogue(arguments.root)
    written = (arguments.root / CATALOGUE).read_text(encoding="utf-8")
    found = [*faults(needed, catalogue), *said_twice(written)]
    for fault in found:
        print(fault)
    print(f"{len(needed)} sentences, {len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

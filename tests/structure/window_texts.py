# SPDX-License-Identifier: GPL-3.0-or-later
"""Every text of the window stands in both languages, and none that it no longer has: Qt's lupdate
reads ui/ and app/gui into a temporary file, which is held against translations/*.ts.

    window_texts.py           says what lacks, is unused, or lost a place for a figure
    window_texts.py --list    the texts that have no Korean yet, as JSON
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

TREE = pathlib.Path(__file__).resolve().parents[2]
LANGUAGES = ("en", "ko")
SKIPPED = 77
# Words that the engine keeps in English and the window says: where they stand is no source of the
# window's, and ui/translated_words.cpp lists only what lupdate is to see.
ENGINE_CONTEXTS = ("recipe", "state", "progress", "event", "finding")
PLACE = re.compile(r"%(?:L?\d+|n)")


def find_lupdate():
    known = "/usr/lib/qt6/bin/lupdate"
    return known if pathlib.Path(known).exists() else shutil.which("lupdate6")


def context_of(name):
    """lupdate qualifies a class where it sees its namespace, which it does not always."""
    return name.removeprefix("luthier::")


def texts_of(file):
    """{(context, source): translations}; a text with a count has one for each form."""
    texts = {}
    for context in ElementTree.parse(file).getroot().iter("context"):
        name = context_of(context.findtext("name", ""))
        for message in context.iter("message"):
            translation = message.find("translation")
            forms = [] if translation is None else list(translation.iter("numerusform"))
            said = [form.text or "" for form in forms] or [
                "" if translation is None else translation.text or ""]
            if translation is not None and translation.get("type") in ("vanished", "obsolete"):
                continue
            texts[name, message.findtext("source", "")] = said
    return texts


def texts_of_sources(lupdate, tree):
    with tempfile.TemporaryDirectory() as folder:
        found = pathlib.Path(folder) / "found.ts"
        subprocess.run([lupdate, "-no-obsolete", "-locations", "none", "-silent", "-recursive",
                        str(tree / "ui"), str(tree / "app/gui"), "-ts", str(found)],
                       check=True, capture_output=True)
        return texts_of(found)


def unreachable(file, classes, language):
    """A class's own texts are looked up under its whole name, which lupdate does not always write."""
    names = {context.findtext("name", "") for context in ElementTree.parse(file).getroot().iter("context")}
    return [f"{language}: nothing finds the context {name}: it is luthier::{name}" for name in sorted(names & classes)]


def classes_of_sources(tree):
    """Those of ui/ and app/gui that Qt knows by name."""
    found = set()
    for folder in ("ui", "app/gui"):
        for header in (tree / folder).rglob("*.h"):
            found |= set(re.findall(r"\bclass (\w+)[^;{]*\{\s*Q_OBJECT", header.read_text()))
    return found


def problems(used, translated, language):
    """What is wrong with one language's file."""
    said = []
    for text in used:
        if text not in translated:
            said.append(f"{language}: no translation: {text[0]}: {text[1]!r}")
    for (context, source), translations in translated.items():
        if (context, source) not in used:
            if context in ENGINE_CONTEXTS:
                continue
            said.append(f"{language}: no longer used: {context}: {source!r}")
            continue
        for translation in translations:
            if not translation:
                said.append(f"{language}: empty: {context}: {source!r}")
            # "%n" may be left out of a form that says the number in words.
            elif set(PLACE.findall(translation)) - {"%n"} != set(PLACE.findall(source)) - {"%n"}:
                said.append(f"{language}: other places for figures: {context}: {source!r}")
    return said


def main():
    lupdate = find_lupdate()
    if not lupdate:
        print("lupdate is not installed (qt6-l10n-tools): nothing was checked")
        return SKIPPED
    used = texts_of_sources(lupdate, TREE)
    if "--list" in sys.argv:
        korean = texts_of(TREE / "translations/luthier_ko.ts")
        print(json.dumps([text for text in used if text not in korean], ensure_ascii=False, indent=1))
        return 0
    said = []
    for language in LANGUAGES:
        file = TREE / f"translations/luthier_{language}.ts"
        said += problems(used, texts_of(file), language)
        said += unreachable(file, classes_of_sources(TREE), language)
    print("\n".join(said) if said else f"{len(used)} texts, each in {len(LANGUAGES)} languages")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())

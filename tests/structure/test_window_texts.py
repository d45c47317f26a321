# SPDX-License-Identifier: GPL-3.0-or-later
"""The check of the window's texts finds what it is for: a source and a file of translations made on
the spot, with one fault each."""
import pathlib
import sys
import tempfile
import unittest

import window_texts

SOURCE = """
#include <QObject>
namespace luthier {
class Desk : public QObject { Q_OBJECT void say(); };
void Desk::say() { tr("Step %1"); tr("%n runs", nullptr, 3); }
}
"""
FILE = """<?xml version="1.0" encoding="utf-8"?>
<TS version="2.1" language="ko"><context><name>luthier::Desk</name>%s</context></TS>
"""
STEP = "<message><source>Step %1</source><translation>스텝 %1</translation></message>"
RUNS = ("<message numerus='yes'><source>%n runs</source><translation>"
        "<numerusform>실행 %n개</numerusform></translation></message>")


class WindowTexts(unittest.TestCase):
    def said(self, messages):
        with tempfile.TemporaryDirectory() as folder:
            tree = pathlib.Path(folder)
            for room in ("ui", "app/gui"):
                (tree / room).mkdir(parents=True)
            (tree / "ui/desk.cpp").write_text(SOURCE, encoding="utf-8")
            file = tree / "ko.ts"
            file.write_text(FILE % messages, encoding="utf-8")
            used = window_texts.texts_of_sources(window_texts.find_lupdate(), tree)
            return window_texts.problems(used, window_texts.texts_of(file), "ko")

    def test_whole(self):
        self.assertEqual(self.said(STEP + RUNS), [])

    def test_missing(self):
        self.assertEqual(self.said(RUNS), ["ko: no translation: Desk: 'Step %1'"])

    def test_unused(self):
        old = "<message><source>Gone</source><translation>없음</translation></message>"
        self.assertEqual(self.said(STEP + RUNS + old), ["ko: no longer used: Desk: 'Gone'"])

    def test_empty(self):
        self.assertEqual(self.said(STEP.replace("스텝 %1", "") + RUNS),
                         ["ko: empty: Desk: 'Step %1'"])

    def test_lost_figure(self):
        self.assertEqual(self.said(STEP.replace("스텝 %1", "스텝") + RUNS),
                         ["ko: other places for figures: Desk: 'Step %1'"])


if __name__ == "__main__":
    if not window_texts.find_lupdate():
        print("lupdate is not installed (qt6-l10n-tools): nothing was checked")
        sys.exit(window_texts.SKIPPED)
    unittest.main()

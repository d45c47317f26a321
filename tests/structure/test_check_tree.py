#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each rule of check_tree.py catches the fault it is for, and leaves a good tree alone."""

import unittest

import check_tree as rules

HEAD = "// SPDX-License-Identifier: GPL-3.0-or-later\n"


class Rules(unittest.TestCase):
    def faults(self, rule, tree):
        return list(rule({path: HEAD + text for path, text in tree.items()}))

    def test_good_tree(self):
        tree = {
            "engine/io/a.h": '#include "engine/base/b.h"\n',
            "engine/base/b.h": "#include <string>\n",
            "engine/device/torch.h": "#include <torch/torch.h>\n",
            "engine/train/t.cpp": '#include "engine/device/torch.h"\n#include "engine/io/a.h"\n',
            "ui/w.cpp": '#include <QWidget>\n#include "engine/session/session.h"\n',
            "engine/session/session.h": '#include "engine/io/a.h"\n',
        }
        for rule in rules.RULES:
            self.assertEqual(self.faults(rule, tree), [])

    def test_upward_include(self):
        self.assertEqual(len(self.faults(rules.check_direction,
                                         {"engine/base/b.h": '#include "engine/io/a.h"\n'})), 1)
        self.assertEqual(len(self.faults(rules.check_direction,
                                         {"engine/train/b.h": '#include "engine/session/session.h"\n'})), 1)
        self.assertEqual(len(self.faults(rules.check_direction,
                                         {"engine/text/b.h": '#include "engine/vision/a.h"\n'})), 1)
        self.assertEqual(len(self.faults(rules.check_direction,
                                         {"engine/text/b.h": '#include "ui/a.h"\n'})), 1)

    def test_unknown_room(self):
        self.assertEqual(len(self.faults(rules.check_direction, {"engine/misc/b.h": "\n"})), 1)

    def test_window_keeps_to_the_session(self):
        self.assertEqual(len(self.faults(rules.check_direction,
                                         {"ui/w.cpp": '#include "engine/train/trainer.h"\n'})), 1)

    def test_torch_through_a_header(self):
        tree = {"ui/w.h": '#include "engine/models/m.h"\n',
                "engine/models/m.h": "#include <torch/types.h>\n"}
        self.assertEqual(len(self.faults(rules.check_torch_and_qt, tree)), 1)
        tree = {"engine/text/w.h": "#include <ATen/ATen.h>\n"}
        self.assertEqual(len(self.faults(rules.check_torch_and_qt, tree)), 1)

    def test_qt_in_the_engine_and_beside_torch(self):
        self.assertEqual(len(self.faults(rules.check_torch_and_qt,
                                         {"engine/train/t.h": "#include <QString>\n"})), 1)
        self.assertEqual(len(self.faults(rules.check_torch_and_qt,
                                         {"app/gui/m.cpp": "#include <QString>\n#include <torch/torch.h>\n"})), 1)

    def test_one_type_a_name(self):
        def faults(one, other):
            return self.faults(rules.check_types, {"engine/a/a.h": one, "ui/b.h": other})
        inside = "namespace luthier {\n%s\n}\n"
        card = inside % "struct Card {\n  int a;\n};"
        for other in ("class Card : public QFrame {};", "enum class Card { Red };", "union Card {};",
                      "struct alignas(64) Card final {};", "template <class T>\nstruct Card { T t; };"):
            self.assertEqual(len(faults(card, inside % other)), 1, other)
        for other in ("class Card;", "struct Card2 {};", "// struct Card {}\n", "/* struct Card {} */",
                      "namespace {\nstruct Card {};\n}", "class Deck { struct Card {}; };",
                      "namespace other { struct Card {}; }", "struct Deck::Card {};",
                      'const char* a = "struct Card {";', "void use(struct Card card) {}",
                      "void f() { struct Card {}; }", "template <>\nstruct Card<int> {};"):
            self.assertEqual(faults(card, inside % other), [], other)
        self.assertEqual(len(faults("namespace luthier::detail { class A {}; }",
                                    "namespace luthier { namespace detail { class A {}; } }")), 1)

    def test_licence_and_size(self):
        self.assertEqual(len(list(rules.check_text({"engine/a/b.h": "int a;\n"}))), 1)
        self.assertEqual(len(self.faults(rules.check_text, {"engine/a/b.h": "\n" * 700})), 1)

    def test_code_from_data(self):
        for line in ("torch::load(model, path);", "torch::jit::load(path);",
                     "auto v = torch::pickle_load(bytes);", 'system("ls");', 'std::system("ls");',
                     "popen(name);", "::execv(path, words);"):
            self.assertTrue(self.faults(rules.check_text, {"engine/a/b.cpp": line + "\n"}), line)
        for line in ("a.system(1);", "QLocale::system();", "file_system(x);",
                     "adapter.load(path);"):
            self.assertEqual(self.faults(rules.check_text, {"engine/a/b.cpp": line + "\n"}), [],
                             line)

    def test_a_busy_machine_decides_no_test(self):
        def faults(line, path="tests/ui/test_a.cpp"):
            return self.faults(rules.check_time, {path: line + "\n"})

        for line in ("QTRY_VERIFY(done);", "QTRY_COMPARE_WITH_TIMEOUT(a, b, 5000);",
                     "QTest::qWaitFor(done, 100);", "QTest::qWaitForWindowExposed(&window);",
                     "process.waitForFinished(5000);", "QElapsedTimer timer;",
                     "std::chrono::steady_clock::now();"):
            self.assertEqual(len(faults(line)), 1, line)
            for path in ("tests/patience.h", "tests/bench/a.cpp", "engine/train/a.cpp"):
                self.assertEqual(faults(line, path), [], path)
        for line in ("WAIT_UNTIL(done);", "luthier::test::wait_for(done);", "QTest::qWait(20);",
                     "QTest::qWaitForWindowExposed(window, kHang);"):
            self.assertEqual(faults(line), [], line)
        self.assertEqual(len(faults("run(timeout=30)", "tests/parity/a.py")), 1)
        self.assertEqual(faults("run(timeout=3600)", "tests/parity/a.py"), [])

    def test_the_network_has_one_door(self):
        self.assertEqual(self.faults(rules.check_text,
                                     {"engine/hub/transfer.cpp": "curl_easy_init();\n"}), [])
        for path in ("engine/hub/fetch.cpp", "ui/model/x.cpp", "app/cli/fetch.cpp"):
            self.assertEqual(len(self.faults(rules.check_text, {path: "curl_easy_init();\n"})), 1)

    def test_weights_have_one_door(self):
        line = "auto files = CheckpointFiles::open(folder);\n"
        faults = lambda path: [fault for fault in self.faults(rules.check_text, {path: line})
                               if "CheckpointFiles" in fault]
        self.assertEqual(faults("engine/models/open_weights.cpp"), [])
        for path in ("engine/models/load_model.cpp", "engine/methods/x.cpp", "app/cli/info.cpp"):
            self.assertEqual(len(faults(path)), 1, path)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What engine_sentences.py reads out of a source, and each of the faults that it is for."""

import unittest

import engine_sentences as e


class Reading(unittest.TestCase):
    def patterns(self, source, only=None):
        return list(e.patterns_in(source, only))

    def test_joined(self):
        joined = 'return input_error("The rank of " + name + " is " + std::to_string(r) + ".", at);'
        self.assertEqual(self.patterns(joined), ["The rank of %1 is %2."])

    def test_two_calls_side_by_side_are_one_hole(self):
        self.assertEqual(self.patterns('f("Has " + a + b.c(d)[2] + ".");'), ["Has %1."])

    def test_neighbours_and_raw_literals(self):
        several = 'f("One " /* note */ "two."\n  " Three.");'
        self.assertEqual(self.patterns(several), ["One two. Three."])
        self.assertEqual(self.patterns('f(R"x(A "quoted" word.)x");'), ['A "quoted" word.'])

    def test_string_around_the_start(self):
        wrapped = 'f(std::string("The ") + name + " is damaged.");'
        self.assertEqual(self.patterns(wrapped), ["The %1 is damaged."])
        self.assertEqual(self.patterns('f("No " + std::string("row") + ".");'), ["No row."])

    def test_a_choice_is_several_sentences(self):
        chosen = 'f("A " + (one ? "row" : "list of rows") + " is needed.");'
        self.assertEqual(self.patterns(chosen), ["A row is needed.", "A list of rows is needed."])
        whole = 'f(x ? "One way." : "The other.");'
        self.assertEqual(self.patterns(whole), ["One way.", "The other."])

    def test_operands_of_every_form(self):
        forms = 'f("%s " + static_cast<int>(a->c(d)) + " of " + *p + " and " + (q + 1) + " end.");'
        self.assertIn("%%s %1 of %2 and %3 end.", self.patterns(forms))

    def test_comments_and_includes_say_nothing(self):
        silent = '// "A comment."\n#include "engine/a.h"\n/* "Another." */'
        self.assertEqual(self.patterns(silent), [])

    def test_asserts_say_nothing(self):
        self.assertEqual(self.patterns('TORCH_CHECK(a == b, "the sizes must be equal");'), [])

    def test_only_errors_of_the_window(self):
        mixed = 'tr("Not of the engine."); return machine_error("It is not written: " + why + ".");'
        self.assertEqual(self.patterns(mixed, ("machine_error",)), ["It is not written: %1."])

    def test_what_is_a_sentence(self):
        said = ("The file is empty.", "is empty.", "at least %1 rows", "Cancelled.", "a number")
        for text in said:
            self.assertTrue(e.is_sentence(text), text)
        code = ("model.embed_tokens", "%1: image_size", "lm_head.", "a.min_pixels, a.max_pixels",
                "%%.1f MiB", "layers.")
        for text in code:
            self.assertFalse(e.is_sentence(text), text)


class Faults(unittest.TestCase):
    def faults(self, needed, catalogue):
        return list(e.faults(dict.fromkeys(needed, "a.cpp:1"), catalogue))

    def test_good(self):
        pattern = "The rank of %1 is %2."
        self.assertEqual(self.faults([pattern], {pattern: "%1의 랭크가 %2입니다."}), [])

    def test_a_new_sentence_is_named_with_its_place(self):
        found = self.faults(["It is new."], {})
        self.assertEqual(found, ['a.cpp:1: no Korean for "It is new."'])
        self.assertEqual(len(self.faults(["It is new."], {"It is new.": ""})), 1)

    def test_an_entry_that_stands_twice(self):
        self.assertEqual(list(e.said_twice('{"a": "1", "b": "2"}')), [])
        self.assertEqual(len(list(e.said_twice('{"a": "1", "b": "2", "a": "1"}'))), 1)

    def test_a_sentence_that_is_gone(self):
        self.assertEqual(len(self.faults([], {"It was.": "있었습니다."})), 1)

    def test_holes_are_kept(self):
        self.assertEqual(len(self.faults(["%1 of %2"], {"%1 of %2": "%2 가운데"})), 1)
        self.assertEqual(self.faults(["one of %1"], {"one of %1": "%L1 가운데 하나"}), [])

    def test_one_form_of_a_particle(self):
        self.assertEqual(len(self.faults(["%1 is gone."], {"%1 is gone.": "%1이 없습니다."})), 1)
        self.assertEqual(self.faults(["%1 is gone."], {"%1 is gone.": "%1이(가) 없습니다."}), [])
        self.assertEqual(self.faults(["It is %1."], {"It is %1.": "%1입니다."}), [])


if __name__ == "__main__":
    unittest.main()

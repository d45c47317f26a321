// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/compare/document_words.h"

#include <QCoreApplication>

#include "ui/language.h"

namespace luthier {

ComparisonWords document_words() {
  const auto said = [](const char* english) {
    return QCoreApplication::translate("CompareExport", english).toStdString();
  };
  ComparisonWords words;
  words.language = Language::instance().code().toStdString();
  words.base = said(QT_TRANSLATE_NOOP("CompareExport", "base"));
  words.sample = said(QT_TRANSLATE_NOOP("CompareExport", "sample"));
  words.expected = said(QT_TRANSLATE_NOOP("CompareExport", "expected"));
  words.reference = said(QT_TRANSLATE_NOOP("CompareExport", "reference"));
  words.title = said(QT_TRANSLATE_NOOP("CompareExport", "%1 beside %2"));
  words.samples = said(QT_TRANSLATE_NOOP("CompareExport", "samples: %1"));
  words.answered = said(QT_TRANSLATE_NOOP("CompareExport", "%1 of %2 answers"));
  words.greedy = said(QT_TRANSLATE_NOOP("CompareExport", "greedy"));
  words.sampled = said(QT_TRANSLATE_NOOP("CompareExport", "sampled"));
  words.strength = said(QT_TRANSLATE_NOOP("CompareExport", "strength %1"));
  words.checkpoint = said(QT_TRANSLATE_NOOP("CompareExport", "whole checkpoint"));
  words.marks = said(QT_TRANSLATE_NOOP(
      "CompareExport", "words that differ from it are marked; hover a word for its probability"));
  words.tokens = said(QT_TRANSLATE_NOOP("CompareExport", "%1 tokens"));
  words.cut = said(QT_TRANSLATE_NOOP("CompareExport", "cut at the limit"));
  words.exact = said(QT_TRANSLATE_NOOP("CompareExport", "exact"));
  words.not_asked = said(QT_TRANSLATE_NOOP("CompareExport", "not asked"));
  words.of = said(QT_TRANSLATE_NOOP("CompareExport", "%1 of %2"));
  words.exact_match = said(QT_TRANSLATE_NOOP("CompareExport", "exact match"));
  words.token_f1 = said(QT_TRANSLATE_NOOP("CompareExport", "token F1"));
  words.chrf = said(QT_TRANSLATE_NOOP("CompareExport", "chrF"));
  words.json = said(QT_TRANSLATE_NOOP("CompareExport", "valid JSON"));
  words.box = said(QT_TRANSLATE_NOOP("CompareExport", "box overlap"));
  words.pattern = said(QT_TRANSLATE_NOOP("CompareExport", "pattern"));
  words.scored = said(QT_TRANSLATE_NOOP("CompareExport", "under every column, the answer of"));
  words.judged = said(QT_TRANSLATE_NOOP("CompareExport", "judged blind, 95 % interval"));
  words.reward = said(QT_TRANSLATE_NOOP("CompareExport", "reward"));
  words.win_rate = said(QT_TRANSLATE_NOOP("CompareExport", "win rate"));
  words.rewarded = said(QT_TRANSLATE_NOOP("CompareExport", "rewards by %1"));
  return words;
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// The two documents of a comparison: comparison.json for programs, and a page that needs nothing
// beside it. Both say what was compared and how it was asked, so that they can be read years later.
// No LibTorch.
#pragma once

#include <filesystem>
#include <string>

#include "engine/base/result.h"
#include "engine/compare/comparison.h"
#include "engine/io/json.h"

namespace luthier {

/// What the page says in words. English here; the window hands over its own language. %1 and %2 are
/// places.
struct ComparisonWords {
  std::string language = "en";
  std::string base = "base", sample = "sample", expected = "expected", reference = "reference";
  std::string title = "%1 beside %2";  ///< the columns' names, the base's name
  std::string samples = "samples: %1";
  std::string answered = "%1 of %2 answers";  ///< where not all are there
  std::string greedy = "greedy", sampled = "sampled";
  std::string strength = "strength %1";
  std::string checkpoint = "whole checkpoint";
  std::string marks = "words that differ from it are marked; hover a word for its probability";
  std::string tokens = "%1 tokens", cut = "cut at the limit";
  std::string exact = "exact", not_asked = "not asked";
  std::string of = "%1 of %2";  ///< a share, how many answers it is of
  std::string exact_match = "exact match", token_f1 = "token F1", chrf = "chrF";
  std::string json = "valid JSON", box = "box overlap", pattern = "pattern";
  std::string reward = "reward", win_rate = "win rate";      ///< where a reward model was asked
  std::string scored = "under every column, the answer of";  ///< whose it is comes behind it
  std::string judged = "judged blind, 95 % interval";
  std::string rewarded = "rewards by %1";  ///< its name
};

/// A score's key as people read it: "token_f1" as "token F1".
std::string score_name(const std::string& key, const ComparisonWords& words = {});

/// `folder`: where the document will lie; pictures' paths are relative to it. `inline_pictures`:
/// those that stand in their rows are written out, so that all can be read again.
Json to_json(const Comparison& comparison, const std::filesystem::path& folder,
             bool inline_pictures = false);
/// One page: pictures inside, differences to the reference column marked, each token's probability
/// on hover; nothing in it runs or loads.
std::string to_html(const Comparison& comparison, const ComparisonWords& words = {});

/// A line an answer (csv.cpp).
std::string to_csv(const Comparison& comparison);
Status write_comparison_csv(const Comparison& comparison, const std::filesystem::path& file);

/// Each document into a file, whole or not at all.
Status write_comparison_json(const Comparison& comparison, const std::filesystem::path& file,
                             bool inline_pictures = false);
Status write_comparison_html(const Comparison& comparison, const std::filesystem::path& file,
                             const ComparisonWords& words = {});
/// comparison.json, .html and .csv in `out`, which is made if need be.
Status write_comparison(const Comparison& comparison, const std::filesystem::path& out);

}  // namespace luthier

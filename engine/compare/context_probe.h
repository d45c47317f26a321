// SPDX-License-Identifier: GPL-3.0-or-later
// Where in a long text a model no longer finds what it is asked for: a pass key stands at a depth
// of a text of some length, and is asked for at its end (the pass-key task of Mohtashami & Jaggi
// 2023). Texts are made of the seed, the length, the depth and the number of the trial alone.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/compare/compare.h"
#include "engine/io/json.h"

namespace luthier {

struct ContextProbe {
  std::vector<std::int64_t> lengths;  ///< tokens of a prompt at most, with its template
  std::vector<double> depths{0, 0.25, 0.5, 0.75,
                             1};  ///< 0: at the beginning; 1: before the question
  std::int64_t trials = 5;        ///< texts for each length and depth
  std::uint64_t seed = 42;
  std::int64_t digits = 5;  ///< of a key
  std::string filler;       ///< what the text is made of, sentence by sentence; empty: our own
  std::int64_t new_tokens = 16;
};

/// A text with its key, as the model reads it.
struct ContextQuestion {
  Sample sample;  ///< with the key as the expected answer
  std::string key;
  std::int64_t tokens = 0;
};

struct ContextCell {
  std::int64_t length = 0;
  double depth = 0;
  std::int64_t asked = 0, right = 0;
  double tokens = 0;  ///< of its prompts, the mean
};

/// The question of one trial, as long as `length` allows. An Input error where that is too short
/// for key and question.
Result<ContextQuestion> context_question(const ChatProcessor& processor, const ContextProbe& probe,
                                         std::int64_t length, double depth, std::uint64_t trial);

/// Greedily, by `column` on `model`. A trial is right where the answer's digits are the key.
/// `progress(done, total)` counts trials; false ends it (Interrupted).
Result<std::vector<ContextCell>> probe_context(
    const LoadedModel& model, const ResidentColumn& column, const ContextProbe& probe,
    const std::function<bool(std::size_t, std::size_t)>& progress = {});

/// A line a length, a column a depth.
std::string context_table_text(const std::vector<ContextCell>& cells, const ContextProbe& probe);
Json to_json(const std::vector<ContextCell>& cells, const ContextProbe& probe);

}  // namespace luthier

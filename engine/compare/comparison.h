// SPDX-License-Identifier: GPL-3.0-or-later
// A comparison as plain data: what was asked, who answered what, how near it is to what was
// expected. The command line fills it in one go (compare.h), the window as its session's events
// come in; both write the same documents of it (documents.h). No LibTorch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "engine/compare/answer_scores.h"
#include "engine/compare/sample.h"
#include "engine/compare/votes.h"
#include "engine/generate/generation_types.h"
#include "engine/rewards/answer_measures.h"
#include "engine/vision/film_processor.h"

namespace luthier {

/// The name of the first column: no adapter and no other checkpoint can have it.
inline constexpr const char* kBaseColumn = "base";

struct ComparisonColumn {
  std::string name;         ///< "base", or as the user calls it
  std::string adapter;      ///< its folder; empty for the base
  std::uint64_t bytes = 0;  ///< of its weights: in files, the base's in memory
  bool whole = false;       ///< a whole checkpoint beside the base, not an adapter on it
  double strength = 1;      ///< of an adapter: 1 is as trained
  MediaLimits image = {};   ///< asked with these, where its processor says others
  bool router = false;      ///< each sample by the adapter that a router picks (its folder)

  bool is_base() const { return adapter.empty(); }
};

struct ComparisonAnswer {
  std::string text;
  std::vector<AnswerToken> tokens;
  double seconds = 0;                    ///< until its last token, among prompts of the same length
  std::string finish;                    ///< eos | length; empty: not asked, or not at its end yet
  std::map<std::string, double> scores;  ///< empty where nothing is expected and none was asked
  std::string by = {};                   ///< in a router's column the adapter that it picked,
  double sureness = 0;                   ///< and how sure it was, 0 to 1
  BleuCounts bleu = {};                  ///< of a scored answer: a column's BLEU is the corpus'

  /// Asked and answered to its end: only such an answer is scored, shown against others and
  /// written.
  bool whole() const { return !finish.empty(); }
  bool begun() const { return whole() || !tokens.empty(); }
  /// exp of the mean log-probability of its tokens.
  double confidence() const;
};

struct ComparisonRow {
  Sample sample;
  std::vector<ComparisonAnswer> answers;  ///< one a column
  /// Answers to it that every column was asked about, one an answerer.
  std::vector<ScoredAnswer> scored = {};
};

struct Comparison {
  std::filesystem::path model;
  std::filesystem::path reward_model = {};  ///< whose word stands in the scores; empty: none
  std::string device, dtype;                ///< as it was loaded; may be empty
  GenerationOptions options;
  std::size_t reference = 0;  ///< the column that the others are marked against
  std::vector<ComparisonColumn> columns;
  std::vector<ComparisonRow> rows;
  std::vector<Vote> votes = {};  ///< of a person who did not know whose answers they saw
  std::string pattern = {};      ///< answers are asked whether they match it; empty: none is
  bool stopped = false;          ///< somebody stopped it before all was answered

  std::size_t answered() const;  ///< answers at their end, of rows × columns
  std::size_t answered(std::size_t column) const;
};

/// The mean of one score over the answers of a column that have it; BLEU is that of all of them as
/// one corpus.
struct ColumnScore {
  double mean = 0;
  std::size_t of = 0;  ///< how many answers it is of
};

/// An answer at its end into its cell, with its scores.
void put_answer(ComparisonRow& row, std::size_t column, ComparisonAnswer answer);

/// Every column's win rate anew, where rewards stand (reward_scores.h): against the reference's
/// answer to the same sample.
void count_wins(Comparison& comparison);

/// By the score's key (exact, token_f1, chrf, json, reward, win_rate); empty where no answer of the
/// column was scored.
std::map<std::string, ColumnScore> column_scores(const Comparison& comparison, std::size_t column);

}  // namespace luthier

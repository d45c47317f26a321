// SPDX-License-Identifier: GPL-3.0-or-later
// Adapters side by side on one resident base: the same samples, the same settings, one column each, the base first. Plain data, its two
// documents (comparison.json and a page that needs nothing beside it), and the scores. No LibTorch header.
//   compare_adapters(base, {{"korean", "runs/korean/adapter"}}, samples, options, progress)   answers everything
//   write_comparison(comparison, "out")                                                       comparison.json and comparison.html in `out`
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/result.h"
#include "engine/data/conversation.h"
#include "engine/generate/generation_types.h"
#include "engine/io/json.h"

namespace luthier {

struct LoadedModel;

struct ComparisonSample {
  Conversation conversation;           ///< a trailing assistant turn is the expected answer
  std::string where;
  /// The trailing assistant turn's text.
  std::optional<std::string> expected() const;
};

struct ComparisonColumn {
  std::string name;                    ///< "base" or the adapter's name
  std::string adapter;                 ///< its folder; empty for the base
  std::uint64_t bytes = 0;             ///< of its weights' file; of the base: of its weights in memory
};

struct ComparisonAnswer {
  std::string text;
  std::vector<AnswerToken> tokens;
  double seconds = 0;                  ///< until its last token, in a batch of prompts of the same length
  std::string finish;
  std::map<std::string, double> scores;   ///< empty where nothing is expected
};

struct ComparisonRow {
  ComparisonSample sample;
  std::vector<ComparisonAnswer> answers;   ///< one a column
};

struct Comparison {
  std::filesystem::path model;
  GenerationOptions options;
  std::vector<ComparisonColumn> columns;
  std::vector<ComparisonRow> rows;
  std::vector<std::map<std::string, double>> scores;   ///< one a column: means over the rows with an expected answer
};

/// `progress(done, total)` counts answers; false cancels (an Interrupted error). Leaves the base without an adapter.
Result<Comparison> compare_adapters(LoadedModel& base, const std::vector<std::pair<std::string, std::filesystem::path>>& adapters,
                                    const std::vector<ComparisonSample>& samples, const GenerationOptions& options,
                                    const std::function<bool(std::size_t, std::size_t)>& progress = {});

/// Samples from a dataset file, or from a list of files; relative picture paths start at
/// `image_folder`, or beside each file.
Result<std::vector<ComparisonSample>> read_samples(const std::vector<std::filesystem::path>& files,
                                                   const std::filesystem::path& image_folder = {});

Json to_json(const Comparison& comparison);
/// One page: pictures inside, differences to the first column marked, each token's probability on hover; nothing in it runs or loads.
std::string to_html(const Comparison& comparison);
/// Writes both into `out` (made if need be), each whole or not at all.
Status write_comparison(const Comparison& comparison, const std::filesystem::path& out);

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// Data efficiency: one recipe on growing parts of its rows, from the base and from nothing, each
// point an ordinary run, and the score on the held-out rows against the rows learned from. A larger
// part holds the smaller ones, and every run takes the same steps, so that the rows are all that
// differs. From nothing means random weights that all train. Who trains is the host. No LibTorch
// header.
//   OUT/rows/64.jsonl   OUT/runs/base-64/   OUT/efficiency.json   OUT/efficiency.csv
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/config/recipe.h"
#include "engine/io/json.h"
#include "engine/train/run_result.h"

namespace luthier {

struct EfficiencyOptions {
  std::vector<std::int64_t> rows = {16, 64, 256};
  std::vector<std::string> from = {"base", "nothing"};
  std::int64_t steps = 0;           ///< of each run; 0: the recipe's max_steps
  double rate_from_nothing = 1e-3;  ///< learning rate of random weights
  std::size_t answers = 32;         ///< held-out rows that each run answers
  std::uint64_t seed = 1;           ///< of the choice of rows
};

struct EfficiencyPoint {
  std::string from;  ///< base | nothing
  std::int64_t rows = 0;
  std::string name;   ///< "base-64"
  std::string state;  ///< as run.json has it; empty: it has not started
  std::optional<double> eval_loss, best_eval_loss;  ///< at the end, and the lowest on the way
  std::map<std::string, double> scores;             ///< exact_match, token_f1, chrf, json_valid
  double seconds = 0;
  std::string error;
  /// Of the base's points: rows from nothing that come to the same best loss, read off between
  /// points; nullopt: more than there are.
  std::optional<double> rows_from_nothing;
};

struct EfficiencyHost {
  /// As train_headless: a recipe, the folder to go on in, how many held-out rows are answered.
  std::function<Result<RunResult>(const Recipe&, const std::optional<std::filesystem::path>&,
                                  std::size_t)>
      train;
  std::function<void(const std::string&)> tell = {};
  std::function<bool()> go_on = {};
};

/// Trains what lacks; efficiency.json and .csv are written after every run. Input errors: a recipe
/// without held-out rows or of a pack of 4 bits where nothing is to start from, more rows than
/// there are, a folder of other settings. A run that fails is told in its point.
Result<std::vector<EfficiencyPoint>> run_efficiency(const Recipe& recipe,
                                                    const std::filesystem::path& folder,
                                                    const EfficiencyOptions& options,
                                                    const EfficiencyHost& host);

/// So many of `count` rows by a key of seed and place: fewer are among more. Ascending.
std::vector<std::size_t> nested_rows(std::size_t count, std::size_t wanted, std::uint64_t seed);
/// Fills rows_from_nothing.
void compare_starts(std::vector<EfficiencyPoint>& points);

Json to_json(const std::vector<EfficiencyPoint>& points);

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// What scaling laws are fitted to: a loss that a model of so many weights had after so many tokens.
// Read from a table, JSON, or what a sweep wrote down.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"

namespace luthier {

struct LossPoint {
  double weights = 0, tokens = 0, loss = 0;
  std::string run;   ///< points of one name are one run's; empty: its size's
  bool last = true;  ///< a run's end, to which its schedule was made; else on the way there
  double flops() const { return 6 * weights * tokens; }
};

/// A table (CSV, TSV, Parquet), JSON lines, a JSON list, or an object that has the list under
/// `points`. Names of columns: weights (or N, params, parameters, model_size), tokens (or D),
/// loss (or L, eval_loss, final_loss), `flops` (or C) where one of the first two lacks, `run`,
/// `last`. Input errors say which row lacks what.
Result<std::vector<LossPoint>> read_loss_points(const std::filesystem::path& file);
Result<LossPoint> loss_point_from_json(const Json& row, const std::string& where);
Json to_json(const LossPoint& point);

}  // namespace luthier

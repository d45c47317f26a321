// SPDX-License-Identifier: GPL-3.0-or-later
// The table of every task after every task: what a run of stages, each of them a task, knows of all
// of its tasks before the first and after each, and what of it the literature on continual learning
// tells in a number (Lopez-Paz & Ranzato 2017; Chaudhry et al. 2018). task_table.json in the run's
// folder; a row is written once, when its stage has ended. No LibTorch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"

namespace luthier {

inline constexpr const char* kTaskTableFile = "task_table.json";
/// What a table has of every task; all else is a share from 0 to 1 ("exact_match").
inline constexpr const char* kTaskLoss = "loss";

/// One task as one result knows it.
struct TaskScore {
  std::int64_t rows = 0;                  ///< that the loss is of
  std::map<std::string, double> figures;  ///< "loss" where finite; of answers "exact_match", …
  bool operator==(const TaskScore&) const = default;
};

struct TaskTable {
  std::vector<std::string> tasks;  ///< the stages' names, in their order
  std::int64_t answers = 0;        ///< as it was asked for
  /// The first before any stage, the next after the first, …; each has a score for every task.
  std::vector<std::vector<TaskScore>> rows;

  bool whole() const { return rows.size() == tasks.size() + 1; }
  /// "exact_match", "loss", …: what every cell of the table has, in the order in which people are
  /// told of it.
  std::vector<std::string> figures() const;
  double at(std::size_t row, std::size_t task, const std::string& figure) const {
    return rows[row][task].figures.at(figure);
  }
};

/// Of the k tasks that are learned so far, R[i][j] a figure of task j after task i and R[0] the
/// base's. More is better but for `average` of the loss: of a loss the others are of its negative.
/// Empty where there are too few tasks.
struct ContinualMeasures {
  std::optional<double> average;            ///< ACC: mean of R[k][j], j ≤ k
  std::optional<double> backward_transfer;  ///< BWT: mean of R[k][j] − R[j][j], j < k
  std::optional<double> forward_transfer;   ///< FWT: mean of R[j−1][j] − R[0][j], 1 < j ≤ k
  /// F: mean of max over 1 ≤ l < k of R[l][j], less R[k][j], j < k. Below 0: nothing was forgotten.
  std::optional<double> forgetting;
};
ContinualMeasures continual_measures(const TaskTable& table, const std::string& figure);

Json to_json(const TaskTable& table);
/// What stands in `folder`; nullopt: there is none. An Input error names the field of one that
/// cannot be read.
Result<std::optional<TaskTable>> read_task_table(const std::filesystem::path& folder);
Status write_task_table(const TaskTable& table, const std::filesystem::path& folder);

/// Lines for a terminal: a block a figure, and its measures.
std::string task_table_text(const TaskTable& table);

}  // namespace luthier

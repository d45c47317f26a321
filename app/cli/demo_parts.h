// SPDX-License-Identifier: GPL-3.0-or-later
// What the demos have in common: a run with its steps told, the teaching model, its and its
// adapters' answers to held-out rows.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/result.h"
#include "engine/compare/comparison.h"
#include "engine/config/recipe.h"

namespace luthier {
struct LoadedModel;
}

namespace luthier::cli {

using DemoResults = std::vector<std::pair<std::string, std::filesystem::path>>;

class DemoClock {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

Status make_demo_folder(const std::filesystem::path& folder);
/// Runs the recipe, or goes on with a run that is there, and gives its result's folder: an adapter,
/// or under full tuning a checkpoint.
Result<std::filesystem::path> tune_for_demo(const std::string& title, const Recipe& recipe);
Result<std::shared_ptr<LoadedModel>> load_demo_base();
/// The first `rows` of the file (0: all), answered by base and results, and written to `folder`.
Result<Comparison> compare_for_demo(LoadedModel& base, const std::string& title,
                                    const std::filesystem::path& held_out,
                                    const DemoResults& results, std::size_t rows,
                                    const std::filesystem::path& folder);
/// The mean of a score of a column's answers; 0 where none has it.
double mean_score(const Comparison& comparison, std::size_t column, const char* score);

/// "91.2 %", of a share of 1.
std::string percent_text(double share);

/// The demo of runs of stages, into `out`.
Status demo_stages(const std::filesystem::path& out, std::size_t rows);
/// The demo of one objective, into `out`.
Status demo_objective(const std::filesystem::path& out, const std::string& name, std::size_t rows);
/// "dpo, kto, …"
std::string demo_objectives();

}  // namespace luthier::cli

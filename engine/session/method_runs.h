// SPDX-License-Identifier: GPL-3.0-or-later
// Short runs of several methods on the same rows, by which they are laid side by side: the recipe
// of one, and what it came to, read from its folder. Who launches them one after another is the
// host: the window's Methods page, or the command line. No LibTorch header.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/config/recipe.h"
#include "engine/forecast/method_table.h"
#include "engine/io/json.h"
#include "engine/runs/run_records.h"

namespace luthier {

/// Of the held-out rows so many are answered after a short run, where a person says nothing else.
inline constexpr std::size_t kHeldOutAnswers = 32;

/// A method whose run starts in `folder`.
struct PlannedRun {
  std::string method;
  bool four_bits = false;
  Recipe recipe;
};

/// The recipe under this method for so many steps: every step is logged, the held-out rows are
/// evaluated at the end, and no checkpoint is written on the way. `root` holds the runs, each in a
/// folder called by its method. Refuses (Input) what cannot be launched.
Result<PlannedRun> plan_short_run(const Recipe& base, const MethodChoice& choice,
                                  const std::vector<std::string>& settings, std::int64_t steps,
                                  const std::filesystem::path& root);
/// Those over a dense base first: the base is read anew where the next run wants it otherwise.
void order_runs(std::vector<PlannedRun>& runs);

/// What a run came to.
struct ShortRun {
  std::string method;
  bool four_bits = false;
  std::string state;           ///< as run.json has it; empty: it has not started
  std::optional<Error> error;  ///< why it failed
  std::int64_t steps = 0;
  // The first step warms up (kernels are chosen, pools are filled) and is left out of both.
  double step_seconds = 0;       ///< median
  double tokens_per_second = 0;  ///< tokens of all steps over their seconds
  std::optional<double> loss;    ///< of the last step
  std::optional<double> eval_loss;
  /// Of the answers to held-out rows, each from 0 to 1: exact_match, token_f1, chrf, json_valid
  /// (compare/held_out.h). Empty: none were asked.
  std::map<std::string, double> scores;
  std::int64_t answered = 0;     ///< rows that they are of
  std::int64_t peak_memory = 0;  ///< bytes
  std::int64_t file = 0;         ///< bytes of the tensors that it left behind

  /// exp of the held-out loss, which is a mean over tokens.
  std::optional<double> perplexity() const;
  std::optional<double> score(const std::string& name) const;
};

/// From the lines of a run that goes on, or has ended.
void measure(const std::vector<MetricsLine>& lines, ShortRun& run);
/// A run's folder: its lines, its state and its file.
ShortRun read_short_run(const PlannedRun& planned);

/// By how much the held-out loss of a run over a base of four bits lies above that of the same
/// method over the dense one; nullopt where there is no such pair.
std::optional<double> lost_by_packing(const std::vector<ShortRun>& runs, const ShortRun& packed);
/// The same of the share of exact answers, by how much it lies below; both of the same rows.
std::optional<double> exact_lost_by_packing(const std::vector<ShortRun>& runs,
                                            const ShortRun& packed);

Json to_json(const std::vector<ShortRun>& runs);

/// float32 | bfloat16: what the recipe's run would compute in.
Result<std::string> compute_type(const Recipe& recipe);

}  // namespace luthier

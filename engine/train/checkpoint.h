// SPDX-License-Identifier: GPL-3.0-or-later
// A training checkpoint: everything that the next step depends on and nothing else. `adapter/` (as
// PEFT writes it) or `trained.safetensors`, the same of a model that learns beside
// (`value_model/`), the optimizer's moments, what a method keeps from step to step
// (`method.safetensors`), the running statistics of batch norms that learn
// (`statistics.safetensors`), and a small state. The data's position and all random streams follow
// from the number of steps done.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/io/json.h"
#include "engine/models/tensor_file.h"
#include "engine/objectives/figures.h"
#include "engine/optim/optimizer.h"
#include "engine/runs/best_metric.h"
#include "engine/train/strategy.h"

namespace luthier {

/// What a fork's first checkpoint, which is another run's, has to begin anew (session/fork_run).
struct ForkStart {
  bool fresh_optimizer = false;  ///< weights alone: no moments, from step 0
  bool other_rows = false;       ///< the rows are to be looked at: their data may be other
};

struct TrainerState {
  std::int64_t step = 0;  ///< steps done
  std::int64_t total_steps = 0;
  std::int64_t tokens = 0;  ///< seen so far
  double logged_loss = 0;   ///< sums since the last line of metrics
  std::int64_t logged_steps = 0, logged_tokens = 0;
  double logged_seconds = 0;
  FigureSums logged_figures;
  bool unlogged = false;  ///< the evaluation and log of this step are still to be done
  double last_norm = 0, last_rate = 0;
  /// What was set by hand while running, by live_settings()' names: in force from then on.
  std::map<std::string, double> edited;
  std::optional<double> best_eval_loss;
  BestSoFar best;                          ///< by the recipe's measure
  std::map<std::string, double> probe;     ///< its figures before the first step
  Json objective = nullptr;                ///< what the objective carries from step to step
  std::vector<std::int64_t> skipped_rows;  ///< rows that were left out before the start, from 0
  std::vector<std::int64_t>
      broken_rows;  ///< rows that a step met with a broken picture, in that order: left out since
  std::optional<ForkStart> fork;  ///< in the checkpoint that a fork begins with, and in no other
};

Json to_json(const TrainerState& state);
Result<TrainerState> read_trainer_state(const std::filesystem::path& checkpoint);

/// Fills `folder` (a FolderWriter's).
Status write_checkpoint(const std::filesystem::path& folder, const TrainerState& state,
                        const Trainables& trainables,
                        const std::vector<TensorToMake>& optimizer_state,
                        const std::string& base_name);
/// A reference that moves (NamedTensors of what trains), into the checkpoint and back into its
/// tensors.
Status write_reference(const std::filesystem::path& folder, const NamedTensors& reference);
Status read_reference(const std::filesystem::path& folder, const NamedTensors& reference);
/// Weights back from a checkpoint, then what the optimizer and the method keep. An adapter's
/// tensors were read already (apply_strategy with its folder).
Status read_weights(const std::filesystem::path& folder, const Trainables& trainables);
/// `own`: which of the optimizer's tensors are taken; empty: all.
Status read_moments(const std::filesystem::path& folder, const Trainables& trainables,
                    Optimizer& optimizer, const std::function<bool(const std::string&)>& own = {});
/// Both in a run that is under way, whose adapters' tensors are read in their places.
Status go_back_to(const std::filesystem::path& folder, const Trainables& trainables,
                  Optimizer& optimizer);

}  // namespace luthier

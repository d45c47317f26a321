// SPDX-License-Identifier: GPL-3.0-or-later
// The steps of a run over a model that no folder holds: the engine's own strategy, objective,
// batches and optimizer, without files.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/device/exact_math.h"
#include "engine/optim/optimizers.h"
#include "engine/train/step_runner.h"

namespace luthier {

/// Defaults and, over them, these settings ("strategy=lora"). Its files are not there.
Result<Recipe> recipe_without_files(const std::vector<std::string>& settings);

class Tuning {
 public:
  static Result<std::unique_ptr<Tuning>> begin(LoadedModel base, const Recipe& recipe);

  /// Adds the gradients of these rows as they are: nothing is covered, cut out or answered first →
  /// the loss, a mean.
  double micro_batch(const MicroBatch& rows, std::uint64_t seed);
  /// Adds those of a window of micro-batches as a run does, which reads their losses and the
  /// gradients' norm at once at its end → its loss.
  Result<double> window(const std::vector<MicroBatch>& batches, std::uint64_t seed);
  /// Clipping and the optimizer's step, as a run has them → the gradients' norm: what the window
  /// told, or read now.
  double step(double rate);
  void clear_gradients();
  /// From here on windows are filled up as recordings ask for, and recorded where `records`. False:
  /// nobody records here, or not this.
  bool fill_up(bool records);
  /// How many recordings that has made.
  std::size_t recordings() const;
  /// Gives every tensor that an adapter trains the same drawn values on every device, rounded to
  /// `rounding`: those that begin at zero would hide the gradients of their neighbours.
  void draw_adapter(torch::ScalarType rounding);
  /// What plugs drop is dropped no more.
  void rest();

  LoadedModel& base() { return base_; }
  const Trainables& trainables() const { return trainables_; }
  const Optimizer& optimizer() const { return *optimizer_; }
  torch::Device device() const { return base_.model->device(); }

 private:
  explicit Tuning(LoadedModel base, Recipe recipe)
      : base_(std::move(base)), recipe_(std::move(recipe)), exact_(base_.model->device()) {}

  LoadedModel base_;
  Recipe recipe_;
  ExactMath exact_;
  Trainables trainables_;
  std::unique_ptr<Objective> objective_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<StepRunner> runner_;
  std::optional<double> norm_;  ///< of the gradients as they are, where a window told it
};

}  // namespace luthier

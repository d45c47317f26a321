// SPDX-License-Identifier: GPL-3.0-or-later
// One accumulation window through the model, and the evaluation: what a training step computes,
// without files, states or hosts. Also what "try one step" runs.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "engine/objectives/objective.h"
#include "engine/train/strategy.h"
#include "engine/train/window_source.h"

namespace luthier {

/// A stream's seed from the run's seed and a counter (SplitMix64): equal on a resume, different
/// everywhere else.
std::uint64_t stream_seed(std::uint64_t seed, std::uint64_t counter);

/// How many tokens of filler round a micro-batch of so many up on the CPU.
std::int64_t filler_tokens(std::int64_t tokens);

struct WindowOutcome {
  double loss = 0;                     ///< Σ −log p / labels of the window
  bool finite = true;                  ///< every micro-batch's loss
  bool abandoned = false;              ///< `go_on` said no; gradients are not those of a window
  std::vector<std::int64_t> suspects;  ///< rows of the micro-batch whose loss is not finite
};

class StepRunner {
 public:
  /// `cache` may be null; used while the tower is fixed.
  StepRunner(LoadedModel& base, const Objective& objective, const Trainables& trainables,
             std::shared_ptr<RowCache> cache)
      : base_(base), objective_(objective), trainables_(trainables), cache_(std::move(cache)) {}

  /// Adds the window's gradients. `first_batch` counts micro-batches from the run's start: it seeds
  /// dropout. `go_on` is asked before each micro-batch. LibTorch's exceptions (out of memory) pass
  /// through.
  WindowOutcome accumulate(const Window& window, std::uint64_t seed, std::int64_t first_batch,
                           const std::function<bool()>& go_on = {});
  /// Mean over rows of their batch's mean loss, as the reference trainer's eval_loss. NaN when no
  /// row has labels; interrupted when `go_on` says no. Where the reader says so, rows with broken
  /// pictures are left out and added to `broken`.
  Result<double> evaluate(const RowReader& reader, const std::vector<std::int64_t>& rows,
                          std::int64_t batch_size,
                          const std::function<bool(std::size_t, std::size_t)>& go_on = {},
                          std::vector<BrokenRow>* broken = nullptr);

 private:
  std::vector<torch::Tensor> tower_features(const MicroBatch& batch);
  ModelInput prepare(const MicroBatch& batch);

  LoadedModel& base_;
  const Objective& objective_;
  const Trainables& trainables_;
  std::shared_ptr<RowCache> cache_;
};

}  // namespace luthier

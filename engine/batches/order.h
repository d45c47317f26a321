// SPDX-License-Identifier: GPL-3.0-or-later
// Which row comes when, and how many steps there are: pure functions of the recipe, the number of
// rows and the step, equal to transformers' Trainer. A resume needs no other data position than the
// number of steps done.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/config/recipe.h"

namespace luthier {

/// Rows of one epoch (from 0) in the order they are visited: 0..rows-1, or a permutation drawn from
/// (seed + epoch).
std::vector<std::int64_t> epoch_order(std::int64_t rows, std::int64_t seed, std::int64_t epoch,
                                      bool shuffle);

/// How rows become micro-batches where several answers to each prompt are learned from: TRL's
/// generations (docs/decisions/0017). So many micro-batches' answers are drawn at once, and used so
/// many times.
struct GenerationPlan {
  std::int64_t samples = 0;     ///< of each prompt; 0: rows are micro-batches as they are
  std::int64_t batches = 1;     ///< micro-batches that a generation is cut into
  std::int64_t iterations = 1;  ///< times that they are all used
  bool given = false;           ///< its rows bring their answers along, in the order of use
  std::int64_t longest = 0;     ///< tokens of an answer that is drawn, at most
  std::int64_t drawn = 0;       ///< of the samples, those that are drawn together; 0: all
  std::int64_t caches = 1;      ///< that each of them is drawn with
  /// Samples of each prompt that are learned from, where a micro-batch's size counts prompts; 0: it
  /// counts samples.
  std::int64_t learned = 0;
  /// A step learns from one of so many equal parts of what its micro-batches would otherwise hold,
  /// all of which is a generation (PPO's mini-batches).
  std::int64_t parts = 1;
  bool reshuffles = false;  ///< each use has its samples in an order of its own

  explicit operator bool() const { return samples > 0; }
  /// Micro-batches from one generation to the next.
  std::int64_t every() const { return batches * iterations; }
  /// Of one generation.
  std::int64_t prompts(std::int64_t batch_size) const {
    return learned > 0 ? batches * batch_size : batches * batch_size / samples;
  }
  /// Whether no step is taken between its drawing and its last use.
  bool fits_into(std::int64_t accumulation) const { return accumulation % every() == 0; }
};
/// Rows of a micro-batch, and micro-batches of a step.
struct StepSize {
  std::int64_t batch_size = 1, accumulation = 1;
};
StepSize step_size(const TrainingSettings& training, const GenerationPlan& generations);
/// An Input error where a generation would not hold whole groups.
Status check_generations(const GenerationPlan& generations, const TrainingSettings& training);

/// The run's arithmetic. A step is one accumulation window; an epoch's last window holds what is
/// left.
struct StepPlan {
  std::int64_t rows = 0, batch_size = 1, accumulation = 1;
  std::int64_t batches_per_epoch = 0, steps_per_epoch = 0, total_steps = 0;
  GenerationPlan generations;  ///< an epoch's last rows that make no whole one have no part in it

  struct Window {
    std::int64_t epoch = 0, first_batch = 0,
                 batches = 0;  ///< batches count from 0 within the epoch
    double epoch_after = 0;    ///< as the log has it, after this step
  };
  /// The window of the step after `done` steps.
  Window window(std::int64_t done) const;
  /// Micro-batches before that step, over all epochs: what dropout streams count.
  std::int64_t batches_before(std::int64_t done) const;
  /// Whether the step after `done` steps begins with samples that an earlier one began with.
  bool goes_on(std::int64_t done) const {
    return generations && batches_before(done) % generations.every() != 0;
  }
};

/// A stream's seed from the run's seed and a counter (SplitMix64): equal on a resume, different
/// everywhere else.
std::uint64_t stream_seed(std::uint64_t seed, std::uint64_t counter);

/// Input error when there are no rows, or not enough for one generation.
Result<StepPlan> plan_steps(std::int64_t rows, const TrainingSettings& training,
                            const GenerationPlan& generations = {});

}  // namespace luthier

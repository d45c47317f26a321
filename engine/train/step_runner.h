// SPDX-License-Identifier: GPL-3.0-or-later
// One accumulation window through the model, and the evaluation: what a training step computes,
// without files, states or hosts. Also what "try one step" runs.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/batches/window_source.h"
#include "engine/objectives/objective.h"
#include "engine/ranks/ranks.h"
#include "engine/train/generations.h"
#include "engine/train/gradient_exchange.h"
#include "engine/train/recorded_steps.h"
#include "engine/train/shared_window.h"
#include "engine/train/strategy.h"

namespace luthier {

struct WindowOutcome {
  double loss = 0;                     ///< the window's, as the objective combines it
  FigureSums figures;                  ///< of its micro-batches
  std::vector<ToldNumbers> told;       ///< of which both are the sums
  double norm = 0;                     ///< of its gradients; 0 where a loss is not finite
  bool finite = true;                  ///< every micro-batch's loss
  bool abandoned = false;              ///< `go_on` said no; gradients are not those of a window
  bool stops = false;                  ///< abandoned because another rank was asked to end
  std::vector<std::int64_t> suspects;  ///< rows of the micro-batch whose loss is not finite
  std::int64_t tokens = 0;             ///< of all sequences, as they were read or drawn
};

/// Of an evaluation dataset.
struct EvaluationOutcome {
  double loss = 0;  ///< mean over rows of their batch's mean; NaN when no row has a term
  Figures figures;  ///< means over batches
};

struct Told;
class PointsWindow;

class StepRunner {
 public:
  /// `cache` may be null; used while the tower is fixed. `reference` may be null where the
  /// objective asks for none.
  StepRunner(LoadedModel& base, Objective& objective, const Trainables& trainables,
             std::shared_ptr<RowCache> cache, std::shared_ptr<Reference> reference = {})
      : objective_(objective),
        trainables_(trainables),
        cache_(cache),
        policy_(base, trainables.adapter, trainables.tower_fixed && !objective.reads_pixels(),
                std::move(cache), std::move(reference)),
        generations_(objective) {
    policy_.model().train();  // a step with a graph is one of training; no other is
    if (trainables.companion) trainables.companion->model().train();
  }

  /// Adds the window's gradients: in float32 where more than one micro-batch has some, else they
  /// are of their tensors' types. The window's rows may be used up. `first_batch` counts
  /// micro-batches from the run's start: it seeds dropout and what the objective draws. `go_on` is
  /// asked before each micro-batch. LibTorch's exceptions (out of memory) pass through.
  Result<WindowOutcome> accumulate(Window& window, std::uint64_t seed, std::int64_t first_batch,
                                   const std::function<bool()>& go_on = {});
  /// Keeps what a fixed tower gives for the window's pictures, as accumulate() does, and no more of
  /// it. There must be a cache.
  void keep_features(Window& window);
  /// As the reference trainer's eval_loss; interrupted when `go_on` says no. Where the reader says
  /// so, rows with broken pictures are left out and added to `broken`.
  Result<EvaluationOutcome> evaluate(
      const RowReader& reader, const std::vector<std::int64_t>& rows, std::int64_t batch_size,
      std::uint64_t seed, const std::function<bool(std::size_t, std::size_t)>& go_on = {},
      std::vector<BrokenRow>* broken = nullptr);

  /// From here on a window's micro-batches are those of all ranks, of which this one goes through
  /// every size()th; each is told what the others found, so that outcome and gradients are those of
  /// one process that goes through all of them, to the bit. The same of an evaluation.
  /// `shards`: each rank keeps the optimizer's state of what it owns alone (GradientExchange).
  void share(std::shared_ptr<Ranks> ranks, bool shards);
  /// Sharded, after the optimizer's step: what each rank has moved, on all. Without it nothing
  /// happens. After an error the weights are of two steps.
  Status spread_weights() const;
  /// In place of accumulate(), where this rank's part of the window could not be read: the others
  /// are told why. `error` comes back.
  Error cannot_take_part(const Error& error);

  /// From here on accumulate() leaves the window its rows.
  void keep_rows() { keeps_rows_ = true; }

  Policy& policy() { return policy_; }
  /// Of an objective that learns from several answers to a prompt.
  Generations& generations() { return generations_; }
  /// From here on micro-batches are filled up as recordings ask for, at most so many a window, and,
  /// with `records`, recorded. can_record() was asked.
  void fill_up(std::int64_t most, bool records) {
    recorded_ = std::make_unique<RecordedSteps>(policy_, objective_, trainables_, most, records);
  }
  /// Null: nobody has asked for it.
  const RecordedSteps* recorded() const { return recorded_.get(); }

 private:
  /// The window's rows as they go through the model at once.
  std::vector<MicroBatch>& as_they_go(Window& window) const;
  std::vector<std::int64_t> counts(const std::vector<MicroBatch>& batches) const;
  /// What each micro-batch's sum is divided by, from what it counts; 0 where it takes no part.
  std::vector<double> divisors(const std::vector<std::int64_t>& counts) const;
  /// Which part each row of a micro-batch goes with; empty: it goes as a whole.
  std::vector<std::size_t> parts(const MicroBatch& batch);
  /// What the method adds to the loss (AdapterCourse), as often as micro-batches take part or,
  /// where their means are averaged, once; with its gradients. Undefined: nothing.
  torch::Tensor method_term(const std::vector<double>& divided_by);
  /// accumulate() with other ranks, and what they tell one another on the way.
  Result<WindowOutcome> accumulate_shared(Window& window, std::uint64_t seed,
                                          std::int64_t first_batch,
                                          const std::function<bool()>& go_on);
  Result<WindowShare> shared_facts(const WindowShare& mine);
  /// WindowRule::Points: every rank's, each looked at by its own.
  Status points_of_all(const std::vector<MicroBatch>& batches,
                       const std::function<std::uint64_t(std::size_t)>& seed_of,
                       PointsWindow& points);
  Result<std::vector<MicroShare>> micro_of_all(const MicroShare& mine);
  /// Of this rank's batches those of all.
  Status evaluated_by_all(const Status& mine, std::vector<EvaluatedBatch>& batches);
  /// Forward and backward of a micro-batch as a whole; what it tells, unless it is read now.
  std::optional<Told> forward_backward(const MicroBatch& rows, double divisor,
                                       std::int64_t taking_part, bool read_now,
                                       WindowOutcome& outcome);
  Result<EvaluatedBatch> evaluate_batch(const RowReader& reader, std::span<const std::int64_t> rows,
                                        std::uint64_t seed);
  /// Forward and backward of a micro-batch's parts side by side, as accumulate's of a whole one.
  void in_parts(MicroBatch& batch, const std::vector<std::size_t>& part_of, double divisor,
                WindowOutcome& outcome);

  Objective& objective_;
  const Trainables& trainables_;
  std::shared_ptr<RowCache> cache_;
  Policy policy_;
  Generations generations_;
  std::unique_ptr<RecordedSteps> recorded_;
  bool keeps_rows_ = false;
  std::shared_ptr<Ranks> ranks_;
  std::unique_ptr<GradientExchange> exchange_;  ///< null: nothing is shared
  WindowPart part_;
};

}  // namespace luthier

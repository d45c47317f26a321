// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/train/step_move.h"

#include <cmath>

#include "engine/optim/gradients.h"

namespace luthier {

namespace {

/// As TRL's SyncRefModelCallback, of what trains: the rest is equal in both.
void move_reference(RunParts& run) {
  const ReferenceMoves moves = run.objective->reference_moves();
  if (moves.every == 0 || run.state.step % moves.every != 0) return;
  const torch::NoGradGuard no_grad;
  for (std::size_t i = 0; i < run.moving_reference.size(); ++i) {
    torch::Tensor& reference = run.moving_reference[i].second;
    reference.mul_(1 - moves.share).add_(run.trainables.tensors[i].tensor, moves.share);
  }
}

}  // namespace

Result<StepMoved> move_by(RunParts& run, const WindowOutcome& outcome, double rate,
                          double max_norm) {
  StepMoved moved;
  moved.finite = outcome.finite && std::isfinite(outcome.norm);
  moved.gradients = run.optimizer->gradient_bytes();
  if (moved.finite) {
    clip_gradients(run.trainables.tensors, outcome.norm, max_norm);
    run.optimizer->step(rate);
    LUTHIER_CHECK(run.runner->spread_weights());
    if (AdapterCourse* course = run.trainables.adapter ? run.trainables.adapter->course() : nullptr)
      course->after_step(run.state.step);
  }
  moved.measured = memory_use(run.device);
  run.optimizer->clear_gradients();
  ++run.state.step;
  move_reference(run);
  return moved;
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// What micro-batches tell of themselves: their shares of the window's loss and their figures, on
// their way from where they were computed into the outcome.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/train/step_runner.h"

namespace luthier {

/// A micro-batch's share of the loss and its figures, where they were computed.
struct Told {
  const MicroBatch* rows = nullptr;
  torch::Tensor share;  ///< undefined: it stands among those of recorded steps
  std::map<std::string, torch::Tensor> figures;
};

/// Puts them into the outcome, up to the first loss that is not finite. With shares that stand,
/// and gradients to look at, those and the gradients' norm too, in the same read → whether there
/// was something to read.
bool take_told(const std::vector<Told>& all, const torch::Tensor& standing,
               const torch::Tensor& norm, WindowOutcome& outcome);

}  // namespace luthier

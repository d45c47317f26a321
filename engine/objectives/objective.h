// SPDX-License-Identifier: GPL-3.0-or-later
// The loss of a batch. One file an objective and one row of the table; sft is the first.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/models/vlm.h"

namespace luthier {

/// Sum over labels of −log p and how many there were; the trainer divides by the count of the whole
/// accumulation window.
struct LossSum {
  torch::Tensor sum;  ///< scalar float32, with a graph when gradients are on
  std::int64_t count = 0;
};

/// −log softmax(hidden Wᵀ + b)[target], summed. hidden [n, hidden], target [n] int64. The
/// vocabulary's logits exist for a chunk of rows at a time, forward and backward, never whole.
torch::Tensor chunked_cross_entropy(const torch::Tensor& hidden, const Linear& head,
                                    const torch::Tensor& target);

/// Token-level cross-entropy after the shift, at labelled positions only (supervised fine-tuning).
LossSum sft_loss(VisionLanguageModel& model, const ModelInput& input);

struct Objective {
  const char* name;
  LossSum (*loss)(VisionLanguageModel& model, const ModelInput& input);
};
const std::vector<Objective>& objectives();

}  // namespace luthier

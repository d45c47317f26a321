// SPDX-License-Identifier: GPL-3.0-or-later
// Cross-entropy against smoothed labels (Szegedy et al. 2016; label_smoothing of PyTorch's
// CrossEntropyLoss), whose logits exist for a chunk of rows at a time.
#pragma once

#include "engine/objectives/head_loss.h"

namespace luthier {

/// Σ (1 − smoothing)·(−log p[target]) + smoothing·mean(−log p) of p = softmax(hidden Wᵀ + b), the
/// mean over the whole vocabulary. hidden [n, hidden], target [n] int64 → [] float32. `smoothing`
/// is from 0 to 1. `shares` [n] float32 of 1 and 0, or undefined: rows of a 0 have no part in it.
torch::Tensor smoothed_cross_entropy(const torch::Tensor& hidden, const Linear& head,
                                     const torch::Tensor& target, double smoothing,
                                     const torch::Tensor& shares = {});

}  // namespace luthier

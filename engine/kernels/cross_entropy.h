// SPDX-License-Identifier: GPL-3.0-or-later
// Cross-entropy over rows of logits, the gradient in their place. Nothing is returned where no
// kernel runs.
#pragma once

#include <optional>

#include "engine/device/torch.h"

namespace luthier::kernels {

/// −log softmax(logits)[target] of each row, [rows] float32. logits [rows, vocabulary] in one
/// piece; target [rows] int64, a negative one (−100) counts nothing. Where `writes`, the logits
/// become (softmax − onehot) · factor; where nothing is returned they are as they were.
std::optional<torch::Tensor> cross_entropy_(const torch::Tensor& logits,
                                            const torch::Tensor& target, bool writes,
                                            double factor = 1);

}  // namespace luthier::kernels

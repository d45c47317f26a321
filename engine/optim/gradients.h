// SPDX-License-Identifier: GPL-3.0-or-later
// The norm of a step's gradients and their clipping, as torch.nn.utils.clip_grad_norm_ has them.
#pragma once

#include <vector>

#include "engine/optim/optimizer.h"

namespace luthier {

/// The 2-norm of all gradients together: the norm of the tensors' float32 norms. [], where they
/// are, so that it is read with other numbers; undefined where there are none.
torch::Tensor gradient_norm_there(const std::vector<TrainedTensor>& tensors);
/// The same on the host; 0 where there are none.
double gradient_norm(const std::vector<TrainedTensor>& tensors);
/// Multiplies every gradient with min(1, max_norm / (norm + 1e-6)); nothing when max_norm <= 0.
void clip_gradients(const std::vector<TrainedTensor>& tensors, double norm, double max_norm);

}  // namespace luthier

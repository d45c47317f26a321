// SPDX-License-Identifier: GPL-3.0-or-later
// What happens to gradients between the backward and the optimizer: how those of several
// micro-batches are added, their norm, and their clipping as torch.nn.utils.clip_grad_norm_ has it.
#pragma once

#include <vector>

#include "engine/optim/optimizer.h"

namespace luthier {

/// Makes gradients that are narrower than float32 float32, one tensor after another: autograd adds
/// into the gradient that stands, in its type, so what comes afterwards is added in float32. Called
/// after the backward of a micro-batch that is not a window's last. Added in bfloat16, a sum of
/// many would stand still as bfloat16 weights do; the reference (Trainer's bf16: true over a model
/// that was loaded in float32) has float32 gradients. Of one micro-batch bfloat16 holds all that
/// its backward says.
void widen_gradients(const std::vector<TrainedTensor>& tensors);

/// The 2-norm of all gradients together: the norm of the tensors' float32 norms. [], where they
/// are, so that it is read with other numbers; undefined where there are none.
torch::Tensor gradient_norm_there(const std::vector<TrainedTensor>& tensors);
/// The same on the host; 0 where there are none.
double gradient_norm(const std::vector<TrainedTensor>& tensors);
/// Multiplies every gradient with min(1, max_norm / (norm + 1e-6)); nothing when max_norm <= 0.
void clip_gradients(const std::vector<TrainedTensor>& tensors, double norm, double max_norm);

}  // namespace luthier

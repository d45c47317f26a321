// SPDX-License-Identifier: GPL-3.0-or-later
// LayerNorm, ATen's but for one thing: on the CPU ATen adds up the gradients of its weight and bias
// row after row in the tensor's own type. In bfloat16 such a sum stands still once it is 256 times
// as large as what is added: of 2,048 rows whose gradients have a mean, half is lost. Here they are
// added up in float32 and rounded once, as under autocast, which makes LayerNorm in float32.
#pragma once

#include "engine/device/torch.h"

namespace luthier {

/// x [..., n] → [..., n]; weight and bias [n]; an undefined bias: none.
torch::Tensor layer_norm(const torch::Tensor& x, const torch::Tensor& weight,
                         const torch::Tensor& bias, double epsilon);

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// Matrix products of the layers. float32 products on the CPU go through oneDNN's kernels, which
// LibTorch carries but uses for narrower types only: they reach AVX-512 on every maker's
// processors, where MKL's reach AVX2 on some (measured: 2.3 x on one with AVX-512 that is not
// Intel's).
#pragma once

#include "engine/device/torch.h"

namespace luthier {

/// a [n, k] · b [k, m] → [n, m], outside autograd. Views of any stride are fine.
torch::Tensor matrix_product(const torch::Tensor& a, const torch::Tensor& b);

/// x [..., in] · weightᵀ + bias → [..., out], weight [out, in], bias [out] or undefined;
/// differentiable. Keeps x for the backward only where the weight is trained.
torch::Tensor linear_product(const torch::Tensor& x, const torch::Tensor& weight,
                             const torch::Tensor& bias);

}  // namespace luthier

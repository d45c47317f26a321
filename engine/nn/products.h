// SPDX-License-Identifier: GPL-3.0-or-later
// Matrix products of the layers. float32 products on the CPU are made by what is fastest on this
// processor (device/product_library.h); LibTorch itself would take MKL always.
#pragma once

#include "engine/device/torch.h"

namespace luthier {

/// a [n, k] · b [k, m] → [n, m], outside autograd. Views of any stride are fine.
torch::Tensor matrix_product(const torch::Tensor& a, const torch::Tensor& b);
/// The same, all of it so many times.
torch::Tensor matrix_product(const torch::Tensor& a, const torch::Tensor& b, double scale);
/// Adds a · b to `sum` [n, m], outside autograd.
void add_product(torch::Tensor& sum, const torch::Tensor& a, const torch::Tensor& b);
/// `sum` [n, m], whose rows may lie apart, becomes a · b, all of it so many times; outside
/// autograd.
void put_product(torch::Tensor sum, const torch::Tensor& a, const torch::Tensor& b, double scale);
/// a · b in `type`, outside autograd. Of narrower a and b as float32 a device makes it in one
/// launch and unrounded, where LibTorch has such a product for it; elsewhere it is cast.
torch::Tensor product_as(const torch::Tensor& a, const torch::Tensor& b, torch::ScalarType type);

/// x [..., in] · weightᵀ + bias → [..., out], weight [out, in], bias [out] or undefined;
/// differentiable. Keeps x for the backward only where the weight is trained.
torch::Tensor linear_product(const torch::Tensor& x, const torch::Tensor& weight,
                             const torch::Tensor& bias);

}  // namespace luthier

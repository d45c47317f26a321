// SPDX-License-Identifier: GPL-3.0-or-later
// A table of positions stretched to another size. ATen's bicubic interpolation has no backward on
// CUDA that adds in one order (it is refused while device/exact_math.h holds), so where a gradient
// goes through it there the same numbers come from two products: interpolation along one side is a
// matrix.
#pragma once

#include <cstdint>

#include "engine/device/torch.h"

namespace luthier {

/// x [batch, channels, height, width] → [batch, channels, rows, columns], as upsample_bicubic2d
/// with align_corners off.
torch::Tensor stretch_bicubic(const torch::Tensor& x, std::int64_t rows, std::int64_t columns);
/// The same by products, on any device; equal to rounding.
torch::Tensor stretch_bicubic_by_products(const torch::Tensor& x, std::int64_t rows,
                                          std::int64_t columns);

}  // namespace luthier

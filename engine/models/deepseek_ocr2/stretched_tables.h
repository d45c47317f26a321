// SPDX-License-Identifier: GPL-3.0-or-later
// SAM's tables of positions and of distances, for frames of another size than they were made for.
// As nn/bicubic: where a gradient goes through it on a device, whose own backward does not add in
// one order, the same numbers come from products.
#pragma once

#include "engine/device/torch.h"

namespace luthier {

/// table [1, rows, columns, width] → [1, side, side, width], by cubic curves in float32 that see
/// more of the table where it shrinks.
torch::Tensor stretched_positions(const torch::Tensor& table, std::int64_t side);
/// table [2 · of − 1, width], by distance → [side, side, width]: what of it each place (the
/// query's, then the key's) along a side takes; stretched along straight lines where it is of
/// another length.
torch::Tensor distances_between(const torch::Tensor& table, std::int64_t side);

// The same by products, on any device; equal to rounding.
torch::Tensor stretched_positions_by_products(const torch::Tensor& table, std::int64_t side);
torch::Tensor stretched_distances_by_product(const torch::Tensor& table, std::int64_t count);

}  // namespace luthier

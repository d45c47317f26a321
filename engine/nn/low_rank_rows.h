// SPDX-License-Identifier: GPL-3.0-or-later
// What low-rank plugs add to one product's rows, each plug to rows of its own: several adapters on
// one batch. Outside autograd.
#pragma once

#include <vector>

#include "engine/nn/side_by_side.h"

namespace luthier {

/// Rows `begin` … of a product, and what is added to them.
struct LowRankRows {
  std::int64_t begin = 0, count = 0;
  LowRank low;
};

/// Adds to y [n, out] what each plug makes of its rows of x [n, in].
void add_low_rank(const torch::Tensor& y, const torch::Tensor& x,
                  const std::vector<LowRankRows>& plugs);

}  // namespace luthier

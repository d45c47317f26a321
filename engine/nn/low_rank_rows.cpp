// SPDX-License-Identifier: GPL-3.0-or-later
// Of few rows, as decoding has them, the plugs go to the threads one by one: their products are so
// small that a library's call, let alone a thread for each, takes longer than the arithmetic.
#include "engine/nn/low_rank_rows.h"

#include <algorithm>

#include "engine/device/few_rows.h"
#include "engine/device/parallel.h"
#include "engine/device/product_library.h"
#include "engine/nn/low_rank_loops.h"
#include "engine/nn/products.h"

namespace luthier {

namespace {

using torch::Tensor;

/// Multiplications that are worth a thread.
constexpr std::int64_t kWorthThread = 1 << 18;

bool lies_in_rows(const Tensor& x) {
  return x.is_cpu() && x.scalar_type() == torch::kFloat32 && x.stride(1) == 1;
}

/// Whether the products of all of them are made as their matrices lie.
bool go_as_they_lie(const Tensor& y, const Tensor& x, const std::vector<LowRankRows>& plugs) {
  if (!lies_in_rows(y) || !lies_in_rows(x)) return false;
  return std::all_of(plugs.begin(), plugs.end(), [&](const LowRankRows& each) {
    const Tensor &a = each.low.near_a, &b = each.low.near_b;
    return lies_in_rows(a) && lies_in_rows(b) &&
           product_library(x.size(0), a.size(1), b.size(0), /*as_it_lies=*/true) ==
               ProductLibrary::FewRows;
  });
}

void add_as_they_lie(const Tensor& y, const Tensor& x, const std::vector<LowRankRows>& plugs) {
  std::int64_t widest = 0, ranks = 0;
  for (const LowRankRows& each : plugs) {
    widest = std::max(widest, each.count);
    ranks = std::max(ranks, each.low.near_a.size(0));
  }
  const std::int64_t work = std::max<std::int64_t>(1, widest * ranks * (x.size(1) + y.size(1))),
                     grain = std::max<std::int64_t>(1, kWorthThread / work);
  for_pieces(0, std::ssize(plugs), grain, [&](std::int64_t first, std::int64_t end) {
    std::vector<float> inner(static_cast<std::size_t>(widest * ranks));
    for (std::int64_t i = first; i < end; ++i) {
      const LowRankRows& each = plugs[static_cast<std::size_t>(i)];
      const Tensor &a = each.low.near_a, &b = each.low.near_b;
      few_rows::Product narrow{};
      narrow.x = x.const_data_ptr<float>() + each.begin * x.stride(0);
      narrow.weight = a.const_data_ptr<float>();
      narrow.result = inner.data();
      narrow.x_stride = x.stride(0), narrow.weight_stride = a.stride(0);
      narrow.result_stride = a.size(0);
      narrow.rows = each.count, narrow.in = a.size(1), narrow.out = a.size(0);
      narrow.scale = static_cast<float>(each.low.scale);
      few_rows::product(narrow);
      few_rows::Product wide{};
      wide.x = inner.data(), wide.weight = b.const_data_ptr<float>();
      wide.result = y.mutable_data_ptr<float>() + each.begin * y.stride(0);
      wide.x_stride = a.size(0), wide.weight_stride = b.stride(0);
      wide.result_stride = y.stride(0);
      wide.rows = each.count, wide.in = b.size(1), wide.out = b.size(0);
      wide.scale = 1, wide.adds = true;
      few_rows::product(wide);
    }
  });
}

void add_one(const Tensor& y, const Tensor& x, const LowRank& low) {
  if (lies_in_rows(y) && low_rank::suits(x, low.near_a, low.near_b)) {
    low_rank::add_outer(y, low_rank::inner_of(x, low.near_a, low.scale, /*dropout=*/0, MaskSeed()),
                        low.near_b);
    return;
  }
  const Tensor inner = matrix_product(x, low.near_a.t(), low.scale);  // [rows, r]
  y.addmm_(inner, low.near_b.t());
}

}  // namespace

void add_low_rank(const Tensor& y, const Tensor& x, const std::vector<LowRankRows>& plugs) {
  if (go_as_they_lie(y, x, plugs)) {
    add_as_they_lie(y, x, plugs);
  } else {
    for (const LowRankRows& each : plugs)
      add_one(y.narrow(0, each.begin, each.count), x.narrow(0, each.begin, each.count), each.low);
  }
  for (const LowRankRows& each : plugs)
    if (each.low.bias.defined()) y.narrow(0, each.begin, each.count).add_(each.low.bias);
}

}  // namespace luthier

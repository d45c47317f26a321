// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/kinds/turned_linear.h"

#include <algorithm>

#include "engine/nn/products.h"

namespace luthier {

using torch::Tensor;

TurnedLinear::TurnedLinear(std::vector<Tensor> trained, MadeFromInput turn, Tensor scale)
    : trained_(std::move(trained)), turn_(std::move(turn)), scale_(std::move(scale)) {}

namespace {

/// `by` at a strength: 1 as it is, 0 a one.
Tensor nearer_to_one(const Tensor& by, double strength) {
  return strength == 1 ? by : (by - 1) * strength + 1;
}

}  // namespace

Tensor TurnedLinear::forward(const Tensor& x, const LinearImpl& linear) const {
  if (strength == 0) return linear.product(x);
  Tensor turned = made_from_input(x, trained_, turn_now());  // [..., in]
  if (strength != 1) turned = x + (turned - x) * strength;
  if (!scale_.defined()) return linear.product(turned);
  const Tensor plain = linear.weight.product(turned, {});  // [..., out]
  const Tensor scale = nearer_to_one(scale_, strength).flatten().to(plain.scalar_type());
  return linear.bias.defined() ? at::addcmul(linear.bias, plain, scale) : plain * scale;
}

void TurnedLinear::merge_into(LinearImpl& linear) const {
  constexpr std::int64_t kRows = 1024;                         // of the turning matrix at a time
  const Tensor weight = linear.weight.dense(torch::kFloat32);  // [out, in]
  const std::int64_t in = weight.size(1);
  Tensor merged = torch::empty_like(weight);
  for (std::int64_t begin = 0; begin < in; begin += kRows) {
    const std::int64_t end = std::min(in, begin + kRows);
    Tensor unit = torch::zeros({end - begin, in}, weight.options());
    unit.slice(1, begin, end).fill_diagonal_(1);
    Tensor turned = turn_(unit, trained_);  // [rows, in]: what becomes of each number of x
    if (strength != 1) turned = unit + (turned - unit) * strength;
    merged.slice(1, begin, end).copy_(matrix_product(weight, turned.t()));
  }
  if (scale_.defined()) merged.mul_(nearer_to_one(scale_, strength).reshape({-1, 1}));
  linear.weight.assign(merged);
}

Tensor cayley_less_one(const Tensor& skew) {
  const Tensor one = torch::eye(skew.size(-1), skew.options().requires_grad(false));
  return at::linalg_solve(one + skew, one - skew, /*left=*/false) - one;
}

}  // namespace luthier

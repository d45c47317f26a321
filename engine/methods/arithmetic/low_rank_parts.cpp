// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/arithmetic/low_rank_parts.h"

#include <algorithm>

namespace luthier {

using torch::Tensor;

namespace {

struct Factored {
  Tensor left, right, core;  // left [out, m], right [in, n], core [m, n]: left · core · rightᵀ
};

Factored factored(const Tensor& b, const Tensor& a) {
  const auto [left, upper] = at::linalg_qr(b.to(torch::kFloat64));
  const auto [right, lower] = at::linalg_qr(a.to(torch::kFloat64).t());
  return {left, right, upper.mm(lower.t())};
}

}  // namespace

SingularParts singular_parts(const Tensor& b, const Tensor& a) {
  const Factored parts = factored(b, a);
  const auto [u, values, vh] = at::linalg_svd(parts.core, /*full_matrices=*/false);
  return {parts.left.mm(u), values, vh.mm(parts.right.t())};
}

Tensor singular_values(const Tensor& b, const Tensor& a) {
  return at::linalg_svdvals(factored(b, a).core);
}

LowRankPair leading_pair(const SingularParts& parts, std::int64_t rank) {
  const std::int64_t count = std::min(rank, parts.values.size(0));
  LowRankPair pair{at::zeros({rank, parts.vh.size(1)}, torch::kFloat32),
                   at::zeros({parts.u.size(0), rank}, torch::kFloat32)};
  pair.a.narrow(0, 0, count).copy_(parts.vh.narrow(0, 0, count));
  pair.b.narrow(1, 0, count)
      .copy_(parts.u.narrow(1, 0, count) * parts.values.narrow(0, 0, count));
  return pair;
}

LowRankPair leading_pair(const Tensor& whole, std::int64_t rank) {
  const auto [u, values, vh] = at::linalg_svd(whole, /*full_matrices=*/false);
  return leading_pair(SingularParts{u, values, vh}, rank);
}

}  // namespace luthier

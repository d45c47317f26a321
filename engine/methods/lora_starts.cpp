// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/lora_starts.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <tuple>

#include "engine/base/random_stream.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr std::string_view kRounds = "pissa_niter_";

struct Singular {
  Tensor u, s, v;  // [rows, r], [r], [r, columns]
};

Tensor orthonormal(const Tensor& columns) { return std::get<0>(at::linalg_qr(columns, "reduced")); }

/// The largest singular values, nearly (Halko et al. 2009, algorithm 4.4): a drawn subspace, turned
/// towards them in each round.
Singular nearly_largest(const Tensor& weight, std::int64_t rank, int rounds, std::uint64_t seed) {
  const bool wide = weight.size(0) < weight.size(1);
  const Tensor tall = wide ? weight.t() : weight;
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  const Tensor drawn = at::empty({tall.size(1), rank}, weight.options()).normal_(0, 1, generator);
  Tensor basis = orthonormal(at::mm(tall, drawn));
  for (int i = 0; i < rounds; ++i)
    basis = orthonormal(at::mm(tall, orthonormal(at::mm(tall.t(), basis))));
  const auto [u, s, v] = at::linalg_svd(at::mm(basis.t(), tall), /*full_matrices=*/false);
  const Tensor left = at::mm(basis, u);
  return wide ? Singular{v.t(), s, left.t()} : Singular{left, s, v};
}

Singular largest(const Tensor& weight, std::int64_t rank) {
  const auto [u, s, v] = at::linalg_svd(weight, /*full_matrices=*/false);
  return {u.slice(1, 0, rank), s.slice(0, 0, rank), v.slice(0, 0, rank)};
}

}  // namespace

Status check_start(const std::string& start, const std::string& module, std::int64_t rank,
                   std::int64_t rows, std::int64_t columns) {
  if (start == "orthogonal" && rank % 2 != 0) {
    return input_error("The rank of " + module + " is " + std::to_string(rank) +
                           ", and an orthogonal start needs an even one.",
                       "adapter.r", "Give it an even rank, or start otherwise.");
  }
  const std::int64_t most = std::min(rows, columns);
  if (starts_from_weight(start) && rank > most) {
    return input_error(
        "The rank of " + module + " is " + std::to_string(rank) + ", and " + start +
            " takes at most the smaller side of its weight, " + std::to_string(most) + ".",
        "adapter.r", "Give it less (adapter.rank_pattern), or leave the module out.");
  }
  return {};
}

std::uint64_t start_seed(const std::string& module) {
  std::uint64_t seed = 0;
  for (const char letter : module)
    seed = mixed_bits(seed + kGoldenStep * (static_cast<unsigned char>(letter) + 1u));
  return seed;
}

LoraVariant::Taken taken_from(const Weight& weight, const std::string& start, std::int64_t rank,
                              double scale, std::uint64_t seed) {
  const torch::NoGradGuard no_grad;
  const Tensor dense = weight.dense(torch::kFloat32).detach().to(torch::kCPU);
  if (start == "olora") {
    const auto [q, r] = at::linalg_qr(dense, "reduced");
    return {r.slice(0, 0, rank).contiguous(), q.slice(1, 0, rank).contiguous()};
  }
  const Singular part =
      start.starts_with(kRounds)
          ? nearly_largest(dense, rank, std::atoi(start.c_str() + kRounds.size()), seed)
          : largest(dense, rank);
  const Tensor root = (part.s / scale).sqrt();  // [r]
  return {(part.v * root.unsqueeze(1)).contiguous(), (part.u * root).contiguous()};
}

Tensor smallest_directions(const Tensor& weight, std::int64_t rank) {
  const torch::NoGradGuard no_grad;
  const Tensor dense = weight.detach().to(torch::kCPU, torch::kFloat32);
  const Tensor u = std::get<0>(at::linalg_svd(dense, /*full_matrices=*/false));
  return u.slice(1, u.size(1) - rank, u.size(1)).contiguous();
}

void draw_orthogonal(Tensor& a, Tensor& b, at::Generator& generator) {
  const std::int64_t rank = a.size(0), in = a.size(1), out = b.size(0);
  const auto drawn = [&](std::int64_t rows, std::int64_t columns) {
    return at::empty({rows, columns}, a.options()).normal_(0, 1, generator);
  };
  const Tensor turned = orthonormal(drawn(rank, rank));
  a.copy_(at::mm(drawn(in, rank / 2), turned.slice(0, 0, rank, 2)).t().div(10));
  b.copy_(at::mm(drawn(rank / 2, out).t(), turned.slice(0, 1, rank, 2)).div(10));
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/incremental_pca.h"

#include <cmath>
#include <tuple>

namespace luthier {

using torch::Tensor;

namespace {

constexpr std::uint64_t kSubspaceSeed = 42;  // PEFT's
constexpr int kRounds = 4;

Tensor orthonormal_basis(const Tensor& columns) {
  return std::get<0>(at::linalg_qr(columns, "reduced"));
}

struct Directions {
  Tensor lengths, rows;  // [k], [k, features]
};

/// The largest singular values and right vectors by a drawn subspace of `width` (Halko et al. 2009,
/// algorithms 4.4 and 5.1), the same draw each time.
Directions largest_directions(const Tensor& matrix, std::int64_t width) {
  const bool wide = matrix.size(0) < matrix.size(1);
  const Tensor tall = wide ? matrix.t() : matrix;
  auto generator = at::make_generator<at::CPUGeneratorImpl>(kSubspaceSeed);
  const Tensor drawn = at::empty({tall.size(1), width}, matrix.options()).normal_(0, 1, generator);
  Tensor basis = orthonormal_basis(at::mm(tall, drawn));
  for (int round = 0; round < kRounds; ++round)
    basis = orthonormal_basis(at::mm(tall, orthonormal_basis(at::mm(tall.t(), basis))));
  const auto [u, s, v] = at::linalg_svd(at::mm(basis.t(), tall), /*full_matrices=*/false);
  return {s, wide ? at::mm(basis, u).t() : v};
}

/// Each row turned so that its largest number is positive.
Tensor turned_up(const Tensor& rows) {
  const Tensor places = rows.abs().argmax(1, /*keepdim=*/true);
  return rows * rows.gather(1, places).sign();
}

}  // namespace

void IncrementalPca::add(const Tensor& rows) {
  const torch::NoGradGuard no_grad;
  const auto count = static_cast<double>(rows.size(0));
  const double total = seen_ + count;
  const Tensor sum = rows.sum(0, /*keepdim=*/false, torch::kFloat64);
  const Tensor sum_before = begun() ? mean_ * seen_ : torch::zeros_like(sum);
  const Tensor apart = rows - sum / count;  // [n, features] float64
  const Tensor correction = apart.sum(0).square();
  Tensor unnormalized = apart.square().sum(0) - correction / count;
  if (begun()) {
    const double ratio = seen_ / count;
    unnormalized =
        variance_ * seen_ + unnormalized + (sum_before / ratio - sum).square() * (ratio / total);
  }
  const Tensor mean = (sum_before + sum) / total;
  Tensor matrix;
  if (begun()) {
    const Tensor own_mean = rows.mean(0);
    const Tensor moved = (mean_ - own_mean) * std::sqrt(seen_ / total * count);
    matrix = at::cat({lengths_.unsqueeze(1) * components_, rows - own_mean, moved.unsqueeze(0)});
  } else {
    matrix = rows.clone().sub_(mean);
  }
  variance_ = unnormalized / total;
  mean_ = mean;
  seen_ = total;
  const Directions found = largest_directions(matrix, 2 * count_);
  explained_ =
      (found.lengths.square() / (variance_ * total).sum()).slice(0, 0, count_).to(torch::kFloat64);
  lengths_ = found.lengths.slice(0, 0, count_);
  components_ = turned_up(found.rows).slice(0, 0, count_);
}

}  // namespace luthier

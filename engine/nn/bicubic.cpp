// SPDX-License-Identifier: GPL-3.0-or-later
// The matrix of one side is what the interpolation makes of the unit vectors.
#include "engine/nn/bicubic.h"

namespace luthier {

namespace {

/// [to, from]: row i holds the shares of the old points in new point i.
torch::Tensor bicubic_matrix(std::int64_t from, std::int64_t to, torch::Device device) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor units = torch::eye(from, torch::kFloat32).view({1, from, from, 1});
  return at::upsample_bicubic2d(units, {to, 1}, /*align_corners=*/false)
      .view({from, to})
      .t()
      .contiguous()
      .to(device);
}

}  // namespace

torch::Tensor stretch_bicubic_by_products(const torch::Tensor& x, std::int64_t rows,
                                          std::int64_t columns) {
  const torch::Tensor down = bicubic_matrix(x.size(2), rows, x.device()),
                      across = bicubic_matrix(x.size(3), columns, x.device());
  return at::matmul(at::matmul(down, x.to(torch::kFloat32)), across.t()).to(x.scalar_type());
}

torch::Tensor stretch_bicubic(const torch::Tensor& x, std::int64_t rows, std::int64_t columns) {
  if (x.is_cuda() && x.requires_grad() && at::GradMode::is_enabled())
    return stretch_bicubic_by_products(x, rows, columns);
  return at::upsample_bicubic2d(x, {rows, columns}, /*align_corners=*/false);
}

}  // namespace luthier

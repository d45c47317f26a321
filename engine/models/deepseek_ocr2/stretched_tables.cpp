// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/deepseek_ocr2/stretched_tables.h"

#include <optional>

namespace luthier {

using torch::Tensor;

namespace {

bool learns_on_device(const Tensor& table) {
  return !table.is_cpu() && table.requires_grad() && at::GradMode::is_enabled();
}

/// [to, from]: row i holds the shares of the old points in new point i.
Tensor cubic_shares(std::int64_t from, std::int64_t to, torch::Device device) {
  const torch::NoGradGuard no_grad;
  // Twice beside one another: of a single column LibTorch takes channels for places.
  const Tensor units = torch::eye(from, torch::kFloat32)
                           .view({1, from, from, 1})
                           .expand({1, from, from, 2})
                           .contiguous();
  return at::_upsample_bicubic2d_aa(units, {to, 2}, /*align_corners=*/false)
      .select(3, 0)
      .squeeze(0)
      .t()
      .contiguous()
      .to(device);
}

Tensor linear_shares(std::int64_t from, std::int64_t to, torch::Device device) {
  const torch::NoGradGuard no_grad;
  const Tensor units = torch::eye(from, torch::kFloat32).unsqueeze(0);
  return at::upsample_linear1d(units, {to}, /*align_corners=*/false)
      .view({from, to})
      .t()
      .contiguous()
      .to(device);
}

/// [count, width].
Tensor stretched_distances(const Tensor& table, std::int64_t count) {
  if (table.size(0) == count) return table;
  if (learns_on_device(table)) return stretched_distances_by_product(table, count);
  return at::upsample_linear1d(table.t().unsqueeze(0), {count}, /*align_corners=*/false)
      .squeeze(0)
      .t();
}

}  // namespace

Tensor stretched_positions_by_products(const Tensor& table, std::int64_t side) {
  const Tensor down = cubic_shares(table.size(1), side, table.device()),
               across = cubic_shares(table.size(2), side, table.device());
  const Tensor planes = table.to(torch::kFloat32).permute({0, 3, 1, 2});
  return at::matmul(at::matmul(down, planes), across.t())
      .permute({0, 2, 3, 1})
      .to(table.scalar_type());
}

Tensor stretched_positions(const Tensor& table, std::int64_t side) {
  if (table.size(1) == side && table.size(2) == side) return table;
  if (learns_on_device(table)) return stretched_positions_by_products(table, side);
  return at::_upsample_bicubic2d_aa(table.to(torch::kFloat32).permute({0, 3, 1, 2}), {side, side},
                                    /*align_corners=*/false)
      .permute({0, 2, 3, 1})
      .to(table.scalar_type());
}

Tensor stretched_distances_by_product(const Tensor& table, std::int64_t count) {
  return at::matmul(linear_shares(table.size(0), count, table.device()), table.to(torch::kFloat32))
      .to(table.scalar_type());
}

Tensor distances_between(const Tensor& table, std::int64_t side) {
  const Tensor fitting = stretched_distances(table, 2 * side - 1);
  const Tensor places =
      at::arange(side, torch::TensorOptions().dtype(torch::kInt64).device(table.device()));
  const Tensor away = places.unsqueeze(1) - places.unsqueeze(0) + (side - 1);
  return fitting.index_select(0, away.flatten()).view({side, side, table.size(1)});
}

}  // namespace luthier

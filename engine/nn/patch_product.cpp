// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/patch_product.h"

#include "engine/nn/products.h"

namespace luthier {

torch::Tensor PatchProduct::product(const torch::Tensor& windows) const {
  if (plug) return plug->forward(windows, *as_linear());
  return linear_product(windows, weight_.flatten(1), bias_);
}

std::shared_ptr<LinearImpl> PatchProduct::as_linear() const {
  auto linear = std::make_shared<LinearImpl>(weight_.flatten(1));
  linear->bias = bias_;
  return linear;
}

}  // namespace luthier

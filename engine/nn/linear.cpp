// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/linear.h"

#include "engine/nn/products.h"

namespace luthier {

LinearImpl::LinearImpl(std::int64_t in_features, std::int64_t out_features, bool with_bias,
                       const torch::TensorOptions& options) {
  add_parameter("weight", weight, {out_features, in_features}, options);
  if (with_bias) add_parameter("bias", bias, {out_features}, options);
}

LinearImpl::LinearImpl(const torch::Tensor& owner) { add_tied("weight", weight, owner); }

torch::Tensor LinearImpl::forward(const torch::Tensor& x) const {
  return plug ? plug->forward(x, *this) : product(x);
}

torch::Tensor LinearImpl::product(const torch::Tensor& x) const {
  return linear_product(x, weight, bias);
}

}  // namespace luthier

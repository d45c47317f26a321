// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/linear.h"

namespace luthier {

torch::Tensor with_softcap(const torch::Tensor& y, double cap) { return at::tanh(y / cap) * cap; }

LinearImpl::LinearImpl(std::int64_t in_features, std::int64_t out_features, bool with_bias,
                       const torch::TensorOptions& options) {
  add_parameter("weight", weight.slot(), {out_features, in_features}, options);
  if (with_bias) add_parameter("bias", bias, {out_features}, options);
}

LinearImpl::LinearImpl(const torch::Tensor& owner) { add_tied("weight", weight.slot(), owner); }

torch::Tensor LinearImpl::forward(const torch::Tensor& x) const {
  const torch::Tensor y = plug ? plug->forward(x, *this) : product(x);
  return softcap > 0 ? with_softcap(y, softcap) : y;
}

torch::Tensor LinearImpl::product(const torch::Tensor& x) const { return weight.product(x, bias); }

void LinearImpl::pack(PackedPointer packed) {
  remove("weight");
  weight = Weight(std::move(packed));
}

void LinearImpl::unpack(torch::ScalarType dtype) {
  if (!weight.packed()) return;
  torch::Tensor dense = weight.dense(dtype);
  weight = Weight();
  adopt("weight", weight.slot(), std::move(dense));
}

void LinearImpl::untie() {
  torch::Tensor own = weight.dense().detach().clone();
  remove("weight");
  adopt("weight", weight.slot(), std::move(own));
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// How loops of our own come to a tensor's numbers: float32's as they are, bfloat16's as their bits.
#pragma once

#include <cstdint>

#include "engine/device/torch.h"

namespace luthier {

/// null of an undefined tensor.
template <class Number>
const Number* numbers(const torch::Tensor& tensor) {
  return tensor.defined() ? static_cast<const Number*>(tensor.const_data_ptr()) : nullptr;
}
template <class Number>
Number* to_write(const torch::Tensor& tensor) {
  return tensor.defined() ? static_cast<Number*>(tensor.mutable_data_ptr()) : nullptr;
}

/// Calls `work` with a number of the tensor's type.
template <class Work>
void by_type(const torch::Tensor& tensor, const Work& work) {
  if (tensor.scalar_type() == torch::kFloat32)
    work(float());
  else
    work(std::uint16_t());
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/convolutions/convolution.h"

#include <cmath>

namespace luthier {

ConvolutionImpl::ConvolutionImpl(const ConvolutionShape& s, const torch::TensorOptions& options)
    : shape(s) {
  add_parameter("weight", weight, {s.out, s.in / s.groups, s.kernel, s.kernel}, options);
  if (s.bias) add_parameter("bias", bias, {s.out}, options);
}

torch::Tensor ConvolutionImpl::first_value(const std::string& name,
                                           const at::Generator& generator) const {
  if (!shape.by_fan_out || name != "weight") return ParameterModule::first_value(name, generator);
  const double made = static_cast<double>(shape.out * shape.kernel * shape.kernel);
  return torch::empty(weight.sizes(), torch::kFloat32).normal_(0, std::sqrt(2 / made), generator);
}

torch::Tensor ConvolutionImpl::forward(const torch::Tensor& x) const {
  return at::conv2d(x, weight, bias, {shape.stride, shape.stride}, {shape.padding, shape.padding},
                    {1, 1}, shape.groups);
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/convolutions/convolution.h"

namespace luthier {

ConvolutionImpl::ConvolutionImpl(const ConvolutionShape& s, const torch::TensorOptions& options)
    : shape(s) {
  add_parameter("weight", weight, {s.out, s.in / s.groups, s.kernel, s.kernel}, options);
  if (s.bias) add_parameter("bias", bias, {s.out}, options);
}

torch::Tensor ConvolutionImpl::forward(const torch::Tensor& x) const {
  return at::conv2d(x, weight, bias, {shape.stride, shape.stride}, {shape.padding, shape.padding},
                    {1, 1}, shape.groups);
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/convolutions/scaled_convolution.h"

#include <algorithm>
#include <cmath>

namespace luthier {

using torch::Tensor;

namespace {

/// Zeros along one side of `size` pixels: all together, of which the smaller half stands before.
std::int64_t zeros_along(std::int64_t size, const ScaledConvolutionShape& shape) {
  const std::int64_t made = (size + shape.stride - 1) / shape.stride;
  return std::max<std::int64_t>((made - 1) * shape.stride + shape.kernel - size, 0);
}

}  // namespace

ScaledConvolutionImpl::ScaledConvolutionImpl(const ScaledConvolutionShape& s,
                                             const torch::TensorOptions& options)
    : shape(s) {
  add_parameter("weight", weight, {s.out, s.in / s.groups, s.kernel, s.kernel}, options);
  add_parameter("bias", bias, {s.out}, options);
  add_parameter("gain", gain, {s.out, 1, 1, 1}, options);
}

Tensor ScaledConvolutionImpl::first_value(const std::string& name,
                                          const at::Generator& generator) const {
  if (name == "gain") return torch::ones(gain.sizes(), torch::kFloat32);
  if (name != "weight") return ParameterModule::first_value(name, generator);
  const double seen = static_cast<double>(weight[0].numel());
  return torch::empty(weight.sizes(), torch::kFloat32).normal_(0, 1 / std::sqrt(seen), generator);
}

Tensor ScaledConvolutionImpl::forward(const Tensor& x) const {
  const auto floats = [](const Tensor& tensor) { return tensor.to(torch::kFloat32); };
  const double scale = 1 / std::sqrt(static_cast<double>(weight[0].numel()));
  // A batch norm of one row: its channels are the weight's, its pixels a channel's numbers.
  const Tensor standardised =
      at::batch_norm(floats(weight).reshape({1, shape.out, -1}), (floats(gain) * scale).view(-1),
                     {}, {}, {}, /*training=*/true, /*momentum=*/0, shape.epsilon,
                     /*cudnn_enabled=*/true)
          .reshape(weight.sizes())
          .to(x.scalar_type());
  Tensor seen = x;
  std::int64_t around = shape.kernel / 2;
  if (pads()) {
    const std::int64_t high = zeros_along(x.size(2), shape), wide = zeros_along(x.size(3), shape);
    seen = at::constant_pad_nd(x, {wide / 2, wide - wide / 2, high / 2, high - high / 2}, 0);
    around = 0;
  }
  return at::conv2d(seen, standardised, bias, {shape.stride, shape.stride}, {around, around},
                    {1, 1}, shape.groups);
}

}  // namespace luthier

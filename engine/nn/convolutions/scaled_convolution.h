// SPDX-License-Identifier: GPL-3.0-or-later
// A convolution whose weight is standardised each time (Brock et al. 2021, "Characterizing signal
// propagation to close the performance gap in unnormalized ResNets"), as timm's
// ScaledStdConv2dSame: of each channel that it makes, gain · (weight − mean) / √(variance + ε) /
// √(numbers of the channel's weight), the variance biased. So maps keep their spread without a norm
// over pictures.
#pragma once

#include "engine/nn/parameters.h"

namespace luthier {

struct ScaledConvolutionShape {
  std::int64_t in = 0, out = 0, kernel = 1, stride = 1, groups = 1;  ///< an odd kernel
  double epsilon = 1e-5;
};

class ScaledConvolutionImpl : public ParameterModule {
 public:
  ScaledConvolutionImpl(const ScaledConvolutionShape& shape, const torch::TensorOptions& options);
  /// [pictures, in, height, width] → [pictures, out, ⌈height / stride⌉, ⌈width / stride⌉]: zeros
  /// stand around the picture, an odd one more right and below (TensorFlow's SAME).
  torch::Tensor forward(const torch::Tensor& x) const;
  std::string type_name() const override { return "SquareConv2d"; }
  torch::Tensor first_value(const std::string& name, const at::Generator& generator) const override;
  /// Whether it reads a copy with the zeros, not the picture itself.
  bool pads() const { return shape.stride > 1 && shape.kernel > 1; }

  const ScaledConvolutionShape shape;
  torch::Tensor weight, bias, gain;
};
TORCH_MODULE(ScaledConvolution);

}  // namespace luthier

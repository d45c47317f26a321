// SPDX-License-Identifier: GPL-3.0-or-later
// Convolutions whose windows overlap, of any stride and in any groups, as torch's Conv2d: what
// convolutional picture towers are made of. Adapters do not hang on them.
#pragma once

#include "engine/nn/parameters.h"

namespace luthier {

struct ConvolutionShape {
  std::int64_t in = 0, out = 0, kernel = 1, stride = 1, groups = 1;
  std::int64_t padding = 0;  ///< zeros around the picture, of all sides
  bool bias = false;
  bool by_fan_out =
      false;  ///< a fresh weight is drawn by the numbers that it makes (He et al. 2015)
};

class ConvolutionImpl : public ParameterModule {
 public:
  ConvolutionImpl(const ConvolutionShape& shape, const torch::TensorOptions& options);
  torch::Tensor forward(const torch::Tensor& x) const;  // [pictures, in, height, width]
  std::string type_name() const override { return "SquareConv2d"; }
  torch::Tensor first_value(const std::string& name, const at::Generator& generator) const override;

  const ConvolutionShape shape;
  torch::Tensor weight, bias;
};
TORCH_MODULE(Convolution);

}  // namespace luthier

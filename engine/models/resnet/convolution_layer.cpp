// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/resnet/convolution_layer.h"

#include <cmath>

#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

MapShape MapShape::after(std::int64_t stride) const {
  const auto step = static_cast<double>(stride);
  return {frames, std::ceil(height / step), std::ceil(width / step)};
}

Tensor activate_map(const Tensor& x, Activation activation) {
  return activation == Activation::Relu ? at::relu(x) : activate(x, activation);
}

Tensor convolve(const Convolution& convolution, BatchNorm& norm,
                std::optional<Activation> activation, const Tensor& x) {
  const Tensor normed = norm->forward(convolution->forward(x));
  return activation ? activate_map(normed, *activation) : normed;
}

void add_convolution_cost(const StepTerms& terms, const Convolution& convolution,
                          const BatchNorm& norm, std::optional<Activation> activation, MapShape& at,
                          TowerCost& cost) {
  const std::int64_t before = terms.block(at.numbers(convolution->shape.in));
  at = at.after(convolution->shape.stride);
  const std::int64_t made = terms.block(at.numbers(convolution->shape.out));
  TrainedShare share = terms.of(*convolution);
  share += terms.of(*norm);
  // The norm keeps what the convolution made, the next layer what the activation makes; one that is
  // no relu keeps what it takes, too.
  std::int64_t kept = 0;
  if (cost.flows || share.trains) {
    kept = made + (activation ? made : 0);
    if (activation && *activation != Activation::Relu) kept += made;
  }
  cost.add_part(terms, share, kept, 2 * made + before);
}

}  // namespace luthier

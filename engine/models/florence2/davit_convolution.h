// SPDX-License-Identifier: GPL-3.0-or-later
// DaViT's two convolutions. The one that begins a stage is a product with each window, so that what
// hangs on a Linear can hang on it; the one before each branch of a block goes channel by channel.
#pragma once

#include "engine/models/cost.h"
#include "engine/models/florence2/davit_options.h"
#include "engine/nn/patch_product.h"

namespace luthier::florence2 {

class WindowConvolution : public PatchProduct {
 public:
  WindowConvolution(std::int64_t in, const StageSizes& stage, const torch::TensorOptions& t);
  /// x [frames, rows, columns, in] → [frames, rows', columns', width].
  torch::Tensor forward(const torch::Tensor& x) const;
  std::string type_name() const override { return "Conv2d"; }
  /// Adds its stage: `places` that it gives of `before` places.
  void add_cost(TowerCost& cost, const StepTerms& terms, std::int64_t before,
                std::int64_t places) const;

 private:
  std::int64_t in_;
  StageSizes stage_;
};

/// x + the sum of each 3 × 3 square of x, weighted channel by channel, with zeros around.
class ChannelConvolution : public ParameterModule {
 public:
  ChannelConvolution(std::int64_t width, const torch::TensorOptions& t);
  /// x [frames, rows, columns, width] → the same.
  torch::Tensor forward(const torch::Tensor& x) const;
  /// No product with windows, which what hangs on a convolution asks for.
  std::string type_name() const override { return "DepthwiseConv2d"; }

 private:
  torch::Tensor weight_, bias_;
};

}  // namespace luthier::florence2

// SPDX-License-Identifier: GPL-3.0-or-later
// What GLM-V has between its tower and its text: a convolution that makes one feature of a block of
// patches, and a gated MLP behind a product and a norm, all as wide as the decoder.
#pragma once

#include "engine/models/cost.h"
#include "engine/models/feed_forward.h"
#include "engine/nn/patch_product.h"

namespace luthier {

/// weight [out, width, side, side] and bias, as Conv2d has them, over blocks of side × side
/// patches.
class BlockConvolution : public PatchProduct {
 public:
  BlockConvolution(std::int64_t width, std::int64_t out, std::int64_t side,
                   const torch::TensorOptions& tensors);
  /// [patches, width], block after block → [blocks, out].
  torch::Tensor forward(const torch::Tensor& patches) const;
  std::string type_name() const override { return "Conv2d"; }

 private:
  std::int64_t width_, block_;
};

class WideMerger : public torch::nn::Module {
 public:
  WideMerger(std::int64_t width, std::int64_t intermediate, Activation activation,
             const torch::TensorOptions& tensors);
  torch::Tensor forward(const torch::Tensor& features);
  ProjectorCost cost(const StepTerms& terms, std::int64_t features) const;

 private:
  Activation activation_;
  Linear proj_{nullptr}, gate_proj_{nullptr}, up_proj_{nullptr}, down_proj_{nullptr};
  LayerNorm norm_{nullptr};
};

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// A pre-norm layer over a frame's patches as ViT, MAE and DINOv2 of transformers 5.17 have it,
// under the names of either.
#pragma once

#include <memory>

#include "engine/models/vision_parts.h"

namespace luthier {

struct PictureLayerOptions : VisionSizes {
  bool dinov2 = false;  ///< its module names and learned scales
  bool qkv_bias = true;
  bool gated_mlp = false;       ///< SwiGLU
  double layerscale_value = 1;  ///< what learned scales begin with

  std::int64_t gated_size() const { return (intermediate_size * 2 / 3 + 7) / 8 * 8; }
};

class PictureLayer : public torch::nn::Module {
 public:
  PictureLayer(const PictureLayerOptions& options, const torch::TensorOptions& tensors);
  ~PictureLayer() override;
  torch::Tensor forward(const torch::Tensor& x);  // [frames, tokens, hidden]
  LayerCost cost(const StepTerms& terms, std::int64_t rows, bool flows) const;

 private:
  class Attention;
  class GatedMlp;
  class Scale;
  std::shared_ptr<Attention> attention_;
  std::shared_ptr<VisionMlp> mlp_;
  std::shared_ptr<GatedMlp> gated_;
  std::shared_ptr<Scale> scale1_, scale2_;
  LayerNorm before_{nullptr}, after_{nullptr};
};

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// The body of ViT (Dosovitskiy et al. 2021) and of DINOv2 (Oquab et al. 2024; with registers,
// Darcet et al. 2024): patches by a convolution with a bias, a class token, learned positions, and
// pre-norm layers, as ViTModel and Dinov2Model of transformers 5.17. Options tell them apart:
// scales that are learned, a gated feed-forward, tokens without positions behind the first, what a
// picture's vector is, and the names of the modules.
#pragma once

#include <vector>

#include "engine/models/pictures/picture_body.h"
#include "engine/models/vit/picture_layer.h"

namespace luthier {

struct PictureTransformerOptions : PictureLayerOptions {
  bool mask_token = false;      ///< stands for patches that are covered
  std::int64_t registers = 0;   ///< tokens without positions behind the first
  bool any_size = false;        ///< positions are stretched to the frame's patches
  bool smooth_stretch = false;  ///< and antialiased
  bool mean_beside = false;     ///< the vector is [first token ; mean of the patches]
};
/// Reads what the two have in common; `o` holds the defaults.
Status read_picture_transformer(const Json& config, const std::string& where,
                                PictureTransformerOptions& o);

/// The layers and what stands around them.
class PictureTransformer : public PictureBody {
 public:
  PictureTransformer(const PictureTransformerOptions& options, const torch::TensorOptions& tensors);

  /// The last layer's states after the norm: [pictures, 1 + registers + patches, hidden].
  /// `covered` [pictures, patches] bool: patches that are not seen; undefined: all are.
  torch::Tensor states(const torch::Tensor& pixels, const torch::Tensor& covered = {});
  /// From now on frames may be of any size, as transformers' class has it where it is asked to
  /// interpolate_pos_encoding.
  void stretch_positions();
  torch::Tensor vectors(const torch::Tensor& pixels) override;
  PictureStates states_of(const torch::Tensor& pixels) override;
  std::int64_t width() const override {
    return options.hidden_size * (options.mean_beside ? 2 : 1);
  }
  TowerCost cost(const Pass& pass) const override;
  ModelGeometry geometry() const override;

  const PictureTransformerOptions options;

 private:
  class Embeddings;
  std::shared_ptr<Embeddings> embeddings_;
  std::vector<std::shared_ptr<PictureLayer>> layers_;
  LayerNorm norm_{nullptr};
  bool any_size_;
};

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// Swin (Liu et al. 2021) as SwinModel of transformers 5.17: patches look within windows, which
// every second layer shifts by half, and four neighbouring places become one between stages. A
// picture's vector is the mean of the last states.
#pragma once

#include <vector>

#include "engine/models/pictures/picture_body.h"
#include "engine/nn/layers.h"

namespace luthier {

struct SwinOptions {
  std::int64_t image_height = 224, image_width = 224, patch = 4, embed_dim = 96, window = 7;
  std::vector<std::int64_t> depths{2, 2, 6, 2}, heads{3, 6, 12, 24};
  double mlp_ratio = 4, layer_norm_eps = 1e-5, initializer_range = 0.02;
  bool qkv_bias = true, absolute = false;  ///< absolute: a table of positions, of this size alone
  Activation activation = Activation::Gelu;

  std::int64_t width(std::size_t stage) const { return embed_dim << stage; }
  /// Of a frame's side: the last stage's map is as wide as a window.
  std::int64_t smallest_frame() const;
};

/// An Input error names `where` and the field.
Status read_swin_options(const Json& config, const std::string& where, SwinOptions& options);

class SwinBody : public PictureBody {
 public:
  SwinBody(const SwinOptions& options, const torch::TensorOptions& tensors);
  torch::Tensor vectors(const torch::Tensor& pixels) override;
  std::int64_t width() const override { return options_.width(options_.depths.size() - 1); }
  TowerCost cost(const Pass& pass) const override;
  ModelGeometry geometry() const override;

 private:
  class Embeddings;
  class Merging;
  SwinOptions options_;
  std::shared_ptr<Embeddings> embeddings_;
  /// A stage's layers, and what makes the next one's map of them, if there is one.
  struct Stage;
  std::vector<std::shared_ptr<Stage>> stages_;
  LayerNorm norm_{nullptr};
};

}  // namespace luthier

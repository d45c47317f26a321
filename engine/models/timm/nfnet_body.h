// SPDX-License-Identifier: GPL-3.0-or-later
// NFNet (Brock et al. 2021, "High-performance large-scale image recognition without
// normalization"), as timm's dm_nfnet_f0 to f6 compute it: convolutions of standardised weights, no
// norms over pictures; each block goes from its input divided by the spread that it is expected to
// have, and adds 0.2 of what it makes. Flamingo's picture tower was F6.
#pragma once

#include <vector>

#include "engine/models/pictures/picture_body.h"
#include "engine/nn/convolutions/scaled_convolution.h"

namespace luthier {

struct NfnetOptions {
  std::vector<std::int64_t> depths{1, 2, 6, 3}, channels{256, 512, 1536, 1536};
  std::int64_t stem = 128, group_size = 128, features = 3072;
  double bottle_ratio = 0.5, alpha = 0.2, attn_gain = 2, epsilon = 1e-5, squeeze_ratio = 0.5;
  bool skipinit = true;  ///< a block's result is multiplied with a number that begins at 0
  Activation activation = Activation::Gelu;

  /// The narrow channels of a block that makes `out`, and in how many groups its 3×3 are.
  std::int64_t middle(std::int64_t out) const;
  std::int64_t groups(std::int64_t out) const;
  /// Of a frame's side: a map of one pixel is left of it.
  std::int64_t smallest_frame() const;
};

/// timm's names: `architecture`, and what `model_args` says otherwise. An Input error names `where`
/// and the field: a model of timm that is no such one, an argument that is not known.
Status read_nfnet_options(const Json& config, const std::string& where, NfnetOptions& options);

class NfnetBody : public PictureBody {
 public:
  NfnetBody(const NfnetOptions& options, const torch::TensorOptions& tensors);
  torch::Tensor vectors(const torch::Tensor& pixels) override;
  PictureStates states_of(const torch::Tensor& pixels) override;
  /// The last map, [pictures, channels, rows, columns].
  torch::Tensor map(const torch::Tensor& pixels);
  std::int64_t width() const override { return options_.features; }
  TowerCost cost(const Pass& pass) const override;
  ModelGeometry geometry() const override;

 private:
  class Stem;
  class Block;
  NfnetOptions options_;
  std::shared_ptr<Stem> stem_;
  std::vector<std::shared_ptr<Block>> blocks_;
  ScaledConvolution final_{nullptr};
};

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// The body of EfficientNet (Tan & Le 2019) as EfficientNetModel of transformers 5.17: a stem,
// blocks that widen, convolve each channel by itself, squeeze and excite and narrow again, a last
// convolution, which ALIGN's tower has not, and the mean of the map.
#pragma once

#include <vector>

#include "engine/models/pictures/picture_body.h"
#include "engine/models/resnet/convolution_layer.h"

namespace luthier {

struct EfficientnetOptions {
  double width_coefficient = 2.0, depth_coefficient = 3.1;
  std::int64_t depth_divisor = 8, image_size = 600, hidden_dim = 2560;
  std::vector<std::int64_t> kernel_sizes{3, 3, 5, 3, 5, 5, 3},
      in_channels{32, 16, 24, 40, 80, 112, 192}, out_channels{16, 24, 40, 80, 112, 192, 320},
      depthwise_padding{}, strides{1, 2, 2, 2, 1, 2, 1}, num_block_repeats{1, 2, 2, 3, 3, 4, 1},
      expand_ratios{1, 6, 6, 6, 6, 6, 6};
  double squeeze_expansion_ratio = 0.25, batch_norm_eps = 0.001, batch_norm_momentum = 0.99,
         initializer_range = 0.02;
  Activation hidden_act = Activation::Silu;
  bool max_pooling = false;
  bool top = true;  ///< a last convolution

  /// Channels as the width makes them: multiples of the divisor, never below 90 %.
  std::int64_t filters(std::int64_t channels) const;
  std::int64_t repeats(std::size_t stage) const;
  /// Of a frame's side: a map of one pixel is left of it.
  std::int64_t smallest_frame() const;
};
/// Reads an EfficientNetConfig or AlignVisionConfig; `o` holds the defaults.
Status read_efficientnet_options(const Json& config, const std::string& where,
                                 EfficientnetOptions& o);

class EfficientnetBody : public PictureBody {
 public:
  EfficientnetBody(const EfficientnetOptions& options, const torch::TensorOptions& tensors);
  torch::Tensor vectors(const torch::Tensor& pixels) override;
  PictureStates states_of(const torch::Tensor& pixels) override;
  /// The last map, [pictures, channels, rows, columns].
  torch::Tensor map(const torch::Tensor& pixels);
  std::int64_t width() const override { return width_; }
  TowerCost cost(const Pass& pass) const override;
  ModelGeometry geometry() const override;

  const EfficientnetOptions options;

 private:
  class Stem;
  class Block;
  std::shared_ptr<Stem> stem_;
  std::vector<std::shared_ptr<Block>> blocks_;
  Convolution top_convolution_{nullptr};
  BatchNorm top_norm_{nullptr};
  std::int64_t width_ = 0;
};

}  // namespace luthier

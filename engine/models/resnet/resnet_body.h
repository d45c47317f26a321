// SPDX-License-Identifier: GPL-3.0-or-later
// The body of ResNet (He et al. 2016) as ResNetModel of transformers 5.17: layers of two
// convolutions, or of three with a narrow middle, around which the states go. Its last map is what
// others build on (SimVLM's patches, VirTex' grid); its mean is what classes are told by.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/models/pictures/picture_body.h"
#include "engine/models/resnet/convolution_layer.h"

namespace luthier {

struct ResnetOptions {
  std::int64_t embedding_size = 64;
  std::vector<std::int64_t> hidden_sizes{256, 512, 1024, 2048}, depths{3, 4, 6, 3};
  bool bottleneck = true, downsample_in_first_stage = false, downsample_in_bottleneck = false;
  Activation hidden_act = Activation::Relu;
};

/// An Input error names `where` and the field.
Result<ResnetOptions> read_resnet_options(const Json& config, const std::string& where);

/// Rows of the last map of pictures so many pixels high, and columns of their width.
std::int64_t map_side(const ResnetOptions& options, std::int64_t pixels);

class ResnetBody : public PictureBody {
 public:
  ResnetBody(const ResnetOptions& options, const torch::TensorOptions& tensors);
  /// pixels [pictures, 3, height, width] → the last map [pictures, channels, rows, columns].
  torch::Tensor map(const torch::Tensor& pixels);
  torch::Tensor vectors(const torch::Tensor& pixels) override { return map(pixels).mean({2, 3}); }
  PictureStates states_of(const torch::Tensor& pixels) override {
    const torch::Tensor last = map(pixels);
    return {last, last.mean({2, 3}, /*keepdim=*/true)};
  }
  std::int64_t width() const override { return options_.hidden_sizes.back(); }
  TowerCost cost(const Pass& pass) const override;
  ModelGeometry geometry() const override;

 private:
  class Stem;
  class Layer;

  ResnetOptions options_;
  std::shared_ptr<Stem> stem_;
  std::vector<std::pair<std::shared_ptr<Layer>, std::int64_t>> layers_;
};

}  // namespace luthier

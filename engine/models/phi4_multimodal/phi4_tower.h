// SPDX-License-Identifier: GPL-3.0-or-later
// Phi-4-multimodal's picture tower (Phi4MultimodalVisionModel of transformers 5.17): SigLIP's
// layers over frames of which some are filled up, positions by the fraction of what shows
// something, the states before the last layers, pooled two by two. What fills a frame up is seen by
// nothing, and is left out but for the patches that are pooled with such as show something. Norm
// and pooling head behind the layers belong to the file.
#pragma once

#include <memory>
#include <vector>

#include "engine/models/model_input.h"
#include "engine/models/phi4_multimodal/picture_cut.h"
#include "engine/models/siglip2/frame_layer.h"
#include "engine/nn/patch_port.h"

namespace luthier {

struct Phi4VisionOptions : VisionSizes {
  std::int64_t crop_size = 448;     ///< pixels along either side of a frame
  std::int64_t feature_layer = -2;  ///< whose states go on: 0 = what enters the first one, n = what
                                    ///< the n-th gives; negative counts from the end

  Phi4Cut cut() const { return {crop_size / patch_size}; }
  std::int64_t layers_run() const {
    return feature_layer < 0 ? feature_layer + num_hidden_layers + 1 : feature_layer;
  }
};
/// Reads vision_config with Phi4MultimodalVisionConfig's defaults.
Result<Phi4VisionOptions> read_phi4_vision(const Json& vision_config, const std::string& where);

class Phi4Tower : public torch::nn::Module, public PatchPort {
 public:
  Phi4Tower(const Phi4VisionOptions& options, const torch::TensorOptions& tensors);
  /// pixel_values [frames, 3, side, side] of all pictures → their frames' features one after
  /// another, row by row [features, hidden].
  torch::Tensor forward(const ModelInput& input);
  /// Makes on the host what forward() needs to know of the frames.
  void prepare(ModelInput& input) const;
  TowerCost cost(const Pass& pass) const;
  /// Of so many pictures, as a forecast knows them: the ends of the squares' lines, whose number it
  /// does not know, are counted as if they were features.
  std::int64_t features(const PictureLoad& pictures) const;

 private:
  class Embeddings;
  class Encoder;
  struct Gathers;

  Gathers gathers(const std::vector<PictureFacts>& pictures) const;

  Phi4VisionOptions options_;
  std::shared_ptr<Embeddings> embeddings_;
  std::vector<std::shared_ptr<FrameLayer>> layers_;
  LayerNorm post_layernorm_{nullptr};
  std::shared_ptr<torch::nn::Module> head_;
};

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// What stands in the place of a tower in Gemma 4's unified model (Gemma4UnifiedVisionEmbedder of
// transformers 5.17): each patch by itself goes through a norm, a product and a norm, the places of
// its column and its row are added, and a norm follows; then the product into the text.
#pragma once

#include <memory>

#include "engine/models/gemma4/media.h"
#include "engine/nn/layers.h"

namespace luthier {

struct Gemma4UnifiedVisionOptions {
  std::int64_t patch_size = 16;
  std::int64_t pooling = 3;  ///< a patch is a square of so many of those a side
  std::int64_t width = 3840;
  std::int64_t positions = 1120;  ///< columns, and rows, that there are places for
  double rms_norm_eps = 1e-6, initializer_range = 0.02;

  std::int64_t patch_values() const { return 3 * patch_size * pooling * patch_size * pooling; }
};
/// Reads vision_config with Gemma4UnifiedVisionConfig's defaults.
Result<Gemma4UnifiedVisionOptions> read_gemma4_unified_vision(const Json& config,
                                                              const std::string& where);

class Gemma4UnifiedEmbedder : public ParameterModule {
 public:
  Gemma4UnifiedEmbedder(const Gemma4UnifiedVisionOptions& options, std::int64_t text_width,
                        const torch::TensorOptions& tensors);
  /// pixel_values [patches, numbers of one], row by row → [patches, width]. `input.aside` may hold
  /// what prepare() has put there.
  torch::Tensor features(const ModelInput& input);
  /// → [patches, text width].
  torch::Tensor project(const torch::Tensor& features) {
    return multimodal_embedder_->forward(features);
  }
  /// Makes on the host which places the patches have.
  void prepare(ModelInput& input) const;
  /// Up to the features.
  TowerCost cost(const Pass& pass) const;
  ProjectorCost projector_cost(const Pass& pass) const;
  std::string type_name() const override { return "Parameter"; }

 private:
  /// [patches, 2] int64: of columns and rows, in the table's rows one below the other.
  torch::Tensor places(const std::vector<PictureFacts>& pictures) const;

  Gemma4UnifiedVisionOptions options_;
  torch::Tensor pos_embedding_;  // [positions, 2, width]
  LayerNorm patch_ln1_{nullptr}, patch_ln2_{nullptr}, pos_norm_{nullptr};
  Linear patch_dense_{nullptr};
  std::shared_ptr<Gemma4Embedder> multimodal_embedder_;
};

}  // namespace luthier

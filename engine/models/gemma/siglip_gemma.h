// SPDX-License-Identifier: GPL-3.0-or-later
// What Gemma 3 and PaliGemma share: a SigLIP tower read after its last norm, a projector, a Gemma
// decoder whose embeddings are tied unless the configuration says otherwise, and an image token
// that the embedding need not hold.
#pragma once

#include "engine/models/tower_model.h"
#include "engine/models/vision_tower.h"

namespace luthier {

struct SiglipGemmaOptions {
  VisionTowerOptions vision;
  DecoderOptions text;
  bool tie_word_embeddings = true;
  TokenId image_token_id = 0;
};
/// Reads the tower from `vision`, the decoder from `text` (of one of the kinds in `decoders`, the
/// first where it names none), and from `config` what stands around them.
Status read_siglip_gemma_options(const Json& config, Json vision, const Json& text,
                                 std::initializer_list<const char*> decoders, TokenId image_token,
                                 const std::string& where, SiglipGemmaOptions& options);

/// The way from the tower's width to the text's.
class PictureProjector : public ParameterModule {
 public:
  /// [pictures · patches, vision width] → [pictures · tokens, text width].
  virtual torch::Tensor forward(const torch::Tensor& features) = 0;
  virtual ProjectorCost cost(const Pass& pass) const = 0;
  std::string type_name() const override { return "Parameter"; }
};

class SiglipGemma : public TowerModel {
 public:
  SiglipGemma(const SiglipGemmaOptions& options, std::shared_ptr<PictureProjector> projector,
              const torch::TensorOptions& tensors);
  torch::Tensor tower(const ModelInput& input) override;
  ModelGeometry geometry() const override;
  std::int64_t feature_numbers(const PictureLoad& pictures) const override;

 protected:
  TowerCost tower_cost(const Pass& pass) const override;
  ProjectorCost projector_cost(const Pass& pass) const override;
  bool makes_blocks() const override { return true; }
  torch::Tensor project(const torch::Tensor& features, const ModelInput& input) override;

 private:
  class Body;
  const VisionTowerOptions vision_;
  std::shared_ptr<Body> body_;
};

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// DeepSeek-OCR-2's two towers one behind the other, over frames of two sizes
// (DeepseekOcr2VisionModel of transformers 5.17).
#pragma once

#include <memory>

#include "engine/models/deepseek_ocr2/frame_groups.h"
#include "engine/models/deepseek_ocr2/query_stack.h"
#include "engine/models/deepseek_ocr2/sam_tower.h"
#include "engine/nn/patch_port.h"

namespace luthier {

struct DeepseekVisionOptions {
  SamOptions sam;
  DecoderOptions encoder;

  /// What SAM makes of a frame of that edge, and the queries that stand behind it: these, and no
  /// other numbers, are what the weights have.
  std::int64_t places_of(std::int64_t edge) const {
    const std::int64_t along = halved_side(halved_side(sam.side_of(edge)));
    return along * along;
  }
  std::int64_t features_of(std::int64_t edge) const {
    return places_of(edge) <= kFewQueries ? kFewQueries : kManyQueries;
  }
  static constexpr std::int64_t kFewQueries = 144, kManyQueries = 256;
};

class DeepseekVision : public torch::nn::Module, public PatchPort {
 public:
  DeepseekVision(const DeepseekVisionOptions& options, const torch::TensorOptions& tensors);
  /// Of all pictures' frames, in their order: [features, encoder's hidden].
  torch::Tensor forward(const ModelInput& input);
  void prepare(ModelInput& input) const;
  TowerCost cost(const Pass& pass) const;
  std::int64_t feature_numbers(const PictureLoad& pictures) const;

 private:
  /// Frames of one size, as a forecast knows them.
  struct Frames {
    std::int64_t count = 0, edge = 0;
  };
  static std::vector<Frames> frames_in(const PictureLoad& pictures);
  std::vector<std::int64_t> features_of(const std::vector<FrameGroup>& groups) const;
  const Embedding& queries(std::int64_t edge) const;

  DeepseekVisionOptions options_;
  std::shared_ptr<SamTower> sam_encoder_;
  std::shared_ptr<QueryStack> vision_encoder_;
  Embedding few_queries_{nullptr}, many_queries_{nullptr};
};

}  // namespace luthier

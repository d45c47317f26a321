// SPDX-License-Identifier: GPL-3.0-or-later
// DeepSeek-OCR-2's second tower (DeepseekOcr2VisionEncoder of transformers 5.17): a Qwen2 stack
// over what SAM made of a frame and learned queries behind it. A frame's own states see one
// another, each query those and the queries before it, and the queries' states alone go on.
#pragma once

#include <memory>
#include <vector>

#include "engine/models/cost.h"
#include "engine/models/decoder.h"

namespace luthier {

class QueryStack : public torch::nn::Module {
 public:
  QueryStack(const DecoderOptions& options, const torch::TensorOptions& tensors);
  /// states [frames, places, hidden] and queries [queries, hidden] → [frames, queries, hidden].
  torch::Tensor forward(const torch::Tensor& states, const torch::Tensor& queries);
  /// Adds the stages of so many frames; `learns`: the queries' own gradient.
  void add_cost(const StepTerms& terms, std::int64_t frames, std::int64_t places,
                std::int64_t queries, const TrainedShare& learns, TowerCost& cost) const;

 private:
  DecoderOptions options_;
  RotaryEmbedding rotary_;
  std::vector<std::shared_ptr<DecoderLayerImpl>> layers_;
  RmsNorm norm_{nullptr};
};

}  // namespace luthier

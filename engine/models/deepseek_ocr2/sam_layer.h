// SPDX-License-Identifier: GPL-3.0-or-later
// A layer of SAM's tower (Kirillov et al. 2023; DeepseekOcr2SamVisionLayer of transformers 5.17):
// attention over windows of the frame or over all of it, whose scores know how far key and query
// are apart down and across (Li et al. 2022).
#pragma once

#include <memory>

#include "engine/models/deepseek_ocr2/sam_options.h"
#include "engine/nn/rows.h"

namespace luthier {

/// Squares of patches that each look within themselves, as all layers of a pass share them.
struct SamSquares {
  std::int64_t side = 0, count = 0;
  RowLayout rows;       ///< one a square
  torch::Tensor marks;  ///< [side, side, marks] by patch: its row, and its column, each as a one
                        ///< among zeros; undefined: scores know no distances

  SamSquares() = default;
  /// `room`: numbers of a head beside its own; 0: none.
  SamSquares(std::int64_t side, std::int64_t count, std::int64_t room, const torch::Tensor& like);
};

class SamAttention;
class SamMlp;

class SamLayer : public torch::nn::Module {
 public:
  SamLayer(const SamOptions& options, std::int64_t layer, const torch::TensorOptions& tensors);
  /// x [frames, side, side, hidden] → the same; `squares`: those of squares(side, frames).
  torch::Tensor forward(const torch::Tensor& x, const SamSquares& squares);
  /// Of frames of so many patches a side.
  LayerCost cost(const StepTerms& terms, std::int64_t frames, std::int64_t side, bool flows) const;
  /// What the layer looks within. Those of one side are alike.
  SamSquares squares(std::int64_t side, std::int64_t frames, const torch::Tensor& like) const;
  std::int64_t square_side(std::int64_t side) const;

 private:
  std::shared_ptr<SamAttention> attn_;
  std::shared_ptr<SamMlp> mlp_;
  LayerNorm layer_norm1_{nullptr}, layer_norm2_{nullptr};
};

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// CLIP's tower of texts (Radford et al. 2021) as CLIPTextModel of transformers 5.17: a pre-norm
// transformer in which a token sees those before it, and of which one state a text is taken: that
// at its end token. And SigLIP's (Zhai et al. 2023) as SiglipTextModel: its tokens see the whole
// row, and the state is the last token's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/models/vision_parts.h"
#include "engine/nn/rows.h"

namespace luthier {

struct ClipTextOptions {
  VisionSizes sizes;  ///< of its layers, which are those of CLIP's picture tower
  std::int64_t vocab_size = 49408, max_position_embeddings = 77, eos_token_id = 49407;
  bool both_ways = false;  ///< SigLIP
};
/// Reads a text_config with CLIPTextConfig's defaults.
Result<ClipTextOptions> read_clip_text_options(const Json& text_config, const std::string& where);

class ClipTextTower : public torch::nn::Module {
 public:
  ClipTextTower(const ClipTextOptions& options, const torch::TensorOptions& tensors);

  /// ids [tokens] of rows one after another, of these lengths → the first `rows` rows' states at
  /// their end tokens (or their last), after the last norm: [rows, hidden].
  torch::Tensor forward(const torch::Tensor& ids, const RowLayout& layout, std::int64_t rows,
                        bool checkpointing);
  /// All states after the last norm, [tokens, hidden], and the places of those.
  torch::Tensor states(const torch::Tensor& ids, const RowLayout& layout, bool checkpointing);
  torch::Tensor ends(const torch::Tensor& ids, const std::vector<std::int64_t>& lengths,
                     std::int64_t rows) const;
  /// Its stages, from the ids to the states of so many rows; whether a gradient is wanted of those.
  /// The pass's rows are shaped as the tower meets them.
  bool add_cost(const Pass& pass, std::int64_t rows, PassCost& cost) const;

  const ClipTextOptions options;

 private:
  class Embeddings;
  class Layer;
  torch::Tensor through(const torch::Tensor& ids, const RowLayout& layout, bool checkpointing);

  std::shared_ptr<Embeddings> embeddings_;
  std::vector<std::shared_ptr<Layer>> layers_;
  LayerNorm final_norm_{nullptr};
};

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// Embeddings of the tokens for each layer of the decoder (Gemma 4's small models): from a table by
// their ids, and from what enters the first layer, pictures included.
#pragma once

#include <vector>

#include "engine/nn/layers.h"
#include "engine/nn/linear.h"

namespace luthier {

struct DecoderOptions;
struct StepTerms;

/// The decoder holds its parts under their names.
class PerLayerEmbeddings {
 public:
  PerLayerEmbeddings(torch::nn::Module& holder, const DecoderOptions& options,
                     const torch::TensorOptions& tensors);
  /// ids [tokens], embeddings [tokens, hidden] → [tokens, width] for each layer.
  std::vector<torch::Tensor> forward(const torch::Tensor& ids,
                                     const torch::Tensor& embeddings) const;
  /// Whether a gradient is wanted of them where one `flows` into the embeddings.
  bool flow(const StepTerms& terms, bool flows) const;
  /// Bytes that stand from here to the end of the backward.
  std::int64_t kept(const StepTerms& terms, std::int64_t tokens, bool flows) const;
  /// Temporaries of their backward, where a gradient is wanted of them.
  std::int64_t work(const StepTerms& terms, std::int64_t tokens) const;

 private:
  std::int64_t layers_, tokens_, width_;
  double scale_, context_scale_;
  Embedding embed_tokens_per_layer_{nullptr};
  Linear per_layer_model_projection_{nullptr};
  RmsNorm per_layer_projection_norm_{nullptr};
};

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// The way of one kind of media into Gemma 3n's text (Gemma3nMultimodalEmbedder of transformers
// 5.17): features of a tower, and tokens of the vocabulary that are its own, such as the one that
// ends a picture.
#pragma once

#include <cstdint>
#include <string>

#include "engine/models/tower_model.h"

namespace luthier {

struct MediaOptions {
  std::int64_t width = 2048, vocabulary = 128;
  std::int64_t first = 262144;  ///< the id of its first token
  double rms_norm_eps = 1e-6;

  std::int64_t last() const { return first + vocabulary - 1; }
};
/// vision_config or audio_config; what `options` holds is the default.
Status read_media_options(const Json& config, const std::string& where, MediaOptions& options);

class MediaEmbedder : public torch::nn::Module {
 public:
  MediaEmbedder(const MediaOptions& options, std::int64_t text_width,
                const torch::TensorOptions& tensors);
  /// features [.., width] → [.., text width].
  torch::Tensor soft(const torch::Tensor& features) const;
  /// ids [tokens] of any tokens; `most`: those from the first on and up to it are its own →
  /// `embeddings` [tokens, text width], in the places of its own made anew.
  torch::Tensor placed(const torch::Tensor& embeddings, const torch::Tensor& ids,
                       std::int64_t most) const;
  /// `flows`: a gradient is wanted of the features.
  ProjectorCost cost(const StepTerms& terms, std::int64_t features, bool flows) const;
  /// Bytes that placed() keeps of so many tokens; whether something of it trains.
  std::int64_t placed_kept(const StepTerms& terms, std::int64_t tokens) const;
  bool trains(const StepTerms& terms) const;

 private:
  torch::Tensor led_on(const torch::Tensor& normal) const;

  MediaOptions options_;
  Embedding embedding_{nullptr};
  RmsNorm hard_embedding_norm_{nullptr}, soft_embedding_norm_{nullptr};
  Linear embedding_projection_{nullptr};
};

}  // namespace luthier

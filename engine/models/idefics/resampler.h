// SPDX-License-Identifier: GPL-3.0-or-later
// Idefics' resampler (Perceiver, Jaegle et al. 2021, as Flamingo has it; IdeficsPerceiverResampler
// of transformers 5.17): learned states look at a picture's and at themselves, block after block,
// and stand for the picture from there on.
#pragma once

#include <memory>
#include <vector>

#include "engine/models/cost.h"
#include "engine/nn/layers.h"
#include "engine/nn/linear.h"

namespace luthier {

struct ResamplerOptions {
  std::int64_t width = 768;  ///< of the tower's states
  std::int64_t latents = 64, depth = 6, heads = 16, head_dim = 96;
  bool qk_norm = false;  ///< LayerNorm of each head's query and key
};

class PictureResampler : public ParameterModule {
 public:
  PictureResampler(const ResamplerOptions& options, const torch::TensorOptions& tensors);
  /// [pictures, tokens, width] → [pictures, latents, width].
  torch::Tensor forward(const torch::Tensor& states);
  /// `flows`: a gradient is wanted of what comes in, of `tokens` states a picture.
  ProjectorCost cost(const Pass& pass, std::int64_t tokens, bool flows) const;
  std::string type_name() const override { return "Parameter"; }
  torch::Tensor first_value(const std::string& name, const at::Generator& generator) const override;

 private:
  class Attention;
  class Mlp;

  const ResamplerOptions options_;
  torch::Tensor latents_;  // [latents, width]
  std::vector<std::pair<std::shared_ptr<Attention>, std::shared_ptr<Mlp>>> blocks_;
  LayerNorm layer_norm_{nullptr};
};

}  // namespace luthier

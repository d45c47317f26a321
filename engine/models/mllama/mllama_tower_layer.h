// SPDX-License-Identifier: GPL-3.0-or-later
// A layer of Llama 3.2 Vision's picture tower (MllamaVisionEncoderLayer of transformers 5.17). Of a
// picture's tokens those that show something see all, and those that fill it up see the former
// alone.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/models/vision_parts.h"
#include "engine/nn/attention.h"
#include "engine/nn/plugs.h"
#include "engine/nn/rows.h"

namespace luthier {

/// Pictures of as many tokens each, of which the first `shown` show something.
struct MllamaFrames {
  MllamaFrames(const std::vector<std::int64_t>& shown, std::int64_t all);
  /// [tokens, heads, size] each → [tokens, heads · size].
  torch::Tensor attend(const torch::Tensor& q, const torch::Tensor& k,
                       const torch::Tensor& v) const;

 private:
  std::vector<std::int64_t> sizes_, wholes_;  ///< of either part, and of both
  std::vector<RowLayout> parts_;              ///< the same as rows
  RowLayout whole_;
};

class MllamaTowerAttention : public torch::nn::Module, public BranchPort {
 public:
  MllamaTowerAttention(const VisionSizes& sizes, const torch::TensorOptions& tensors);
  torch::Tensor forward(const torch::Tensor& x, const MllamaFrames& frames);
  AttentionBranchCost cost(const StepTerms& terms, std::int64_t tokens, std::int64_t pictures,
                           bool flows) const;

 private:
  std::int64_t heads_;
  Linear q_proj_{nullptr}, k_proj_{nullptr}, v_proj_{nullptr}, o_proj_{nullptr};
};

class MllamaTowerLayer : public ParameterModule {
 public:
  /// `gated`: what either half adds is opened by a learned number.
  MllamaTowerLayer(const VisionSizes& sizes, bool gated, const torch::TensorOptions& tensors);
  torch::Tensor forward(const torch::Tensor& x, const MllamaFrames& frames);
  LayerCost cost(const StepTerms& terms, std::int64_t tokens, std::int64_t pictures,
                 bool flows) const;
  std::string type_name() const override { return "Parameter"; }

 private:
  torch::Tensor gate_attn_, gate_ffn_;  ///< [1] each, or undefined
  std::shared_ptr<MllamaTowerAttention> self_attn_;
  std::shared_ptr<VisionMlp> mlp_;
  LayerNorm input_layernorm_{nullptr}, post_attention_layernorm_{nullptr};
};

}  // namespace luthier

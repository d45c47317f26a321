// SPDX-License-Identifier: GPL-3.0-or-later
// Norms, embedding and activations, each with a backward that keeps only what it cannot recompute.
#pragma once

#include <string>
#include <utility>

#include "engine/base/result.h"
#include "engine/kernels/source/shared.h"
#include "engine/nn/parameters.h"
#include "engine/nn/plugs.h"

namespace luthier {

/// y = x / rms(x) · weight (Zhang & Sennrich 2019; as LlamaRMSNorm: the mean of squares and the
/// scaling are in float32). `centred`: · (1 + weight), rounded once at the end (as GemmaRMSNorm).
/// `once`: · weight, rounded once (as Gemma4RMSNorm).
class RmsNormImpl : public ParameterModule {
 public:
  RmsNormImpl(std::int64_t size, double epsilon, const torch::TensorOptions& options,
              bool centred = false, bool once = false);
  torch::Tensor forward(const torch::Tensor& x) const;  // [..., size]
  /// x + added, and forward() of that.
  std::pair<torch::Tensor, torch::Tensor> after_sum(const torch::Tensor& x,
                                                    const torch::Tensor& added) const;
  std::string type_name() const override { return "RMSNorm"; }
  double neutral() const { return centred_ ? 0 : 1; }  ///< the weight that changes nothing
  double epsilon() const { return epsilon_; }
  bool centred() const { return centred_; }
  /// Whether a sum or a rotation made together with it would round it twice in x's type.
  bool goes_alone(const torch::Tensor& x) const { return once_ && x.element_size() < 4; }
  torch::Tensor weight;

 private:
  double epsilon_;
  bool centred_, once_;
};
TORCH_MODULE(RmsNorm);

/// `with_bias` false: a weight alone (Cohere).
class LayerNormImpl : public ParameterModule {
 public:
  LayerNormImpl(std::int64_t size, double epsilon, const torch::TensorOptions& options,
                bool with_bias = true);
  torch::Tensor forward(const torch::Tensor& x) const;  // [..., size]
  std::string type_name() const override { return "LayerNorm"; }
  torch::Tensor weight, bias;

 private:
  double epsilon_;
};
TORCH_MODULE(LayerNorm);

class EmbeddingImpl : public ParameterModule {
 public:
  EmbeddingImpl(std::int64_t count, std::int64_t size, const torch::TensorOptions& options);
  /// [...] int64 → [..., size], through the plug if one hangs here.
  torch::Tensor forward(const torch::Tensor& ids) const;
  torch::Tensor lookup(const torch::Tensor& ids) const;
  std::string type_name() const override { return "Embedding"; }
  torch::Tensor weight;                 // [count, size]
  std::int64_t padding = -1;            ///< the row that learns nothing here; −1: all learn
  const EmbeddingPlug* plug = nullptr;  ///< not owned; null: the base alone
};
TORCH_MODULE(Embedding);

/// transformers' name of an Activation (engine/kernels/source/shared.h).
Result<Activation> parse_activation(const std::string& name, const std::string& where);
/// Keeps x only.
torch::Tensor activate(const torch::Tensor& x, Activation activation);
/// activate(gate) · up, keeping only gate and up for the backward (SwiGLU, Shazeer 2020).
torch::Tensor gated(const torch::Tensor& gate, const torch::Tensor& up, Activation activation);

}  // namespace luthier

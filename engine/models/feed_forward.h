// SPDX-License-Identifier: GPL-3.0-or-later
// What stands behind the attention of a decoder's layer: one gated MLP that all tokens go through,
// or a mixture of experts that each token goes through a few of.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/nn/experts.h"
#include "engine/nn/layers.h"
#include "engine/nn/linear.h"
#include "engine/nn/plugs.h"

namespace luthier {

struct MlpCost;  // nn/cost.h
struct ProductsCost;
struct StepTerms;

class FeedForward : public torch::nn::Module, public BranchPort {
 public:
  explicit FeedForward(std::int64_t hidden_size) : BranchPort(Kind::FeedForward, hidden_size) {}
  /// [tokens, hidden]. `routers`: where a mixture writes down what it made of the tokens; null:
  /// nowhere.
  virtual torch::Tensor forward(const torch::Tensor& x, RouterNotes* routers) = 0;
  virtual MlpCost cost(const StepTerms& terms, std::int64_t tokens, bool flows) const = 0;
};

/// What the products of a gated MLP are called.
struct GatedNames {
  const char *gate, *up, *down;
};
constexpr GatedNames kGatedNames{"gate_proj", "up_proj", "down_proj"};
constexpr GatedNames kNumberedNames{"w1", "w3", "w2"};  ///< as the first Llama's

/// The products of a gated MLP, which the module that is one holds under their names.
class GatedProducts {
 public:
  GatedProducts(torch::nn::Module& holder, std::int64_t hidden_size, std::int64_t intermediate_size,
                bool bias, Activation activation, const torch::TensorOptions& tensors,
                const GatedNames& names = kGatedNames, std::optional<double> cutoff = {});
  torch::Tensor forward(const torch::Tensor& x) const;
  MlpCost cost(const StepTerms& terms, std::int64_t tokens, bool flows) const;
  /// Bytes of its input, where that is kept: a share of what cost() says.
  std::int64_t input_kept(const StepTerms& terms, std::int64_t tokens) const;

 private:
  Activation activation_;
  std::optional<double> cutoff_;
  Linear gate_proj_{nullptr}, up_proj_{nullptr}, down_proj_{nullptr};
};

/// `cutoff`: what of a gate lies so many deviations over its row's mean opens, and nothing else
/// does (nn/cutoff.h); none: all of it.
class GatedMlpImpl : public FeedForward {
 public:
  GatedMlpImpl(std::int64_t hidden_size, std::int64_t intermediate_size, bool bias,
               Activation activation, const torch::TensorOptions& tensors,
               const GatedNames& names = kGatedNames, std::optional<double> cutoff = {});
  torch::Tensor forward(const torch::Tensor& x, RouterNotes* = nullptr) override;
  MlpCost cost(const StepTerms& terms, std::int64_t tokens, bool flows) const override;

 private:
  GatedProducts products_;
};
TORCH_MODULE(GatedMlp);

/// The same with gate and up one product, gate's rows first (GLM).
class FusedMlpImpl : public FeedForward {
 public:
  FusedMlpImpl(std::int64_t hidden_size, std::int64_t intermediate_size, Activation activation,
               const torch::TensorOptions& tensors);
  torch::Tensor forward(const torch::Tensor& x, RouterNotes* = nullptr) override;
  MlpCost cost(const StepTerms& terms, std::int64_t tokens, bool flows) const override;

 private:
  Activation activation_;
  Linear gate_up_proj_{nullptr}, down_proj_{nullptr};
};

/// Which layers have experts, how many there are and how many of them a token goes to.
struct ExpertOptions {
  std::int64_t count = 0, each = 0, intermediate_size = 0;
  std::int64_t shared_intermediate_size = 0;  ///< of one more, for all tokens; 0: there is none
  bool shared_opens = true;  ///< as far as a sigmoid of the token says (DeepSeek's always is open)
  bool shared_bias = false;  ///< its products have biases
  std::vector<bool> sparse;  ///< one a layer: whether it has them
  RouterRule router;
  bool has_router_loss = true;  ///< transformers' model knows one
  double router_aux_loss_coef = 0;
  bool tells_routing = false;  ///< the config has `output_router_logits`, whatever it says
};

/// The expert that all tokens go through (Dai et al. 2024). No branch of its own: what is added to
/// the states is the mixture.
class SharedExpertImpl : public torch::nn::Module {
 public:
  SharedExpertImpl(std::int64_t hidden_size, std::int64_t intermediate_size, bool bias,
                   Activation activation, const torch::TensorOptions& tensors)
      : products(*this, hidden_size, intermediate_size, bias, activation, tensors) {}

  const GatedProducts products;
};
TORCH_MODULE(SharedExpert);

/// Of experts that each token goes to `each` of, with their router's product; `input`: bytes that
/// they keep of their input.
MlpCost mixture_cost(const StepTerms& terms, const ExpertsImpl& experts, std::int64_t each,
                     const ProductsCost& routed, std::int64_t input, std::int64_t tokens,
                     bool flows);

/// Experts with their router, and where there is one the shared expert, which a sigmoid of the
/// token opens (Qwen3.5's) or nothing does (DeepSeek's, which are several side by side).
class SparseMlpImpl : public FeedForward {
 public:
  SparseMlpImpl(std::int64_t hidden_size, const ExpertOptions& options, Activation activation,
                const torch::TensorOptions& tensors);
  torch::Tensor forward(const torch::Tensor& x, RouterNotes* routers) override;
  MlpCost cost(const StepTerms& terms, std::int64_t tokens, bool flows) const override;

 private:
  /// Of the bytes of its input, those that the experts and their router keep.
  std::int64_t input_kept(const StepTerms& terms, std::int64_t tokens) const;

  std::int64_t each_;
  Experts experts_{nullptr};
  Router gate_{nullptr};
  SharedExpert shared_expert_{nullptr};
  Linear shared_expert_gate_{nullptr};  ///< null: it is always open
};
TORCH_MODULE(SparseMlp);

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// A mixture of experts (Shazeer et al. 2017; Fedus et al. 2022): a router sends each token to the
// few of many small gated MLPs that it thinks most of, and adds up what they make of it. The
// experts' weights stand stacked in two parameters. Tokens are brought together expert by expert,
// so that each expert is a few products of its own tokens and one without tokens costs nothing.
#pragma once

#include "engine/nn/layers.h"
#include "engine/nn/linear.h"

namespace luthier {

/// Where tokens go and how much each place counts.
struct Routing {
  torch::Tensor experts;        ///< [tokens, each] int64
  torch::Tensor shares;         ///< [tokens, each], of the states' type; differentiable
  torch::Tensor probabilities;  ///< [tokens, experts] float32: of all of them; differentiable
};

/// How routers differ.
struct RouterRule {
  bool divides = true;             ///< what the chosen ones got is divided by its sum
  double factor = 1;               ///< of the shares
  std::int64_t groups = 0;         ///< of neighbouring experts; 0: there are none
  std::int64_t chosen_groups = 0;  ///< whose experts alone are chosen among: a group is worth what
                                   ///< its best expert is
  bool wide = false;               ///< the product is in float32, too, and so are the shares
};

/// The likeliest experts of each token by a softmax over all, in float32. A Linear to who trains,
/// saves or adapts it by its weight's name, but none that "all Linears" means: transformers'
/// routers are parameters in a module of their own.
class RouterImpl : public LinearImpl {
 public:
  RouterImpl(std::int64_t hidden_size, std::int64_t experts, std::int64_t each,
             const torch::TensorOptions& tensors, const RouterRule& rule = {});
  const RouterRule& rule() const { return rule_; }
  Routing route(const torch::Tensor& x) const;  // [tokens, hidden]
  std::string type_name() const override { return "Router"; }

 private:
  torch::Tensor logits(const torch::Tensor& x) const;

  std::int64_t each_;
  RouterRule rule_;
};
TORCH_MODULE(Router);

/// What the routers of a pass made of its tokens, layer after layer.
struct RouterNotes {
  struct Layer {
    torch::Tensor probabilities;  ///< [experts] float32: summed over the tokens; differentiable
    torch::Tensor counts;         ///< [experts] float32: tokens that were sent there
  };
  std::size_t rows = 0;     ///< of the sequence, that are looked at: those behind them are filler
  std::int64_t tokens = 0;  ///< of those rows
  std::vector<Layer> layers;

  void add(const Routing& routing);
  /// How unevenly the experts of all layers are used (Fedus et al. 2022, as transformers computes
  /// it): experts · Σ share of the places · mean probability. [] float32, differentiable.
  torch::Tensor loss() const;
};

/// What is added to each expert's matrix of one stack: scale · bₑ aₑ. Of undefined tensors:
/// nothing.
struct ExpertPair {
  torch::Tensor a;  ///< [experts, r, in]
  torch::Tensor b;  ///< [experts, out, r]
  double scale = 1;
};

/// What hangs on a stack of experts' matrices.
class ExpertPlug : public Plug {
 public:
  /// `type`: of the states.
  virtual ExpertPair pair(torch::ScalarType type) const = 0;
};

/// The experts' MLPs: down(activate(gate) · up), gate and up of one product.
class ExpertsImpl : public ParameterModule {
 public:
  ExpertsImpl(std::int64_t experts, std::int64_t hidden_size, std::int64_t intermediate_size,
              Activation activation, const torch::TensorOptions& tensors);
  /// x [tokens, hidden] → [tokens, hidden], each token's experts by their shares. Keeps of a step
  /// what stands before the activation, and x where something of gate and up trains.
  torch::Tensor forward(const torch::Tensor& x, const Routing& routing) const;
  std::string type_name() const override { return "Experts"; }
  /// How evenly they are used is asked of all tokens.
  bool row_by_row() const override { return false; }

  torch::Tensor gate_up_proj;  // [experts, 2 · intermediate, hidden], gates first
  torch::Tensor down_proj;     // [experts, hidden, intermediate]
  const ExpertPlug *gate_up_plug = nullptr, *down_plug = nullptr;  ///< not owned

 private:
  Activation activation_;
};
TORCH_MODULE(Experts);

}  // namespace luthier

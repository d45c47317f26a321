// SPDX-License-Identifier: GPL-3.0-or-later
// What nn/experts keeps of a step goes by how many experts a token goes to, not by how many there
// are: those that rest cost their weights alone. Only a router's probabilities are of all.
#include <algorithm>

#include "engine/models/feed_forward.h"
#include "engine/nn/module_cost.h"

namespace luthier {

namespace {

/// Of the places of one expert, the most that are counted with: so many times what it would get if
/// all got alike.
constexpr std::int64_t kUneven = 2;

}  // namespace

MlpCost GatedProducts::cost(const StepTerms& terms, std::int64_t tokens, bool flows) const {
  MlpCost cost = mlp_cost(terms, {gate_proj_, up_proj_}, down_proj_, tokens, flows);
  if (cutoff_ && cost.inside) {  // the gate as it came, and what it is measured by
    const std::int64_t gate =
        terms.block(tokens * gate_proj_->out_features()) + 2 * terms.block(tokens);
    cost.kept += gate, cost.released += gate, cost.work += gate;
  }
  return cost;
}

std::int64_t GatedProducts::input_kept(const StepTerms& terms, std::int64_t tokens) const {
  return products_cost(terms, {gate_proj_, up_proj_}, tokens).input;
}

MlpCost GatedMlpImpl::cost(const StepTerms& terms, std::int64_t tokens, bool flows) const {
  MlpCost cost = products_.cost(terms, tokens, flows);
  add_plug(cost, terms, *this, tokens);
  return cost;
}

MlpCost FusedMlpImpl::cost(const StepTerms& terms, std::int64_t tokens, bool flows) const {
  MlpCost cost = mlp_cost(terms, {gate_up_proj_}, down_proj_, tokens, flows);
  // Both sides' gradients are put together for the one product when what the activation kept is
  // gone: no more than stood there before.
  add_plug(cost, terms, *this, tokens);
  return cost;
}

std::int64_t SparseMlpImpl::input_kept(const StepTerms& terms, std::int64_t tokens) const {
  const std::shared_ptr<LinearImpl> router = gate_.ptr();
  return std::max(terms.of(*experts_).trains ? terms.block(tokens * width()) : 0,
                  products_cost(terms, {Linear(router)}, tokens).input);
}

MlpCost mixture_cost(const StepTerms& terms, const ExpertsImpl& module, std::int64_t each,
                     const ProductsCost& routed, std::int64_t input, std::int64_t tokens,
                     bool flows) {
  const TrainedShare experts = terms.of(module);
  const std::int64_t count = module.gate_up_proj.size(0), hidden = module.gate_up_proj.size(2),
                     inner = module.down_proj.size(2), places = tokens * each;
  MlpCost cost;
  cost.inside = flows || experts.trains || routed.trains;
  if (cost.inside) {
    const std::int64_t made = terms.block(places * 2 * inner);
    // Places in the experts' order and whose they are, with the shares that were chosen.
    const std::int64_t orders = 2 * terms.block(places, 8);
    const std::int64_t shares = terms.block(places) + 2 * terms.floats(places) +
                                terms.block(places, 8) + terms.floats(tokens * count);
    cost.kept = input + routed.numbers + terms.block(experts.kept_numbers) + made + orders + shares;
    cost.released = made + orders;
  }
  const std::int64_t most =
      std::min(tokens, (kUneven * places + count - 1) / std::max<std::int64_t>(1, count));
  // The gradient of the input, and of one expert: what comes in, is counted and goes out, with the
  // sides of its gate, their gradients and what they come to.
  cost.work = terms.floats(tokens * hidden) + 3 * terms.block(most * hidden) +
              6 * terms.block(most * inner) + (experts.trains ? terms.block(most * hidden) : 0);
  cost.work = std::max(cost.work, routed.work);
  cost.down_work = cost.work;
  return cost;
}

MlpCost SparseMlpImpl::cost(const StepTerms& terms, std::int64_t tokens, bool flows) const {
  const std::shared_ptr<LinearImpl> router = gate_.ptr();
  MlpCost cost =
      mixture_cost(terms, *experts_, each_, products_cost(terms, {Linear(router)}, tokens),
                   input_kept(terms, tokens), tokens, flows);
  // In float32 the router reads a copy of the states, and a copy of its weight is kept for theirs.
  if (gate_->rule().wide && terms.element < 4 && cost.inside)
    cost.kept += (terms.of(*gate_).trains ? terms.floats(tokens * width()) : 0) +
                 (flows ? terms.floats(gate_->out_features() * width()) : 0);
  if (shared_expert_ && !shared_expert_gate_) {
    const GatedProducts& products = shared_expert_->products;
    const MlpCost shared = products.cost(terms, tokens, flows);
    const std::int64_t mixed = input_kept(terms, tokens), own = products.input_kept(terms, tokens);
    cost.kept += std::max(mixed, own) - mixed + shared.kept - own;
    // Backwards it comes first, of the gradient that both halves get; the gradient of its input
    // stands beside the experts'.
    const std::int64_t back = flows ? terms.block(tokens * width()) : 0;
    cost.work = std::max({shared.work, shared.down_work, cost.work + back - shared.released});
    cost.down_work = cost.work;
    cost.released += shared.released;
    cost.inside = cost.inside || shared.inside;
  } else if (shared_expert_) {
    const GatedProducts& products = shared_expert_->products;
    const MlpCost shared = products.cost(terms, tokens, flows);
    const ProductsCost gate = products_cost(terms, {shared_expert_gate_}, tokens);
    const std::int64_t mixed = input_kept(terms, tokens), own = products.input_kept(terms, tokens),
                       state = terms.block(tokens * width());
    // The three read one input. Either factor is kept where the other wants a gradient.
    const bool opens = flows || gate.trains,
               passes = flows || trained_within(terms, *shared_expert_).trains;
    const std::int64_t factors = (opens ? state : 0) + (opens || passes ? terms.block(tokens) : 0);
    cost.kept +=
        std::max({mixed, own, gate.input}) - mixed + shared.kept - own + gate.numbers + factors;
    // Backwards it comes first: the gradients of both factors, then the products'; what it kept is
    // gone when the experts' come, and the gradient of the input stands.
    const std::int64_t first = state + std::max({state, shared.work, shared.down_work, gate.work});
    const std::int64_t gone = shared.released + factors;
    cost.work = std::max(first, cost.work + (flows ? state : 0) - gone);
    cost.down_work = cost.work;
    cost.released += gone;
    cost.inside = cost.inside || shared.inside || gate.trains;
  }
  add_plug(cost, terms, *this, tokens);
  return cost;
}

}  // namespace luthier

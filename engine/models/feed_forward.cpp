// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/feed_forward.h"

#include "engine/nn/cutoff.h"
#include "engine/nn/side_by_side.h"

namespace luthier {

using torch::Tensor;

GatedProducts::GatedProducts(torch::nn::Module& holder, std::int64_t hidden_size,
                             std::int64_t intermediate_size, bool bias, Activation activation,
                             const torch::TensorOptions& tensors, const GatedNames& names,
                             std::optional<double> cutoff)
    : activation_(activation), cutoff_(cutoff) {
  const auto made =
      neighbouring_linears(hidden_size, {intermediate_size, intermediate_size}, bias, tensors);
  gate_proj_ = holder.register_module(names.gate, made[0]);
  up_proj_ = holder.register_module(names.up, made[1]);
  down_proj_ =
      holder.register_module(names.down, Linear(intermediate_size, hidden_size, bias, tensors));
}

Tensor GatedProducts::forward(const Tensor& x) const {
  const auto made = side_by_side(x, {gate_proj_.get(), up_proj_.get()});
  const Tensor gate = cutoff_ ? over_cutoff(made[0], *cutoff_) : made[0];
  return down_proj_->forward(gated(gate, made[1], activation_));
}

GatedMlpImpl::GatedMlpImpl(std::int64_t hidden_size, std::int64_t intermediate_size, bool bias,
                           Activation activation, const torch::TensorOptions& tensors,
                           const GatedNames& names, std::optional<double> cutoff)
    : FeedForward(hidden_size),
      products_(*this, hidden_size, intermediate_size, bias, activation, tensors, names, cutoff) {}

Tensor GatedMlpImpl::forward(const Tensor& x, RouterNotes*) { return products_.forward(x); }

FusedMlpImpl::FusedMlpImpl(std::int64_t hidden_size, std::int64_t intermediate_size,
                           Activation activation, const torch::TensorOptions& tensors)
    : FeedForward(hidden_size), activation_(activation) {
  gate_up_proj_ =
      register_module("gate_up_proj", Linear(hidden_size, 2 * intermediate_size, false, tensors));
  down_proj_ = register_module("down_proj", Linear(intermediate_size, hidden_size, false, tensors));
}

Tensor FusedMlpImpl::forward(const Tensor& x, RouterNotes*) {
  const std::vector<Tensor> made = gate_up_proj_(x).chunk(2, -1);
  return down_proj_(gated(made[0], made[1], activation_));
}

SparseMlpImpl::SparseMlpImpl(std::int64_t hidden_size, const ExpertOptions& options,
                             Activation activation, const torch::TensorOptions& tensors)
    : FeedForward(hidden_size), each_(options.each) {
  experts_ = register_module("experts", Experts(options.count, hidden_size,
                                                options.intermediate_size, activation, tensors));
  gate_ = register_module(
      "gate", Router(hidden_size, options.count, options.each, tensors, options.router));
  const std::int64_t shared = options.shared_intermediate_size;
  if (shared == 0) return;
  shared_expert_ =
      register_module(options.shared_opens ? "shared_expert" : "shared_experts",
                      SharedExpert(hidden_size, shared, options.shared_bias, activation, tensors));
  if (!options.shared_opens) return;
  shared_expert_gate_ =
      register_module("shared_expert_gate", Linear(hidden_size, 1, /*bias=*/false, tensors));
}

Tensor SparseMlpImpl::forward(const Tensor& x, RouterNotes* routers) {
  const Routing routing = gate_->route(x);
  if (routers) routers->add(routing);
  const Tensor mixed = experts_->forward(x, routing);
  if (!shared_expert_) return mixed;
  if (!shared_expert_gate_) return mixed + shared_expert_->products.forward(x);
  const Tensor open = at::sigmoid(shared_expert_gate_(x));  // [tokens, 1]
  return mixed + open * shared_expert_->products.forward(x);
}

}  // namespace luthier

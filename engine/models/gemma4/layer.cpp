// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/gemma4/layer.h"

#include <cmath>
#include <tuple>

#include "engine/nn/rms_norm.h"

namespace luthier {

using torch::Tensor;

Gemma4RouterImpl::Gemma4RouterImpl(const DecoderOptions& o, const torch::TensorOptions& tensors)
    : each_(o.experts->each), epsilon_(o.rms_norm_eps) {
  proj_ = register_module("proj", Linear(o.hidden_size, o.experts->count, /*bias=*/false, tensors));
  add_parameter("scale", scale_, {o.hidden_size}, tensors);
  add_parameter("per_expert_scale", per_expert_scale_, {o.experts->count}, tensors);
}

Tensor Gemma4RouterImpl::first_value(const std::string& name, const at::Generator&) const {
  return at::ones(name == "scale" ? scale_.sizes() : per_expert_scale_.sizes(), torch::kFloat32);
}

Routing Gemma4RouterImpl::route(const Tensor& x) const {
  const double root = std::sqrt(static_cast<double>(scale_.size(0)));
  const Tensor logits = proj_->forward(unweighted_rms_norm(x, epsilon_) * scale_ * (1 / root));
  Routing routing;
  routing.probabilities =
      at::softmax(logits, -1, c10::promoteTypes(logits.scalar_type(), torch::kFloat32));
  Tensor most;
  std::tie(most, routing.experts) = at::topk(routing.probabilities, each_, -1);
  const Tensor own = per_expert_scale_.index_select(0, routing.experts.reshape({-1}));
  routing.shares = most / most.sum(-1, /*keepdim=*/true) * own.view(most.sizes());
  return routing;
}

Gemma4LayerImpl::Gemma4LayerImpl(const DecoderOptions& o, std::int64_t layer,
                                 const torch::TensorOptions& tensors)
    : activation_(o.hidden_act) {
  const auto norm = [&](const char* name) {
    return register_module(
        name, RmsNorm(o.hidden_size, o.rms_norm_eps, tensors, /*centred=*/false, /*once=*/true));
  };
  const bool wide = o.gemma4->wide_sharers && o.gemma4->shares(layer);
  self_attn_ = register_module("self_attn", Gemma4Attention(o, layer, tensors));
  mlp_ = std::make_shared<GatedMlpImpl>(o.hidden_size, (wide ? 2 : 1) * o.intermediate_size,
                                        /*bias=*/false, o.hidden_act, tensors);
  register_module("mlp", mlp_);
  input_layernorm_ = norm("input_layernorm");
  post_attention_layernorm_ = norm("post_attention_layernorm");
  pre_feedforward_layernorm_ = norm("pre_feedforward_layernorm");
  post_feedforward_layernorm_ = norm("post_feedforward_layernorm");
  add_fixed("layer_scalar", layer_scalar_, {1}, /*first=*/1, tensors);
  if (const std::int64_t width = o.gemma4->per_layer_width; width > 0) {
    per_layer_input_gate_ = register_module("per_layer_input_gate",
                                            Linear(o.hidden_size, width, /*bias=*/false, tensors));
    per_layer_projection_ = register_module("per_layer_projection",
                                            Linear(width, o.hidden_size, /*bias=*/false, tensors));
    post_per_layer_input_norm_ = norm("post_per_layer_input_norm");
  }
  if (!o.experts) return;
  each_ = o.experts->each;
  router_ = register_module("router", Gemma4Router(o, tensors));
  experts_ =
      register_module("experts", Experts(o.experts->count, o.hidden_size,
                                         o.experts->intermediate_size, o.hidden_act, tensors));
  post_feedforward_layernorm_1_ = norm("post_feedforward_layernorm_1");
  post_feedforward_layernorm_2_ = norm("post_feedforward_layernorm_2");
  pre_feedforward_layernorm_2_ = norm("pre_feedforward_layernorm_2");
}

Tensor Gemma4LayerImpl::fed(const Tensor& normal, const Tensor& states, RouterNotes* routers) {
  const Tensor dense = mlp_->forward(normal, nullptr);
  if (!experts_) return dense;
  const Routing routing = router_->route(states);
  if (routers) routers->add(routing);
  const Tensor mixed = experts_->forward(pre_feedforward_layernorm_2_(states), routing);
  return post_feedforward_layernorm_1_(dense) + post_feedforward_layernorm_2_(mixed);
}

Tensor Gemma4LayerImpl::forward(const Tensor& all, const TokenSequence& sequence,
                                const RotaryTable& rotary, KeyValueCache* cache) {
  // Chosen before attention: the gradient of what goes past it is spread out after attention's.
  const Tensor x = own_rows(all, sequence);
  const Tensor mixed = self_attn_->forward(input_layernorm_(all), sequence, rotary, cache);
  const auto [attended, normal] = pre_feedforward_layernorm_->after_sum(
      x, self_attn_->joined(post_attention_layernorm_(mixed), x));
  const Tensor made = post_feedforward_layernorm_(fed(normal, attended, sequence.routers.get()));
  Tensor states = attended + mlp_->joined(made, attended);
  if (per_layer_input_gate_) {
    const Tensor opened =
        gated(per_layer_input_gate_(states), own_rows(sequence.layer_input, sequence), activation_);
    states = states + post_per_layer_input_norm_(per_layer_projection_(opened));
  }
  return states * layer_scalar_;
}

}  // namespace luthier

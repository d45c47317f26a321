// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/idefics/resampler.h"

#include "engine/nn/module_cost.h"
#include "engine/nn/side_by_side.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr double kResamplerEpsilon = 1e-5;  // torch's own

class ResamplerBlock : public torch::nn::Module {};

}  // namespace

class PictureResampler::Attention : public torch::nn::Module {
 public:
  Attention(const ResamplerOptions& o, const torch::TensorOptions& t)
      : heads_(o.heads), head_dim_(o.head_dim) {
    const std::int64_t inner = o.heads * o.head_dim;
    const auto norm = [&](const char* name, std::int64_t size) {
      return register_module(name, LayerNorm(size, kResamplerEpsilon, t));
    };
    context_layer_norm_ = norm("context_layer_norm", o.width);
    latents_layer_norm_ = norm("latents_layer_norm", o.width);
    if (o.qk_norm) {
      q_layer_norm_ = norm("q_layer_norm", o.head_dim);
      k_layer_norm_ = norm("k_layer_norm", o.head_dim);
    }
    q_proj_ = register_module("q_proj", Linear(o.width, inner, /*bias=*/false, t));
    const auto made = neighbouring_linears(o.width, {inner, inner}, /*bias=*/false, t);
    k_proj_ = register_module("k_proj", made[0]);
    v_proj_ = register_module("v_proj", made[1]);
    output_proj_ = register_module("output_proj", Linear(inner, o.width, /*bias=*/false, t));
  }

  Tensor forward(const Tensor& context, const Tensor& latents) {
    const Tensor own = latents_layer_norm_(latents);
    const auto made = side_by_side(at::cat({context_layer_norm_(context), own}, 1),
                                   {k_proj_.get(), v_proj_.get()});
    const auto split = [&](const Tensor& x) {
      return x.view({x.size(0), x.size(1), heads_, head_dim_});
    };
    Tensor query = split(q_proj_(own)), key = split(made[0]);
    if (q_layer_norm_) query = q_layer_norm_(query), key = k_layer_norm_(key.contiguous());
    const Tensor mixed = at::scaled_dot_product_attention(
        query.transpose(1, 2), key.transpose(1, 2), split(made[1]).transpose(1, 2));
    return output_proj_(mixed.transpose(1, 2).flatten(2));
  }

  std::int64_t kept(const StepTerms& terms, std::int64_t states, std::int64_t latents, bool context,
                    bool flows) const {
    const std::int64_t seen = states + latents, inner = heads_ * head_dim_;
    const ProductsCost query = products_cost(terms, {q_proj_}, latents),
                       keys = products_cost(terms, {k_proj_, v_proj_}, seen),
                       back = products_cost(terms, {output_proj_}, latents);
    std::int64_t bytes =
        query.input + query.numbers + keys.input + keys.numbers + back.input + back.numbers;
    if (context || terms.of(*context_layer_norm_).trains)
      bytes += norm_kept(terms, context_layer_norm_, states);
    if (flows) bytes += norm_kept(terms, latents_layer_norm_, latents);
    if (q_layer_norm_)
      bytes += norm_kept(terms, q_layer_norm_, latents * heads_) +
               norm_kept(terms, k_layer_norm_, seen * heads_);
    return bytes + terms.block((2 * latents + 2 * seen) * inner);
  }

 private:
  std::int64_t heads_, head_dim_;
  LayerNorm context_layer_norm_{nullptr}, latents_layer_norm_{nullptr}, q_layer_norm_{nullptr},
      k_layer_norm_{nullptr};
  Linear q_proj_{nullptr}, k_proj_{nullptr}, v_proj_{nullptr}, output_proj_{nullptr};
};

class PictureResampler::Mlp : public torch::nn::Module {
 public:
  Mlp(const ResamplerOptions& o, const torch::TensorOptions& t) {
    ln_ = register_module("ln", LayerNorm(o.width, kResamplerEpsilon, t));
    fc_ = register_module("fc", Linear(o.width, 4 * o.width, /*bias=*/false, t));
    c_proj_ = register_module("c_proj", Linear(4 * o.width, o.width, /*bias=*/false, t));
  }
  Tensor forward(const Tensor& x) { return c_proj_(activate(fc_(ln_(x)), Activation::Relu)); }
  std::int64_t kept(const StepTerms& terms, std::int64_t latents) const {
    return norm_kept(terms, ln_, latents) + mlp_cost(terms, {fc_}, c_proj_, latents, true).kept;
  }

 private:
  LayerNorm ln_{nullptr};
  Linear fc_{nullptr}, c_proj_{nullptr};
};

PictureResampler::PictureResampler(const ResamplerOptions& o, const torch::TensorOptions& t)
    : options_(o) {
  add_parameter("latents", latents_, {o.latents, o.width}, t);
  torch::nn::ModuleList list;
  for (std::int64_t i = 0; i < o.depth; ++i) {
    auto block = std::make_shared<ResamplerBlock>();
    blocks_.emplace_back(std::make_shared<Attention>(o, t), std::make_shared<Mlp>(o, t));
    block->register_module("0", blocks_.back().first);
    block->register_module("1", blocks_.back().second);
    list->push_back(block);
  }
  register_module("blocks", list);
  layer_norm_ = register_module("layer_norm", LayerNorm(o.width, kResamplerEpsilon, t));
}

Tensor PictureResampler::first_value(const std::string&, const at::Generator& generator) const {
  return torch::empty(latents_.sizes(), torch::kFloat32).normal_(0, 1, generator);
}

Tensor PictureResampler::forward(const Tensor& states) {
  Tensor latents = latents_.unsqueeze(0).expand({states.size(0), -1, -1}).contiguous();
  for (const auto& [attention, mlp] : blocks_) {
    latents = attention->forward(states, latents) + latents;
    latents = mlp->forward(latents) + latents;
  }
  return layer_norm_(latents);
}

ProjectorCost PictureResampler::cost(const Pass& pass, std::int64_t tokens, bool flows) const {
  const StepTerms& terms = pass.terms;
  const std::int64_t pictures = pass.pictures.frames, states = pictures * tokens,
                     latents = pictures * options_.latents;
  const TrainedShare share = trained_within(terms, *this);
  ProjectorCost cost;
  cost.trains = share.trains;
  if (!share.trains && !flows) return cost;
  cost.gradients = share.parameters * terms.gradient_element;
  bool within = terms.of(*this).trains;  // a gradient is wanted of the latents
  for (const auto& [attention, mlp] : blocks_) {
    cost.kept += attention->kept(terms, states, latents, flows, within);
    within = true;
    cost.kept += mlp->kept(terms, latents);
  }
  cost.kept += norm_kept(terms, layer_norm_, latents);
  // Of the keys' and values' gradients and that of what they were made of.
  cost.work = terms.block((states + latents) *
                          (2 * options_.heads * options_.head_dim + 2 * options_.width));
  return cost;
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/delta_net.h"

#include "engine/models/decoder.h"
#include "engine/nn/delta_mixture.h"
#include "engine/nn/side_by_side.h"

namespace luthier {

using torch::Tensor;

GatedDeltaNetImpl::GatedDeltaNetImpl(const DeltaOptions& o, std::int64_t layer,
                                     std::int64_t hidden_size, double rms_norm_eps,
                                     Activation activation, const torch::TensorOptions& tensors)
    : TokenMixer(hidden_size), sizes_(o.sizes), layer_(layer), activation_(activation) {
  const std::int64_t heads = sizes_.value_heads;
  conv1d_ = register_module("conv1d", ShortConvolution(sizes_.channels(), o.kernel, tensors));
  add_parameter("dt_bias", dt_bias_, {heads}, tensors);
  add_parameter("A_log", a_log_, {heads}, tensors);
  norm_ = register_module("norm", RmsNorm(sizes_.value_dim, rms_norm_eps, tensors));
  out_proj_ =
      register_module("out_proj", Linear(sizes_.values(), hidden_size, /*bias=*/false, tensors));
  const auto made = neighbouring_linears(
      hidden_size, {sizes_.channels(), sizes_.values(), heads, heads}, /*bias=*/false, tensors);
  in_proj_qkv_ = register_module("in_proj_qkv", made[0]);
  in_proj_z_ = register_module("in_proj_z", made[1]);
  in_proj_b_ = register_module("in_proj_b", made[2]);
  in_proj_a_ = register_module("in_proj_a", made[3]);
}

/// How fast a head forgets is drawn evenly, and kept from 0, whose logarithm is none.
Tensor GatedDeltaNetImpl::first_value(const std::string& name,
                                      const at::Generator& generator) const {
  const Tensor made = at::ones({sizes_.value_heads}, torch::kFloat32);
  return name == "A_log" ? Tensor(made).uniform_(0.01, 16, generator).log_() : made;
}

delta::MixerSizes GatedDeltaNetImpl::mixer_sizes() const {
  return {sizes_.key_heads, sizes_.value_heads,    sizes_.key_dim,
          sizes_.value_dim, conv1d_->before() + 1, static_cast<float>(norm_->epsilon())};
}

Tensor GatedDeltaNetImpl::forward(const Tensor& x, const TokenSequence& sequence,
                                  const RotaryTable&, KeyValueCache* cache) {
  const RowLayout& rows = sequence.rows;
  const auto made =
      side_by_side(x, {in_proj_qkv_.get(), in_proj_z_.get(), in_proj_b_.get(), in_proj_a_.get()});
  const DeltaProducts products{made[0], made[1], made[2], made[3]};
  const DeltaWeights weights{conv1d_->weight(), dt_bias_, a_log_, norm_->weight};
  if (!cache && activation_ == Activation::Silu &&
      delta_mixture_takes(products, weights, mixer_sizes()))
    return out_proj_(delta_mixture(products, weights, mixer_sizes(), rows));
  const Tensor given = rows.pad(made[0]).transpose(1, 2);  // [rows, channels, seq]
  CarriedState* carried = cache ? &cache->carried(layer_) : nullptr;
  Tensor mixed = conv1d_->after(given, carried ? &carried->columns : nullptr);
  mixed = activate(mixed, activation_).transpose(1, 2);
  const Tensor write = rows.pad(at::sigmoid(made[2]));
  // In float32: in float16 the exponential would overflow.
  const Tensor decay = rows.pad(
      -(a_log_.to(torch::kFloat32).exp() * at::softplus(made[3].to(torch::kFloat32) + dt_bias_)));
  Tensor out;  // [rows, seq, value_heads, value_dim]
  if (carried) {
    const DeltaPass pass = delta_pass(mixed, decay, write, sizes_, carried->state);
    out = pass.out, carried->state = pass.state;
  } else {
    out = delta_rule(mixed, decay, write, sizes_);
  }
  const Tensor normed = norm_(rows.unpad(out).reshape({-1, sizes_.value_dim})),
               gate = made[1].reshape({-1, sizes_.value_dim});
  // Norm first, then the gate, whose product is rounded once.
  const Tensor open = gated(gate.to(torch::kFloat32), normed.to(torch::kFloat32), Activation::Silu);
  return out_proj_(open.to(x.scalar_type()).view({-1, sizes_.values()}));
}

}  // namespace luthier

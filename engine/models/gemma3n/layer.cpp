// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/gemma3n/layer.h"

#include <numbers>

namespace luthier {

using torch::Tensor;

Gemma3nLayerImpl::Gemma3nLayerImpl(const DecoderOptions& o, std::int64_t layer,
                                   const torch::TensorOptions& tensors)
    : streams_(o.gemma3n->streams), active_(o.gemma3n->active), activation_(o.hidden_act) {
  const auto norm = [&](const char* name) {
    return register_module(
        name, RmsNorm(o.hidden_size, o.rms_norm_eps, tensors, /*centred=*/false, /*once=*/true));
  };
  const auto place = static_cast<std::size_t>(layer);
  self_attn_ = register_module("self_attn", Gemma4Attention(o, layer, tensors));
  mlp_ = std::make_shared<GatedMlpImpl>(o.hidden_size, o.gemma3n->widths.at(place),
                                        /*bias=*/false, o.hidden_act, tensors, kGatedNames,
                                        o.gemma3n->cutoffs.at(place));
  register_module("mlp", mlp_);
  input_layernorm_ = norm("input_layernorm");
  post_attention_layernorm_ = norm("post_attention_layernorm");
  pre_feedforward_layernorm_ = norm("pre_feedforward_layernorm");
  post_feedforward_layernorm_ = norm("post_feedforward_layernorm");
  altup_ = register_module("altup", AltUp(o, tensors));
  laurel_ = register_module("laurel", Laurel(o, tensors));
  const std::int64_t width = o.gemma4->per_layer_width;
  per_layer_input_gate_ =
      register_module("per_layer_input_gate", Linear(o.hidden_size, width, false, tensors));
  per_layer_projection_ =
      register_module("per_layer_projection", Linear(width, o.hidden_size, false, tensors));
  post_per_layer_input_norm_ = norm("post_per_layer_input_norm");
}

Tensor Gemma3nLayerImpl::forward(const Tensor& all, const TokenSequence& sequence,
                                 const RotaryTable& rotary, KeyValueCache* cache) {
  const Tensor predicted = altup_->predict(all, sequence.trains);
  const Tensor normal = input_layernorm_(predicted.select(1, active_).contiguous());
  const Tensor own = own_rows(predicted, sequence);
  const Tensor x = own.select(1, active_);
  const Tensor past = laurel_->forward(own_rows(normal, sequence));
  const Tensor mixed =
      post_attention_layernorm_(self_attn_->forward(normal, sequence, rotary, cache));
  const Tensor attended = (x + self_attn_->joined(mixed, x) + past) / std::numbers::sqrt2;
  const Tensor made =
      post_feedforward_layernorm_(mlp_->forward(pre_feedforward_layernorm_(attended)));
  const Tensor corrected =
      altup_->correct(own, attended + mlp_->joined(made, attended), sequence.trains);
  const Tensor opened =
      gated(per_layer_input_gate_(altup_->scaled(corrected.select(1, active_).contiguous())),
            own_rows(sequence.layer_input, sequence), activation_);
  const Tensor added = post_per_layer_input_norm_(per_layer_projection_(opened));
  if (streams_ == 1) return corrected;
  return at::cat(
      {corrected.narrow(1, 0, 1), corrected.narrow(1, 1, streams_ - 1) + added.unsqueeze(1)}, 1);
}

}  // namespace luthier

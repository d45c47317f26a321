// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/gemma3n/alt_up.h"

#include "engine/models/decoder.h"
#include "engine/nn/module_cost.h"
#include "engine/nn/side_by_side.h"

namespace luthier {

using torch::Tensor;

namespace {

/// In the stored numbers, so that the optimizer goes on from there; beside the graph.
void hold_within(const Weight& weight, double most) {
  if (!weight.packed()) weight.leaf().variable_data().clamp_(-most, most);
}

Tensor mean_square(const Tensor& x) { return x.square().mean(-1, /*keepdim=*/true); }

/// `x` of the length that `first` has; of nothing, nothing is made.
Tensor as_long(const Tensor& x, const Tensor& length) {
  constexpr double kLeast = 1e-5;
  return x * length / mean_square(x).clamp_min(kLeast).sqrt();
}

}  // namespace

AltUpImpl::AltUpImpl(const DecoderOptions& o, const torch::TensorOptions& tensors)
    : streams_(o.gemma3n->streams),
      active_(o.gemma3n->active),
      hidden_(o.hidden_size),
      clip_(o.gemma3n->coefficient_clip),
      scales_(o.gemma3n->scales_corrected) {
  const auto linear = [&](const char* name, std::int64_t in, std::int64_t out) {
    return register_module(name, Linear(in, out, /*bias=*/false, tensors));
  };
  add_parameter("correct_output_scale", correct_output_scale_, {hidden_}, tensors);
  correction_coefs_ = linear("correction_coefs", streams_, streams_);
  prediction_coefs_ = linear("prediction_coefs", streams_, streams_ * streams_);
  modality_router_ = linear("modality_router", hidden_, streams_);
  router_norm_ = register_module(
      "router_norm", RmsNorm(hidden_, o.rms_norm_eps, tensors, /*centred=*/false, /*once=*/true));
}

Tensor AltUpImpl::first_value(const std::string&, const at::Generator&) const {
  return at::zeros({hidden_}, torch::kFloat32);
}

void AltUpImpl::train(bool on) {
  ParameterModule::train(on);
  if (on) hold_within(prediction_coefs_->weight, clip_);
}

Tensor AltUpImpl::modalities(const Tensor& active) const {
  const Tensor routed =
      modality_router_->forward(router_norm_->forward(active) * (1 / static_cast<double>(hidden_)));
  const torch::ScalarType wide = c10::promoteTypes(routed.scalar_type(), torch::kFloat32);
  return at::tanh(routed.to(wide)).to(active.scalar_type());
}

Tensor AltUpImpl::predict(const Tensor& states, bool trains) const {
  const Tensor mixed = modalities(states.select(1, active_).contiguous());
  if (trains && prediction_coefs_->weight.trained()) hold_within(prediction_coefs_->weight, clip_);
  const Tensor shares = prediction_coefs_->forward(mixed).view({-1, streams_, streams_});
  return at::baddbmm(states, shares, states);
}

Tensor AltUpImpl::correct(const Tensor& predicted, const Tensor& made, bool trains) const {
  const Tensor mixed = modalities(made);
  const Tensor shares =
      trains ? at::linear(mixed, correction_coefs_->weight.dense().clamp(-clip_, clip_))
             : correction_coefs_->forward(mixed);
  const Tensor news = made - predicted.select(1, active_);
  return at::addcmul(predicted, news.unsqueeze(1), (shares + 1).unsqueeze(2));
}

Tensor AltUpImpl::scaled(const Tensor& corrected) const {
  return scales_ ? corrected * correct_output_scale_ : corrected;
}

std::int64_t AltUpImpl::modalities_kept(const StepTerms& terms, std::int64_t tokens) const {
  const ProductsCost routed = products_cost(terms, {modality_router_}, tokens);
  return norm_kept(terms, router_norm_, tokens) + routed.input + routed.numbers +
         2 * terms.floats(tokens * streams_);
}

std::int64_t AltUpImpl::predict_kept(const StepTerms& terms, std::int64_t tokens) const {
  return modalities_kept(terms, tokens) + terms.block(tokens * streams_ * streams_) +
         terms.block(tokens * streams_ * hidden_) +
         products_cost(terms, {prediction_coefs_}, tokens).numbers;
}

std::int64_t AltUpImpl::correct_kept(const StepTerms& terms, std::int64_t tokens) const {
  return modalities_kept(terms, tokens) + terms.block(tokens * streams_) +
         terms.block(tokens * hidden_);
}

LaurelImpl::LaurelImpl(const DecoderOptions& o, const torch::TensorOptions& tensors) {
  const std::int64_t rank = o.gemma3n->laurel_rank;
  linear_left_ = register_module("linear_left", Linear(o.hidden_size, rank, false, tensors));
  linear_right_ = register_module("linear_right", Linear(rank, o.hidden_size, false, tensors));
  post_laurel_norm_ = register_module(
      "post_laurel_norm",
      RmsNorm(o.hidden_size, o.rms_norm_eps, tensors, /*centred=*/false, /*once=*/true));
}

Tensor LaurelImpl::forward(const Tensor& x) const {
  return x + post_laurel_norm_->forward(linear_right_->forward(linear_left_->forward(x)));
}

std::int64_t LaurelImpl::kept(const StepTerms& terms, std::int64_t tokens, bool flows) const {
  const ProductsCost left = products_cost(terms, {linear_left_}, tokens),
                     right = products_cost(terms, {linear_right_}, tokens);
  const bool within = flows || left.trains || right.trains;
  return left.numbers + right.input + right.numbers +
         (within || terms.of(*post_laurel_norm_).trains
              ? norm_kept(terms, post_laurel_norm_, tokens)
              : 0);
}

Streams::Streams(torch::nn::Module& holder, const DecoderOptions& o,
                 const torch::TensorOptions& tensors) {
  const std::size_t others = static_cast<std::size_t>(o.gemma3n->streams) - 1;
  torch::nn::ModuleList into, out;
  if (others > 0) {
    into_ = neighbouring_linears(o.hidden_size, std::vector(others, o.hidden_size), /*bias=*/false,
                                 tensors);
  }
  for (const Linear& linear : into_) into->push_back(linear);
  for (std::size_t i = 0; i < others; ++i) {
    out_.push_back(Linear(o.hidden_size, o.hidden_size, /*bias=*/false, tensors));
    out->push_back(out_.back());
  }
  holder.register_module("altup_projections", into);
  holder.register_module("altup_unembed_projections", out);
}

Tensor Streams::spread(const Tensor& embeddings) const {
  std::vector<Tensor> streams{embeddings};
  if (into_.empty()) return embeddings.unsqueeze(1);
  const Tensor length = mean_square(embeddings).sqrt();
  std::vector<const LinearImpl*> linears;
  for (const Linear& linear : into_) linears.push_back(linear.get());
  for (const Tensor& made : side_by_side(embeddings, linears))
    streams.push_back(as_long(made, length));
  return at::stack(streams, 1);
}

Tensor Streams::joined(const Tensor& states) const {
  const std::vector<Tensor> streams = states.unbind(1);
  if (out_.empty()) return streams.front();
  const Tensor length = mean_square(streams.front()).sqrt();
  std::vector<Tensor> made{streams.front()};
  for (std::size_t i = 0; i < out_.size(); ++i)
    made.push_back(as_long(out_[i]->forward(streams[i + 1].contiguous()), length));
  return at::stack(made).mean(0);
}

bool Streams::flow(const StepTerms& terms, bool flows) const {
  for (const Linear& linear : into_) flows = flows || terms.of(*linear).trains;
  return flows;
}

std::int64_t Streams::spread_kept(const StepTerms& terms, std::int64_t tokens, bool flows) const {
  if (!flow(terms, flows)) return 0;
  std::int64_t bytes = 2 * terms.block(tokens);
  for (const Linear& linear : into_) {
    const std::int64_t state = terms.block(tokens * linear->out_features());
    // What the projection gives, that times the length, and the numbers of a row.
    bytes += 2 * state + 4 * terms.block(tokens) + products_cost(terms, {linear}, tokens).numbers;
  }
  if (!into_.empty()) bytes += terms.block(tokens * into_.front()->in_features());
  return bytes;
}

std::int64_t Streams::joined_kept(const StepTerms& terms, std::int64_t tokens) const {
  std::int64_t bytes = 2 * terms.block(tokens);
  for (const Linear& linear : out_) {
    const ProductsCost product = products_cost(terms, {linear}, tokens);
    bytes += product.input + product.numbers + 4 * terms.block(tokens) +
             2 * terms.block(tokens * linear->out_features());
  }
  return bytes;
}

}  // namespace luthier

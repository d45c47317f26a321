// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/bart/bart_stack.h"

#include <cmath>

#include "engine/nn/checkpointing.h"
#include "engine/nn/side_by_side.h"

namespace luthier::bart {

using torch::Tensor;

namespace {

/// The first rows of a table of positions are nobody's (fairseq's padding).
constexpr std::int64_t kRowsBefore = 2;
/// PyTorch's, whatever a configuration says.
constexpr double kNormEpsilon = 1e-5;

}  // namespace

Attention::Attention(std::int64_t width, std::int64_t heads, const torch::TensorOptions& t)
    : heads_(heads) {
  const auto made = neighbouring_linears(width, {width, width, width}, true, t);
  k_proj = register_module("k_proj", made[1]);
  v_proj = register_module("v_proj", made[2]);
  q_proj = register_module("q_proj", made[0]);
  out_proj = register_module("out_proj", Linear(width, width, true, t));
}

Tensor Attention::forward(const Tensor& x, const LayerFrame& frame, bool across,
                          const AttentionRule& rule) const {
  return across ? attend_memory(x, frame, q_proj, k_proj, v_proj, out_proj, heads_, rule)
                : attend_within(x, frame, q_proj, k_proj, v_proj, out_proj, heads_, rule);
}

Layer::Layer(const Options& o, bool decoder, const torch::TensorOptions& t)
    : heads_(decoder ? o.decoder.heads : o.encoder.heads),
      activation_(o.activation),
      pre_norm_(o.pre_norm) {
  const std::int64_t width = o.d_model, wide = decoder ? o.decoder.wide : o.encoder.wide;
  const auto norm = [&](const char* name) {
    return register_module(name, LayerNorm(width, kNormEpsilon, t));
  };
  self_ = register_module("self_attn", std::make_shared<Attention>(width, heads_, t));
  self_norm_ = norm("self_attn_layer_norm");
  if (decoder) {
    across_ = register_module("encoder_attn", std::make_shared<Attention>(width, heads_, t));
    across_norm_ = norm("encoder_attn_layer_norm");
  }
  fc1_ = register_module("fc1", Linear(width, wide, true, t));
  fc2_ = register_module("fc2", Linear(wide, width, true, t));
  last_norm_ = norm("final_layer_norm");

  AttentionRule rule;
  rule.causal = decoder;
  const auto add = [this](const LayerNorm& own, auto body) {
    branches_.push_back({pre_norm_ ? Branch::Norm::Before : Branch::Norm::After,
                         [own](const Tensor& x) { return own->forward(x); }, body});
  };
  add(self_norm_, [this, rule](const Tensor& x, const LayerFrame& frame) {
    return self_->forward(x, frame, /*across=*/false, rule);
  });
  if (decoder) {
    add(across_norm_, [this, rule](const Tensor& x, const LayerFrame& frame) {
      return across_->forward(x, frame, /*across=*/true, rule);
    });
  }
  add(last_norm_, [this](const Tensor& x, const LayerFrame&) {
    return fc2_->forward(activate(fc1_->forward(x), activation_));
  });
}

Stack::Stack(const Options& o, bool decoder, const torch::TensorOptions& t) {
  embed_positions_ = register_module(
      "embed_positions", Embedding(o.max_position_embeddings + kRowsBefore, o.d_model, t));
  torch::nn::ModuleList list;
  const std::int64_t count = decoder ? o.decoder.layers : o.encoder.layers;
  for (std::int64_t i = 0; i < count; ++i) {
    layers_.push_back(std::make_shared<Layer>(o, decoder, t));
    list->push_back(layers_.back());
  }
  register_module("layers", list);
  layernorm_embedding_ =
      register_module("layernorm_embedding", LayerNorm(o.d_model, kNormEpsilon, t));
  if (o.pre_norm)
    layer_norm_ = register_module("layer_norm", LayerNorm(o.d_model, kNormEpsilon, t));
}

Tensor Stack::forward(const Tensor& embeddings, const RowLayout& rows, const RowStates* memory,
                      KeyValueCache* cache, bool checkpointing) const {
  const std::int64_t before = cache ? cache->length() : 0,
                     places = embed_positions_->weight.size(0) - kRowsBefore;
  TORCH_CHECK(before + rows.longest() <= places, "a row of ", before + rows.longest(),
              " tokens is longer than the model's ", places, " positions");
  const Tensor positions = rows.positions(embeddings.device()) + (before + kRowsBefore);
  Tensor x = layernorm_embedding_->forward(embeddings + embed_positions_->forward(positions));
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const auto& layer = layers_[i];
    if (!checkpointing || cache) {
      x = layer->forward(x, {rows, nullptr, memory, cache, static_cast<std::int64_t>(i)});
      continue;
    }
    const RowLayout memory_rows = memory ? memory->rows : RowLayout();
    const auto run = [layer, rows, memory_rows](const Tensor& in, const Tensor& states) {
      const RowStates seen{states, memory_rows};
      return layer->forward(in, {rows, nullptr, &seen});
    };
    x = checkpointed(run, x, memory ? memory->states : torch::empty({0}, x.options()));
  }
  return layer_norm_ ? layer_norm_->forward(x) : x;
}

Body::Body(const Options& o, const torch::TensorOptions& t) : options_(o) {
  shared = register_module("shared", Embedding(o.vocab_size, o.d_model, t));
  if (o.padding >= 0 && o.padding < o.vocab_size) shared->padding = o.padding;
  encoder_ = register_module("encoder", std::make_shared<Stack>(o, /*decoder=*/false, t));
  decoder_ = register_module("decoder", std::make_shared<Stack>(o, /*decoder=*/true, t));
}

Tensor Body::words(const Tensor& ids) const {
  const Tensor found = shared->forward(ids);
  return options_.scale_embedding ? found * std::sqrt(static_cast<double>(options_.d_model))
                                  : found;
}

RowStates Body::encode(const Tensor& x, RowLayout rows, bool checkpointing) const {
  const Tensor states = encoder_->forward(x, rows, nullptr, nullptr, checkpointing);
  return {states, std::move(rows)};
}

Tensor Body::decode(const Tensor& ids, const RowLayout& rows, const RowStates& memory,
                    KeyValueCache* cache, bool checkpointing) const {
  const Tensor states = decoder_->forward(words(ids), rows, &memory, cache, checkpointing);
  if (cache) cache->advance(rows.longest());
  return states;
}

}  // namespace luthier::bart

// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/blip2/qformer.h"

#include <string>

#include "engine/nn/side_by_side.h"

namespace luthier {

using torch::Tensor;

namespace {

class QFormerPart : public torch::nn::Module {};

std::shared_ptr<QFormerPart> part(torch::nn::Module& owner, const char* name) {
  return owner.register_module(name, std::make_shared<QFormerPart>());
}

AttentionRule both_ways() {
  AttentionRule rule;
  rule.causal = false;
  return rule;
}

/// What is causal sees a block's tokens all the same: the queries of a row are one.
AttentionRule rule_of(const QFormerFrame& frame) {
  AttentionRule rule;
  rule.causal = frame.blocks.defined();
  return rule;
}

}  // namespace

QFormerLayer::Attention QFormerLayer::make_attention(const char* name, std::int64_t from,
                                                     const torch::TensorOptions& t) {
  const std::int64_t width = options_.hidden_size;
  const auto holder = part(*this, name), inner = part(*holder, "attention"),
             output = part(*holder, "output");
  Attention made;
  if (from == width) {
    const auto products = neighbouring_linears(width, {width, width, width}, true, t);
    made.query = products[0], made.key = products[1], made.value = products[2];
  } else {
    made.query = Linear(width, width, true, t);
    const auto products = neighbouring_linears(from, {width, width}, true, t);
    made.key = products[0], made.value = products[1];
  }
  inner->register_module("query", made.query);
  inner->register_module("key", made.key);
  inner->register_module("value", made.value);
  made.out = output->register_module("dense", Linear(width, width, true, t));
  made.norm = output->register_module("LayerNorm", LayerNorm(width, options_.layer_norm_eps, t));
  return made;
}

QFormerLayer::FeedForward QFormerLayer::make_feed_forward(const char* wide, const char* narrow,
                                                          const torch::TensorOptions& t) {
  const std::int64_t width = options_.hidden_size, between = options_.intermediate_size;
  FeedForward made;
  made.wide = part(*this, wide)->register_module("dense", Linear(width, between, true, t));
  const auto output = part(*this, narrow);
  made.narrow = output->register_module("dense", Linear(between, width, true, t));
  made.norm = output->register_module("LayerNorm", LayerNorm(width, options_.layer_norm_eps, t));
  return made;
}

QFormerLayer::QFormerLayer(const QFormerOptions& o, bool across, const torch::TensorOptions& t)
    : options_(o) {
  self_ = make_attention("attention", o.hidden_size, t);
  if (across) across_ = make_attention("crossattention", o.encoder_hidden_size, t);
  if (o.reads_text) of_text_ = make_feed_forward("intermediate", "output", t);
  of_queries_ = make_feed_forward("intermediate_query", "output_query", t);
}

Tensor QFormerLayer::forward(const Tensor& x, const QFormerFrame& frame) const {
  const std::int64_t heads = options_.num_attention_heads;
  const auto split = [heads](const Tensor& y) { return y.view({y.size(0), heads, -1}); };
  const auto made = side_by_side(x, {self_.query.get(), self_.key.get(), self_.value.get()});
  const Tensor mixed = self_.norm->forward(
      x + self_.out->forward(attend(split(made[0]), split(made[1]), split(made[2]), frame.rows,
                                    rule_of(frame), frame.blocks)));
  if (frame.texts_alone) return of_text_.forward(mixed, options_.hidden_act);
  const bool text = frame.text_places.defined();
  Tensor queries = text ? mixed.index_select(0, frame.query_places) : mixed;
  if (across_.query) {
    const LayerFrame looking{frame.queries, nullptr, &frame.pictures};
    queries = across_.norm->forward(queries + attend_memory(queries, looking, across_.query,
                                                            across_.key, across_.value, across_.out,
                                                            heads, both_ways()));
  }
  queries = of_queries_.forward(queries, options_.hidden_act);
  if (!text) return queries;
  const Tensor said =
      of_text_.forward(mixed.index_select(0, frame.text_places), options_.hidden_act);
  return at::cat({queries, said}).index_select(0, frame.back);
}

QFormerPlaces qformer_places(std::int64_t queries, const std::vector<std::int64_t>& lengths) {
  const auto rows = static_cast<std::int64_t>(lengths.size());
  std::vector<std::int64_t> of_queries, of_texts, back, positions;
  std::int64_t at = 0, text = rows * queries;
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t i = 0; i < queries; ++i) {
      of_queries.push_back(at++);
      back.push_back(row * queries + i);
    }
    for (std::int64_t i = 0; i < lengths[static_cast<std::size_t>(row)]; ++i) {
      of_texts.push_back(at++);
      back.push_back(text++);
      positions.push_back(i);
    }
  }
  const auto made = [](const std::vector<std::int64_t>& places) {
    return torch::tensor(places, torch::kInt64);
  };
  return {made(of_queries), made(of_texts), made(back), made(positions)};
}

QFormer::QFormer(const QFormerOptions& o, const torch::TensorOptions& t) : options_(o) {
  const auto norm = [&] { return LayerNorm(o.hidden_size, o.layer_norm_eps, t); };
  if (o.own_words) {
    const auto embeddings = part(*this, "embeddings");
    words_ =
        embeddings->register_module("word_embeddings", Embedding(o.vocab_size, o.hidden_size, t));
    words_->padding = o.padding;
    positions_ = embeddings->register_module(
        "position_embeddings", Embedding(o.max_position_embeddings, o.hidden_size, t));
    layernorm_ = embeddings->register_module("layernorm", norm());
  } else {
    layernorm_ = register_module("layernorm", norm());
  }
  torch::nn::ModuleList list;
  for (std::int64_t i = 0; i < o.num_hidden_layers; ++i) {
    const bool across = i % o.cross_attention_frequency == 0;
    layers_.push_back(std::make_shared<QFormerLayer>(o, across, t));
    list->push_back(layers_.back());
  }
  part(*this, "encoder")->register_module("layer", list);
}

Tensor QFormer::forward(const Tensor& query_tokens, const Tensor& pictures, std::int64_t count,
                        const QFormerTexts& texts, const QFormerPlaces& places) const {
  const Tensor states = together(query_tokens, pictures, count, texts, places);
  return texts.any() ? states.index_select(0, places.queries) : states;
}

Tensor QFormer::together(const Tensor& query_tokens, const Tensor& pictures, std::int64_t count,
                         const QFormerTexts& texts, const QFormerPlaces& places) const {
  const std::int64_t each = count > 0 ? pictures.size(0) / count : 0;
  const auto rows_of = [count](std::int64_t length) {
    return std::vector<std::int64_t>(static_cast<std::size_t>(count), length);
  };
  QFormerFrame frame;
  std::vector<std::int64_t> lengths = rows_of(options_.queries);
  frame.queries = RowLayout(lengths);
  frame.pictures = {pictures, RowLayout(rows_of(each))};
  Tensor x = query_tokens.expand({count, -1, -1}).flatten(0, 1);
  if (texts.any()) {
    TORCH_CHECK(static_cast<std::int64_t>(texts.lengths.size()) == count,
                "each picture's queries stand beside one text");
    for (std::size_t row = 0; row < lengths.size(); ++row) {
      TORCH_CHECK(texts.lengths[row] <= options_.max_position_embeddings, "a text of ",
                  texts.lengths[row], " tokens is longer than the Q-Former's ",
                  options_.max_position_embeddings, " positions");
      lengths[row] += texts.lengths[row];
    }
    frame.query_places = places.queries, frame.text_places = places.texts;
    frame.back = places.back;
    const Tensor said = texts.words.defined()
                            ? texts.words
                            : words_->forward(texts.ids) + positions_->forward(places.positions);
    x = at::cat({x, said}).index_select(0, places.back);
    if (texts.written)
      frame.blocks =
          torch::full({x.size(0)}, -1, places.queries.options()).index_fill(0, places.queries, 0);
  }
  frame.rows = RowLayout(lengths);
  x = layernorm_->forward(x);
  for (const auto& layer : layers_) x = layer->forward(x, frame);
  return x;
}

Tensor QFormer::read(const Tensor& words, const RowLayout& rows) const {
  QFormerFrame frame;
  frame.rows = rows, frame.texts_alone = true;
  Tensor x = layernorm_->forward(words);
  for (const auto& layer : layers_) x = layer->forward(x, frame);
  return x;
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/virtex/textual_head.h"

#include <algorithm>

#include "engine/nn/checkpointing.h"
#include "engine/nn/module_cost.h"

namespace luthier::virtex {

using torch::Tensor;

CaptionEmbedding::CaptionEmbedding(const Options& o, const torch::TensorOptions& t)
    : padding_(o.padding) {
  const std::int64_t width = o.text.d_model;
  words = register_module("words", Embedding(o.text.vocab_size, width, t));
  words->padding = o.padding;
  positions_ = register_module("positions", Embedding(o.text.max_position_embeddings, width, t));
  layer_norm_ = register_module("layer_norm", LayerNorm(width, o.layer_norm_eps, t));
}

Tensor CaptionEmbedding::forward(const Tensor& ids, const Tensor& positions) const {
  const Tensor x = layer_norm_->forward(words->forward(ids) + positions_->forward(positions));
  return x.masked_fill((ids == padding_).unsqueeze(1), 0);
}

Stage CaptionEmbedding::cost(const StepTerms& terms, std::int64_t tokens, bool& flows) const {
  const TrainedShare table = terms.of(*words), places = terms.of(*positions_),
                     norm = terms.of(*layer_norm_);
  const std::int64_t state = terms.block(tokens * layer_norm_->weight.size(0));
  flows = flows || table.trains || places.trains || norm.trains;
  Stage stage;
  if (flows) stage.kept = norm_kept(terms, layer_norm_, tokens);
  stage.moments = {{stage.kept, 2 * state + (table.whole ? terms.block(words->weight.numel()) : 0) +
                                    (places.whole ? terms.block(positions_->weight.numel()) : 0)}};
  stage.gradients =
      (table.parameters + places.parameters + norm.parameters) * terms.gradient_element;
  return stage;
}

CaptionLayers::CaptionLayers(const Options& o, const torch::TensorOptions& t) {
  torch::nn::ModuleList list;
  for (std::int64_t i = 0; i < o.text.decoder.layers; ++i) {
    layers_.push_back(std::make_shared<bart::Layer>(o.text, /*decoder=*/true, t));
    list->push_back(layers_.back());
  }
  register_module("layers", list);
}

Tensor CaptionLayers::forward(Tensor x, const RowLayout& rows, const RowStates& memory,
                              KeyValueCache* cache, bool checkpointing) const {
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const auto& layer = layers_[i];
    if (!checkpointing || cache) {
      x = layer->forward(x, {rows, nullptr, &memory, cache, static_cast<std::int64_t>(i)});
      continue;
    }
    const RowLayout memory_rows = memory.rows;
    const auto run = [layer, rows, memory_rows](const Tensor& in, const Tensor& states) {
      const RowStates seen{states, memory_rows};
      return layer->forward(in, {rows, nullptr, &seen});
    };
    x = checkpointed(run, x, memory.states);
  }
  return x;
}

bool CaptionLayers::keeps_memory(const StepTerms& terms) const {
  return std::any_of(layers_.begin(), layers_.end(),
                     [&](const auto& layer) { return layer->keeps_memory(terms); });
}

void CaptionLayers::add_cost(const StepTerms& terms, const StackPass& pass, bool flows,
                             std::vector<Stage>& stages) const {
  for (const auto& layer : layers_) {
    stages.push_back(layer->cost(terms, pass, flows));
    flows = flows || pass.memory_flows || trained_within(terms, *layer).trains;
  }
}

}  // namespace luthier::virtex

// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/deepseek_ocr2/query_stack.h"

#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

QueryStack::QueryStack(const DecoderOptions& o, const torch::TensorOptions& t)
    : options_(o), rotary_(o.rotary) {
  torch::nn::ModuleList list;
  for (std::int64_t i = 0; i < o.num_hidden_layers; ++i) {
    layers_.push_back(std::make_shared<DecoderLayerImpl>(o, i, t));
    list->push_back(layers_.back());
  }
  register_module("layers", list);
  norm_ = register_module("norm", RmsNorm(o.hidden_size, o.rms_norm_eps, t));
}

Tensor QueryStack::forward(const Tensor& states, const Tensor& queries) {
  const std::int64_t frames = states.size(0), places = states.size(1), count = queries.size(0),
                     length = places + count, width = states.size(2);
  const torch::TensorOptions numbers =
      torch::TensorOptions().dtype(torch::kInt64).device(states.device());
  TokenSequence sequence;
  sequence.rows = RowLayout(std::vector<std::int64_t>(static_cast<std::size_t>(frames), length));
  // Each frame's states are a block, and its queries in none.
  const Tensor place = at::arange(length, numbers);
  sequence.blocks = ((place < places).to(torch::kInt64) - 1).repeat({frames});
  const RotaryTable table = rotary_.table(place.repeat({frames}), states.scalar_type(), length);
  const Tensor own =
      at::arange(frames * length, numbers).view({frames, length}).slice(1, places).reshape({-1});
  const bool narrow = layers_.back()->narrows();
  Tensor x =
      at::cat({states, queries.unsqueeze(0).expand({frames, count, width})}, 1).flatten(0, 1);
  for (const auto& layer : layers_) {
    if (narrow && layer == layers_.back()) sequence.own = own;
    x = layer->forward(x, sequence, table, nullptr);
  }
  return norm_(narrow ? x : reorder(x, own, Tensor())).view({frames, count, width});
}

void QueryStack::add_cost(const StepTerms& given, std::int64_t frames, std::int64_t places,
                          std::int64_t queries, const TrainedShare& learns, TowerCost& cost) const {
  StepTerms terms = given;  // what stands before the text's rows does not before these
  terms.tokens_before = terms.keys_before = 0;
  const std::int64_t length = places + queries, tokens = frames * length, asked = frames * queries;
  RowsShape rows = rows_shape(std::vector<std::int64_t>(static_cast<std::size_t>(frames), length),
                              /*causal=*/true);
  rows.blocks = true;
  // By all layers: tables of sines and cosines, blocks, masks, and the queries' places.
  const std::int64_t shared =
      2 * terms.block(tokens * options_.head_dim) + terms.block(tokens, 8) +
      masks_kept(terms, rows, {0}, /*blocks=*/true, /*capped=*/false, options_.head_dim) +
      terms.block(asked, 8);
  cost.add_part(terms, learns, shared);
  for (const auto& layer : layers_) {
    const bool narrow =
        layer == layers_.back() && layer->narrows() && trained_within(terms, *layer).row_by_row;
    cost.add_layer(terms, layer->cost(terms, rows, tokens, narrow ? asked : tokens, cost.flows));
  }
  const TrainedShare last = terms.of(*norm_);
  if (cost.flows || last.trains)
    cost.add_part(terms, last, norm_kept(terms, norm_, asked), norm_work(terms, norm_, asked));
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/visualgpt/gated_stack.h"

#include <algorithm>
#include <cmath>

#include "engine/models/blocks/pre_norm_cost.h"
#include "engine/nn/checkpointing.h"

namespace luthier::visualgpt {

using torch::Tensor;

GatedLayer::GatedLayer(const Options& o, std::int64_t layer, const torch::TensorOptions& t)
    : heads_(o.text.n_head),
      levels_(o.levels()),
      threshold_(o.gate_threshold),
      activation_(o.text.activation) {
  const std::int64_t width = o.text.n_embd;
  const auto norm = [&](const char* name) {
    return register_module(name, LayerNorm(width, o.text.layer_norm_epsilon, t));
  };
  self_norm_ = norm("ln_1");
  self_ = register_module("attn", std::make_shared<gpt2::Attention>(o.text, layer, false, t));
  wide_norm_ = norm("ln_2");
  across_ =
      register_module("crossattention", std::make_shared<gpt2::Attention>(o.text, layer, true, t));
  across_norm_ = norm("ln_cross_attn");
  const auto mlp = register_module("mlp", std::make_shared<torch::nn::Module>());
  wide_ = mlp->register_module("c_fc", conv1d_linear(width, o.text.n_inner, t));
  narrow_ = mlp->register_module("c_proj", conv1d_linear(o.text.n_inner, width, t));
}

Tensor GatedLayer::forward(const Tensor& x, const RowLayout& rows, const Levels& memory,
                           KeyValueCache* cache, std::int64_t layer) const {
  const Tensor held =
      x + self_->forward(self_norm_->forward(x), {rows, nullptr, nullptr, cache, layer});
  const Tensor asked = across_norm_->forward(held);
  const auto levels = memory.states.chunk(levels_, 1);
  Tensor seen;
  for (std::int64_t level = 0; level < levels_; ++level) {
    const RowStates states{levels[static_cast<std::size_t>(level)], memory.rows};
    // A cache keeps each level's keys and values apart.
    const Tensor one =
        across_->forward(asked, {rows, nullptr, &states, cache, layer * levels_ + level});
    seen = seen.defined() ? seen + one : one;
  }
  seen = seen / std::sqrt(static_cast<double>(levels_));
  const Tensor share = at::sigmoid(held), rest = 1 - share, none = at::zeros({}, share.options());
  const Tensor of_pictures = at::where(share > threshold_, share, none),
               of_words = at::where(rest > threshold_, rest, none);
  const Tensor y = of_pictures * seen + of_words * held;
  return y + narrow_->forward(activate(wide_->forward(wide_norm_->forward(y)), activation_));
}

Stage GatedLayer::cost(const StepTerms& terms, const StackPass& pass, bool flows) const {
  const TrainedShare share = trained_within(terms, *this);
  const std::int64_t width = self_->c_attn->in_features(), state = terms.block(pass.tokens * width);
  const auto core_of = [&](const RowsShape& rows) {
    return attention_cost(terms, rows, heads_, heads_, width / heads_);
  };
  PreNormCost cost(terms, pass.tokens, pass.tokens, width, flows);
  if (!flows && !share.trains && !pass.memory_flows)
    return cost.passing({core_of(pass.rows), core_of(pass.across)}, wide_->out_features());
  cost.add(attention_branch_cost(terms, {self_->c_attn}, self_->c_proj, core_of(pass.rows), 0,
                                 pass.tokens, cost.normed(self_norm_)),
           self_norm_);
  AttentionBranchCost across;
  for (std::int64_t level = 0; level < levels_; ++level) {
    const AttentionBranchCost one = across_branch_cost(
        terms, across_->q_attn, {across_->c_attn}, across_->c_proj, core_of(pass.across),
        pass.tokens, pass.memory_tokens, cost.normed(across_norm_), pass.memory_flows);
    const std::int64_t kept = across.kept + one.kept - (level > 0 ? one.input : 0);
    across = one;
    across.kept = kept;
  }
  // The gates: the sigmoid, two masks of a byte a number, either share, and what was seen.
  const bool gated = across.passes || flows || share.trains;
  if (gated) across.kept += 4 * state + 2 * terms.block(pass.tokens * width, 1);
  cost.add(across, across_norm_);
  cost.add(mlp_cost(terms, {wide_}, narrow_, pass.tokens, cost.normed(wide_norm_)), wide_norm_);
  return cost.stage(share.parameters * terms.gradient_element);
}

GatedStack::GatedStack(const Options& o, const torch::TensorOptions& t) {
  wte = register_module("wte", Embedding(o.text.vocab_size, o.text.n_embd, t));
  wpe_ = register_module("wpe", Embedding(o.text.n_positions, o.text.n_embd, t));
  torch::nn::ModuleList list;
  for (std::int64_t i = 0; i < o.text.n_layer; ++i) {
    layers_.push_back(std::make_shared<GatedLayer>(o, i, t));
    list->push_back(layers_.back());
  }
  register_module("h", list);
  ln_f_ = register_module("ln_f", LayerNorm(o.text.n_embd, o.text.layer_norm_epsilon, t));
}

Tensor GatedStack::forward(const Tensor& ids, const RowLayout& rows, const Levels& memory,
                           KeyValueCache* cache, bool checkpointing) const {
  const std::int64_t before = cache ? cache->length() : 0, places = wpe_->weight.size(0);
  TORCH_CHECK(before + rows.longest() <= places, "a row of ", before + rows.longest(),
              " tokens is longer than the model's ", places, " positions");
  Tensor x = wte->forward(ids) + wpe_->forward(rows.positions(ids.device()) + before);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const auto& layer = layers_[i];
    const auto number = static_cast<std::int64_t>(i);
    if (!checkpointing || cache) {
      x = layer->forward(x, rows, memory, cache, number);
      continue;
    }
    const RowLayout memory_rows = memory.rows;
    const auto run = [layer, rows, memory_rows, number](const Tensor& in, const Tensor& states) {
      return layer->forward(in, rows, {states, memory_rows}, nullptr, number);
    };
    x = checkpointed(run, x, memory.states);
  }
  if (cache) cache->advance(rows.longest());
  return ln_f_->forward(x);
}

void GatedStack::add_cost(const StepTerms& terms, const StackPass& pass,
                          std::vector<Stage>& stages) const {
  const std::int64_t width = wte->weight.size(1), state = terms.block(pass.tokens * width);
  const TrainedShare words = terms.of(*wte), places = terms.of(*wpe_);
  Stage first;
  first.moments = {{0, 2 * state + (places.whole ? terms.block(wpe_->weight.numel()) : 0) +
                           (words.whole ? terms.block(wte->weight.numel()) : 0)}};
  first.gradients = (words.parameters + places.parameters) * terms.gradient_element;
  stages.push_back(first);
  bool flows = words.trains || places.trains;
  for (const auto& layer : layers_) {
    stages.push_back(layer->cost(terms, pass, flows));
    flows = flows || pass.memory_flows || trained_within(terms, *layer).trains;
  }
  const TrainedShare norm = terms.of(*ln_f_);
  Stage last;
  if (flows || norm.trains) last.kept = norm_kept(terms, ln_f_, pass.tokens);
  last.moments = {{last.kept, 2 * state + norm_work(terms, ln_f_, pass.tokens)}};
  last.gradients = norm.parameters * terms.gradient_element;
  stages.push_back(last);
}

}  // namespace luthier::visualgpt

// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/gpt2/gpt2_stack.h"

#include "engine/models/decoder_block.h"
#include "engine/nn/checkpointing.h"

namespace luthier::gpt2 {

using torch::Tensor;

Attention::Attention(const Options& o, std::int64_t layer, bool across,
                     const torch::TensorOptions& t)
    : width_(o.n_embd), heads_(o.n_head) {
  rule_.causal = !across, rule_.scale = o.scale(layer);
  const auto product = [&](const char* name, std::int64_t out) {
    return register_module(name, conv1d_linear(width_, out, t));
  };
  c_attn = product("c_attn", (across ? 2 : 3) * width_);
  if (across) q_attn = product("q_attn", width_);
  c_proj = product("c_proj", width_);
}

Tensor Attention::split(const Tensor& made) const { return made.view({made.size(0), heads_, -1}); }

Tensor Attention::mixed(const Tensor& x, const LayerFrame& frame) const {
  if (!q_attn) {
    const auto made = c_attn->forward(x).split(width_, -1);
    return attend(split(made[0]), split(made[1]), split(made[2]), frame.rows, rule_, {},
                  frame.cache, frame.layer);
  }
  const auto seen = [&]() -> KeysAndValues {
    const auto made = c_attn->forward(frame.memory->states).split(width_, -1);
    return {split(made[0]), split(made[1])};
  };
  return attend_across(split(q_attn->forward(x)), frame.rows, seen, frame.memory->rows, rule_,
                       frame.cache, frame.layer);
}

Layer::Layer(const Options& o, std::int64_t layer, const torch::TensorOptions& t)
    : heads_(o.n_head), activation_(o.activation) {
  const auto norm = [&](const char* name) {
    return register_module(name, LayerNorm(o.n_embd, o.layer_norm_epsilon, t));
  };
  const auto add = [this](const LayerNorm& before, auto body) {
    branches_.push_back(
        {Branch::Norm::Before, [before](const Tensor& x) { return before->forward(x); }, body});
  };
  self_norm_ = norm("ln_1");
  self_ = register_module("attn", std::make_shared<Attention>(o, layer, false, t));
  add(self_norm_,
      [this](const Tensor& x, const LayerFrame& frame) { return self_->forward(x, frame); });
  wide_norm_ = norm("ln_2");
  if (o.across) {
    across_ = register_module("crossattention", std::make_shared<Attention>(o, layer, true, t));
    across_norm_ = norm("ln_cross_attn");
    add(across_norm_,
        [this](const Tensor& x, const LayerFrame& frame) { return across_->forward(x, frame); });
  }
  const auto mlp = register_module("mlp", std::make_shared<torch::nn::Module>());
  wide_ = mlp->register_module("c_fc", conv1d_linear(o.n_embd, o.n_inner, t));
  narrow_ = mlp->register_module("c_proj", conv1d_linear(o.n_inner, o.n_embd, t));
  add(wide_norm_, [this](const Tensor& x, const LayerFrame&) {
    return narrow_->forward(activate(wide_->forward(x), activation_));
  });
}

bool Layer::narrows() const { return !across_ && rows_alone(*this); }

Tensor Layer::forward(const Tensor& x, const LayerFrame& frame, const Tensor& own) const {
  if (!own.defined()) return run_branches(branches_, x, frame);
  const Tensor mixed = self_->mixed(self_norm_->forward(x), frame).index_select(0, own);
  return branches_.back().forward(x.index_select(0, own) + self_->c_proj->forward(mixed), frame);
}

Stack::Stack(const Options& o, const torch::TensorOptions& t) {
  wte = register_module("wte", Embedding(o.vocab_size, o.n_embd, t));
  wpe_ = register_module("wpe", Embedding(o.n_positions, o.n_embd, t));
  torch::nn::ModuleList list;
  for (std::int64_t i = 0; i < o.n_layer; ++i) {
    layers_.push_back(std::make_shared<Layer>(o, i, t));
    list->push_back(layers_.back());
  }
  register_module("h", list);
  ln_f_ = register_module("ln_f", LayerNorm(o.n_embd, o.layer_norm_epsilon, t));
}

/// Of a cache that stands the host does not know where its rows are: it is one with no more places
/// than there are positions, and rows that only fill up stay within them.
Places Stack::places(const RowLayout& rows, const KeyValueCache* cache,
                     torch::Device device) const {
  if (cache && cache->stands()) return {cache->positions().clamp_max(positions() - 1), 0};
  Places places{rows.positions(device), rows.stands() ? 0 : rows.reach()};
  if (!cache || cache->length() == 0) return places;
  places.positions = places.positions + cache->length();
  places.reach += cache->length();
  if (cache->position_offsets.defined())
    places.positions =
        places.positions + cache->position_offsets.to(device).repeat_interleave(rows.longest());
  return places;
}

Tensor Stack::forward(const Tensor& embeddings, const RowLayout& rows, const RowStates* memory,
                      KeyValueCache* cache, bool checkpointing, const Tensor& own) const {
  const Places at = places(rows, cache, embeddings.device());
  TORCH_CHECK(at.reach <= positions(), "a row of ", at.reach, " tokens is longer than the model's ",
              positions(), " positions");
  if (cache && cache->capacity() > positions()) cache->can_stand = false;
  Tensor x = embeddings + wpe_->forward(at.positions);
  const bool narrow = own.defined() && own.size(0) > 0 && layers_.back()->narrows();
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const auto& layer = layers_[i];
    const Tensor asked = narrow && i + 1 == layers_.size() ? own : Tensor();
    if (!checkpointing || cache) {
      x = layer->forward(x, {rows, nullptr, memory, cache, static_cast<std::int64_t>(i)}, asked);
      continue;
    }
    const RowLayout memory_rows = memory ? memory->rows : RowLayout();
    const auto run = [layer, rows, memory_rows, asked](const Tensor& in, const Tensor& states) {
      const RowStates seen{states, memory_rows};
      return layer->forward(in, {rows, nullptr, &seen}, asked);
    };
    x = checkpointed(run, x, memory ? memory->states : torch::empty({0}, x.options()));
  }
  if (cache) cache->advance(rows.longest());
  return ln_f_->forward(narrow || !own.defined() ? x : x.index_select(0, own));
}

}  // namespace luthier::gpt2

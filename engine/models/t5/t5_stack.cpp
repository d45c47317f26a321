// SPDX-License-Identifier: GPL-3.0-or-later
// Under gradient checkpointing each block makes the bias for itself: a graph outside the blocks
// would be gone through once a block.
#include "engine/models/t5/t5_stack.h"

#include <cmath>

#include "engine/nn/checkpointing.h"
#include "engine/nn/side_by_side.h"

namespace luthier::t5 {

using torch::Tensor;

Tensor relative_buckets(const Tensor& distances, bool both_ways, std::int64_t buckets,
                        std::int64_t max_distance) {
  Tensor first = torch::zeros_like(distances), away;
  if (both_ways) {
    buckets /= 2;
    first = (distances > 0).to(torch::kInt64) * buckets;
    away = distances.abs();
  } else {
    away = -distances.clamp_max(0);
  }
  const std::int64_t single = buckets / 2;  // steps with a bucket of their own
  const double widths = std::log(static_cast<double>(max_distance) / static_cast<double>(single));
  const Tensor far =
      (single +
       (at::log(away.to(torch::kFloat32) / single) / widths * (buckets - single)).to(torch::kInt64))
          .clamp_max(buckets - 1);
  return first + at::where(away < single, away, far);
}

Attention::Attention(const Options& options, bool with_bias, const torch::TensorOptions& t)
    : heads_(options.num_heads) {
  const std::int64_t inner = options.num_heads * options.d_kv;
  const auto made = neighbouring_linears(options.d_model, {inner, inner, inner}, false, t);
  q = register_module("q", made[0]);
  k = register_module("k", made[1]);
  v = register_module("v", made[2]);
  o = register_module("o", Linear(inner, options.d_model, false, t));
  if (with_bias) {
    relative_attention_bias = register_module("relative_attention_bias",
                                              Embedding(options.buckets, options.num_heads, t));
  }
}

Tensor Attention::forward(const Tensor& x, const LayerFrame& frame, bool across,
                          const AttentionRule& rule) const {
  return across ? attend_memory(x, frame, q, k, v, o, heads_, rule)
                : attend_within(x, frame, q, k, v, o, heads_, rule);
}

FeedForward::FeedForward(const Options& options, const torch::TensorOptions& t)
    : activation_(options.activation) {
  if (options.gated) {
    const auto made = neighbouring_linears(options.d_model, {options.d_ff, options.d_ff}, false, t);
    gate_ = register_module("wi_0", made[0]);
    wi_ = register_module("wi_1", made[1]);
  } else {
    wi_ = register_module("wi", Linear(options.d_model, options.d_ff, false, t));
  }
  wo_ = register_module("wo", Linear(options.d_ff, options.d_model, false, t));
}

Tensor FeedForward::forward(const Tensor& x) const {
  if (!gate_) return wo_->forward(activate(wi_->forward(x), activation_));
  const auto made = side_by_side(x, {gate_.get(), wi_.get()});
  return wo_->forward(gated(made[0], made[1], activation_));
}

Block::Block(const Options& options, bool decoder, bool first, const torch::TensorOptions& t)
    : heads_(options.num_heads) {
  torch::nn::ModuleList layers;
  const auto layer = [&](const char* name, const auto& module) {
    const auto part = std::make_shared<Part>();
    part->register_module(name, module);
    norms_.push_back(part->register_module(
        "layer_norm", RmsNorm(options.d_model, options.layer_norm_epsilon, t)));
    layers->push_back(part);
  };
  self_ = std::make_shared<Attention>(options, first, t);
  layer("SelfAttention", self_);
  if (decoder) {
    across_ = std::make_shared<Attention>(options, false, t);
    layer("EncDecAttention", across_);
  }
  wide_ = std::make_shared<FeedForward>(options, t);
  layer("DenseReluDense", wide_);
  register_module("layer", layers);

  AttentionRule rule;
  rule.causal = decoder, rule.scale = 1;
  const auto add = [&](auto body) {
    const RmsNorm& norm = norms_[branches_.size()];
    branches_.push_back(
        {Branch::Norm::Before, [norm](const Tensor& x) { return norm->forward(x); }, body});
  };
  add([this, rule](const Tensor& x, const LayerFrame& frame) {
    return self_->forward(x, frame, /*across=*/false, rule);
  });
  if (decoder) {
    add([this, rule](const Tensor& x, const LayerFrame& frame) {
      return across_->forward(x, frame, /*across=*/true, rule);
    });
  }
  add([this](const Tensor& x, const LayerFrame&) { return wide_->forward(x); });
}

Stack::Stack(const Options& options, bool decoder, const torch::TensorOptions& t)
    : decoder_(decoder),
      heads_(options.num_heads),
      buckets_(options.buckets),
      max_distance_(options.max_distance) {
  torch::nn::ModuleList list;
  const std::int64_t count = decoder ? options.num_decoder_layers : options.num_layers;
  for (std::int64_t i = 0; i < count; ++i) {
    blocks_.push_back(std::make_shared<Block>(options, decoder, i == 0, t));
    list->push_back(blocks_.back());
  }
  register_module("block", list);
  final_layer_norm_ =
      register_module("final_layer_norm", RmsNorm(options.d_model, options.layer_norm_epsilon, t));
}

ScoreBias Stack::bias() const {
  const Embedding& table = blocks_.front()->bias_table();
  const auto make = [this, table](std::int64_t first, std::int64_t queries, std::int64_t keys) {
    const auto options = torch::TensorOptions().dtype(torch::kInt64).device(table->weight.device());
    const Tensor distances = torch::arange(keys, options).unsqueeze(0) -
                             torch::arange(first, first + queries, options).unsqueeze(1);
    return table->forward(relative_buckets(distances, !decoder_, buckets_, max_distance_))
        .permute({2, 0, 1})
        .contiguous();
  };
  return {make, table->weight.requires_grad() || table->plug};
}

Tensor Stack::forward(const Tensor& embeddings, const RowLayout& rows, const RowStates* memory,
                      KeyValueCache* cache, bool checkpointing) const {
  const ScoreBias shared = bias();
  Tensor x = embeddings;
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const auto& block = blocks_[i];
    if (!checkpointing || cache) {
      x = block->forward(x, {rows, &shared, memory, cache, static_cast<std::int64_t>(i)});
      continue;
    }
    const RowLayout memory_rows = memory ? memory->rows : RowLayout();
    const auto run = [this, block, rows, memory_rows](const Tensor& in, const Tensor& states) {
      const ScoreBias own = bias();
      const RowStates seen{states, memory_rows};
      return block->forward(in, {rows, &own, &seen});
    };
    x = checkpointed(run, x, memory ? memory->states : torch::empty({0}, x.options()));
  }
  return final_layer_norm_->forward(x);
}

}  // namespace luthier::t5

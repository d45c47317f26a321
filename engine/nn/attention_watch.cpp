// SPDX-License-Identifier: GPL-3.0-or-later
// The scores of one query as an eager implementation makes them: products, scale, softcap, mask,
// softmax in float32.
#include "engine/nn/attention_watch.h"

#include <cmath>

#include "engine/nn/attention_masks.h"

namespace luthier {

namespace {
thread_local AttentionWatch* watching = nullptr;
}

AttentionWatch::AttentionWatch(std::int64_t query) : query_(query), outer_(watching) {
  watching = this;
}
AttentionWatch::~AttentionWatch() { watching = outer_; }
AttentionWatch* AttentionWatch::here() { return watching; }

void AttentionWatch::see(const torch::Tensor& q, const torch::Tensor& k, const RowLayout& rows,
                         const AttentionRule& rule, const torch::Tensor& blocks,
                         const KeysAndValues& before, const ScoreBias* bias) {
  TORCH_CHECK(rows.rows() == 1 && k.defined() && q.size(0) > query_, "one whole row is watched");
  const std::int64_t count = before.count(), heads = q.size(1);
  torch::Tensor keys = count > 0 ? at::cat({before.keys.to(k.scalar_type()), k}) : k;
  keys = keys.repeat_interleave(heads / k.size(1), 1);        // [keys, heads, head_dim]
  const torch::Tensor query = q[query_].unsqueeze(1),         // [heads, 1, head_dim]
      products = at::matmul(query, keys.permute({1, 2, 0}));  // [heads, 1, keys]
  torch::Tensor scores =
      products.squeeze(1) *
      (rule.scale > 0 ? rule.scale : 1 / std::sqrt(static_cast<double>(q.size(2))));
  if (rule.softcap > 0) scores = at::tanh(scores / rule.softcap) * rule.softcap;
  if (bias) scores = scores + bias->of(query_, 1, keys.size(0)).squeeze(1);
  if (rule.causal || blocks.defined()) {
    const torch::Tensor own = blocks.defined()
                                  ? at::constant_pad_nd(blocks, {count, 0}, -1).unsqueeze(0)
                                  : torch::Tensor(),
                        all = q.transpose(0, 1).unsqueeze(0);  // [1, heads, tokens, head_dim]
    torch::Tensor mask = Masks{}.of(all, keys.size(0), rule, own);
    if (mask.dim() == 4) mask = mask[0][0];
    scores = scores + mask[query_];
  }
  weights_.push_back(
      scores.to(torch::kFloat32).softmax(-1).slice(1, count).contiguous().to(torch::kCPU));
}

}  // namespace luthier

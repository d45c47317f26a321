// SPDX-License-Identifier: GPL-3.0-or-later
// Attention weights for who wants to look at them. The kernels never make them whole, so they are
// made again beside the real ones, of one query alone, for as long as a watch stands on the thread.
//   AttentionWatch watch(41); model.decode(sequence, nullptr); watch.weights();
#pragma once

#include <vector>

#include "engine/nn/attention.h"

namespace luthier {

class AttentionWatch {
 public:
  /// `query`: its place in the one row that passes.
  explicit AttentionWatch(std::int64_t query);
  ~AttentionWatch();
  AttentionWatch(const AttentionWatch&) = delete;
  AttentionWatch& operator=(const AttentionWatch&) = delete;

  /// Null: nobody watches on this thread.
  static AttentionWatch* here();
  /// Of each call of attend() in their order: [heads, tokens] float32 on the host. What stands
  /// before the row takes part and is left out.
  const std::vector<torch::Tensor>& weights() const { return weights_; }

  /// One call of attend(), without a cache.
  void see(const torch::Tensor& q, const torch::Tensor& k, const RowLayout& rows,
           const AttentionRule& rule, const torch::Tensor& blocks, const KeysAndValues& before,
           const ScoreBias* bias);

 private:
  std::int64_t query_;
  AttentionWatch* outer_;
  std::vector<torch::Tensor> weights_;
};

}  // namespace luthier

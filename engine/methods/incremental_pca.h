// SPDX-License-Identifier: GPL-3.0-or-later
// The directions in which rows vary most, found while the rows come in batches: what went before is
// kept as so many directions with their lengths, to which the next batch is added (Ross et al.
// 2008). With PEFT 0.21's numbers to the order of its operations: a start that goes by them has to
// come to the same ranks.
#pragma once

#include "engine/device/torch.h"

namespace luthier {

class IncrementalPca {
 public:
  explicit IncrementalPca(std::int64_t components) : count_(components) {}

  /// rows [n, features] float32 on the CPU, with at least as many of each as there are components.
  void add(const torch::Tensor& rows);
  bool begun() const { return components_.defined(); }

  const torch::Tensor& components() const { return components_; }    // [components, features]
  const torch::Tensor& singular_values() const { return lengths_; }  // [components]
  /// The share of all variance that each explains, [components] float64.
  const torch::Tensor& explained() const { return explained_; }

 private:
  std::int64_t count_;
  double seen_ = 0;  ///< rows so far
  torch::Tensor components_, lengths_, explained_, mean_, variance_;
};

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// A causal convolution over each channel by itself, a few tokens long: what lets neighbours see one
// another in layers that carry a state past the tokens. Each row begins with nothing before it.
#pragma once

#include <string>

#include "engine/nn/parameters.h"

namespace luthier {

/// Each channel's number and the ones of so many tokens before it, weighted.
class ShortConvolutionImpl : public ParameterModule {
 public:
  ShortConvolutionImpl(std::int64_t channels, std::int64_t kernel,
                       const torch::TensorOptions& tensors, bool bias = false);
  /// x [rows, channels, kernel − 1 + seq] → [rows, channels, seq].
  torch::Tensor forward(const torch::Tensor& x) const;
  /// The same of rows with nothing before them: x [rows, channels, seq].
  torch::Tensor from_nothing(const torch::Tensor& x) const;
  /// Of rows that go on behind `columns` [rows, channels, kernel − 1], the last ones that were
  /// given, which these take the place of; undefined: they begin. Null: they begin, and nothing of
  /// them is kept.
  torch::Tensor after(const torch::Tensor& x, torch::Tensor* columns) const;
  std::string type_name() const override { return "Conv1d"; }
  /// What it makes of a token goes by those before it: all are asked of it, or none.
  bool row_by_row() const override { return false; }
  std::int64_t before() const { return weight_.size(2) - 1; }
  const torch::Tensor& weight() const { return weight_; }  // [channels, 1, kernel]

 private:
  torch::Tensor weight_;
  torch::Tensor bias_;  // [channels]; undefined: none
};
TORCH_MODULE(ShortConvolution);

}  // namespace luthier

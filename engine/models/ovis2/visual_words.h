// SPDX-License-Identifier: GPL-3.0-or-later
// Ovis's visual vocabulary (Lu et al. 2024): a picture's token is a mixture of the rows of a table
// beside the text's own, by shares that the tower's head gives each of them. The table's last rows
// are no picture's: they stand in the places of the tokens that tell its parts from one another.
#pragma once

#include "engine/nn/cost.h"
#include "engine/nn/parameters.h"

namespace luthier {

/// How a picture's token becomes shares of the words (tokenize_function).
enum class WordChoice {
  Mixture,  ///< softmax
  One       ///< st_argmax: the likeliest word alone, whose gradient is the mixture's
};

/// logits [tokens, words] → shares [tokens, words].
torch::Tensor word_shares(const torch::Tensor& logits, WordChoice choice);

class VisualTable : public ParameterModule {
 public:
  VisualTable(std::int64_t count, std::int64_t size, const torch::TensorOptions& tensors);
  /// shares [tokens, words] of the table's first rows, `rows` [n] int64 of those behind them →
  /// [tokens + n, size].
  torch::Tensor forward(const torch::Tensor& shares, const torch::Tensor& rows) const;
  std::string type_name() const override { return "Embedding"; }

  torch::Tensor weight;  ///< [count, size]
};

}  // namespace luthier

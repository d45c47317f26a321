// SPDX-License-Identifier: GPL-3.0-or-later
// Heads of classes over a text encoder, as transformers' ...ForSequenceClassification (one more
// product and an activation on each row's first token, then the classes) and
// ...ForTokenClassification have them, and the discriminators of ELECTRA and DeBERTa v3, which say
// of each token whether it was replaced.
#pragma once

#include <optional>

#include "engine/data/class_options.h"
#include "engine/models/cost.h"
#include "engine/nn/layers.h"
#include "engine/nn/linear.h"
#include "engine/nn/rows.h"

namespace luthier {

/// Where its modules stand within the model.
struct ClassHeadNames {
  const char *pooled, *rows;   ///< of rows: the product on the first token, and that of the classes
  const char* tokens;          ///< of tokens
  const char* norm = nullptr;  ///< of what a token's state and its row's first one come to
};

struct ClassHeadSizes {
  std::int64_t hidden = 0;
  std::optional<Activation> activation;  ///< behind the pooled product; none: tanh
  /// Of each token one number, what its replacing is likelier by than its being there (ELECTRA's
  /// discriminator): the names' `pooled` and `rows`, for all tokens.
  bool replaced = false;
  /// Above 0: that is said of the sum of a token's state and its row's first one, normed with this
  /// epsilon (DeBERTa v3's discriminator); the names' `norm`.
  double first_added = 0;
};

class TextClassHead {
 public:
  /// Registers its modules in `model`.
  TextClassHead(torch::nn::Module& model, const ClassHeadNames& names, const ClassOptions& classes,
                const ClassHeadSizes& sizes, const torch::TensorOptions& t);

  const ClassOptions& classes() const { return classes_; }
  /// States [tokens, hidden] → [rows or tokens, classes].
  torch::Tensor forward(const torch::Tensor& states, const RowLayout& rows) const;
  /// `flows`: a gradient is wanted of the states.
  void add_cost(const Pass& pass, bool flows, PassCost& cost) const;

 private:
  ClassOptions classes_;
  ClassHeadSizes sizes_;
  LayerNorm norm_{nullptr};
  Linear pooled_{nullptr}, out_{nullptr};
};

}  // namespace luthier

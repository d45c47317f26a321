// SPDX-License-Identifier: GPL-3.0-or-later
// What says a covered word of its state: a product to the table's width, an activation, a norm, and
// the product with the table of words. Families differ in the names, and in whose the last
// product's bias is.
#pragma once

#include "engine/models/cost.h"
#include "engine/nn/layers.h"
#include "engine/nn/linear.h"

namespace luthier {

struct PredictionSizes {
  std::int64_t hidden = 0, width = 0, words = 0;  ///< width: of the table of words
  double layer_norm_eps = 1e-12;
  Activation activation = Activation::Gelu;
  bool tied = true;  ///< the last product's weight is the table of words
  /// Untied it still has the bias that stands beside it, and none of its own (FIBER).
  bool bias_beside = false;
};

/// Where its modules stand within the model. A null bias: the last product has one of its own
/// (ELECTRA); else it stands there, and an untied product's is another.
struct PredictionNames {
  const char *dense, *norm, *decoder, *bias;
};

class Predictions {
 public:
  /// Registers its modules in `model`.
  Predictions(torch::nn::Module& model, const PredictionNames& names, const PredictionSizes& sizes,
              const Embedding& words, const torch::TensorOptions& t);

  /// What the last product takes of states.
  torch::Tensor transformed(const torch::Tensor& states) const {
    return norm_->forward(activate(dense_->forward(states), activation_));
  }
  Stage cost(const StepTerms& terms, std::int64_t labels, bool flows) const;
  HeadCost head_cost(const StepTerms& terms, const Embedding& words) const;

  Linear decoder{nullptr};

 private:
  Activation activation_;
  Linear dense_{nullptr};
  LayerNorm norm_{nullptr};
};

}  // namespace luthier

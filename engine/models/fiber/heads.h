// SPDX-License-Identifier: GPL-3.0-or-later
// What FIBER says of what its towers make: points of a space, whether a text and a picture belong
// together, which answer a question has. Names are the authors'.
#pragma once

#include "engine/models/cost.h"
#include "engine/nn/layers.h"
#include "engine/nn/linear.h"

namespace luthier::fiber {

/// A product into the common space and, where there is one, another with a tanh behind it.
class SideHead {
 public:
  /// Registers `transform` and `pooler`.dense in `model`; a null pooler: there is none.
  SideHead(torch::nn::Module& model, const char* transform, const char* pooler, std::int64_t width,
           std::int64_t space, const torch::TensorOptions& t);
  /// [.., width] → [.., space], without the second product.
  torch::Tensor transformed(const torch::Tensor& x) const { return transform_->forward(x); }
  /// [rows, width] → [rows, space].
  torch::Tensor forward(const torch::Tensor& x) const;
  /// `flows`: a gradient is wanted of x.
  Stage cost(const StepTerms& terms, std::int64_t rows) const;
  Stage transform_cost(const StepTerms& terms, std::int64_t tokens, bool again) const;
  std::int64_t of_pooler(const StepTerms& terms) const {
    return pooler_ ? terms.of(*pooler_).parameters : 0;
  }
  std::int64_t of_all(const StepTerms& terms) const {
    return terms.of(*transform_).parameters + of_pooler(terms);
  }

 private:
  Linear transform_{nullptr}, pooler_{nullptr};
};

/// vqa_classifier: a product, a norm, a gelu, a product.
class AnswerProducts {
 public:
  AnswerProducts(torch::nn::Module& model, std::int64_t width, std::int64_t answers,
                 const torch::TensorOptions& t);
  /// [rows, width] → [rows, answers].
  torch::Tensor forward(const torch::Tensor& x) const;
  Stage cost(const StepTerms& terms, std::int64_t rows) const;

 private:
  Linear wide_{nullptr}, out_{nullptr};
  LayerNorm norm_{nullptr};
};

}  // namespace luthier::fiber

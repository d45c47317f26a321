// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/fiber/heads.h"

#include <string>

#include "engine/models/bert/named_parts.h"
#include "engine/nn/module_cost.h"

namespace luthier::fiber {

using torch::Tensor;

namespace {

constexpr double kTorchEps = 1e-5;  // of a norm that is made without one

void add_product(const StepTerms& terms, const Linear& product, std::int64_t rows, Stage& stage) {
  const ProductsCost made = products_cost(terms, {product}, rows);
  stage.kept += made.input + made.numbers;
  stage.gradients += terms.of(*product).parameters * terms.gradient_element;
}

}  // namespace

SideHead::SideHead(torch::nn::Module& model, const char* transform, const char* pooler,
                   std::int64_t width, std::int64_t space, const torch::TensorOptions& t) {
  transform_ = model.register_module(transform, Linear(width, space, true, t));
  if (pooler)
    pooler_ = register_at(model, std::string(pooler) + ".dense", Linear(space, space, true, t));
}

Tensor SideHead::forward(const Tensor& x) const {
  const Tensor made = transformed(x);
  return pooler_ ? at::tanh(pooler_->forward(made)) : made;
}

Stage SideHead::cost(const StepTerms& terms, std::int64_t rows) const {
  Stage stage;
  add_product(terms, transform_, rows, stage);
  if (pooler_) {
    add_product(terms, pooler_, rows, stage);
    stage.kept += terms.block(rows * pooler_->out_features());
  }
  stage.moments = {{stage.kept, 2 * terms.block(rows * transform_->in_features())}};
  return stage;
}

Stage SideHead::transform_cost(const StepTerms& terms, std::int64_t tokens, bool again) const {
  Stage stage;
  add_product(terms, transform_, tokens, stage);
  if (again) stage.gradients = 0;
  stage.moments = {{stage.kept, 2 * terms.block(tokens * transform_->out_features())}};
  return stage;
}

AnswerProducts::AnswerProducts(torch::nn::Module& model, std::int64_t width, std::int64_t answers,
                               const torch::TensorOptions& t) {
  wide_ = register_at(model, "vqa_classifier.0", Linear(width, width, true, t));
  norm_ = register_at(model, "vqa_classifier.1", LayerNorm(width, kTorchEps, t));
  out_ = register_at(model, "vqa_classifier.3", Linear(width, answers, true, t));
}

Tensor AnswerProducts::forward(const Tensor& x) const {
  return out_->forward(activate(norm_->forward(wide_->forward(x)), Activation::Gelu));
}

Stage AnswerProducts::cost(const StepTerms& terms, std::int64_t rows) const {
  Stage stage;
  add_product(terms, wide_, rows, stage);
  stage.kept += norm_kept(terms, norm_, rows) + terms.block(rows * wide_->out_features());
  stage.gradients += terms.of(*norm_).parameters * terms.gradient_element;
  add_product(terms, out_, rows, stage);
  stage.moments = {{stage.kept, 3 * terms.block(rows * wide_->out_features())}};
  return stage;
}

}  // namespace luthier::fiber

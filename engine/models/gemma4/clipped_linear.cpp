// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/gemma4/clipped_linear.h"

#include <limits>

#include <torch/csrc/autograd/custom_function.h>

#include "engine/nn/module_cost.h"
#include "engine/nn/side_by_side.h"

namespace luthier {

using torch::Tensor;

namespace {

class ClipFunction : public torch::autograd::Function<ClipFunction> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x,
                        const Tensor& least, const Tensor& most) {
    context->save_for_backward({x.lt(least).logical_or_(x.gt(most))});
    return at::clamp(x, least, most);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const Tensor outside = context->get_saved_variables()[0];
    return {gradients[0].masked_fill(outside, 0), Tensor(), Tensor()};
  }
};

}  // namespace

Tensor clipped(const Tensor& x, const Tensor& least, const Tensor& most) {
  if (!at::GradMode::is_enabled() || !x.requires_grad()) return at::clamp(x, least, most);
  return ClipFunction::apply(x, least, most);
}

ClippedLinear::ClippedLinear(const Linear& linear, bool clips, const torch::TensorOptions& t) {
  linear_ = register_module("linear", linear);
  if (!clips) return;
  constexpr double kBoundless = std::numeric_limits<double>::infinity();
  add_fixed("input_min", input_min_, {}, -kBoundless, t);
  add_fixed("input_max", input_max_, {}, kBoundless, t);
  add_fixed("output_min", output_min_, {}, -kBoundless, t);
  add_fixed("output_max", output_max_, {}, kBoundless, t);
}

Tensor ClippedLinear::forward(const Tensor& x) const {
  if (!clips()) return linear_->forward(x);
  return clipped(linear_->forward(clipped(x, input_min_, input_max_)), output_min_, output_max_);
}

std::int64_t ClippedLinear::kept(const StepTerms& terms, std::int64_t rows, bool flows) const {
  if (!clips()) return 0;
  const bool makes = flows || terms.of(*linear_).trains;
  return (flows ? terms.block(rows * linear_->in_features(), 1) : 0) +
         (makes ? terms.block(rows * linear_->out_features(), 1) : 0);
}

std::vector<ClippedPointer> clipped_neighbours(std::int64_t in,
                                               const std::vector<std::int64_t>& outs, bool clips,
                                               const torch::TensorOptions& t) {
  std::vector<ClippedPointer> made;
  for (const Linear& linear : neighbouring_linears(in, outs, false, t))
    made.push_back(std::make_shared<ClippedLinear>(linear, clips, t));
  return made;
}

std::vector<Tensor> clipped_side_by_side(const Tensor& x,
                                         const std::vector<ClippedPointer>& linears) {
  std::vector<Tensor> made;
  if (linears.front()->clips()) {
    for (const ClippedPointer& linear : linears) made.push_back(linear->forward(x));
    return made;
  }
  std::vector<const LinearImpl*> plain;
  for (const ClippedPointer& linear : linears) plain.push_back(linear->linear().get());
  return side_by_side(x, plain);
}

std::int64_t clipped_kept(const StepTerms& terms, const std::vector<ClippedPointer>& linears,
                          std::int64_t rows, bool flows) {
  if (!linears.front()->clips()) return 0;
  const Linear &first = linears.front()->linear(), &last = linears.back()->linear();
  const ProductsCost joint =
      linears.size() == 2 ? products_cost(terms, {first, last}, rows)
                          : products_cost(terms, {first, linears.at(1)->linear(), last}, rows);
  std::int64_t bytes = -joint.input - joint.numbers;
  for (const ClippedPointer& linear : linears) {
    // Bounds of its own make an input of its own.
    const ProductsCost own = products_cost(terms, {linear->linear()}, rows);
    bytes += linear->kept(terms, rows, flows) + own.input + own.numbers;
  }
  return bytes;
}

}  // namespace luthier

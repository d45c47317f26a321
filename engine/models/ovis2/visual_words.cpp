// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/ovis2/visual_words.h"

#include <torch/csrc/autograd/custom_function.h>

#include "engine/nn/products.h"

namespace luthier {

namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// The table's gradient is one tensor, whatever is read of it; its shares are kept only where it
/// trains.
class ReadWords : public torch::autograd::Function<ReadWords> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& shares, const Tensor& table,
                        const Tensor& rows) {
    context->save_for_backward({table.requires_grad() ? shares : Tensor(), table, rows});
    context->saved_data["words"] = shares.size(1);
    const Tensor mixed = matrix_product(shares, table.slice(0, 0, shares.size(1)));
    return rows.size(0) > 0 ? at::cat({mixed, table.index_select(0, rows)}) : mixed;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &shares = saved[0], &table = saved[1], &rows = saved[2];
    const std::int64_t words = context->saved_data["words"].toInt();
    const Tensor gradient = gradients[0].contiguous();
    const std::int64_t tokens = gradient.size(0) - rows.size(0);
    const Tensor of_tokens = gradient.slice(0, 0, tokens);
    Tensor of_shares, of_table;
    if (context->needs_input_grad(0))
      of_shares = matrix_product(of_tokens, table.slice(0, 0, words).t());
    if (context->needs_input_grad(1)) {
      of_table = torch::empty(table.sizes(), table.options().requires_grad(false));
      Tensor first = of_table.slice(0, 0, words), last = of_table.slice(0, words);
      at::mm_out(first, shares.t(), of_tokens);
      // As a product each row's sum is rounded once.
      const Tensor whose = rows.unsqueeze(1).eq(at::arange(words, table.size(0), rows.options()));
      at::mm_out(last, whose.to(gradient.scalar_type()).t(), gradient.slice(0, tokens));
    }
    return {of_shares, of_table, Tensor()};
  }
};

}  // namespace

Tensor word_shares(const Tensor& logits, WordChoice choice) {
  const Tensor soft = at::softmax(logits, -1);
  if (choice == WordChoice::Mixture) return soft;
  const Tensor values = soft.detach();
  // What is taken away and added again is not there any more, but for its rounding.
  Tensor hard = at::zeros_like(values);
  hard.scatter_(-1, std::get<1>(values.max(-1, /*keepdim=*/true)), 1.0).sub_(values);
  return hard + soft;
}

VisualTable::VisualTable(std::int64_t count, std::int64_t size,
                         const torch::TensorOptions& tensors) {
  add_parameter("weight", weight, {count, size}, tensors);
}

Tensor VisualTable::forward(const Tensor& shares, const Tensor& rows) const {
  return ReadWords::apply(shares, weight.to(shares.scalar_type()), rows);
}

}  // namespace luthier

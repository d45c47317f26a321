// SPDX-License-Identifier: GPL-3.0-or-later
// The head and the loss in one autograd function: for a chunk of rows the logits are made, turned
// into the gradient and dropped again (Wijmans et al. 2024 call the idea cut cross-entropy). The
// gradient is made in the forward, scaled in the backward.
#include <algorithm>

#include <torch/csrc/autograd/custom_function.h>

#include "engine/nn/products.h"
#include "engine/objectives/head_loss.h"
#include "engine/objectives/loss_cost.h"

namespace luthier {

namespace {

using torch::Tensor;

/// x · factor in x's dtype, the factor unrounded: as a tensor of no dimension it would first be
/// rounded to x's dtype on any device but the CPU, and one rounding would be in all gradients.
Tensor scaled(const Tensor& x, const Tensor& factor) {
  if (!x.defined()) return {};
  if (x.is_cpu() || x.scalar_type() == factor.scalar_type()) return x * factor;
  Tensor y = at::empty_like(x);
  return at::mul_out(y, x, factor.view({1}));
}

class CrossEntropyFunction : public torch::autograd::Function<CrossEntropyFunction> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& hidden,
                        const Tensor& leaf, const std::optional<Tensor>& head_bias,
                        const Tensor& target, const Weight& weight, bool graph) {
    const Tensor bias =
        head_bias.value_or(Tensor());  // an undefined tensor would not pass as an input of its own
    // The context knows which gradients are asked for only where there is a graph.
    const bool wants_hidden = graph && hidden.requires_grad(),
               wants_weight = graph && weight.trained();
    const bool wants_bias = graph && bias.defined() && bias.requires_grad();
    const bool wants_any = wants_hidden || wants_weight || wants_bias;
    const std::int64_t rows = hidden.size(0), vocab = weight.rows();
    const std::int64_t chunk = loss_chunk(vocab, hidden.is_cpu());
    Tensor total = torch::zeros({}, hidden.options().dtype(torch::kFloat32).requires_grad(false));
    Tensor dhidden = wants_hidden ? torch::empty_like(hidden) : Tensor();
    Tensor dweight =
        wants_weight
            ? torch::zeros(leaf.sizes(), leaf.options().dtype(torch::kFloat32).requires_grad(false))
            : Tensor();
    Tensor dbias =
        wants_bias
            ? torch::zeros(bias.sizes(), bias.options().dtype(torch::kFloat32).requires_grad(false))
            : Tensor();
    for (std::int64_t begin = 0; begin < rows; begin += chunk) {
      const std::int64_t end = std::min(rows, begin + chunk);
      const Tensor part = hidden.slice(0, begin, end),
                   goal = target.slice(0, begin, end).unsqueeze(1);
      Tensor logits = weight.product(part, bias).to(torch::kFloat32);  // [chunk, vocab]
      const Tensor maximum = std::get<0>(logits.max(1, true));
      const Tensor picked = logits.gather(1, goal);
      Tensor gradient = logits.sub_(maximum).exp_();  // softmax before division
      const Tensor sum = gradient.sum(1, true);
      total.add_((sum.log() + maximum - picked).sum());
      if (!wants_any) continue;
      gradient.div_(sum);
      gradient.scatter_add_(1, goal, torch::full_like(picked, -1));  // p − onehot
      const Tensor narrow = gradient.to(hidden.scalar_type());
      if (wants_hidden) dhidden.slice(0, begin, end).copy_(weight.product_back(narrow));
      if (wants_weight) {
        if (leaf.scalar_type() == torch::kFloat32)
          dweight.addmm_(narrow.t(), part);
        else
          dweight.add_(at::mm(narrow.t(), part));
      }
      if (wants_bias) dbias.add_(gradient.sum(0));
    }
    context->save_for_backward({dhidden, dweight, dbias});
    context->saved_data["type"] = static_cast<std::int64_t>(leaf.scalar_type());
    return total;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto type = static_cast<torch::ScalarType>(context->saved_data["type"].toInt());
    const Tensor& share = gradients[0];
    Tensor dweight = scaled(saved[1], share), dbias = scaled(saved[2], share);
    if (dweight.defined()) dweight = dweight.to(type);
    if (dbias.defined()) dbias = dbias.to(type);
    return {scaled(saved[0], share), dweight, dbias, Tensor(), Tensor(), Tensor()};
  }
};

/// With a plug on the head the product is the plug's; each chunk keeps its graph.
Tensor adapted_cross_entropy(const Tensor& hidden, const Linear& head, const Tensor& target) {
  const std::int64_t chunk = loss_chunk(head->out_features(), hidden.is_cpu());
  Tensor total = torch::zeros({}, hidden.options().dtype(torch::kFloat32).requires_grad(false));
  for (std::int64_t begin = 0; begin < hidden.size(0); begin += chunk) {
    const std::int64_t end = std::min(hidden.size(0), begin + chunk);
    const Tensor logits = head->forward(hidden.slice(0, begin, end)).to(torch::kFloat32);
    total =
        total + at::cross_entropy_loss(logits, target.slice(0, begin, end), {}, at::Reduction::Sum);
  }
  return total;
}

}  // namespace

Tensor chunked_cross_entropy(const Tensor& hidden, const Linear& head, const Tensor& target) {
  if (head->plug) return adapted_cross_entropy(hidden, head, target);
  const std::optional<Tensor> bias =
      head->bias.defined() ? std::optional<Tensor>(head->bias) : std::nullopt;
  return CrossEntropyFunction::apply(hidden, head->weight.leaf(), bias, target, head->weight,
                                     torch::GradMode::is_enabled());
}

}  // namespace luthier

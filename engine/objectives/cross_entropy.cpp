// SPDX-License-Identifier: GPL-3.0-or-later
// The head and the loss in one autograd function: for a chunk of rows the logits are made, turned
// into the gradient and dropped again (Wijmans et al. 2024 call the idea cut cross-entropy). The
// gradient is made in the forward, scaled in the backward.
#include <algorithm>

#include <torch/csrc/autograd/custom_function.h>

#include "engine/objectives/adapted_head.h"
#include "engine/objectives/chunk_gradient.h"
#include "engine/objectives/head_loss.h"
#include "engine/objectives/loss_cost.h"

namespace luthier {

namespace {

using torch::Tensor;

class ChunkedLossFunction : public torch::autograd::Function<ChunkedLossFunction> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& hidden,
                        const Tensor& leaf, const std::optional<Tensor>& head_bias,
                        const Tensor* given, const Weight& weight, double softcap,
                        std::int64_t chunk, const ChunkLoss* loss, bool graph) {
    const Tensor& shares = *given;  // an undefined one would not pass as an input, either
    const Tensor bias =
        head_bias.value_or(Tensor());  // an undefined tensor would not pass as an input of its own
    // The context knows which gradients are asked for only where there is a graph.
    const PlainHeadGradients::Wanted wanted{graph && hidden.requires_grad(),
                                            graph && weight.trained(),
                                            graph && bias.defined() && bias.requires_grad()};
    const std::int64_t rows = hidden.size(0);
    Tensor total = torch::zeros({}, hidden.options().dtype(torch::kFloat32).requires_grad(false));
    PlainHeadGradients made(wanted, hidden, leaf, bias);
    for (std::int64_t begin = 0; begin < rows; begin += chunk) {
      const std::int64_t end = std::min(rows, begin + chunk);
      // [chunk, vocab], then their gradient
      const Tensor logits = weight.product(hidden.slice(0, begin, end), bias);
      const ChunkCap cap(softcap, logits, wanted.any());
      total.add_((*loss)(logits, begin, end, wanted.any()));
      cap.back(logits);
      made.add(hidden, begin, end, logits, weight, shares);
    }
    context->save_for_backward({made.hidden, made.weight, made.bias});
    context->saved_data["type"] = static_cast<std::int64_t>(leaf.scalar_type());
    return total;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto type = static_cast<torch::ScalarType>(context->saved_data["type"].toInt());
    const Tensor& share = gradients[0];
    const Tensor &dhidden = saved[0], &dweight = saved[1], &dbias = saved[2];
    return {dhidden.defined() ? scaled(dhidden, share, dhidden.scalar_type()) : Tensor(),
            scaled(dweight, share, type),
            scaled(dbias, share, type),
            Tensor(),
            Tensor(),
            Tensor(),
            Tensor(),
            Tensor(),
            Tensor()};
  }
};

}  // namespace

Tensor chunked_loss(const Tensor& hidden, const Linear& head, std::int64_t step,
                    const ChunkLoss& loss, const Tensor& shares) {
  if (head->plug) return adapted_loss(hidden, head, step, loss, shares);
  const std::optional<Tensor> bias =
      head->bias.defined() ? std::optional<Tensor>(head->bias) : std::nullopt;
  return ChunkedLossFunction::apply(hidden, head->weight.leaf(), bias, &shares, head->weight,
                                    head->softcap, step, &loss, torch::GradMode::is_enabled());
}

Tensor chunked_cross_entropy(const Tensor& hidden, const Linear& head, const Tensor& target,
                             const Tensor& shares) {
  const auto loss = [&](const Tensor& logits, std::int64_t begin, std::int64_t end, bool gradient) {
    return cross_entropy_in_place(logits, target.slice(0, begin, end), gradient,
                                  shares.defined() ? shares.slice(0, begin, end) : shares);
  };
  return chunked_loss(hidden, head, loss_chunk(head->out_features(), hidden.is_cpu()), loss,
                      shares);
}

}  // namespace luthier

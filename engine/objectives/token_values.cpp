// SPDX-License-Identifier: GPL-3.0-or-later
// Log-probabilities of single tokens. What weighs each of them is known only in the backward, so a
// chunk's logits are made twice: once for the values and once for the gradient. Between the two the
// states alone are kept.
#include <algorithm>

#include <torch/csrc/autograd/custom_function.h>

#include "engine/objectives/head_loss.h"
#include "engine/objectives/loss_cost.h"

namespace luthier {

namespace {

using torch::Tensor;

/// What one chunk's logits [n, vocab] (float32, over the temperature) say of `target` [n]. The
/// logits are used up.
TokenValues values_of(const Tensor& logits, const Tensor& target) {
  TokenValues values;
  values.mean_logits = logits.mean(1);
  values.is_top1 = logits.argmax(1).eq(target).to(torch::kFloat32);
  const Tensor normal = logits.logsumexp(1, true);
  const Tensor log_probs = logits - normal;
  values.log_probs = log_probs.gather(1, target.unsqueeze(1)).squeeze(1);
  const Tensor probs = log_probs.exp();
  values.entropy = -(probs * log_probs).sum(1);
  values.log_sum_sq_probs = log_probs.mul(2).logsumexp(1);
  return values;
}

TokenValues joined(const std::vector<TokenValues>& chunks) {
  const auto all = [&](Tensor TokenValues::*field) {
    std::vector<Tensor> tensors;
    for (const TokenValues& chunk : chunks) tensors.push_back(chunk.*field);
    return at::cat(tensors, 0);
  };
  return {all(&TokenValues::log_probs), all(&TokenValues::entropy), all(&TokenValues::mean_logits),
          all(&TokenValues::is_top1), all(&TokenValues::log_sum_sq_probs)};
}

class LogProbFunction : public torch::autograd::Function<LogProbFunction> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& hidden,
                        const Tensor& leaf, const std::optional<Tensor>& head_bias,
                        const Tensor& target, const Weight& weight, double temperature,
                        TokenValues* values) {
    const Tensor bias = head_bias.value_or(Tensor());
    const std::int64_t chunk = loss_chunk(weight.rows(), hidden.is_cpu());
    std::vector<TokenValues> chunks;
    for (std::int64_t begin = 0; begin < hidden.size(0); begin += chunk) {
      const std::int64_t end = std::min(hidden.size(0), begin + chunk);
      const Tensor logits = weight.product(hidden.slice(0, begin, end), bias).to(torch::kFloat32);
      chunks.push_back(
          values_of(temperature == 1 ? logits : logits / temperature, target.slice(0, begin, end)));
    }
    *values = joined(chunks);
    context->save_for_backward({hidden, leaf, bias, target});
    context->saved_data["weight"] = weight.kept();
    context->saved_data["temperature"] = temperature;
    return values->log_probs;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const torch::NoGradGuard no_grad;
    const auto saved = context->get_saved_variables();
    const Tensor &hidden = saved[0], &leaf = saved[1], &bias = saved[2], &target = saved[3];
    const Weight weight(leaf, context->saved_data["weight"]);
    const double temperature = context->saved_data["temperature"].toDouble();
    const Tensor share = (gradients[0] / temperature).unsqueeze(1);  // [n, 1]
    const bool wants_hidden = hidden.requires_grad(), wants_weight = weight.trained(),
               wants_bias = bias.defined() && bias.requires_grad();
    const auto sums = [](bool wanted, const Tensor& like) {
      return wanted ? torch::zeros(like.sizes(), like.options().dtype(torch::kFloat32)) : Tensor();
    };
    Tensor dhidden = wants_hidden ? torch::empty_like(hidden) : Tensor();
    Tensor dweight = sums(wants_weight, leaf), dbias = sums(wants_bias, bias);
    const std::int64_t chunk = loss_chunk(weight.rows(), hidden.is_cpu());
    for (std::int64_t begin = 0; begin < hidden.size(0); begin += chunk) {
      const std::int64_t end = std::min(hidden.size(0), begin + chunk);
      const Tensor part = hidden.slice(0, begin, end), weigh = share.slice(0, begin, end);
      Tensor logits = weight.product(part, bias).to(torch::kFloat32);
      if (temperature != 1) logits = logits / temperature;
      Tensor gradient = logits.softmax(1).mul_(-weigh);  // (onehot − p) · weight of the token
      gradient.scatter_add_(1, target.slice(0, begin, end).unsqueeze(1), weigh);
      const Tensor narrow = gradient.to(hidden.scalar_type());
      if (wants_hidden) dhidden.slice(0, begin, end).copy_(weight.product_back(narrow));
      if (wants_weight) dweight.add_(at::mm(narrow.t(), part));
      if (wants_bias) dbias.add_(gradient.sum(0));
    }
    if (dweight.defined()) dweight = dweight.to(leaf.scalar_type());
    if (dbias.defined()) dbias = dbias.to(bias.scalar_type());
    return {dhidden, dweight, dbias, Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

/// With a plug on the head the product is the plug's; each chunk keeps its graph.
TokenValues adapted_values(const Tensor& hidden, const Linear& head, const Tensor& target,
                           double temperature) {
  const std::int64_t chunk = loss_chunk(head->out_features(), hidden.is_cpu());
  std::vector<TokenValues> chunks;
  for (std::int64_t begin = 0; begin < hidden.size(0); begin += chunk) {
    const std::int64_t end = std::min(hidden.size(0), begin + chunk);
    const Tensor goal = target.slice(0, begin, end);
    const Tensor logits =
        head->forward(hidden.slice(0, begin, end)).to(torch::kFloat32) / temperature;
    TokenValues values = values_of(logits.detach(), goal);
    values.log_probs = logits.log_softmax(1).gather(1, goal.unsqueeze(1)).squeeze(1);
    chunks.push_back(std::move(values));
  }
  return joined(chunks);
}

}  // namespace

TokenValues token_values(const Tensor& hidden, const Linear& head, const Tensor& target,
                         double temperature) {
  if (hidden.size(0) == 0) {
    const Tensor none = torch::zeros({0}, hidden.options().dtype(torch::kFloat32));
    return {none, none, none, none, none};
  }
  if (head->plug) return adapted_values(hidden, head, target, temperature);
  const std::optional<Tensor> bias =
      head->bias.defined() ? std::optional<Tensor>(head->bias) : std::nullopt;
  TokenValues values;
  values.log_probs = LogProbFunction::apply(hidden, head->weight.leaf(), bias, target, head->weight,
                                            temperature, &values);
  return values;
}

LabelledStates labelled_states(Model& model, const ModelInput& input) {
  const Tensor hidden = model.decode(model.embed(input), nullptr);  // [tokens, hidden]
  const NextLabels next = next_labels(input);
  LabelledStates states;
  states.places = next.places, states.target = next.labels;
  states.hidden = hidden.index_select(0, states.places);
  return states;
}

}  // namespace luthier

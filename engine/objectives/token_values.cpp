// SPDX-License-Identifier: GPL-3.0-or-later
// Log-probabilities of single tokens. What weighs each of them is known only in the backward, so a
// chunk's logits are made twice: once for the values and once for the gradient. Between the two the
// states alone are kept.
#include <algorithm>

#include <torch/csrc/autograd/custom_function.h>

#include "engine/batches/filler.h"
#include "engine/objectives/adapted_head.h"
#include "engine/objectives/chunk_gradient.h"
#include "engine/objectives/head_loss.h"
#include "engine/objectives/loss_cost.h"

namespace luthier {

namespace {

using torch::Tensor;

/// What one chunk's logits [n, vocab] say of `target` [n]. They are used up.
TokenValues values_of(Tensor logits, const Tensor& target, double temperature) {
  const torch::NoGradGuard no_grad;
  TokenValues values;
  logits = logits.to(torch::kFloat32);
  if (temperature != 1) logits.div_(temperature);
  values.mean_logits = logits.mean(1);
  values.is_top1 = logits.argmax(1).eq(target).to(torch::kFloat32);
  const Tensor log_probs = logits.sub_(logits.logsumexp(1, true));
  values.log_probs = log_probs.gather(1, target.unsqueeze(1)).squeeze(1);
  values.entropy = -log_probs.exp().mul_(log_probs).sum(1);
  values.log_sum_sq_probs = log_probs.mul_(2).logsumexp(1);
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

/// Of some rows of a gradient; undefined where it is.
Tensor rows_of(const Tensor& gradient, std::int64_t begin, std::int64_t end) {
  return gradient.defined() ? gradient.slice(0, begin, end) : Tensor();
}

/// → log-probabilities and entropies.
class LogProbFunction : public torch::autograd::Function<LogProbFunction> {
 public:
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* context,
                                                const Tensor& hidden, const Tensor& leaf,
                                                const std::optional<Tensor>& head_bias,
                                                const Tensor& target, const Weight& weight,
                                                double softcap, double temperature,
                                                TokenValues* values) {
    const Tensor bias = head_bias.value_or(Tensor());
    const std::int64_t chunk = loss_chunk(weight.rows(), hidden.is_cpu());
    std::vector<TokenValues> chunks;
    for (std::int64_t begin = 0; begin < hidden.size(0); begin += chunk) {
      const std::int64_t end = std::min(hidden.size(0), begin + chunk);
      Tensor logits = weight.product(hidden.slice(0, begin, end), bias);
      const ChunkCap cap(softcap, logits, /*gradient=*/false);
      // Given away: of narrow ones a wide copy is made, beside which they need not stand.
      chunks.push_back(values_of(std::move(logits), target.slice(0, begin, end), temperature));
    }
    *values = joined(chunks);
    context->save_for_backward({hidden, leaf, bias, target});
    context->saved_data["weight"] = weight.kept();
    context->saved_data["temperature"] = temperature;
    context->saved_data["softcap"] = softcap;
    context->set_materialize_grads(false);
    return {values->log_probs, values->entropy};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const torch::NoGradGuard no_grad;
    const auto saved = context->get_saved_variables();
    const Tensor &hidden = saved[0], &leaf = saved[1], &bias = saved[2], &target = saved[3];
    const Weight weight(leaf, context->saved_data["weight"]);
    const double temperature = context->saved_data["temperature"].toDouble(),
                 softcap = context->saved_data["softcap"].toDouble();
    const Tensor &share = gradients[0], &of_entropy = gradients[1];  // [n]; undefined: none
    PlainHeadGradients made(
        {hidden.requires_grad(), weight.trained(), bias.defined() && bias.requires_grad()}, hidden,
        leaf, bias);
    const std::int64_t chunk = loss_chunk(weight.rows(), hidden.is_cpu());
    for (std::int64_t begin = 0; begin < hidden.size(0); begin += chunk) {
      const std::int64_t end = std::min(hidden.size(0), begin + chunk);
      // [chunk, vocab], then their gradient
      const Tensor logits = weight.product(hidden.slice(0, begin, end), bias);
      const ChunkCap cap(softcap, logits, /*gradient=*/true);
      log_prob_gradient_in_place(logits, target.slice(0, begin, end), rows_of(share, begin, end),
                                 temperature, rows_of(of_entropy, begin, end));
      cap.back(logits);
      made.add(hidden, begin, end, logits, weight);
    }
    if (made.weight.defined()) made.weight = made.weight.to(leaf.scalar_type());
    if (made.bias.defined()) made.bias = made.bias.to(bias.scalar_type());
    return {made.hidden, made.weight, made.bias, Tensor(), Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

/// What is kept of an adapted head between the two times that its logits are made: it as it stood,
/// whatever hangs on it when the gradient arrives.
struct HeadThen : torch::CustomClassHolder {
  HeadThen(const Linear& then, double by) : head(then), plug(then->plug), temperature(by) {}
  Linear head;
  const LinearPlug* plug;
  double temperature;
};

class AdaptedLogProbFunction : public torch::autograd::Function<AdaptedLogProbFunction> {
 public:
  /// `inputs`: hidden, and what trains of the head. → log-probabilities and entropies.
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* context,
                                                at::TensorList inputs, const Tensor& target,
                                                const TokenValues* values,
                                                const c10::intrusive_ptr<HeadThen>& head) {
    std::vector<Tensor> kept = inputs.vec();
    kept.push_back(target);
    context->save_for_backward(kept);
    context->saved_data["head"] = c10::IValue::make_capsule(head);
    context->set_materialize_grads(false);
    return {values->log_probs, values->entropy};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    std::vector<Tensor> kept = context->get_saved_variables();
    const auto then =
        c10::static_intrusive_pointer_cast<HeadThen>(context->saved_data["head"].toCapsule());
    const Tensor target = kept.back(), hidden = kept.front();
    HeadGradients sums({kept.begin() + 1, kept.end() - 1});
    Tensor of_hidden = hidden.requires_grad() ? at::zeros_like(hidden) : Tensor();
    const std::int64_t step = loss_chunk(then->head->out_features(), hidden.is_cpu());
    for (std::int64_t begin = 0; begin < hidden.size(0); begin += step) {
      const std::int64_t end = std::min(hidden.size(0), begin + step);
      const AdaptedChunk chunk = [&] {
        const at::AutoGradMode graph(true);
        return adapted_chunk(hidden, begin, end, then->head, then->plug);
      }();
      log_prob_gradient_in_place(chunk.logits, target.slice(0, begin, end),
                                 rows_of(gradients[0], begin, end), then->temperature,
                                 rows_of(gradients[1], begin, end));
      const Tensor of_states = sums.add(chunk, chunk.logits);
      if (of_hidden.defined() && of_states.defined())
        of_hidden.slice(0, begin, end).copy_(of_states);
    }
    torch::autograd::variable_list result{of_hidden};
    for (std::size_t i = 0; i < sums.tensors().size(); ++i) {
      const Tensor& sum = sums.sums()[i];
      result.push_back(sum.defined() ? sum.to(sums.tensors()[i].scalar_type()) : sum);
    }
    result.resize(result.size() + 3);  // the target, the values and the head
    return result;
  }
};

/// With a plug on the head the product is the plug's.
TokenValues adapted_values(const Tensor& hidden, const Linear& head, const Tensor& target,
                           double temperature) {
  const std::int64_t step = loss_chunk(head->out_features(), hidden.is_cpu());
  std::vector<TokenValues> chunks;
  HeadGradients found;
  for (std::int64_t begin = 0; begin < hidden.size(0); begin += step) {
    const std::int64_t end = std::min(hidden.size(0), begin + step);
    const AdaptedChunk chunk = adapted_chunk(hidden, begin, end, head, head->plug);
    found.find(chunk);
    chunks.push_back(values_of(chunk.logits, target.slice(0, begin, end), temperature));
  }
  TokenValues values = joined(chunks);
  std::vector<Tensor> inputs{hidden};
  inputs.insert(inputs.end(), found.tensors().begin(), found.tensors().end());
  const auto made = AdaptedLogProbFunction::apply(at::TensorList(inputs), target, &values,
                                                  c10::make_intrusive<HeadThen>(head, temperature));
  values.log_probs = made[0];
  values.entropy = made[1];
  return values;
}

}  // namespace

TokenValues token_values(const Tensor& hidden, const Linear& head, const Tensor& target,
                         double temperature, bool learns_entropy) {
  if (hidden.size(0) == 0) {
    const Tensor none = torch::zeros({0}, hidden.options().dtype(torch::kFloat32));
    return {none, none, none, none, none};
  }
  TokenValues values;
  if (head->plug) {
    values = adapted_values(hidden, head, target, temperature);
    if (!learns_entropy) values.entropy = values.entropy.detach();
    return values;
  }
  const std::optional<Tensor> bias =
      head->bias.defined() ? std::optional<Tensor>(head->bias) : std::nullopt;
  const auto made = LogProbFunction::apply(hidden, head->weight.leaf(), bias, target, head->weight,
                                           head->softcap, temperature, &values);
  values.log_probs = made[0];
  values.entropy = learns_entropy ? made[1] : made[1].detach();
  return values;
}

namespace {

/// On the CPU rounded up as a batch's tokens are (batches/filler), so that numbers of labels that
/// are near one another share kernels: the last place stands some times more.
Tensor filled_up(const Tensor& places) {
  const std::int64_t missing = places.is_cpu() ? filler_tokens(places.size(0)) : 0;
  return missing > 0 ? at::cat({places, places.slice(0, -1).expand({missing})}) : places;
}

}  // namespace

Tensor states_at(Model& model, const ModelInput& input, const Tensor& places,
                 const std::shared_ptr<RouterNotes>& routers) {
  TokenSequence sequence = model.embed(input);
  sequence.routers = routers;
  sequence.own = filled_up(places);
  const std::int64_t asked = places.size(0);
  const Tensor made = model.decode(sequence, nullptr);  // [own tokens, hidden]
  return made.size(0) == asked ? made : made.slice(0, 0, asked);
}

LabelledStates labelled_states(Model& model, const ModelInput& input,
                               const std::shared_ptr<RouterNotes>& routers) {
  const NextLabels next = next_labels(input);
  LabelledStates states;
  states.places = next.places, states.target = next.labels, states.shares = next.shares;
  if (model.sequence_to_sequence()) {
    states.hidden = states_before_head(model, input).index_select(0, next.places);
    return states;
  }
  states.hidden = states_at(model, input, next.places, routers);
  return states;
}

}  // namespace luthier

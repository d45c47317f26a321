// SPDX-License-Identifier: GPL-3.0-or-later
// The sum of the losses is known before the backward asks for it, and so are its gradients but for
// one factor: they are made chunk by chunk in the forward, and the backward scales them.
#include "engine/objectives/adapted_head.h"

#include <algorithm>
#include <unordered_set>

#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/engine.h>
#include <torch/csrc/autograd/functions/accumulate_grad.h>

namespace luthier {

namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Leaf {
  Tensor tensor;
  torch::autograd::Edge edge;  ///< where its gradient would be added up
};

/// The leaves that a graph ends in.
std::vector<Leaf> leaves_of(const torch::autograd::Edge& root) {
  std::vector<Leaf> leaves;
  std::vector<torch::autograd::Edge> open{root};
  std::unordered_set<torch::autograd::Node*> seen{root.function.get()};
  while (!open.empty()) {
    const torch::autograd::Edge edge = open.back();
    open.pop_back();
    if (const auto* leaf = dynamic_cast<torch::autograd::AccumulateGrad*>(edge.function.get()))
      leaves.push_back({leaf->variable, edge});
    for (const torch::autograd::Edge& next : edge.function->next_edges()) {
      if (next.is_valid() && seen.insert(next.function.get()).second) open.push_back(next);
    }
  }
  return leaves;
}

/// A number whose gradients are known, all but the factor that arrives for it.
class KnownGradients : public torch::autograd::Function<KnownGradients> {
 public:
  static Tensor forward(AutogradContext* context, at::TensorList inputs, const Tensor* value,
                        const variable_list* gradients) {
    std::vector<std::int64_t> types;
    for (const Tensor& input : inputs)
      types.push_back(static_cast<std::int64_t>(input.scalar_type()));
    context->saved_data["types"] = types;
    context->save_for_backward(*gradients);
    return *value;
  }

  static variable_list backward(AutogradContext* context, variable_list shares) {
    const auto saved = context->get_saved_variables();
    const auto types = context->saved_data["types"].toIntVector();
    variable_list result;
    for (std::size_t i = 0; i < saved.size(); ++i)
      result.push_back(scaled(saved[i], shares[0], static_cast<torch::ScalarType>(types[i])));
    result.resize(saved.size() + 2);  // the value and the gradients are no inputs
    return result;
  }
};

}  // namespace

HeadGradients::HeadGradients(std::vector<Tensor> tensors)
    : tensors_(std::move(tensors)), sums_(tensors_.size()) {}

std::size_t HeadGradients::place_of(const Tensor& tensor) {
  const auto same = [&](const Tensor& known) { return known.is_same(tensor); };
  const auto found = std::find_if(tensors_.begin(), tensors_.end(), same);
  const auto place = static_cast<std::size_t>(found - tensors_.begin());
  if (found == tensors_.end()) tensors_.push_back(tensor), sums_.emplace_back();
  return place;
}

void HeadGradients::find(const AdaptedChunk& chunk) {
  if (!chunk.has_graph()) return;
  for (const Leaf& leaf : leaves_of(chunk.root)) {
    if (!leaf.tensor.is_same(chunk.states)) place_of(leaf.tensor);
  }
}

Tensor HeadGradients::add(const AdaptedChunk& chunk, const Tensor& gradient) {
  const std::vector<Leaf> leaves = leaves_of(chunk.root);
  torch::autograd::edge_list ends;
  for (const Leaf& leaf : leaves) ends.push_back(leaf.edge);
  // What a plug has made once for all chunks is not let go with the first of them.
  const variable_list made = torch::autograd::Engine::get_default_engine().execute(
      {chunk.root}, {gradient}, /*keep_graph=*/true, /*create_graph=*/false,
      /*accumulate_grad=*/false, ends);
  const torch::NoGradGuard no_grad;
  Tensor of_states;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    if (!made[i].defined()) continue;
    if (leaves[i].tensor.is_same(chunk.states)) {
      of_states = made[i];
      continue;
    }
    Tensor& sum = sums_[place_of(leaves[i].tensor)];
    if (!sum.defined()) sum = at::zeros(made[i].sizes(), made[i].options().dtype(torch::kFloat32));
    sum.add_(made[i]);
  }
  return of_states;
}

AdaptedChunk adapted_chunk(const Tensor& hidden, std::int64_t begin, std::int64_t end,
                           const Linear& head, const LinearPlug* plug) {
  AdaptedChunk chunk;
  chunk.states = hidden.slice(0, begin, end).detach();
  chunk.states.set_requires_grad(at::GradMode::is_enabled() && hidden.requires_grad());
  Tensor logits = plug->forward(chunk.states, *head);
  if (head->softcap > 0) logits = with_softcap(logits, head->softcap);
  // Taken now: of a view that is written over, autograd gives none.
  if (logits.requires_grad()) chunk.root = torch::autograd::impl::gradient_edge(logits);
  chunk.logits = logits.detach();
  return chunk;
}

Tensor adapted_loss(const Tensor& hidden, const Linear& head, std::int64_t step,
                    const ChunkLoss& loss, const Tensor& shares) {
  const std::int64_t rows = hidden.size(0);
  Tensor total = at::zeros({}, hidden.options().dtype(torch::kFloat32).requires_grad(false));
  Tensor of_hidden;
  HeadGradients gradients;
  for (std::int64_t begin = 0; begin < rows; begin += step) {
    const std::int64_t end = std::min(rows, begin + step);
    const AdaptedChunk chunk = adapted_chunk(hidden, begin, end, head, head->plug);
    total.add_(loss(chunk.logits, begin, end, chunk.has_graph()));
    if (!chunk.has_graph()) continue;
    if (shares.defined())
      torch::Tensor(chunk.logits).mul_(shares.slice(0, begin, end).unsqueeze(1));
    const Tensor of_states = gradients.add(chunk, chunk.logits);
    if (!of_states.defined()) continue;
    const torch::NoGradGuard no_grad;
    if (!of_hidden.defined()) of_hidden = at::zeros_like(hidden);
    of_hidden.slice(0, begin, end).copy_(of_states);
  }
  variable_list inputs = gradients.tensors(), sums = gradients.sums();
  if (of_hidden.defined()) inputs.push_back(hidden), sums.push_back(of_hidden);
  return inputs.empty() ? total : KnownGradients::apply(at::TensorList(inputs), &total, &sums);
}

}  // namespace luthier

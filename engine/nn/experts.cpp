// SPDX-License-Identifier: GPL-3.0-or-later
// Autograd would give each expert's slice of a stack a gradient as large as the stack, so forward
// and backward are written here. The gradient of a token's share is what its expert made of the
// token, times the gradient: that needs no second copy of what was made, for it is the activation
// times what the last product sends back.
#include "engine/nn/experts.h"

#include <tuple>

#include <torch/csrc/autograd/custom_function.h>

#include "engine/device/neighbours.h"
#include "engine/nn/gate.h"
#include "engine/nn/products.h"

namespace luthier {

namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Places of tokens, expert after expert.
struct Groups {
  Tensor places;                     ///< [places] int64, into the tokens' experts one after another
  Tensor tokens;                     ///< [places] int64: whose they are
  std::vector<std::int64_t> counts;  ///< of each expert
};

/// `experts` [tokens, each] → the places of each expert in the tokens' order. The counts decide the
/// products' sizes, so a device is waited for here.
Groups groups_of(const Tensor& experts, std::int64_t count) {
  const Tensor host = experts.to(torch::kCPU).contiguous();
  const std::int64_t places = host.numel(), each = host.size(1);
  const auto* expert = host.const_data_ptr<std::int64_t>();
  Groups groups;
  groups.counts.assign(static_cast<std::size_t>(count), 0);
  for (std::int64_t i = 0; i < places; ++i) ++groups.counts.at(static_cast<std::size_t>(expert[i]));
  std::vector<std::int64_t> next(groups.counts.size(), 0);
  for (std::size_t e = 1; e < next.size(); ++e) next[e] = next[e - 1] + groups.counts[e - 1];
  Tensor both = torch::empty({2, places}, torch::kInt64);  // so that they go up in one copy
  auto *place = both.mutable_data_ptr<std::int64_t>(), *token = place + places;
  for (std::int64_t i = 0; i < places; ++i) {
    const std::int64_t at = next[static_cast<std::size_t>(expert[i])]++;
    place[at] = i;
    token[at] = i / each;
  }
  if (!experts.is_cpu()) both = both.to(experts.device());
  groups.places = both[0], groups.tokens = both[1];
  return groups;
}

/// Calls `work(expert, begin, count)` for each that has places.
void each_group(const std::vector<std::int64_t>& counts, const auto& work) {
  std::int64_t begin = 0;
  for (std::size_t e = 0; e < counts.size(); ++e) {
    if (counts[e] > 0) work(static_cast<std::int64_t>(e), begin, counts[e]);
    begin += counts[e];
  }
}

/// Sums over a token's experts are made in float32 at least.
torch::ScalarType type_of_sums(const Tensor& x) {
  return c10::promoteTypes(x.scalar_type(), torch::kFloat32);
}

/// A stack of matrices and what hangs on it.
struct Stack {
  Tensor weight;  ///< [experts, out, in]
  ExpertPair pair;

  bool hung() const { return pair.a.defined() && pair.a.numel() > 0; }
  bool trains() const {
    return weight.requires_grad() || (hung() && (pair.a.requires_grad() || pair.b.requires_grad()));
  }
  /// x [n, in] of one expert → [n, out].
  Tensor product(const Tensor& x, std::int64_t expert) const {
    Tensor y = matrix_product(x, weight[expert].t());
    if (hung())
      add_product(y, matrix_product(x, pair.a[expert].t(), pair.scale), pair.b[expert].t());
    return y;
  }
  /// gradient [n, out] → [n, in].
  Tensor product_back(const Tensor& gradient, std::int64_t expert) const {
    Tensor dx = matrix_product(gradient, weight[expert]);
    if (hung())
      add_product(dx, matrix_product(gradient, pair.b[expert], pair.scale), pair.a[expert]);
    return dx;
  }
};

/// The gradients of a stack and of its pair, which each expert puts its own into.
struct StackGradients {
  Tensor weight, a, b;

  StackGradients(const Stack& stack, bool of_weight, bool of_a, bool of_b) {
    if (of_weight) weight = torch::zeros_like(stack.weight);
    if (of_a && stack.hung()) a = torch::zeros_like(stack.pair.a);
    if (of_b && stack.hung()) b = torch::zeros_like(stack.pair.b);
  }
  /// x [n, in] and the gradient [n, out] of what it became.
  void put(const Stack& stack, std::int64_t expert, const Tensor& x, const Tensor& gradient) {
    if (weight.defined()) put_product(weight[expert], gradient.t(), x, 1);
    if (b.defined()) {
      const Tensor inner = matrix_product(x, stack.pair.a[expert].t());
      put_product(b[expert], gradient.t(), inner, stack.pair.scale);
    }
    if (a.defined()) {
      const Tensor back = matrix_product(gradient, stack.pair.b[expert]);
      put_product(a[expert], back.t(), x, stack.pair.scale);
    }
  }
};

/// gate and up of what stands before the activation, [n, 2 · intermediate].
std::pair<Tensor, Tensor> sides(const Tensor& made) {
  const std::int64_t width = made.size(1) / 2;
  return {made.narrow(1, 0, width), made.narrow(1, width, width)};
}

/// Both gradients as that stood.
Tensor joined_sides(const std::pair<Tensor, Tensor>& gradients) {
  const std::int64_t rows = gradients.first.size(0);
  if (is_beside(gradients.second, gradients.first, rows))
    return all_beside({gradients.first, gradients.second}, rows);
  return at::cat({gradients.first, gradients.second}, 1);
}

/// `shares` [tokens, each] in the groups' order, as a column.
Tensor grouped_shares(const Tensor& shares, const Tensor& places, torch::ScalarType type) {
  return shares.reshape({-1}).index_select(0, places).to(type).unsqueeze(1);
}

/// Outside autograd. `kept` [places, 2 · intermediate]: filled with what stands before the
/// activation; undefined: nothing is kept.
Tensor mixed(const Tensor& x, const Tensor& shares, const Groups& groups, const Stack& first,
             const Stack& last, Activation activation, Tensor kept) {
  const torch::ScalarType sums = type_of_sums(x);
  Tensor y = torch::zeros(x.sizes(), x.options().dtype(sums).requires_grad(false));
  const Tensor weights = grouped_shares(shares, groups.places, sums);  // [places, 1]
  each_group(groups.counts, [&](std::int64_t expert, std::int64_t begin, std::int64_t count) {
    const Tensor tokens = groups.tokens.narrow(0, begin, count);
    const Tensor made = first.product(x.index_select(0, tokens), expert);
    if (kept.defined()) kept.narrow(0, begin, count).copy_(made);
    const auto [gate, up] = sides(made);
    const Tensor out = last.product(gate_product(gate, up, activation), expert);
    y.index_add_(0, tokens, out.to(sums).mul_(weights.narrow(0, begin, count)));
  });
  return y.to(x.scalar_type());
}

class ExpertsFunction : public torch::autograd::Function<ExpertsFunction> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& shares,
                        const Tensor& gate_up, const Tensor& down, const Tensor& first_a,
                        const Tensor& first_b, const Tensor& last_a, const Tensor& last_b,
                        const Groups& groups, double first_scale, double last_scale,
                        Activation activation) {
    const Stack first{gate_up, {first_a, first_b, first_scale}},
        last{down, {last_a, last_b, last_scale}};
    Tensor kept =
        torch::empty({groups.places.size(0), gate_up.size(1)}, x.options().requires_grad(false));
    const Tensor y = mixed(x, shares, groups, first, last, activation, kept);
    context->save_for_backward({first.trains() ? x : Tensor(), shares, gate_up, down, first_a,
                                first_b, last_a, last_b, kept, groups.places, groups.tokens});
    context->saved_data["counts"] = groups.counts;
    context->saved_data["scales"] = std::vector<double>{first_scale, last_scale};
    context->saved_data["activation"] = static_cast<std::int64_t>(activation);
    return y;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto scales = context->saved_data["scales"].toDoubleVector();
    const auto counts = context->saved_data["counts"].toIntVector();
    const auto activation = static_cast<Activation>(context->saved_data["activation"].toInt());
    const Tensor &x = saved[0], &shares = saved[1], &kept = saved[8], &places = saved[9],
                 &gradient = gradients[0];
    const Stack first{saved[2], {saved[4], saved[5], scales[0]}},
        last{saved[3], {saved[6], saved[7], scales[1]}};
    const auto asked = [&](std::size_t i) { return context->needs_input_grad(i); };
    StackGradients firsts(first, asked(2), asked(4), asked(5)),
        lasts(last, asked(3), asked(6), asked(7));
    const torch::ScalarType type = kept.scalar_type(), sums = type_of_sums(kept);
    const bool of_first = asked(0) || asked(2) || asked(4) || asked(5);
    Tensor dx, dshares;
    const Tensor weights = grouped_shares(shares, places, type);  // [places, 1]
    if (asked(0)) dx = torch::zeros(gradient.sizes(), gradient.options().dtype(sums));
    if (asked(1)) dshares = torch::empty({places.size(0)}, shares.options().dtype(sums));
    each_group(counts, [&](std::int64_t expert, std::int64_t begin, std::int64_t count) {
      const Tensor tokens = saved[10].narrow(0, begin, count);
      const Tensor share = weights.narrow(0, begin, count);
      const Tensor dy = gradient.index_select(0, tokens);
      const auto [gate, up] = sides(kept.narrow(0, begin, count));
      Tensor inside = last.product_back(dy, expert);  // of each place's output, uncounted
      if (asked(1) || lasts.weight.defined() || lasts.a.defined() || lasts.b.defined()) {
        const Tensor active = gate_product(gate, up, activation);
        if (asked(1)) dshares.narrow(0, begin, count).copy_((active.to(sums) * inside).sum(1));
        lasts.put(last, expert, active, dy * share);
      }
      if (!of_first) return;
      inside.mul_(share);
      const Tensor made = joined_sides(gate_gradients(inside, gate, up, activation, true, true));
      if (x.defined()) firsts.put(first, expert, x.index_select(0, tokens), made);
      if (asked(0)) dx.index_add_(0, tokens, first.product_back(made, expert).to(sums));
    });
    if (asked(1)) {
      const Tensor in_groups = dshares;
      dshares = torch::empty_like(in_groups).index_copy_(0, places, in_groups);
      dshares = dshares.view(shares.sizes()).to(shares.scalar_type());
    }
    if (asked(0)) dx = dx.to(type);
    return {dx,      dshares, firsts.weight, lasts.weight, firsts.a, firsts.b,
            lasts.a, lasts.b, Tensor(),      Tensor(),     Tensor(), Tensor()};
  }
};

/// [tokens, experts], 0 outside the groups whose best experts are worth most.
Tensor within_best_groups(const Tensor& probabilities, const RouterRule& rule) {
  const std::int64_t tokens = probabilities.size(0), experts = probabilities.size(1);
  const Tensor best =
      probabilities.detach().view({tokens, rule.groups, experts / rule.groups}).amax(-1);
  const Tensor chosen = std::get<1>(at::topk(best, rule.chosen_groups, -1));
  const Tensor all = at::arange(rule.groups, chosen.options());
  const Tensor kept = chosen.unsqueeze(-1).eq(all).any(1);  // [tokens, groups]
  const Tensor left_out = kept.logical_not().repeat_interleave(experts / rule.groups, 1);
  return probabilities.masked_fill(left_out, 0);
}

ExpertPair pair_of(const ExpertPlug* plug, torch::ScalarType type) {
  return plug && plug->strength != 0 ? plug->pair(type) : ExpertPair();
}

}  // namespace

RouterImpl::RouterImpl(std::int64_t hidden_size, std::int64_t experts, std::int64_t each,
                       const torch::TensorOptions& tensors, const RouterRule& rule)
    : LinearImpl(hidden_size, experts, /*bias=*/false, tensors), each_(each), rule_(rule) {}

/// [tokens, experts].
Tensor RouterImpl::logits(const Tensor& x) const {
  const torch::ScalarType sums = type_of_sums(x);
  if (!rule_.wide || x.scalar_type() == sums) return forward(x);
  if (plug || weight.packed()) return forward(x).to(sums);
  return at::linear(x.to(sums), weight.dense().to(sums));
}

Routing RouterImpl::route(const Tensor& x) const {
  const Tensor made = logits(x);
  Routing routing;
  routing.probabilities = at::softmax(made, -1, type_of_sums(x));
  Tensor most;
  std::tie(most, routing.experts) = at::topk(
      rule_.groups > 0 ? within_best_groups(routing.probabilities, rule_) : routing.probabilities,
      each_, -1);
  if (rule_.divides) most = most / most.sum(-1, /*keepdim=*/true);
  if (rule_.factor != 1) most = most * rule_.factor;
  routing.shares = most.to(made.scalar_type());
  return routing;
}

void RouterNotes::add(const Routing& routing) {
  const std::int64_t experts = routing.probabilities.size(1);
  const Tensor sent = routing.experts.narrow(0, 0, tokens).reshape({-1});
  // Beside all their numbers: bincount would wait for a device.
  const Tensor all = at::arange(experts, sent.options());
  const Tensor counts = sent.unsqueeze(1).eq(all).sum(0).to(torch::kFloat32);
  layers.push_back({routing.probabilities.narrow(0, 0, tokens).sum(0), counts});
}

Tensor RouterNotes::loss() const {
  TORCH_CHECK(!layers.empty() && tokens > 0, "no router has made anything of a token");
  Tensor probabilities, counts;
  for (const Layer& layer : layers) {
    probabilities =
        probabilities.defined() ? probabilities + layer.probabilities : layer.probabilities;
    counts = counts.defined() ? counts + layer.counts : layer.counts;
  }
  const auto all = static_cast<double>(tokens) * static_cast<double>(layers.size());
  return (counts / all * (probabilities / all)).sum() * counts.size(0);
}

ExpertsImpl::ExpertsImpl(std::int64_t experts, std::int64_t hidden_size,
                         std::int64_t intermediate_size, Activation activation,
                         const torch::TensorOptions& tensors)
    : activation_(activation) {
  add_parameter("gate_up_proj", gate_up_proj, {experts, 2 * intermediate_size, hidden_size},
                tensors);
  add_parameter("down_proj", down_proj, {experts, hidden_size, intermediate_size}, tensors);
}

Tensor ExpertsImpl::forward(const Tensor& x, const Routing& routing) const {
  const Groups groups = groups_of(routing.experts, gate_up_proj.size(0));
  const Stack first{gate_up_proj, pair_of(gate_up_plug, x.scalar_type())},
      last{down_proj, pair_of(down_plug, x.scalar_type())};
  const bool differentiable =
      at::GradMode::is_enabled() &&
      (x.requires_grad() || routing.shares.requires_grad() || first.trains() || last.trains());
  if (!differentiable) return mixed(x, routing.shares, groups, first, last, activation_, Tensor());
  // An empty tensor stands for an absent pair: a Function takes defined tensors only.
  const auto given = [&](const Tensor& tensor) {
    return tensor.defined() ? tensor : at::empty({0}, x.options().requires_grad(false));
  };
  return ExpertsFunction::apply(x, routing.shares, gate_up_proj, down_proj, given(first.pair.a),
                                given(first.pair.b), given(last.pair.a), given(last.pair.b), groups,
                                first.pair.scale, last.pair.scale, activation_);
}

}  // namespace luthier

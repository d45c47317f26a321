// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/side_by_side.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <torch/csrc/autograd/custom_function.h>

#include "engine/nn/products.h"

namespace luthier {

namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// One of the linears on its way through the function.
struct Part {
  Weight weight;
  Tensor bias;  ///< undefined: none
  LowRank low;  ///< of undefined tensors: nothing is added
  bool adds() const { return low.a.defined(); }
  bool drops() const { return adds() && low.dropout > 0; }
};

/// What autograd is told of a part: weight, bias, A, B. Here they are told apart again.
constexpr std::size_t kTold = 4;
enum Told : std::size_t { kWeight, kBias, kA, kB };

/// What the backward is told of one, besides tensors.
struct Terms {
  c10::IValue weight;
  double scale = 1, dropout = 0;
  MaskSeed seed;
  torch::ScalarType trained = torch::kFloat32;  ///< type of A and B, and of their gradients
};
struct KeptTerms : torch::CustomClassHolder {
  std::vector<Terms> parts;
};

Tensor flattened(const Tensor& x) { return x.reshape({-1, x.size(-1)}); }

/// y [n, out] as x [..., in] stands. What needs no view is none: of several views that a function
/// gives, autograd lets nobody change one in place.
Tensor shaped(const Tensor& y, const Tensor& x) {
  if (x.dim() == 2) return y;
  auto shape = x.sizes().vec();
  shape.back() = y.size(1);
  return y.view(shape);
}

/// Adds gradient [n, out] · W to `sum` [n, in].
void add_product_back(Tensor& sum, const Weight& weight, const Tensor& gradient) {
  if (weight.packed())
    sum.add_(weight.product_back(gradient));
  else
    add_product(sum, gradient, weight.dense());
}

/// One above the other; what is alone is itself.
Tensor stacked(const std::vector<Tensor>& tensors, std::int64_t dim) {
  return tensors.size() == 1 ? tensors.front() : at::cat(tensors, dim);
}

/// What the narrow products of parts without dropout share.
class Joined {
 public:
  void add(std::size_t part, const Tensor& a) {
    members_.push_back(part);
    a_.push_back(a);
    sizes_.push_back(a.size(0));
  }
  bool empty() const { return members_.empty(); }
  const std::vector<std::size_t>& members() const { return members_; }
  Tensor a() const { return stacked(a_, 0); }  // [Σ r, in]
  std::vector<Tensor> apart(const Tensor& joined, std::int64_t dim) const {
    return joined.split_with_sizes(sizes_, dim);
  }

 private:
  std::vector<std::size_t> members_;
  std::vector<Tensor> a_;
  std::vector<std::int64_t> sizes_;
};

/// x Aᵀ of each part that adds something: [n, r].
std::vector<Tensor> inner_products(const Tensor& flat, const std::vector<Part>& parts) {
  std::vector<Tensor> inner(parts.size());
  Joined joined;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const LowRank& low = parts[i].low;
    if (parts[i].drops())
      inner[i] = matrix_product(dropped_out(flat, low.dropout, low.seed), low.near_a.t());
    else if (parts[i].adds())
      joined.add(i, low.near_a);
  }
  if (joined.empty()) return inner;
  const std::vector<Tensor> made = joined.apart(matrix_product(flat, joined.a().t()), 1);
  for (std::size_t k = 0; k < made.size(); ++k) inner[joined.members()[k]] = made[k];
  return inner;
}

class SideBySideFunction : public torch::autograd::Function<SideBySideFunction> {
 public:
  /// `told`: x, then each part's four; an empty tensor stands for what there is none of.
  static variable_list forward(AutogradContext* context, at::TensorList told,
                               const std::vector<Part>& parts) {
    const Tensor& x = told[0];
    const Tensor flat = flattened(x);
    const std::vector<Tensor> inner = inner_products(flat, parts);
    auto kept = c10::make_intrusive<KeptTerms>();
    variable_list results, saved{Tensor()};
    bool keeps_x = false;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const Part& part = parts[i];
      Tensor y = part.weight.product(flat, part.bias);
      if (part.adds()) y.addmm_(inner[i], part.low.near_b.t(), 1, part.low.scale);
      results.push_back(shaped(y, x));
      const Tensor& leaf = told[1 + kTold * i + kWeight];
      keeps_x = keeps_x || part.adds() || leaf.requires_grad();
      for (const Tensor& each : {leaf, part.low.near_a, part.low.near_b, inner[i]})
        saved.push_back(each);
      kept->parts.push_back({part.weight.kept(), part.low.scale, part.low.dropout, part.low.seed,
                             part.adds() ? part.low.a.scalar_type() : torch::kFloat32});
    }
    if (keeps_x) saved[0] = x;
    context->save_for_backward(saved);
    context->set_materialize_grads(false);  // of a result that nobody used
    context->saved_data["terms"] = c10::IValue::make_capsule(kept);
    context->saved_data["shape"] = x.sizes().vec();
    return results;
  }

  static variable_list backward(AutogradContext* context, variable_list given) {
    const auto saved = context->get_saved_variables();
    const auto kept =
        c10::static_intrusive_pointer_cast<KeptTerms>(context->saved_data["terms"].toCapsule());
    const std::size_t count = kept->parts.size();
    const Tensor flat = saved[0].defined() ? flattened(saved[0]) : Tensor();
    variable_list results(2 + kTold * count);
    const auto result = [&](std::size_t part, Told which) -> Tensor& {
      return results[1 + kTold * part + which];
    };
    const auto wanted = [&](std::size_t part, Told which) {
      return context->needs_input_grad(1 + kTold * part + which);
    };
    const bool reaches_x = context->needs_input_grad(0);
    Tensor dx;
    Joined joined;
    std::vector<Tensor> dinners;
    for (std::size_t i = 0; i < count; ++i) {
      if (!given[i].defined()) continue;
      const Terms& terms = kept->parts[i];
      const Tensor *own = &saved[1 + kTold * i], gradient = flattened(given[i]);
      const Tensor &a = own[1], &b = own[2], &inner = own[3];
      const Weight weight(own[0], terms.weight);
      if (wanted(i, kWeight)) result(i, kWeight) = matrix_product(gradient.t(), flat);
      if (wanted(i, kBias)) result(i, kBias) = gradient.sum(0);
      if (reaches_x) {
        if (dx.defined())
          add_product_back(dx, weight, gradient);
        else
          dx = weight.product_back(gradient);
      }
      if (!inner.defined()) continue;
      if (wanted(i, kB))
        result(i, kB) = matrix_product(gradient.t(), inner, terms.scale).to(terms.trained);
      if (!wanted(i, kA) && !reaches_x) continue;
      const Tensor dinner = matrix_product(gradient, b, terms.scale);  // [n, r]
      if (terms.dropout == 0) {
        joined.add(i, a);
        dinners.push_back(dinner);
        continue;
      }
      Tensor dropped;
      if (reaches_x && wanted(i, kA)) {
        dropped = add_and_drop(dx, matrix_product(dinner, a), flat, terms.dropout, terms.seed);
      } else if (reaches_x) {
        add_dropped_out(dx, matrix_product(dinner, a), terms.dropout, terms.seed);
      } else {
        dropped = dropped_out(flat, terms.dropout, terms.seed);
      }
      if (dropped.defined()) result(i, kA) = matrix_product(dinner.t(), dropped).to(terms.trained);
    }
    if (!joined.empty()) {
      const Tensor dinner = stacked(dinners, 1);  // [n, Σ r]
      if (reaches_x) dx.addmm_(dinner, joined.a());
      const torch::ScalarType trained = kept->parts[joined.members().front()].trained;
      const auto das = joined.apart(matrix_product(dinner.t(), flat).to(trained), 0);
      for (std::size_t k = 0; k < das.size(); ++k) {
        if (wanted(joined.members()[k], kA)) result(joined.members()[k], kA) = das[k];
      }
    }
    if (dx.defined()) results[0] = dx.view(context->saved_data["shape"].toIntVector());
    return results;
  }
};

bool learns(const Tensor& tensor) { return tensor.defined() && tensor.requires_grad(); }

bool differentiable(const Tensor& x, const std::vector<Part>& parts) {
  if (!at::GradMode::is_enabled()) return false;
  bool any = x.requires_grad();
  for (const Part& part : parts) {
    any = any || part.weight.trained() || learns(part.bias) || learns(part.low.a) ||
          learns(part.low.b);
  }
  return any;
}

/// What the linear's plug makes of it; none where that is something else.
std::optional<Part> part_of(const LinearImpl& linear, torch::ScalarType type) {
  Part part{linear.weight, linear.bias, {}};
  if (!linear.plug) return part;
  const auto* plug = dynamic_cast<const LowRankPlug*>(linear.plug);
  if (!plug) return std::nullopt;
  part.low = plug->low_rank(type);
  return part;
}

std::vector<Tensor> made_together(const Tensor& x, const std::vector<Part>& parts) {
  const bool plain =
      std::none_of(parts.begin(), parts.end(), [](const Part& p) { return p.adds(); });
  if (plain && (parts.size() == 1 || !differentiable(x, parts))) {
    std::vector<Tensor> results;
    for (const Part& part : parts) results.push_back(part.weight.product(x, part.bias));
    return results;
  }
  const Tensor none = at::empty({0}, x.options().requires_grad(false));
  std::vector<Tensor> told{x};
  for (const Part& part : parts) {
    told.push_back(part.weight.leaf());
    for (const Tensor& each : {part.bias, part.low.a, part.low.b})
      told.push_back(each.defined() ? each : none);
  }
  return SideBySideFunction::apply(at::TensorList(told), parts);
}

}  // namespace

Tensor low_rank_product(const Tensor& x, const LinearImpl& linear, const LowRank& low) {
  return made_together(x, {Part{linear.weight, linear.bias, low}}).front();
}

std::vector<Tensor> side_by_side(const Tensor& x, const std::vector<const LinearImpl*>& linears) {
  std::vector<Tensor> results(linears.size());
  std::vector<std::size_t> places;
  std::vector<Part> parts;
  for (std::size_t i = 0; i < linears.size(); ++i) {
    std::optional<Part> part = part_of(*linears[i], x.scalar_type());
    if (part) {
      places.push_back(i);
      parts.push_back(std::move(*part));
    } else {
      results[i] = linears[i]->plug->forward(x, *linears[i]);
    }
  }
  if (parts.empty()) return results;
  const std::vector<Tensor> made = made_together(x, parts);
  for (std::size_t k = 0; k < places.size(); ++k) results[places[k]] = made[k];
  return results;
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/side_by_side.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include <torch/csrc/autograd/custom_function.h>

#include "engine/device/block_pool.h"
#include "engine/device/neighbours.h"
#include "engine/nn/low_rank_loops.h"
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

/// Whether one product makes both.
bool are_neighbours(const Part& first, const Part& second) {
  if (first.weight.packed() || second.weight.packed()) return false;
  if (!is_below(second.weight.dense(), first.weight.dense())) return false;
  return first.bias.defined() == second.bias.defined() &&
         (!first.bias.defined() || is_below(second.bias, first.bias));
}

/// The products of neighbours [begin, end) alone, in one: [..., out] each.
std::vector<Tensor> neighbours_products(const Tensor& x, const std::vector<Part>& parts,
                                        std::size_t begin, std::size_t end) {
  std::vector<Tensor> weights, biases;
  std::vector<std::int64_t> sizes;
  for (std::size_t i = begin; i < end; ++i) {
    weights.push_back(parts[i].weight.dense());
    if (parts[i].bias.defined()) biases.push_back(parts[i].bias);
    sizes.push_back(parts[i].weight.rows());
  }
  const Tensor whole = linear_product(flattened(x), all_below(weights),
                                      biases.empty() ? Tensor() : all_below(biases));
  return parted_beside(whole, x.sizes().slice(0, static_cast<std::size_t>(x.dim() - 1)), sizes);
}

/// How many numbers a row of one product's results may have. A device's launches are what one
/// product saves. On the CPU it saves little of a large one's time, and columns of a wide tensor
/// cost more than that in what comes after (rows many pages apart, blocks that fit no waiting one),
/// so only small ones, as decoding has them, are made together there.
std::int64_t most_columns(const Tensor& x) {
  if (!x.is_cpu()) return std::numeric_limits<std::int64_t>::max();
  const std::int64_t row =
      static_cast<std::int64_t>(x.itemsize()) * std::max<std::int64_t>(1, x.numel() / x.size(-1));
  return static_cast<std::int64_t>(BlockPool::kSmallest) / row;
}

/// What the weights and biases make of x, outside autograd: [..., out] each. Neighbours before the
/// place `apart` have their results in one piece of memory, those from there on in one of theirs.
std::vector<Tensor> base_products(const Tensor& x, const std::vector<Part>& parts,
                                  std::size_t apart) {
  const std::int64_t most = most_columns(x);
  std::vector<Tensor> made;
  for (std::size_t begin = 0, end = 0; begin < parts.size(); begin = end) {
    std::int64_t columns = parts[begin].weight.rows();
    for (end = begin + 1; end < parts.size() && end != apart; ++end) {
      columns += parts[end].weight.rows();
      if (columns > most || !are_neighbours(parts[end - 1], parts[end])) break;
    }
    if (end - begin == 1) {
      const Part& alone = parts[begin];
      made.push_back(shaped(alone.weight.product(flattened(x), alone.bias), x));
    } else {
      for (Tensor& each : neighbours_products(x, parts, begin, end)) made.push_back(each);
    }
  }
  return made;
}

/// Σ gradientᵢ · Wᵢ over the gradients that there are, [n, in].
Tensor products_back(const std::vector<Tensor>& gradients, const std::vector<Weight>& weights) {
  Tensor sum;
  const auto follows = [&](std::size_t i) {
    return gradients[i].defined() && !weights[i].packed() && !weights[i - 1].packed() &&
           is_below(weights[i].dense(), weights[i - 1].dense()) &&
           is_beside(gradients[i], gradients[i - 1], gradients[i].size(0));
  };
  for (std::size_t begin = 0, end = 0; begin < gradients.size(); begin = end) {
    end = begin + 1;
    if (!gradients[begin].defined()) continue;
    while (end < gradients.size() && follows(end)) ++end;
    Tensor gradient = gradients[begin];
    Weight weight = weights[begin];
    if (end - begin > 1) {
      std::vector<Tensor> dense;
      for (std::size_t i = begin; i < end; ++i) dense.push_back(weights[i].dense());
      gradient = all_beside({gradients.begin() + static_cast<std::ptrdiff_t>(begin),
                             gradients.begin() + static_cast<std::ptrdiff_t>(end)},
                            gradient.size(0));
      weight = Weight(all_below(dense));
    }
    if (!sum.defined())
      sum = weight.product_back(gradient);
    else if (weight.packed())
      sum.add_(weight.product_back(gradient));
    else
      add_product(sum, gradient, weight.dense());
  }
  return sum;
}

/// One above the other; what is alone is itself.
Tensor stacked(const std::vector<Tensor>& tensors, std::int64_t dim) {
  return tensors.size() == 1 ? tensors.front() : at::cat(tensors, dim);
}

/// What the narrow products of parts without dropout and of one scale share.
class Joined {
 public:
  /// False: it goes by itself.
  bool add(std::size_t part, const Tensor& a, double scale) {
    if (!members_.empty() && scale != scale_) return false;
    scale_ = scale;
    members_.push_back(part);
    a_.push_back(a);
    sizes_.push_back(a.size(0));
    rank_ += a.size(0);
    return true;
  }
  bool empty() const { return members_.empty(); }
  const std::vector<std::size_t>& members() const { return members_; }
  double scale() const { return scale_; }
  std::int64_t rank() const { return rank_; }
  Tensor a() const { return stacked(a_, 0); }  // [Σ r, in]
  std::vector<Tensor> apart(const Tensor& joined, std::int64_t dim) const {
    return joined.split_with_sizes(sizes_, dim);
  }

 private:
  std::vector<std::size_t> members_;
  std::vector<Tensor> a_;
  std::vector<std::int64_t> sizes_;
  std::int64_t rank_ = 0;
  double scale_ = 1;
};

/// scale · x Aᵀ of each part that adds something: [n, r].
std::vector<Tensor> inner_products(const Tensor& flat, const std::vector<Part>& parts) {
  std::vector<Tensor> inner(parts.size());
  Joined joined;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const LowRank& low = parts[i].low;
    if (!parts[i].adds() || (!parts[i].drops() && joined.add(i, low.near_a, low.scale))) continue;
    if (low_rank::suits(flat, low.near_a, low.near_b)) {
      inner[i] = low_rank::inner_of(flat, low.near_a, low.scale, low.dropout, low.seed);
      continue;
    }
    const Tensor in = parts[i].drops() ? dropped_out(flat, low.dropout, low.seed) : flat;
    inner[i] = matrix_product(in, low.near_a.t(), low.scale);
  }
  if (joined.empty()) return inner;
  const auto made = joined.apart(matrix_product(flat, joined.a().t(), joined.scale()), 1);
  for (std::size_t k = 0; k < made.size(); ++k) inner[joined.members()[k]] = made[k];
  return inner;
}

void add_outer_product(const Tensor& result, const Tensor& inner, const Part& part,
                       const Tensor& x) {
  if (part.drops() && low_rank::suits(flattened(x), part.low.near_a, part.low.near_b))
    low_rank::add_outer(result, inner, part.low.near_b);
  else
    result.addmm_(inner, part.low.near_b.t());
}

class SideBySideFunction : public torch::autograd::Function<SideBySideFunction> {
 public:
  /// `told`: x, then each part's four; an empty tensor stands for what there is none of.
  static variable_list forward(AutogradContext* context, at::TensorList told,
                               const std::vector<Part>& parts, std::size_t apart) {
    const Tensor& x = told[0];
    const std::vector<Tensor> inner = inner_products(flattened(x), parts);
    variable_list results = base_products(x, parts, apart), saved{Tensor()};
    auto kept = c10::make_intrusive<KeptTerms>();
    bool keeps_x = false;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const Part& part = parts[i];
      if (part.adds()) add_outer_product(flattened(results[i]), inner[i], part, x);
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
    variable_list results(3 + kTold * count);
    const auto result = [&](std::size_t part, Told which) -> Tensor& {
      return results[1 + kTold * part + which];
    };
    const auto wanted = [&](std::size_t part, Told which) {
      return context->needs_input_grad(1 + kTold * part + which);
    };
    std::vector<Tensor> gradients(count);
    std::vector<Weight> weights;
    for (std::size_t i = 0; i < count; ++i) {
      weights.emplace_back(saved[1 + kTold * i], kept->parts[i].weight);
      if (!given[i].defined()) continue;
      gradients[i] = flattened(given[i]);
      if (wanted(i, kWeight)) result(i, kWeight) = matrix_product(gradients[i].t(), flat);
      if (wanted(i, kBias)) result(i, kBias) = gradients[i].sum(0);
    }
    const bool reaches_x = context->needs_input_grad(0);
    Tensor dx = reaches_x ? products_back(gradients, weights) : Tensor();
    Joined joined;
    for (std::size_t i = 0; i < count; ++i) {
      const Terms& terms = kept->parts[i];
      const Tensor* own = &saved[1 + kTold * i];
      const Tensor &a = own[1], &b = own[2], &inner = own[3], &gradient = gradients[i];
      if (!gradient.defined() || !inner.defined()) continue;
      if (terms.dropout > 0 && reaches_x && wanted(i, kA) && wanted(i, kB) &&
          gradient.stride(1) == 1 && dx.is_contiguous() && low_rank::suits(flat, a, b)) {
        const auto [dinner, db] = low_rank::inner_gradients(gradient, b, inner, terms.scale);
        result(i, kB) = db;
        result(i, kA) = low_rank::outer_gradients(dx, dinner, a, flat, terms.dropout, terms.seed);
        continue;
      }
      if (wanted(i, kB)) result(i, kB) = product_as(gradient.t(), inner, terms.trained);
      if (!wanted(i, kA) && !reaches_x) continue;
      if (terms.dropout == 0 && joined.add(i, a, terms.scale)) continue;
      const Tensor dinner = matrix_product(gradient, b, terms.scale);  // [n, r]
      Tensor in = flat;  // of A, of the mask's numbers where there is one
      if (terms.dropout == 0) {
        if (reaches_x) add_product(dx, dinner, a);
      } else if (reaches_x && wanted(i, kA)) {
        in = add_and_drop(dx, matrix_product(dinner, a), flat, terms.dropout, terms.seed);
      } else if (reaches_x) {
        add_dropped_out(dx, matrix_product(dinner, a), terms.dropout, terms.seed);
      } else {
        in = dropped_out(flat, terms.dropout, terms.seed);
      }
      if (wanted(i, kA)) result(i, kA) = product_as(dinner.t(), in, terms.trained);
    }
    if (!joined.empty()) {
      const auto& members = joined.members();
      const Tensor dinner = at::empty({flat.size(0), joined.rank()}, flat.options());
      const auto places = joined.apart(dinner, 1);
      for (std::size_t k = 0; k < members.size(); ++k)
        put_product(places[k], gradients[members[k]], saved[1 + kTold * members[k] + 2],
                    joined.scale());
      if (reaches_x) dx.addmm_(dinner, joined.a());
      const auto das =
          joined.apart(product_as(dinner.t(), flat, kept->parts[members.front()].trained), 0);
      for (std::size_t k = 0; k < members.size(); ++k)
        if (wanted(members[k], kA)) result(members[k], kA) = das[k];
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

/// The base's bias and the plug's are one.
Tensor bias_with(const Tensor& bias, const LowRank& low) {
  if (!low.bias.defined()) return bias;
  return bias.defined() ? bias + low.bias : low.bias;
}

/// What the linear's plug makes of it; none where that is something else.
std::optional<Part> part_of(const LinearImpl& linear, torch::ScalarType type) {
  Part part{linear.weight, linear.bias, {}};
  if (!linear.plug) return part;
  const auto* plug = dynamic_cast<const LowRankPlug*>(linear.plug);
  if (!plug) return std::nullopt;
  part.low = plug->low_rank(type);
  part.bias = bias_with(part.bias, part.low);
  return part;
}

std::vector<Tensor> made_together(const Tensor& x, const std::vector<Part>& parts,
                                  std::size_t apart = kNoneApart) {
  const bool plain =
      std::none_of(parts.begin(), parts.end(), [](const Part& p) { return p.adds(); });
  if (plain && parts.size() == 1) return {parts[0].weight.product(x, parts[0].bias)};
  if (plain && !differentiable(x, parts)) return base_products(x, parts, apart);
  const Tensor none = at::empty({0}, x.options().requires_grad(false));
  std::vector<Tensor> told{x};
  for (const Part& part : parts) {
    told.push_back(part.weight.leaf());
    for (const Tensor& each : {part.bias, part.low.a, part.low.b})
      told.push_back(each.defined() ? each : none);
  }
  return SideBySideFunction::apply(at::TensorList(told), parts, apart);
}

}  // namespace

Tensor low_rank_product(const Tensor& x, const LinearImpl& linear, const LowRank& low) {
  return low_rank_product(x, linear.weight, linear.bias, low);
}

Tensor low_rank_product(const Tensor& x, const Weight& weight, const Tensor& bias,
                        const LowRank& low) {
  return made_together(x, {Part{weight, bias_with(bias, low), low}}).front();
}

std::vector<Tensor> side_by_side(const Tensor& x, const std::vector<const LinearImpl*>& linears,
                                 std::size_t apart) {
  std::vector<Tensor> results(linears.size());
  std::vector<std::size_t> places;
  std::vector<Part> parts;
  std::size_t parts_apart = kNoneApart;
  std::map<const void*, Tensor> inner;  // of the plugs that share one
  for (std::size_t i = 0; i < linears.size(); ++i) {
    std::optional<Part> part = part_of(*linears[i], x.scalar_type());
    if (!part) {
      const LinearImpl& linear = *linears[i];
      if (const auto* plug = dynamic_cast<const InnerPlug*>(linear.plug)) {
        Tensor& made = inner[plug->matrix()];
        if (!made.defined()) made = plug->inner(x, linear);
        results[i] = plug->forward_from(x, made, linear);
      } else {
        results[i] = linear.plug->forward(x, linear);
      }
      continue;
    }
    if (i >= apart && parts_apart == kNoneApart) parts_apart = parts.size();
    places.push_back(i);
    parts.push_back(std::move(*part));
  }
  if (parts.empty()) return results;
  const std::vector<Tensor> made = made_together(x, parts, parts_apart);
  for (std::size_t k = 0; k < places.size(); ++k) results[places[k]] = made[k];
  return results;
}

}  // namespace luthier

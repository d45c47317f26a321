// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/lora_variants.h"

#include <algorithm>

#include <torch/csrc/autograd/custom_function.h>

#include "engine/nn/low_rank_loops.h"
#include "engine/nn/products.h"
#include "engine/nn/sparse_products.h"

namespace luthier {

using torch::Tensor;

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kSquaredRun = 1 << 22;  // numbers of a weight that are squared at a time

/// z · magnitude / norm + bias, a factor for each column; the norm has no gradient.
class RescaleFunction : public torch::autograd::Function<RescaleFunction> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& z, const Tensor& magnitude,
                        const Tensor& norm, const Tensor& bias) {
    const Tensor factor = magnitude / norm;  // [out], float32
    context->save_for_backward({z, factor, norm});
    // A bfloat16 factor would not show what it is trained by.
    const Tensor wide = z.to(torch::kFloat32);
    return (bias.numel() > 0 ? at::addcmul(bias.to(torch::kFloat32), wide, factor) : wide * factor)
        .to(z.scalar_type());
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &z = saved[0], &factor = saved[1], &norm = saved[2], &gradient = gradients[0];
    const auto sum = [](const Tensor& values) {
      return values.reshape({-1, values.size(-1)}).sum(0, false, torch::kFloat32);
    };
    Tensor dz, dmagnitude, dbias;
    if (context->needs_input_grad(0)) dz = (gradient * factor).to(z.scalar_type());
    if (context->needs_input_grad(1)) dmagnitude = sum(gradient * z) / norm;
    if (context->needs_input_grad(3)) dbias = sum(gradient);
    return {dz, dmagnitude, Tensor(), dbias};
  }
};

Tensor rescaled(const Tensor& z, const Tensor& magnitude, const Tensor& norm, const Tensor& bias) {
  // An empty tensor stands for an absent bias: a Function takes defined tensors only.
  return RescaleFunction::apply(
      z, magnitude, norm,
      bias.defined() ? bias : at::empty({0}, magnitude.options().requires_grad(false)));
}

/// y = v + f ∘ (z + s · drop(x) Aᵀ Bᵀ) + bias of a base product that is made twice, v of x −
/// drop(x) and z of drop(x), f = magnitude / norm. What a start took out of the weight belongs to
/// the base. Backward: both products' gradients of x are one less the other, Wᵀ((f − 1) ∘ dy),
/// behind the mask. Where few numbers are dropped and the weight is plain, one product and a sparse
/// one are both (nn/sparse_products), and so are their gradients: Wᵀ((1 + (f − 1) / (1 − p)) ∘ dy)
/// where x stays, and less Wᵀ((f − 1) ∘ dy) / (1 − p) where it is dropped.
class RescaledDropFunction : public torch::autograd::Function<RescaledDropFunction> {
 public:
  enum Told { kX, kA, kB, kMagnitude, kBias };

  /// The base's product, once with what was taken out of its weight.
  struct Base {
    Weight weight;
    Tensor taken_a, taken_b;  // in the type of x, or undefined
    double scale = 1;

    Tensor product(const Tensor& x, const Tensor& bias) const {
      Tensor y = weight.product(x, bias);
      if (taken_a.defined()) add_product(y, matrix_product(x, taken_a.t(), -scale), taken_b.t());
      return y;
    }
    Tensor product_back(const Tensor& gradient) const {
      Tensor dx = weight.product_back(gradient);
      if (taken_a.defined()) add_product(dx, matrix_product(gradient, taken_b, -scale), taken_a);
      return dx;
    }
    /// Whether one product of x and a sparse one are both.
    bool splits(const Tensor& x, double dropout) const {
      return !weight.packed() && !taken_a.defined() && sparse::suits(x, weight.dense(), dropout);
    }
  };

  /// v + bias, s · drop(x) Aᵀ and what is rescaled.
  struct Products {
    Tensor v, inner, z;
  };
  static Products made_twice(const Tensor& x, const Tensor& bias, const LowRank& low,
                             const Base& base) {
    Products made;
    Tensor dropped = dropped_out(x, low.dropout, low.seed);
    made.inner = matrix_product(dropped, low.near_a.t(), low.scale);  // [n, r]
    made.z = base.product(dropped, Tensor());
    add_product(made.z, made.inner, low.near_b.t());
    at::sub_out(dropped, x, dropped);
    made.v = base.product(dropped, bias);
    return made;
  }
  static Products made_once(const Tensor& x, const Tensor& bias, const LowRank& low,
                            const Base& base) {
    Products made;
    made.v = base.product(x, Tensor());
    made.z = sparse::split_product(made.v, x, base.weight.dense(), bias, low.dropout, low.seed);
    if (low_rank::suits(x, low.near_a, low.near_b)) {
      made.inner = low_rank::inner_of(x, low.near_a, low.scale, low.dropout, low.seed);
      low_rank::add_outer(made.z, made.inner, low.near_b);
    } else {
      const Tensor dropped = dropped_out(x, low.dropout, low.seed);
      made.inner = matrix_product(dropped, low.near_a.t(), low.scale);
      add_product(made.z, made.inner, low.near_b.t());
    }
    return made;
  }

  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& a,
                        const Tensor& /*b*/, const Tensor& magnitude, const Tensor& bias,
                        const Tensor& norm, const LowRank& low, const Base& base) {
    const Tensor flat = x.reshape({-1, x.size(-1)});
    const Tensor added = bias.numel() > 0 ? bias : Tensor();
    auto [y, inner, z] = base.splits(flat, low.dropout) ? made_once(flat, added, low, base)
                                                        : made_twice(flat, added, low, base);
    const Tensor factor = magnitude / norm;  // [out], float32
    if (y.scalar_type() == torch::kFloat32)
      y.addcmul_(z, factor);
    else  // a bfloat16 factor would not show what it is trained by
      y = at::addcmul(y.to(torch::kFloat32), z.to(torch::kFloat32), factor).to(y.scalar_type());
    context->save_for_backward({flat, low.near_a, low.near_b, inner, z, factor, norm,
                                base.weight.leaf(), base.taken_a, base.taken_b, low.seed.there});
    auto& told = context->saved_data;
    told["weight"] = base.weight.kept();
    told["scale"] = low.scale, told["p"] = low.dropout;
    told["seed"] = static_cast<std::int64_t>(low.seed.number);
    told["trained"] = a.scalar_type();
    std::vector<std::int64_t> shape = x.sizes().vec();
    told["shape"] = shape;
    shape.back() = y.size(1);
    return y.view(shape);
  }

  static variable_list backward(AutogradContext* context, variable_list given) {
    const auto saved = context->get_saved_variables();
    const Tensor &flat = saved[0], &a = saved[1], &b = saved[2], &inner = saved[3], &z = saved[4],
                 &factor = saved[5], &norm = saved[6];
    auto& told = context->saved_data;
    const double scale = told["scale"].toDouble(), p = told["p"].toDouble();
    const Base base{Weight(saved[7], told["weight"]), saved[8], saved[9], scale};
    const MaskSeed seed(static_cast<std::uint64_t>(told["seed"].toInt()), saved[10]);
    const torch::ScalarType type = flat.scalar_type(), trained = told["trained"].toScalarType();
    const Tensor dy = given[0].reshape({-1, given[0].size(-1)}), length = factor.unsqueeze(1);
    variable_list results(8);
    if (context->needs_input_grad(kBias)) results[kBias] = dy.sum(0);
    const bool reaches_x = context->needs_input_grad(kX), learns = context->needs_input_grad(kA),
               splits = reaches_x && base.splits(flat, p);
    Tensor room, dx, behind;  // the mask
    if (splits) {
      room = dy * ((factor - 1) / (1 - p) + 1);
      dx = base.product_back(room).contiguous();
    } else if (reaches_x) {
      room = (dy * (factor - 1)).to(type);
      behind = base.product_back(room);
    }
    if (context->needs_input_grad(kMagnitude)) {
      room = room.defined() && type == torch::kFloat32 ? at::mul_out(room, dy, z) : dy * z;
      results[kMagnitude] = room.sum(0, false, torch::kFloat32) / norm;
    }
    room = Tensor();
    if (splits)
      sparse::add_where_dropped(dx, dy, (factor - 1) / (p - 1), base.weight.dense(), p, seed);
    const Tensor longer = (b * length).to(type);
    if (splits && learns && context->needs_input_grad(kB) && dy.stride(1) == 1 &&
        low_rank::suits(flat, a, longer)) {
      const auto [dinner, db] = low_rank::inner_gradients(dy, longer, inner, scale);
      results[kB] = db * length;
      results[kA] = low_rank::outer_gradients(dx, dinner, a, flat, p, seed);
      results[kX] = dx.view(told["shape"].toIntVector());
      return results;
    }
    if (context->needs_input_grad(kB)) results[kB] = product_as(dy.t(), inner, trained) * length;
    Tensor dinner;
    if (reaches_x || learns) dinner = matrix_product(dy, longer, scale);  // [n, r]
    Tensor dropped;
    if (reaches_x) {
      if (splits) {
        behind = matrix_product(dinner, a);
      } else {
        add_product(behind, dinner, a);
        dx = base.product_back(dy);
      }
      if (learns)
        dropped = add_and_drop(dx, std::move(behind), flat, p, seed);
      else
        add_dropped_out(dx, behind, p, seed);
      results[kX] = dx.view(told["shape"].toIntVector());
    } else if (learns) {
      dropped = dropped_out(flat, p, seed);
    }
    if (learns) results[kA] = product_as(dinner.t(), dropped, trained);
    return results;
  }
};

/// The sum of squares of each row, of numbers of `type`, a run of rows at a time: [out], float32.
Tensor row_squares(const Weight& weight, torch::ScalarType type) {
  const std::int64_t rows = weight.rows(), columns = std::max<std::int64_t>(1, weight.cols());
  const std::int64_t step = std::max<std::int64_t>(1, kSquaredRun / columns);
  std::vector<Tensor> parts;
  for (std::int64_t begin = 0; begin < rows; begin += step) {
    const std::int64_t end = std::min(rows, begin + step);
    const Tensor run = weight.packed()
                           ? weight.packing()->dense_rows(begin, end, type).to(torch::kFloat32)
                           : weight.dense().slice(0, begin, end).detach().to(torch::kFloat32);
    parts.push_back(run.square().sum(1));
  }
  return at::cat(parts);
}

/// ‖W + s·BA‖ of each row from ‖W‖², W Aᵀ [out, r], A [r, in] and B [out, r].
Tensor norms_of_sum(const Tensor& squares, const Tensor& inner, const Tensor& a, const Tensor& b,
                    double scale) {
  const Tensor crossed = (inner * b).sum(1), own = (at::mm(b, at::mm(a, a.t())) * b).sum(1);
  return (squares + crossed * (2 * scale) + own * (scale * scale)).clamp_min_(0).sqrt_();
}

}  // namespace

LoraVariant::LoraVariant(std::shared_ptr<const LoraLinear> pair, Taken taken)
    : pair_(std::move(pair)), taken_(std::move(taken)) {}

void LoraVariant::rescale(Tensor magnitude, const LinearImpl& linear) {
  magnitude_ = std::move(magnitude);  // [out], or [1, out, 1...] of a convolution
  if (taken_.a.defined()) return;
  squares_ = stand_in_ ? row_squares(*stand_in_, linear.weight.dtype())
                       : row_squares(linear.weight, torch::kFloat32);
}

std::optional<std::uint64_t> LoraVariant::mask_seed(std::uint64_t of_batch) const {
  return pair_->mask_seed(of_batch);
}

void LoraVariant::add_copies(std::vector<NarrowCopy::Pair>& copies) const {
  pair_->add_copies(copies);
}

Tensor LoraVariant::forward(const Tensor& x, const LinearImpl& base) const {
  if (strength == 0) return base.product(x);
  if (!magnitude_.defined() && !stand_in_) return made(x, base, strength);
  if (strength == 1) return made(x, base, 1);
  return at::lerp(base.product(x), made(x, base, 1), strength);
}

/// The pair and what was taken out, as one pair of both ranks.
LowRank LoraVariant::with_taken(LowRank low, torch::ScalarType type) const {
  if (!taken_.a.defined()) return low;
  low.a = at::cat({low.a, taken_.a});
  low.b = at::cat({low.b, -taken_.b}, 1);
  low.near_a = at::cat({low.near_a, near_taken_a_.of(taken_.a, type)});
  low.near_b = at::cat({low.near_b, -near_taken_b_.of(taken_.b, type)}, 1);
  return low;
}

Tensor LoraVariant::made(const Tensor& x, const LinearImpl& linear, double strength_of) const {
  const torch::ScalarType type = x.scalar_type();
  const Weight& weight = weight_of(linear);
  LowRank low = pair_->low_rank_of(*this, strength_of, type);
  const bool drops = low.dropout > 0;
  if (!drops && !magnitude_.defined())
    return low_rank_product(x, weight, linear.bias, with_taken(std::move(low), type));
  if (!drops) {
    const Tensor z = low_rank_product(x, weight, Tensor(), with_taken(std::move(low), type));
    return rescaled(z, magnitude_.flatten(), norms(linear), linear.bias);
  }
  // What was taken out sees x as it is.
  Tensor taken_a, taken_b;
  if (taken_.a.defined())
    taken_a = near_taken_a_.of(taken_.a, type), taken_b = near_taken_b_.of(taken_.b, type);
  if (!magnitude_.defined()) {
    const Tensor y = low_rank_product(x, weight, linear.bias, low);
    if (!taken_.a.defined()) return y;
    const Tensor inner = linear_product(x, taken_a, Tensor());  // [..., r]
    return at::sub(y, linear_product(inner, taken_b, Tensor()), low.scale);
  }
  const Tensor none = at::empty({0}, magnitude_.options().requires_grad(false));
  return RescaledDropFunction::apply(
      x, low.a, low.b, magnitude_.flatten(), linear.bias.defined() ? linear.bias : none,
      norms(linear), low, RescaledDropFunction::Base{weight, taken_a, taken_b, low.scale});
}

Tensor LoraVariant::norms(const LinearImpl& linear) const {
  const torch::NoGradGuard no_grad;
  if (taken_.a.defined()) return at::linalg_vector_norm(summed(linear), 2, at::IntArrayRef{1});
  const Tensor a = pair_->matrix_a().detach(), b = pair_->matrix_b().detach();
  const TrainingProducts exact;  // A is not rounded as an answer's rows are
  const Tensor inner = weight_of(linear).product(a.to(linear.weight.dtype()), Tensor());
  return norms_of_sum(squares_, inner.to(torch::kFloat32).t(), a, b, pair_->scale);
}

/// The weight with the pair in it, dense and in float32.
Tensor LoraVariant::summed(const LinearImpl& linear) const {
  Tensor sum = stand_in_ ? stand_in_->dense(linear.weight.dtype()).to(torch::kFloat32)
                         : linear.weight.dense(torch::kFloat32).detach();
  if (taken_.a.defined()) sum = sum - at::mm(taken_.b * pair_->scale, taken_.a);
  return sum + at::mm(pair_->matrix_b().detach(), pair_->matrix_a().detach()).mul_(pair_->scale);
}

Tensor LoraVariant::delta() const {
  if (magnitude_.defined() || stand_in_) return {};
  const Tensor made = at::mm(pair_->matrix_b().detach(), pair_->matrix_a().detach());
  const Tensor start = taken_.a.defined() ? at::mm(taken_.b, taken_.a) : Tensor();
  return (start.defined() ? made - start : made) * (pair_->scale * strength);
}

void LoraVariant::merge_into(LinearImpl& linear) const {
  if (strength == 0) return;
  Tensor merged = summed(linear);
  if (magnitude_.defined()) {
    const Tensor norm = at::linalg_vector_norm(merged, 2, at::IntArrayRef{1});
    merged = (magnitude_.flatten() / norm).unsqueeze(1) * merged;
  }
  if (strength != 1) merged = at::lerp(linear.weight.dense(torch::kFloat32), merged, strength);
  linear.weight.assign(merged);
}

DoraEmbedding::DoraEmbedding(std::shared_ptr<const LoraEmbedding> pair, Tensor magnitude,
                             const EmbeddingImpl& embedding)
    : pair_(std::move(pair)), magnitude_(std::move(magnitude)) {
  const Tensor& weight = embedding.weight;  // [count, size]
  const std::int64_t step =
      std::max<std::int64_t>(1, kSquaredRun / std::max<std::int64_t>(1, weight.size(1)));
  squares_ = at::zeros({weight.size(1)}, weight.options().dtype(torch::kFloat32));
  for (std::int64_t begin = 0; begin < weight.size(0); begin += step) {
    const Tensor run = weight.slice(0, begin, std::min(weight.size(0), begin + step));
    squares_.add_(run.detach().to(torch::kFloat32).square().sum(0));
  }
}

Tensor DoraEmbedding::norms(const EmbeddingImpl& embedding) const {
  const torch::NoGradGuard no_grad;
  const Tensor a = pair_->a.detach(), b = pair_->b.detach();
  const Tensor inner = at::mm(a.to(embedding.weight.scalar_type()), embedding.weight.detach());
  return norms_of_sum(squares_, inner.to(torch::kFloat32).t(), a, b, pair_->scale);
}

Tensor DoraEmbedding::forward(const Tensor& ids, const EmbeddingImpl& base) const {
  if (strength == 0) return base.lookup(ids);
  const Tensor made = rescaled(pair_->looked_up(ids, base, 1), magnitude_, norms(base), Tensor());
  return strength == 1 ? made : at::lerp(base.lookup(ids), made, strength);
}

void DoraEmbedding::merge_into(EmbeddingImpl& embedding) const {
  if (strength == 0) return;
  const Tensor whole = embedding.weight.to(torch::kFloat32);
  const Tensor sum =
      whole + at::mm(pair_->a.detach().t(), pair_->b.detach().t()).mul_(pair_->scale);
  const Tensor norm = at::linalg_vector_norm(sum, 2, at::IntArrayRef{0});
  const Tensor merged = sum * (magnitude_ / norm);
  embedding.weight.copy_(strength == 1 ? merged : at::lerp(whole, merged, strength));
}

}  // namespace luthier

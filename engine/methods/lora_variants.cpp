// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/lora_variants.h"

#include <algorithm>

#include <torch/csrc/autograd/custom_function.h>

#include "engine/nn/products.h"

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

class DropFunction : public torch::autograd::Function<DropFunction> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, double p, const MaskSeed& seed) {
    context->saved_data["p"] = p;
    context->saved_data["seed"] = static_cast<std::int64_t>(seed.number);
    context->save_for_backward({seed.there});
    return dropped_out(x, p, seed);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const MaskSeed seed(static_cast<std::uint64_t>(context->saved_data["seed"].toInt()),
                        context->get_saved_variables()[0]);
    return {dropped_out(gradients[0], context->saved_data["p"].toDouble(), seed), Tensor(),
            Tensor()};
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
  LowRank out;
  if (taken_.a.defined()) {
    const Tensor b = -near_taken_b_.of(taken_.b, type);
    out = LowRank{taken_.a, -taken_.b, near_taken_a_.of(taken_.a, type), b, low.scale, 0, {}};
  }
  if (!magnitude_.defined()) {
    const Tensor y = low_rank_product(x, weight, linear.bias, low);
    if (!taken_.a.defined()) return y;
    const Tensor inner = linear_product(x, out.near_a, Tensor());  // [..., r]
    return at::add(y, linear_product(inner, out.near_b, Tensor()), out.scale);
  }
  const Tensor dropped = DropFunction::apply(x, low.dropout, low.seed);
  low.dropout = 0;
  const Tensor z = low_rank_product(dropped, weight, Tensor(), with_taken(std::move(low), type));
  const Tensor rest = low_rank_product(x - dropped, weight, linear.bias, out);
  return at::add(rest, rescaled(z, magnitude_.flatten(), norms(linear), Tensor()));
}

Tensor LoraVariant::norms(const LinearImpl& linear) const {
  const torch::NoGradGuard no_grad;
  if (taken_.a.defined()) return at::linalg_vector_norm(summed(linear), 2, at::IntArrayRef{1});
  const Tensor a = pair_->matrix_a().detach(), b = pair_->matrix_b().detach();
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

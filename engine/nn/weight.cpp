// SPDX-License-Identifier: GPL-3.0-or-later
// A dense weight's products are nn/products'. A packed one's are made of the same, a run of rows at
// a time, so that a whole weight stands dense only where it is small.
#include "engine/nn/weight.h"

#include <algorithm>

#include <torch/csrc/autograd/custom_function.h>

#include "engine/nn/dense_run.h"
#include "engine/nn/products.h"

namespace luthier {

namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

std::int64_t rows_at_once(const PackedWeight& weight) {
  const std::int64_t most = dense_run(weight.device().is_cpu());
  return std::max<std::int64_t>(1, most / std::max<std::int64_t>(1, weight.cols()));
}

torch::ScalarType compute_dtype(const PackedWeight& weight, const Tensor& x) {
  return weight.compute_dtype.value_or(x.scalar_type());
}

/// x [n, in], outside autograd.
Tensor packed_product(const Tensor& x, const PackedWeight& weight, const Tensor& given) {
  if (const Tensor own = weight.own_product(x, given); own.defined()) return own;
  const torch::ScalarType type = compute_dtype(weight, x);
  const Tensor in = x.to(type), bias = given.defined() ? given.to(type) : Tensor();
  const std::int64_t rows = weight.rows(), step = rows_at_once(weight);
  if (step >= rows)
    return linear_product(in, weight.dense_rows(0, rows, type), bias).to(x.scalar_type());
  Tensor y = torch::empty({x.size(0), rows}, x.options().requires_grad(false));
  for (std::int64_t begin = 0; begin < rows; begin += step) {
    const std::int64_t end = std::min(rows, begin + step);
    y.slice(1, begin, end)
        .copy_(linear_product(in, weight.dense_rows(begin, end, type),
                              bias.defined() ? bias.slice(0, begin, end) : Tensor()));
  }
  return y;
}

/// gradient [n, out], outside autograd. The numbers are those of the weight's own type, which the
/// forward may have had more exactly: bitsandbytes computes it so.
Tensor packed_product_back(const Tensor& gradient, const PackedWeight& weight) {
  const torch::ScalarType type = compute_dtype(weight, gradient);
  const Tensor in = gradient.to(type);
  const std::int64_t rows = weight.rows(), step = rows_at_once(weight);
  const auto part = [&](std::int64_t begin, std::int64_t end) {
    return weight.dense_rows(begin, end, weight.dtype()).to(type);
  };
  if (step >= rows) return matrix_product(in, part(0, rows)).to(gradient.scalar_type());
  Tensor sum = torch::zeros({in.size(0), weight.cols()}, in.options().requires_grad(false));
  for (std::int64_t begin = 0; begin < rows; begin += step) {
    const std::int64_t end = std::min(rows, begin + step);
    sum.add_(matrix_product(in.slice(1, begin, end), part(begin, end)));
  }
  return sum.to(gradient.scalar_type());
}

/// Keeps no x: nothing of the weight is trained.
class PackedFunction : public torch::autograd::Function<PackedFunction> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& bias,
                        const PackedPointer& weight) {
    context->saved_data["weight"] = c10::IValue::make_capsule(weight);
    return packed_product(x, *weight, bias.numel() > 0 ? bias : Tensor());
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const Weight weight(Tensor(), context->saved_data["weight"]);
    Tensor dx, dbias;
    if (context->needs_input_grad(0)) dx = weight.product_back(gradients[0]);
    if (context->needs_input_grad(1)) dbias = gradients[0].sum(0);
    return {dx, dbias, Tensor()};
  }
};

}  // namespace

Weight::Weight(Tensor dense) : dense_(std::move(dense)) {}
Weight::Weight(PackedPointer packed) : packed_(std::move(packed)) {}
Weight::Weight(const Tensor& leaf, const c10::IValue& kept) {
  if (kept.isCapsule())
    packed_ = c10::static_intrusive_pointer_cast<PackedWeight>(kept.toCapsule());
  else
    dense_ = leaf;
}

std::int64_t Weight::rows() const { return packed_ ? packed_->rows() : dense_.size(0); }
std::int64_t Weight::cols() const { return packed_ ? packed_->cols() : dense_.size(1); }

std::int64_t Weight::bytes() const {
  return packed_ ? packed_->bytes() : static_cast<std::int64_t>(dense_.nbytes());
}

torch::ScalarType Weight::dtype() const {
  return packed_ ? packed_->dtype() : dense_.scalar_type();
}
torch::Device Weight::device() const { return packed_ ? packed_->device() : dense_.device(); }

Tensor Weight::product(const Tensor& x, const Tensor& bias) const {
  if (!packed_) return linear_product(x, dense_, bias);
  const Tensor flat = x.reshape({-1, x.size(-1)});
  const bool differentiable =
      at::GradMode::is_enabled() && (x.requires_grad() || (bias.defined() && bias.requires_grad()));
  // An empty tensor stands for an absent bias: a Function takes defined tensors only.
  const Tensor y =
      differentiable
          ? PackedFunction::apply(
                flat, bias.defined() ? bias : at::empty({0}, x.options().requires_grad(false)),
                packed_)
          : packed_product(flat, *packed_, bias);
  auto shape = x.sizes().vec();
  shape.back() = rows();
  return y.view(shape);
}

Tensor Weight::product_back(const Tensor& gradient) const {
  return packed_ ? packed_product_back(gradient, *packed_) : matrix_product(gradient, dense_);
}

Tensor Weight::dense() const { return packed_ ? dense(packed_->dtype()) : dense_; }

Tensor Weight::dense(torch::ScalarType dtype) const {
  return packed_ ? packed_->dense_rows(0, packed_->rows(), dtype) : dense_.to(dtype);
}

void Weight::assign(const Tensor& values) {
  TORCH_CHECK(!packed_, "a packed weight cannot be changed");
  dense_.copy_(values);
}

bool Weight::shares(const Tensor& tensor) const { return !packed_ && dense_.is_same(tensor); }

Tensor Weight::leaf() const {
  return packed_ ? at::empty({0}, torch::TensorOptions().dtype(dtype()).device(device())) : dense_;
}

c10::IValue Weight::kept() const {
  return packed_ ? c10::IValue::make_capsule(packed_) : c10::IValue();
}

}  // namespace luthier

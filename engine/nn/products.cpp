// SPDX-License-Identifier: GPL-3.0-or-later
// The oneDNN product is the operator that torch.compile emits on CPUs (mkldnn::_linear_pointwise);
// it has no C++ header, so it is found in the dispatcher.
#include "engine/nn/products.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>

namespace luthier {

namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

using Pointwise = Tensor(const Tensor&, const Tensor&, const std::optional<Tensor>&,
                         std::string_view, c10::List<std::optional<at::Scalar>>,
                         std::optional<std::string_view>);

/// null where this LibTorch has no oneDNN, or another signature.
const c10::TypedOperatorHandle<Pointwise>* one_dnn_linear() {
  static const std::optional<c10::TypedOperatorHandle<Pointwise>> found =
      []() -> std::optional<c10::TypedOperatorHandle<Pointwise>> {
    const auto schema = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
    if (!schema || !at::hasMKLDNN()) return std::nullopt;
    try {
      return schema->typed<Pointwise>();
    } catch (const std::exception&) {
      return std::nullopt;
    }
  }();
  return found ? &*found : nullptr;
}

/// Below this many multiplications the call costs more than the product.
constexpr std::int64_t kSmall = 1 << 16;

bool suits_one_dnn(const Tensor& x, const Tensor& weight) {
  return x.is_cpu() && x.scalar_type() == torch::kFloat32 &&
         weight.scalar_type() == torch::kFloat32 && x.numel() * weight.size(0) >= kSmall &&
         one_dnn_linear() != nullptr;
}

/// x [n, in], outside autograd.
Tensor plain_linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  if (suits_one_dnn(x, weight)) {
    return one_dnn_linear()->call(x, weight,
                                  bias.defined() ? std::optional<Tensor>(bias) : std::nullopt,
                                  "none", c10::List<std::optional<at::Scalar>>(), "");
  }
  return bias.defined() ? at::addmm(bias, x, weight.t()) : at::mm(x, weight.t());
}

class LinearFunction : public torch::autograd::Function<LinearFunction> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight,
                        const Tensor& bias) {
    context->save_for_backward({weight.requires_grad() ? x : Tensor(), weight});
    return plain_linear(x, weight, bias.numel() > 0 ? bias : Tensor());
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &weight = saved[1], &gradient = gradients[0];
    Tensor dx, dweight, dbias;
    if (context->needs_input_grad(0)) dx = matrix_product(gradient, weight);
    if (context->needs_input_grad(1)) dweight = matrix_product(gradient.t(), x);
    if (context->needs_input_grad(2)) dbias = gradient.sum(0);
    return {dx, dweight, dbias};
  }
};

}  // namespace

Tensor matrix_product(const Tensor& a, const Tensor& b) {
  return suits_one_dnn(a, b.t()) ? plain_linear(a, b.t(), {}) : at::mm(a, b);
}

Tensor linear_product(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  if (!suits_one_dnn(x, weight)) return at::linear(x, weight, bias);
  const Tensor flat = x.reshape({-1, x.size(-1)});
  const bool differentiable =
      at::GradMode::is_enabled() &&
      (x.requires_grad() || weight.requires_grad() || (bias.defined() && bias.requires_grad()));
  // An empty tensor stands for an absent bias: a Function takes defined tensors only.
  const Tensor y =
      differentiable
          ? LinearFunction::apply(
                flat, weight,
                bias.defined() ? bias : at::empty({0}, weight.options().requires_grad(false)))
          : plain_linear(flat, weight, bias);
  auto shape = x.sizes().vec();
  shape.back() = weight.size(0);
  return y.view(shape);
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/layers.h"

#include <optional>

#include <torch/csrc/autograd/custom_function.h>

#include "engine/kernels/gated.h"
#include "engine/nn/cpu_passes.h"
#include "engine/nn/gate.h"
#include "engine/nn/layer_norm.h"
#include "engine/nn/rms_norm.h"

namespace luthier {

namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Those that loops of ours know.
std::optional<loops::Curve> curve_of(Activation activation) {
  switch (activation) {
    case Activation::Silu: return loops::Curve::Silu;
    case Activation::QuickGelu: return loops::Curve::QuickGelu;
    case Activation::GeluTanh: return loops::Curve::GeluTanh;
    default: return std::nullopt;
  }
}

constexpr double kLeak = 0.01;  // torch's

/// A new tensor.
Tensor activated(const Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::Gelu: return at::gelu(x);
    case Activation::GeluTanh: return at::gelu(x, "tanh");
    case Activation::QuickGelu: return at::sigmoid(1.702 * x).mul_(x);
    case Activation::Silu: return at::silu(x);
    case Activation::Relu: return at::relu(x);
    case Activation::Relu6: return at::clamp(x, 0, 6);
    case Activation::Relu2: return at::relu(x).square_();
    case Activation::LeakyRelu: return at::leaky_relu(x, kLeak);
    case Activation::Sigmoid: return at::sigmoid(x);
    case Activation::Tanh: return at::tanh(x);
    case Activation::Mish: return at::mish(x);
    case Activation::Linear: break;
  }
  return x.clone();
}

/// In float32 where x is narrower: a bfloat16 slope would be rounded five times on its way.
Tensor quick_gelu_gradient(const Tensor& gradient, const Tensor& given) {
  const Tensor x = given.to(c10::promoteTypes(given.scalar_type(), torch::kFloat32));
  const Tensor share = at::sigmoid(1.702 * x);
  Tensor slope = (1 - share).mul_(x).mul_(1.702).add_(1);
  return slope.mul_(share).mul_(gradient).to(given.scalar_type());
}

Tensor activation_gradient(const Tensor& gradient, const Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::Gelu: return at::gelu_backward(gradient, x);
    case Activation::GeluTanh: return at::gelu_backward(gradient, x, "tanh");
    case Activation::QuickGelu: return quick_gelu_gradient(gradient, x);
    case Activation::Silu: return at::silu_backward(gradient, x);
    case Activation::Relu: return at::threshold_backward(gradient, x, 0);
    case Activation::Relu6: return at::hardtanh_backward(gradient, x, 0, 6);
    case Activation::Relu2: return at::relu(x).mul_(2).mul_(gradient);
    case Activation::LeakyRelu: return at::leaky_relu_backward(gradient, x, kLeak, false);
    case Activation::Sigmoid: return at::sigmoid_backward(gradient, at::sigmoid(x));
    case Activation::Tanh: return at::tanh_backward(gradient, at::tanh(x));
    case Activation::Mish: return at::mish_backward(gradient, x);
    case Activation::Linear: break;
  }
  return gradient;
}

/// Keeps x only, where ATen's own would keep the sigmoid and the product too.
class ActivateFunction : public torch::autograd::Function<ActivateFunction> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, Activation activation) {
    context->save_for_backward({x});
    context->saved_data["activation"] = static_cast<std::int64_t>(activation);
    const auto curve = curve_of(activation);
    return curve && suits_loops({x}) ? activate_pass(x, {}, *curve) : activated(x, activation);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto activation = static_cast<Activation>(context->saved_data["activation"].toInt());
    const Tensor x = context->get_saved_variables()[0];
    const auto curve = curve_of(activation);
    if (curve && suits_loops({x, gradients[0]}))
      return {activate_back_pass(x, {}, gradients[0], *curve).first, Tensor()};
    return {activation_gradient(gradients[0], x, activation), Tensor()};
  }
};

/// Keeps gate and up only.
class GatedFunction : public torch::autograd::Function<GatedFunction> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& gate, const Tensor& up,
                        Activation activation) {
    context->save_for_backward({gate, up});
    context->saved_data["activation"] = static_cast<std::int64_t>(activation);
    return gate_product(gate, up, activation);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto activation = static_cast<Activation>(context->saved_data["activation"].toInt());
    const auto [dgate, dup] =
        gate_gradients(gradients[0], saved[0], saved[1], activation, context->needs_input_grad(0),
                       context->needs_input_grad(1));
    return {dgate, dup, Tensor()};
  }
};

}  // namespace

RmsNormImpl::RmsNormImpl(std::int64_t size, double epsilon, const torch::TensorOptions& options,
                         bool centred, bool once)
    : epsilon_(epsilon), centred_(centred), once_(once) {
  add_parameter("weight", weight, {size}, options);
}

Tensor RmsNormImpl::forward(const Tensor& x) const {
  return goes_alone(x) ? rms_norm_once(x, weight, epsilon_)
                       : rms_norm(x, weight, epsilon_, centred_);
}

std::pair<Tensor, Tensor> RmsNormImpl::after_sum(const Tensor& x, const Tensor& added) const {
  if (!goes_alone(x)) return sum_and_rms_norm(x, added, weight, epsilon_, centred_);
  const Tensor sum = x + added;
  return {sum, forward(sum)};
}

LayerNormImpl::LayerNormImpl(std::int64_t size, double epsilon, const torch::TensorOptions& options,
                             bool with_bias)
    : epsilon_(epsilon) {
  add_parameter("weight", weight, {size}, options);
  if (with_bias) add_parameter("bias", bias, {size}, options);
}

Tensor LayerNormImpl::forward(const Tensor& x) const {
  return layer_norm(x, weight, bias, epsilon_);
}

EmbeddingImpl::EmbeddingImpl(std::int64_t count, std::int64_t size,
                             const torch::TensorOptions& options) {
  add_parameter("weight", weight, {count, size}, options);
}

Tensor EmbeddingImpl::forward(const Tensor& ids) const {
  return plug ? plug->forward(ids, *this) : lookup(ids);
}

Tensor EmbeddingImpl::lookup(const Tensor& ids) const {
  // On the CPU at::embedding adds up its gradient in bfloat16, in which the rows of a token that is
  // seen a few hundred times stop counting; index_select adds up in float32.
  if (!ids.is_cpu() || weight.scalar_type() != torch::kBFloat16)
    return at::embedding(weight, ids, padding);
  auto shape = ids.sizes().vec();
  shape.push_back(weight.size(1));
  const Tensor found = weight.index_select(0, ids.reshape({-1})).view(shape);
  if (padding < 0 || !found.requires_grad()) return found;
  return at::where(ids.eq(padding).unsqueeze(-1), found.detach(), found);
}

Result<Activation> parse_activation(const std::string& name, const std::string& where) {
  if (name == "gelu" || name == "gelu_python") return Activation::Gelu;
  for (const char* of_tanh :
       {"gelu_pytorch_tanh", "gelu_new", "gelu_fast", "gelu_accurate", "gelu_python_tanh"})
    if (name == of_tanh) return Activation::GeluTanh;
  if (name == "quick_gelu") return Activation::QuickGelu;
  if (name == "silu" || name == "swish") return Activation::Silu;
  for (const auto& [called, activation] : {std::pair{"relu", Activation::Relu},
                                           {"relu6", Activation::Relu6},
                                           {"relu2", Activation::Relu2},
                                           {"leaky_relu", Activation::LeakyRelu},
                                           {"sigmoid", Activation::Sigmoid},
                                           {"tanh", Activation::Tanh},
                                           {"mish", Activation::Mish},
                                           {"linear", Activation::Linear}})
    if (name == called) return activation;
  return input_error("The activation \"" + name + "\" is not known.", where,
                     "Known are gelu, gelu_pytorch_tanh, quick_gelu, silu, relu, relu2, relu6, "
                     "leaky_relu, sigmoid, tanh, mish and linear.");
}

Tensor activate(const Tensor& x, Activation activation) {
  const bool ours = activation == Activation::QuickGelu || activation > Activation::Relu ||
                    (activation == Activation::GeluTanh && suits_loops({x}));
  return ours ? ActivateFunction::apply(x, activation) : activated(x, activation);
}

Tensor gated(const Tensor& gate, const Tensor& up, Activation activation) {
  return GatedFunction::apply(gate, up, activation);
}

Tensor gate_product(const Tensor& gate, const Tensor& up, Activation activation) {
  if (auto made = kernels::gated(gate, up, activation)) return *made;
  const auto curve = curve_of(activation);
  if (curve && suits_loops({gate, up})) return activate_pass(gate, up, *curve);
  return activated(gate, activation).mul_(up);
}

std::pair<Tensor, Tensor> gate_gradients(const Tensor& gradient, const Tensor& gate,
                                         const Tensor& up, Activation activation, bool of_gate,
                                         bool of_up) {
  if (auto made = kernels::gated_backward(gradient, gate, up, activation, of_gate, of_up))
    return {made->gate, made->up};
  const auto curve = curve_of(activation);
  if (curve && suits_loops({gate, up, gradient}))
    return activate_back_pass(gate, up, gradient, *curve);
  std::pair<Tensor, Tensor> made;
  if (of_gate) made.first = activation_gradient(gradient * up, gate, activation);
  if (of_up) made.second = activated(gate, activation).mul_(gradient);
  return made;
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/layers.h"

namespace luthier {

namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Keeps x and one number a row; the normalised values are made again in the backward.
class RmsNormFunction : public torch::autograd::Function<RmsNormFunction> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight, double epsilon, bool centred) {
    const Tensor wide = x.to(torch::kFloat32);
    const Tensor scale = wide.square().mean(-1, true).add_(epsilon).rsqrt_();   // [..., 1]
    context->save_for_backward({x, weight, scale});
    context->saved_data["centred"] = centred;
    if (centred) return (wide * scale).mul_(weight.to(torch::kFloat32) + 1).to(x.scalar_type());
    // LlamaRMSNorm rounds the normalised value to the input's dtype before it applies the weight.
    return (wide * scale).to(x.scalar_type()).mul_(weight);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &weight = saved[1], &scale = saved[2];
    const Tensor normal = x.to(torch::kFloat32) * scale;                        // [..., size]
    const Tensor gradient = gradients[0].to(torch::kFloat32);
    Tensor dx, dweight;
    if (context->needs_input_grad(1)) {
      dweight = (gradient * normal).reshape({-1, weight.size(0)}).sum(0).to(weight.scalar_type());
    }
    if (context->needs_input_grad(0)) {
      const Tensor factor = weight.to(torch::kFloat32);
      Tensor weighted = gradient * (context->saved_data["centred"].toBool() ? factor + 1 : factor);
      const Tensor mean = (weighted * normal).mean(-1, true);
      dx = weighted.addcmul_(normal, mean, -1).mul_(scale).to(x.scalar_type());
    }
    return {dx, dweight, Tensor(), Tensor()};
  }
};

/// Keeps gate and up only.
class GatedFunction : public torch::autograd::Function<GatedFunction> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& gate, const Tensor& up) {
    context->save_for_backward({gate, up});
    return at::silu(gate).mul_(up);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &gate = saved[0], &up = saved[1];
    Tensor dgate, dup;
    if (context->needs_input_grad(1)) dup = at::silu(gate).mul_(gradients[0]);
    if (context->needs_input_grad(0)) dgate = at::silu_backward(gradients[0] * up, gate);
    return {dgate, dup};
  }
};

}  // namespace

RmsNormImpl::RmsNormImpl(std::int64_t size, double epsilon, const torch::TensorOptions& options, bool centred) : epsilon_(epsilon), centred_(centred) {
  add_parameter("weight", weight, {size}, options);
}

Tensor RmsNormImpl::forward(const Tensor& x) const { return RmsNormFunction::apply(x, weight, epsilon_, centred_); }

LayerNormImpl::LayerNormImpl(std::int64_t size, double epsilon, const torch::TensorOptions& options) : epsilon_(epsilon) {
  add_parameter("weight", weight, {size}, options);
  add_parameter("bias", bias, {size}, options);
}

Tensor LayerNormImpl::forward(const Tensor& x) const { return at::layer_norm(x, {weight.size(0)}, weight, bias, epsilon_); }

EmbeddingImpl::EmbeddingImpl(std::int64_t count, std::int64_t size, const torch::TensorOptions& options) {
  add_parameter("weight", weight, {count, size}, options);
}

Tensor EmbeddingImpl::forward(const Tensor& ids) const { return at::embedding(weight, ids); }

Result<Activation> parse_activation(const std::string& name, const std::string& where) {
  if (name == "gelu") return Activation::Gelu;
  if (name == "gelu_pytorch_tanh" || name == "gelu_new" || name == "gelu_fast") return Activation::GeluTanh;
  if (name == "quick_gelu") return Activation::QuickGelu;
  if (name == "silu" || name == "swish") return Activation::Silu;
  if (name == "relu") return Activation::Relu;
  return input_error("The activation \"" + name + "\" is not known.", where,
                     "Known are gelu, gelu_pytorch_tanh, quick_gelu, silu and relu.");
}

Tensor activate(const Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::Gelu: return at::gelu(x);
    case Activation::GeluTanh: return at::gelu(x, "tanh");
    case Activation::QuickGelu: return x * at::sigmoid(1.702 * x);
    case Activation::Silu: return at::silu(x);
    case Activation::Relu: return at::relu(x);
  }
  return x;
}

Tensor gated(const Tensor& gate, const Tensor& up, Activation activation) {
  if (activation == Activation::Silu) return GatedFunction::apply(gate, up);
  return activate(gate, activation) * up;
}

}  // namespace luthier

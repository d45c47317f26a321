// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/layer_norm.h"

#include <algorithm>
#include <optional>

#include <torch/csrc/autograd/custom_function.h>

namespace luthier {

namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kWideRowsAtOnce = 128;  // that stand in float32

/// As ATen's operators take what may not be there.
std::optional<Tensor> where_defined(const Tensor& tensor) {
  return tensor.defined() ? std::optional<Tensor>(tensor) : std::nullopt;
}

/// The gradients of weight and bias, [n] float32 each.
struct NormGradients {
  Tensor weight, bias;
};
NormGradients norm_gradients(const Tensor& gradient, const Tensor& x, double epsilon) {
  const std::int64_t size = x.size(-1);
  const Tensor rows = x.reshape({-1, size}), from = gradient.reshape({-1, size});
  const auto sums = x.options().dtype(torch::kFloat32).requires_grad(false);
  NormGradients made{torch::zeros({size}, sums), torch::zeros({size}, sums)};
  for (std::int64_t begin = 0; begin < rows.size(0); begin += kWideRowsAtOnce) {
    const std::int64_t end = std::min(rows.size(0), begin + kWideRowsAtOnce);
    const Tensor arrived = from.slice(0, begin, end).to(torch::kFloat32);
    made.bias.add_(arrived.sum(0));
    Tensor normal = rows.slice(0, begin, end).to(torch::kFloat32);
    normal.sub_(normal.mean(1, /*keepdim=*/true));
    normal.mul_(normal.square().mean(1, /*keepdim=*/true).add_(epsilon).rsqrt_());
    made.weight.add_(normal.mul_(arrived).sum(0));
  }
  return made;
}

class NarrowLayerNorm : public torch::autograd::Function<NarrowLayerNorm> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight,
                        const std::optional<Tensor>& bias, double epsilon) {
    const auto [y, mean, scale] = at::native_layer_norm(x, {weight.size(0)}, weight, bias, epsilon);
    context->save_for_backward({x, weight, mean, scale});
    context->saved_data["epsilon"] = epsilon;
    context->saved_data["biased"] = bias.has_value();
    return y;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &weight = saved[1], &gradient = gradients[0];
    Tensor dx;
    if (context->needs_input_grad(0)) {
      dx = std::get<0>(at::native_layer_norm_backward(gradient, x, {weight.size(0)}, saved[2],
                                                      saved[3], weight, std::nullopt,
                                                      {true, false, false}));
    }
    NormGradients made = norm_gradients(gradient, x, context->saved_data["epsilon"].toDouble());
    return {dx, made.weight.to(weight.scalar_type()),
            context->saved_data["biased"].toBool() ? made.bias.to(weight.scalar_type()) : Tensor(),
            Tensor()};
  }
};

}  // namespace

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon) {
  // CUDA's kernels add up in float32 themselves.
  const bool trains = at::GradMode::is_enabled() &&
                      (weight.requires_grad() || (bias.defined() && bias.requires_grad()));
  if (trains && !x.is_cuda() && x.scalar_type() == torch::kBFloat16 &&
      weight.scalar_type() == torch::kBFloat16)
    return NarrowLayerNorm::apply(x, weight, where_defined(bias), epsilon);
  return at::layer_norm(x, {weight.size(0)}, weight, where_defined(bias), epsilon);
}

}  // namespace luthier

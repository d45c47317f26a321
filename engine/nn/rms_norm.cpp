// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/rms_norm.h"

#include <torch/csrc/autograd/custom_function.h>

#include "engine/kernels/launcher.h"
#include "engine/kernels/rms_norm.h"
#include "engine/nn/cpu_passes.h"

namespace luthier {

namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

Tensor weight_gradient(const Tensor& gradient, const Tensor& x, const Tensor& weight,
                       const Tensor& scale) {
  if (auto made = kernels::rms_norm_weight_gradient(gradient, x, weight, scale)) return *made;
  const Tensor normal = x.to(torch::kFloat32) * scale;  // [..., size]
  return (gradient.to(torch::kFloat32) * normal)
      .reshape({-1, weight.size(0)})
      .sum(0)
      .to(weight.scalar_type());
}

Tensor row_gradient(const Tensor& given, const Tensor& x, const Tensor& weight, const Tensor& scale,
                    bool centred, const Tensor& into = {}) {
  if (auto made = kernels::rms_norm_backward(given, x, weight, scale, Tensor(), centred))
    return *made;
  if (suits_loops({x, weight, given}))
    return rms_norm_back_pass(x, weight, scale, given, centred, into);
  const Tensor normal = x.to(torch::kFloat32) * scale;
  const Tensor gradient = given.to(torch::kFloat32), factor = weight.to(torch::kFloat32);
  Tensor weighted = gradient * (centred ? factor + 1 : factor);
  const Tensor mean = (weighted * normal).mean(-1, true);
  return weighted.addcmul_(normal, mean, -1).mul_(scale).to(x.scalar_type());
}

RmsRows rows_rounded_once(const Tensor& x, const Tensor& weight, double epsilon) {
  const Tensor wide = x.to(torch::kFloat32);
  const Tensor scale = wide.square().mean(-1, true).add_(epsilon).rsqrt_();  // [..., 1]
  return {(wide * scale).mul_(weight.to(torch::kFloat32)).to(x.scalar_type()), scale};
}

/// Keeps x and one number a row; the normalised values are made again in the backward.
class RmsNormFunction : public torch::autograd::Function<RmsNormFunction> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight,
                        double epsilon, bool centred, bool once) {
    const RmsRows rows =
        once ? rows_rounded_once(x, weight, epsilon) : rms_rows(x, weight, epsilon, centred);
    context->save_for_backward({x, weight, rows.scale});
    context->saved_data["centred"] = centred;
    return rows.y;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const RmsGradients made = rms_gradients(
        gradients[0], saved[0], saved[1], saved[2], context->saved_data["centred"].toBool(),
        context->needs_input_grad(0), context->needs_input_grad(1));
    return {made.x, made.weight, Tensor(), Tensor(), Tensor()};
  }
};

/// Two results: the sum, which goes on beside its norm, and the norm. Keeps the sum, as the two
/// apart would.
class SumNormFunction : public torch::autograd::Function<SumNormFunction> {
 public:
  static variable_list forward(AutogradContext* context, const Tensor& x, const Tensor& added,
                               const Tensor& weight, double epsilon, bool centred) {
    Tensor sum, y, scale;
    if (auto made = kernels::rms_norm(x, added, weight, epsilon, centred)) {
      sum = made->sum, y = made->y, scale = made->scale;
    } else if (suits_loops({x, added, weight})) {
      const SumNorm rows = sum_rms_norm_pass(x, added, weight, epsilon, centred);
      sum = rows.sum, y = rows.y, scale = rows.scale;
    } else {
      sum = x + added;
      const RmsRows rows = rms_rows(sum, weight, epsilon, centred);
      y = rows.y, scale = rows.scale;
    }
    context->save_for_backward({sum, weight, scale});
    context->saved_data["centred"] = centred;
    context->set_materialize_grads(false);
    return {sum, y};
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const Tensor &passed = gradients[0], &gradient = gradients[1];
    if (!gradient.defined()) return {passed, passed, Tensor(), Tensor(), Tensor()};
    const auto saved = context->get_saved_variables();
    const Tensor &sum = saved[0], &weight = saved[1], &scale = saved[2];
    const bool centred = context->saved_data["centred"].toBool();
    Tensor dweight, dsum;
    if (context->needs_input_grad(2)) dweight = weight_gradient(gradient, sum, weight, scale);
    if (context->needs_input_grad(0) || context->needs_input_grad(1)) {
      if (auto made = kernels::rms_norm_backward(gradient, sum, weight, scale, passed, centred)) {
        dsum = *made;
      } else if (suits_loops({sum, weight, gradient}) &&
                 (!passed.defined() || suits_loops({sum, passed}))) {
        dsum = rms_norm_back_pass(sum, weight, scale, gradient, centred, {}, passed);
      } else {
        dsum = row_gradient(gradient, sum, weight, scale, centred);
        if (passed.defined()) dsum.add_(passed);
      }
    }
    return {dsum, dsum, dweight, Tensor(), Tensor()};
  }
};

}  // namespace

RmsRows rms_rows(const Tensor& x, const Tensor& weight, double epsilon, bool centred) {
  if (auto made = kernels::rms_norm(x, Tensor(), weight, epsilon, centred))
    return {made->y, made->scale};
  if (suits_loops({x, weight})) {
    const auto [y, scale] = rms_norm_pass(x, weight, epsilon, centred);
    return {y, scale};
  }
  const Tensor wide = x.to(torch::kFloat32);
  const Tensor scale = wide.square().mean(-1, true).add_(epsilon).rsqrt_();  // [..., 1]
  if (centred)
    return {(wide * scale).mul_(weight.to(torch::kFloat32) + 1).to(x.scalar_type()), scale};
  // LlamaRMSNorm rounds the normalised value to the input's dtype before it applies the weight.
  return {(wide * scale).to(x.scalar_type()).mul_(weight), scale};
}

RmsGradients rms_gradients(const Tensor& gradient, const Tensor& x, const Tensor& weight,
                           const Tensor& scale, bool centred, bool wants_x, bool wants_weight,
                           const Tensor& into) {
  RmsGradients made;
  if (wants_weight) made.weight = weight_gradient(gradient, x, weight, scale);
  if (wants_x) made.x = row_gradient(gradient, x, weight, scale, centred, into);
  return made;
}

Tensor rms_norm(const Tensor& x, const Tensor& weight, double epsilon, bool centred) {
  return RmsNormFunction::apply(x, weight, epsilon, centred, /*once=*/false);
}

Tensor rms_norm_once(const Tensor& x, const Tensor& weight, double epsilon) {
  return RmsNormFunction::apply(x, weight, epsilon, /*centred=*/false, /*once=*/true);
}

Tensor unweighted_rms_norm(const Tensor& x, double epsilon) {
  return rms_norm(x, torch::ones({x.size(-1)}, x.options().requires_grad(false)), epsilon, false);
}

std::pair<Tensor, Tensor> sum_and_rms_norm(const Tensor& x, const Tensor& added,
                                           const Tensor& weight, double epsilon, bool centred) {
  if (!kernels::available(x) && !suits_loops({x, added, weight})) {
    const Tensor sum = x + added;
    return {sum, rms_norm(sum, weight, epsilon, centred)};
  }
  const auto made = SumNormFunction::apply(x, added, weight, epsilon, centred);
  return {made[0], made[1]};
}

}  // namespace luthier

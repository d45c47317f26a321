// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/cutoff.h"

#include <torch/csrc/autograd/custom_function.h>

namespace luthier {

namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

class CutoffFunction : public torch::autograd::Function<CutoffFunction> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, double deviations) {
    const Tensor mean = x.mean(-1, /*keepdim=*/true);
    const Tensor spread = at::std(x, at::OptionalIntArrayRef({-1}), /*unbiased=*/false,
                                  /*keepdim=*/true);
    context->save_for_backward({x, mean, spread});
    context->saved_data["deviations"] = deviations;
    return (x - (mean + spread * deviations)).relu_();
  }

  /// y = x − m − d·s where that is above 0: each number of the row is in m and in s, too.
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list kept = context->get_saved_variables();
    const Tensor &x = kept[0], &mean = kept[1], &spread = kept[2];
    const double deviations = context->saved_data["deviations"].toDouble();
    const Tensor cutoff = mean + spread * deviations;
    Tensor own = gradients[0].masked_fill(x <= cutoff, 0);
    const auto size = static_cast<double>(x.size(-1));
    const Tensor all = own.sum(-1, /*keepdim=*/true) / size;
    // A row of equal numbers has no slope there.
    const Tensor slope = (all * deviations / spread).masked_fill_(spread == 0, 0);
    return {own.sub_(all).sub_((x - mean).mul_(slope)), Tensor()};
  }
};

}  // namespace

Tensor over_cutoff(const Tensor& x, double deviations) {
  return CutoffFunction::apply(x, deviations);
}

}  // namespace luthier

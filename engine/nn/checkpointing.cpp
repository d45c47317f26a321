// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/checkpointing.h"

#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

namespace luthier {

namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using Block = std::function<Tensor(const Tensor&)>;

class CheckpointFunction : public torch::autograd::Function<CheckpointFunction> {
 public:
  /// `anchor` requires a gradient, so that the graph reaches parameters inside the block when x
  /// itself needs none.
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& anchor,
                        const std::shared_ptr<Block>& block) {
    (void)anchor;
    context->save_for_backward({x});
    context->saved_data["needs_dx"] = x.requires_grad();
    context->saved_data["block"] = c10::IValue::make_capsule(c10::make_intrusive<Holder>(block));
    return (*block)(x.detach());
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const bool needs_dx = context->saved_data["needs_dx"].toBool();
    Tensor x = context->get_saved_variables()[0].detach();
    x.set_requires_grad(needs_dx);
    const auto holder =
        c10::static_intrusive_pointer_cast<Holder>(context->saved_data["block"].toCapsule());
    Tensor y;
    {
      at::AutoGradMode grad(true);
      y = (*holder->block)(x);
    }
    if (y.requires_grad()) torch::autograd::backward({y}, {gradients[0]});
    Tensor dx = needs_dx ? x.grad() : Tensor();
    return {dx, Tensor(), Tensor()};
  }

 private:
  struct Holder : torch::CustomClassHolder {
    explicit Holder(std::shared_ptr<Block> b) : block(std::move(b)) {}
    std::shared_ptr<Block> block;
  };
};

}  // namespace

Tensor checkpointed(const Block& block, const Tensor& x) {
  if (!at::GradMode::is_enabled()) return block(x);
  const Tensor anchor =
      torch::zeros({}, x.options().dtype(torch::kFloat32)).set_requires_grad(true);
  return CheckpointFunction::apply(x, anchor, std::make_shared<Block>(block));
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/checkpointing.h"

#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

namespace luthier {

namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using Block = std::function<variable_list(const Tensor&, const Tensor&)>;

class CheckpointFunction : public torch::autograd::Function<CheckpointFunction> {
 public:
  /// `anchor` requires a gradient, so that the graph reaches parameters inside the block when x
  /// itself needs none.
  static variable_list forward(AutogradContext* context, const Tensor& x, const Tensor& other,
                               const Tensor& anchor, const std::shared_ptr<Block>& block) {
    (void)anchor;
    context->save_for_backward({x, other});
    context->saved_data["needs_dx"] = x.requires_grad();
    context->saved_data["needs_other"] = other.requires_grad();
    context->saved_data["block"] = c10::IValue::make_capsule(c10::make_intrusive<Holder>(block));
    return (*block)(x.detach(), other.detach());
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const bool needs_dx = context->saved_data["needs_dx"].toBool(),
               needs_other = context->saved_data["needs_other"].toBool();
    const auto saved = context->get_saved_variables();
    Tensor x = saved[0].detach(), other = saved[1].detach();
    x.set_requires_grad(needs_dx);
    other.set_requires_grad(needs_other);
    const auto holder =
        c10::static_intrusive_pointer_cast<Holder>(context->saved_data["block"].toCapsule());
    variable_list made, roots, arrived;
    {
      at::AutoGradMode grad(true);
      made = (*holder->block)(x, other);
    }
    for (std::size_t i = 0; i < made.size(); ++i) {
      if (!made[i].requires_grad() || !gradients[i].defined()) continue;
      roots.push_back(made[i]);
      arrived.push_back(gradients[i]);
    }
    if (!roots.empty()) torch::autograd::backward(roots, arrived);
    return {needs_dx ? x.grad() : Tensor(), needs_other ? other.grad() : Tensor(), Tensor(),
            Tensor()};
  }

 private:
  struct Holder : torch::CustomClassHolder {
    explicit Holder(std::shared_ptr<Block> b) : block(std::move(b)) {}
    std::shared_ptr<Block> block;
  };
};

}  // namespace

namespace {

variable_list kept_apart(const Block& block, const Tensor& x, const Tensor& other) {
  if (!at::GradMode::is_enabled()) return block(x, other);
  const Tensor anchor =
      torch::zeros({}, x.options().dtype(torch::kFloat32)).set_requires_grad(true);
  return CheckpointFunction::apply(x, other, anchor, std::make_shared<Block>(block));
}

/// Of a block that reads nothing else.
Tensor nothing_beside(const Tensor& x) {
  return torch::empty({0}, x.options().requires_grad(false));
}

}  // namespace

Tensor checkpointed(const std::function<Tensor(const Tensor&, const Tensor&)>& block,
                    const Tensor& x, const Tensor& other) {
  const auto one = [block](const Tensor& in, const Tensor& beside) {
    return variable_list{block(in, beside)};
  };
  return kept_apart(one, x, other)[0];
}

Tensor checkpointed(const std::function<Tensor(const Tensor&)>& block, const Tensor& x) {
  const auto one = [block](const Tensor& in, const Tensor&) { return variable_list{block(in)}; };
  return kept_apart(one, x, nothing_beside(x))[0];
}

std::vector<Tensor> checkpointed_all(const std::function<std::vector<Tensor>(const Tensor&)>& block,
                                     const Tensor& x) {
  return kept_apart([block](const Tensor& in, const Tensor&) { return block(in); }, x,
                    nothing_beside(x));
}

}  // namespace luthier

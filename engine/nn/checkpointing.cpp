// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/checkpointing.h"

#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

namespace luthier {

namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using Block = std::function<variable_list(const variable_list&)>;

class CheckpointFunction : public torch::autograd::Function<CheckpointFunction> {
 public:
  /// `anchor` requires a gradient, so that the graph reaches parameters inside the block when the
  /// inputs themselves need none.
  static variable_list forward(AutogradContext* context, at::TensorList inputs,
                               const Tensor& anchor, const std::shared_ptr<Block>& block) {
    (void)anchor;
    const variable_list given = inputs.vec();
    std::vector<std::int64_t> needed;
    variable_list detached;
    for (const Tensor& input : given) {
      needed.push_back(input.requires_grad() ? 1 : 0);
      detached.push_back(input.detach());
    }
    context->save_for_backward(given);
    context->saved_data["needed"] = needed;
    context->saved_data["block"] = c10::IValue::make_capsule(c10::make_intrusive<Holder>(block));
    return (*block)(detached);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto needed = context->saved_data["needed"].toIntVector();
    variable_list inputs = context->get_saved_variables(), made, roots, arrived;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      inputs[i] = inputs[i].detach();
      inputs[i].set_requires_grad(needed[i] != 0);
    }
    const auto holder =
        c10::static_intrusive_pointer_cast<Holder>(context->saved_data["block"].toCapsule());
    {
      at::AutoGradMode grad(true);
      made = (*holder->block)(inputs);
    }
    for (std::size_t i = 0; i < made.size(); ++i) {
      if (!made[i].requires_grad() || !gradients[i].defined()) continue;
      roots.push_back(made[i]);
      arrived.push_back(gradients[i]);
    }
    if (!roots.empty()) torch::autograd::backward(roots, arrived);
    variable_list result;
    for (std::size_t i = 0; i < inputs.size(); ++i)
      result.push_back(needed[i] != 0 ? inputs[i].grad() : Tensor());
    result.resize(inputs.size() + 2);  // the anchor and the block
    return result;
  }

 private:
  struct Holder : torch::CustomClassHolder {
    explicit Holder(std::shared_ptr<Block> b) : block(std::move(b)) {}
    std::shared_ptr<Block> block;
  };
};

}  // namespace

namespace {

variable_list kept_apart(const Block& block, const variable_list& inputs) {
  if (!at::GradMode::is_enabled()) return block(inputs);
  const Tensor anchor =
      torch::zeros({}, inputs.front().options().dtype(torch::kFloat32)).set_requires_grad(true);
  return CheckpointFunction::apply(at::TensorList(inputs), anchor, std::make_shared<Block>(block));
}

}  // namespace

Tensor checkpointed(const std::function<Tensor(const Tensor&, const Tensor&)>& block,
                    const Tensor& x, const Tensor& other) {
  const auto one = [block](const variable_list& in) { return variable_list{block(in[0], in[1])}; };
  return kept_apart(one, {x, other})[0];
}

Tensor checkpointed(const std::function<Tensor(const Tensor&)>& block, const Tensor& x) {
  const auto one = [block](const variable_list& in) { return variable_list{block(in[0])}; };
  return kept_apart(one, {x})[0];
}

std::vector<Tensor> checkpointed_all(const std::function<std::vector<Tensor>(const Tensor&)>& block,
                                     const Tensor& x) {
  return kept_apart([block](const variable_list& in) { return block(in[0]); }, {x});
}

std::vector<Tensor> checkpointed_all(const Block& block, const std::vector<Tensor>& inputs) {
  return kept_apart(block, inputs);
}

}  // namespace luthier

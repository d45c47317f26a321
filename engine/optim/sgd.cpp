// SPDX-License-Identifier: GPL-3.0-or-later
// Gradient descent as torch.optim.SGD has it: decay goes into the gradient, the first step begins
// the momentum with the gradient whole.
#include "engine/optim/optimizers.h"
#include "engine/optim/step_room.h"

namespace luthier {
namespace {

class Sgd : public Optimizer {
 public:
  Sgd(std::vector<TrainedTensor> tensors, const Recipe& recipe)
      : Optimizer(std::move(tensors), recipe),
        momentum_(recipe.more.number("training.momentum")),
        dampening_(recipe.more.number("training.dampening")),
        nesterov_(recipe.more.flag("training.nesterov")) {}

 protected:
  void update(const Group& group) override {
    for (const Moved& moved : group.members) {
      torch::Tensor gradient = moved.gradient.to(torch::kFloat32), value = moved.parameter;
      if (group.decay != 0) gradient = gradient.add(value, group.decay);
      if (momentum_ > 0) {
        torch::Tensor buffer = moved.state[0];
        if (group.step == 1)
          buffer.copy_(gradient);
        else
          buffer.mul_(momentum_).add_(gradient, 1 - dampening_);
        gradient = nesterov_ ? gradient.add(buffer, momentum_) : buffer;
      }
      value.add_(gradient, -group.rate);
    }
  }

 private:
  double momentum_, dampening_;
  bool nesterov_;
};

}  // namespace

std::unique_ptr<Optimizer> sgd_optimizer(std::vector<TrainedTensor> tensors, const Recipe& recipe) {
  return std::make_unique<Sgd>(std::move(tensors), recipe);
}

/// The gradient with the decay in it, and that with the momentum.
StepRoom sgd_step_room(const TrainedShape& shape, const Recipe& recipe) {
  const bool looks_ahead =
      recipe.more.number("training.momentum") > 0 && recipe.more.flag("training.nesterov");
  return {((recipe.training.weight_decay > 0 ? 1 : 0) + (looks_ahead ? 1 : 0)) * shape.numbers()};
}

}  // namespace luthier

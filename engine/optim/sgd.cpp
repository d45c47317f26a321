// SPDX-License-Identifier: GPL-3.0-or-later
// Gradient descent as torch.optim.SGD has it: decay goes into the gradient, the first step begins
// the momentum with the gradient whole.
#include "engine/optim/optimizers.h"

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

}  // namespace luthier

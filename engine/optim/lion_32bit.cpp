// SPDX-License-Identifier: GPL-3.0-or-later
// Lion (Chen et al. 2023), as bitsandbytes' Lion computes it with 32-bit state: the step's
// direction is the sign of a mixture of momentum and gradient, so every weight moves by the rate;
// decay is decoupled. One moment a weight instead of AdamW's two.
#include "engine/optim/lion.h"

#include "engine/optim/optimizers.h"
#include "engine/optim/step_room.h"

namespace luthier {

Lion::Lion(std::vector<TrainedTensor> tensors, const Recipe& recipe)
    : Optimizer(std::move(tensors), recipe),
      beta1_(recipe.training.adam_beta1),
      beta2_(recipe.training.adam_beta2) {}

void Lion::update(const Group& group) {
  for (const Moved& moved : group.members) {
    const torch::Tensor gradient = moved.gradient.to(torch::kFloat32);
    torch::Tensor value = moved.parameter, momentum = moved.state[0];
    value.mul_(1 - group.rate * group.decay);
    value.add_(momentum.mul(beta1_).add_(gradient, 1 - beta1_).sign_(), -group.rate);
    momentum.mul_(beta2_).add_(gradient, 1 - beta2_);
  }
}

std::unique_ptr<Optimizer> lion_32bit_optimizer(std::vector<TrainedTensor> tensors,
                                                const Recipe& recipe) {
  return std::make_unique<Lion>(std::move(tensors), recipe);
}

/// The step's direction.
StepRoom lion_32bit_step_room(const TrainedShape& shape, const Recipe&) {
  return {shape.numbers()};
}

}  // namespace luthier

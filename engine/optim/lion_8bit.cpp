// SPDX-License-Identifier: GPL-3.0-or-later
// Lion with a momentum of eight bits a number, as bitsandbytes' Lion with optim_bits 8 computes it.
// Tensors whose momentum stays float32 move as Lion's do.
#include "engine/optim/eight_bits.h"
#include "engine/optim/lion.h"
#include "engine/optim/optimizers.h"
#include "engine/optim/step_room.h"

namespace luthier {
namespace {

using torch::Tensor;

class Lion8bit : public Lion {
 public:
  Lion8bit(std::vector<TrainedTensor> tensors, const Recipe& recipe)
      : Lion(std::move(tensors), recipe) {}

 protected:
  void update(const Group& group) override {
    if (group.members.front().state.size() < 2) return Lion::update(group);
    const double shrink = 1 - group.rate * group.decay;
    const auto by_numbers =
        [beta1 = static_cast<float>(beta1_), rest1 = static_cast<float>(1 - beta1_),
         beta2 = static_cast<float>(beta2_), rest2 = static_cast<float>(1 - beta2_),
         kept = static_cast<float>(shrink), rate = static_cast<float>(group.rate)](
            float* value, const float* gradient, const std::array<float*, 1>& moments,
            std::int64_t count) {
          float* momentum = moments[0];
          for (std::int64_t i = 0; i < count; ++i) {
            const float mixed = momentum[i] * beta1 + gradient[i] * rest1;
            const float way = mixed > 0 ? rate : mixed < 0 ? -rate : 0;
            value[i] = value[i] * kept - way;
            momentum[i] = momentum[i] * beta2 + gradient[i] * rest2;
          }
        };
    const auto by_tensors = [&](Tensor value, const Tensor& gradient,
                                std::array<Tensor, 1>& moments) {
      value.mul_(shrink);
      value.add_(moments[0].mul(beta1_).add_(gradient, 1 - beta1_).sign_(), -group.rate);
      moments[0].mul_(beta2_).add_(gradient, 1 - beta2_);
    };
    for (const Moved& moved : group.members) {
      const std::array<eight_bits::Moment, 1> moments{{{moved.state[0], moved.state[1]}}};
      eight_bits::move(moved.parameter, moved.gradient, moments, by_numbers, by_tensors);
    }
  }
};

}  // namespace

std::unique_ptr<Optimizer> lion_8bit_optimizer(std::vector<TrainedTensor> tensors,
                                               const Recipe& recipe) {
  return std::make_unique<Lion8bit>(std::move(tensors), recipe);
}

StepRoom lion_8bit_step_room(const TrainedShape& shape, const Recipe&) {
  if (has_eight_bits(shape)) return {0, StepRoom::Gradient::Read};
  return {shape.numbers()};
}

}  // namespace luthier

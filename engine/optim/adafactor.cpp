// SPDX-License-Identifier: GPL-3.0-or-later
// Adafactor (Shazeer & Stern 2018) as transformers' Trainer makes it: the rate is the schedule's
// alone (no relative steps, no scaling by the weights' size), no momentum, an update's root mean
// square is clipped to 1. The second moments of a matrix are kept as the means of its rows and of
// its columns, so that its state is next to nothing.
#include <cmath>

#include "engine/optim/optimizers.h"
#include "engine/optim/step_room.h"

namespace luthier {
namespace {

constexpr double kLeastSquare = 1e-30;  // added to squared gradients
constexpr double kDecayPower = -0.8;    // the moments' memory at step t is 1 − t^this
constexpr double kLargestUpdate = 1;    // its root mean square

torch::Tensor root_mean_square(const torch::Tensor& tensor) {
  return tensor.norm(2).div_(std::sqrt(static_cast<double>(tensor.numel())));
}

/// A running mean that keeps `memory` of what it was.
void take_in(torch::Tensor mean, const torch::Tensor& value, double memory) {
  mean.mul_(memory).add_(value, 1 - memory);
}

class Adafactor : public Optimizer {
 public:
  Adafactor(std::vector<TrainedTensor> tensors, const Recipe& recipe)
      : Optimizer(std::move(tensors), recipe) {}

 protected:
  void update(const Group& group) override {
    const double memory = 1 - std::pow(static_cast<double>(group.step), kDecayPower);
    for (const Moved& moved : group.members) {
      const torch::Tensor gradient = moved.gradient.to(torch::kFloat32);
      torch::Tensor change = inverse_root(moved, gradient.square().add_(kLeastSquare), memory);
      change.mul_(gradient);
      change.div_(root_mean_square(change).div_(kLargestUpdate).clamp_min_(1));
      change.mul_(group.rate);
      torch::Tensor value = moved.parameter;
      if (group.decay != 0) value.add_(value, -group.decay * group.rate);
      value.sub_(change);
    }
  }

 private:
  /// Takes the squares into the moments; one over the root of what the moments then say of each
  /// weight.
  static torch::Tensor inverse_root(const Moved& moved, const torch::Tensor& squares,
                                    double memory) {
    const torch::Tensor& first = moved.state[0];
    if (moved.state.size() == 1) {
      take_in(first, squares, memory);
      return first.rsqrt();
    }
    const torch::Tensor& second = moved.state[1];
    take_in(first, squares.mean(-1), memory);
    take_in(second, squares.mean(-2), memory);
    const torch::Tensor rows = first.div(first.mean(-1, /*keepdim=*/true)).rsqrt_();
    return rows.unsqueeze(-1).mul(second.unsqueeze(-2).rsqrt());
  }
};

}  // namespace

std::unique_ptr<Optimizer> adafactor_optimizer(std::vector<TrainedTensor> tensors,
                                               const Recipe& recipe) {
  return std::make_unique<Adafactor>(std::move(tensors), recipe);
}

/// The squares, and the change that is made of them.
StepRoom adafactor_step_room(const TrainedShape& shape, const Recipe&) {
  return {2 * shape.numbers()};
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// AdamW with moments of eight bits a number, as bitsandbytes' AdamW with optim_bits 8 computes it.
// Tensors whose moments stay float32 move as AdamW's do.
#include <cmath>

#include "engine/optim/adamw.h"
#include "engine/optim/eight_bits.h"
#include "engine/optim/optimizers.h"
#include "engine/optim/step_room.h"

namespace luthier {
namespace {

using torch::Tensor;

class AdamW8bit : public AdamW {
 public:
  AdamW8bit(std::vector<TrainedTensor> tensors, const Recipe& recipe)
      : AdamW(std::move(tensors), recipe) {}

 protected:
  void update(const Group& group) override {
    if (!is_packed(group)) return AdamW::update(group);
    const auto step = static_cast<double>(group.step);
    const double first_correction = 1 - std::pow(beta1_, step),
                 second_correction = std::sqrt(1 - std::pow(beta2_, step)),
                 shrink = 1 - group.rate * group.decay, size = -group.rate / first_correction;
    const auto by_numbers =
        [beta1 = static_cast<float>(beta1_), rest1 = static_cast<float>(1 - beta1_),
         beta2 = static_cast<float>(beta2_), rest2 = static_cast<float>(1 - beta2_),
         correction = static_cast<float>(second_correction), epsilon = static_cast<float>(epsilon_),
         kept = static_cast<float>(shrink),
         by = static_cast<float>(size)](float* value, const float* gradient,
                                        const std::array<float*, 2>& moments, std::int64_t count) {
          float *mean = moments[0], *squares = moments[1];
          for (std::int64_t i = 0; i < count; ++i) {
            mean[i] = mean[i] * beta1 + gradient[i] * rest1;
            squares[i] = squares[i] * beta2 + rest2 * gradient[i] * gradient[i];
            const float divisor = std::sqrt(squares[i]) / correction + epsilon;
            value[i] = value[i] * kept + by * (mean[i] / divisor);
          }
        };
    const auto by_tensors = [&](Tensor value, const Tensor& gradient,
                                std::array<Tensor, 2>& moments) {
      moments[0].mul_(beta1_).add_(gradient, 1 - beta1_);
      moments[1].mul_(beta2_).addcmul_(gradient, gradient, 1 - beta2_);
      const Tensor divisor = moments[1].sqrt().div_(second_correction).add_(epsilon_);
      value.mul_(shrink).addcdiv_(moments[0], divisor, size);
    };
    for (const Moved& moved : group.members) {
      const std::array<eight_bits::Moment, 2> moments{
          {{moved.state[0], moved.state[1], MapSign::Both},
           {moved.state[2], moved.state[3], MapSign::Positive}}};
      eight_bits::move(moved.parameter, moved.gradient, moments, by_numbers, by_tensors);
    }
  }
  std::size_t update_with_kernels(const Group& group) override {
    return is_packed(group) ? 0 : AdamW::update_with_kernels(group);
  }

 private:
  static bool is_packed(const Group& group) { return group.members.front().state.size() == 4; }
};

}  // namespace

std::unique_ptr<Optimizer> adamw_8bit_optimizer(std::vector<TrainedTensor> tensors,
                                                const Recipe& recipe) {
  return std::make_unique<AdamW8bit>(std::move(tensors), recipe);
}

/// The layout pages its moments; the sums are the same.
std::unique_ptr<Optimizer> paged_adamw_8bit_optimizer(std::vector<TrainedTensor> tensors,
                                                      const Recipe& recipe) {
  return std::make_unique<AdamW8bit>(std::move(tensors), recipe);
}

StepRoom adamw_8bit_step_room(const TrainedShape& shape, const Recipe&) {
  return {0, has_eight_bits(shape) ? StepRoom::Gradient::Read : StepRoom::Gradient::Listed};
}
StepRoom paged_adamw_8bit_step_room(const TrainedShape& shape, const Recipe& recipe) {
  return adamw_8bit_step_room(shape, recipe);
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// AdamW, step for step what torch.optim.AdamW does: decoupled decay and bias correction, with a
// step count of its own for each tensor and float32 moments whatever the parameter's dtype. It goes
// over LibTorch's fused kernel where the parameter is float32 (every adapter, full training on the
// CPU); in lower precisions it is the same arithmetic in float32 with one rounding at the end,
// which the fused kernel does not offer together with float32 moments.
#include <cmath>

#include "engine/optim/optimizers.h"

namespace luthier {
namespace {

class AdamW : public Optimizer {
 public:
  AdamW(std::vector<TrainedTensor> tensors, const TrainingSettings& training)
      : Optimizer(std::move(tensors), "adamw_torch", training.weight_decay),
        beta1_(training.adam_beta1),
        beta2_(training.adam_beta2),
        epsilon_(training.adam_epsilon) {}

 protected:
  void update(const Group& group) override {
    std::vector<const Moved*> fused;
    for (const Moved& moved : group.members) {
      if (moved.parameter.scalar_type() == torch::kFloat32 && moved.parameter.is_contiguous())
        fused.push_back(&moved);
      else
        update_rounded(group, moved);
    }
    if (!fused.empty()) update_fused(group, fused);
  }

 private:
  void update_fused(const Group& group, const std::vector<const Moved*>& members) const {
    std::vector<torch::Tensor> parameters, gradients, first, second;
    for (const Moved* moved : members) {
      parameters.push_back(moved->parameter);
      gradients.push_back(moved->gradient.contiguous());
      first.push_back(moved->state[0]);
      second.push_back(moved->state[1]);
    }
    const torch::Tensor count =
        torch::full({}, static_cast<double>(group.step),
                    parameters.front().options().dtype(torch::kFloat32).requires_grad(false));
    const std::vector<torch::Tensor> counts(members.size(), count);
    at::_fused_adamw_(parameters, gradients, first, second, {}, counts, group.rate, beta1_, beta2_,
                      group.decay, epsilon_, /*amsgrad=*/false, /*maximize=*/false);
  }

  void update_rounded(const Group& group, const Moved& moved) const {
    const torch::Tensor gradient = moved.gradient.to(torch::kFloat32);
    torch::Tensor first = moved.state[0], second = moved.state[1];
    change_in_float32(moved.parameter, [&](torch::Tensor& value) {
      value.mul_(1 - group.rate * group.decay);
      first.lerp_(gradient, 1 - beta1_);
      second.mul_(beta2_).addcmul_(gradient, gradient, 1 - beta2_);
      const double count = static_cast<double>(group.step);
      const double correction1 = 1 - std::pow(beta1_, count),
                   correction2 = 1 - std::pow(beta2_, count);
      const torch::Tensor denominator = second.sqrt().div_(std::sqrt(correction2)).add_(epsilon_);
      value.addcdiv_(first, denominator, -group.rate / correction1);
    });
  }

  double beta1_, beta2_, epsilon_;
};

}  // namespace

std::unique_ptr<Optimizer> adamw_torch_optimizer(std::vector<TrainedTensor> tensors,
                                                 const Recipe& recipe) {
  return std::make_unique<AdamW>(std::move(tensors), recipe.training);
}

}  // namespace luthier

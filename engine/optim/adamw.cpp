// SPDX-License-Identifier: GPL-3.0-or-later
// AdamW over LibTorch's fused kernel where the parameter is float32 (every adapter, full training
// on the CPU); in lower precisions the same arithmetic in float32 with one rounding at the end,
// which the fused kernel does not offer together with float32 moments.
#include "engine/optim/adamw.h"

#include <cmath>

#include "engine/optim/optimizers.h"

namespace luthier {

OptimizerRow adamw_row() {
  return {"adamw_torch", AdamW::layout,
          [](std::vector<TrainedTensor> tensors, const TrainingSettings& training) {
            const AdamWOptions options{training.adam_beta1, training.adam_beta2,
                                       training.adam_epsilon, training.weight_decay};
            return std::unique_ptr<Optimizer>(new AdamW(std::move(tensors), options));
          }};
}

std::vector<StateTensor> AdamW::layout(const std::vector<std::int64_t>& shape) {
  return {{"exp_avg", shape}, {"exp_avg_sq", shape}};
}

void AdamW::update(const Group& group) {
  std::vector<const Moved*> fused;
  for (const Moved& moved : group.members) {
    if (moved.parameter.scalar_type() == torch::kFloat32 && moved.parameter.is_contiguous())
      fused.push_back(&moved);
    else
      update_rounded(group, moved);
  }
  if (!fused.empty()) update_fused(group, fused);
}

void AdamW::update_fused(const Group& group, const std::vector<const Moved*>& members) const {
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
  at::_fused_adamw_(parameters, gradients, first, second, {}, counts, group.rate, options_.beta1,
                    options_.beta2, group.decay, options_.epsilon,
                    /*amsgrad=*/false, /*maximize=*/false);
}

void AdamW::update_rounded(const Group& group, const Moved& moved) const {
  const torch::Tensor gradient = moved.gradient.to(torch::kFloat32);
  torch::Tensor first = moved.state[0], second = moved.state[1];
  change_in_float32(moved.parameter, [&](torch::Tensor& value) {
    value.mul_(1 - group.rate * group.decay);
    first.lerp_(gradient, 1 - options_.beta1);
    second.mul_(options_.beta2).addcmul_(gradient, gradient, 1 - options_.beta2);
    const double count = static_cast<double>(group.step);
    const double correction1 = 1 - std::pow(options_.beta1, count),
                 correction2 = 1 - std::pow(options_.beta2, count);
    const torch::Tensor denominator =
        second.sqrt().div_(std::sqrt(correction2)).add_(options_.epsilon);
    value.addcdiv_(first, denominator, -group.rate / correction1);
  });
}

}  // namespace luthier

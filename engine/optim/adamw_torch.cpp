// SPDX-License-Identifier: GPL-3.0-or-later
// AdamW, step for step what torch.optim.AdamW does: decoupled decay and bias correction, with a
// step count of its own for each tensor and float32 moments. It goes over LibTorch's fused kernel,
// which wants gradients of the parameter's type: a master's narrower ones are widened, so many at a
// time that they take little memory. A kernel of our own takes either as they are.
#include "engine/kernels/adamw.h"

#include "engine/kernels/launcher.h"
#include "engine/optim/adamw.h"
#include "engine/optim/optimizers.h"
#include "engine/optim/step_room.h"

namespace luthier {

/// Lists for one call of the kernel.
struct AdamW::Batch {
  std::vector<torch::Tensor> parameters, gradients, first, second;
  std::int64_t widened_bytes = 0;

  void add(const Moved& moved) {
    const torch::Tensor gradient = moved.gradient.to(torch::kFloat32).contiguous();
    if (moved.gradient.scalar_type() != torch::kFloat32)
      widened_bytes += static_cast<std::int64_t>(gradient.nbytes());
    parameters.push_back(moved.parameter);
    gradients.push_back(gradient);
    first.push_back(moved.state[0]);
    second.push_back(moved.state[1]);
  }
};

AdamW::AdamW(std::vector<TrainedTensor> tensors, const Recipe& recipe)
    : Optimizer(std::move(tensors), recipe),
      beta1_(recipe.training.adam_beta1),
      beta2_(recipe.training.adam_beta2),
      epsilon_(recipe.training.adam_epsilon) {}

void AdamW::update(const Group& group) {
  const torch::Tensor count = torch::full(
      {}, static_cast<double>(group.step),
      group.members.front().parameter.options().dtype(torch::kFloat32).requires_grad(false));
  Batch batch;
  for (const Moved& moved : group.members) {
    batch.add(moved);
    if (batch.widened_bytes >= kWidenedBytes) move_batch(group, batch, count);
  }
  move_batch(group, batch, count);
}

std::size_t AdamW::update_with_kernels(const Group& group) {
  if (!kernels::available(group.members.front().parameter)) return 0;
  std::vector<kernels::AdamwMember> members;
  for (const Moved& moved : group.members) {
    members.push_back(
        {moved.parameter, moved.gradient, moved.state[0], moved.state[1], moved.rounded});
  }
  return kernels::adamw(members, {group.rate, group.decay, beta1_, beta2_, epsilon_, group.step});
}

void AdamW::move_batch(const Group& group, Batch& batch, const torch::Tensor& count) const {
  if (batch.parameters.empty()) return;
  const std::vector<torch::Tensor> counts(batch.parameters.size(), count);
  at::_fused_adamw_(batch.parameters, batch.gradients, batch.first, batch.second, {}, counts,
                    group.rate, beta1_, beta2_, group.decay, epsilon_, /*amsgrad=*/false,
                    /*maximize=*/false);
  batch = {};
}

std::unique_ptr<Optimizer> adamw_torch_optimizer(std::vector<TrainedTensor> tensors,
                                                 const Recipe& recipe) {
  return std::make_unique<AdamW>(std::move(tensors), recipe);
}

/// The layout pages its moments; the sums are the same.
std::unique_ptr<Optimizer> paged_adamw_32bit_optimizer(std::vector<TrainedTensor> tensors,
                                                       const Recipe& recipe) {
  return std::make_unique<AdamW>(std::move(tensors), recipe);
}

StepRoom adamw_torch_step_room(const TrainedShape&, const Recipe&) {
  return {0, StepRoom::Gradient::Listed};
}
StepRoom paged_adamw_32bit_step_room(const TrainedShape& shape, const Recipe& recipe) {
  return adamw_torch_step_room(shape, recipe);
}

}  // namespace luthier

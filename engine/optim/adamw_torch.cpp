// SPDX-License-Identifier: GPL-3.0-or-later
// AdamW, step for step what torch.optim.AdamW does: decoupled decay and bias correction, with a
// step count of its own for each tensor and float32 moments. It goes over LibTorch's fused kernel,
// which wants gradients of the parameter's type: a master's narrower ones are widened, so many at a
// time that they take little memory. A kernel of our own takes either as they are.
#include "engine/kernels/adamw.h"
#include "engine/kernels/launcher.h"
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
    const torch::Tensor count = torch::full(
        {}, static_cast<double>(group.step),
        group.members.front().parameter.options().dtype(torch::kFloat32).requires_grad(false));
    Batch batch;
    for (const Moved& moved : group.members) {
      batch.add(moved);
      if (batch.widened_bytes >= kWidenedBytes) move(group, batch, count);
    }
    move(group, batch, count);
  }

  std::size_t update_with_kernels(const Group& group) override {
    if (!kernels::available(group.members.front().parameter)) return 0;
    std::vector<kernels::AdamwMember> members;
    for (const Moved& moved : group.members) {
      members.push_back(
          {moved.parameter, moved.gradient, moved.state[0], moved.state[1], moved.rounded});
    }
    return kernels::adamw(members, {group.rate, group.decay, beta1_, beta2_, epsilon_, group.step});
  }

 private:
  /// Lists for one call of the kernel.
  struct Batch {
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

  void move(const Group& group, Batch& batch, const torch::Tensor& count) const {
    if (batch.parameters.empty()) return;
    const std::vector<torch::Tensor> counts(batch.parameters.size(), count);
    at::_fused_adamw_(batch.parameters, batch.gradients, batch.first, batch.second, {}, counts,
                      group.rate, beta1_, beta2_, group.decay, epsilon_, /*amsgrad=*/false,
                      /*maximize=*/false);
    batch = {};
  }

  double beta1_, beta2_, epsilon_;
};

}  // namespace

std::unique_ptr<Optimizer> adamw_torch_optimizer(std::vector<TrainedTensor> tensors,
                                                 const Recipe& recipe) {
  return std::make_unique<AdamW>(std::move(tensors), recipe.training);
}

}  // namespace luthier

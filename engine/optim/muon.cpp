// SPDX-License-Identifier: GPL-3.0-or-later
// Muon (Jordan et al. 2024) as torch.optim.Muon computes it: a matrix moves by its momentum made
// nearly orthogonal, in bfloat16, by a few rounds of a quintic Newton–Schulz iteration. What has
// AdamW's two moments by its layout moves as AdamW has it.
#include <algorithm>
#include <cmath>

#include "engine/optim/adamw.h"
#include "engine/optim/optimizers.h"
#include "engine/optim/step_room.h"

namespace luthier {
namespace {

using torch::Tensor;

// The quintic's coefficients, the steepest at 0 that keeps the rest near 1; and the least norm.
constexpr double kLinear = 3.4445, kCubic = -4.7750, kQuintic = 2.0315, kLeastNorm = 1e-7;

/// U·Vᵀ of what is U·S·Vᵀ, nearly: the singular values come to lie between about 0.5 and 1.5.
Tensor orthogonalized(const Tensor& matrix, std::int64_t rounds) {  // [rows, cols]
  const bool tall = matrix.size(0) > matrix.size(1);
  Tensor x = matrix.to(torch::kBFloat16, /*non_blocking=*/false, /*copy=*/true);
  if (tall) x = x.t();
  x.div_(x.norm().clamp_min(kLeastNorm));
  for (std::int64_t round = 0; round < rounds; ++round) {
    const Tensor gram = x.mm(x.t());
    const Tensor mixed = at::addmm(gram, gram, gram, kCubic, kQuintic);
    x = at::addmm(x, mixed, x, kLinear, 1);
  }
  return tall ? x.t() : x;
}

class Muon : public AdamW {
 public:
  Muon(std::vector<TrainedTensor> tensors, const Recipe& recipe)
      : AdamW(std::move(tensors), recipe),
        momentum_(recipe.more.number("training.momentum")),
        nesterov_(recipe.more.flag("training.nesterov")),
        as_adamw_(recipe.more.text("training.muon_adjust_lr_fn") == "match_rms_adamw"),
        rounds_(recipe.more.integer("training.muon_ns_steps")) {}

 protected:
  void update(const Group& group) override {
    if (!of_matrices(group)) return AdamW::update(group);
    for (const Moved& moved : group.members) {
      const Tensor gradient = moved.gradient.to(torch::kFloat32);
      Tensor value = moved.parameter, momentum = moved.state[0];
      momentum.lerp_(gradient, 1 - momentum_);
      const Tensor direction =
          orthogonalized(nesterov_ ? gradient.lerp(momentum, momentum_) : momentum, rounds_);
      value.mul_(1 - group.rate * group.decay);
      value.add_(direction, -group.rate * scale(value));
    }
  }
  std::size_t update_with_kernels(const Group& group) override {
    return of_matrices(group) ? 0 : AdamW::update_with_kernels(group);
  }

 private:
  static bool of_matrices(const Group& group) { return group.members.front().state.size() == 1; }
  double scale(const Tensor& matrix) const {
    const auto rows = static_cast<double>(matrix.size(0)),
               columns = static_cast<double>(matrix.size(1));
    return as_adamw_ ? 0.2 * std::sqrt(std::max(rows, columns))
                     : std::sqrt(std::max(1.0, rows / columns));
  }

  double momentum_;
  bool nesterov_, as_adamw_;
  std::int64_t rounds_;
};

}  // namespace

std::unique_ptr<Optimizer> muon_optimizer(std::vector<TrainedTensor> tensors,
                                          const Recipe& recipe) {
  return std::make_unique<Muon>(std::move(tensors), recipe);
}

/// Of a matrix the gradient with the momentum, two of the iteration's points and their squares, these
/// in bfloat16.
StepRoom muon_step_room(const TrainedShape& shape, const Recipe& recipe) {
  if (shape.use != TensorUse::Matrix || shape.sizes.size() != 2)
    return {0, StepRoom::Gradient::Listed};
  const std::int64_t least = std::min(shape.sizes[0], shape.sizes[1]);
  const std::int64_t mixed = recipe.more.flag("training.nesterov") ? shape.numbers() : 0;
  return {mixed + shape.numbers() + least * least};
}

}  // namespace luthier

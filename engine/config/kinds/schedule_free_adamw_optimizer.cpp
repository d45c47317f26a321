// SPDX-License-Identifier: GPL-3.0-or-later
// Schedule-free AdamW (Defazio et al. 2024): the second moment and the point z, two float32 numbers
// a trained one.
#include "engine/config/kinds.h"

namespace luthier {
namespace {

Status check_schedule_free(const Recipe& recipe) {
  if (recipe.training.adam_beta1 > 0) return {};
  return cross_fault("training.adam_beta1",
                     "is 0, with which schedule_free_adamw has no average to train beside.",
                     "Set it above 0; 0.9 is usual.");
}

}  // namespace

OptimizerKind schedule_free_adamw_optimizer_kind() {
  OptimizerKind kind{
      {"schedule_free_adamw",
       "AdamW that needs no schedule: what is evaluated and saved is an average of the steps.",
       {},
       {"training.adam_beta1", "training.adam_beta2", "training.adam_epsilon"},
       {{"training.lr_scheduler_type", "constant"}},
       check_schedule_free}};
  kind.state = [](const TrainedShape& shape, const Recipe&) {
    return std::vector<StateTensor>{{"exp_avg_sq", shape.sizes}, {"z", shape.sizes}};
  };
  return kind;
}

}  // namespace luthier

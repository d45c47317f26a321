// SPDX-License-Identifier: GPL-3.0-or-later
// adamw_8bit's moments, those of large tensors in the machine's memory.
#include "engine/config/kinds.h"

namespace luthier {

OptimizerKind paged_adamw_8bit_optimizer_kind() {
  OptimizerKind kind{
      {"paged_adamw_8bit",
       "adamw_8bit whose large moments wait in the machine's memory and come to the device for "
       "their step.",
       {},
       {"training.adam_beta1", "training.adam_beta2", "training.adam_epsilon"},
       {},
       nullptr}};
  kind.state = [](const TrainedShape& shape, const Recipe&) {
    return in_pages(shape, eight_bit_moments(shape, {"exp_avg", "exp_avg_sq"}));
  };
  return kind;
}

}  // namespace luthier

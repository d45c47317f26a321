// SPDX-License-Identifier: GPL-3.0-or-later
// AdamW's float32 moments, those of large tensors in the machine's memory.
#include "engine/config/kinds.h"

namespace luthier {

OptimizerKind paged_adamw_32bit_optimizer_kind() {
  OptimizerKind kind{
      {"paged_adamw_32bit",
       "AdamW whose large moments wait in the machine's memory and come to the device for their "
       "step.",
       {},
       {"training.adam_beta1", "training.adam_beta2", "training.adam_epsilon"},
       {},
       nullptr}};
  kind.state = [](const TrainedShape& shape, const Recipe&) {
    return in_pages(shape, {{"exp_avg", shape.sizes}, {"exp_avg_sq", shape.sizes}});
  };
  return kind;
}

}  // namespace luthier

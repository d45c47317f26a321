// SPDX-License-Identifier: GPL-3.0-or-later
// AdamW with moments of eight bits a number (Dettmers et al. 2022), in bitsandbytes' blocks.
#include "engine/config/kinds.h"

namespace luthier {

OptimizerKind adamw_8bit_optimizer_kind() {
  OptimizerKind kind{
      {"adamw_8bit",
       "AdamW whose moments take a byte a number; small tensors and embeddings keep four.",
       {},
       {"training.adam_beta1", "training.adam_beta2", "training.adam_epsilon"},
       {},
       nullptr}};
  kind.state = [](const TrainedShape& shape, const Recipe&) {
    return eight_bit_moments(shape, {"exp_avg", "exp_avg_sq"});
  };
  return kind;
}

}  // namespace luthier

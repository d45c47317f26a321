// SPDX-License-Identifier: GPL-3.0-or-later
// Lion with a momentum of eight bits a number, in bitsandbytes' blocks.
#include "engine/config/kinds.h"

namespace luthier {

OptimizerKind lion_8bit_optimizer_kind() {
  OptimizerKind kind{
      {"lion_8bit",
       "Lion whose momentum takes a byte a number; small tensors and embeddings keep four.",
       {},
       {"training.adam_beta1", "training.adam_beta2"},
       {},
       nullptr}};
  kind.state = [](const TrainedShape& shape, const Recipe&) {
    return eight_bit_moments(shape, {"exp_avg"});
  };
  return kind;
}

}  // namespace luthier

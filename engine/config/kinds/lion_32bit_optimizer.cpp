// SPDX-License-Identifier: GPL-3.0-or-later
// Lion (Chen et al. 2023), by the name that transformers has for bitsandbytes' with 32-bit state:
// one float32 moment a trained number.
#include "engine/config/kinds.h"

namespace luthier {

OptimizerKind lion_32bit_optimizer_kind() {
  OptimizerKind kind{{"lion_32bit",
                      "Lion: every weight moves by the rate, the way its gradients mostly point.",
                      {},
                      {"training.adam_beta1", "training.adam_beta2"},
                      {},
                      nullptr}};
  kind.state = [](const TrainedShape& shape, const Recipe&) {
    return std::vector<StateTensor>{{"exp_avg", shape.sizes}};
  };
  return kind;
}

}  // namespace luthier

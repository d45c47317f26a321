// SPDX-License-Identifier: GPL-3.0-or-later
// AdamW (Loshchilov & Hutter 2019): two float32 moments a trained number.
#include "engine/config/kinds.h"

namespace luthier {

OptimizerKind adamw_torch_optimizer_kind() {
  OptimizerKind kind{{"adamw_torch",
                      "AdamW with decoupled weight decay.",
                      {},
                      {"training.adam_beta1", "training.adam_beta2", "training.adam_epsilon"},
                      {},
                      nullptr,
                      true}};
  kind.state = [](const TrainedShape& shape, const Recipe&) {
    return std::vector<StateTensor>{{"exp_avg", shape.sizes}, {"exp_avg_sq", shape.sizes}};
  };
  return kind;
}

}  // namespace luthier

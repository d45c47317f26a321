// SPDX-License-Identifier: GPL-3.0-or-later
// AdamW (Loshchilov & Hutter 2019): two float32 moments a trained number.
#include "engine/config/kinds.h"

namespace luthier {

namespace {

std::int64_t two_moments(const std::vector<std::int64_t>& shape) {
  std::int64_t numbers = 1;
  for (const std::int64_t side : shape) numbers *= side;
  return numbers * 8;
}

}  // namespace

OptimizerKind adamw_torch_optimizer_kind() {
  OptimizerKind kind{{"adamw_torch",
                      "AdamW with decoupled weight decay.",
                      {},
                      {"training.adam_beta1", "training.adam_beta2", "training.adam_epsilon"},
                      {},
                      nullptr,
                      true}};
  kind.state_bytes = two_moments;
  return kind;
}

}  // namespace luthier

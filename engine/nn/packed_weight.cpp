// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/packed_weight.h"

#include <atomic>
#include <string_view>

#include "engine/io/weight_kind_list.h"

namespace luthier {

#define LUTHIER_DECLARE(NAME) const WeightPacking& NAME##_weight_packing();
LUTHIER_WEIGHT_KINDS(LUTHIER_DECLARE)
#undef LUTHIER_DECLARE

namespace {
std::atomic<int> training_products{0};
}

TrainingProducts::TrainingProducts() { ++training_products; }
TrainingProducts::~TrainingProducts() { --training_products; }
bool TrainingProducts::here() { return training_products > 0; }

torch::Tensor PackedWeight::own_product(const torch::Tensor&, const torch::Tensor&) const {
  return {};
}

const WeightPacking* weight_packing(const WeightKind& kind) {
#define LUTHIER_ROW(NAME) &NAME##_weight_packing(),
  static const std::vector<const WeightPacking*> table{LUTHIER_WEIGHT_KINDS(LUTHIER_ROW)};
#undef LUTHIER_ROW
  for (const WeightPacking* packing : table) {
    if (packing->kind == &kind) return packing;
  }
  return nullptr;
}

}  // namespace luthier

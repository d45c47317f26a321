// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/packed_weight.h"

#include <string_view>

namespace luthier {

#define LUTHIER_WEIGHT_KIND(name)  \
  namespace packing_of {           \
  extern const WeightPacking name; \
  }
#include "engine/io/weight_kinds.inc"
#undef LUTHIER_WEIGHT_KIND

const WeightPacking* weight_packing(const WeightKind& kind) {
  static const std::vector<const WeightPacking*> table{
#define LUTHIER_WEIGHT_KIND(name) &packing_of::name,
#include "engine/io/weight_kinds.inc"
#undef LUTHIER_WEIGHT_KIND
  };
  for (const WeightPacking* packing : table) {
    if (std::string_view(packing->kind) == kind.name) return packing;
  }
  return nullptr;
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/config/kinds.h"

#include <algorithm>
#include <stdexcept>

#include "engine/config/kind_lists.h"

namespace luthier {

#define LUTHIER_DECLARE(NAME) MethodKind NAME##_method_kind();
LUTHIER_METHODS(LUTHIER_DECLARE)
#undef LUTHIER_DECLARE
#define LUTHIER_DECLARE(NAME) ObjectiveKind NAME##_objective_kind();
LUTHIER_OBJECTIVES(LUTHIER_DECLARE)
#undef LUTHIER_DECLARE
#define LUTHIER_DECLARE(NAME) OptimizerKind NAME##_optimizer_kind();
LUTHIER_OPTIMIZERS(LUTHIER_DECLARE)
#undef LUTHIER_DECLARE

namespace {

template <class K>
const K& find_kind(const std::vector<K>& table, const std::string& name) {
  for (const K& kind : table)
    if (kind.name == name) return kind;
  throw std::logic_error("no kind is called " + name);
}

}  // namespace

const std::vector<MethodKind>& method_kinds() {
#define LUTHIER_ROW(NAME) NAME##_method_kind(),
  static const std::vector<MethodKind> table{LUTHIER_METHODS(LUTHIER_ROW)};
#undef LUTHIER_ROW
  return table;
}

const std::vector<ObjectiveKind>& objective_kinds() {
#define LUTHIER_ROW(NAME) NAME##_objective_kind(),
  static const std::vector<ObjectiveKind> table{LUTHIER_OBJECTIVES(LUTHIER_ROW)};
#undef LUTHIER_ROW
  return table;
}

const std::vector<OptimizerKind>& optimizer_kinds() {
#define LUTHIER_ROW(NAME) NAME##_optimizer_kind(),
  static const std::vector<OptimizerKind> table{LUTHIER_OPTIMIZERS(LUTHIER_ROW)};
#undef LUTHIER_ROW
  return table;
}

const MethodKind& method_kind(const std::string& name) { return find_kind(method_kinds(), name); }

const ObjectiveKind& objective_kind(const std::string& name) {
  return find_kind(objective_kinds(), name);
}

const OptimizerKind& optimizer_kind(const std::string& name) {
  return find_kind(optimizer_kinds(), name);
}

StateLayout state_layout(const Recipe& recipe) {
  return [recipe, layout = optimizer_kind(recipe.training.optim).state](const TrainedShape& shape) {
    return layout(shape, recipe);
  };
}

}  // namespace luthier

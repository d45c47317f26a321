// SPDX-License-Identifier: GPL-3.0-or-later
// (IA)³ (Liu et al. 2022): one trained factor for each number that a Linear gives, or takes.
#include <algorithm>

#include "engine/config/field_rows.h"
#include "engine/config/kinds.h"

namespace luthier {

namespace {

/// As PEFT demands it: of two lists, one is a part of the other.
Status check_ia3(const Recipe& recipe) {
  const ModuleSelector feedforward = recipe.adapter.more.modules("adapter.feedforward_modules");
  const ModuleSelector& targets = recipe.adapter.target_modules;
  using Selects = ModuleSelector::Kind;
  if (feedforward.kind == Selects::AllLinear) {
    return cross_fault("adapter.feedforward_modules", "is no place for all-linear.",
                       "Write names or one regular expression.");
  }
  if (feedforward.kind != Selects::Names || targets.kind != Selects::Names) return {};
  for (const std::string& name : feedforward.names) {
    if (std::find(targets.names.begin(), targets.names.end(), name) != targets.names.end())
      continue;
    return cross_fault("adapter.feedforward_modules",
                       "names " + name + ", which adapter.target_modules does not.",
                       "Name it in both.");
  }
  return {};
}

}  // namespace

MethodKind ia3_method_kind() {
  MethodKind kind{
      {"ia3",
       "One factor trains for each number that a layer gives or takes.",
       rows::fields_of(
           {rows::kind_modules("adapter.feedforward_modules", "Feed-forward modules",
                               "Those of the target modules whose input is scaled and not their "
                               "output; null: none."),
            rows::kind_boolean("adapter.init_ia3_weights", "Start as the base",
                               "Factors start at 1; false: they are drawn.", true)
                .advanced()}),
       {"adapter.target_modules", "adapter.exclude_modules", "adapter.modules_to_save",
        "adapter.init_from"},
       {{"training.learning_rate", 3e-3}},
       check_ia3}};
  kind.peft_type = "IA3";
  return kind;
}

}  // namespace luthier

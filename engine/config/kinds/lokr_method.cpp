// SPDX-License-Identifier: GPL-3.0-or-later
// LoKr (Yeh et al. 2024, LyCORIS): what is added to a weight is the Kronecker product of a small
// matrix and a larger one, which may be of low rank.
#include "engine/config/kinds/adapter_rows.h"
#include "engine/config/kinds/layer_rows.h"

namespace luthier {

namespace {

Status check_lokr(const Recipe& recipe) {
  LUTHIER_CHECK(check_rank(recipe));
  LUTHIER_CHECK(check_layers_of(recipe));
  if (recipe.adapter.more.integer("adapter.decompose_factor") == 0) {
    return cross_fault("adapter.decompose_factor", "is 0, and no size divides by it.",
                       "Write -1, or the size of the smaller factor.");
  }
  return check_init_weights(recipe, {"true", "false", "lycoris"});
}

}  // namespace

MethodKind lokr_method_kind() {
  MethodKind kind{
      {"lokr",
       "A Kronecker product of small matrices is added to each weight.",
       rows::fields_of(
           {rows::alpha(), rows::rank_dropout(), rows::module_dropout(), rows::init_weights(),
            rows::use_effective_conv2d(),
            rows::kind_boolean("adapter.decompose_both", "Both factors of low rank",
                               "The smaller factor is of low rank too, where the rank is small "
                               "enough.",
                               false)
                .advanced(),
            rows::kind_integer("adapter.decompose_factor", "Size of the smaller factor",
                               "-1: both factors are as near to a square as the sizes allow.", -1)
                .at_least(-1)
                .at_most(1048576)
                .advanced(),
            rows::kind_boolean("adapter.rank_dropout_scale", "Rescale after row dropout",
                               "The rows that stay are scaled up for those that were dropped.",
                               false)
                .advanced(),
            rows::layers_to_transform(), rows::layers_pattern()}),
       {"adapter.r", "adapter.rank_pattern", "adapter.alpha_pattern", "adapter.target_modules",
        "adapter.exclude_modules", "adapter.modules_to_save", "adapter.init_from"},
       {{"training.learning_rate", 1e-3},
        {"adapter.r", 8},
        {"adapter.alpha", 8.0},
        {"adapter.init_weights", "true"}},
       check_lokr}};
  kind.peft_type = "LOKR";
  return kind;
}

}  // namespace luthier

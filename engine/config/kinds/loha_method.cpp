// SPDX-License-Identifier: GPL-3.0-or-later
// LoHa (Hyeon-Woo et al. 2022, FedPara): what is added to a weight is the product, number by
// number, of two low-rank matrices.
#include "engine/config/kinds/adapter_rows.h"
#include "engine/config/kinds/layer_rows.h"

namespace luthier {

namespace {

Status check_loha(const Recipe& recipe) {
  LUTHIER_CHECK(check_rank(recipe));
  LUTHIER_CHECK(check_layers_of(recipe));
  return check_init_weights(recipe, {"true", "false"});
}

}  // namespace

MethodKind loha_method_kind() {
  MethodKind kind{
      {"loha",
       "Two low-rank products, multiplied number by number, are added to each weight.",
       rows::fields_of({rows::alpha(), rows::rank_dropout(), rows::module_dropout(),
                        rows::init_weights(), rows::use_effective_conv2d(),
                        rows::layers_to_transform(), rows::layers_pattern()}),
       {"adapter.r", "adapter.rank_pattern", "adapter.alpha_pattern", "adapter.target_modules",
        "adapter.exclude_modules", "adapter.modules_to_save", "adapter.init_from"},
       {{"training.learning_rate", 1e-3},
        {"adapter.r", 8},
        {"adapter.alpha", 8.0},
        {"adapter.init_weights", "true"}},
       check_loha}};
  kind.peft_type = "LOHA";
  return kind;
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// Trained token rows: of the token embedding the rows of chosen tokens train, as new tokens of a
// vocabulary need it.
#include "engine/config/kinds.h"
#include "engine/config/kinds/adapter_rows.h"

namespace luthier {

namespace {

Status check_trainable_tokens(const Recipe& recipe) {
  const bool none = recipe.adapter.more.names("adapter.token_indices").empty();
  if (!recipe.adapter.init_from.empty() || !none) return {};
  return cross_fault("adapter.token_indices", "names no token, so there would be nothing to train.",
                     "Write the ids of the tokens whose rows train: [32000, 32001].");
}

}  // namespace

MethodKind trainable_tokens_method_kind() {
  MethodKind kind{{"trainable_tokens",
                   "Rows of the token embedding train, those of chosen tokens.",
                   rows::fields_of({rows::kind_names("adapter.token_indices", "Tokens",
                                                     "Ids of the tokens whose rows train.")
                                        .numbers(),
                                    rows::init_weights("true: rows start as the base's; false: "
                                                       "they are drawn.",
                                                       {"true", "false"})}),
                   {"adapter.target_modules", "adapter.exclude_modules", "adapter.modules_to_save",
                    "adapter.init_from"},
                   {{"training.learning_rate", 1e-3}},
                   check_trainable_tokens}};
  kind.peft_type = "TRAINABLE_TOKENS";
  return kind;
}

}  // namespace luthier

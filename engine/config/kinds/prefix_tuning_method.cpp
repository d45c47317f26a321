// SPDX-License-Identifier: GPL-3.0-or-later
// Prefix tuning (Li & Liang 2021): keys and values in front of every row's own in each layer's
// attention, which are all that trains.
#include "engine/config/kinds/adapter_rows.h"
#include "engine/config/kinds/prompt_rows.h"

namespace luthier {

namespace {

Status check_prefix_tuning(const Recipe& recipe) {
  if (recipe.training.gradient_checkpointing == "false") return {};
  return cross_fault("training.gradient_checkpointing",
                     "must be false under prefix_tuning, whose keys and values are made once for "
                     "all layers.",
                     "Write training.gradient_checkpointing: false.");
}

}  // namespace

MethodKind prefix_tuning_method_kind() {
  MethodKind kind{
      {"prefix_tuning",
       "Keys and values in front of every layer's own train, all weights stay fixed.",
       rows::fields_of(
           {rows::num_virtual_tokens(),
            rows::kind_boolean("adapter.prefix_projection", "Through a network",
                               "The keys and values are made by a small network that trains.",
                               false),
            rows::encoder_hidden_size(),
            rows::init_weights("null draws the numbers, zero does not.", {"null", "zero"})}),
       {"adapter.init_from"},
       {{"training.learning_rate", 1e-2},
        {"training.gradient_checkpointing", "false"},
        {"adapter.init_weights", "null"}},
       check_prefix_tuning}};
  kind.peft_type = "PREFIX_TUNING";
  return kind;
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// Prompt tuning (Lester et al. 2021): rows in front of the text's own, which are all that trains.
#include "engine/config/kinds.h"
#include "engine/config/kinds/prompt_rows.h"

namespace luthier {

namespace {

Status check_prompt_tuning(const Recipe& recipe) {
  const KindValues& values = recipe.adapter.more;
  if (!recipe.adapter.init_from.empty()) return {};
  const bool by_text = values.text("adapter.prompt_tuning_init") == "TEXT";
  if (by_text == !values.text("adapter.prompt_tuning_init_text").empty()) return {};
  return by_text ? cross_fault("adapter.prompt_tuning_init_text", "is empty.",
                               "Write the text whose tokens the prompt starts as.")
                 : cross_fault("adapter.prompt_tuning_init_text",
                               "is set, but the prompt does not start as a text.",
                               "Write adapter.prompt_tuning_init: TEXT, or take the text out.");
}

}  // namespace

MethodKind prompt_tuning_method_kind() {
  MethodKind kind{
      {"prompt_tuning",
       "Tokens in front of the text train, all weights stay fixed.",
       rows::fields_of(
           {rows::num_virtual_tokens(),
            rows::kind_choice("adapter.prompt_tuning_init", "Start of the prompt",
                              "RANDOM: drawn numbers; SAMPLE_VOCAB: tokens drawn from the "
                              "vocabulary; TEXT: the tokens of a text.",
                              {"RANDOM", "SAMPLE_VOCAB", "TEXT"}, "RANDOM"),
            rows::kind_text("adapter.prompt_tuning_init_text", "Text of the start",
                            "Cut or repeated until there are as many tokens.")}),
       {"adapter.init_from"},
       {{"training.learning_rate", 3e-2}},
       check_prompt_tuning}};
  kind.peft_type = "PROMPT_TUNING";
  return kind;
}

}  // namespace luthier

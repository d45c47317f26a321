// SPDX-License-Identifier: GPL-3.0-or-later
// Infilling (fill in the middle): a text is parted in three, and its middle is written behind the
// rest. Shares as Bavarian et al. (2022) found them to cost nothing.
#include "engine/config/field_rows.h"
#include "engine/config/kinds.h"
#include "engine/config/kinds/router_rows.h"

namespace luthier {

namespace {

Status check_infilling(const Recipe& recipe) {
  for (const char* key :
       {"infilling.prefix_token", "infilling.suffix_token", "infilling.middle_token"}) {
    if (recipe.more.text(key).empty())
      return cross_fault(key, "names no token.", "Name one that the tokenizer has.");
  }
  const std::string prefix = recipe.more.text("infilling.prefix_token"),
                    suffix = recipe.more.text("infilling.suffix_token"),
                    middle = recipe.more.text("infilling.middle_token");
  if (prefix != suffix && suffix != middle && prefix != middle) return {};
  return cross_fault("infilling.middle_token", "and the two others are not three tokens.",
                     "Each part of a text has a token of its own.");
}

}  // namespace

ObjectiveKind infilling_objective_kind() {
  using namespace rows;
  ObjectiveKind kind{
      {"infilling",
       "A text model learns to write what is missing in the middle of a text, and texts as they "
       "are.",
       later_fields_of(
           {kind_number("infilling.fim_rate", "Texts parted",
                        "The share of texts that are parted in three; the others are learned as "
                        "they are. 0: all of them, which is plain pretraining.",
                        0.5)
                .at_least(0)
                .at_most(1),
            kind_number("infilling.fim_spm_rate", "Of these suffix first",
                        "The share of the parted texts whose end is shown before their beginning "
                        "(SPM); the others begin with it (PSM).",
                        0.5)
                .at_least(0)
                .at_most(1),
            kind_text("infilling.prefix_token", "Token of the beginning",
                      "Stands before a text's beginning.", "<|fim_prefix|>")
                .advanced(),
            kind_text("infilling.suffix_token", "Token of the end", "Stands before a text's end.",
                      "<|fim_suffix|>")
                .advanced(),
            kind_text("infilling.middle_token", "Token of the middle",
                      "Stands before what is to be written.", "<|fim_middle|>")
                .advanced(),
            router_loss("infilling.router_aux_loss_coef")}),
       {},
       {},
       check_infilling}};
  kind.row_kind = "text";
  return kind;
}

}  // namespace luthier

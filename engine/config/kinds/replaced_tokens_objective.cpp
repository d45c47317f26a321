// SPDX-License-Identifier: GPL-3.0-or-later
// Replaced token detection, with the settings of ELECTRA's authors (Clark et al. 2020).
#include "engine/config/field_rows.h"
#include "engine/config/kinds.h"

namespace luthier {

namespace {

Status check_replaced_tokens(const Recipe& recipe) {
  if (recipe.more.text("replaced_tokens.generator").empty())
    return cross_fault("replaced_tokens.generator", "names no folder.",
                       "Name a checkpoint of ElectraForMaskedLM, or of DebertaV2ForMaskedLM, with "
                       "the discriminator's tables.");
  if (recipe.strategy == "full") return {};
  return cross_fault("strategy",
                     "is " + recipe.strategy +
                         ", and generator and discriminator learn together with their tables.",
                     "Choose full.");
}

}  // namespace

ObjectiveKind replaced_tokens_objective_kind() {
  using namespace rows;
  ObjectiveKind kind{
      {"replaced_tokens",
       "A generator fills in covered tokens, and the model learns to tell which tokens are its "
       "(ELECTRA); both learn together.",
       later_fields_of(
           {kind_path("replaced_tokens.generator", "Generator",
                      "The folder that the generator starts from, a small masked language model "
                      "whose tables are those of the model."),
            kind_number("replaced_tokens.mlm_probability", "Tokens chosen",
                        "The share of a text's tokens that the generator must say.", 0.15)
                .above(0)
                .at_most(1),
            kind_number("replaced_tokens.mask_replace_prob", "Of these covered",
                        "The share of the chosen tokens that the mask takes the place of; the "
                        "others stay as they are.",
                        0.85)
                .at_least(0)
                .at_most(1),
            kind_number("replaced_tokens.discriminator_weight", "Weight of the discriminator",
                        "How much the discriminator's loss counts beside the generator's.", 50)
                .at_least(0),
            kind_choice("replaced_tokens.table_sharing", "Tables",
                        "shared: generator and model have the same tables, which learn by both "
                        "losses; gradient_disentangled: the model's are the generator's with "
                        "something of its own added, and its loss does not reach the generator "
                        "(DeBERTa v3).",
                        {"shared", "gradient_disentangled"}, "shared")
                .advanced()}),
       {},
       {},
       check_replaced_tokens}};
  kind.row_kind = "text";
  return kind;
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// Kahneman-Tversky optimization (Ethayarajh et al. 2024): settings under the names and defaults of
// TRL's KTOConfig.
#include "engine/config/kinds.h"
#include "engine/config/kinds/reference_rows.h"
#include "engine/config/kinds/router_rows.h"

namespace luthier {

namespace {

/// What the loss kto compares with is made of a micro-batch's neighbours.
Status check_kto(const Recipe& recipe) {
  if (recipe.more.text("kto.loss_type") != "kto") return {};
  if (recipe.training.per_device_train_batch_size < 2)
    return cross_fault("training.per_device_train_batch_size",
                       "must be at least 2 with the loss kto, which measures each prompt with the "
                       "answer of the row before it.",
                       "Raise it, or choose kto.loss_type: apo_zero_unpaired.");
  if (recipe.training.shuffle)
    return cross_fault("training.shuffle",
                       "must be false with the loss kto, which takes the rows in their order.",
                       "Shuffle the file itself, or choose kto.loss_type: apo_zero_unpaired.");
  return {};
}

}  // namespace

ObjectiveKind kto_objective_kind() {
  using namespace rows;
  ObjectiveKind kind{
      {"kto",
       "Kahneman-Tversky optimization: single answers that were found good or bad.",
       later_fields_of({
           ref_model(),
           kind_choice("kto.loss_type", "Loss",
                       "kto measures each answer from the distance between model and reference, "
                       "apo_zero_unpaired from 0.",
                       {"kto", "apo_zero_unpaired"}, "kto"),
           reference_beta("kto.beta"),
           kind_number("kto.desirable_weight", "Weight of good answers",
                       "What a row with a good answer counts.", 1)
               .at_least(0)
               .advanced(),
           kind_number("kto.undesirable_weight", "Weight of bad answers",
                       "What a row with a bad answer counts.", 1)
               .at_least(0)
               .advanced(),
           router_loss("kto.router_aux_loss_coef"),
       }),
       {},
       {{"training.shuffle", false}, {"training.per_device_train_batch_size", 2}},
       check_kto}};
  kind.row_kind = "unpaired";
  kind.learning_rate = 1e-6;
  return kind;
}

}  // namespace luthier

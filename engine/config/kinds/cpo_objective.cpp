// SPDX-License-Identifier: GPL-3.0-or-later
// Contrastive preference optimization (Xu et al. 2024) and, by its settings, SimPO (Meng et al.
// 2024) and AlphaPO (Gupta et al. 2025): names and defaults of TRL's CPOConfig.
#include "engine/config/kinds.h"
#include "engine/config/kinds/contrast_rows.h"
#include "engine/config/kinds/router_rows.h"

namespace luthier {

namespace {

Status check_cpo(const Recipe& recipe) {
  const std::string type = recipe.more.text("cpo.loss_type");
  const bool smooth = type == "sigmoid" || type == "simpo";
  if (recipe.more.number("cpo.label_smoothing") > 0 && !smooth)
    return cross_fault("cpo.label_smoothing", "is set, and the loss " + type + " does not read it.",
                       "It goes with sigmoid and simpo.");
  return {};
}

}  // namespace

ObjectiveKind cpo_objective_kind() {
  using namespace rows;
  ObjectiveKind kind{
      {"cpo",
       "Contrastive preference optimization: the chosen answer against the rejected one without a "
       "reference; with cpo.loss_type: simpo and cpo.cpo_alpha: 0 it is SimPO.",
       later_fields_of({
           kind_choice("cpo.loss_type", "Loss",
                       "How the two answers are compared; ipo and simpo take each answer by its "
                       "mean over tokens.",
                       {"sigmoid", "hinge", "ipo", "simpo"}, "sigmoid"),
           contrast_beta("cpo.beta"),
           kind_number("cpo.label_smoothing", "Label smoothing",
                       "The share of pairs that may be the wrong way round; sigmoid and simpo read "
                       "it.",
                       0)
               .at_least(0)
               .at_most(1)
               .advanced(),
           kind_number("cpo.cpo_alpha", "Weight of the likelihood",
                       "How much the likelihood of the chosen answer counts beside the comparison; "
                       "0: not at all.",
                       1)
               .at_least(0),
           target_margin("cpo.simpo_gamma",
                         "By how much the chosen answer is to lead under simpo, divided by beta."),
           reward_alpha("cpo.alpha"),
           router_loss("cpo.router_aux_loss_coef"),
       }),
       {},
       {},
       check_cpo}};
  kind.row_kind = "preference";
  kind.learning_rate = 1e-6;
  return kind;
}

}  // namespace luthier

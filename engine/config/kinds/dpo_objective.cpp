// SPDX-License-Identifier: GPL-3.0-or-later
// Direct preference optimization (Rafailov et al. 2023) and its kin: settings under the names and
// defaults of TRL's DPOConfig.
#include <algorithm>

#include "engine/config/kinds.h"
#include "engine/config/kinds/reference_rows.h"
#include "engine/config/kinds/router_rows.h"
#include "engine/config/number_texts.h"

namespace luthier {

namespace {

const std::vector<std::string>& loss_types() {
  static const std::vector<std::string> names{
      "sigmoid",  "hinge",    "ipo",       "exo_pair", "nca_pair",
      "robust",   "bco_pair", "sppo_hard", "aot",      "aot_unpaired",
      "apo_zero", "apo_down", "discopop",  "sft",      "sigmoid_norm"};
  return names;
}

bool among(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

Status check_weights(const std::vector<std::string>& weights, std::size_t losses) {
  if (weights.empty()) return {};
  if (weights.size() != losses)
    return cross_fault("dpo.loss_weights",
                       "must have as many weights as dpo.loss_type has losses: " +
                           std::to_string(losses) + ", not " + std::to_string(weights.size()) + ".",
                       "Give one weight a loss, or null.");
  return check_number_texts("dpo.loss_weights", weights);
}

Status check_reference(const Recipe& recipe) {
  const KindValues& values = recipe.more;
  const bool beforehand = values.flag("dpo.precompute_ref_log_probs"),
             moves = values.flag("dpo.sync_ref_model");
  const char* set = beforehand ? "dpo.precompute_ref_log_probs" : "dpo.sync_ref_model";
  if ((beforehand || moves) && values.flag("dpo.reference_free"))
    return cross_fault(set, "is set, and dpo.reference_free leaves no reference.",
                       "Leave one of the two out.");
  if (beforehand && moves)
    return cross_fault("dpo.sync_ref_model",
                       "moves the reference, and dpo.precompute_ref_log_probs asks it beforehand.",
                       "Leave one of the two out.");
  if (moves && method_kind(recipe.strategy).hangs_adapter())
    return cross_fault("dpo.sync_ref_model",
                       "needs a reference of its own, and under " + recipe.strategy +
                           " it is the base or a copy of the adapter.",
                       "Choose strategy: full or freeze, or leave it out.");
  return {};
}

Status check_dpo(const Recipe& recipe) {
  LUTHIER_CHECK(check_reference(recipe));
  const KindValues& values = recipe.more;
  const std::vector<std::string> types = values.names("dpo.loss_type");
  if (types.empty())
    return cross_fault("dpo.loss_type", "names no loss.",
                       "The losses are " + listed(loss_types()) + ".");
  for (const std::string& type : types)
    if (!among(loss_types(), type))
      return cross_fault("dpo.loss_type", "names " + type + ", which is no loss.",
                         "The losses are " + listed(loss_types()) + ".");
  LUTHIER_CHECK(check_weights(values.names("dpo.loss_weights"), types.size()));
  const double smoothing = values.number("dpo.label_smoothing");
  if (among(types, "exo_pair") && smoothing == 0)
    return cross_fault("dpo.label_smoothing", "must be above 0 with the loss exo_pair.",
                       "Its authors recommend 1.0e-3.");
  if (among(types, "robust") && smoothing >= 0.5)
    return cross_fault("dpo.label_smoothing", "must be below 0.5 with the loss robust.", "");
  const std::string divergence = values.text("dpo.f_divergence_type");
  const std::vector<std::string> by_difference{"sigmoid",  "sigmoid_norm", "hinge",    "ipo",
                                               "exo_pair", "robust",       "discopop", "sft"};
  for (const std::string& type : types) {
    if (divergence != "reverse_kl" && !among(by_difference, type))
      return cross_fault("dpo.f_divergence_type",
                         "is " + divergence + ", which the loss " + type + " has no form for.",
                         "It goes with " + listed(by_difference) + ".");
    if (values.flag("dpo.use_weighting") && (type == "aot" || type == "aot_unpaired"))
      return cross_fault("dpo.use_weighting",
                         "weighs pairs, and the loss " + type + " sorts them apart.",
                         "Leave one of the two out.");
  }
  return {};
}

}  // namespace

ObjectiveKind dpo_objective_kind() {
  using namespace rows;
  ObjectiveKind kind{
      {"dpo",
       "Direct preference optimization: the chosen answer against the rejected one.",
       fields_of({
           ref_model(),
           kind_names("dpo.loss_type", "Losses",
                      "Which losses of a pair are summed: sigmoid, hinge, ipo and others.",
                      {"sigmoid"}),
           kind_names("dpo.loss_weights", "Weights of the losses",
                      "One number for each loss; empty: 1 each.")
               .numbers()
               .advanced(),
           reference_beta("dpo.beta"),
           kind_number("dpo.label_smoothing", "Label smoothing",
                       "The share of pairs that may be the wrong way round; robust, exo_pair, aot "
                       "and aot_unpaired read it.",
                       0)
               .at_least(0)
               .at_most(1)
               .advanced(),
           kind_choice("dpo.f_divergence_type", "Divergence",
                       "How the distance from the reference is measured.",
                       {"reverse_kl", "forward_kl", "js_divergence", "alpha_divergence"},
                       "reverse_kl")
               .advanced(),
           kind_number("dpo.f_alpha_divergence_coef", "Alpha of the divergence",
                       "The coefficient of alpha_divergence.", 0.5)
               .advanced(),
           kind_optional_number("dpo.ld_alpha", "Length weight",
                                "The weight of tokens beyond the shorter answer's length; empty: "
                                "all count alike.")
               .at_least(0)
               .at_most(1)
               .advanced(),
           kind_boolean("dpo.use_weighting", "Weigh pairs",
                        "Weighs each pair by how likely the trained model finds its answers.",
                        false)
               .advanced(),
           kind_number("dpo.discopop_tau", "Temperature of discopop",
                       "How sharply the loss discopop blends its two parts.", 0.05)
               .above(0)
               .advanced(),
           kind_boolean("dpo.reference_free", "Without a reference",
                        "Takes a reference that finds all answers equally likely.", false)
               .advanced(),
           kind_boolean("dpo.precompute_ref_log_probs", "Ask the reference beforehand",
                        "The reference answers for all rows before the first step and is let go of "
                        "then.",
                        false)
               .advanced(),
           kind_boolean("dpo.sync_ref_model", "Moving reference",
                        "The reference goes after the trained model; under full and freeze.", false)
               .advanced(),
           kind_number("dpo.ref_model_mixup_alpha", "Step of the reference",
                       "The share of the trained weights that a moving reference takes over.", 0.6)
               .above(0)
               .at_most(1)
               .advanced(),
           kind_integer("dpo.ref_model_sync_steps", "Steps between moves",
                        "After so many steps a moving reference moves.", 512)
               .at_least(1)
               .advanced(),
           router_loss("dpo.router_aux_loss_coef"),
       }),
       {},
       {},
       check_dpo}};
  kind.row_kind = "preference";
  kind.learning_rate = 1e-6;
  return kind;
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// Group relative policy optimization (Shao et al. 2024) and its kin: settings under the names and
// defaults of TRL's GRPOConfig.
#include "engine/config/kinds.h"
#include "engine/config/kinds/reference_rows.h"
#include "engine/config/kinds/router_rows.h"
#include "engine/config/kinds/sampled_rows.h"

namespace luthier {

namespace {

Status check_grpo(const Recipe& recipe) {
  LUTHIER_CHECK(rows::check_sampled(recipe, "grpo"));
  const KindValues& values = recipe.more;
  const std::string type = values.text("grpo.loss_type");
  const bool clips = type != "cispo" && type != "sapo" && type != "vespo";
  if (values.optional_number("grpo.delta") && !clips)
    return cross_fault("grpo.delta", "is set, and the loss " + type + " does not read it.",
                       "It goes with grpo, bnpo, dr_grpo, dapo and luspo.");
  return {};
}

}  // namespace

ObjectiveKind grpo_objective_kind() {
  using namespace rows;
  ObjectiveKind kind{
      {"grpo",
       "Group relative policy optimization: several samples of each prompt against one another, by "
       "their rewards.",
       later_fields_of({
           ref_model(),
           kind_choice("grpo.loss_type", "Loss",
                       "How the tokens of a micro-batch are weighed and what their sum is divided "
                       "by.",
                       {"grpo", "bnpo", "dr_grpo", "dapo", "cispo", "sapo", "luspo", "vespo"},
                       "dapo"),
           num_generations("grpo.num_generations", 8),
           max_completion_length("grpo.max_completion_length"),
           sampling_temperature("grpo.temperature"),
           sampling_top_p("grpo.top_p"),
           sampling_top_k("grpo.top_k"),
           reward_funcs("grpo.reward_funcs"),
           reward_weights("grpo.reward_weights"),
           rollouts("grpo.rollouts"),
           kind_number("grpo.beta", "Beta",
                       "How strongly the trained model is held to the reference; 0: there is none.",
                       0)
               .at_least(0),
           kind_boolean("grpo.use_bias_correction_kl", "Weigh the distance",
                        "The distance from the reference counts by the ratio to the sampling "
                        "model.",
                        true)
               .advanced(),
           clip_epsilon("grpo.epsilon"),
           clip_epsilon_high("grpo.epsilon_high"),
           kind_optional_number("grpo.delta", "Largest ratio",
                                "What a ratio counts at most where it is not clipped.")
               .above(0)
               .advanced(),
           kind_choice("grpo.importance_sampling_level", "Ratio of",
                       "Ratios to the sampling model are of single tokens, or of whole samples by "
                       "their mean (GSPO).",
                       {"token", "sequence"}, "token"),
           kind_choice("grpo.scale_rewards", "Scale of rewards",
                       "Rewards are divided by their deviation in the prompt's group, in the whole "
                       "generation, or not at all.",
                       {"group", "batch", "none"}, "group"),
           kind_choice("grpo.multi_objective_aggregation", "Several rewards",
                       "Whether rewards are summed before they are compared, or each is compared "
                       "first.",
                       {"sum_then_normalize", "normalize_then_sum"}, "sum_then_normalize")
               .advanced(),
           num_iterations("grpo.num_iterations"),
           steps_per_generation("grpo.steps_per_generation"),
           mask_truncated("grpo.mask_truncated_completions"),
           kind_number("grpo.top_entropy_quantile", "Share of uncertain tokens",
                       "Learns from this share of the tokens, those of which the model is least "
                       "sure; 1: from all.",
                       1)
               .above(0)
               .at_most(1)
               .advanced(),
           kind_number("grpo.entropy_coef", "Weight of the entropy",
                       "How much it counts that the model stays unsure; 0: not at all.", 0)
               .advanced(),
           kind_optional_number("grpo.off_policy_mask_threshold", "Largest drift",
                                "Bad samples that the model has moved further from since they were "
                                "drawn are left out; empty: none is.")
               .advanced(),
           kind_number("grpo.sapo_temperature_pos", "Temperature of good samples",
                       "How sharply sapo bends the ratio of samples that are better than others.",
                       1)
               .above(0)
               .advanced(),
           kind_number("grpo.sapo_temperature_neg", "Temperature of bad samples",
                       "The same of samples that are not.", 1.05)
               .above(0)
               .advanced(),
           kind_number("grpo.vespo_k_pos", "Power for good samples",
                       "The power of the ratio by which vespo weighs good samples.", 2)
               .at_least(0)
               .advanced(),
           kind_number("grpo.vespo_lambda_pos", "Decay for good samples",
                       "How fast that weight falls for large ratios.", 3)
               .at_least(0)
               .advanced(),
           kind_number("grpo.vespo_k_neg", "Power for bad samples",
                       "The power of the ratio by which vespo weighs bad samples.", 3)
               .at_least(0)
               .advanced(),
           kind_number("grpo.vespo_lambda_neg", "Decay for bad samples",
                       "How fast that weight falls for large ratios.", 2)
               .at_least(0)
               .advanced(),
           router_loss("grpo.router_aux_loss_coef"),
       }),
       {},
       {{"training.per_device_train_batch_size", 8}},
       check_grpo}};
  kind.row_kind = "prompts";
  kind.learning_rate = 1e-6;
  return kind;
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// Proximal policy optimization (Schulman et al. 2017, of language models as in Ziegler et al.
// 2019): settings under the names and defaults of TRL's PPOConfig, the last of which is in TRL 1.9.
#include <algorithm>

#include "engine/config/kinds.h"
#include "engine/config/kinds/online_rows.h"
#include "engine/config/kinds/reference_rows.h"
#include "engine/config/kinds/sampled_rows.h"

namespace luthier {

namespace {

Status check_mini_batches(const Recipe& recipe) {
  const std::int64_t batch = recipe.training.per_device_train_batch_size,
                     rows = batch * recipe.training.gradient_accumulation_steps,
                     count = recipe.more.integer("ppo.num_mini_batches");
  const std::int64_t each = rows / count;
  if (rows % count == 0 && each % std::min(each, batch) == 0) return {};
  return cross_fault("ppo.num_mini_batches",
                     "is " + std::to_string(count) + ", and " + std::to_string(rows) +
                         " samples are no so many equal parts of whole micro-batches.",
                     "Choose it so that it divides per_device_train_batch_size times "
                     "gradient_accumulation_steps.");
}

Status check_ppo(const Recipe& recipe) {
  const KindValues& values = recipe.more;
  const bool judged = !values.text("ppo.reward_model").empty();
  if (values.text("ppo.rollouts").empty() && !judged)
    return cross_fault("ppo.reward_model", "names nothing that judges samples.",
                       "Name the folder of a reward model, or a file of judged samples as "
                       "ppo.rollouts.");
  if (values.text("ppo.value_model").empty() && !judged)
    return cross_fault("ppo.value_model", "names no folder.",
                       "Name what a run with objective: reward has left; values are learned from "
                       "there on.");
  return check_mini_batches(recipe);
}

}  // namespace

ObjectiveKind ppo_objective_kind() {
  using namespace rows;
  ObjectiveKind kind{
      {"ppo",
       "Proximal policy optimization: a sample of each prompt, token by token against what a value "
       "model expects of it.",
       later_fields_of({
           ref_model(),
           kind_path("ppo.reward_model", "Reward model",
                     "The folder of the reward model that judges the samples that are drawn."),
           kind_path("ppo.value_model", "Value model",
                     "The folder that the value model starts from, as a reward model's run leaves "
                     "it; empty: the reward model's."),
           kind_integer("ppo.response_length", "Longest sample",
                        "Tokens that an answer has at most.", 53)
               .unit("tokens")
               .at_least(1)
               .at_most(1048576),
           sampling_temperature("ppo.temperature", 0.7),
           rollouts("ppo.rollouts"),
           kind_number("ppo.kl_coef", "Weight of the distance",
                       "How much each token's distance from the reference is taken off its reward.",
                       0.05)
               .at_least(0),
           kind_choice("ppo.kl_estimator", "Estimate of the distance",
                       "How the distance from the reference is estimated: k1 the log-ratio, k3 the "
                       "one with less variance.",
                       {"k1", "k3"}, "k1")
               .advanced(),
           kind_number("ppo.cliprange", "Clip range",
                       "How far the ratio to the sampling model counts before it is clipped.", 0.2)
               .at_least(0),
           kind_number("ppo.cliprange_value", "Clip range of values",
                       "How far a value may move from what it was when the sample was drawn.", 0.2)
               .at_least(0)
               .advanced(),
           kind_number("ppo.vf_coef", "Weight of the value loss",
                       "How much the value model's loss counts beside the policy's.", 0.1)
               .at_least(0),
           kind_number("ppo.gamma", "Discount", "What a later token's reward is worth.", 1)
               .at_least(0)
               .at_most(1)
               .advanced(),
           kind_number("ppo.lam", "Lambda",
                       "How far advantages look ahead: 0 to the next value, 1 to the end.", 0.95)
               .at_least(0)
               .at_most(1)
               .advanced(),
           kind_boolean("ppo.whiten_rewards", "Whiten rewards",
                        "The tokens' rewards of a generation are brought to deviation 1.", false)
               .advanced(),
           kind_integer("ppo.num_ppo_epochs", "Uses of a generation",
                        "Samples are learned from so many times before new ones are drawn.", 4)
               .at_least(1)
               .at_most(1048576),
           kind_integer("ppo.num_mini_batches", "Mini-batches",
                        "A generation, which has as many samples as a step would, is learned from "
                        "in so many steps.",
                        1)
               .at_least(1)
               .at_most(1048576),
           missing_eos_penalty("ppo.missing_eos_penalty"),
       }),
       {},
       {},
       check_ppo}};
  kind.row_kind = "prompts";
  kind.learning_rate = 3e-6;
  return kind;
}

}  // namespace luthier

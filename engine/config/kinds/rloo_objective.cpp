// SPDX-License-Identifier: GPL-3.0-or-later
// REINFORCE with the other samples as its baseline (Ahmadian et al. 2024): settings under the names
// and defaults of TRL's RLOOConfig.
#include "engine/config/kinds.h"
#include "engine/config/kinds/reference_rows.h"
#include "engine/config/kinds/router_rows.h"
#include "engine/config/kinds/sampled_rows.h"

namespace luthier {

namespace {

Status check_rloo(const Recipe& recipe) {
  LUTHIER_CHECK(rows::check_sampled(recipe, "rloo"));
  const std::vector<std::string> range = recipe.more.names("rloo.reward_clip_range");
  if (range.empty()) return {};
  const auto number = [](const std::string& text) -> std::optional<double> {
    std::size_t read = 0;
    try {
      const double value = std::stod(text, &read);
      if (read == text.size()) return value;
    } catch (const std::exception&) {}
    return std::nullopt;
  };
  const auto low = number(range.front()), high = number(range.back());
  if (range.size() != 2 || !low || !high || *low > *high)
    return cross_fault("rloo.reward_clip_range", "is no range of two numbers.",
                       "Give the least and the largest reward, such as [-1, 1], or null.");
  return {};
}

}  // namespace

ObjectiveKind rloo_objective_kind() {
  using namespace rows;
  ObjectiveKind kind{
      {"rloo",
       "REINFORCE leave-one-out: each sample of a prompt against the mean of the others, by their "
       "rewards.",
       later_fields_of({
           ref_model(),
           num_generations("rloo.num_generations", 2),
           max_completion_length("rloo.max_completion_length"),
           sampling_temperature("rloo.temperature"),
           sampling_top_p("rloo.top_p"),
           sampling_top_k("rloo.top_k"),
           reward_funcs("rloo.reward_funcs"),
           reward_weights("rloo.reward_weights"),
           rollouts("rloo.rollouts"),
           kind_number("rloo.beta", "Beta",
                       "How much a sample's distance from the reference is taken off its reward; "
                       "0: there is none.",
                       0.05)
               .at_least(0),
           clip_epsilon("rloo.epsilon"),
           clip_epsilon_high("rloo.epsilon_high"),
           kind_boolean("rloo.normalize_advantages", "Normalize",
                        "The advantages of a generation are brought to mean 0 and deviation 1.",
                        false),
           kind_names("rloo.reward_clip_range", "Range of rewards",
                      "The least and the largest reward that counts; empty: all do.")
               .numbers()
               .advanced(),
           num_iterations("rloo.num_iterations"),
           steps_per_generation("rloo.steps_per_generation"),
           mask_truncated("rloo.mask_truncated_completions"),
           router_loss("rloo.router_aux_loss_coef"),
       }),
       {},
       {{"training.per_device_train_batch_size", 8}},
       check_rloo}};
  kind.row_kind = "prompts";
  kind.learning_rate = 1e-6;
  return kind;
}

}  // namespace luthier

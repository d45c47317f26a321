// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/config/kinds/sampled_rows.h"

#include "engine/config/kinds.h"
#include "engine/config/number_texts.h"

namespace luthier::rows {

Status check_sampled(const Recipe& recipe, const std::string& section) {
  const KindValues& values = recipe.more;
  const std::vector<std::string> rewards = values.names(section + ".reward_funcs"),
                                 weights = values.names(section + ".reward_weights");
  const std::string rewards_key = section + ".reward_funcs",
                    weights_key = section + ".reward_weights";
  if (values.text(section + ".rollouts").empty() && rewards.empty())
    return cross_fault(rewards_key.c_str(), "names nothing that judges samples.",
                       "Name a reward, such as exact_match, or a file of judged samples as " +
                           section + ".rollouts.");
  if (!weights.empty() && !rewards.empty() && weights.size() != rewards.size())
    return cross_fault(
        weights_key.c_str(),
        "must have as many weights as there are rewards: " + std::to_string(rewards.size()) +
            ", not " + std::to_string(weights.size()) + ".",
        "Give one weight a reward, or null.");
  return check_number_texts(weights_key, weights);
}

}  // namespace luthier::rows

// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/compare/reward_scores.h"

#include <algorithm>

#include "engine/objectives/reward_model.h"

namespace luthier {

Status score_by_reward(Comparison& comparison, RewardModel& model,
                       const std::function<bool(std::size_t, std::size_t)>& progress) {
  std::vector<AnswerToScore> asked;
  std::vector<ComparisonAnswer*> of;
  for (ComparisonRow& row : comparison.rows) {
    Conversation prompt = row.sample.conversation;
    if (row.sample.expected()) prompt.messages.pop_back();
    for (ComparisonAnswer& answer : row.answers) {
      if (!answer.whole()) continue;
      asked.push_back(
          {prompt, {Message{"assistant", {ContentPart::of_text(answer.text)}}}, row.sample.where});
      of.push_back(&answer);
    }
  }
  LUTHIER_TRY(const auto scores, model.score(asked, progress));
  for (std::size_t i = 0; i < of.size(); ++i)
    if (!scores[i].empty())
      of[i]->scores[kRewardScore] = *std::min_element(scores[i].begin(), scores[i].end());
  count_wins(comparison);
  return {};
}

}  // namespace luthier

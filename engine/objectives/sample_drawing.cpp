// SPDX-License-Identifier: GPL-3.0-or-later
// Samples that are drawn in the run: the policy answers, and what judges answers is asked about
// them.
#include <limits>

#include "engine/io/probe.h"
#include "engine/objectives/drawn_answers.h"
#include "engine/objectives/reward_model.h"
#include "engine/objectives/sampled.h"

namespace luthier {

Status Sampled::draw(Policy& policy, Generation& generation) {
  GenerationOptions options;
  options.max_new_tokens = longest_;
  options.temperature = temperature_;
  options.top_p = top_p_;
  options.top_k = top_k_;
  options.seed = generation.seed;
  LUTHIER_TRY(const std::vector<std::string> texts,
              draw_samples(policy.base(), generation, plan_.samples, options));
  return judge(policy.base(), generation, texts);
}

/// A reward model stands beside the one in training, over a base of its own.
Result<std::unique_ptr<RewardFunction>> Sampled::function_of(const std::string& name,
                                                             const LoadedModel& base) const {
  if (auto built_in = make_built_in_reward(name)) return built_in;
  if (!is_folder(name)) return no_such_reward(name, section_ + ".reward_funcs");
  LoadOptions options;
  options.device = base.model->device().str();
  LUTHIER_TRY(auto model, RewardModel::open(base.folder, name, options));
  return std::unique_ptr<RewardFunction>(std::move(model));
}

Status Sampled::judge(const LoadedModel& base, Generation& generation,
                      const std::vector<std::string>& texts) {
  if (functions_.empty())
    for (const std::string& name : reward_funcs_) {
      LUTHIER_TRY(auto function, function_of(name, base));
      functions_.push_back(std::move(function));
    }
  std::vector<AnsweredRow> answers;
  auto text = texts.begin();
  for (const EncodedRow& row : generation.rows.encoded)
    for (std::size_t i = 0; i < row.samples.size(); ++i)
      answers.push_back(
          {*text++, &row.written->row, &row.written->conversation, row.written->where});
  for (const std::unique_ptr<RewardFunction>& function : functions_) {
    LUTHIER_TRY(const std::vector<Reward> rewards, function->rewards(answers));
    auto reward = rewards.begin();
    for (EncodedRow& row : generation.rows.encoded) {
      row.reward_names.push_back(function->name());
      for (RowSample& sample : row.samples)
        sample.rewards.push_back((*reward++).value_or(std::numeric_limits<double>::quiet_NaN()));
    }
  }
  return {};
}

}  // namespace luthier

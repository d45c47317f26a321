// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/objectives/judges.h"

#include <limits>

#include "engine/io/probe.h"
#include "engine/objectives/reward_model.h"

namespace luthier {

std::vector<std::string> judging_folder(const std::string& named) {
  if (named.empty()) return {};
  return {std::filesystem::absolute(named).string()};
}

Status Judges::check() const {
  for (const std::string& name : names_) {
    if (make_built_in_reward(name)) continue;
    if (!is_folder(name)) return no_such_reward(name, field_);
    if (const auto numbers = reward_numbers(name); !numbers) {
      Error refused = numbers.error();
      refused.where = field_ + ": " + refused.where;
      return refused;
    }
  }
  return {};
}

std::vector<std::string> Judges::folders() const {
  std::vector<std::string> found;
  for (const std::string& name : names_)
    if (!make_built_in_reward(name)) found.push_back(name);
  return found;
}

Result<std::unique_ptr<RewardFunction>> Judges::function_of(const std::string& name,
                                                            const LoadedModel& base) const {
  if (auto built_in = make_built_in_reward(name)) return built_in;
  if (!is_folder(name)) return no_such_reward(name, field_);
  LoadOptions options;
  options.device = base.model->device().str();
  LUTHIER_TRY(auto model, RewardModel::open(base.folder, name, options));
  return std::unique_ptr<RewardFunction>(std::move(model));
}

Status Judges::open(const LoadedModel& base) {
  if (!functions_.empty()) return {};
  std::vector<std::unique_ptr<RewardFunction>> opened;
  for (const std::string& name : names_) {
    auto function = function_of(name, base);
    if (!function) {
      Error refused = function.error();
      if (!refused.where.starts_with(field_)) refused.where = field_ + ": " + refused.where;
      return refused;
    }
    opened.push_back(function.take());
  }
  functions_ = std::move(opened);
  return {};
}

Status Judges::judge(const LoadedModel& base, Generation& generation,
                     const std::vector<std::string>& texts) {
  LUTHIER_CHECK(open(base));
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

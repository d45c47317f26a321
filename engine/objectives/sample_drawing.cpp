// SPDX-License-Identifier: GPL-3.0-or-later
// Samples that are drawn in the run: the policy answers, a prompt's answers share what was made of
// it, and every draw goes by its place (the generation's seed, the sample, the token), so that a
// resume draws the same.
#include <limits>
#include <numeric>

#include "engine/generate/generate.h"
#include "engine/objectives/sampled.h"

namespace luthier {

Status Sampled::draw(Policy& policy, Generation& generation) {
  const LoadedModel& base = policy.base();
  GenerationOptions options;
  options.max_new_tokens = longest_;
  options.temperature = temperature_;
  options.top_p = top_p_;
  options.top_k = top_k_;
  options.seed = generation.seed;
  options.alternatives = 0;
  // A picture's place in an answer would be one without a picture.
  const auto vocabulary = policy.model().head()->out_features();
  for (TokenId id = 0; id < vocabulary; ++id)
    if (base.processor->shows(id)) options.barred.push_back(id);
  std::vector<Example> prompts;
  for (const EncodedRow& row : generation.rows.encoded) prompts.push_back(row.sequences.front());
  std::vector<std::uint64_t> draws(prompts.size() * static_cast<std::size_t>(plan_.samples));
  std::iota(draws.begin(), draws.end(), std::uint64_t{0});
  const auto go_on = [&](std::size_t, const Generated&) {
    return !generation.go_on || generation.go_on();
  };
  LUTHIER_TRY(const std::vector<Generated> answers,
              generate_groups(base, prompts, static_cast<std::size_t>(plan_.samples), options,
                              go_on, draws));
  std::vector<std::string> texts;
  auto answer = answers.begin();
  for (EncodedRow& row : generation.rows.encoded) {
    Example prompt = std::move(row.sequences.front());
    row.sequences.clear();
    for (std::int64_t i = 0; i < plan_.samples; ++i, ++answer) {
      if (answer->finish == "cancelled") return interrupted_error();
      RowSample sample;
      for (const AnswerToken& token : answer->tokens)
        sample.ids.push_back(static_cast<TokenId>(token.id));
      row.sequences.push_back(answered(prompt, sample.ids));
      row.samples.push_back(std::move(sample));
      texts.push_back(answer->text);
    }
    row.sequences.front().images = std::move(prompt.images);
  }
  generation.drawn = true;
  return judge(generation, texts);
}

Status Sampled::judge(Generation& generation, const std::vector<std::string>& texts) {
  if (functions_.empty())
    for (const std::string& name : reward_funcs_) {
      functions_.push_back(make_built_in_reward(name));
      if (!functions_.back()) return no_such_reward(name, section_ + ".reward_funcs");
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

// SPDX-License-Identifier: GPL-3.0-or-later
// Rows with a prompt and several answers to it that were drawn and judged before: the answers'
// tokens, their rewards, and how likely the model that drew them found each token.
#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/data/prompt_rows.h"

namespace luthier {

namespace {

constexpr const char* kIds = "completion_ids";
constexpr const char* kRewards = "rewards";
constexpr const char *kOldLogps = "old_per_token_logps", *kOldValues = "old_values";
/// The role of a message that is one of the answers: no template writes it, `extra` has what the
/// row says of it.
constexpr const char* kSample = "sample";

struct RolloutFault {
  const std::string& where;
  RowFault* fault;
  Error operator()(std::string what, const std::string& field, std::string hint = {}) const {
    if (fault) *fault = RowFault::BadRow;
    return input_error(std::move(what), where + ": " + field, std::move(hint));
  }
};

std::string placed(const char* field, std::size_t at) {
  return std::string(field) + "[" + std::to_string(at) + "]";
}

Status check_ids(const Json& ids, const std::string& field, const RolloutFault& refused) {
  if (!ids.is_array() || ids.empty())
    return refused("A sample must be a list of at least one token's id.", field);
  for (const Json& id : ids)
    if (!id.is_number_integer() || id < 0 || id > std::numeric_limits<std::int32_t>::max())
      return refused("A token's id must be a whole number from 0 on.", field);
  return {};
}

/// The rewards of `count` samples under one name.
Status take_rewards(const Json& values, const std::string& name, const std::string& field,
                    std::vector<Json>& samples, const RolloutFault& refused) {
  if (!values.is_array() || values.size() != samples.size())
    return refused(
        "There must be a reward for each sample, " + std::to_string(samples.size()) + " in all.",
        field);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const bool number = values[i].is_number() && std::isfinite(values[i].get<double>());
    if (!number && !values[i].is_null())
      return refused("A reward must be a number, or null where there is none.",
                     field + "[" + std::to_string(i) + "]");
    samples[i][kRewards][name] = values[i];
  }
  return {};
}

/// Of each sample a list of numbers, one a token and so many `more`, or null.
struct OldNumbers {
  const char* field;
  std::size_t more;
  const char *no_lists, *no_numbers;  ///< what is said of others
};
constexpr OldNumbers kLogps{kOldLogps, 0,
                            "There must be one list of log-probabilities for each sample.",
                            "There must be one log-probability for each token of the sample."};
constexpr OldNumbers kValues{kOldValues, 1, "There must be one list of values for each sample.",
                             "There must be one value for each token of the sample and one behind "
                             "the last."};

Status take_old(const Json& row, const OldNumbers& old, std::vector<Json>& samples,
                const RolloutFault& refused) {
  const Json values = row.value(old.field, Json());
  if (values.is_null()) return {};
  if (!values.is_array() || values.size() != samples.size())
    return refused(old.no_lists, old.field);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i].is_null()) continue;
    const bool fits = values[i].is_array() &&
                      values[i].size() == samples[i][kIds].size() + old.more &&
                      std::all_of(values[i].begin(), values[i].end(), [](const Json& each) {
                        return each.is_number() && std::isfinite(each.get<double>());
                      });
    if (!fits) return refused(old.no_numbers, placed(old.field, i));
    samples[i][old.field] = values[i];
  }
  return {};
}

Result<std::vector<Json>> read_samples(const Json& row, const RolloutFault& refused) {
  if (!row.contains(kIds) || row[kIds].is_null())
    return refused("The row has no samples.", kIds,
                   "Give the tokens of each: [[1, 2], [1, 3]]; or leave rollouts out, and they are "
                   "drawn.");
  const Json& all = row[kIds];
  if (!all.is_array() || all.empty())
    return refused("This must be a list of samples, each a list of tokens' ids.", kIds);
  std::vector<Json> samples;
  for (std::size_t i = 0; i < all.size(); ++i) {
    LUTHIER_CHECK(check_ids(all[i], placed(kIds, i), refused));
    samples.push_back({{kIds, all[i]}, {kRewards, Json::object()}});
  }
  // Who learns from rewards asks for them.
  const Json rewards = row.value(kRewards, Json());
  if (rewards.is_object() && !rewards.empty()) {
    for (const auto& [name, values] : rewards.items())
      LUTHIER_CHECK(
          take_rewards(values, name, std::string(kRewards) + "." + name, samples, refused));
  } else if (!rewards.is_null() && !rewards.is_object()) {
    LUTHIER_CHECK(take_rewards(rewards, "reward", kRewards, samples, refused));
  }
  for (const OldNumbers& old : {kLogps, kValues})
    LUTHIER_CHECK(take_old(row, old, samples, refused));
  return samples;
}

RowSample sample_of(const Json& said) {
  RowSample sample;
  for (const Json& id : said[kIds]) sample.ids.push_back(id.get<TokenId>());
  for (const auto& [name, value] : said[kRewards].items())
    sample.rewards.push_back(value.is_null() ? std::numeric_limits<double>::quiet_NaN()
                                             : value.get<double>());
  if (said.contains(kOldLogps)) sample.old_log_probs = said[kOldLogps].get<std::vector<float>>();
  if (said.contains(kOldValues)) sample.old_values = said[kOldValues].get<std::vector<float>>();
  return sample;
}

class RolloutRows : public RowKind {
 public:
  const char* name() const override { return "rollouts"; }
  bool carries_written() const override { return true; }
  bool recognises(const Json& row) const override {
    return row.contains(kIds) && !row[kIds].is_null();
  }

  Result<Conversation> read(const Json& row, const std::filesystem::path& base,
                            const std::string& where, RowFault* fault) const override {
    if (!row.is_object()) return read_conversation(row, base, where, fault);
    LUTHIER_TRY(const std::vector<Json> samples, read_samples(row, RolloutFault{where, fault}));
    LUTHIER_TRY(Conversation asked, detail::read_prompt(row, base, where, fault));
    asked.answer.emplace();
    for (const Json& sample : samples) asked.answer->push_back({kSample, {}, sample});
    return asked;
  }

  Result<EncodedRow> encode(const Conversation& row, const ChatProcessor& processor,
                            const RowEncoding& how, const std::string& where,
                            RowFault* fault) const override {
    const RolloutFault refused{where, fault};
    if (!row.answer || row.answer->empty() || row.answer->front().role != kSample)
      return refused("The row has no samples.", kIds);
    EncodedRow encoded;
    encoded.shares_pictures = true;
    LUTHIER_TRY(Example prompt, detail::encode_prompt(row, processor, how, where, fault));
    const auto asked = std::find_if(prompt.labels.begin(), prompt.labels.end(),
                                    [](std::int64_t label) { return label != kIgnoreLabel; }) -
                       prompt.labels.begin();
    prompt.input_ids.resize(static_cast<std::size_t>(asked));
    prompt.labels.resize(static_cast<std::size_t>(asked));
    for (const auto& [name, value] : row.answer->front().extra[kRewards].items())
      encoded.reward_names.push_back(name);
    for (std::size_t i = 0; i < row.answer->size(); ++i) {
      RowSample sample = sample_of((*row.answer)[i].extra);
      for (const TokenId id : sample.ids)
        if (processor.shows(id))
          return refused(
              "A sample holds the token " + std::to_string(id) + ", which stands for a picture.",
              placed(kIds, i));
      encoded.sequences.push_back(answered(prompt, sample.ids));
      encoded.samples.push_back(std::move(sample));
    }
    encoded.sequences.front().images = std::move(prompt.images);
    return encoded;
  }
};

}  // namespace

Example answered(const Example& prompt, const std::vector<TokenId>& answer) {
  Example example;
  example.input_ids = prompt.input_ids;
  example.labels = prompt.labels;
  example.prompt_tokens = prompt.prompt_tokens;
  example.input_ids.insert(example.input_ids.end(), answer.begin(), answer.end());
  example.labels.insert(example.labels.end(), answer.begin(), answer.end());
  return example;
}

const RowKind& rollout_rows() {
  static const RolloutRows kind;
  return kind;
}

}  // namespace luthier

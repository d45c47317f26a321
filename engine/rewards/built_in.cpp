// SPDX-License-Identifier: GPL-3.0-or-later
// The table, what its functions have in common, and where the expected answer of a row stands.
#include "engine/rewards/built_in.h"

#include <cmath>
#include <utility>

#include "engine/rewards/program_reward.h"

namespace luthier {

namespace {

class BuiltInFunction : public RewardFunction {
 public:
  explicit BuiltInFunction(const BuiltInReward& row) : name_(row.name), reward_(row.reward) {}

  const std::string& name() const override { return name_; }
  Result<std::vector<Reward>> rewards(const std::vector<AnsweredRow>& answers) override {
    std::vector<Reward> rewards;
    rewards.reserve(answers.size());
    for (const AnsweredRow& each : answers) {
      LUTHIER_TRY(const Reward reward, reward_(each));
      rewards.push_back(reward);
    }
    return rewards;
  }

 private:
  const std::string name_;
  Result<Reward> (*const reward_)(const AnsweredRow&);
};

/// The texts of a value that is a text or a list of nothing but texts.
std::vector<std::string> texts_in(const Json& value) {
  if (value.is_string()) return {value.get<std::string>()};
  std::vector<std::string> texts;
  if (!value.is_array()) return texts;
  for (const Json& each : value) {
    if (!each.is_string()) return {};
    texts.push_back(each.get<std::string>());
  }
  return texts;
}

/// A field's text; empty where it is none.
std::string word_of(const Json& turn, const char* key) {
  return turn.contains(key) && turn[key].is_string() ? turn[key].get<std::string>() : std::string();
}

/// The text of a message's content: a text, or the text parts of a list.
std::string said_in(const Json& content) {
  if (content.is_string()) return content.get<std::string>();
  std::string text;
  if (content.is_array())
    for (const Json& part : content)
      if (part.is_object()) text += word_of(part, "text");
  return text;
}

}  // namespace

std::vector<std::string> expected_answers(const Json& row) {
  if (!row.is_object()) return {};
  for (const char* key :
       {"solution", "ground_truth", "answer", "completion", "output", "response"}) {
    if (!row.contains(key)) continue;
    std::vector<std::string> texts = texts_in(row[key]);
    if (!texts.empty()) return texts;
  }
  for (const char* key : {"messages", "conversations"}) {
    if (!row.contains(key) || !row[key].is_array() || row[key].empty()) continue;
    const Json& last = row[key].back();
    if (!last.is_object()) continue;
    if (word_of(last, "role") == "assistant" && last.contains("content"))
      return {said_in(last["content"])};
    if (word_of(last, "from") == "gpt") return {word_of(last, "value")};
  }
  return {};
}

namespace detail {

const Json* column(const AnsweredRow& answer, const char* name) {
  const Json* row = answer.row;
  if (!row || !row->is_object() || !row->contains(name) || (*row)[name].is_null()) return nullptr;
  return &(*row)[name];
}

Error bad_column(const AnsweredRow& answer, const char* name, std::string what, std::string hint) {
  return input_error(std::move(what), answer.where + ": " + name, std::move(hint));
}

Result<std::vector<std::string>> texts_of(const AnsweredRow& answer, const char* name) {
  const Json* value = column(answer, name);
  if (!value) return std::vector<std::string>();
  std::vector<std::string> texts = texts_in(*value);
  if (texts.empty())
    return bad_column(answer, name, "The column must hold a text or a list of texts.");
  return texts;
}

}  // namespace detail

const std::vector<BuiltInReward>& built_in_rewards() {
  static const std::vector<BuiltInReward> table{
      {"exact_match",
       "1 if the answer is the expected one, white space at both ends left out, else 0.",
       detail::exact_match_reward},
      {"contains",
       "The share of the texts in the row's contains (else 1 or 0 for any expected answer) that "
       "stand in the answer.",
       detail::contains_reward},
      {"regex",
       "1 if the row's pattern (a regular expression as Python's) is found in the answer, "
       "else 0.",
       detail::regex_reward},
      {"json_valid", "1 if the answer is a JSON object or list and nothing else, else 0.",
       detail::json_valid_reward},
      {"length",
       "1 - |n - t| / t of the answer's n characters and the row's target_length t, 0 at least.",
       detail::length_reward},
      {"word_overlap",
       "F1 of the words that the answer and the expected one have in common (SQuAD's).",
       detail::word_overlap_reward},
      {"box_overlap",
       "Intersection over union of the boxes in the answer and in the row's boxes or bbox, summed "
       "over pairs and divided by the larger number of boxes.",
       detail::box_overlap_reward}};
  return table;
}

std::unique_ptr<RewardFunction> make_built_in_reward(std::string_view name) {
  for (const BuiltInReward& row : built_in_rewards())
    if (name == row.name) return std::make_unique<BuiltInFunction>(row);
  if (name == kProgramReward) return named_reward_program();
  return nullptr;
}

Error no_such_reward(const std::string& name, const std::string& where) {
  std::string known;
  for (const BuiltInReward& row : built_in_rewards())
    known += (known.empty() ? "" : ", ") + std::string(row.name);
  if (name == kProgramReward)
    return input_error("No program for rewards is named.", where,
                       "Name it where the run is started: in the window beside the rewards, or by "
                       "--reward-program PATH. A recipe cannot.");
  return input_error("There is no reward function '" + name + "'.", where,
                     "Name one of " + known + ", or the folder of a reward model.");
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// A reward or process reward model that a run has left, asked what answers are worth. It stands in
// memory by itself, and is also a reward function, under its folder's name.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "engine/methods/adapter.h"
#include "engine/models/loaded_model.h"
#include "engine/rewards/reward_function.h"

namespace luthier {

/// A question and one answer to it.
struct AnswerToScore {
  Conversation prompt;          ///< its messages without the answer
  std::vector<Message> answer;  ///< one message, or for a process reward model a message a step
  std::string where;            ///< "rows.jsonl: row 3"
};
/// The answers of a row: one where it ends in one or has steps; chosen and rejected of a pair.
/// An Input error where it has none.
Result<std::vector<AnswerToScore>> answers_in(const Conversation& row, const std::string& where);

/// How many numbers the reward model in this folder gives of an answer, before anything is loaded:
/// 1, or of a process reward model 2. An Input error naming the folder: it is none.
Result<std::int64_t> reward_numbers(const std::filesystem::path& folder);
/// Fine where the folder holds one that judges whole answers; else an Input error that names the
/// recipe's setting.
Status check_judge(const std::filesystem::path& folder, const std::string& field);

class RewardModel : public RewardFunction {
 public:
  /// `folder`: an adapter with a head, which is put on the model in `base`, or a whole checkpoint
  /// with one (`base` is then not read). Input errors: what has no head.
  static Result<std::unique_ptr<RewardModel>> open(const std::filesystem::path& base,
                                                   const std::filesystem::path& folder,
                                                   const LoadOptions& options);

  /// It looks at so many answers together.
  static constexpr std::size_t kAnswersAtOnce = 8;

  /// Whether it says of each step whether it is right, and not what the whole is worth.
  bool of_steps() const { return numbers_ > 1; }
  /// What stands behind a step of an answer that is one text, and of those that are several.
  void set_step_separator(std::string separator) { separator_ = std::move(separator); }

  /// Of each answer its reward; of a process reward model the probability that a step is right, for
  /// each of its steps. Some at a time, so that memory holds the pixels of few. `go_on` is asked
  /// between them: false ends it (Interrupted).
  Result<std::vector<std::vector<double>>> score(
      const std::vector<AnswerToScore>& answers,
      const std::function<bool(std::size_t done, std::size_t total)>& go_on = {});

  const std::string& name() const override { return name_; }
  /// The reward; of steps that of the worst one.
  Result<std::vector<Reward>> rewards(const std::vector<AnsweredRow>& answers) override;

 private:
  RewardModel() = default;

  LoadedModel base_;
  std::shared_ptr<Adapter> adapter_;  ///< null: a whole checkpoint
  std::shared_ptr<const ChatProcessor> processor_;
  std::int64_t numbers_ = 1;
  std::string name_, separator_ = "\n";
};

}  // namespace luthier

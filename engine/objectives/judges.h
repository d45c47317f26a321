// SPDX-License-Identifier: GPL-3.0-or-later
// Who says what drawn answers are worth: reward functions that are built in, the person's own
// program, and reward models, by the names that a recipe's setting gives them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/batches/generation.h"
#include "engine/models/loaded_model.h"
#include "engine/rewards/reward_function.h"

namespace luthier {

/// The judges of a setting that names one reward model's folder; none where it is empty. Written in
/// full, so that a folder is never taken for a built-in function of its name.
std::vector<std::string> judging_folder(const std::string& named);

class Judges {
 public:
  /// `field`: the recipe's setting that names them.
  Judges(std::vector<std::string> names, std::string field)
      : names_(std::move(names)), field_(std::move(field)) {}

  /// An Input error naming the setting: what is neither a function nor the folder of a reward
  /// model, by the folder's files alone.
  Status check() const;
  /// Loads the reward models among them, where that was not done: each over a base of its own,
  /// which is `base`'s folder, on `base`'s device. An Input error names the setting.
  Status open(const LoadedModel& base);
  /// The folders of reward models among them.
  std::vector<std::string> folders() const;
  /// Gives every sample its rewards, one from each of them, NaN where one has none to give.
  /// `texts`: of the samples, row by row. Opens what is not open.
  Status judge(const LoadedModel& base, Generation& generation,
               const std::vector<std::string>& texts);

 private:
  Result<std::unique_ptr<RewardFunction>> function_of(const std::string& name,
                                                      const LoadedModel& base) const;

  const std::vector<std::string> names_;
  const std::string field_;
  std::vector<std::unique_ptr<RewardFunction>> functions_;  ///< empty: they are not open
};

}  // namespace luthier

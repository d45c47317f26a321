// SPDX-License-Identifier: GPL-3.0-or-later
// A second model that learns beside the policy, with trained tensors of its own: PPO's value model.
// An objective says which one it wants, who prepares a run loads it, has its tensors join what
// trains, and keeps it in checkpoints and in the result (train/companion).
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "engine/objectives/policy.h"

namespace luthier {

/// What an objective asks for.
struct CompanionPlan {
  std::string name;       ///< of its folder in results and checkpoints, and of its tensors in the
                          ///< optimizer ("value_model."); empty: it wants none
  std::string folder;     ///< where it starts, as a run with objective: reward leaves it
  std::string field;      ///< the recipe's setting that names that
  std::string gradients;  ///< before the names of its gradients in the `loss` verb ("value_grad.")

  explicit operator bool() const { return !name.empty(); }
  std::string prefix() const { return name + "."; }
};

/// What trains in it goes by its folder, whatever the policy's method: of an adapter on the run's
/// base the adapter and its head, of a whole checkpoint all that has a part in its scores.
struct CompanionStart {
  bool adapter = false;
  std::filesystem::path base;  ///< the checkpoint that is loaded
  Recipe recipe;               ///< the run's, as a run that trained it alone would have it
};
/// An Input error names the setting where the folder is neither.
Result<CompanionStart> companion_start(const CompanionPlan& plan, const Recipe& recipe);

struct Companion {
  CompanionPlan plan;
  LoadedModel base;
  std::shared_ptr<Adapter> adapter;  ///< that trains on it, active; null: it trains whole
  std::unique_ptr<Policy> policy;    ///< over both: it makes the batches that this model takes

  Model& model() { return *base.model; }
};

}  // namespace luthier

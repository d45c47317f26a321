// SPDX-License-Identifier: GPL-3.0-or-later
// A recipe as a folder that another program goes on with: a script for TRL over accelerate, the
// rows in TRL's form and in this run's order, the adapter that the run would start with, and what a
// cluster needs to start it. No LibTorch header.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/config/recipe.h"

namespace luthier {

/// What the sbatch file asks for, and how accelerate lays the model over the cards.
struct ClusterSettings {
  std::int64_t nodes = 1, gpus_per_node = 1;
  std::string time = "24:00:00";  ///< as sbatch takes it
  std::string partition = {};     ///< empty: the cluster's own
  std::string sharding = "ddp";   ///< one of shardings()

  std::int64_t ranks() const { return nodes * gpus_per_node; }
};

/// ddp: each card holds all; fsdp, zero2, zero3: shares of it.
const std::vector<std::string>& shardings();

struct HandOverRequest {
  Recipe recipe;
  std::filesystem::path out;  ///< new or empty
  ClusterSettings cluster;
  /// What is being done and how far; false ends it (Interrupted).
  std::function<bool(const std::string& what, double share)> go_on = {};
};

struct HandedOver {
  std::vector<std::string> files;  ///< of the folder, the script first
  std::vector<std::string> notes;  ///< what the script does otherwise than the run
};

/// Writes the folder whole or not at all. Input errors: a recipe that cannot run, a setting without
/// which it would be another run there, an objective, a method or rows that TRL does not take.
Result<HandedOver> hand_over(const HandOverRequest& request);

/// The recipe of a file, or the one that a run's folder was started with.
Result<Recipe> recipe_to_hand_over(const std::filesystem::path& path,
                                   const std::vector<std::string>& overrides);

}  // namespace luthier

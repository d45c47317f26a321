// SPDX-License-Identifier: GPL-3.0-or-later
// What starts the script elsewhere: accelerate's configurations, a batch file for Slurm, and the
// versions of the libraries that it was held against.
#pragma once

#include <string>
#include <vector>

#include "engine/config/recipe.h"
#include "engine/handover/script.h"

namespace luthier::handover {

/// An Input error names the option that cannot be, or ranks that a step's batches cannot be shared
/// by.
Status check_cluster(const ClusterSettings& cluster, const Recipe& recipe);

struct NamedText {
  std::string name, text;
};
/// accelerate/ddp.yaml and so on, without those that a packed base does not go with.
std::vector<NamedText> accelerate_files(const Recipe& recipe, const ClusterSettings& cluster);
std::string sbatch_text(const Recipe& recipe, const ClusterSettings& cluster);
std::string requirements_text(const Recipe& recipe, const ScriptFacts& facts);

}  // namespace luthier::handover

// SPDX-License-Identifier: GPL-3.0-or-later
// Where a run came from: a fork says in its run.json which run's checkpoint it began with, and the
// runs of a list are a tree by that.
//   "forked_from": {"run": "/runs/first", "started": "2026-…", "step": 120, "optimizer": "carried"}
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/io/json.h"
#include "engine/runs/run_folder.h"

namespace luthier {

struct RunParent {
  std::filesystem::path run;
  std::string started;  ///< when the parent began: knows it again under another name
  std::int64_t step = 0;
  bool carried = true;  ///< with the optimizer's state; else the weights alone, from step 0
  bool operator==(const RunParent&) const = default;
};

Json to_json(const RunParent& parent);
/// Nothing where the run is no fork, or its run.json cannot be read.
std::optional<RunParent> read_run_parent(const std::filesystem::path& run);
/// Puts what the run.json in `run` says of a parent into the one that is to replace it.
Status keep_parent(const std::filesystem::path& run, Json& json);

/// Of a list of runs as it is to be shown as a tree: parents before their children, which keep the
/// list's order among themselves.
struct TreePlace {
  std::size_t run = 0;  ///< its place in the list
  int depth = 0;
};
std::vector<TreePlace> run_tree(const std::vector<RunSummary>& runs,
                                const std::vector<std::optional<RunParent>>& parents);

}  // namespace luthier

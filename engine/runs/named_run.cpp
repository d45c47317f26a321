// SPDX-License-Identifier: GPL-3.0-or-later
// A folder that a person names to be resumed. A mistyped one must not become a new run, so what
// stands there is looked at first, and a refusal says what it is and which run was probably meant.
#include "engine/runs/named_run.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "engine/config/nearest_name.h"
#include "engine/io/probe.h"
#include "engine/runs/run_lock.h"
#include "engine/runs/stage_folder.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMostLookedAt = 2000;  // folders, when runs are looked for
constexpr std::size_t kMostNamed = 3;

/// A recipe.yaml alone may be anybody's, and so may a lock.
bool is_run(const fs::path& folder) {
  if (is_there(folder / "run.json")) return true;
  return is_there(folder / "recipe.yaml") &&
         (is_there(folder / kRunLockName) || is_there(folder / "checkpoints"));
}

/// Absolute, without links and "..", without a slash at the end; what is not there stays as it is
/// written.
fs::path settled(const fs::path& path) {
  std::error_code problem;
  fs::path whole = fs::weakly_canonical(fs::absolute(path, problem), problem);
  if (problem) whole = path.lexically_normal();
  return whole.has_filename() ? whole : whole.parent_path();
}

std::vector<fs::path> folders_in(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code problem;
  fs::directory_iterator walk(folder, problem);
  for (const fs::directory_iterator end; !problem && walk != end && found.size() < kMostLookedAt;
       walk.increment(problem)) {
    if (is_folder(walk->path())) found.push_back(walk->path());
  }
  return found;
}

std::vector<fs::path> runs_in(const fs::path& folder) {
  std::vector<fs::path> runs = folders_in(folder);
  std::erase_if(runs, [](const fs::path& each) { return !is_run(each); });
  std::sort(runs.begin(), runs.end());
  return runs;
}

/// The runs nearest to a path by its letters, of those around it and around the recipe's own
/// folder.
std::vector<fs::path> nearest_runs(const fs::path& named, const fs::path& output_dir) {
  std::vector<fs::path> runs;
  const auto gather = [&](fs::path folder) {
    while (!is_folder(folder) && folder.has_relative_path()) folder = folder.parent_path();
    for (const fs::path& run : runs_in(folder)) runs.push_back(run);
    if (!folder.has_relative_path()) return;  // not through all of a file system
    std::size_t looked_at = 0;
    for (const fs::path& below : folders_in(folder)) {
      if (is_run(below) || ++looked_at > kMostLookedAt / 10) continue;
      for (const fs::path& run : runs_in(below)) runs.push_back(run);
    }
  };
  gather(named.parent_path());
  if (!output_dir.empty()) gather(output_dir.parent_path());
  std::sort(runs.begin(), runs.end());
  runs.erase(std::unique(runs.begin(), runs.end()), runs.end());
  std::erase(runs, named);
  const auto distance = [&](const fs::path& run) {
    return edit_distance(run.string(), named.string());
  };
  std::stable_sort(runs.begin(), runs.end(), [&](const fs::path& left, const fs::path& right) {
    return distance(left) < distance(right);
  });
  if (runs.size() > kMostNamed) runs.resize(kMostNamed);
  return runs;
}

std::string listed(const std::vector<fs::path>& runs) {
  std::string text;
  for (std::size_t i = 0; i < runs.size() && i < kMostNamed; ++i) {
    text += (i ? ", " : "") + runs[i].string();
  }
  if (runs.size() > kMostNamed)
    text += " and " + std::to_string(runs.size() - kMostNamed) + " more";
  return text;
}

/// The run that a path lies in, if it lies in one: checkpoints/step-000100/adapter is three deep.
std::optional<fs::path> run_around(fs::path path) {
  for (int up = 0; up < 4 && path.has_relative_path(); ++up) {
    path = path.parent_path();
    if (is_run(path)) return path;
  }
  return std::nullopt;
}

}  // namespace

Status check_named_run(const fs::path& run, const fs::path& output_dir) {
  if (is_stage_folder(run))
    return input_error("This is a run of stages, and the recipe has none.", run.string(),
                       "Resume it with its own recipe.yaml.");
  if (is_run(run)) return {};
  const fs::path named = settled(run), own = output_dir.empty() ? fs::path() : settled(output_dir);
  const bool exists = is_there(named);
  if (named == own && (!exists || is_folder(named)))
    return {};  // to start there, or for RunFolder to refuse

  const std::string where = run.string();
  const auto refuse = [&](const std::string& what, const std::string& hint) {
    return input_error(what, where, hint);
  };
  if (const auto around = run_around(named)) {
    return refuse(exists ? "This is a part of a run, not the run's own folder."
                         : "There is no such run to resume.",
                  "The run is " + around->string() + ".");
  }
  const std::vector<fs::path> near = nearest_runs(named, own);
  const std::string nearest = near.empty()
                                  ? "No run was found near there; start a new one without resuming."
                                  : "Runs near there: " + listed(near) + ".";
  if (!exists) return refuse("There is no such run to resume.", nearest);
  if (!is_folder(named)) return refuse("This is a file, not a run's folder.", nearest);
  if (const std::vector<fs::path> inside = runs_in(named); !inside.empty()) {
    return refuse("This folder holds runs and is none itself.",
                  "Name one of them: " + listed(inside) + ".");
  }
  if (is_there(named / "adapter_config.json")) {
    return refuse("This is an adapter, not a run.",
                  "To train on from its weights, name it in adapter.init_from. " + nearest);
  }
  if (is_there(named / "config.json")) {
    return refuse("This is a model, not a run.", "Name it as the recipe's model. " + nearest);
  }
  std::error_code ignored;
  if (fs::is_empty(named, ignored))
    return refuse("This folder is empty: there is no run to resume.", nearest);
  return refuse("This folder is not a run: it has no run.json.", nearest);
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// Past runs as rows of a list. One broken run never hides the others.
#include <algorithm>

#include "engine/runs/run_folder.h"
#include "engine/runs/run_lock.h"
#include "engine/runs/stage_folder.h"

namespace luthier {

namespace fs = std::filesystem;

Result<RunSummary> summarize_run(const fs::path& folder) {
  LUTHIER_TRY(const RunFolder run, RunFolder::open(folder));
  RunSummary summary;
  summary.path = folder;
  summary.name = (folder.has_filename() ? folder : folder.parent_path()).filename().string();
  summary.active = run_is_locked(folder);
  if (auto manifest = run.read_manifest()) {
    summary.manifest = manifest.take();
  } else {
    summary.problem = manifest.error().sentence();
    summary.manifest.state = RunState::Interrupted;
  }
  RunState& state = summary.manifest.state;
  if (!summary.active &&
      (state == RunState::Created || state == RunState::Running || state == RunState::Paused))
    state = RunState::Interrupted;
  if (const auto checkpoints = run.checkpoints(); !checkpoints.empty())
    summary.newest_checkpoint = checkpoints.back().step;
  std::error_code problem;
  summary.has_adapter = fs::exists(run.adapter_path() / "adapter_config.json", problem);
  return summary;
}

namespace {

/// Stages are runs as any others, called by both names: "all/2-dpo".
void add_stages(const fs::path& folder, std::vector<RunSummary>& runs) {
  const auto stages = read_stage_records(folder);
  if (!stages) return;
  for (const StageRecord& stage : *stages) {
    auto summary = summarize_run(folder / stage.folder);
    if (!summary) continue;  // it has not begun
    summary->name = folder.filename().string() + "/" + summary->name;
    runs.push_back(summary.take());
  }
}

}  // namespace

std::vector<RunSummary> list_runs(const fs::path& folder) {
  std::vector<RunSummary> runs;
  std::error_code problem;
  fs::directory_iterator walk(folder, problem);
  for (const fs::directory_iterator end; !problem && walk != end; walk.increment(problem)) {
    std::error_code ignored;
    if (!walk->is_directory(ignored)) continue;
    if (is_stage_folder(walk->path())) {
      add_stages(walk->path(), runs);
      continue;
    }
    if (auto summary = summarize_run(walk->path())) runs.push_back(summary.take());
  }
  std::sort(runs.begin(), runs.end(), [](const RunSummary& left, const RunSummary& right) {
    return std::pair(right.manifest.started, left.name) <
           std::pair(left.manifest.started, right.name);
  });
  return runs;
}

}  // namespace luthier

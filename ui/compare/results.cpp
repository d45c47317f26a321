// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/compare/results.h"

#include "engine/compare/result_folder.h"
#include "engine/runs/run_folder.h"
#include "ui/format.h"

namespace luthier {

namespace {

template <class Wanted>
QStringList results_beside(const Recipe& recipe, Wanted wanted) {
  const std::filesystem::path run(recipe.output_dir.empty() ? "runs/first" : recipe.output_dir);
  QStringList folders;
  for (const RunSummary& summary : list_runs(run.has_parent_path() ? run.parent_path() : ".")) {
    if (!wanted(summary)) continue;
    if (const auto result = find_result(summary.path)) folders << path_text(result->folder);
  }
  return folders;
}

}  // namespace

QStringList finished_results(const Recipe& recipe) {
  return results_beside(recipe, [](const RunSummary&) { return true; });
}

QStringList reward_results(const Recipe& recipe) {
  return results_beside(recipe, [](const RunSummary& run) {
    return run.manifest.objective == "reward" || run.manifest.objective == "prm";
  });
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/compare/results.h"

#include "engine/compare/result_folder.h"
#include "engine/runs/run_folder.h"
#include "ui/format.h"

namespace luthier {

QStringList finished_results(const Recipe& recipe) {
  const std::filesystem::path run(recipe.output_dir.empty() ? "runs/first" : recipe.output_dir);
  QStringList folders;
  for (const RunSummary& summary : list_runs(run.has_parent_path() ? run.parent_path() : ".")) {
    if (const auto result = find_result(summary.path)) folders << path_text(result->folder);
  }
  return folders;
}

}  // namespace luthier

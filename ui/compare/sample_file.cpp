// SPDX-License-Identifier: GPL-3.0-or-later
// Reading samples and finding adapters.
#include "ui/compare/sample_file.h"

#include "engine/data/dataset.h"
#include "engine/runs/run_folder.h"
#include "ui/format.h"

namespace luthier {

Result<std::vector<Sample>> read_samples(const QString& file, std::size_t count,
                                         const std::filesystem::path& image_folder) {
  LUTHIER_TRY(auto dataset, Dataset::open({to_path(file)}, image_folder));
  std::vector<Sample> samples;
  std::optional<Error> first_error;
  for (std::size_t row = 0; row < dataset->size() && samples.size() < count; ++row) {
    auto read = dataset->read(row);
    if (read) samples.push_back({read.take(), dataset->where(row)});
    else if (!first_error) first_error = read.error();
  }
  if (samples.empty()) return first_error ? *first_error : input_error("The file holds no rows.", file.toStdString(), "Choose another file.");
  return samples;
}

QStringList finished_adapters(const Recipe& recipe) {
  const std::filesystem::path run(recipe.output_dir.empty() ? "runs/first" : recipe.output_dir);
  QStringList folders;
  for (const RunSummary& summary : list_runs(run.has_parent_path() ? run.parent_path() : std::filesystem::path(".")))
    if (summary.has_adapter) folders << path_text(summary.path / "adapter");
  return folders;
}

}  // namespace luthier

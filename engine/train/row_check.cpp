// SPDX-License-Identifier: GPL-3.0-or-later
// The checks themselves are the dataset's (check_dataset); here they become a decision. A row of
// which max_length leaves no label, or which it would cut inside a picture, is not usable there.
#include "engine/train/row_check.h"

#include <set>

namespace luthier {

Result<UsableRows> check_rows(const RowReader& reader, const std::string& on_error,
                              const std::string& key,
                              const std::function<bool(std::size_t, std::size_t)>& progress,
                              const RowWatch& watch) {
  DatasetCheck how;
  how.loss_on = reader.loss_on;
  how.max_length = reader.max_length;
  how.decode = false;
  how.kind = reader.kind;
  LUTHIER_TRY(const DatasetReport report,
              check_watched(*reader.dataset, *reader.processor, how, watch, progress));
  std::set<std::int64_t> skipped;
  std::vector<std::string> warnings;
  for (const Finding& finding : report.findings) {
    const auto row = static_cast<std::int64_t>(finding.row);
    const bool picture = finding.kind == "missing_image" || finding.kind == "broken_image" ||
                         finding.kind == "missing_film" || finding.kind == "broken_film";
    if (picture && on_error == "skip") {
      skipped.insert(row);
    } else if (!finding.usable && finding.kind != "empty_answer") {
      return input_error(finding.message, key,
                         picture ? "Repair or remove the row, or set image.on_error: skip."
                                 : "Repair or remove the row.");
    }
    warnings.push_back(finding.message);
  }
  UsableRows usable = rows_without(reader.dataset->size(), {skipped.begin(), skipped.end()});
  usable.warnings = std::move(warnings);
  return usable;
}

UsableRows rows_without(std::size_t total, const std::vector<std::int64_t>& skipped) {
  UsableRows usable;
  usable.skipped = skipped;
  const std::set<std::int64_t> left_out(skipped.begin(), skipped.end());
  for (std::int64_t row = 0; row < static_cast<std::int64_t>(total); ++row) {
    if (!left_out.contains(row)) usable.rows.push_back(row);
  }
  return usable;
}

}  // namespace luthier

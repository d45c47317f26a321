// SPDX-License-Identifier: GPL-3.0-or-later
// The checks themselves are the dataset's (check_dataset); here they become a decision.
#include "engine/train/row_check.h"

#include <set>

namespace luthier {

LossOn loss_on_from_name(const std::string& name) {
  return name == "assistant" ? LossOn::Assistant : name == "all" ? LossOn::All : LossOn::Completion;
}

Result<UsableRows> check_rows(const RowReader& reader, const std::string& on_error, const std::string& key,
                              const std::function<bool(std::size_t, std::size_t)>& progress) {
  LUTHIER_TRY(const DatasetReport report, check_dataset(*reader.dataset, *reader.processor, reader.loss_on, reader.max_length, progress));
  std::set<std::int64_t> skipped;
  std::vector<std::string> warnings;
  for (const Finding& finding : report.findings) {
    const auto row = static_cast<std::int64_t>(finding.row) - 1;
    const bool picture = finding.kind == "missing_image" || finding.kind == "broken_image";
    if (picture && on_error == "skip") {
      skipped.insert(row);
      warnings.push_back(finding.message);
      continue;
    }
    const bool stops = picture || finding.kind == "bad_row" || finding.kind == "image_marks" || finding.kind == "template" || finding.kind == "no_labels";
    if (stops) {
      return input_error(finding.message, key, picture ? "Repair or remove the row, or set image.on_error: skip." : "Repair or remove the row.");
    }
    if (finding.kind == "too_long") {   // cut at the end is fine, while the cut leaves labels and falls into no picture
      LUTHIER_TRY(const Example example, reader.read(row));
      if (count_labels(example) == 0) return input_error(finding.message, key, "Repair or remove the row.");
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

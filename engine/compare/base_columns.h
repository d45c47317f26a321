// SPDX-License-Identifier: GPL-3.0-or-later
// The columns of a comparison that has been made, opened again one at a time for who looks closer:
// adapters hang on the resident base, whole checkpoints are loaded and let go of.
#pragma once

#include <functional>
#include <string>

#include "engine/compare/comparison.h"
#include "engine/compare/teacher_forced.h"

namespace luthier {

/// Both live as long as the door. An adapter is read once, at the first call.
ColumnDoor base_columns(LoadedModel& base, const std::vector<ComparisonColumn>& columns,
                        const std::function<bool()>& go_on = {});

/// Names and strengths.
std::vector<ColumnName> column_names(const std::vector<ComparisonColumn>& columns);

/// Every row's answer by `of` (a column's name, or "expected") under every column, into the rows;
/// rows without one are passed over. An Input error where no row has one. A router's column has no
/// word of its own and takes no part.
Status score_rows(Comparison& comparison, LoadedModel& base, const std::string& of,
                  const std::function<bool()>& go_on = {});

}  // namespace luthier

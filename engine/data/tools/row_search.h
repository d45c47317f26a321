// SPDX-License-Identifier: GPL-3.0-or-later
// Which rows hold a text, and which fit conditions on their columns. Rows are read and let go, so
// that a dataset of any size is searched.
#pragma once

#include <string>
#include <vector>

#include "engine/data/dataset.h"
#include "engine/data/tools/row_workers.h"

namespace luthier {

struct RowCondition {
  enum class Is { Equal, Unequal, Contains, Lacks, Above, Below, Empty, Filled };
  std::string column;
  Is is = Is::Equal;
  std::string value;
};

/// "label=cat", "label!=cat", "answer~red" (holds it), "answer!~red", "score>0.5", "score<0.5",
/// "answer=" (empty), "answer!=" (not empty).
Result<RowCondition> row_condition(const std::string& text);

struct RowQuery {
  std::string text;  ///< that some text of the row holds, in any case of letters
  std::vector<RowCondition> conditions;  ///< all of them
  bool empty() const { return text.empty() && conditions.empty(); }
};

/// Whether the row, under the keys that rows are read by, fits.
bool fits(const Json& row, const RowQuery& query);

/// Of every row its value in a column, as text; empty where a row has none.
Result<std::vector<std::string>> column_values(const Dataset& dataset, const std::string& column,
                                               const RowProgress& progress = {});

/// The rows that fit, in their order. A row that cannot be read fits nothing.
Result<std::vector<std::size_t>> find_rows(const Dataset& dataset, const RowQuery& query,
                                           const RowProgress& progress = {});

}  // namespace luthier

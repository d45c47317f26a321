// SPDX-License-Identifier: GPL-3.0-or-later
// What the Data page asks of all rows: worked out beside the window's thread, from the dataset
// alone.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/data/tools/row_fixes.h"
#include "engine/data/tools/row_search.h"
#include "engine/session/dataset_desk.h"
#include "ui/data/columns_dialog.h"
#include "ui/data/finding_list.h"

namespace luthier {

/// The first rows as they are written, with what their columns are and are guessed to mean.
Result<ColumnsLooked> looked_at(const Dataset& dataset, const RowKind& kind,
                                const std::string& question);

/// A condition on a column where the text begins with the name of one; else a text to look for.
RowQuery query_of(const Dataset& dataset, const std::string& text);

/// Of each row; one that is longer than this says is as long as it says.
using RowLengthList = std::vector<std::uint32_t>;

/// Bytes of each row's texts.
Result<RowLengthList> text_lengths(const Dataset& dataset, const RowProgress& progress);

/// What the rows are, whatever is trained on them. What was decided of a row goes by its place, so
/// a file that was written anew is another one.
std::string rows_key(const Recipe& recipe, const std::vector<std::string>& files);

enum RowOrderChoice { InFileOrder, LongestFirst, ShortestFirst, FindingsFirst };

/// What is shown of the rows, and in which order.
struct RowChoice {
  std::size_t rows = 0;                           ///< of the dataset
  std::optional<std::vector<std::size_t>> found;  ///< of these alone, which rise
  FindingList findings;
  std::shared_ptr<const RowLengthList> lengths;  ///< where they are ordered by it
  bool only_findings = false;
  int by = InFileOrder;
};

std::vector<std::size_t> chosen_rows(RowChoice choice);

struct FixedRows {
  ReplacedRows rows;
  std::size_t failed = 0;
};

/// What `kind` of finding is put right in these rows, as they stand after `before`; an Interrupted
/// error where `progress` says no.
Result<FixedRows> fixed_rows(const Dataset& dataset, const std::string& kind, const RowList& rows,
                             const ReplacedRows& before, const RowProgress& progress);

}  // namespace luthier

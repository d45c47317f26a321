// SPDX-License-Identifier: GPL-3.0-or-later
// Which column of a table is what of a row: the picture, the question, the answer. A map is kept in
// the recipe (dataset_columns, dataset_prompt, dataset_answer) and followed wherever rows are read,
// so that nobody behind the dataset knows how its columns were called.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/result.h"
#include "engine/config/recipe.h"
#include "engine/io/json.h"

namespace luthier {

class Dataset;
class RowKind;

struct ColumnMap {
  /// What a column is (a key that rows are read by) and the column's name; a point goes into an
  /// object or a list: "conversation.0.user".
  std::vector<std::pair<std::string, std::string>> columns;
  /// What is asked and answered, with {column} for a column's text; empty: the columns say it.
  std::string prompt, answer;

  bool empty() const { return columns.empty() && prompt.empty() && answer.empty(); }
  /// The column that is this; empty: none.
  std::string column_of(const std::string& target) const;
  bool operator==(const ColumnMap&) const = default;
};

/// What a column may be, in the order a form shows them.
const std::vector<std::string>& column_targets();

/// "image=photo, prompt=question" as entries of dataset_columns; refuses what is no target, by the
/// nearest name.
Result<ColumnMap> column_map(const std::vector<std::string>& entries, const std::string& prompt,
                             const std::string& answer);
/// As the recipe says.
Result<ColumnMap> column_map(const Recipe& recipe);
/// The recipe says what the map does.
void set_columns(Recipe& recipe, const ColumnMap& map);
/// The entries of dataset_columns.
std::vector<std::string> column_entries(const ColumnMap& map);

/// The row under the keys that rows are read by. Other columns of what the map says (another
/// question, another picture) are left out; all else stays. A row that has none of the map's
/// columns, those in the texts' braces among them, is not of that table and stays as it is.
Json mapped_row(const ColumnMap& map, Json row);

/// The value at a column's name or path; null: the row has none.
const Json* column_value(const Json& row, const std::string& column);

/// One column as the first rows have it.
struct ColumnFacts {
  std::string name;
  std::string kind;     ///< picture | text | number | list | messages | object | empty
  std::string example;  ///< of the first row that has one, shortened
  std::size_t filled = 0, distinct = 0;  ///< of the rows that were looked at
};
struct ColumnSurvey {
  std::size_t rows = 0;  ///< that were looked at
  std::vector<ColumnFacts> columns;
};
/// Of the first `count` rows, as they are read; rows that cannot be read are passed over.
ColumnSurvey survey_columns(const Dataset& dataset, std::size_t count = 64);

/// A map from the columns' names and what they hold; empty: rows of this kind are read as they are,
/// or nothing was guessed. A picture with a caption and no question gets `question` as its prompt.
ColumnMap guess_columns(const Dataset& dataset, const RowKind& kind, const ColumnSurvey& survey,
                        const std::string& question);

/// The dataset of a recipe's files, with its picture folder and columns.
Result<std::shared_ptr<const Dataset>> open_rows(const Recipe& recipe,
                                                 const std::vector<std::string>& files);
/// The same, which is one with what others have open of these files, as long as they are as they
/// were: the index of a million rows stands in memory once.
Result<std::shared_ptr<const Dataset>> shared_rows(const Recipe& recipe,
                                                   const std::vector<std::string>& files);
/// What tells these rows from others, and from what the files were before.
std::string rows_stamp(const Recipe& recipe, const std::vector<std::string>& files);

}  // namespace luthier

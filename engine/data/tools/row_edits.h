// SPDX-License-Identifier: GPL-3.0-or-later
// What was decided of single rows before they are copied. It may be decided of a million at once by
// a click, so that sets of rows are bits, and rows that were put right are shared by copies.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/data/dataset.h"
#include "engine/data/tools/row_choice.h"

namespace luthier {

class RowSet {
 public:
  RowSet() = default;
  RowSet(std::initializer_list<std::size_t> rows);

  bool contains(std::size_t row) const;
  std::size_t size() const { return count_; }
  bool empty() const { return count_ == 0; }
  /// False: it was there.
  bool insert(std::size_t row);
  void insert(const RowSet& rows);
  void erase(std::size_t row);
  void erase(const RowSet& rows);
  RowList rows() const;  ///< in their order

 private:
  std::vector<std::uint64_t> bits_;
  std::size_t count_ = 0;
};

/// Rows that were put right, as JSON's text.
class ReplacedRows {
 public:
  using Row = std::pair<std::size_t, std::string>;

  ReplacedRows() = default;
  /// Each row once, in any order.
  explicit ReplacedRows(std::vector<Row> rows);
  /// A row as it is kept here.
  static Row row(std::size_t row, const Json& json);

  bool contains(std::size_t row) const { return rows_.contains(row); }
  std::size_t size() const { return rows_.size(); }
  bool empty() const { return rows_.empty(); }
  const RowSet& rows() const { return rows_; }
  std::optional<Json> find(std::size_t row) const;
  /// `newer` takes the place of what was here of its rows.
  void put(const ReplacedRows& newer);

 private:
  std::vector<std::shared_ptr<const std::vector<Row>>> layers_;  ///< the newest last
  RowSet rows_;
};

struct RowEdits {
  RowSet dropped;
  ReplacedRows replaced;
  bool empty() const { return dropped.empty() && replaced.empty(); }
};

/// As it was put right, else as it is in the dataset.
Result<Json> edited_row(const Dataset& dataset, std::size_t row, const ReplacedRows& replaced);

}  // namespace luthier

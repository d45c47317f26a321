// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/tools/row_edits.h"

#include <algorithm>
#include <bit>

namespace luthier {

namespace {

constexpr std::size_t kBits = 64;

std::uint64_t bit_of(std::size_t row) { return std::uint64_t{1} << row % kBits; }

}  // namespace

RowSet::RowSet(std::initializer_list<std::size_t> rows) {
  for (const std::size_t row : rows) insert(row);
}

bool RowSet::contains(std::size_t row) const {
  return row / kBits < bits_.size() && (bits_[row / kBits] & bit_of(row)) != 0;
}

bool RowSet::insert(std::size_t row) {
  if (contains(row)) return false;
  if (row / kBits >= bits_.size()) bits_.resize(row / kBits + 1);
  bits_[row / kBits] |= bit_of(row);
  ++count_;
  return true;
}

void RowSet::insert(const RowSet& rows) {
  if (rows.bits_.size() > bits_.size()) bits_.resize(rows.bits_.size());
  for (std::size_t i = 0; i < rows.bits_.size(); ++i) {
    count_ += static_cast<std::size_t>(std::popcount(rows.bits_[i] & ~bits_[i]));
    bits_[i] |= rows.bits_[i];
  }
}

void RowSet::erase(std::size_t row) {
  if (!contains(row)) return;
  bits_[row / kBits] &= ~bit_of(row);
  --count_;
}

void RowSet::erase(const RowSet& rows) {
  for (std::size_t i = 0; i < std::min(bits_.size(), rows.bits_.size()); ++i) {
    count_ -= static_cast<std::size_t>(std::popcount(rows.bits_[i] & bits_[i]));
    bits_[i] &= ~rows.bits_[i];
  }
}

RowList RowSet::rows() const {
  RowList rows;
  rows.reserve(count_);
  for (std::size_t i = 0; i < bits_.size(); ++i)
    for (std::uint64_t left = bits_[i]; left != 0; left &= left - 1)
      rows.push_back(i * kBits + static_cast<std::size_t>(std::countr_zero(left)));
  return rows;
}

ReplacedRows::ReplacedRows(std::vector<Row> rows) {
  if (rows.empty()) return;
  std::sort(rows.begin(), rows.end());
  for (const Row& row : rows) rows_.insert(row.first);
  layers_.push_back(std::make_shared<const std::vector<Row>>(std::move(rows)));
}

ReplacedRows::Row ReplacedRows::row(std::size_t row, const Json& json) {
  return {row, json.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

std::optional<Json> ReplacedRows::find(std::size_t row) const {
  if (!contains(row)) return std::nullopt;
  for (auto layer = layers_.rbegin(); layer != layers_.rend(); ++layer) {
    const auto found =
        std::lower_bound((*layer)->begin(), (*layer)->end(), row,
                         [](const Row& each, std::size_t wanted) { return each.first < wanted; });
    if (found == (*layer)->end() || found->first != row) continue;
    auto json = parse_json(found->second, "a row that was put right");
    if (json) return json.take();
  }
  return std::nullopt;
}

void ReplacedRows::put(const ReplacedRows& newer) {
  layers_.insert(layers_.end(), newer.layers_.begin(), newer.layers_.end());
  rows_.insert(newer.rows_);
}

Result<Json> edited_row(const Dataset& dataset, std::size_t row, const ReplacedRows& replaced) {
  if (auto json = replaced.find(row)) return std::move(*json);
  return dataset.row(row);
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// What is wrong with the rows: what a check has found, and behind it rows that are nearly others. A
// million rows may have a finding each, so they are shared and never copied, and are freed on
// another thread than the window's.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "engine/data/dataset.h"
#include "engine/data/tools/row_edits.h"

namespace luthier {

class FindingList {
 public:
  /// Nothing: no check was made.
  void set_report(const std::shared_ptr<const DatasetReport>& report);
  void set_near(std::vector<Finding> near);

  const DatasetReport* report() const { return report_.get(); }
  std::size_t size() const { return checked() + near(); }
  bool empty() const { return size() == 0; }
  const Finding& operator[](std::size_t at) const;
  /// Of one row, in the list's order.
  std::vector<const Finding*> of(std::size_t row) const;
  /// Of one kind: the rows that have one.
  RowSet rows_of(const std::string& kind) const;

 private:
  std::size_t checked() const { return report_ ? report_->findings.size() : 0; }
  std::size_t near() const { return near_ ? near_->size() : 0; }

  std::shared_ptr<const DatasetReport> report_;
  std::shared_ptr<const std::vector<Finding>> near_;  ///< both by rows
};

}  // namespace luthier

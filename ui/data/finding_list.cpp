// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/finding_list.h"

#include <algorithm>

#include "ui/background.h"

namespace luthier {

void FindingList::set_report(const std::shared_ptr<const DatasetReport>& report) {
  report_ = freed_in_background(report);
}

void FindingList::set_near(std::vector<Finding> near) {
  near_ = near.empty()
              ? nullptr
              : freed_in_background(std::make_shared<const std::vector<Finding>>(std::move(near)));
}

const Finding& FindingList::operator[](std::size_t at) const {
  return at < checked() ? report_->findings[at] : (*near_)[at - checked()];
}

std::vector<const Finding*> FindingList::of(std::size_t row) const {
  std::vector<const Finding*> found;
  const auto take = [&](const std::vector<Finding>& findings) {
    auto each = std::lower_bound(
        findings.begin(), findings.end(), row,
        [](const Finding& finding, std::size_t wanted) { return finding.row < wanted; });
    for (; each != findings.end() && each->row == row; ++each) found.push_back(&*each);
  };
  if (report_) take(report_->findings);
  if (near_) take(*near_);
  return found;
}

RowSet FindingList::rows_of(const std::string& kind) const {
  RowSet rows;
  for (std::size_t i = 0; i < size(); ++i)
    if ((*this)[i].kind == kind) rows.insert((*this)[i].row);
  return rows;
}

}  // namespace luthier

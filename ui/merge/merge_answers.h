// SPDX-License-Identifier: GPL-3.0-or-later
// The samples with the merge's answers, a page at a time, under the scores of all of them.
#pragma once

#include <QScrollArea>
#include <QTimer>
#include <set>
#include <vector>

namespace luthier {

class AnswerCell;
class LiveMerge;

class MergeAnswers : public QScrollArea {
  Q_OBJECT

 public:
  static constexpr std::size_t kPerPage = 8;

  explicit MergeAnswers(LiveMerge& merge, QWidget* parent = nullptr);
  void show_page(std::size_t page);
  std::size_t page() const { return page_; }
  std::size_t page_count() const;

 private:
  void rebuild();
  void refresh_all();
  void refresh_cell(std::size_t sample);

  LiveMerge& merge_;
  std::size_t page_ = 0;
  std::vector<AnswerCell*> cells_;  ///< of the page
  QTimer timer_;
  std::set<std::size_t> stale_;
};

}  // namespace luthier

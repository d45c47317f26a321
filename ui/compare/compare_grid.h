// SPDX-License-Identifier: GPL-3.0-or-later
// The grid of samples × columns. It shows a page of samples at a time, so that a long list never
// holds the window, while scores count over all of them.
#pragma once

#include <QScrollArea>
#include <QTimer>
#include <set>
#include <vector>

#include "ui/compare/live_comparison.h"

class QGridLayout;
class QLabel;

namespace luthier {

class AnswerCell;

class CompareGrid : public QScrollArea {
  Q_OBJECT

 public:
  static constexpr std::size_t kPerPage = 8;

  CompareGrid(Workspace& workspace, LiveComparison& comparison, QWidget* parent = nullptr);
  void show_page(std::size_t page);
  std::size_t page() const { return page_; }
  std::size_t page_count() const;

 signals:
  /// An answer to this row that every column should be asked about: a column's, or "expected".
  void score_asked(std::size_t row, const std::string& of, int token);

 private:
  void rebuild();
  void add_heads();
  void add_sample(std::size_t sample, int row);
  void add_scores(int row);
  void refresh_cell(std::size_t sample, std::size_t column);
  void refresh_waiting();
  void refresh_scores();

  Workspace& workspace_;
  LiveComparison& comparison_;
  QWidget* inside_ = nullptr;
  QGridLayout* grid_ = nullptr;
  std::size_t page_ = 0;
  std::vector<std::vector<AnswerCell*>> cells_;  ///< of the page, [sample][column]
  struct Scores {
    QLabel* exact;
    QLabel* others;
  };
  std::vector<Scores> scores_;  ///< one a column
  QTimer timer_;
  std::set<std::pair<std::size_t, std::size_t>> stale_;
};

}  // namespace luthier

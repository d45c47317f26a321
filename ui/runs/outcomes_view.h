// SPDX-License-Identifier: GPL-3.0-or-later
// What came of several runs, of a sweep or of those that are ticked: what was set differently and
// what it led to, as parallel coordinates over a table.
#pragma once

#include <QWidget>
#include <vector>

#include "ui/runs/run_list_model.h"

class QComboBox;
class QLabel;
class QTableWidget;

namespace luthier {

class ParallelPlot;

class OutcomesView : public QWidget {
  Q_OBJECT

 public:
  explicit OutcomesView(QWidget* parent = nullptr);
  /// All runs of the list: the ticked ones, or those of a tag, are shown.
  void show_rows(const std::vector<RunRow>& rows);
  /// Those with this tag from now on.
  void show_tag(const QString& tag);

 signals:
  void run_chosen(const std::filesystem::path& run);

 private:
  void fill_choice();
  void refresh();

  std::vector<RunRow> rows_;
  QComboBox* which_;
  QLabel *which_label_, *note_;
  ParallelPlot* plot_;
  QTableWidget* table_;
  std::vector<std::filesystem::path> shown_;
  QString wanted_;
};

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// What the dataset is made of, in a window beside the page: lengths, pictures, answers.
#pragma once

#include <QDialog>

#include "engine/data/tools/dataset_statistics.h"

class QLabel;
class QTableWidget;

namespace luthier {

class HistogramView;

class StatisticsDialog : public QDialog {
  Q_OBJECT

 public:
  explicit StatisticsDialog(QWidget* parent = nullptr);
  void show_statistics(const DatasetStatistics& statistics);

 private:
  void fill();

  DatasetStatistics shown_;
  QLabel* summary_;
  QTableWidget* answers_;
  std::vector<HistogramView*> views_;
};

}  // namespace luthier

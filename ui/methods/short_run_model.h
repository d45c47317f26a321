// SPDX-License-Identifier: GPL-3.0-or-later
// What short runs came to, as a table: what a step takes, held-out loss and perplexity, and what a
// base of four bits loses of them. A line carries the colour of its curve.
#pragma once

#include <QAbstractTableModel>
#include <vector>

#include "engine/session/method_runs.h"

namespace luthier {

class ShortRunModel : public QAbstractTableModel {
  Q_OBJECT

 public:
  enum Column {
    Method,
    StepTime,
    Speed,
    Exact,
    TokenF1,
    HeldOut,
    Perplexity,
    Lost,
    Loss,
    Peak,
    File,
    State,
    ColumnCount
  };

  explicit ShortRunModel(QObject* parent = nullptr) : QAbstractTableModel(parent) {}
  void show_runs(const std::vector<ShortRun>& runs);
  void retranslate();

  int rowCount(const QModelIndex& parent = {}) const override;
  int columnCount(const QModelIndex& parent = {}) const override;
  QVariant data(const QModelIndex& index, int role) const override;
  QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

 private:
  QString text(const ShortRun& run, int column) const;
  /// Whether its held-out loss is the lowest, or its score the highest, of those that were
  /// measured.
  bool is_best(const ShortRun& run, int column) const;
  QString tip(const ShortRun& run, int column) const;

  std::vector<ShortRun> runs_;
};

}  // namespace luthier

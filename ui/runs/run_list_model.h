// SPDX-License-Identifier: GPL-3.0-or-later
// Past runs as a table, with a tick for those whose curves are drawn. A ticked run's line carries
// the colour of its curves.
#pragma once

#include <QAbstractTableModel>
#include <vector>

#include "engine/runs/run_folder.h"

namespace luthier {

struct RunRow {
  RunSummary summary;
  std::optional<Recipe> recipe;
  QString data;  ///< its dataset files' names, as short as they can be told apart in the list
  bool ticked = false;
};

/// All runs of a folder with their recipes; for a worker thread.
std::vector<RunRow> read_runs(const std::filesystem::path& folder);

class RunListModel : public QAbstractTableModel {
  Q_OBJECT

 public:
  enum Column { Name, State, Base, Method, Data, Steps, Loss, BestEval, Memory, When, ColumnCount };

  explicit RunListModel(QObject* parent = nullptr) : QAbstractTableModel(parent) {}
  /// Writes what the running run has come to; false if it is not in the list or goes on with the
  /// same step.
  bool show_step(const std::filesystem::path& run, const MetricsLine& line);
  bool any_active() const;
  /// Ticks of runs that were there before are kept.
  void set_rows(std::vector<RunRow> rows);
  const std::vector<RunRow>& rows() const { return rows_; }
  void set_ticked(int row, bool ticked);
  std::vector<int> ticked_rows() const;
  void retranslate();

  int rowCount(const QModelIndex& parent = {}) const override;
  int columnCount(const QModelIndex& parent = {}) const override;
  QVariant data(const QModelIndex& index, int role) const override;
  bool setData(const QModelIndex& index, const QVariant& value, int role) override;
  QVariant headerData(int section, Qt::Orientation orientation, int role) const override;
  Qt::ItemFlags flags(const QModelIndex& index) const override;

 signals:
  void ticks_changed();

 private:
  QString text(const RunRow& row, int column) const;
  std::vector<RunRow> rows_;
};

}  // namespace luthier

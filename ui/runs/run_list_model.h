// SPDX-License-Identifier: GPL-3.0-or-later
// Past runs as a table, with a tick for those whose curves are drawn. A ticked run's line carries
// the colour of its curves. Forks stand under the runs that they came from, and curves of other
// programs' runs beside ours.
#pragma once

#include <QAbstractTableModel>
#include <vector>

#include "engine/runs/run_folder.h"
#include "engine/runs/run_notes.h"
#include "engine/runs/run_parent.h"

namespace luthier {

struct RunRow {
  RunSummary summary;
  std::optional<Recipe> recipe;
  QString data;  ///< its dataset files' names, as short as they can be told apart in the list
  RunNotes notes;
  std::optional<RunParent> parent;
  int depth = 0, tree_place = 0;  ///< among all, as a tree
  bool foreign = false;           ///< another program's: curves, and nothing else
  bool ticked = false;
};

/// All runs of a folder with their recipes, and what was imported from other programs; for a worker
/// thread.
std::vector<RunRow> read_runs(const std::filesystem::path& folder,
                              const std::vector<std::filesystem::path>& imported = {});

class RunListModel : public QAbstractTableModel {
  Q_OBJECT

 public:
  enum Column {
    Name,
    State,
    Base,
    Method,
    Data,
    Steps,
    Loss,
    BestEval,
    Memory,
    When,
    Tags,
    ColumnCount
  };
  /// What a column is sorted by, and all of a row that a search looks through.
  enum Role { SortRole = Qt::UserRole, SearchRole, TreeRole };

  explicit RunListModel(QObject* parent = nullptr) : QAbstractTableModel(parent) {}
  /// Writes what the running run has come to; false if it is not in the list or goes on with the
  /// same step.
  bool show_step(const std::filesystem::path& run, const MetricsLine& line);
  bool any_active() const;
  /// Ticks of runs that were there before are kept.
  void set_rows(std::vector<RunRow> rows);
  const std::vector<RunRow>& rows() const { return rows_; }
  void set_ticked(int row, bool ticked);
  /// These and no others.
  void set_ticks(const std::vector<int>& rows);
  std::vector<int> ticked_rows() const;
  void set_notes(const std::filesystem::path& run, const RunNotes& notes);
  /// Names stand below those that they came from.
  void set_tree(bool tree);
  void retranslate();

  int rowCount(const QModelIndex& parent = {}) const override;
  int columnCount(const QModelIndex& parent = {}) const override;
  QVariant data(const QModelIndex& index, int role) const override;
  bool setData(const QModelIndex& index, const QVariant& value, int role) override;
  QVariant headerData(int section, Qt::Orientation orientation, int role) const override;
  Qt::ItemFlags flags(const QModelIndex& index) const override;

 signals:
  void ticks_changed();
  /// Somebody typed another name, or other tags, into the table.
  void rename_asked(const std::filesystem::path& run, const QString& name);
  void tags_asked(const std::filesystem::path& run, const QString& tags);

 private:
  QString text(const RunRow& row, int column) const;
  QVariant sort_value(const RunRow& row, int column) const;
  std::vector<RunRow> rows_;
  bool tree_ = true;
};

}  // namespace luthier

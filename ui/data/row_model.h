// SPDX-License-Identifier: GPL-3.0-or-later
// The rows of a dataset for a table of any length: previews are asked for in blocks as they come
// into view and a bounded number of blocks is kept. Findings of a check stand beside their rows.
#pragma once

#include <QAbstractTableModel>
#include <QStringList>
#include <list>
#include <map>
#include <optional>
#include <set>

#include "ui/data/finding_list.h"
#include "ui/workspace.h"

namespace luthier {

class RowModel : public QAbstractTableModel {
  Q_OBJECT

 public:
  enum Column { Number, Picture, Words, Tokens, Findings, ColumnCount };

  RowModel(Workspace& workspace, QObject* parent = nullptr);

  /// Starts over with this recipe's rows.
  void restart(const Recipe& recipe);
  void clear();
  void set_findings(const FindingList& findings);
  /// Only these rows of the dataset, in this order; nullopt: all of them.
  void show_only(std::optional<std::vector<std::size_t>> rows);
  /// Rows that are left out of a copy, and those that are put right in it.
  void set_edits(const RowEdits& edits);
  /// The dataset's row that the table's shows, and back; -1: it is not shown.
  std::size_t row_at(int shown) const;
  int shown_at(std::size_t row) const;
  /// Of the dataset, whatever is shown.
  std::size_t total() const { return total_; }
  /// The preview of a row, if it is here; asks for it otherwise.
  const RowPreview* preview(std::size_t row) const;
  QStringList findings_of(std::size_t row) const;

  int rowCount(const QModelIndex& parent = {}) const override;
  int columnCount(const QModelIndex& parent = {}) const override;
  QVariant data(const QModelIndex& index, int role) const override;
  QVariant headerData(int section, Qt::Orientation orientation, int role) const override;
  void retranslate();

 signals:
  void rows_arrived(std::size_t first, std::size_t count);
  void failed(const luthier::Error& error);

 private:
  void ask(std::size_t block) const;
  void arrived(const RowsPreviewed& event);
  /// A dataset's row has changed.
  void tell(std::size_t row, int column);
  QVariant words(const RowPreview& row) const;
  QVariant picture(std::size_t row, const RowPreview& preview) const;

  Workspace& workspace_;
  Recipe recipe_;
  bool active_ = false;
  std::size_t total_ = 0;
  mutable std::map<RequestId, std::size_t> asked_;  ///< request → block
  mutable std::set<std::size_t> waiting_;           ///< blocks asked for
  std::map<std::size_t, std::vector<RowPreview>> blocks_;
  mutable std::list<std::size_t> used_;  ///< blocks, last used first
  mutable std::map<QString, QPixmap> pictures_;
  std::set<QString> broken_;  ///< pictures that cannot be read
  /// Pictures that are being read, and the rows that show them: one picture may be many rows'.
  mutable std::map<QString, std::set<std::size_t>> awaited_;
  FindingList findings_;
  std::optional<std::vector<std::size_t>> order_;  ///< what is shown
  std::vector<int> places_;                        ///< of every row in it; -1: it is not shown
  RowEdits edits_;
};

/// "missing_image" → what the window calls it.
QString finding_text(const std::string& kind);

}  // namespace luthier

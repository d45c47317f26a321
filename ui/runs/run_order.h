// SPDX-License-Identifier: GPL-3.0-or-later
// The runs in the order that a person wants, and of them those that a search finds: as a tree, or
// by a column.
#pragma once

#include <QSortFilterProxyModel>
#include <QStringList>

namespace luthier {

class RunListModel;

class RunOrder : public QSortFilterProxyModel {
  Q_OBJECT

 public:
  explicit RunOrder(RunListModel& model, QObject* parent = nullptr);
  /// Rows in which every word stands somewhere.
  void set_search(const QString& words);
  bool as_tree() const { return tree_; }
  void show_tree();
  void show_sorted(int column, Qt::SortOrder order);

  /// The row of the list, -1 for none, and back.
  int list_row(const QModelIndex& shown) const;
  int shown_row(int list_row) const;

 protected:
  bool filterAcceptsRow(int row, const QModelIndex& parent) const override;
  bool lessThan(const QModelIndex& left, const QModelIndex& right) const override;

 private:
  RunListModel& model_;
  QStringList words_;
  bool tree_ = true;
};

}  // namespace luthier

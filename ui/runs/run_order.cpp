// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/runs/run_order.h"

#include <algorithm>

#include "ui/runs/run_list_model.h"

namespace luthier {

RunOrder::RunOrder(RunListModel& model, QObject* parent)
    : QSortFilterProxyModel(parent), model_(model) {
  setSourceModel(&model);
  setDynamicSortFilter(true);
  sort(RunListModel::Name);
}

void RunOrder::set_search(const QString& words) {
  words_ = words.split(QLatin1Char(' '), Qt::SkipEmptyParts);
  invalidateRowsFilter();
}

void RunOrder::show_tree() {
  tree_ = true;
  model_.set_tree(true);
  invalidate();
  sort(RunListModel::Name, Qt::AscendingOrder);
}

void RunOrder::show_sorted(int column, Qt::SortOrder order) {
  tree_ = false;
  model_.set_tree(false);
  invalidate();
  sort(column, order);
}

int RunOrder::list_row(const QModelIndex& shown) const {
  return shown.isValid() ? mapToSource(shown).row() : -1;
}

int RunOrder::shown_row(int list_row) const {
  return mapFromSource(model_.index(list_row, 0)).row();
}

bool RunOrder::filterAcceptsRow(int row, const QModelIndex&) const {
  if (words_.isEmpty()) return true;
  const QString all = model_.index(row, 0).data(RunListModel::SearchRole).toString();
  return std::all_of(words_.begin(), words_.end(),
                     [&](const QString& word) { return all.contains(word, Qt::CaseInsensitive); });
}

bool RunOrder::lessThan(const QModelIndex& left, const QModelIndex& right) const {
  const auto place = [](const QModelIndex& index) {
    return index.data(RunListModel::TreeRole).toInt();
  };
  if (tree_) return place(left) < place(right);
  const QVariant a = left.data(RunListModel::SortRole), b = right.data(RunListModel::SortRole);
  const QPartialOrdering order = QVariant::compare(a, b);
  if (order == QPartialOrdering::Less) return true;
  if (order == QPartialOrdering::Greater) return false;
  return place(left) < place(right);
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/methods/plain_table.h"

#include <QHeaderView>
#include <QTableView>
#include <algorithm>

#include "ui/widgets/copied_table.h"
#include "ui/widgets/quiet_view.h"

namespace luthier {

namespace {
constexpr int kArrowRoom = 22, kCellRoom = 12, kWidestColumn = 176, kRowHeight = 26;
}

void make_plain_table(QTableView* table) {
  make_quiet(table);
  make_copied(table);
  table->setShowGrid(false);
  table->setSelectionBehavior(QAbstractItemView::SelectRows);
  table->setSelectionMode(QAbstractItemView::SingleSelection);
  table->setTabKeyNavigation(false);
  table->setWordWrap(false);
  table->verticalHeader()->hide();
  table->verticalHeader()->setDefaultSectionSize(kRowHeight);
}

void fit_column(QTableView* table, int column, const QStringList& words) {
  const QString heading = table->model()->headerData(column, Qt::Horizontal).toString();
  int wide = table->horizontalHeader()->fontMetrics().horizontalAdvance(heading) +
             (table->isSortingEnabled() ? kArrowRoom : kCellRoom);
  for (const QString& each : words)
    wide = std::max(wide, table->fontMetrics().horizontalAdvance(each) + kCellRoom);
  table->setColumnWidth(column, std::min(wide, kWidestColumn));
}

}  // namespace luthier

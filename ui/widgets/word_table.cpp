// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/word_table.h"

#include <QHeaderView>
#include <QTableWidget>

#include "ui/widgets/copied_table.h"

namespace luthier {

QTableWidget* table_of_words(int columns, const QString& name, QWidget* parent) {
  auto* table = new QTableWidget(0, columns, parent);
  table->setObjectName(name);
  table->setEditTriggers(QAbstractItemView::NoEditTriggers);
  table->setSelectionBehavior(QAbstractItemView::SelectRows);
  table->verticalHeader()->hide();
  table->horizontalHeader()->setSectionResizeMode(QHeaderView::ResizeToContents);
  make_copied(table);
  return table;
}

void set_words(QTableWidget* table, int row, const QStringList& words) {
  for (int column = 0; column < words.size(); ++column) {
    auto* item = new QTableWidgetItem(words[column]);
    if (column > 0) item->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
    table->setItem(row, column, item);
  }
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/copied_table.h"

#include <QAction>
#include <QApplication>
#include <QClipboard>
#include <QHeaderView>
#include <QTableView>
#include <vector>

#include "ui/language.h"

namespace luthier {

namespace {

/// One cell of the text: what would part columns or rows is a space in it.
QString copied_cell(QString text) {
  text.replace(QLatin1Char('\t'), QLatin1Char(' '));
  text.replace(QLatin1Char('\n'), QLatin1Char(' '));
  return text.trimmed();
}

}  // namespace

QString table_text(const QTableView& table) {
  const QAbstractItemModel* model = table.model();
  std::vector<int> columns;
  for (int at = 0; at < model->columnCount(); ++at) {
    const int column = table.horizontalHeader()->logicalIndex(at);
    const bool named =
        !model->headerData(column, Qt::Horizontal, Qt::DisplayRole).toString().isEmpty();
    if (named && !table.isColumnHidden(column)) columns.push_back(column);
  }
  QStringList lines, cells;
  for (const int column : columns)
    cells << copied_cell(model->headerData(column, Qt::Horizontal, Qt::DisplayRole).toString());
  lines << cells.join(QLatin1Char('\t'));
  for (int row = 0; row < model->rowCount(); ++row) {
    cells.clear();
    for (const int column : columns)
      cells << copied_cell(model->index(row, column).data(Qt::DisplayRole).toString());
    lines << cells.join(QLatin1Char('\t'));
  }
  return lines.join(QLatin1Char('\n')) + QLatin1Char('\n');
}

void make_copied(QTableView* table) {
  auto* copy = new QAction(table);
  copy->setObjectName(QStringLiteral("copyTable"));
  copy->setShortcut(QKeySequence::Copy);
  copy->setShortcutContext(Qt::WidgetWithChildrenShortcut);
  table->addAction(copy);
  table->setContextMenuPolicy(Qt::ActionsContextMenu);
  QObject::connect(copy, &QAction::triggered, table,
                   [table] { QApplication::clipboard()->setText(table_text(*table)); });
  on_language(table, [copy] {
    copy->setText(QCoreApplication::translate("luthier::CopiedTable", "Copy the table"));
  });
}

}  // namespace luthier

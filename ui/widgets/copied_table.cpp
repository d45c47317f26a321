// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/copied_table.h"

#include <QAbstractItemView>
#include <QAction>
#include <QApplication>
#include <QClipboard>
#include <QHeaderView>
#include <QPointer>
#include <QTableView>
#include <algorithm>
#include <vector>

#include "ui/desk/shortcuts.h"
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

void make_rows_copied(QAbstractItemView* view) {
  auto* copy = new QAction(view);
  copy->setObjectName(QStringLiteral("copyRows"));
  copy->setShortcut(shortcut_keys("copy_table"));
  copy->setShortcutContext(Qt::WidgetWithChildrenShortcut);
  view->addAction(copy);
  QObject::connect(copy, &QAction::triggered, view, [view] {
    if (const QString text = rows_text(*view); !text.isEmpty())
      QApplication::clipboard()->setText(text);
  });
  on_language(view, [copy = QPointer<QAction>(copy)] {
    if (copy) copy->setText(QCoreApplication::translate("luthier::CopiedTable", "Copy the row"));
  });
}

QString rows_text(const QAbstractItemView& view) {
  const QAbstractItemModel* model = view.model();
  if (!model || !view.selectionModel()) return {};
  QModelIndexList chosen = view.selectionModel()->selectedIndexes();
  if (chosen.isEmpty() && view.currentIndex().isValid()) chosen << view.currentIndex();
  std::vector<QModelIndex> rows;
  for (const QModelIndex& index : chosen) {
    const QModelIndex first = index.siblingAtColumn(0);
    if (std::find(rows.begin(), rows.end(), first) == rows.end()) rows.push_back(first);
  }
  std::sort(rows.begin(), rows.end());
  QStringList lines;
  for (const QModelIndex& row : rows) {
    QStringList cells;
    for (int column = 0; column < model->columnCount(row.parent()); ++column)
      cells << copied_cell(row.siblingAtColumn(column).data(Qt::DisplayRole).toString());
    lines << cells.join(QLatin1Char('\t'));
  }
  return lines.isEmpty() ? QString() : lines.join(QLatin1Char('\n')) + QLatin1Char('\n');
}

void make_copied(QTableView* table) {
  delete table->findChild<QAction*>(QStringLiteral("copyRows"), Qt::FindDirectChildrenOnly);
  auto* copy = new QAction(table);
  copy->setObjectName(QStringLiteral("copyTable"));
  copy->setShortcut(shortcut_keys("copy_table"));
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

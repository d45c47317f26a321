// SPDX-License-Identifier: GPL-3.0-or-later
// A table that can be copied as it is shown: Ctrl+C, or the menu of the right button, put all of it
// on the clipboard, a line a row with tabs between the columns, as spreadsheets take it.
#pragma once

#include <QString>

class QAbstractItemView;
class QTableView;

namespace luthier {

void make_copied(QTableView* table);
/// The same with the selected rows alone: for a table, a tree or a list that may be long. Every
/// quiet view has it.
void make_rows_copied(QAbstractItemView* view);
/// What it puts there: the heads, then the rows in the order of the view.
QString table_text(const QTableView& table);
/// The selected rows, or the current one, without heads.
QString rows_text(const QAbstractItemView& view);

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// A table that can be copied as it is shown: Ctrl+C, or the menu of the right button, put all of it
// on the clipboard, a line a row with tabs between the columns, as spreadsheets take it.
#pragma once

#include <QString>

class QTableView;

namespace luthier {

void make_copied(QTableView* table);
/// What it puts there: the heads, then the rows in the order of the view.
QString table_text(const QTableView& table);

}  // namespace luthier

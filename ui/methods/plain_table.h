// SPDX-License-Identifier: GPL-3.0-or-later
// How both tables of the Methods page look: quiet, a row chosen as a whole, columns as wide as what
// may stand in them.
#pragma once

#include <QStringList>

class QTableView;

namespace luthier {

void make_plain_table(QTableView* table);
/// Wide enough for these words and the heading, whatever the language; beyond a limit words are
/// cut.
void fit_column(QTableView* table, int column, const QStringList& words);

}  // namespace luthier

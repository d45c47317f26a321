// SPDX-License-Identifier: GPL-3.0-or-later
// A table of words and numbers that is read and copied, and not changed.
#pragma once

#include <QStringList>

class QTableWidget;
class QWidget;

namespace luthier {

/// `name`: the object's.
QTableWidget* table_of_words(int columns, const QString& name, QWidget* parent);
/// Words of a row, numbers at the right.
void set_words(QTableWidget* table, int row, const QStringList& words);

}  // namespace luthier

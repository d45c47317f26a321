// SPDX-License-Identifier: GPL-3.0-or-later
// The window's shortcuts: one table, which the shortcuts themselves and their list are made from.
#pragma once

#include <QDialog>
#include <QKeySequence>
#include <string>
#include <vector>

class QTableWidget;

namespace luthier {

struct Shortcut {
  std::string id;           ///< "undo"
  QKeySequence keys;        ///< the system's own where it has some
  const char* what;         ///< English, of the context "Shortcuts"
  bool of_a_place = false;  ///< it works where a list or a table has the keyboard, not everywhere
};

/// In the order to show them. One a page stands first, in the order of the rail.
const std::vector<Shortcut>& shortcuts();
QKeySequence shortcut_keys(const std::string& id);
/// What it does, in the window's language.
QString shortcut_text(const Shortcut& shortcut);
/// "Undo  (Ctrl+Z)": for a button's tip.
QString with_keys(const QString& text, const std::string& id);

/// All of them in a table.
class ShortcutDialog : public QDialog {
  Q_OBJECT

 public:
  explicit ShortcutDialog(QWidget* parent);

 private:
  void fill();
  QTableWidget* table_;
};

}  // namespace luthier

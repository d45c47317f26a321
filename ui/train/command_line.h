// SPDX-License-Identifier: GPL-3.0-or-later
// The command line that does what Launch would: luthier-cli with a recipe file that is there, and
// --set for what differs from it.
#pragma once

#include <QDialog>

#include "ui/workspace.h"

namespace luthier {

struct EquivalentCommand {
  QString text;
  QString file;          ///< the recipe that it names
  bool written = false;  ///< the file was made for it, with every setting in it
};

/// Names the recipe's own file where it has one, and else writes one, under the user's data. An
/// Error when that cannot be done.
Result<EquivalentCommand> equivalent_command(const Workspace& workspace);

/// Shows the command whole and selectable, copies it, and saves the recipe elsewhere.
class CommandDialog : public QDialog {
  Q_OBJECT

 public:
  CommandDialog(Workspace& workspace, QWidget* parent);
};

}  // namespace luthier

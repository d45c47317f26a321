// SPDX-License-Identifier: GPL-3.0-or-later
// After a card died under the program, only a new process gets it back. It takes the place of this
// one, which must be done with everything: what the old one holds of the card is free before the
// new one asks for it, and no second window is ever there.
#pragma once

#include <QStringList>

namespace luthier {

class MainWindow;

/// The program's arguments for a start that goes on with `run`, else opens `model`; language and
/// theme as this start was given them.
QStringList anew_arguments(const QString& run, const QString& model, const QString& language,
                           const QString& theme);
/// Puts the program in the place of this process; returns, with an exit status, only where that
/// fails.
int start_anew(const QString& program, const QStringList& arguments);

/// A start anew that is asked for in the window and comes once the window is gone.
class Anew {
 public:
  /// Closes the window when it is asked for; forgets it where the window stays. Language and theme
  /// as this start was given them. Lives as long as the window.
  void follow(MainWindow& window, const QString& language, const QString& theme);
  /// The exit status of a program whose window is gone: `code` where nothing was asked for.
  int end(int code) const;

 private:
  QString program_;  ///< empty: it is not asked for
  QStringList arguments_;
};

}  // namespace luthier

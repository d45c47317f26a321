// SPDX-License-Identifier: GPL-3.0-or-later
// After a card died under the program, only a new process gets it back. It takes the place of this
// one, which must be done with everything: what the old one holds of the card is free before the
// new one asks for it, and no second window is ever there.
#pragma once

#include <QStringList>

namespace luthier {

/// The program's arguments for a start that goes on with `run`, else opens `model`; language and
/// theme as this start was given them.
QStringList anew_arguments(const QString& run, const QString& model, const QString& language,
                           const QString& theme);
/// Puts the program in the place of this process; returns, with an exit status, only where that
/// fails.
int start_anew(const QString& program, const QStringList& arguments);

}  // namespace luthier

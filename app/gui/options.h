// SPDX-License-Identifier: GPL-3.0-or-later
// What the window's command line may hold.
#pragma once

#include <QList>
#include <QSize>
#include <QString>

class QCoreApplication;

namespace luthier {

struct GuiOptions {
  QString open;             ///< a model folder or a recipe
  QString resume;           ///< an interrupted run to go on with
  bool demo = false;        ///< the teaching model, its first task ready to launch
  QString language, theme;  ///< empty: as kept
  QString screenshots;      ///< a folder: drive the window through the demo, save pictures of each
                            ///< page and state, exit
  QList<QSize> sizes;       ///< of the screenshots' window
  int steps = 0;            ///< training steps of the screenshots' runs; 0: as the recipes say
  bool launch = false;      ///< launch the recipe at once
  bool exit_when_done = false;
  bool walk = false;   ///< with a bench: switch pages all the while
  QString bench_loop;  ///< a file: how long the event loop was held while a run trained
  QString bench_flow;  ///< a file: what to do while that is measured, instead of a run
};

/// Parses the arguments; prints help or a wrong option's sentence and exits by itself.
GuiOptions parse_options(const QCoreApplication& app);

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// How long the event loop was held while a run trained.
#pragma once

#include <QElapsedTimer>
#include <QTimer>

#include "app/gui/loop_clock.h"
#include "engine/base/result.h"

namespace luthier {

class MainWindow;

/// Writes a measurement; an error says why not.
Status write_measurement(const Json& document, const QString& file);

class LoopMeter : public QObject {
  Q_OBJECT

 public:
  /// `walk`: goes from page to page all the while.
  LoopMeter(MainWindow& window, bool walk, QObject* parent = nullptr);
  /// What LoopClock takes, and {"steps", "seconds", "state"}.
  Status write(const QString& file);

 private:
  MainWindow& window_;
  LoopClock clock_;
  QTimer walk_timer_;
  QElapsedTimer since_start_;
  double seconds_ = 0;
  int page_ = 0;
};

}  // namespace luthier

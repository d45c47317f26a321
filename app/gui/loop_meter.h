// SPDX-License-Identifier: GPL-3.0-or-later
// How long the event loop was held while a run trained: a timer of 5 ms notes by how much each of
// its ticks was late.
#pragma once

#include <QElapsedTimer>
#include <QObject>
#include <QTimer>
#include <vector>

#include "engine/base/result.h"

namespace luthier {

class MainWindow;

class LoopMeter : public QObject {
  Q_OBJECT

 public:
  /// `walk`: goes from page to page all the while.
  LoopMeter(MainWindow& window, bool walk, QObject* parent = nullptr);
  /// {"max_hold_ms", "p99_hold_ms", "steps", "seconds", "histogram_ms": [[upper bound, count], …]}
  Status write(const QString& file) const;

 private:
  void tick();

  MainWindow& window_;
  QTimer timer_, walk_timer_;
  QElapsedTimer since_tick_, since_start_;
  std::vector<double> late_;  ///< milliseconds
  double seconds_ = 0;
  int page_ = 0;
};

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// How long the event loop was held: a timer of 5 ms notes by how much each of its ticks was late,
// and what this thread spent of the processor meanwhile, which a busy machine does not change.
#pragma once

#include <QElapsedTimer>
#include <QObject>
#include <QTimer>
#include <vector>

#include "engine/io/json.h"

namespace luthier {

class LoopClock : public QObject {
  Q_OBJECT

 public:
  explicit LoopClock(QObject* parent = nullptr);
  void start();
  void stop();
  bool running() const { return timer_.isActive(); }
  /// Of the turns since the start, or since they were last taken: {"max_hold_ms", "p99_hold_ms",
  /// "max_work_ms", "histogram_ms": [[upper bound, count], …]}
  Json take();

 private:
  void tick();

  QTimer timer_;
  QElapsedTimer since_tick_;
  double worked_ = 0;                ///< milliseconds of the processor, at the last tick
  std::vector<double> late_, work_;  ///< milliseconds, of each turn
};

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// The meter runs from RunStarted to RunEnded.
#include "app/gui/loop_meter.h"

#include <QSaveFile>
#include <algorithm>
#include <array>

#include "engine/io/json.h"
#include "ui/main_window.h"

namespace luthier {

namespace {
constexpr int kTickMilliseconds = 5, kWalkMilliseconds = 400;
}

LoopMeter::LoopMeter(MainWindow& window, bool walk, QObject* parent)
    : QObject(parent), window_(window) {
  timer_.setTimerType(Qt::PreciseTimer);
  timer_.setInterval(kTickMilliseconds);
  walk_timer_.setInterval(kWalkMilliseconds);
  connect(&timer_, &QTimer::timeout, this, &LoopMeter::tick);
  connect(&walk_timer_, &QTimer::timeout, this,
          [this] { window_.show_page(static_cast<PageId>(page_ = (page_ + 1) % kPageCount)); });
  connect(&window.workspace(), &Workspace::run_started, this, [this, walk] {
    since_start_.start();
    since_tick_.start();
    timer_.start();
    if (walk) walk_timer_.start();
  });
  connect(&window.workspace(), &Workspace::run_ended, this, [this] {
    if (!timer_.isActive()) return;
    tick();
    timer_.stop();
    walk_timer_.stop();
    seconds_ += static_cast<double>(since_start_.elapsed()) / 1000;
  });
}

void LoopMeter::tick() {
  const double passed = static_cast<double>(since_tick_.nsecsElapsed()) / 1e6;
  since_tick_.start();
  late_.push_back(std::max(0.0, passed - kTickMilliseconds));
}

Status LoopMeter::write(const QString& file) const {
  std::vector<double> sorted = late_;
  std::sort(sorted.begin(), sorted.end());
  const auto& run = window_.workspace().run();
  Json document;
  document["max_hold_ms"] = sorted.empty() ? 0 : sorted.back();
  document["p99_hold_ms"] =
      sorted.empty()
          ? 0
          : sorted[static_cast<std::size_t>(0.99 * static_cast<double>(sorted.size() - 1))];
  document["steps"] =
      run ? static_cast<std::int64_t>(run->lines.empty() ? 0 : run->lines.back().step) : 0;
  document["seconds"] = seconds_;
  document["state"] = run ? run->end_state : "none";
  Json histogram = Json::array();
  constexpr std::array<double, 9> kBounds{1, 2, 5, 10, 20, 50, 100, 200, 1e9};
  std::size_t at = 0;
  for (const double bound : kBounds) {
    std::size_t count = 0;
    while (at < sorted.size() && sorted[at] <= bound) ++at, ++count;
    histogram.push_back({bound, count});
  }
  document["histogram_ms"] = histogram;
  QSaveFile out(file);
  const QByteArray bytes = QByteArray::fromStdString(document.dump(2)) + '\n';
  if (!out.open(QIODevice::WriteOnly) || out.write(bytes) != bytes.size() || !out.commit())
    return machine_error(
        "The measurement could not be written: " + out.errorString().toStdString() + ".",
        file.toStdString(), "Choose another file.");
  return {};
}

}  // namespace luthier

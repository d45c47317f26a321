// SPDX-License-Identifier: GPL-3.0-or-later
// The meter runs from RunStarted to RunEnded.
#include "app/gui/loop_meter.h"

#include <QSaveFile>

#include "ui/main_window.h"

namespace luthier {

namespace {
constexpr int kWalkMilliseconds = 400;
}

Status write_measurement(const Json& document, const QString& file) {
  QSaveFile out(file);
  const QByteArray bytes = QByteArray::fromStdString(document.dump(2)) + '\n';
  if (!out.open(QIODevice::WriteOnly) || out.write(bytes) != bytes.size() || !out.commit())
    return machine_error(
        "The measurement could not be written: " + out.errorString().toStdString() + ".",
        file.toStdString(), "Choose another file.");
  return {};
}

LoopMeter::LoopMeter(MainWindow& window, bool walk, QObject* parent)
    : QObject(parent), window_(window) {
  walk_timer_.setInterval(kWalkMilliseconds);
  connect(&walk_timer_, &QTimer::timeout, this,
          [this] { window_.show_page(static_cast<PageId>(page_ = (page_ + 1) % kPageCount)); });
  connect(&window.workspace(), &Workspace::run_started, this, [this, walk] {
    since_start_.start();
    clock_.start();
    if (walk) walk_timer_.start();
  });
  connect(&window.workspace(), &Workspace::run_ended, this, [this] {
    if (!clock_.running()) return;
    clock_.stop();
    walk_timer_.stop();
    seconds_ += static_cast<double>(since_start_.elapsed()) / 1000;
  });
}

Status LoopMeter::write(const QString& file) {
  const auto& run = window_.workspace().run();
  Json document = clock_.take();
  document["steps"] =
      run ? static_cast<std::int64_t>(run->lines.empty() ? 0 : run->lines.back().step) : 0;
  document["seconds"] = seconds_;
  document["state"] = run ? run->end_state : "none";
  return write_measurement(document, file);
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// Qt orders what the two threads do, but by means that ThreadSanitizer does not see in a Qt that
// was not built for it; so what is handed over is ordered by `stage_` as well, and is looked at.
#include "ui/background.h"

#include <QPointer>
#include <QRunnable>

#include <atomic>

namespace luthier {
namespace {

/// Its QObject lives on the calling thread, which alone deletes it.
class BackgroundJob : public QObject, public QRunnable {
  Q_OBJECT

 public:
  BackgroundJob(QObject* owner, std::function<void()> work, std::function<void()> done)
      : owner_(owner), work_(std::move(work)), done_(std::move(done)) {
    setAutoDelete(false);
    stage_.store(1, std::memory_order_release);
  }

  void run() override {
    stage_.load(std::memory_order_acquire);
    work_();
    stage_.store(2, std::memory_order_release);
    QMetaObject::invokeMethod(this, "finish", Qt::QueuedConnection);
  }

 private:
  Q_INVOKABLE void finish() {
    stage_.load(std::memory_order_acquire);
    if (owner_) done_();
    delete this;
  }

  QPointer<QObject> owner_;
  std::function<void()> work_, done_;
  std::atomic<int> stage_{0};
};

}  // namespace

void in_background(QObject* owner, std::function<void()> work, std::function<void()> done,
                   QThreadPool& pool) {
  pool.start(new BackgroundJob(owner, std::move(work), std::move(done)));
}

}  // namespace luthier

#include "background.moc"

// SPDX-License-Identifier: GPL-3.0-or-later
// The window under load: a thousand steps a second arrive on top of a long history, and no turn of
// the event loop works longer than 100 ms. What is measured is the window thread's own processor
// time, so that a busy machine does not decide the outcome.
#include "tests/ui/driver.h"

using namespace luthier;
using luthier::test::Desk;
using luthier::test::thread_milliseconds;

namespace {

StepDone step(std::int64_t at) {
  StepDone event{};
  event.line.step = at;
  event.line.epoch = static_cast<double>(at) / 1000;
  event.line.loss = 2 + std::sin(static_cast<double>(at) * 0.7);
  event.line.grad_norm = 1;
  event.line.learning_rate = 1e-4;
  event.line.tokens_per_second = 2000;
  event.line.memory.weights = 100 << 20;
  event.line.memory.activations = (50 + at % 7) << 20;
  event.line.memory.allocated = 160 << 20;
  event.line.memory.peak = 170 << 20;
  return event;
}

}  // namespace

class TestLoad : public QObject {
  Q_OBJECT

 private slots:
  void a_thousand_steps_a_second_hold_nothing();

 private:
  Desk desk_;
};

void TestLoad::a_thousand_steps_a_second_hold_nothing() {
  MainWindow window;
  window.resize(1280, 800);
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  window.show_page(PageId::Train);
  SessionBridge& bridge = window.workspace().bridge();
  RunStarted started{};
  started.folder = "runs/load";
  started.total_steps = 200000;
  started.steps_per_epoch = 1000;
  emit bridge.run_started(started);
  std::int64_t at = 0;
  while (at < 100000) emit bridge.step_done(step(++at));
  QTest::qWait(1500);  // first drawing

  double longest = 0, last = thread_milliseconds();
  QTimer meter;
  meter.setTimerType(Qt::PreciseTimer);
  meter.start(5);
  connect(&meter, &QTimer::timeout, this, [&] {
    const double now = thread_milliseconds();
    longest = std::max(longest, now - last);
    last = now;
  });
  QTimer burst;
  burst.start(33);
  connect(&burst, &QTimer::timeout, this, [&] {
    for (int i = 0; i < 33; ++i) emit bridge.step_done(step(++at));
  });
  WAIT_UNTIL(at >= 103000);
  burst.stop();
  meter.stop();
  QVERIFY(window.workspace().run()->lines.size() > 100000);
  QVERIFY(window.findChild<QPlainTextEdit*>("stepLog")->blockCount() > 100);
  qInfo("longest turn: %.1f ms", longest);
  QVERIFY2(longest < 100, qPrintable(QString::number(longest)));
}

QTEST_MAIN(TestLoad)
#include "test_load.moc"

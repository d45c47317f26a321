// SPDX-License-Identifier: GPL-3.0-or-later
// What is done beside the window: off its thread, its result on it, and nothing of it for an owner
// that is gone.
#include "ui/background.h"

#include <atomic>

#include "tests/patience.h"

using namespace luthier;
using namespace luthier::test;

class TestBackground : public QObject {
  Q_OBJECT

 private slots:
  void the_result_comes_to_the_calling_thread() {
    QThread* const here = QThread::currentThread();
    QThread* worked = nullptr;
    QThread* shown = nullptr;
    std::vector<int> got;
    in_background_of(
        this,
        [&worked] {
          worked = QThread::currentThread();
          return std::vector<int>{1, 2, 3};
        },
        [&](std::vector<int> result) {
          shown = QThread::currentThread();
          got = std::move(result);
        });
    QVERIFY(got.empty());  // not before the event loop has its turn
    WAIT_UNTIL(!got.empty());
    QCOMPARE(got, (std::vector<int>{1, 2, 3}));
    QVERIFY(worked && worked != here);
    QCOMPARE(shown, here);
  }

  void an_owner_that_is_gone_hears_nothing() {
    std::atomic<bool> worked = false, both = false;
    bool heard = false, last = false;
    QThreadPool one;
    one.setMaxThreadCount(1);
    auto owner = std::make_unique<QObject>();
    in_background(
        owner.get(), [&] { worked = true; }, [&] { heard = true; }, one);
    in_background(
        this, [&] { both = true; }, [&] { last = true; }, one);
    for (const Patience patience; !both && !patience.is_over();) QThread::yieldCurrentThread();
    owner.reset();  // its result waits for the event loop
    WAIT_UNTIL(last);
    QVERIFY(worked);
    QVERIFY(!heard);
  }

  void what_was_captured_ends_on_the_calling_thread() {
    QThread* ended = nullptr;
    struct Last {
      QThread** ended;
      ~Last() { *ended = QThread::currentThread(); }
    };
    const auto ends = [&ended](auto held) {
      in_background(
          qApp, [held] {}, [held] {});
    };
    ends(std::make_shared<Last>(Last{&ended}));
    ended = nullptr;  // the temporary's own end
    WAIT_UNTIL(ended != nullptr);
    QCOMPARE(ended, QThread::currentThread());
  }
};

QTEST_GUILESS_MAIN(TestBackground)
#include "test_background.moc"

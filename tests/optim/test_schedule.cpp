// SPDX-License-Identifier: GPL-3.0-or-later
// The schedules against values of transformers' get_scheduler.
#include "engine/optim/schedule.h"

#include <QtTest>

using namespace luthier;

class TestSchedule : public QObject {
  Q_OBJECT

 private slots:
  void schedules_have_their_shape() {
    TrainingSettings training;
    training.warmup_ratio = 0.1;
    const auto factor = [&](const char* name, std::int64_t done) {
      training.lr_scheduler_type = name;
      return make_schedule(training, 20)->factor(done);
    };
    QCOMPARE(factor("constant", 0), 1.0);
    QCOMPARE(factor("constant_with_warmup", 0), 0.0);
    QCOMPARE(factor("constant_with_warmup", 1), 0.5);
    QCOMPARE(factor("constant_with_warmup", 2), 1.0);
    QCOMPARE(factor("linear", 2), 1.0);
    QCOMPARE(factor("linear", 11), 0.5);
    QCOMPARE(factor("linear", 20), 0.0);
    QCOMPARE(factor("cosine", 2), 1.0);
    QVERIFY(std::abs(factor("cosine", 11) - 0.5) < 1e-12);
    QVERIFY(std::abs(factor("cosine", 20)) < 1e-12);
    QVERIFY(std::abs(factor("cosine_with_restarts", 11) - 0.5) < 1e-12);
    QCOMPARE(factor("cosine_with_restarts", 20), 0.0);
    QVERIFY(std::abs(factor("polynomial", 11) - 0.5 * (1 + 1e-7 / 2e-4)) < 1e-12);
    QVERIFY(std::abs(factor("polynomial", 20) - 1e-7 / 2e-4) < 1e-12);
    QCOMPARE(factor("inverse_sqrt", 1), 0.5);
    QCOMPARE(factor("inverse_sqrt", 8), 0.5);
    training.warmup_steps = 5;  // above 0 replaces the ratio
    QCOMPARE(factor("linear", 4), 0.8);
    training.lr_scheduler_type = "reduce_lr_on_plateau";
    QVERIFY(!make_schedule(training, 20).ok());
  }
};

QTEST_APPLESS_MAIN(TestSchedule)
#include "test_schedule.moc"

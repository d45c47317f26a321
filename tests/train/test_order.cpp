// SPDX-License-Identifier: GPL-3.0-or-later
// Which row comes when, and where a window ends.
#include "engine/train/order.h"

#include <QtTest>

using namespace luthier;

class TestOrder : public QObject {
  Q_OBJECT

 private slots:
  void rows_come_in_the_reference_samplers_order() {
    QCOMPARE(epoch_order(7, 42, 0, true), (std::vector<std::int64_t>{1, 6, 3, 5, 4, 0, 2}));
    QCOMPARE(epoch_order(7, 42, 1, true), (std::vector<std::int64_t>{3, 1, 2, 4, 5, 0, 6}));
    QCOMPARE(epoch_order(7, 42, 2, true), (std::vector<std::int64_t>{2, 6, 4, 0, 3, 1, 5}));
    QCOMPARE(epoch_order(3, 42, 5, false), (std::vector<std::int64_t>{0, 1, 2}));
  }

  void windows_end_at_an_epochs_edge() {
    TrainingSettings training;
    training.per_device_train_batch_size = 2;
    training.gradient_accumulation_steps = 3;
    training.num_train_epochs = 1.5;
    const StepPlan plan = *plan_steps(15, training);  // 8 batches, 3 steps an epoch
    QCOMPARE(plan.steps_per_epoch, 3);
    QCOMPARE(plan.total_steps, 5);
    QCOMPARE(plan.window(2).batches, 2);
    QCOMPARE(plan.window(2).epoch_after, 1.0);
    QCOMPARE(plan.window(3).epoch, 1);
    QCOMPARE(plan.window(3).first_batch, 0);
    QCOMPARE(plan.batches_before(4), 11);
    training.max_steps = 2;
    QCOMPARE(plan_steps(15, training)->total_steps, 2);
    QVERIFY(!plan_steps(0, training).ok());
  }
};

QTEST_APPLESS_MAIN(TestOrder)
#include "test_order.moc"

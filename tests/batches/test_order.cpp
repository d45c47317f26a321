// SPDX-License-Identifier: GPL-3.0-or-later
// Which row comes when, and where a window ends.
#include "engine/batches/order.h"

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

  /// Steps of equal parts of a generation: of four micro-batches of 6 rows, or of one's share.
  void parts_of_a_generation_are_steps() {
    TrainingSettings training;
    training.per_device_train_batch_size = 6;
    training.gradient_accumulation_steps = 4;
    training.max_steps = 10;
    GenerationPlan generations;
    generations.samples = 1;
    const auto of_parts = [&](std::int64_t parts) {
      generations.parts = parts;
      const StepSize size = step_size(training, generations);
      generations.batches = parts * size.accumulation;
      generations.iterations = 3;
      return plan_steps(48, training, generations);
    };
    const auto two = of_parts(2), eight = of_parts(8);
    QVERIFY(two.ok() && eight.ok());
    QCOMPARE(two->batch_size, std::int64_t{6});
    QCOMPARE(two->accumulation, std::int64_t{2});
    QCOMPARE(two->steps_per_epoch, std::int64_t{2 * 2 * 3});
    QCOMPARE(eight->batch_size, std::int64_t{3});
    QCOMPARE(eight->accumulation, std::int64_t{1});
    QCOMPARE(eight->steps_per_epoch, std::int64_t{2 * 8 * 3});
    QVERIFY(!eight->goes_on(24) && eight->goes_on(23));
  }

  /// As TRL counts them: 4 micro-batches of 3 samples are 4 prompts of 3 each, used twice.
  void generations_are_counted_with_their_uses() {
    TrainingSettings training;
    training.per_device_train_batch_size = 3;
    training.gradient_accumulation_steps = 2;
    training.num_train_epochs = 1;
    GenerationPlan generations;
    generations.samples = 3, generations.batches = 4, generations.iterations = 2;
    const StepPlan plan = *plan_steps(15, training, generations);  // 3 prompts have no part in it
    QCOMPARE(generations.prompts(3), std::int64_t{4});
    QCOMPARE(plan.batches_per_epoch, std::int64_t{3 * 8});
    QCOMPARE(plan.total_steps, std::int64_t{12});
    QVERIFY(!plan.goes_on(0) && plan.goes_on(1) && plan.goes_on(3) && !plan.goes_on(4));
    QVERIFY(!generations.fits_into(2) && generations.fits_into(8) && generations.fits_into(16));
    QVERIFY(!plan_steps(3, training, generations).ok());
    training.per_device_train_batch_size = 2;  // 8 samples are no groups of 3
    QVERIFY(!plan_steps(15, training, generations).ok());
  }
};

QTEST_APPLESS_MAIN(TestOrder)
#include "test_order.moc"

// SPDX-License-Identifier: GPL-3.0-or-later
// Orders that a recipe asks for: shares come out as they are said, a file's rows come once a pass,
// a course shows no row before its time, and every epoch is the same whether or not others were
// asked.
#include "engine/batches/row_order.h"

#include <QtTest>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

using namespace luthier;

namespace {

using Rows = std::vector<std::int64_t>;

Rows range(std::int64_t first, std::int64_t count) {
  Rows rows(static_cast<std::size_t>(count));
  std::iota(rows.begin(), rows.end(), first);
  return rows;
}

StepPlan plan_of(std::int64_t places, std::int64_t max_steps) {
  TrainingSettings training;
  training.per_device_train_batch_size = 2;
  training.gradient_accumulation_steps = 2;
  training.max_steps = max_steps;
  return *plan_steps(places, training);
}

}  // namespace

class TestRowOrder : public QObject {
  Q_OBJECT

 private slots:
  void groups_come_by_their_shares() {
    // 1000 rows of one file and 10 of another: half of all places are the small one's.
    const auto order = mixed_order({range(0, 1000), range(1000, 10), range(1010, 5)}, {0.5, 0.5, 0},
                                   4000, 7, true);
    const StepPlan plan = plan_of(order->places(), -1);
    std::map<std::int64_t, int> seen;
    int small = 0;
    for (const PlacedRow& placed : order->epoch(plan, 0)) {
      ++seen[placed.row];
      small += placed.row >= 1000;
    }
    QVERIFY(small > 1850 && small < 2150);  // five standard deviations about 2000
    for (std::int64_t row = 1010; row < 1015; ++row) QCOMPARE(seen[row], 0);
    // A file's rows come in passes: none a third time before all have come twice.
    for (std::int64_t row = 0; row < 1000; ++row) QVERIFY(seen[row] >= 1 && seen[row] <= 3);
    const int often = small / 10;
    for (std::int64_t row = 1000; row < 1010; ++row)
      QVERIFY(seen[row] >= often && seen[row] <= often + 1);
  }

  void passes_go_on_through_epochs_and_by_place_alone() {
    const auto order = mixed_order({range(0, 6), range(6, 4)}, {0.7, 0.3}, 10, 3, true);
    const StepPlan plan = plan_of(order->places(), -1);
    std::map<std::pair<std::int64_t, std::int64_t>, int> times;  // (row, pass)
    std::vector<std::vector<PlacedRow>> epochs;
    for (std::int64_t epoch = 0; epoch < 30; ++epoch) {
      epochs.push_back(order->epoch(plan, epoch));
      QCOMPARE(epochs.back().size(), std::size_t(10));
      for (const PlacedRow& placed : epochs.back()) ++times[{placed.row, placed.pass}];
    }
    for (const auto& [place, count] : times) QCOMPARE(count, 1);  // once a pass
    const auto again = mixed_order({range(0, 6), range(6, 4)}, {0.7, 0.3}, 10, 3, true);
    QCOMPARE(again->epoch(plan, 29), epochs[29]);
    QCOMPARE(again->epoch(plan, 4), epochs[4]);
    const auto other = mixed_order({range(0, 6), range(6, 4)}, {0.7, 0.3}, 10, 4, true);
    QVERIFY(other->epoch(plan, 4) != epochs[4]);
    // Without shuffle a file's rows come in their order.
    const auto in_order = mixed_order({range(0, 6)}, {1}, 6, 3, false);
    std::int64_t next = 0;
    for (const PlacedRow& placed : in_order->epoch(plan_of(6, -1), 1))
      QCOMPARE(placed, (PlacedRow{next++, 1}));
  }

  void a_course_shows_no_row_before_its_time() {
    const std::int64_t rows = 40;
    for (const auto pacing : {Course::Pacing::Linear, Course::Pacing::Root}) {
      const auto order = course_order(range(0, rows), {pacing, 0.1, 0.5}, 5, true);
      const StepPlan plan = plan_of(rows, 40);  // 10 steps an epoch
      std::vector<std::int64_t> hardest;
      for (std::int64_t epoch = 0; epoch < 2; ++epoch) {
        std::int64_t at = 0;
        for (const PlacedRow& placed : order->epoch(plan, epoch)) {
          const double done =
              static_cast<double>(epoch * plan.steps_per_epoch + at++ / 4) / (0.5 * 40);
          const double share =
              pacing == Course::Pacing::Linear ? 0.1 + 0.9 * done : std::sqrt(0.01 + 0.99 * done);
          QVERIFY(static_cast<double>(placed.row) < std::ceil(share * 40));
          hardest.push_back(placed.row);
        }
      }
      // It does come to hard ones on its way, and the root sooner.
      const auto most = [&](std::size_t from, std::size_t to) {
        return *std::max_element(hardest.begin() + static_cast<std::ptrdiff_t>(from),
                                 hardest.begin() + static_cast<std::ptrdiff_t>(to));
      };
      QVERIFY(most(40, 80) > 20);
      QVERIFY(most(0, 20) < (pacing == Course::Pacing::Linear ? 14 : 24));
      // Behind the course an epoch is each row once, in the order that it would have had anyway.
      Rows plain = epoch_order(rows, 5, 2, true), behind;
      for (const PlacedRow& placed : order->epoch(plan, 2)) behind.push_back(placed.row);
      QCOMPARE(behind, plain);
      QCOMPARE(order->epoch(plan, 1), order->epoch(plan, 1));
    }
  }

  void a_sorted_course_is_the_order_of_every_epoch() {
    const auto order = course_order({2, 0, 3, 1}, {Course::Pacing::Sorted, 0.1, 0.5}, 5, true);
    QVERIFY(!order->repeats());
    const StepPlan plan = plan_of(4, -1);
    for (std::int64_t epoch = 0; epoch < 2; ++epoch)
      QCOMPARE(order->epoch(plan, epoch),
               (std::vector<PlacedRow>{{2, epoch}, {0, epoch}, {3, epoch}, {1, epoch}}));
  }
};

QTEST_APPLESS_MAIN(TestRowOrder)
#include "test_row_order.moc"

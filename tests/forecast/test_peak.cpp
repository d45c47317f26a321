// SPDX-License-Identifier: GPL-3.0-or-later
// The moment at which a step takes the most, of stages whose numbers are written here: what is kept
// shrinks through the backward, gradients grow, temporaries come and go.
#include <QtTest>

#include "engine/forecast/trained.h"

using namespace luthier;

class TestPeak : public QObject {
  Q_OBJECT

 private slots:
  void gradients_of_the_last_stages_are_not_there_yet_data() {
    QTest::addColumn<int>("kept");
    QTest::addColumn<int>("work");
    QTest::addColumn<int>("standing");
    QTest::addColumn<int>("more_than_gradients");
    // The first stage's gradients of 60 come only after its temporaries, those of 10 behind it are
    // there: so much of the temporaries stands in the room of those 60.
    QTest::newRow("temporaries in their room") << 0 << 100 << 0 << 40;
    QTest::newRow("what is kept, and temporaries") << 20 << 100 << 0 << 60;
    QTest::newRow("kept alone is more than their room") << 80 << 100 << 0 << 120;
    QTest::newRow("they stand, of an earlier micro-batch") << 0 << 100 << 70 << 100;
    QTest::newRow("all fits into their room") << 0 << 30 << 0 << 0;
  }
  void gradients_of_the_last_stages_are_not_there_yet() {
    QFETCH(int, kept);
    QFETCH(int, work);
    QFETCH(int, standing);
    PassCost cost;
    cost.stages.push_back({kept, {{kept, work}}, 60});
    cost.stages.push_back({0, {{0, 0}}, 10});
    GradientBytes gradients;
    gradients.all = 70, gradients.standing = standing;
    const StepBytes step = peak_of(cost, LossCost{}, gradients, 0);
    QVERIFY(step.kept >= 0 && step.workspace >= 0);
    QTEST(static_cast<int>(step.kept + step.workspace), "more_than_gradients");
  }

  void the_loss_meets_everything_kept() {
    PassCost cost;
    cost.stages.push_back({30, {{30, 5}}, 1});
    cost.stages.push_back({40, {{40, 5}}, 1});
    GradientBytes gradients;
    gradients.all = 2;
    LossCost loss;
    loss.work = 20;
    const StepBytes step = peak_of(cost, loss, gradients, 3);
    QCOMPARE(step.kept + step.workspace, std::int64_t{88});  // and no gradient is there
  }
};

QTEST_GUILESS_MAIN(TestPeak)
#include "test_peak.moc"

// SPDX-License-Identifier: GPL-3.0-or-later
// Alarms over metrics, and that ordinary runs raise none.
#include <QtTest>

#include <cmath>
#include <random>

#include "engine/runs/run_alarms.h"

using namespace luthier;

class TestRunAlarms : public QObject {
  Q_OBJECT

  using Kinds = std::vector<Alarm::Kind>;
  static constexpr std::int64_t kMiB = 1024 * 1024;

  /// An ordinary line: a loss that falls and varies, memory that varies with the batch.
  static MetricsLine line_at(std::int64_t step, std::mt19937& random) {
    std::normal_distribution<double> noise(0, 1);
    MetricsLine line;
    line.step = step;
    line.epoch = static_cast<double>(step) / 300;
    line.loss = 0.4 + 2 / std::sqrt(static_cast<double>(step)) + 0.05 * noise(random);
    line.grad_norm = std::exp(0.5 * noise(random));
    line.memory.allocated = 900 * kMiB + static_cast<std::int64_t>(20 * noise(random)) * kMiB;
    return line;
  }
  /// What a run of such lines tells, each changed first.
  static std::vector<Alarm> told(int steps, const std::function<void(MetricsLine&)>& change,
                                 AlarmRules rules = {}, unsigned seed = 3) {
    std::mt19937 random(seed);
    RunAlarms alarms(rules);
    std::vector<Alarm> all;
    for (int step = 1; step <= steps; ++step) {
      MetricsLine line = line_at(step, random);
      change(line);
      for (Alarm& alarm : alarms.look(line)) all.push_back(std::move(alarm));
    }
    return all;
  }
  static Kinds kinds(const std::vector<Alarm>& alarms) {
    Kinds all;
    for (const Alarm& alarm : alarms) all.push_back(alarm.kind);
    return all;
  }

 private slots:
  void ordinary_runs_raise_none() {
    for (unsigned seed = 0; seed < 40; ++seed) {
      const auto all = told(
          1500, [](MetricsLine&) {}, {}, seed);
      QVERIFY2(all.empty(), all.empty() ? "" : all.front().sentence.c_str());
    }
  }

  void a_loss_that_is_no_number() {
    const auto all = told(60, [](MetricsLine& line) {
      if (line.step == 20 || line.step == 21 || line.step == 40) line.loss = std::nan("");
      if (line.step == 50) line.grad_norm = INFINITY;
    });
    // Two in a row are told once.
    QCOMPARE(all.size(), std::size_t(3));
    QVERIFY(all[0].kind == Alarm::Kind::NotFinite && all[0].step == 20);
    QVERIFY(all[1].step == 40 && all[2].step == 50);
    QVERIFY(all[0].sentence.starts_with("Step 20: "));
  }

  void a_loss_of_zero() {
    const auto masked = [](MetricsLine& line) { line.loss = line.grad_norm = 0; };
    const auto all = told(30, masked);
    QCOMPARE(all.size(), std::size_t(1));
    QVERIFY(all[0].kind == Alarm::Kind::ZeroLoss && all[0].step == 3);
    // A policy's loss may be zero while it learns, and a single row may have no labels.
    QVERIFY(told(30, [](MetricsLine& line) { line.loss = 0; }).empty());
    QVERIFY(told(30, [&](MetricsLine& line) {
              if (line.step % 5 == 0) masked(line);
            }).empty());
    // A line that stands for many steps is enough.
    RunAlarms alarms;
    MetricsLine line;
    line.step = 10;
    QCOMPARE(kinds(alarms.look(line)), Kinds{Alarm::Kind::ZeroLoss});
  }

  void gradients_that_explode() {
    const auto all = told(200, [](MetricsLine& line) {
      if (line.step >= 100) line.grad_norm *= 300;
    });
    QVERIFY(!all.empty() && all[0].kind == Alarm::Kind::Gradient && all[0].step <= 102);
    QCOMPARE(all.size(), std::size_t(1));
    // A peak now and then is usual, and so are small norms under the bound.
    QVERIFY(told(200, [](MetricsLine& line) {
              if (line.step % 40 == 0) line.grad_norm = 15;
            }).empty());
    QVERIFY(told(200, [](MetricsLine& line) {
              line.grad_norm *= line.step < 100 ? 1e-4 : 1e-2;
            }).empty());
    // At the very start nothing is usual yet.
    QVERIFY(told(12, [](MetricsLine& line) { line.grad_norm *= 1000; }).empty());
  }

  void memory_that_creeps() {
    const auto all =
        told(400, [](MetricsLine& line) { line.memory.allocated += line.step * 3 * kMiB; });
    QVERIFY(!all.empty() && all[0].kind == Alarm::Kind::Memory);
    QCOMPARE(all.size(), std::size_t(1));
    QVERIFY(all[0].step < 200);
    // One jump, growth that stays small, a saw: none of them creeps.
    QVERIFY(told(400, [](MetricsLine& line) {
              if (line.step > 120) line.memory.allocated += 400 * kMiB;
            }).empty());
    QVERIFY(told(400, [](MetricsLine& line) {
              line.memory.allocated += line.step * 64 * 1024;
            }).empty());
    QVERIFY(told(800, [](MetricsLine& line) {
              line.memory.allocated += (line.step % 60) * 8 * kMiB;
            }).empty());
    // What a run keeps of each picture's features grows for an epoch, and that is meant to be.
    AlarmRules keeps;
    keeps.memory_from_epoch = 1;
    QVERIFY(told(
                600,
                [](MetricsLine& line) {
                  line.memory.allocated += std::min<std::int64_t>(line.step, 300) * 3 * kMiB;
                },
                keeps)
                .empty());
  }

  void a_loss_that_falls_no_more() {
    std::mt19937 random(5);
    std::normal_distribution<double> noise(0, 1);
    const auto flat = [&](MetricsLine& line) { line.loss = 1.5 + 0.01 * noise(random); };
    const auto all = told(900, flat);
    QVERIFY(!all.empty() && all[0].kind == Alarm::Kind::Plateau && all[0].step >= 200);
    QCOMPARE(all.size(), std::size_t(1));
    AlarmRules drawn;
    drawn.loss_tells = false;
    QVERIFY(told(900, flat, drawn).empty());
    // One that falls slowly, one that is solved, and one too noisy to tell.
    QVERIFY(told(900, [&](MetricsLine& line) {
              line.loss = 1.5 - 0.0005 * static_cast<double>(line.step) + 0.01 * noise(random);
            }).empty());
    QVERIFY(
        told(900, [&](MetricsLine& line) { line.loss = 0.01 + 0.001 * noise(random); }).empty());
    QVERIFY(told(900, [&](MetricsLine& line) { line.loss = 1.5 + 0.5 * noise(random); }).empty());
    // It is told again after the loss fell again.
    const auto twice = told(1400, [&](MetricsLine& line) {
      line.loss = (line.step < 500 ? 1.5 : 0.9) + 0.01 * noise(random);
    });
    QCOMPARE(kinds(twice), (Kinds{Alarm::Kind::Plateau, Alarm::Kind::Plateau}));
  }
};

QTEST_GUILESS_MAIN(TestRunAlarms)
#include "test_run_alarms.moc"

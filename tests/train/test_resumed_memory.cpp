// SPDX-License-Identifier: GPL-3.0-or-later
// What a resume takes before its first step: a bfloat16 run's float32 masters begin in the base's
// own digits, and a checkpoint brings others. The two never stand in memory at once.
#include "engine/device/memory.h"
#include "tests/train/watched_run.h"

using namespace luthier;
using namespace luthier::test;

namespace {

/// Of the stretch from the preparing to the start of the training.
struct Stretch {
  std::int64_t before = 0, most = 0, after = 0;
  std::int64_t run_most = 0;  ///< up to the last logged step, the preparing too
};

Stretch prepared(const Recipe& recipe, std::optional<fs::path> resume, std::int64_t stop_at) {
  Stretch stretch;
  const Outcome outcome =
      run(recipe, std::move(resume), [&](Watcher& watcher, TrainControl& control, LoadedModel&) {
        watcher.at_phase = [&](TrainPhase phase) {
          const MemoryUse use = memory_use(torch::kCPU);
          if (phase == TrainPhase::Preparing) {
            reset_memory_peak(torch::kCPU);
            stretch.before = use.allocated;
          } else if (stretch.after == 0) {
            stretch.after = use.allocated, stretch.most = use.peak;
          }
        };
        watcher.at_step = [&, stop_at](std::int64_t step) {
          stretch.run_most = std::max(stretch.most, memory_use(torch::kCPU).peak);
          if (step == stop_at) control.stop(true);
        };
      });
  if (!outcome.result) qFatal("%s", fault_of(outcome).constData());
  return stretch;
}

}  // namespace

class TestResumedMemory : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { install_counting_allocator(); }

  void masters_never_stand_twice_data() {
    QTest::addColumn<QStringList>("settings");
    QTest::newRow("AdamW") << QStringList{};
    QTest::newRow("8 bits") << QStringList{"training.optim=adamw_8bit"};
    QTest::newRow("an average") << QStringList{"training.optim=schedule_free_adamw"};
    // Where some have taken no step yet the checkpoint has no masters of theirs.
    QTest::newRow("gradual") << QStringList{"strategy=freeze", "freeze.language_model=false",
                                            "freeze.unfreeze_steps=2"};
  }
  void masters_never_stand_twice() {
    QFETCH(QStringList, settings);
    TinyRun tiny({256, 512, 4, 32, 64}, 6);
    std::vector<std::string> list{"strategy=full",
                                  "training.dtype=bfloat16",
                                  "training.max_steps=4",
                                  "training.save_steps=2",
                                  "training.per_device_train_batch_size=1",
                                  "training.gradient_accumulation_steps=1"};
    for (const QString& setting : settings) list.push_back(setting.toStdString());
    const Recipe recipe = tiny.recipe("run", list);
    const Stretch start = prepared(recipe, {}, 2);
    const Stretch rest = prepared(recipe, tiny.root() / "run", 0);
    const std::int64_t masters = start.after - start.before;
    QVERIFY2(masters > 4 << 20, qPrintable(QString::number(masters)));
    qInfo("start %.2f MiB, of which masters %.2f; resume: at most %.2f, then %.2f MiB",
          (double)start.run_most / (1 << 20), (double)masters / (1 << 20),
          (double)rest.most / (1 << 20), (double)rest.after / (1 << 20));
    // Rows, pictures and pieces of tensors on their way: less than a tenth of the masters.
    QVERIFY(rest.most < rest.after + masters / 10);
    QVERIFY(rest.most <= start.run_most);
  }
};

QTEST_GUILESS_MAIN(TestResumedMemory)
#include "test_resumed_memory.moc"

// SPDX-License-Identifier: GPL-3.0-or-later
// The number of threads follows what other programs leave free, so what a run computes must not
// depend on it: whole runs with one, two and three threads, and with another number at every step,
// end in the same bytes.
#include <cstdlib>

#include "engine/nn/threads.h"
#include "engine/nn/torch.h"
#include "engine/session/headless.h"

#include "tests/train/tiny_run.h"  // Qt after LibTorch

using namespace luthier;
using namespace luthier::test;

class TestThreads : public QObject {
  Q_OBJECT

  static void train(const Recipe& recipe, const std::function<int(std::int64_t)>& threads_after) {
    set_threads(threads_after(0));
    const auto adapt = [&](const SessionEvent& event) {
      if (const auto* step = std::get_if<StepDone>(&event))
        set_threads(threads_after(step->line.step));
    };
    const auto result = train_headless(recipe, {}, adapt, {});
    if (!result) qFatal("%s", result.error().sentence().c_str());
  }

 private slots:
  // So that the trainer leaves the numbers of threads to the test.
  void initTestCase() { setenv("OMP_NUM_THREADS", "1", 1); }

  void same_bytes_data() {
    QTest::addColumn<QStringList>("settings");
    QTest::newRow("lora") << QStringList{"adapter.modules_to_save=[lm_head]"};
    QTest::newRow("full") << QStringList{"strategy=full"};
    QTest::newRow("freeze") << QStringList{"strategy=freeze", "freeze.vision_tower=false"};
    QTest::newRow("checkpointing")
        << QStringList{"strategy=full", "training.gradient_checkpointing=true"};
  }
  void same_bytes() {
    QFETCH(QStringList, settings);
    // Wide enough for ATen to share a layer's work among threads.
    const TinyRun tiny({256, 512, 2, 128, 256}, 12);
    std::vector<std::string> all;
    for (const QString& each : settings) all.push_back(each.toStdString());
    all.insert(all.end(), {"training.max_steps=4", "training.per_device_train_batch_size=6",
                           "training.gradient_accumulation_steps=1", "training.save_steps=0"});
    train(tiny.recipe("one", all), [](std::int64_t) { return 1; });
    train(tiny.recipe("two", all), [](std::int64_t) { return 2; });
    train(tiny.recipe("three", all), [](std::int64_t) { return 3; });
    train(tiny.recipe("mixed", all),
          [](std::int64_t step) { return static_cast<int>(1 + step % 3); });
    for (const char* other : {"two", "three", "mixed"}) {
      const QString differing = differences(tiny.root() / "one", tiny.root() / other);
      QVERIFY2(differing.isEmpty(), qPrintable(QString("%1: %2").arg(other, differing)));
    }
  }
};

QTEST_GUILESS_MAIN(TestThreads)
#include "test_threads.moc"

// SPDX-License-Identifier: GPL-3.0-or-later
// Other programs' curves: what our own writer and other writers put into event files, a Trainer's
// state, and files that are cut, broken or none of these.
#include "engine/runs/foreign_run.h"

#include <QtTest>

#include <cmath>
#include <fstream>

#include "engine/io/files.h"
#include "engine/io/tensorboard.h"

using namespace luthier;
namespace fs = std::filesystem;

class TestForeignRun : public QObject {
  Q_OBJECT

  fs::path root() const { return temporary_.path().toStdString(); }
  static std::string seed(const char* name) {
    return *read_file(fs::path(LUTHIER_SOURCE_DIR) / "tests/fuzz/seeds/curves" / name);
  }

 private slots:
  void our_own_events() {
    auto writer = TensorboardWriter::create(root() / "ours");
    QVERIFY(writer.ok());
    for (int step = 1; step <= 50; ++step) {
      QVERIFY(writer->add_scalar("train/loss", 10.0 / step, step));
      QVERIFY(writer->add_scalar("train/learning_rate", 0.5, step));
      QVERIFY(writer->add_scalar("rewards/margins", step, step));
      if (step % 10 == 0) QVERIFY(writer->add_scalar("eval/loss", 2.0, step));
    }
    QVERIFY(writer->flush());
    const auto run = read_foreign_run(root() / "ours");
    QVERIFY2(run.ok(), run.ok() ? "" : run.error().sentence().c_str());
    QCOMPARE(run->name, std::string("ours"));
    QCOMPARE(run->lines.size(), std::size_t(50));
    QCOMPARE(run->lines[3].loss, 2.5);
    QCOMPARE(run->lines[3].learning_rate, 0.5);
    QCOMPARE(run->lines[3].figures.at("rewards/margins"), 4.0);
    QVERIFY(!run->lines[8].eval_loss && *run->lines[9].eval_loss == 2.0);
    QVERIFY(std::isnan(run->lines[3].epoch));
  }

  /// Written by the seeds' script as TensorFlow 1 and 2 lay them out.
  void simple_values_and_tensors() {
    const auto lines = lines_of_tensorboard(seed("events"), "x");
    QVERIFY(lines.ok());
    QCOMPARE(lines->size(), std::size_t(3));
    for (int step = 1; step <= 3; ++step) {
      const MetricsLine& line = (*lines)[static_cast<std::size_t>(step) - 1];
      QCOMPARE(line.step, std::int64_t(step));
      QCOMPARE(line.loss, static_cast<double>(3.0f / static_cast<float>(step)));
      QCOMPARE(*line.eval_loss, static_cast<double>(4.0f / static_cast<float>(step)));
      QCOMPARE(line.epoch, step / 3.0);
    }
    QCOMPARE((*lines)[1].step_seconds, 1.0);
  }

  void a_trainers_state() {
    const auto lines = lines_of_trainer_state(seed("trainer_state"), "x");
    QVERIFY(lines.ok());
    QCOMPARE(lines->size(), std::size_t(2));
    QCOMPARE((*lines)[0].loss, 2.5);
    QCOMPARE(*(*lines)[0].eval_loss, 2.25);
    QCOMPARE((*lines)[1].loss, 1.5);
    QCOMPARE((*lines)[1].tokens, std::int64_t(300));
    QCOMPARE((*lines)[1].figures.at("rewards/margins"), 0.25);
    fs::create_directories(root() / "theirs/checkpoint-2");
    std::ofstream(root() / "theirs/checkpoint-2/trainer_state.json") << seed("trainer_state");
    QCOMPARE(read_foreign_run(root() / "theirs/checkpoint-2")->lines.size(), std::size_t(2));
    QCOMPARE(read_foreign_run(root() / "theirs/checkpoint-2/trainer_state.json")->name,
             std::string("checkpoint-2"));
  }

  void broken_files() {
    const std::string whole = seed("events");
    // A file that is still being written: what is whole comes out, never an error.
    std::size_t before = 0;
    for (std::size_t length = 64; length < whole.size(); ++length) {
      const auto lines = lines_of_tensorboard(whole.substr(0, length), "x");
      QVERIFY(lines.ok() && lines->size() >= before);
      before = lines->size();
    }
    for (std::size_t at = 0; at < whole.size(); ++at) {
      std::string other = whole;
      other[at] = static_cast<char>(other[at] ^ 0x40);
      (void)lines_of_tensorboard(other, "x");
    }
    QVERIFY(!lines_of_tensorboard("this is a text, and no event file at all", "x").ok());
    QVERIFY(!lines_of_trainer_state("{\"log_history\": 3}", "x").ok());
    // As Python writes what is no number.
    const auto odd = lines_of_trainer_state(
        R"({"best": NaN, "log_history": [{"step": 1, "loss": 2.5, "grad_norm": NaN, "say": "NaN"},
           {"step": 2, "loss": 2.0, "grad_norm": -Infinity}]})",
        "x");
    QVERIFY2(odd.ok(), odd ? "" : odd.error().sentence().c_str());
    QCOMPARE(odd->size(), std::size_t(2));
    QCOMPARE(odd->back().loss, 2.0);
    QVERIFY(lines_of_trainer_state("{\"log_history\": [3, {}, {\"step\": \"a\"}]}", "x")->empty());
    fs::create_directories(root() / "nothing");
    QVERIFY(!read_foreign_run(root() / "nothing").ok());
    QVERIFY(!read_foreign_run(root() / "absent").ok());
  }

 private:
  QTemporaryDir temporary_;
};

QTEST_APPLESS_MAIN(TestForeignRun)
#include "test_foreign_run.moc"

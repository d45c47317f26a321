// SPDX-License-Identifier: GPL-3.0-or-later
// A run keeps its compute type, and may change its device, which is told.
#include "engine/runs/resume_device.h"

#include <QtTest>

#include "engine/runs/run_folder.h"

using namespace luthier;
namespace fs = std::filesystem;

class TestResumeDevice : public QObject {
  Q_OBJECT

 private slots:
  void the_compute_type_stays_data() {
    QTest::addColumn<QString>("recorded");
    QTest::addColumn<QString>("asked");
    QTest::addColumn<QString>("taken");  // empty: refused
    QTest::newRow("auto of a bfloat16 run") << "bfloat16"
                                            << "auto"
                                            << "bfloat16";
    QTest::newRow("auto of a float32 run") << "float32"
                                           << "auto"
                                           << "float32";
    QTest::newRow("the same in words") << "bfloat16"
                                       << "bfloat16"
                                       << "bfloat16";
    QTest::newRow("a narrower one") << "float32"
                                    << "bfloat16"
                                    << "";
    QTest::newRow("a wider one") << "bfloat16"
                                 << "float32"
                                 << "";
    QTest::newRow("a run that recorded none") << ""
                                              << "auto"
                                              << "auto";
  }
  void the_compute_type_stays() {
    QFETCH(QString, recorded);
    QFETCH(QString, asked);
    QFETCH(QString, taken);
    RunManifest manifest;
    manifest.dtype = recorded.toStdString();
    const auto dtype = resumed_dtype(asked.toStdString(), manifest, "runs/a");
    QCOMPARE(dtype.ok(), !taken.isEmpty());
    if (dtype) {
      QCOMPARE(QString::fromStdString(*dtype), taken);
      return;
    }
    const QString sentence = QString::fromStdString(dtype.error().sentence());
    QVERIFY2(sentence.contains("runs/a") && sentence.contains(recorded) && sentence.contains(asked),
             qPrintable(sentence));
    QCOMPARE(dtype.error().exit_status(), 2);
  }

  void another_device_is_told_data() {
    QTest::addColumn<QString>("before");  // device, card
    QTest::addColumn<QString>("now");
    QTest::addColumn<bool>("told");
    QTest::newRow("the same") << "cuda:0,A"
                              << "cuda:0,A" << false;
    QTest::newRow("another number") << "cuda:0,A"
                                    << "cuda:1,A" << false;
    QTest::newRow("another card") << "cuda:0,A"
                                  << "cuda:0,B" << true;
    QTest::newRow("the CPU instead") << "cuda:0,A"
                                     << "cpu," << true;
    QTest::newRow("a card instead") << "cpu,"
                                    << "cuda:0,A" << true;
    QTest::newRow("a card that was not written down") << "cuda:0,"
                                                      << "cuda:1,A" << false;
    QTest::newRow("a run of before") << ","
                                     << "cpu," << false;
  }
  void another_device_is_told() {
    QFETCH(QString, before);
    QFETCH(QString, now);
    QFETCH(bool, told);
    const auto manifest = [](const QString& text) {
      RunManifest made;
      made.device = text.section(',', 0, 0).toStdString();
      made.card = text.section(',', 1, 1).toStdString();
      return made;
    };
    const auto changes = resume_changes(manifest(before), manifest(now));
    QCOMPARE(changes.size(), std::size_t(told));
    if (!told) return;
    const QString sentence = QString::fromStdString(changes.front());
    for (const QString& each : before.split(',') + now.split(','))
      QVERIFY2(sentence.contains(each), qPrintable(sentence));
  }

  // What the last bits of a sum depend on.
  void another_way_of_adding_up_is_told() {
    RunManifest before, now;
    before.device = now.device = "cpu";
    before.products = now.products = "mkl";
    before.threads = now.threads = 2;
    QVERIFY(resume_changes(before, now).empty());
    now.threads = 16;
    auto changes = resume_changes(before, now);
    QCOMPARE(changes.size(), std::size_t(1));
    QVERIFY2(changes[0].starts_with("The number of CPU threads was 2 and is now 16:"),
             changes[0].c_str());
    now.products = "onednn";
    changes = resume_changes(before, now);
    QCOMPARE(changes.size(), std::size_t(2));
    QVERIFY2(changes[1].find("were made by mkl and are now made by onednn") != std::string::npos,
             changes[1].c_str());
    before.threads = 0, before.products.clear();  // a run of before
    QVERIFY(resume_changes(before, now).empty());
    before.threads = 2, before.device = "cuda:0";  // all of it follows from that
    QCOMPARE(resume_changes(before, now).size(), std::size_t(1));
  }

  void recorded_steps_are_the_runs() {
    RunManifest manifest;
    QCOMPARE(recording_change(manifest, false), std::string());
    QVERIFY(recording_change(manifest, true).find("left aside") != std::string::npos);
    manifest.recorded_steps = true;
    QCOMPARE(recording_change(manifest, true), std::string());
    QVERIFY(recording_change(manifest, false).find("piece by piece") != std::string::npos);
  }

  void what_it_computes_on_is_written_down_and_read() {
    RunManifest manifest;
    manifest.recorded_steps = true;
    manifest.device = "cuda:1";
    manifest.dtype = "bfloat16";
    manifest.card = "NVIDIA H100 80GB HBM3";
    manifest.threads = 12;
    QCOMPARE(manifest_from_json(to_json(manifest), "run.json")->card, manifest.card);
    QCOMPARE(manifest_from_json(to_json(manifest), "run.json")->threads, 12);
    QVERIFY(manifest_from_json(to_json(manifest), "run.json")->recorded_steps);
    Json older = to_json(manifest);
    for (const char* each : {"card", "threads", "recorded_steps"}) older.erase(each);
    QVERIFY(manifest_from_json(older, "run.json")->card.empty());
    QCOMPARE(manifest_from_json(older, "run.json")->threads, 0);
    QVERIFY(!manifest_from_json(older, "run.json")->recorded_steps);
  }

  // A refusal leaves the run as it was: what its lines say past the checkpoint stays.
  void a_refused_resume_takes_nothing_away_data() {
    QTest::addColumn<QString>("setting");
    QTest::addColumn<QString>("refused");  // of its sentence; empty: it goes on
    QTest::newRow("as it was") << ""
                               << "";
    QTest::newRow("another device") << "training.device=cpu"
                                    << "";
    QTest::newRow("its type in words") << "training.dtype=bfloat16"
                                       << "";
    QTest::newRow("another type") << "training.dtype=float32"
                                  << "The run computes in bfloat16";
    QTest::newRow("another rate") << "training.learning_rate=1"
                                  << "with other settings";
  }
  void a_refused_resume_takes_nothing_away() {
    QFETCH(QString, setting);
    QFETCH(QString, refused);
    QTemporaryDir temporary;
    const fs::path folder = fs::path(temporary.path().toStdString()) / "run";
    const std::string yaml = "model: m\ndataset: d.jsonl\noutput_dir: " + folder.string() +
                             "\ntraining:\n  device: cuda\n";
    {
      const auto run = RunFolder::create(folder, yaml);
      QVERIFY(run.ok());
      RunManifest manifest;
      manifest.state = RunState::Stopped;
      manifest.device = "cuda:0";
      manifest.dtype = "bfloat16";
      QVERIFY(run->write_manifest(manifest).ok());
      auto writer = run->begin_checkpoint(2);
      QVERIFY(writer.ok());
      QVERIFY(write_file_atomically(writer->path() / "state.json", "step 2").ok());
      QVERIFY(writer->commit().ok());
      for (const std::int64_t step : {1, 2, 3}) {
        MetricsLine line;
        line.step = step;
        QVERIFY(run->append_metrics(line).ok());
      }
    }
    std::vector<std::string> settings;
    if (!setting.isEmpty()) settings.push_back(setting.toStdString());
    const auto recipe = parse_recipe(yaml, "recipe.yaml", settings);
    QVERIFY(recipe.ok());
    const std::string before = *read_file(folder / "metrics.jsonl");
    const auto prepared = prepare_run(*recipe, folder);
    const std::string after = *read_file(folder / "metrics.jsonl");
    if (refused.isEmpty()) {
      QVERIFY2(prepared.ok(), prepared.ok() ? "" : prepared.error().sentence().c_str());
      QCOMPARE(prepared->kind, PreparedRun::Kind::Resume);
      QVERIFY(after.size() < before.size());
      return;
    }
    QVERIFY(!prepared.ok());
    const QString sentence = QString::fromStdString(prepared.error().sentence());
    QVERIFY2(sentence.contains(refused), qPrintable(sentence));
    QCOMPARE(after, before);
  }
};

QTEST_GUILESS_MAIN(TestResumeDevice)
#include "test_resume_device.moc"

// SPDX-License-Identifier: GPL-3.0-or-later
// What a person does with runs: notes that no training touches, names, the bin and back, forks as a
// tree; and lines of metrics that are read the short way.
#include <QtTest>

#include <fstream>

#include "engine/io/files.h"
#include "engine/runs/metrics_file.h"
#include "engine/runs/run_bin.h"
#include "engine/runs/run_notes.h"
#include "engine/runs/run_parent.h"

using namespace luthier;
namespace fs = std::filesystem;

class TestRunKeeping : public QObject {
  Q_OBJECT

  fs::path root() const { return fs::canonical(temporary_->path().toStdString()); }
  RunFolder make(const std::string& name, const std::string& started = "2026-01-01T00:00:00.000Z") {
    auto run = RunFolder::create(root() / name, "model: base\n");
    if (!run) qFatal("%s", run.error().sentence().c_str());
    RunManifest manifest;
    manifest.state = RunState::Finished;
    manifest.started = started;
    if (!run->write_manifest(manifest)) qFatal("no manifest");
    return run.take();
  }

 private slots:
  void init() { temporary_ = std::make_unique<QTemporaryDir>(); }

  void notes_stay_through_a_fresh_start() {
    const fs::path folder = root() / "a";
    {
      const RunFolder run = make("a");
      RunManifest manifest = *run.read_manifest();
      manifest.state = RunState::Failed;  // may be started over
      QVERIFY(run.write_manifest(manifest));
    }
    QCOMPARE(*read_run_notes(folder), RunNotes());
    QVERIFY(write_run_notes(folder, {{" good ", "b", "good", ""}, "first try"}));
    QCOMPARE(*read_run_notes(folder), RunNotes({{"b", "good"}, "first try"}));
    QVERIFY(RunFolder::create(folder, "model: other\n").ok());
    QCOMPARE(*read_run_notes(folder), RunNotes({{"b", "good"}, "first try"}));
    QVERIFY(write_run_notes(folder, {}));
    QVERIFY(!fs::exists(folder / kRunNotesFile));
    std::ofstream(folder / kRunNotesFile) << "{\"tags\": \"one\"}";
    QVERIFY(!read_run_notes(folder).ok());
    QCOMPARE(tags_text(tags_from_text("b, a,, b ,")), std::string("a, b"));
  }

  void names_and_the_bin() {
    make("a");
    make("b");
    std::ofstream(root() / "a/adapter_bytes") << std::string(1000, 'x');
    QVERIFY(*folder_bytes(root() / "a") > 1000);
    QVERIFY(!rename_run(root() / "a", "b").ok());
    for (const char* name : {"", ".c", "x/y", ".."}) QVERIFY(!rename_run(root() / "a", name).ok());
    QCOMPARE(*rename_run(root() / "a/", "c"), root() / "c");
    QVERIFY(!fs::exists(root() / "a"));
    const auto binned = move_to_bin(root() / "c");
    QVERIFY(binned.ok());
    QVERIFY(fs::exists(*binned / "adapter_bytes") && !fs::exists(root() / "c"));
    QCOMPARE(list_runs(root()).size(), std::size_t(1));
    make("c");
    QVERIFY(!bring_back(*binned, root() / "c"));  // nothing is written over
    const auto second = move_to_bin(root() / "c");
    QVERIFY(second.ok() && *second != *binned);
    QCOMPARE(binned_runs(root()).size(), std::size_t(2));
    QVERIFY(bring_back(*binned, root() / "c"));
    QVERIFY(fs::exists(root() / "c/adapter_bytes"));
  }

  void what_trains_and_what_is_no_run_stays() {
    {
      const RunFolder training = make("busy");
      QVERIFY(!move_to_bin(root() / "busy").ok() && !rename_run(root() / "busy", "x").ok());
    }
    QVERIFY(move_to_bin(root() / "busy").ok());
    fs::create_directories(root() / "pictures");
    QVERIFY(!move_to_bin(root() / "pictures").ok() && fs::exists(root() / "pictures"));
    fs::create_directories(root() / "all/stages");
    std::ofstream(root() / "all/stages.json") << "{}";
    make("all/stages/1-sft");
    QVERIFY(!rename_run(root() / "all/stages/1-sft", "x").ok());
  }

  void forks_are_a_tree_that_outlasts_names() {
    const auto fork = [&](const std::string& name, const std::string& of,
                          const std::string& started) {
      make(name, "2026-02-0" + std::to_string(name.size()) + "T00:00:00.000Z");
      Json json = *read_json_file(root() / name / "run.json");
      json["forked_from"] = to_json(RunParent{root() / of, started, 5, false});
      QVERIFY(write_file_atomically(root() / name / "run.json", json.dump()));
    };
    make("a", "2026-01-01T00:00:00.000Z");
    fork("bb", "a", "2026-01-01T00:00:00.000Z");
    fork("ccc", "bb", "2026-02-02T00:00:00.000Z");
    make("e", "2026-03-01T00:00:00.000Z");
    const auto names = [&] {
      std::string text;
      const std::vector<RunSummary> runs = list_runs(root());
      std::vector<std::optional<RunParent>> parents;
      for (const RunSummary& run : runs) parents.push_back(read_run_parent(run.path));
      for (const TreePlace& place : run_tree(runs, parents))
        text += std::to_string(place.depth) + runs[place.run].name + " ";
      return text;
    };
    QCOMPARE(names(), std::string("0e 0a 1bb 2ccc "));
    QVERIFY(rename_run(root() / "a", "z").ok());
    QCOMPARE(names(), std::string("0e 0z 1bb 2ccc "));
    QVERIFY(move_to_bin(root() / "bb").ok());
    QCOMPARE(names(), std::string("0e 0ccc 0z "));
    // The parent stays in run.json through what the trainer writes there.
    const auto run = RunFolder::open(root() / "ccc");
    QVERIFY(run->write_manifest(*run->read_manifest()));
    QCOMPARE(read_run_parent(root() / "ccc")->step, std::int64_t(5));
    QVERIFY(!read_run_parent(root() / "ccc")->carried);
  }

  void lines_are_read_alike_both_ways() {
    MetricsLine line;
    line.step = 7;
    line.loss = std::nan("");
    line.grad_norm = 1.0 / 3;
    line.learning_rate = 2e-4;
    line.tokens = 123456789012;
    line.memory.peak = 1ll << 40;
    line.figures = {{"rewards/margins", -0.25}, {"eval_x", std::nan("")}};
    for (const bool evaluated : {false, true}) {
      if (evaluated) line.eval_loss = 1.5;
      const std::string text = to_json(line).dump();
      const auto own = read_own_metrics_line(text);
      QVERIFY(own.has_value());
      QCOMPARE(to_json(*own).dump(), text);
      // Whatever is cut or changed is read the long way, or not at all, but never otherwise.
      for (std::size_t at = 0; at < text.size(); ++at) {
        for (const char letter : {'0', '.', '"', ',', '\\', '-', 'e', '\x80'}) {
          std::string other = text;
          other[at] = letter;
          const auto shortly = read_own_metrics_line(other);
          if (!shortly) continue;
          const auto json = parse_json(other, "x");
          QVERIFY2(json.ok(), other.c_str());
          const auto read = metrics_from_json(*json, "x");
          QVERIFY2(read.ok() && to_json(*read) == to_json(*shortly), other.c_str());
        }
        QVERIFY(!read_own_metrics_line(text.substr(0, at)).has_value());
      }
    }
    QVERIFY(!read_own_metrics_line("{\"step\": 1}").has_value());
  }

 private:
  std::unique_ptr<QTemporaryDir> temporary_;
};

QTEST_APPLESS_MAIN(TestRunKeeping)
#include "test_run_keeping.moc"

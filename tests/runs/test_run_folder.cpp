// SPDX-License-Identifier: GPL-3.0-or-later
// The run folder: what it refuses, what it replaces, what it keeps when a process dies or a line
// tears.
#include <QtTest>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <limits>

#include "engine/base/log.h"
#include "engine/io/json.h"
#include "engine/runs/run_edits.h"
#include "engine/runs/run_folder.h"

using namespace luthier;
namespace fs = std::filesystem;

namespace {

void put(const fs::path& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << bytes;
}

Status save_checkpoint(const RunFolder& run, std::int64_t step) {
  LUTHIER_TRY(FolderWriter writer, run.begin_checkpoint(step));
  LUTHIER_CHECK(
      write_file_atomically(writer.path() / "state.json", "step " + std::to_string(step)));
  LUTHIER_CHECK(write_file_atomically(writer.path() / "weights",
                                      std::string(20000, static_cast<char>('a' + step % 26))));
  return writer.commit();
}

std::vector<std::int64_t> steps(const RunFolder& run) {
  std::vector<std::int64_t> list;
  for (const Checkpoint& each : run.checkpoints()) list.push_back(each.step);
  return list;
}

/// The newest step that a checkpoint's name says, whole or not.
std::int64_t newest_named(const fs::path& run) {
  const auto folder = RunFolder::open(run);
  const std::vector<std::int64_t> all = folder ? steps(*folder) : std::vector<std::int64_t>();
  return all.empty() ? 0 : all.back();
}

MetricsLine line_at(std::int64_t step) {
  MetricsLine line;
  line.step = step;
  line.epoch = static_cast<double>(step) / 10;
  line.loss = 1.0 / 3.0;
  line.grad_norm = 0.1;
  line.learning_rate = 2e-4;
  line.tokens = 1056;
  line.tokens_per_second = 812.5;
  line.step_seconds = 1.3;
  line.memory = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  return line;
}

std::string said(const Error& error) { return error.sentence(); }

}  // namespace

class TestRunFolder : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { set_log_level(LogLevel::Error); }

  void init() {
    temporary_ = std::make_unique<QTemporaryDir>();
    root_ = temporary_->path().toStdString();
    recipe_ =
        parse_recipe("model: m\ndataset: d.jsonl\noutput_dir: " + (root_ / "run").string() + "\n",
                     "recipe.yaml")
            .take();
  }

  void a_file_is_not_called_a_missing_run() {
    QTemporaryDir temporary;
    const std::filesystem::path file = std::filesystem::path(temporary.path().toStdString()) / "a";
    std::ofstream(file) << "text";
    QVERIFY(RunFolder::open(file).error().what.find("This is a file") != std::string::npos);
    const auto missing = RunFolder::open(file.parent_path() / "b");
    QVERIFY(missing.error().what.find("does not exist") != std::string::npos);
  }

  void recordsReadBack() {
    RunManifest manifest;
    manifest.state = RunState::Paused;
    manifest.version = "1";
    manifest.device = "cuda:0";
    manifest.dataset_fingerprints = {"a", "b"};
    manifest.step = 12;
    manifest.total_steps = 1ll << 40;
    manifest.last_loss = 0.1;
    manifest.error = "한 \"quoted\"\n";
    const Json json = to_json(manifest);
    QVERIFY(*manifest_from_json(parse_json(json.dump(), "run.json").take(), "run.json") ==
            manifest);
    QVERIFY(!manifest_from_json(Json{{"state", "melted"}}, "run.json").ok());
    QVERIFY(!manifest_from_json(Json::array(), "run.json").ok());

    MetricsLine line = line_at(7);
    QCOMPARE(
        to_json(line).dump(),
        std::string("{\"step\":7,\"epoch\":0.7,\"loss\":0.3333333333333333,\"grad_norm\":0.1,"
                    "\"learning_rate\":0.0002,\"tokens\":1056,\"tokens_per_second\":812.5,"
                    "\"step_seconds\":1.3,\"memory\":{\"weights\":1,\"adapter\":2,\"gradients\":3,"
                    "\"optimizer\":4,\"activations\":5,\"allocated\":6,\"reserved\":7,"
                    "\"peak\":8,\"rss\":9}}"));
    line.eval_loss = 0.25;
    QVERIFY(*metrics_from_json(to_json(line), "f") == line);
    line.loss = std::numeric_limits<double>::quiet_NaN();
    line.grad_norm = std::numeric_limits<double>::infinity();
    const std::string text = to_json(line).dump();
    QVERIFY(text.find("\"loss\":null") != std::string::npos);
    QVERIFY(std::isnan(metrics_from_json(parse_json(text, "f").take(), "f")->loss));
    for (int i = 0; i < 7; ++i)
      QCOMPARE(*run_state_from_name(run_state_name(static_cast<RunState>(i))),
               static_cast<RunState>(i));
    QCOMPARE(utc_now().size(), std::size_t(24));
  }

  void freshRun() {
    auto prepared = prepare_run(recipe_);
    QVERIFY2(prepared.ok(), prepared.ok() ? "" : said(prepared.error()).c_str());
    QVERIFY(prepared->kind == PreparedRun::Kind::Fresh);
    QCOMPARE(*prepared->folder.read_recipe_yaml(), recipe_to_yaml(recipe_));
    QVERIFY(prepared->folder.read_manifest()->state == RunState::Created);
    QVERIFY(!prepared->folder.read_manifest()->started.empty());
    QCOMPARE(prepared->folder.checkpoint_path(100), root_ / "run" / "checkpoints" / "step-000100");
    QCOMPARE(prepared->folder.checkpoint_path(12345678),
             root_ / "run" / "checkpoints" / "step-12345678");
  }

  void aSecondTrainerIsRefused() {
    auto first = prepare_run(recipe_);
    QVERIFY(first.ok());
    const auto second = prepare_run(recipe_);
    QVERIFY(!second.ok());
    QVERIFY(said(second.error()).find("Another training") != std::string::npos);
    QCOMPARE(second.error().exit_status(), 2);
    QVERIFY(!prepare_run(recipe_, root_ / "run").ok());
    QVERIFY(summarize_run(root_ / "run")->active);
    first = input_error("dropped");
    QVERIFY(!summarize_run(root_ / "run")->active);
    QVERIFY(prepare_run(recipe_).ok());
  }

  void leftoversAreReplacedOthersAreNot() {
    {
      auto run = prepare_run(recipe_);
      QVERIFY(run->folder.append_metrics(line_at(1)).ok());
      fs::create_directories(root_ / "run" / "checkpoints" /
                             "step-000001");  // a folder that no manifest seals
      put(root_ / "run" / "checkpoints" / "step-000001" / "weights", "half");
      put(root_ / "run" / "events.out.tfevents.1", "x");
      fs::create_directory(root_ / "run" / ".adapter.partial");
    }
    {
      auto again = prepare_run(recipe_);
      QVERIFY2(again.ok(), again.ok() ? "" : said(again.error()).c_str());
      QVERIFY(again->folder.read_metrics().empty());
      QVERIFY(!fs::exists(root_ / "run" / "checkpoints"));
      QVERIFY(!fs::exists(root_ / "run" / ".adapter.partial"));
      QVERIFY(!fs::exists(root_ / "run" / "events.out.tfevents.1"));
    }
    put(root_ / "run" / "thesis.odt", "years of work");
    const auto foreign = prepare_run(recipe_);
    QVERIFY(!foreign.ok());
    QVERIFY(said(foreign.error()).find("thesis.odt") != std::string::npos);
    QVERIFY(fs::exists(root_ / "run" / "run.json"));

    fs::create_directory(root_ / "pictures");
    put(root_ / "pictures" / "a.png", "x");
    recipe_.output_dir = (root_ / "pictures").string();
    QVERIFY(!prepare_run(recipe_).ok());
    QVERIFY(!fs::exists(root_ / "pictures" / ".lock"));
    fs::create_directories(root_ / "other" / "adapter");  // an own name alone makes no run
    recipe_.output_dir = (root_ / "other").string();
    QVERIFY(!prepare_run(recipe_).ok());
    recipe_.output_dir = (root_ / "pictures" / "a.png").string();
    QVERIFY(!prepare_run(recipe_).ok());
  }

  void whatAPersonPutThereIsNeverReplaced() {
    const auto refused = [&](const fs::path& folder, const char* what) {
      recipe_.output_dir = folder.string();
      const auto fresh = prepare_run(recipe_), resumed = prepare_run(recipe_, folder);
      return !fresh.ok() && !resumed.ok() && said(fresh.error()).find(what) != std::string::npos &&
             !fs::exists(folder / ".lock");
    };
    fs::create_directories(root_ / "own");
    const std::string own = "# mine, with its remarks\nmodel: m\n";
    put(root_ / "own" / "recipe.yaml", own);
    QVERIFY(refused(root_ / "own", "recipe.yaml"));
    QCOMPARE(*read_file(root_ / "own" / "recipe.yaml"), own);
    put(root_ / "own" / "metrics.jsonl", "{}\n");
    QVERIFY(refused(root_ / "own", "recipe.yaml"));

    recipe_.output_dir = (root_ / "run").string();
    for (const char* theirs : {"checkpoints/best", "adapter", "model"}) {
      { QVERIFY(prepare_run(recipe_).ok()); }
      fs::create_directories(root_ / "run" / theirs);
      put(root_ / "run" / theirs / "weights", "x");
      const auto again = prepare_run(recipe_);
      QVERIFY2(!again.ok() && said(again.error()).find(theirs) != std::string::npos, theirs);
      QVERIFY(fs::exists(root_ / "run" / theirs / "weights"));
      fs::remove_all(root_ / "run" / theirs);
    }
    QVERIFY(prepare_run(recipe_).ok());
  }

  void whatARunKilledAtItsStartLeftIsReplaced() {
    fs::create_directories(root_ / "run");
    put(root_ / "run" / ".lock", "");
    put(root_ / "run" / ".run.json.partial-1", "{");
    { QVERIFY(prepare_run(recipe_).ok()); }
    fs::remove(root_ / "run" / "recipe.yaml");  // run.json is written first
    QVERIFY(prepare_run(recipe_).ok());
  }

  void withoutResumeWhatIsWorthKeepingIsRefused() {
    {
      auto run = prepare_run(recipe_);
      QVERIFY(save_checkpoint(run->folder, 5).ok());
    }
    auto refused = prepare_run(recipe_);
    QVERIFY(!refused.ok());
    QVERIFY(said(refused.error()).find("checkpoint at step 5") != std::string::npos);
    fs::remove_all(root_ / "run" / "checkpoints");
    {
      auto run = prepare_run(recipe_);
      RunManifest manifest = run->folder.read_manifest().take();
      manifest.state = RunState::Finished;
      QVERIFY(run->folder.write_manifest(manifest).ok());
    }
    refused = prepare_run(recipe_);
    QVERIFY(!refused.ok());
    QVERIFY(said(refused.error()).find("finished run") != std::string::npos);
    const auto finished = prepare_run(recipe_, root_ / "run");
    QVERIFY(finished.ok());
    QVERIFY(finished->kind == PreparedRun::Kind::Finished);
  }

  /// A run that was killed before its first checkpoint: what a person changed in it is all that is
  /// left of it, and a resume begins anew with that.
  void changesByHandOutliveARunWithoutACheckpoint() {
    const fs::path folder = root_ / "run";
    const auto changed = [&] {
      auto run = prepare_run(recipe_);
      QVERIFY(run.ok());
      QCOMPARE(run->forgotten_edits, std::size_t(0));
      QVERIFY(run->folder.append_event({0, "", "started", "9 steps"}).ok());
      QVERIFY(run->folder.append_metrics(line_at(1)).ok());
      QVERIFY(run->folder.append_event({2, "", "learning_rate", edit_detail(1e-4, 5e-5)}).ok());
    };
    const auto edits = [&] {
      std::vector<std::string> told;
      for (const RunEvent& event : RunFolder::open(folder)->read_events())
        told.push_back(std::to_string(event.step) + " " + event.kind);
      return told;
    };
    const std::vector<std::string> kept{"2 learning_rate"};
    changed();
    for (int times = 0; times < 2; ++times) {  // and again, should it be killed again
      const auto resumed = prepare_run(recipe_, folder);
      QVERIFY(resumed.ok() && resumed->kind == PreparedRun::Kind::Fresh);
      QCOMPARE(resumed->forgotten_edits, std::size_t(0));
      QCOMPARE(edits(), kept);
      QVERIFY(resumed->folder.read_metrics().empty());
    }
    // By other settings, or as a new run, it is not that run; how much is lost is known.
    recipe_.training.seed += 1;
    {
      const auto other = prepare_run(recipe_, folder);
      QVERIFY(other.ok());
      QCOMPARE(other->forgotten_edits, std::size_t(1));
      QVERIFY(edits().empty());
    }
    fs::remove_all(folder);
    changed();
    const auto started = prepare_run(recipe_);
    QVERIFY(started.ok());
    QCOMPARE(started->forgotten_edits, std::size_t(1));
    QVERIFY(edits().empty());
  }

  void resumeStartsFromTheNewestWholeCheckpoint() {
    {
      const auto absent = prepare_run(recipe_, root_ / "elsewhere");
      QVERIFY(absent.ok());
      QVERIFY(absent->kind == PreparedRun::Kind::Fresh);
      QCOMPARE(absent->folder.path(), root_ / "elsewhere");
    }
    QVERIFY(prepare_run(recipe_, root_ / "elsewhere")->kind ==
            PreparedRun::Kind::Fresh);  // a run without a checkpoint
    {
      auto run = prepare_run(recipe_);
      for (std::int64_t step = 1; step <= 30; ++step) {
        QVERIFY(run->folder.append_metrics(line_at(step)).ok());
        QVERIFY(run->folder.append_event({step, "", "note", ""}).ok());
        if (step % 10 == 0) QVERIFY(save_checkpoint(run->folder, step).ok());
      }
      put(root_ / "run" / "checkpoints" / "step-000030" / "weights",
          std::string(20000, 'X'));  // same size, other bytes
      fs::create_directory(root_ / "run" / "checkpoints" / ".step-000040.partial");
    }
    auto resumed = prepare_run(recipe_, root_ / "run");
    QVERIFY2(resumed.ok(), resumed.ok() ? "" : said(resumed.error()).c_str());
    QVERIFY(resumed->kind == PreparedRun::Kind::Resume);
    QCOMPARE(resumed->checkpoint->step, std::int64_t(20));
    QCOMPARE(resumed->folder.read_metrics().size(), std::size_t(20));
    QCOMPARE(resumed->folder.read_events().back().step, std::int64_t(20));
    QVERIFY(!fs::exists(root_ / "run" / "checkpoints" / ".step-000040.partial"));
    QVERIFY(save_checkpoint(resumed->folder, 30).ok());  // the broken one is replaced
    QCOMPARE(resumed->folder.newest_whole_checkpoint()->step, std::int64_t(30));
  }

  void aChangedRecipeIsRefused() {
    {
      auto run = prepare_run(recipe_);
      QVERIFY(save_checkpoint(run->folder, 5).ok());
    }
    Recipe changed = recipe_;
    changed.training.learning_rate = 1e-3;
    changed.adapter.r = 4;
    const auto refused = prepare_run(changed, root_ / "run");
    QVERIFY(!refused.ok());
    QCOMPARE(refused.error().exit_status(), 2);
    QVERIFY2(said(refused.error()).find("training.learning_rate") != std::string::npos &&
                 said(refused.error()).find("adapter.r was 16 and is now 4") != std::string::npos,
             said(refused.error()).c_str());
    Recipe moved = recipe_;
    moved.output_dir = "runs/other";
    moved.model = "moved/m";
    QVERIFY(prepare_run(moved, root_ / "run").ok());
    Recipe oftener = recipe_;
    oftener.training.save_minutes = 1;  // decides no number
    QVERIFY(prepare_run(oftener, root_ / "run").ok());
    std::string yaml = recipe_to_yaml(recipe_);  // of a version that had no such setting
    const std::size_t line = yaml.find("  save_minutes");
    yaml.erase(line, yaml.find('\n', line) + 1 - line);
    put(root_ / "run" / "recipe.yaml", yaml);
    QVERIFY(prepare_run(recipe_, root_ / "run").ok());
    put(root_ / "run" / "recipe.yaml", "model: [");
    QVERIFY(!prepare_run(recipe_, root_ / "run").ok());

    RunManifest before, now;
    before.model_fingerprint = "m1";
    before.dataset_fingerprints = {"d1"};
    now = before;
    QVERIFY(check_same_inputs(before, now).ok());
    now.dataset_fingerprints = {"d2"};
    QVERIFY(said(check_same_inputs(before, now).error()).find("dataset changed") !=
            std::string::npos);
    QCOMPARE(check_same_inputs(before, now).error().where, std::string("dataset"));
    now = before;
    now.model_fingerprint = "m2";
    QVERIFY(said(check_same_inputs(before, now).error()).find("model changed") !=
            std::string::npos);
    QCOMPARE(check_same_inputs(before, now).error().where, std::string("model"));
    now = before;
    now.dataset_fingerprints = {"d1", "p1"};
    QVERIFY(check_same_inputs(before, now).ok());  // a run of before pictures were looked at
    before.dataset_fingerprints = {"d1", "p1"};
    QVERIFY(check_same_inputs(before, now).ok());
    for (const std::vector<std::string>& other :
         {std::vector<std::string>{"d1", "p2"}, std::vector<std::string>{"d1"}}) {
      now.dataset_fingerprints = other;
      QVERIFY(said(check_same_inputs(before, now).error()).find("pictures") != std::string::npos);
    }
  }

  void aTornLineIsPassedOver() {
    auto run = prepare_run(recipe_);
    for (std::int64_t step = 1; step <= 3; ++step)
      QVERIFY(run->folder.append_metrics(line_at(step)).ok());
    {
      std::ofstream out(root_ / "run" / "metrics.jsonl", std::ios::app);
      out << "garbage\n{\"step\":4,\"lo";
    }
    QCOMPARE(run->folder.read_metrics().size(), std::size_t(3));
    QVERIFY(run->folder.truncate_after(2).ok());
    QVERIFY(run->folder.append_metrics(line_at(3)).ok());
    const auto lines = run->folder.read_metrics();
    QCOMPARE(lines.size(), std::size_t(3));
    QVERIFY(lines.back() == line_at(3));
  }

  void rotationKeepsTheLastGoodOne() {
    auto prepared = prepare_run(recipe_);
    const RunFolder& run = prepared->folder;
    using Steps = std::vector<std::int64_t>;
    for (std::int64_t step = 1; step <= 5; ++step) QVERIFY(save_checkpoint(run, step).ok());
    QVERIFY(run.rotate(0).ok());
    QCOMPARE(steps(run), (Steps{1, 2, 3, 4, 5}));
    QVERIFY(run.rotate(3, {1}).ok());
    QCOMPARE(steps(run), (Steps{1, 4, 5}));  // the limit counts what must stay
    QVERIFY(run.rotate(2).ok());
    QCOMPARE(steps(run), (Steps{4, 5}));
    put(root_ / "run" / "checkpoints" / "step-000005" / "weights",
        std::string(20000, 'X'));  // broken, though its size fits
    QVERIFY(run.rotate(1).ok());
    QCOMPARE(steps(run), (Steps{4, 5}));
    fs::create_directories(root_ / "run" / "checkpoints" /
                           "step-000009");  // partial: neither counted nor touched
    QVERIFY(run.rotate(1).ok());
    QCOMPARE(steps(run), (Steps{4, 5}));
    QVERIFY(save_checkpoint(run, 9).ok());
    QVERIFY(run.rotate(1).ok());
    QCOMPARE(steps(run), (Steps{9}));
  }

  /// Beside what transformers' Trainer left of the same saves (data/runs/make_rotation.py).
  void checkpointsStayAsTransformersKeepsThem() {
    const auto cases = read_json_file(std::string(LUTHIER_TEST_DATA) + "/runs/rotation.json");
    QVERIFY(cases.ok() && cases->size() >= 20);
    const auto as_json = [](const RunFolder& run) {
      Json steps = Json::array();
      for (const Checkpoint& each : run.checkpoints()) steps.push_back(each.step);
      return steps;
    };
    int alone = 0;
    for (const Json& each : *cases) {
      const auto prepared = prepare_run(recipe_);
      QVERIFY(prepared.ok());
      const RunFolder& run = prepared->folder;
      const auto limit = each["limit"].get<std::int64_t>();
      std::int64_t best = 0;
      for (const Json& after : each["after"]) {
        const auto step = after["step"].get<std::int64_t>();
        best = after["best"].get<std::int64_t>();
        QVERIFY(save_checkpoint(run, step).ok());
        QVERIFY(run.rotate(limit, {step, best}).ok());
        QCOMPARE(as_json(run).dump(), after["left"].dump());
      }
      if (limit == 1 && best > 0) {
        QVERIFY(run.keep_alone(best).ok());
        alone += as_json(run) != each["after"].back()["left"];
      }
      QCOMPARE(as_json(run).dump(), each["end"].dump());
      fs::remove_all(root_ / "run");
    }
    QVERIFY(alone > 0);  // an end that leaves less than the last save did was among them
  }

  void aBrokenBestIsNotLeftAlone() {
    const auto prepared = prepare_run(recipe_);
    const RunFolder& run = prepared->folder;
    for (std::int64_t step = 1; step <= 2; ++step) QVERIFY(save_checkpoint(run, step).ok());
    put(root_ / "run" / "checkpoints" / "step-000001" / "weights", std::string(20000, 'X'));
    QVERIFY(run.keep_alone(1).ok());
    QVERIFY(run.keep_alone(7).ok());
    QCOMPARE(steps(run), (std::vector<std::int64_t>{1, 2}));
  }

  void listOfRuns() {
    QVERIFY(list_runs(root_ / "absent").empty());
    {
      auto run = prepare_run(recipe_);
      RunManifest manifest = run->folder.read_manifest().take();
      manifest.state = RunState::Running;
      QVERIFY(run->folder.write_manifest(manifest).ok());
      QVERIFY(save_checkpoint(run->folder, 3).ok());
      QVERIFY(list_runs(root_).front().manifest.state == RunState::Running);
    }
    fs::create_directory(root_ / "not a run");
    put(root_ / "file", "x");
    fs::create_directory(root_ / "broken");
    put(root_ / "broken" / "run.json", "{\"state\": ");
    const auto runs = list_runs(root_);
    QCOMPARE(runs.size(), std::size_t(2));
    QCOMPARE(runs[0].name, std::string("run"));
    QVERIFY(runs[0].manifest.state == RunState::Interrupted);
    QCOMPARE(*runs[0].newest_checkpoint, std::int64_t(3));
    QCOMPARE(runs[1].name, std::string("broken"));
    QVERIFY(!runs[1].problem.empty());
    QVERIFY(!summarize_run(root_ / "not a run").ok());
  }

  void fingerprintSeesEveryByte() {
    const fs::path model = root_ / "model";
    fs::create_directory(model);
    put(model / "config.json", "{}");
    put(model / "README.md", "one");
    const std::string before = fingerprint_model(model).take();
    put(model / "README.md", "two");
    QCOMPARE(*fingerprint_model(model), before);
    put(model / "config.json", "{ }");
    QVERIFY(*fingerprint_model(model) != before);
    QVERIFY(!fingerprint_model(root_ / "absent").ok());
  }

  /// A process that saves as fast as it can is killed at random moments; each time the newest
  /// checkpoint is whole, and none is lost.
  void killedAtAnyMoment() {
    std::int64_t newest = 0;
    quint32 random = 12345;
    for (int round = 0; round < 25; ++round) {
      const pid_t child = ::fork();
      QVERIFY(child >= 0);
      if (child == 0) {
        auto run = prepare_run(recipe_, root_ / "run");
        if (!run) ::_exit(1);
        for (std::int64_t step = run->checkpoint ? run->checkpoint->step + 1 : 1;; ++step) {
          if (!run->folder.append_metrics(line_at(step)) || !save_checkpoint(run->folder, step) ||
              !run->folder.rotate(2))
            ::_exit(2);
        }
      }
      // A moment is a number of saves to wait for and then a little more, so that a slow machine
      // is killed as evenly as a fast one.
      random = random * 1664525u + 1013904223u;
      const std::int64_t saves = (random >> 28) & 3, more = (random >> 16) & 31;
      int status = 0;
      bool ended = false;
      while (!ended && newest_named(root_ / "run") < newest + saves) {
        QTest::qSleep(1);
        ended = ::waitpid(child, &status, WNOHANG) == child;
      }
      if (more) QTest::qSleep(static_cast<int>(more));
      if (!ended) {
        ::kill(child, SIGKILL);
        ::waitpid(child, &status, 0);
      }
      QVERIFY2(WIFSIGNALED(status), "the child failed by itself");
      if (!fs::exists(root_ / "run")) continue;
      auto run = prepare_run(recipe_, root_ / "run");
      QVERIFY2(run.ok(), run.ok() ? "" : said(run.error()).c_str());
      const std::int64_t step = run->checkpoint ? run->checkpoint->step : 0;
      QVERIFY(step >= newest);
      newest = step;
      if (step == 0) continue;
      QCOMPARE(*read_file(run->checkpoint->path / "state.json"), "step " + std::to_string(step));
      const auto lines = run->folder.read_metrics();
      QVERIFY(!lines.empty() && lines.back().step == step);
      QCOMPARE(lines.size(), static_cast<std::size_t>(step));
    }
    QVERIFY2(newest > 0, "no save was finished between the kills");
    qInfo("killed 25 times, %lld steps saved", static_cast<long long>(newest));
  }

 private:
  std::unique_ptr<QTemporaryDir> temporary_;
  fs::path root_;
  Recipe recipe_;
};

QTEST_APPLESS_MAIN(TestRunFolder)
#include "test_run_folder.moc"

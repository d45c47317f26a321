// SPDX-License-Identifier: GPL-3.0-or-later
// The folder of a run of stages: what it refuses, what it replaces, and whose settings go on.
#include <QtTest>

#include <fstream>

#include "engine/runs/named_run.h"
#include "engine/runs/run_folder.h"
#include "engine/runs/stage_folder.h"

using namespace luthier;
namespace fs = std::filesystem;

namespace {

StagedRecipe two_stages(const fs::path& out, const std::string& more = {}) {
  const auto staged = parse_staged_recipe(
      "model: base\noutput_dir: " + out.string() + "\n" + more + "\nstages: [{}, {objective: dpo}]",
      "test.yaml");
  if (!staged) qFatal("%s", staged.error().sentence().c_str());
  return **staged;
}

std::vector<StageRecord> two_records() {
  return {{"sft", "stages/1-sft", "base", "base"}, {"dpo", "stages/2-dpo", "adapter", "base"}};
}

QString refusal(const Result<std::optional<StageFolder>>& found) {
  return found ? QString("not refused") : QString::fromStdString(found.error().sentence());
}

}  // namespace

class TestStageFolder : public QObject {
  Q_OBJECT

 private slots:
  void init() { root_ = fs::path(folder_.path().toStdString()) / std::to_string(++count_); }

  void is_made_read_and_found_again() {
    const StagedRecipe staged = two_stages(root_);
    const auto nothing = StageFolder::find(staged, {});
    QVERIFY(nothing.ok() && !*nothing);
    QVERIFY(!fs::exists(root_));
    {
      const auto made = StageFolder::create(staged, root_, two_records());
      QVERIFY(made.ok());
      QCOMPARE(made->run_path(1), root_ / "stages/2-dpo");
      QCOMPARE(made->merged_path(0), root_ / "stages/1-sft-merged");
      // Locked: another start is refused while this one lives.
      QVERIFY(refusal(StageFolder::find(staged, root_)).contains("Another training"));
    }
    QVERIFY(is_stage_folder(root_));
    QCOMPARE(*read_stage_records(root_), two_records());
    QCOMPARE(stage_state(root_ / "stages/1-sft"), std::string("waiting"));
    QCOMPARE(*stages_around(root_ / "stages/1-sft/"), root_);
    QVERIFY(!stages_around(root_));
    const auto found = StageFolder::find(staged, root_);
    QVERIFY2(found.ok() && *found, qPrintable(refusal(found)));
  }

  void a_resume_has_the_settings_of_the_start() {
    { QVERIFY(StageFolder::create(two_stages(root_), root_, two_records()).ok()); }
    QString said = refusal(StageFolder::find(two_stages(root_, "training: {max_steps: 4}"), root_));
    QVERIFY2(said.contains("stages.1.training.max_steps was -1 and is now 4; "
                           "stages.2.training.max_steps was -1"),
             qPrintable(said));
    // What changes no number may be another, as in a single run.
    said = refusal(StageFolder::find(two_stages(root_, "training: {save_minutes: 4}"), root_));
    QCOMPARE(said, QString("not refused"));
    StagedRecipe more = two_stages(root_);
    more.stages.pop_back();
    said = refusal(StageFolder::find(more, root_));
    QVERIFY2(said.contains("stages was sft, dpo and is now sft"), qPrintable(said));
  }

  void several_processes_have_the_product_and_a_resume_keeps_it() {
    const auto batches = [](const StagedRecipe& staged) {
      std::vector<std::int64_t> all;
      for (const RecipeStage& each : staged.stages)
        all.push_back(each.recipe.training.gradient_accumulation_steps);
      return all;
    };
    const StagedRecipe own = two_stages(root_, "training: {gradient_accumulation_steps: 3}");
    const StagedRecipe of_two = stages_of_ranks(own, {}, 2);
    QCOMPARE(batches(of_two), (std::vector<std::int64_t>{6, 6}));
    { QVERIFY(StageFolder::create(of_two, root_, two_records(), 2).ok()); }
    for (const int ranks : {1, 2, 3})
      QCOMPARE(batches(stages_of_ranks(own, root_, ranks)), (std::vector<std::int64_t>{6, 6}));
    QCOMPARE(batches(stages_of_ranks(of_two, root_, 2)), (std::vector<std::int64_t>{6, 6}));
    const auto found = StageFolder::find(stages_of_ranks(own, root_, 3), root_);
    QVERIFY2(found.ok() && *found, qPrintable(refusal(found)));
    QCOMPARE(*read_stage_records(root_), two_records());
  }

  void leftovers_are_replaced_and_what_is_saved_is_not() {
    const StagedRecipe staged = two_stages(root_);
    { QVERIFY(StageFolder::create(staged, root_, two_records()).ok()); }
    {
      const auto run = RunFolder::create(root_ / "stages/1-sft", "model: base\n");
      QVERIFY(run.ok());
    }
    QVERIFY(StageFolder::find(staged, {}).ok());
    { QVERIFY(StageFolder::create(staged, root_, two_records()).ok()); }
    QVERIFY(!fs::exists(root_ / "stages/1-sft"));
    {
      const auto run = RunFolder::create(root_ / "stages/1-sft", "model: base\n");
      QVERIFY(run.ok());
      auto writer = run->begin_checkpoint(3);
      QVERIFY(writer.ok());
      QVERIFY(write_file_atomically(writer->path() / "state", "3").ok());
      QVERIFY(writer->commit().ok());
    }
    QString said = refusal(StageFolder::find(staged, {}));
    QVERIFY2(said.contains("\"1-sft\" at step 3") && said.contains("--resume"), qPrintable(said));
    QVERIFY(StageFolder::find(staged, root_).ok());
    fs::create_directories(root_ / "stages/1-sft/adapter");
    QVERIFY(refusal(StageFolder::find(staged, {})).contains("result of a stage"));
    QVERIFY(!StageFolder::create(staged, root_, two_records()).ok());
    QVERIFY(fs::exists(root_ / "stages/1-sft/adapter"));
  }

  void what_is_somebody_elses_stays() {
    const StagedRecipe staged = two_stages(root_);
    fs::create_directories(root_);
    std::ofstream(root_ / "recipe.yaml") << "mine";
    QVERIFY(refusal(StageFolder::find(staged, {})).contains("holds no run of stages"));
    std::ofstream(root_ / "stages.json") << "{}";
    std::ofstream(root_ / "thesis.txt") << "mine";
    QVERIFY(refusal(StageFolder::find(staged, {})).contains("\"thesis.txt\""));
    QVERIFY(!StageFolder::create(staged, root_, two_records()).ok());
    QVERIFY(fs::exists(root_ / "recipe.yaml"));
  }

  /// The Runs page and Compare take a stage as the run that it is.
  void stages_are_listed_as_runs() {
    { QVERIFY(StageFolder::create(two_stages(root_), root_, two_records()).ok()); }
    { QVERIFY(RunFolder::create(root_ / "stages/1-sft", "model: base\n").ok()); }
    const auto runs = list_runs(root_.parent_path());
    const std::string name = root_.filename().string() + "/1-sft";
    QVERIFY(std::any_of(runs.begin(), runs.end(),
                        [&](const RunSummary& run) { return run.name == name; }));
    QVERIFY(std::none_of(runs.begin(), runs.end(), [&](const RunSummary& run) {
      return run.path == root_ || run.name.find("2-dpo") != std::string::npos;
    }));
  }

  void what_is_meant_by_another_folder_is_said() {
    const StagedRecipe staged = two_stages(root_);
    { QVERIFY(StageFolder::create(staged, root_, two_records()).ok()); }
    { QVERIFY(RunFolder::create(root_ / "stages/1-sft", "model: base\n").ok()); }
    QString said = refusal(StageFolder::find(staged, root_ / "stages/1-sft"));
    QVERIFY2(said.contains("one stage") && said.contains(root_.c_str()), qPrintable(said));
    const Status plain = check_named_run(root_, root_);
    QVERIFY(!plain.ok());
    QVERIFY(plain.error().what.find("a run of stages") != std::string::npos);
    const fs::path single = root_.string() + "-single";
    { QVERIFY(RunFolder::create(single, "model: base\n").ok()); }
    QVERIFY(refusal(StageFolder::find(staged, single)).contains("a run of one recipe"));
    QVERIFY(refusal(StageFolder::find(staged, root_ / "nothing")).contains("no such run"));
  }

  void records_lead_nowhere_else() {
    fs::create_directories(root_);
    for (const char* folder : {"../x", "stages/..", "stages/../..", "/etc", "stages/a/b", ""}) {
      std::ofstream(root_ / "stages.json")
          << "{\"stages\": [{\"name\": \"a\", \"folder\": \"" << folder << "\"}]}";
      QVERIFY2(!read_stage_records(root_).ok(), folder);
    }
    for (const char* text : {"", "[]", "{}", "{\"stages\": [1]}", "{\"stages\": 3}"}) {
      std::ofstream(root_ / "stages.json") << text;
      QVERIFY2(!read_stage_records(root_).ok(), text);
    }
  }

 private:
  QTemporaryDir folder_;
  fs::path root_;
  int count_ = 0;
};

QTEST_APPLESS_MAIN(TestStageFolder)
#include "test_stage_folder.moc"

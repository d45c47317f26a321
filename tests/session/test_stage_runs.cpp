// SPDX-License-Identifier: GPL-3.0-or-later
// A run of stages: each from the last one's result and equal to runs that were started by hand, a
// resume to the byte, and what is refused before the first stage begins.
#include <QtTest>

#include <cmath>
#include <fstream>
#include <map>
#include <stop_token>

#include "engine/compare/result_folder.h"
#include "engine/methods/merge.h"
#include "engine/runs/run_folder.h"
#include "engine/runs/stage_folder.h"
#include "engine/runs/task_table.h"
#include "engine/session/headless.h"
#include "engine/session/session.h"
#include "tests/session/drained.h"
#include "tests/train/tiny_run.h"

using namespace luthier;
using namespace luthier::test;

namespace {

constexpr const char* kShared = R"(
init: random
training: {device: cpu, dtype: float32, max_steps: 4, per_device_train_batch_size: 2, seed: 5,
  gradient_accumulation_steps: 2, learning_rate: 2.0e-3, warmup_steps: 1, save_steps: 2,
  gradient_checkpointing: false}
)";
/// One of each start: the base, its checkpoint, its adapter, its merged adapter.
constexpr const char* kTasks = R"(
eval_dataset: EVAL
task_table: {answers: 2}
stages:
  - {strategy: full, name: whole}
  - {strategy: lora, adapter: {r: 4, lora_dropout: 0.1}}
  - {strategy: ia3, name: last, eval_dataset: ROWS, training: {loss_on: all}}
)";
constexpr const char* kEveryStart = R"(
stages:
  - {strategy: full, name: whole}
  - {strategy: lora, adapter: {r: 4, lora_dropout: 0.1}}
  - {strategy: lora, objective: dpo, adapter: {r: 4, lora_dropout: 0.1}, dataset: PAIRS}
  - {strategy: ia3, name: last}
)";

class Stages {
 public:
  Stages() {
    std::string pairs;
    for (int i = 0; i < 6; ++i) {
      const std::string number = std::to_string(i);
      pairs += Json{{"prompt", "What is in picture " + number + "?"},
                    {"chosen", "It is " + number + "."},
                    {"rejected", "I do not know " + number + "."}}
                   .dump() +
               "\n";
    }
    write_text(root() / "pairs.jsonl", pairs);
  }
  fs::path root() const { return tiny_.root(); }

  StagedRecipe recipe(const std::string& out, std::string stages,
                      const std::vector<std::string>& overrides = {}) const {
    for (const auto& [mark, file] : std::map<std::string, std::string>{
             {"PAIRS", "pairs.jsonl"}, {"EVAL", "eval.jsonl"}, {"ROWS", "rows.jsonl"}}) {
      if (const auto at = stages.find(mark); at != std::string::npos)
        stages.replace(at, mark.size(), (root() / file).string());
    }
    const std::string yaml = "model: " + (root() / "model").string() +
                             "\ndataset: " + (root() / "rows.jsonl").string() +
                             "\noutput_dir: " + (root() / out).string() + kShared + stages;
    const auto staged = parse_staged_recipe(yaml, "test.yaml", overrides);
    if (!staged) qFatal("%s", staged.error().sentence().c_str());
    return **staged;
  }

 private:
  TinyRun tiny_;
};

QString refusal(const StagedRecipe& staged) {
  const auto result = train_stages_headless(staged, {}, {}, {});
  return result ? QString("not refused") : QString::fromStdString(result.error().sentence());
}

#define VERIFY_DONE(result) \
  QVERIFY2((result).ok(), (result).ok() ? "" : (result).error().sentence().c_str())

/// A stage's recipe as a run of its own.
Recipe alone(const StagedRecipe& staged, std::size_t index, const fs::path& out,
             const fs::path& model, const fs::path& init_from = {}) {
  Recipe recipe = staged.stages[index].recipe;
  recipe.output_dir = out.string();
  recipe.model = model.string();
  recipe.adapter.init_from = init_from.string();
  return recipe;
}

/// Of a run's metrics.
double last_eval_loss(const fs::path& run) {
  std::ifstream file(run / "metrics.jsonl");
  double found = std::nan("");
  for (std::string line; std::getline(file, line);) {
    const auto json = parse_json(line, "metrics.jsonl");
    if (json && json->contains("eval_loss") && (*json)["eval_loss"].is_number())
      found = (*json)["eval_loss"].get<double>();
  }
  return found;
}

std::string file_digest(const fs::path& path) {
  const auto digest = sha256_file(path);
  return digest ? *digest : "nothing at " + path.string();
}

}  // namespace

class TestStageRuns : public QObject {
  Q_OBJECT

 private slots:
  void each_stage_is_the_run_that_one_would_start_by_hand() {
    const Stages stages;
    const StagedRecipe staged = stages.recipe("all", kEveryStart);
    std::vector<StageBegan> begun;
    int ends = 0;
    const auto result =
        train_stages_headless(staged, {},
                              [&](const SessionEvent& event) {
                                if (const auto* stage = std::get_if<StageBegan>(&event))
                                  begun.push_back(*stage);
                                ends += std::holds_alternative<RunEnded>(event);
                              },
                              {});
    VERIFY_DONE(result);
    QCOMPARE(result->folder, stages.root() / "all");
    QCOMPARE(result->state, RunState::Finished);
    QCOMPARE(begun.size(), std::size_t(4));
    QCOMPARE(ends, 1);
    const char* starts[] = {"base", "checkpoint", "adapter", "merged"};
    for (std::size_t i = 0; i < 4; ++i) QCOMPARE(begun[i].start, std::string(starts[i]));

    const fs::path root = stages.root(), all = root / "all/stages", hand = root / "hand";
    const auto train = [](const Recipe& recipe) { return train_headless(recipe, {}, {}, {}); };
    VERIFY_DONE(train(alone(staged, 0, hand / "1", root / "model")));
    VERIFY_DONE(train(alone(staged, 1, hand / "2", hand / "1/model")));
    VERIFY_DONE(train(alone(staged, 2, hand / "3", hand / "1/model", hand / "2/adapter")));
    VERIFY_DONE(merge_adapter(hand / "1/model", hand / "3/adapter", hand / "merged"));
    VERIFY_DONE(train(alone(staged, 3, hand / "4", hand / "merged")));
    const char* weights = "model.safetensors";
    const char* adapter = "adapter/adapter_model.safetensors";
    QCOMPARE(file_digest(all / "1-whole/model" / weights), file_digest(hand / "1/model" / weights));
    QCOMPARE(file_digest(all / "2-sft" / adapter), file_digest(hand / "2" / adapter));
    QCOMPARE(file_digest(all / "3-dpo" / adapter), file_digest(hand / "3" / adapter));
    QCOMPARE(file_digest(all / "3-dpo-merged" / weights), file_digest(hand / "merged" / weights));
    QCOMPARE(file_digest(all / "4-last" / adapter), file_digest(hand / "4" / adapter));
    for (const char* pair : {"2-sft", "3-dpo"}) {
      QVERIFY(fs::exists(all / pair / "metrics.jsonl"));
      QVERIFY(fs::exists(all / pair / "run.json"));
    }
    const auto records = read_stage_records(root / "all");
    VERIFY_DONE(records);
    QCOMPARE(records->at(3).model, (all / "3-dpo-merged").string());
    QCOMPARE(records->at(2).model, (all / "1-whole/model").string());

    // What the whole run came to is what its last stage did.
    const auto found = find_result(root / "all");
    VERIFY_DONE(found);
    QCOMPARE(found->folder, all / "4-last/adapter");

    // A finished run has nothing left to do, and is not begun over.
    const auto again = train_stages_headless(staged, root / "all", {}, {});
    VERIFY_DONE(again);
    QCOMPARE(again->step, std::int64_t(4));
    QVERIFY(refusal(staged).contains("--resume"));
  }

  void a_stop_in_any_stage_resumes_to_the_byte() {
    const Stages stages;
    const StagedRecipe staged = stages.recipe("run", kEveryStart);
    const fs::path run = stages.root() / "run", whole = stages.root() / "undisturbed";
    VERIFY_DONE(train_stages_headless(staged, {}, {}, {}));
    fs::rename(run, whole);  // paths are in what is written
    for (std::size_t at = 0; at < 4; ++at) {
      std::stop_source stop;
      std::size_t index = 0;
      const auto on_event = [&](const SessionEvent& event) {
        if (const auto* stage = std::get_if<StageBegan>(&event)) index = stage->index;
        const auto* step = std::get_if<StepDone>(&event);
        if (step && index == at && step->line.step == 3) stop.request_stop();
      };
      const auto stopped = train_stages_headless(staged, run, on_event, stop.get_token());
      VERIFY_DONE(stopped);
      QCOMPARE(stopped->state, RunState::Stopped);
      QCOMPARE(stopped->folder, run);
    }
    // Asked to stop where one stage has ended and the next has not begun.
    VERIFY_DONE(train_stages_headless(staged, run, {}, {}));
    for (const char* stage : {"1-whole", "2-sft", "3-dpo", "4-last"}) {
      const QString found = differences(run / "stages" / stage, whole / "stages" / stage);
      QVERIFY2(found.isEmpty(), qPrintable(QString(stage) + ": " + found));
    }
  }

  void a_stop_between_stages_begins_the_next_one_only_on_resume() {
    const Stages stages;
    const char* two = "stages: [{adapter: {r: 4}}, {merge: true, adapter: {r: 2}}]";
    const StagedRecipe random = stages.recipe("random", two);
    QVERIFY(refusal(random).contains("written nowhere"));  // a base that was drawn
    const StagedRecipe first = stages.recipe("base", "stages: [{strategy: full}]");
    VERIFY_DONE(train_stages_headless(first, {}, {}, {}));
    const StagedRecipe staged = stages.recipe(
        "run", two,
        {"init=pretrained", "model=" + (stages.root() / "base/stages/1-sft/model").string()});
    const fs::path run = stages.root() / "run";
    std::stop_source stop;
    const auto on_event = [&](const SessionEvent& event) {
      const auto* stage = std::get_if<StageBegan>(&event);
      if (stage && stage->index == 1) stop.request_stop();
    };
    const auto stopped = train_stages_headless(staged, {}, on_event, stop.get_token());
    QVERIFY(!stopped.ok());
    QCOMPARE(stopped.error().code, ErrorCode::Interrupted);
    QVERIFY(!fs::exists(run / "stages/1-sft-merged"));
    VERIFY_DONE(train_stages_headless(staged, run, {}, {}));
    QVERIFY(fs::exists(run / "stages/1-sft-merged/model.safetensors"));
    QVERIFY(fs::exists(run / "stages/2-sft-2/adapter/adapter_model.safetensors"));
  }

  void a_faulty_later_stage_is_refused_before_the_first_begins_data() {
    QTest::addColumn<QString>("stages");
    QTest::addColumn<QString>("part");
    const auto row = [](const char* stages, const char* part) {
      QTest::newRow(stages) << stages << part;
    };
    row("stages: [{}, {dataset: nothing.jsonl}]", "stages.2: nothing.jsonl");
    row("stages: [{}, {objective: dpo}]", "stages.2.dataset");  // rows of another kind
    row("stages: [{}, {eval_dataset: PAIRS}]", "stages.2.eval_dataset");
    row("task_table: true\nstages: [{}, {}]", "stages.1.eval_dataset: The table of tasks");
    row("task_table: true\neval_dataset: EVAL\nstages: [{}, {objective: dpo, dataset: PAIRS}]",
        "stages.2.objective");
    row("stages: [{}, {training: {eval_steps: 2}}]", "stages.2.training.eval_steps");
    row("stages: [{}, {adapter: {r: 4}}]", "stages.2.adapter.r: This is 4");
    row("stages: [{}, {training: {seed: 6}}]", "stages.2.training.seed");
    row("stages: [{}, {strategy: full}]", "written nowhere");
    row("stages: [{strategy: full}, {merge: true}]", "leaves no adapter to merge");
    row("stages: [{strategy: prompt_tuning}, {strategy: full}]", "cannot be merged");
    row("stages: [{strategy: full}, {adapter: {target_modules: [nothing]}}]", "stages.2");
    row("stages: [{}, {objective: mlm}]", "stages.2");
    row("stages: [{objective: reward, dataset: PAIRS}, {}]", "with a head of scores");
    row("stages: [{strategy: full}, {quantization: {load_in_4bit: true}}, {strategy: full}]",
        "is quantized");
  }
  void a_faulty_later_stage_is_refused_before_the_first_begins() {
    QFETCH(QString, stages);
    QFETCH(QString, part);
    const Stages tiny;
    const StagedRecipe staged = tiny.recipe("run", stages.toStdString());
    const QString said = refusal(staged);
    QVERIFY2(said.contains(part), qPrintable(said));
    QVERIFY(!fs::exists(tiny.root() / "run/stages/1-sft"));
  }

  void a_plan_forecasts_every_stage() {
    const Stages stages;
    const auto plan = plan_stages(stages.recipe("run", kEveryStart));
    VERIFY_DONE(plan);
    QCOMPARE(plan->size(), std::size_t(4));
    QCOMPARE(plan->at(0).name, std::string("whole"));
    QCOMPARE(largest_stage(*plan), std::size_t(0));  // gradients and moments of everything
    QVERIFY(plan->at(1).forecast.parts.adapter > 0);
    QVERIFY(plan->at(2).forecast.parts.total() > 0);
    const auto refused = plan_stages(stages.recipe("run", "stages: [{}, {dataset: nothing}]"));
    QVERIFY(!refused.ok());
    QVERIFY(refused.error().where.find("stages.2") != std::string::npos);
  }

  void every_task_is_asked_after_every_task() {
    const Stages stages;
    const StagedRecipe staged = stages.recipe("run", kTasks);
    VERIFY_DONE(train_stages_headless(staged, {}, {}, {}));
    const fs::path run = stages.root() / "run";
    const auto read = read_task_table(run);
    VERIFY_DONE(read);
    QVERIFY(*read);
    const TaskTable& table = **read;
    QVERIFY(table.whole());
    QCOMPARE(table.tasks, (std::vector<std::string>{"whole", "sft", "last"}));
    QCOMPARE(table.rows[0][0].rows, std::int64_t(3));
    QCOMPARE(table.rows[0][2].rows, std::int64_t(11));
    QVERIFY(table.rows[0][0] == table.rows[0][1]);  // the same rows
    QVERIFY(table.figures().front() == "exact_match");
    QCOMPARE(table.rows[3][1].figures.at("answered"), 2.0);
    // What a stage's own evaluation said of its result.
    const char* names[] = {"1-whole", "2-sft", "3-last"};
    for (std::size_t i = 0; i < 3; ++i) {
      const auto summary = summarize_run(run / "stages" / names[i]);
      VERIFY_DONE(summary);
      QVERIFY(summary->manifest.best_eval_loss.has_value());
      const double own = last_eval_loss(run / "stages" / names[i]);
      QVERIFY2(std::abs(table.at(i + 1, i, kTaskLoss) - own) < 1e-5 * own,
               qPrintable(QString("%1 and %2").arg(table.at(i + 1, i, kTaskLoss)).arg(own)));
    }
    QVERIFY(table.at(1, 0, kTaskLoss) < table.at(0, 0, kTaskLoss));
    QVERIFY(table.at(3, 0, kTaskLoss) != table.at(2, 0, kTaskLoss));
  }

  void a_stop_within_the_table_resumes_to_the_byte() {
    const Stages stages;
    const StagedRecipe staged = stages.recipe("run", kTasks);
    const fs::path run = stages.root() / "run", whole = stages.root() / "undisturbed";
    VERIFY_DONE(train_stages_headless(staged, {}, {}, {}));
    fs::rename(run, whole);
    // Before the first stage, after the first, and after the last.
    for (const std::size_t rows : {0, 1, 3}) {
      std::stop_source stop;
      const auto on_event = [&](const SessionEvent& event) {
        const auto* progress = std::get_if<Progress>(&event);
        if (!progress || progress->what != "Evaluating every task" || progress->done < 1000) return;
        const auto table = read_task_table(run);
        if (table && (*table ? (*table)->rows.size() : 0) == rows) stop.request_stop();
      };
      const auto stopped = train_stages_headless(staged, run, on_event, stop.get_token());
      QVERIFY(!stopped.ok());
      QCOMPARE(stopped.error().code, ErrorCode::Interrupted);
    }
    VERIFY_DONE(train_stages_headless(staged, run, {}, {}));
    QCOMPARE(file_digest(run / kTaskTableFile), file_digest(whole / kTaskTableFile));
    for (const char* stage : {"1-whole", "2-sft", "3-last"}) {
      const QString found = differences(run / "stages" / stage, whole / "stages" / stage);
      QVERIFY2(found.isEmpty(), qPrintable(QString(stage) + ": " + found));
    }
    // Another number of answers is another table.
    StagedRecipe other = staged;
    other.task_table->answers = 1;
    const auto refused = train_stages_headless(other, run, {}, {});
    QVERIFY(!refused.ok());
    QVERIFY(refused.error().sentence().find("task_table was {answers: 2}") != std::string::npos);
    // One that is of other tasks, or broken, is named.
    write_text(run / kTaskTableFile, R"({"format_version": 1, "tasks": ["a"], "rows": []})");
    const auto foreign = train_stages_headless(staged, run, {}, {});
    QVERIFY(!foreign.ok());
    QVERIFY(foreign.error().sentence().find("other tasks") != std::string::npos);
  }

  /// The window's way: one worker, one pause and stop for whichever stage runs.
  void the_session_runs_stages() {
    const Stages stages;
    const StagedRecipe staged = stages.recipe("run", kEveryStart);
    const fs::path run = stages.root() / "run", whole = stages.root() / "undisturbed";
    VERIFY_DONE(train_stages_headless(staged, {}, {}, {}));
    fs::rename(run, whole);
    Session session;
    std::vector<SessionEvent> events;
    const auto ended = [](const SessionEvent& event) {
      return std::holds_alternative<RunEnded>(event);
    };
    session.launch_stages(staged);
    QVERIFY(until(session, events, [](const SessionEvent& event) {
      const auto* stage = std::get_if<StageBegan>(&event);
      return stage && stage->index == 2;
    }));
    session.stop(StopKind::Save);
    QVERIFY(until(session, events, ended));
    WAIT_UNTIL(!session.has_run());
    session.launch_stages(staged, run);
    QVERIFY(until(session, events, ended));
    int ends = 0;
    for (const SessionEvent& event : events) {
      if (const auto* end = std::get_if<RunEnded>(&event)) {
        ++ends;
        QVERIFY2(!end->error, end->error ? end->error->sentence().c_str() : "");
        QCOMPARE(end->state, std::string(ends == 1 ? "stopped" : "finished"));
      }
    }
    QCOMPARE(ends, 2);
    for (const char* stage : {"1-whole", "2-sft", "3-dpo", "4-last"}) {
      const QString found = differences(run / "stages" / stage, whole / "stages" / stage);
      QVERIFY2(found.isEmpty(), qPrintable(QString(stage) + ": " + found));
    }
  }
};

QTEST_GUILESS_MAIN(TestStageRuns)
#include "test_stage_runs.moc"

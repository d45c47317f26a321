// SPDX-License-Identifier: GPL-3.0-or-later
// Recipes of stages: what is shared and what is a stage's own, overrides for one of them, round
// trips, and what is refused with which words.
#include <QtTest>

#include <filesystem>
#include <fstream>

#include "engine/config/stages.h"

using namespace luthier;

namespace {

const char* three_stages = R"(
model: base
dataset: rows.jsonl
output_dir: runs/all
strategy: lora
adapter: {r: 8, lora_dropout: 0.0}
dpo: {beta: 0.2}
training: {max_steps: 10, seed: 7}
stages:
  - name: words
    training: {max_steps: 20}
  - objective: dpo
    dataset: pairs.jsonl
  - strategy: full
    training: {learning_rate: 3.0e-6}
)";

StagedRecipe staged(const std::string& yaml, const std::vector<std::string>& overrides = {}) {
  const auto read = parse_staged_recipe(yaml, "test.yaml", overrides);
  if (!read) qFatal("%s", read.error().sentence().c_str());
  if (!*read) qFatal("no stages");
  return **read;
}

}  // namespace

class TestStages : public QObject {
  Q_OBJECT

 private slots:
  void a_stages_own_keys_win_over_the_shared_ones() {
    const StagedRecipe all = staged(three_stages);
    QCOMPARE(all.output_dir, std::string("runs/all"));
    QCOMPARE(all.stages.size(), std::size_t(3));
    QCOMPARE(all.stages[0].name, std::string("words"));
    QCOMPARE(all.stages[1].name, std::string("dpo"));
    QCOMPARE(all.stages[2].name, std::string("sft"));
    QCOMPARE(all.stages[0].recipe.training.max_steps, std::int64_t(20));
    QCOMPARE(all.stages[1].recipe.training.max_steps, std::int64_t(10));
    QCOMPARE(all.stages[1].recipe.training.seed, std::int64_t(7));
    QCOMPARE(all.stages[1].recipe.adapter.r, std::int64_t(8));
    QCOMPARE(all.stages[1].recipe.dataset, std::vector<std::string>{"pairs.jsonl"});
    QCOMPARE(all.stages[1].recipe.more.number("dpo.beta"), 0.2);
    QCOMPARE(all.stages[2].recipe.strategy, std::string("full"));
    QCOMPARE(all.stages[2].recipe.training.learning_rate, 3e-6);
  }

  /// Defaults go by a stage's own kinds, and where it starts is the first one's to say.
  void defaults_and_starts_are_each_stages_own() {
    const StagedRecipe all = staged(three_stages);
    QCOMPARE(all.stages[0].recipe.training.learning_rate, 2e-4);
    QCOMPARE(all.stages[1].recipe.training.learning_rate, 1e-5);  // ten times TRL's 1e-6
    QCOMPARE(all.stages[0].recipe.model, std::string("base"));
    QCOMPARE(all.stages[1].recipe.model, std::string());
    const StagedRecipe random = staged("model: a\ninit: random\nstages: [{}, {}]");
    QCOMPARE(random.stages[0].recipe.init, std::string("random"));
    QCOMPARE(random.stages[1].recipe.init, std::string("pretrained"));
    QCOMPARE(random.stages[0].name, std::string("sft"));
    QCOMPARE(random.stages[1].name, std::string("sft-2"));
    QCOMPARE(stage_folder_name(1, random.stages[1]), std::string("2-sft-2"));
  }

  void overrides_are_for_all_stages_or_for_one() {
    const StagedRecipe all =
        staged(three_stages, {"training.max_steps=3", "stages.2.training.seed=9",
                              "stages.words.adapter.lora_alpha=4", "stages.3.max_grad_norm=2"});
    for (const RecipeStage& stage : all.stages)
      QCOMPARE(stage.recipe.training.max_steps, std::int64_t(3));
    QCOMPARE(all.stages[0].recipe.training.seed, std::int64_t(7));
    QCOMPARE(all.stages[1].recipe.training.seed, std::int64_t(9));
    QCOMPARE(all.stages[0].recipe.adapter.lora_alpha, 4.0);
    QCOMPARE(all.stages[1].recipe.adapter.lora_alpha, 32.0);
    QCOMPARE(all.stages[2].recipe.training.max_grad_norm, 2.0);
    // One that a single stage has is left out of the others.
    QCOMPARE(staged(three_stages, {"dpo.beta=0.3"}).stages[1].recipe.more.number("dpo.beta"), 0.3);
  }

  void reads_back_what_it_writes() {
    StagedRecipe all = staged(three_stages);
    all.stages[2].merge = true;
    all.task_table = TaskTableSettings{12};
    const std::string yaml = staged_recipe_to_yaml(all);
    const StagedRecipe again = staged(yaml);
    QCOMPARE(staged_recipe_to_yaml(again), yaml);
    QCOMPARE(again.output_dir, all.output_dir);
    QVERIFY(again.task_table == all.task_table);
    QVERIFY(staged("task_table: true\nstages: [{}]").task_table == TaskTableSettings{});
    QVERIFY(!staged("task_table: false\nstages: [{}]").task_table);
    QVERIFY(!staged("stages: [{}]").task_table);
    for (std::size_t i = 0; i < all.stages.size(); ++i) {
      QCOMPARE(again.stages[i].name, all.stages[i].name);
      QCOMPARE(again.stages[i].merge, all.stages[i].merge);
      QVERIFY(recipe_differences(again.stages[i].recipe, all.stages[i].recipe).empty());
    }
    const StagedRecipe alike = staged("model: a\nstages: [{}, {}, {objective: dpo}]");
    QCOMPARE(staged_recipe_to_yaml(staged(staged_recipe_to_yaml(alike))),
             staged_recipe_to_yaml(alike));
  }

  void a_recipe_without_stages_is_none() {
    const auto plain = parse_staged_recipe("model: a\n", "test.yaml");
    QVERIFY(plain.ok());
    QVERIFY(!*plain);
    QVERIFY(parse_staged_recipe("", "test.yaml").ok());
  }

  void paths_beside_the_file_are_found() {
    QTemporaryDir folder;
    const std::filesystem::path root = folder.path().toStdString();
    std::filesystem::create_directories(root / "base");
    std::ofstream(root / "pairs.jsonl") << "{}\n";
    std::ofstream(root / "all.yaml") << "model: base\nstages: [{}, {dataset: pairs.jsonl}]\n";
    const auto read = read_staged_recipe(root / "all.yaml");
    QVERIFY(read.ok() && *read);
    QCOMPARE((*read)->stages[0].recipe.model, (root / "base").string());
    QCOMPARE((*read)->stages[1].recipe.dataset.front(), (root / "pairs.jsonl").string());
  }

  void refusals_data() {
    QTest::addColumn<QString>("yaml");
    QTest::addColumn<QString>("override_text");
    QTest::addColumn<QString>("where");
    QTest::addColumn<QString>("part");
    const auto row = [](const char* yaml, const char* where, const char* part,
                        const char* over = "") {
      QTest::newRow(yaml[0] ? yaml : where) << yaml << over << where << part;
    };
    row("stages: []", "test.yaml: stages", "list of recipes");
    row("stages: {a: 1}", "test.yaml: stages", "list of recipes");
    row("stages: [1]", "test.yaml: stages.1", "map of settings");
    row("stages: [{}, {trainig: {seed: 1}}]", "test.yaml: stages.2.trainig", "unknown");
    row("stages: [{}, {training: {seed: x}}]", "test.yaml: stages.2.training.seed", "whole number");
    row("stages: [{}, {model: other}]", "test.yaml: stages.2.model", "result of the one before");
    row("stages: [{}, {init: random}]", "test.yaml: stages.2.init", "result of the one before");
    row("stages: [{}, {adapter: {init_from: a}}]", "test.yaml: stages.2.adapter.init_from",
        "result of the one before");
    row("stages: [{output_dir: a}]", "test.yaml: stages.1.output_dir", "whole run");
    row("stages: [{}, {stages: []}]", "test.yaml: stages.2.stages", "no stages of its own");
    row("stages: [{name: a/b}]", "test.yaml: stages.1.name", "cannot be a stage's name");
    row("stages: [{name: ..}]", "test.yaml: stages.1.name", "cannot be a stage's name");
    row("stages: [{name: 3}]", "test.yaml: stages.1.name", "text");
    row("stages: [{name: a}, {name: a}]", "test.yaml: stages.2.name", "another stage");
    row("stages: [{merge: true}]", "test.yaml: stages.1.merge", "no adapter to merge");
    row("stages: [{}, {merge: 1}]", "test.yaml: stages.2.merge", "true or false");
    row("stages: [{}, {dpo: {beta: 0.1}}]", "test.yaml: stages.2.dpo.beta", "belongs to dpo");
    row("dpo: {beta: 0.1}\nstages: [{}, {}]", "test.yaml: dpo.beta", "belongs to dpo");
    row("task_table: 3\nstages: [{}]", "test.yaml: task_table", "true, false or a map");
    row("task_table: {rows: 3}\nstages: [{}]", "test.yaml: task_table.rows", "unknown");
    row("task_table: {answers: -1}\nstages: [{}]", "test.yaml: task_table.answers", "whole number");
    row("task_table: {answers: all}\nstages: [{}]", "test.yaml: task_table.answers",
        "whole number");
    row("stages: [{task_table: true}]", "test.yaml: stages.1.task_table", "unknown");
    row("stages: [{}]", "--set stages.4.training.seed", "no stage", "stages.4.training.seed=1");
    row("stages: [{}, {}]", "--set stages.1", "names no setting", "stages.1=1");
    row("stages: [{}, {}, {}]", "--set stages.2.model", "result of the one before",
        "stages.2.model=a");
    row("stages: [{name: '2'}, {}]", "--set stages.2.training.seed", "more than one stage",
        "stages.2.training.seed=1");
    row("stages: [{}, {}, {}, {}]", "--set stages.2.training.sead", "unknown",
        "stages.2.training.sead=1");
  }
  void refusals() {
    QFETCH(QString, yaml);
    QFETCH(QString, override_text);
    QFETCH(QString, where);
    QFETCH(QString, part);
    std::vector<std::string> overrides;
    if (!override_text.isEmpty()) overrides.push_back(override_text.toStdString());
    const auto read = parse_staged_recipe(yaml.toStdString(), "test.yaml", overrides);
    QVERIFY(!read.ok());
    QCOMPARE(read.error().code, ErrorCode::Input);
    QCOMPARE(QString::fromStdString(read.error().where), where);
    QVERIFY2(QString::fromStdString(read.error().sentence()).contains(part),
             read.error().sentence().c_str());
  }
};

QTEST_APPLESS_MAIN(TestStages)
#include "test_stages.moc"

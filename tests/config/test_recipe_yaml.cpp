// SPDX-License-Identifier: GPL-3.0-or-later
// Recipes as files: the specification's own example, round trips, overrides, paths, and what is
// refused with which words.
#include <QtTest>

#include <filesystem>
#include <fstream>
#include <set>

#include "engine/config/recipe.h"

using namespace luthier;

namespace {

const char* specification = R"(
model: path/to/base
dataset: path/to/train.jsonl
output_dir: runs/first
objective: sft
strategy: lora
adapter: {r: 16, lora_alpha: 32, lora_dropout: 0.05, target_modules: all-linear, )"
                            R"(exclude_modules: null, rank_pattern: {}, alpha_pattern: {},
  use_rslora: false, use_dora: false, init_lora_weights: true, modules_to_save: null, bias: none, init_from: null}
image: {min_pixels: null, max_pixels: null, on_error: refuse}
training: {device: auto, dtype: auto, num_train_epochs: 1, max_steps: -1, per_device_train_batch_size: 1,
  gradient_accumulation_steps: 8, learning_rate: 2.0e-4, lr_scheduler_type: cosine, warmup_ratio: 0.03, warmup_steps: 0,
  weight_decay: 0.0, max_grad_norm: 1.0, optim: adamw_torch, adam_beta1: 0.9, adam_beta2: 0.999, adam_epsilon: 1.0e-8,
  gradient_checkpointing: auto, max_length: 2048, shuffle: true, seed: 42, loss_on: completion,
  logging_steps: 1, eval_steps: 0, save_steps: 100, save_total_limit: 3}
)";

}  // namespace

class TestRecipeYaml : public QObject {
  Q_OBJECT

  static Recipe parsed(const std::string& yaml, const std::vector<std::string>& overrides = {}) {
    const auto recipe = parse_recipe(yaml, "test.yaml", overrides);
    if (!recipe) {
      qWarning("%s", recipe.error().sentence().c_str());
      return {};
    }
    return *recipe;
  }

 private slots:
  void the_specifications_example_is_all_defaults() {
    const auto recipe = parse_recipe(specification, "test.yaml");
    QVERIFY2(recipe.ok(), recipe ? "" : recipe.error().sentence().c_str());
    std::set<std::string> keys;
    for (const auto& difference : recipe_differences(*recipe, Recipe{}))
      keys.insert(difference.key);
    QCOMPARE(keys, (std::set<std::string>{"model", "dataset", "output_dir"}));
  }

  void an_empty_file_is_all_defaults() {
    QVERIFY(recipe_differences(parsed(""), Recipe{}).empty());
    QVERIFY(recipe_differences(parsed("training:\n"), Recipe{}).empty());
  }

  void strategies_bring_their_defaults() {
    QCOMPARE(parsed("strategy: full").training.learning_rate, 1e-5);
    QVERIFY(!parsed("strategy: full").freeze.vision_tower);
    QCOMPARE(parsed("strategy: freeze").training.learning_rate, 1e-5);
    QVERIFY(parsed("strategy: freeze").freeze.vision_tower);
    QCOMPARE(parsed("training: {learning_rate: 2e-4}\nstrategy: full").training.learning_rate,
             2e-4);
    QCOMPARE(parsed("", {"strategy=full"}).training.learning_rate, 1e-5);
    const Recipe stage =
        parsed("strategy: freeze\nfreeze: {vision_tower: false, language_model: true}");
    QVERIFY(!stage.freeze.vision_tower && !stage.freeze.projector && stage.freeze.language_model);
  }

  void values_take_their_forms() {
    using Kind = ModuleSelector::Kind;
    const Recipe recipe = parsed(R"(
dataset: [a.jsonl, b.jsonl]
adapter:
  target_modules: [q_proj, v_proj]
  exclude_modules: 'vision_tower\..*'
  rank_pattern: {q_proj: 4, '^.*\.v_proj$': 8}
  alpha_pattern: {q_proj: 8}
  modules_to_save: [lm_head]
  init_lora_weights: false
training: {learning_rate: 2e-4, gradient_checkpointing: true, device: cuda:1, num_train_epochs: 2.5}
)");
    QCOMPARE(recipe.dataset, (std::vector<std::string>{"a.jsonl", "b.jsonl"}));
    QVERIFY(recipe.adapter.target_modules ==
            (ModuleSelector{Kind::Names, {"q_proj", "v_proj"}, {}}));
    QVERIFY(recipe.adapter.exclude_modules ==
            (ModuleSelector{Kind::Regex, {}, "vision_tower\\..*"}));
    QCOMPARE(recipe.adapter.rank_pattern.size(), std::size_t{2});
    QCOMPARE(recipe.adapter.rank_pattern[1].first, std::string("^.*\\.v_proj$"));
    QCOMPARE(recipe.adapter.alpha_pattern[0].second, 8.0);
    QCOMPARE(recipe.adapter.init_lora_weights, std::string("false"));
    QCOMPARE(recipe.training.gradient_checkpointing, std::string("true"));
    QCOMPARE(recipe.training.device, std::string("cuda:1"));
    QVERIFY(parsed("adapter: {target_modules: null}").adapter.target_modules.kind == Kind::None);
    QVERIFY(parsed("adapter: {target_modules: q_proj}").adapter.target_modules.kind == Kind::Regex);
  }

  void overrides_come_last() {
    const Recipe recipe =
        parsed("training: {max_steps: 5, seed: 7}",
               {"training.max_steps=10", "lora_alpha=8", "adapter.target_modules=[q_proj, v_proj]",
                "training.learning_rate=1e-3", "adapter.exclude_modules=null",
                "output_dir=runs/a=b", "training.seed=1", "training.seed=2"});
    QCOMPARE(recipe.training.max_steps, std::int64_t{10});
    QCOMPARE(recipe.adapter.lora_alpha, 8.0);
    QCOMPARE(recipe.adapter.target_modules.names.size(), std::size_t{2});
    QCOMPARE(recipe.training.learning_rate, 1e-3);
    QCOMPARE(recipe.output_dir, std::string("runs/a=b"));
    QCOMPARE(recipe.training.seed, std::int64_t{2});
  }

  void what_is_written_reads_back_equal() {
    Recipe recipe = parsed(specification);
    recipe.model = "/some where/\"quoted\": # 모델";
    recipe.dataset = {"a.jsonl", "on", "1e3"};
    recipe.eval_dataset = {"null"};
    recipe.output_dir = "2024";
    recipe.init = "random";
    recipe.adapter.target_modules = {ModuleSelector::Kind::Regex, {}, "[qv]_proj|a\\.b"};
    recipe.adapter.exclude_modules = {ModuleSelector::Kind::Names, {"true", "k_proj"}, {}};
    recipe.adapter.rank_pattern = {{"z", 3}, {"a: b", 4}, {"^x\\.\\d+$", 5}};
    recipe.adapter.alpha_pattern = {{"z", 1.0 / 3}};
    recipe.adapter.modules_to_save = {"lm_head"};
    recipe.image.max_pixels = 123456;
    recipe.film.fps = 1.5;
    recipe.film.max_frames = 64;
    recipe.training.learning_rate = 1.2345678901234567e-7;
    recipe.training.weight_decay = 1e-300;
    recipe.training.max_steps = 123456789012;
    recipe.training.gradient_checkpointing = "false";
    const std::string yaml = recipe_to_yaml(recipe);
    const auto again = parse_recipe(yaml, "again.yaml");
    QVERIFY2(again.ok(), again ? "" : again.error().sentence().c_str());
    for (const auto& difference : recipe_differences(recipe, *again))
      QFAIL((difference.key + ": " + difference.left + " / " + difference.right).c_str());
    QCOMPARE(recipe_to_yaml(*again), yaml);
    for (const char* strategy : {"full", "freeze", "lora"}) {
      const Recipe one = parsed(std::string("strategy: ") + strategy);
      QVERIFY(recipe_differences(one, parsed(recipe_to_yaml(one))).empty());
    }
  }

  void null_takes_the_cut_away() {
    const Recipe recipe = parsed("training: {max_length: null}");
    QCOMPARE(recipe.training.max_length, std::int64_t{0});
    const std::string yaml = recipe_to_yaml(recipe);
    QVERIFY(yaml.find("  max_length: null\n") != std::string::npos);
    QCOMPARE(parsed(yaml).training.max_length, std::int64_t{0});
    QCOMPARE(parsed("").training.max_length, std::int64_t{2048});
  }

  void the_picture_folder_may_stand_beside_the_recipe() {
    QTemporaryDir folder;
    const std::filesystem::path root = folder.path().toStdString();
    std::filesystem::create_directory(root / "pictures");
    std::ofstream(root / "recipe.yaml") << "image_folder: pictures\n";
    const auto recipe = read_recipe(root / "recipe.yaml");
    QVERIFY(recipe.ok());
    QCOMPARE(recipe->image_folder, (root / "pictures").string());
  }

  void refusals_data() {
    QTest::addColumn<QString>("yaml");
    QTest::addColumn<QString>("where");
    QTest::addColumn<QString>("part");
    QTest::newRow("unknown") << "training: {learning_rat: 1}"
                             << "test.yaml: training.learning_rat"
                             << "training.learning_rate";
    QTest::newRow("unknown, top") << "modle: x"
                                  << "test.yaml: modle"
                                  << "The nearest known name is model";
    QTest::newRow("misplaced") << "learning_rate: 1"
                               << "test.yaml: learning_rate"
                               << "Did you mean training.learning_rate";
    QTest::newRow("unknown section") << "trainning: {seed: 1}"
                                     << "test.yaml: trainning"
                                     << "The nearest known name is training.";
    QTest::newRow("type") << "training: {max_steps: ten}"
                          << "test.yaml: training.max_steps"
                          << "whole number";
    QTest::newRow("quoted number") << "training: {max_steps: '10'}"
                                   << "test.yaml: training.max_steps"
                                   << "whole number";
    QTest::newRow("yes") << "training: {shuffle: yes}"
                         << "test.yaml: training.shuffle"
                         << "true or false";
    QTest::newRow("number as path") << "model: 5"
                                    << "test.yaml: model"
                                    << "quotes";
    QTest::newRow("list as path") << "model: [a]"
                                  << "test.yaml: model"
                                  << "text";
    QTest::newRow("dataset entry") << "dataset: [a, 3]"
                                   << "test.yaml: dataset[1]"
                                   << "text";
    QTest::newRow("section is a list") << "training: [1]"
                                       << "test.yaml: training"
                                       << "map";
    QTest::newRow("not a map") << "- a"
                               << "test.yaml"
                               << "map of settings";
    QTest::newRow("freeze part") << "freeze: {tower: true}"
                                 << "test.yaml: freeze.tower"
                                 << "freeze.vision_tower";
    QTest::newRow("nan") << "training: {learning_rate: .nan}"
                         << "test.yaml: training.learning_rate"
                         << "finite";
    QTest::newRow("null number") << "training: {learning_rate: null}"
                                 << "test.yaml: training.learning_rate"
                                 << "a number";
    QTest::newRow("stages") << "stages: [{model: a}]"
                            << "test.yaml: stages"
                            << "one after another";
    QTest::newRow("corda") << "adapter: {init_lora_weights: corda}"
                           << "test.yaml: adapter.init_lora_weights"
                           << "not built";
    QTest::newRow("huge integer") << "training: {max_steps: 1e30}"
                                  << "test.yaml: training.max_steps"
                                  << "whole number";
    QTest::newRow("pattern value") << "adapter: {rank_pattern: {q: 1.5}}"
                                   << "test.yaml: adapter.rank_pattern.q"
                                   << "whole number";
  }
  void refusals() {
    QFETCH(QString, yaml);
    QFETCH(QString, where);
    QFETCH(QString, part);
    const auto recipe = parse_recipe(yaml.toStdString(), "test.yaml");
    QVERIFY(!recipe.ok());
    QCOMPARE(recipe.error().code, ErrorCode::Input);
    QCOMPARE(QString::fromStdString(recipe.error().where), where);
    QVERIFY2(recipe.error().sentence().find(part.toStdString()) != std::string::npos,
             recipe.error().sentence().c_str());
  }

  void duplicates_and_broken_yaml_are_refused() {
    QVERIFY(!parse_recipe("model: a\nmodel: b\n", "test.yaml").ok());
    QVERIFY(!parse_recipe("training: {seed: 1, seed: 2}", "test.yaml").ok());
    QVERIFY(!parse_recipe("a: [", "test.yaml").ok());
    for (const char* text : {"novalue", "=3", "nosuch=1", "training=1", "training.max_steps="})
      QVERIFY2(!parse_recipe("", "test.yaml", {text}).ok(), text);
  }

  void paths_beside_the_file_are_found() {
    QTemporaryDir folder;
    const std::filesystem::path root = folder.path().toStdString();
    std::filesystem::create_directories(root / "base");
    std::ofstream(root / "rows.jsonl") << "\n";
    std::ofstream(root / "recipe.yaml")
        << "model: base\ndataset: [rows.jsonl, absent.jsonl]\noutput_dir: out\n";
    const auto recipe = read_recipe(root / "recipe.yaml");
    QVERIFY2(recipe.ok(), recipe ? "" : recipe.error().sentence().c_str());
    QCOMPARE(recipe->model, (root / "base").string());
    QCOMPARE(recipe->dataset,
             (std::vector<std::string>{(root / "rows.jsonl").string(), "absent.jsonl"}));
    QCOMPARE(recipe->output_dir, std::string("out"));
    QCOMPARE(read_recipe(root / "recipe.yaml", {"model=base"})->model, std::string("base"));
    const auto missing = read_recipe(root / "none.yaml");
    QVERIFY(!missing.ok());
    QCOMPARE(missing.error().code, ErrorCode::Input);
  }
};

QTEST_APPLESS_MAIN(TestRecipeYaml)
#include "test_recipe_yaml.moc"

// SPDX-License-Identifier: GPL-3.0-or-later
// Single fields: names, ranges, the text a form edits and back, the defaults that follow the
// strategy, checks across fields.
#include <QtTest>

#include <set>

#include "engine/config/nearest_name.h"
#include "engine/config/recipe.h"
#include "engine/config/recipe_help.h"

using namespace luthier;

class TestRecipeFields : public QObject {
  Q_OBJECT

  static std::string set_error(const std::string& key, const std::string& value) {
    Recipe recipe;
    const Status status = set_field(recipe, key, value);
    return status ? std::string() : status.error().sentence();
  }

  static Recipe runnable() {
    Recipe recipe;
    recipe.model = "base";
    recipe.dataset = {"rows.jsonl"};
    recipe.output_dir = "runs/a";
    return recipe;
  }

 private slots:
  void distance_counts_edits() {
    QCOMPARE(edit_distance("kitten", "sitting"), std::size_t{3});
    QCOMPARE(edit_distance("", "abc"), std::size_t{3});
    QCOMPARE(edit_distance("Lora_Alpha", "lora_alpha"), std::size_t{0});
    QCOMPARE(nearest_name("lora_alfa", {"lora_dropout", "lora_alpha", "r"}),
             std::string("lora_alpha"));
    QCOMPARE(nearest_name("x", {}), std::string());
    QCOMPARE(edit_distance(std::string(1 << 20, 'a'), std::string(1 << 20, 'b')), std::size_t{256});
  }

  void every_field_is_described_and_reads_back() {
    std::set<std::string> keys;
    for (const FieldDescription& field : recipe_fields()) {
      QVERIFY2(keys.insert(field.key).second, field.key.c_str());
      QVERIFY2(!field.label.empty() && field.help.size() > 15 && field.help.back() == '.',
               field.key.c_str());
      QCOMPARE(field.type == FieldDescription::Type::Choice, !field.choices.empty());
      Recipe recipe, again;
      const auto text = get_field(recipe, field.key);
      QVERIFY2(text.ok(), field.key.c_str());
      const Status status = set_field(again, field.key, *text);
      QVERIFY2(status.ok(), status ? "" : status.error().sentence().c_str());
      QVERIFY2(recipe_differences(recipe, again).empty(), field.key.c_str());
    }
    QVERIFY2(keys.size() >= 53, "settings of before have gone");
  }

  void defaults_are_those_of_the_specification() {
    const std::vector<std::pair<std::string, std::string>> expected = {
        {"objective", "sft"},
        {"strategy", "lora"},
        {"adapter.r", "16"},
        {"adapter.lora_alpha", "32"},
        {"adapter.lora_dropout", "0.05"},
        {"adapter.target_modules", "all-linear"},
        {"adapter.exclude_modules", "null"},
        {"adapter.rank_pattern", "{}"},
        {"adapter.init_lora_weights", "true"},
        {"image.on_error", "refuse"},
        {"training.device", "auto"},
        {"training.num_train_epochs", "1"},
        {"training.max_steps", "-1"},
        {"training.gradient_accumulation_steps", "8"},
        {"training.learning_rate", "2.0e-4"},
        {"training.lr_scheduler_type", "cosine"},
        {"training.warmup_ratio", "0.03"},
        {"training.max_grad_norm", "1"},
        {"training.adam_beta2", "0.999"},
        {"training.adam_epsilon", "1.0e-8"},
        {"training.max_length", "2048"},
        {"training.shuffle", "true"},
        {"training.seed", "42"},
        {"training.loss_on", "completion"},
        {"training.save_steps", "100"},
        {"training.save_total_limit", "3"},
        {"training.save_minutes", "10"},
        {"training.on_low_memory", "refuse"}};
    for (const auto& [key, value] : expected) {
      const auto text = get_field(Recipe{}, key);
      QVERIFY(text.ok());
      QCOMPARE(*text, value);
    }
  }

  void text_and_back_data() {
    QTest::addColumn<QString>("key");
    QTest::addColumn<QString>("text");
    QTest::addColumn<QString>("shown");
    QTest::newRow("rate") << "training.learning_rate"
                          << "0.0001"
                          << "1.0e-4";
    QTest::newRow("rate, short") << "learning_rate"
                                 << "3e-5"
                                 << "3.0e-5";
    QTest::newRow("whole float") << "training.max_steps"
                                 << "1e3"
                                 << "1000";
    QTest::newRow("epochs") << "training.num_train_epochs"
                            << "0.1"
                            << "0.1";
    QTest::newRow("third") << "training.num_train_epochs"
                           << "0.3333333333333333"
                           << "0.3333333333333333";
    QTest::newRow("names") << "adapter.target_modules"
                           << "q_proj, v_proj"
                           << "q_proj, v_proj";
    QTest::newRow("names as list") << "adapter.target_modules"
                                   << "[q_proj,v_proj]"
                                   << "q_proj, v_proj";
    QTest::newRow("one name") << "adapter.target_modules"
                              << "lm_head"
                              << "lm_head";
    QTest::newRow("no module") << "adapter.target_modules"
                               << "null"
                               << "null";
    QTest::newRow("regex") << "adapter.target_modules"
                           << ".*language_model.*(q|v)_proj"
                           << ".*language_model.*(q|v)_proj";
    QTest::newRow("regex of letters") << "adapter.target_modules"
                                      << "\"q_proj\""
                                      << "\"q_proj\"";
    QTest::newRow("regex that opens with a class") << "adapter.target_modules"
                                                   << "\"[qv]_proj\""
                                                   << "\"[qv]_proj\"";
    QTest::newRow("list with a regex character") << "adapter.target_modules"
                                                 << "[\"a b\"]"
                                                 << "[\"a b\"]";
    QTest::newRow("pattern") << "adapter.rank_pattern"
                             << "q_proj: 8, v_proj: 4"
                             << "{q_proj: 8, v_proj: 4}";
    QTest::newRow("pattern with a regex") << "adapter.alpha_pattern"
                                          << "{'^model\\..*': 2.5}"
                                          << "{\"^model\\\\..*\": 2.5}";
    QTest::newRow("save") << "adapter.modules_to_save"
                          << "lm_head embed_tokens"
                          << "lm_head, embed_tokens";
    QTest::newRow("pixels") << "image.max_pixels"
                            << "65536"
                            << "65536";
    QTest::newRow("no pixels") << "image.max_pixels"
                               << ""
                               << "null";
    QTest::newRow("frames of a second") << "film.fps"
                                        << "0.5"
                                        << "0.5";
    QTest::newRow("the processor's own") << "film.fps"
                                         << "null"
                                         << "null";
    QTest::newRow("no cut") << "training.max_length"
                            << ""
                            << "null";
    QTest::newRow("no cut, as a number") << "training.max_length"
                                         << "0"
                                         << "null";
    QTest::newRow("a cut") << "training.max_length"
                           << "512"
                           << "512";
    QTest::newRow("device") << "training.device"
                            << "cuda:1"
                            << "cuda:1";
    QTest::newRow("fused") << "training.optim"
                           << "adamw_torch_fused"
                           << "adamw_torch";
    QTest::newRow("path with spaces") << "model"
                                      << "/a b/c: d"
                                      << "/a b/c: d";
    QTest::newRow("path that looks like a number") << "output_dir"
                                                   << "2024"
                                                   << "2024";
    QTest::newRow("several files") << "dataset"
                                   << "[a.jsonl, 'b c.jsonl']"
                                   << "a.jsonl, b c.jsonl";
    QTest::newRow("several files, plain") << "dataset"
                                          << "a.jsonl,b c.jsonl"
                                          << "a.jsonl, b c.jsonl";
    QTest::newRow("a comma in a name") << "dataset"
                                       << "['a,b.jsonl']"
                                       << "[\"a,b.jsonl\"]";
    QTest::newRow("one file") << "dataset"
                              << "a b.jsonl"
                              << "a b.jsonl";
    QTest::newRow("init") << "adapter.init_lora_weights"
                          << "gaussian"
                          << "gaussian";
  }
  void text_and_back() {
    QFETCH(QString, key);
    QFETCH(QString, text);
    QFETCH(QString, shown);
    Recipe recipe, again;
    const Status status = set_field(recipe, key.toStdString(), text.toStdString());
    QVERIFY2(status.ok(), status ? "" : status.error().sentence().c_str());
    QCOMPARE(QString::fromStdString(*get_field(recipe, key.toStdString())), shown);
    QVERIFY(set_field(again, key.toStdString(), shown.toStdString()).ok());
    QVERIFY(recipe_differences(recipe, again).empty());
    // A setting that methods call by several names is the same behind each.
    for (const FieldDescription& field : recipe_fields()) {
      Recipe copy = recipe;
      QVERIFY2(set_field(copy, field.key, *get_field(recipe, field.key)).ok(), field.key.c_str());
      QVERIFY2(recipe_differences(recipe, copy).empty(), field.key.c_str());
    }
  }

  void selectors_have_their_kind() {
    using Kind = ModuleSelector::Kind;
    Recipe recipe;
    QVERIFY(set_field(recipe, "target_modules", "q_proj, v_proj").ok());
    QVERIFY(recipe.adapter.target_modules ==
            (ModuleSelector{Kind::Names, {"q_proj", "v_proj"}, {}}));
    QVERIFY(set_field(recipe, "target_modules", ".*_proj").ok());
    QVERIFY(recipe.adapter.target_modules == (ModuleSelector{Kind::Regex, {}, ".*_proj"}));
    QVERIFY(set_field(recipe, "target_modules", "all-linear").ok());
    QVERIFY(recipe.adapter.target_modules == (ModuleSelector{Kind::AllLinear, {}, {}}));
  }

  void refusals_name_field_and_cure_data() {
    QTest::addColumn<QString>("key");
    QTest::addColumn<QString>("text");
    QTest::addColumn<QString>("part");
    QTest::newRow("unknown") << "training.learning_rat"
                             << "1"
                             << "training.learning_rate";
    QTest::newRow("unknown leaf") << "lora_alfa"
                                  << "1"
                                  << "adapter.lora_alpha";
    QTest::newRow("other section") << "training.lora_alpha"
                                   << "1"
                                   << "adapter.lora_alpha";
    QTest::newRow("near, other section") << "training.lora_alfa"
                                         << "1"
                                         << "adapter.lora_alpha";
    QTest::newRow("not a number") << "adapter.r"
                                  << "many"
                                  << "whole number";
    QTest::newRow("fraction") << "adapter.r"
                              << "1.5"
                              << "whole number";
    QTest::newRow("below") << "training.max_steps"
                           << "-2"
                           << "at least";
    QTest::newRow("above") << "adapter.lora_dropout"
                           << "1"
                           << "below 1";
    QTest::newRow("zero alpha") << "adapter.lora_alpha"
                                << "0"
                                << "above 0";
    QTest::newRow("infinite") << "training.learning_rate"
                              << ".inf"
                              << "finite";
    QTest::newRow("no steps") << "training.max_steps"
                              << "0"
                              << "-1";
    QTest::newRow("bool") << "training.shuffle"
                          << "maybe"
                          << "true or false";
    QTest::newRow("choice") << "training.loss_on"
                            << "completions"
                            << "The nearest is completion";
    QTest::newRow("corda") << "adapter.init_lora_weights"
                           << "corda"
                           << "true, false, gaussian";
    QTest::newRow("pissa") << "adapter.init_lora_weights"
                           << "pissa_niter_x"
                           << "true, false, gaussian";
    QTest::newRow("bias") << "adapter.bias"
                          << "everything"
                          << "none, all, lora_only";
    QTest::newRow("objective") << "objective"
                               << "quicksand"
                               << "must be one of sft";
    QTest::newRow("strategy") << "strategy"
                              << "qlora"
                              << "full, freeze, lora";
    QTest::newRow("optimizer") << "training.optim"
                               << "galore_adamw"
                               << "adamw_torch";
    QTest::newRow("schedule") << "training.lr_scheduler_type"
                              << "reduce_lr_on_plateau"
                              << "constant, constant_with_warmup, linear, cosine, cosine_with_restarts, "
                                 "polynomial, inverse_sqrt";
    QTest::newRow("stages") << "stages"
                            << "[]"
                            << "one after another";
    QTest::newRow("rank entry") << "adapter.rank_pattern"
                                << "{q_proj: 0}"
                                << "rank_pattern.q_proj";
    QTest::newRow("device") << "training.device"
                            << "cuda:x"
                            << "auto, cpu, cuda";
    QTest::newRow("exclude all") << "adapter.exclude_modules"
                                 << "all-linear"
                                 << "every module";
    QTest::newRow("seed") << "training.seed"
                          << "-1"
                          << "at least 0";
  }
  void refusals_name_field_and_cure() {
    QFETCH(QString, key);
    QFETCH(QString, text);
    QFETCH(QString, part);
    const QString sentence =
        QString::fromStdString(set_error(key.toStdString(), text.toStdString()));
    QVERIFY2(sentence.contains(part), qPrintable(sentence));
  }

  void a_refused_value_changes_nothing() {
    Recipe recipe;
    QVERIFY(!set_field(recipe, "training.seed", "-1").ok());
    QVERIFY(recipe_differences(recipe, Recipe{}).empty());
  }

  void defaults_follow_the_strategy() {
    Recipe recipe;
    QVERIFY(set_field(recipe, "strategy", "full").ok());
    QCOMPARE(recipe.training.learning_rate, 1e-5);
    QVERIFY(!recipe.freeze.vision_tower && !recipe.freeze.projector &&
            !recipe.freeze.language_model);
    QVERIFY(set_field(recipe, "strategy", "freeze").ok());
    QVERIFY(recipe.freeze.vision_tower && !recipe.freeze.projector && recipe.freeze.language_model);
    QVERIFY(set_field(recipe, "training.learning_rate", "3e-4").ok());
    QVERIFY(set_field(recipe, "strategy", "lora").ok());
    QCOMPARE(recipe.training.learning_rate, 3e-4);
  }

  void checks_across_fields() {
    QVERIFY(check_recipe(runnable()).ok());
    auto fault = [](auto change) {
      Recipe recipe = runnable();
      change(recipe);
      const Status status = check_recipe(recipe);
      return status ? std::string() : status.error().where;
    };
    QCOMPARE(fault([](Recipe& r) { r.model.clear(); }), std::string("recipe: model"));
    QCOMPARE(fault([](Recipe& r) { r.dataset.clear(); }), std::string("recipe: dataset"));
    QCOMPARE(fault([](Recipe& r) { r.output_dir.clear(); }), std::string("recipe: output_dir"));
    QCOMPARE(fault([](Recipe& r) { r.adapter.target_modules = {}; }),
             std::string("recipe: adapter.target_modules"));
    QCOMPARE(fault([](Recipe& r) {
               r.strategy = "freeze";
               r.freeze = {true, true, true};
             }),
             std::string("recipe: freeze"));
    QCOMPARE(fault([](Recipe& r) { r.strategy = "full"; }), std::string("recipe: freeze"));
    QCOMPARE(fault([](Recipe& r) { (void)set_field(r, "strategy", "full"); }), std::string());
    QCOMPARE(fault([](Recipe& r) {
               r.image.min_pixels = 9;
               r.image.max_pixels = 4;
             }),
             std::string("recipe: image.min_pixels"));
    QCOMPARE(fault([](Recipe& r) {
               r.film.min_frames = 9;
               r.film.max_frames = 4;
             }),
             std::string("recipe: film.min_frames"));
    QCOMPARE(fault([](Recipe& r) {
               r.film.min_pixels = 9;
               r.film.max_pixels = 4;
             }),
             std::string("recipe: film.min_pixels"));
    QCOMPARE(fault([](Recipe& r) { r.training.eval_steps = 5; }),
             std::string("recipe: training.eval_steps"));
  }

  void the_help_lists_every_field() {
    const std::string help = recipe_help(80);
    for (const FieldDescription& field : recipe_fields())
      QVERIFY2(help.find("\n  " + field.key + ": ") != std::string::npos, field.key.c_str());
    // With what is usual and what it costs.
    QVERIFY(help.find("\n      8 to 64 is usual; 16 does for most tasks.") != std::string::npos);
    QVERIFY(help.find("training.learning_rate: 2.0e-4") != std::string::npos);
    QVERIFY(help.find("full | freeze | lora") != std::string::npos);
    // And what kinds have otherwise.
    QVERIFY(help.find("\n        oft: (from 0) Blocks that") != std::string::npos);
    QVERIFY(help.find("\n        prefix_tuning: (null | zero)") != std::string::npos);
    QVERIFY(help.find("\n      Default: 256 (vera)") != std::string::npos);
  }

  void differences_are_named() {
    Recipe left = runnable(), right = runnable();
    right.training.learning_rate = 1e-3;
    right.adapter.rank_pattern = {{"q_proj", 4}};
    const auto differences = recipe_differences(left, right);
    QCOMPARE(differences.size(), std::size_t{2});
    QCOMPARE(differences[0].key, std::string("adapter.rank_pattern"));
    QCOMPARE(differences[0].right, std::string("{q_proj: 4}"));
    QCOMPARE(differences[1].left, std::string("2.0e-4"));
    QCOMPARE(differences[1].right, std::string("0.001"));
  }
};

QTEST_APPLESS_MAIN(TestRecipeFields)
#include "test_recipe_fields.moc"

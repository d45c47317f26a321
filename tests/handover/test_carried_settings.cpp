// SPDX-License-Identifier: GPL-3.0-or-later
// Every setting of a recipe has something become of it where the recipe is handed over; those that
// would make another run of it are refused by name; values and calls are Python's.
#include <QtTest>

#include "engine/config/kinds.h"
#include "engine/config/recipe_field.h"
#include "engine/handover/carried_settings.h"
#include "tests/handover/recipe_of.h"

using namespace luthier;
using namespace luthier::handover;
using luthier::test::recipe_of;

namespace {

std::string keyword(const CarriedSettings& carried, const std::string& name) {
  for (const auto& [key, value] : carried.keywords)
    if (key == name) return value;
  return "none";
}

}  // namespace

class TestCarriedSettings : public QObject {
  Q_OBJECT

 private slots:
  void no_setting_is_forgotten() {
    for (const TrlTrainer& trainer : trl_trainers()) {
      Recipe recipe;
      recipe.objective = trainer.objective;
      for (const MethodKind& method : method_kinds()) {
        recipe.strategy = method.name;
        for (const OptimizerKind& optimizer : optimizer_kinds()) {
          recipe.training.optim = optimizer.name;
          for (const FieldDescription& field : recipe_fields())
            if (applies(field, recipe))
              QVERIFY2(treatment_of(field.key) != Treatment::Unknown, field.key.c_str());
        }
      }
    }
    QCOMPARE(treatment_of("elsewhere.rate"), Treatment::Unknown);
    QCOMPARE(treatment_of("training.of_tomorrow"), Treatment::Unknown);
  }

  void what_would_be_another_run_is_refused_data() {
    QTest::addColumn<QString>("setting");
    for (const char* setting :
         {"training.vision_tower_learning_rate=1e-5", "training.loraplus_lr_ratio=4",
          "training.adapter_learning_rate=1e-3", "init=random"})
      QTest::newRow(setting) << QString(setting);
  }
  void what_would_be_another_run_is_refused() {
    QFETCH(QString, setting);
    const Recipe recipe = recipe_of({setting.toStdString()});
    const auto carried = carried_settings(recipe, trl_trainers().front());
    QVERIFY(!carried.ok());
    QCOMPARE(QString::fromStdString(carried.error().where), setting.section('=', 0, 0));
  }

  void an_optimizer_without_a_counterpart_is_refused() {
    const Recipe recipe = recipe_of({"strategy=full", "training.optim=muon"});
    const auto carried = carried_settings(recipe, trl_trainers().front());
    QVERIFY(!carried.ok());
    QCOMPARE(carried.error().where, std::string("training.optim"));
  }

  void what_changes_nothing_is_told() {
    const Recipe recipe = recipe_of({"samples.every=5", "training.save_minutes=3"});
    const auto carried = carried_settings(recipe, trl_trainers().front());
    QVERIFY(carried.ok());
    QCOMPARE(carried->notes.size(), std::size_t{2});
    QVERIFY(carried->notes.front().find("samples.every") != std::string::npos);
    QVERIFY(carried->notes.front().find("training.save_minutes") != std::string::npos);
    QVERIFY(carried->notes.back().starts_with("adapter.lora_dropout is above 0"));
    const Recipe plain = recipe_of({"adapter.lora_dropout=0"});
    QVERIFY(carried_settings(plain, trl_trainers().front())->notes.empty());
  }

  void an_objectives_settings_are_keywords() {
    const Recipe recipe = recipe_of({"objective=dpo", "dpo.beta=0.3", "dpo.loss_type=[ipo, sft]",
                                     "dpo.loss_weights=[1, 0.5]", "dpo.ld_alpha=0.25"});
    const auto trainer = trl_trainer(recipe);
    QVERIFY(trainer.ok());
    const auto carried = carried_settings(recipe, **trainer);
    QVERIFY(carried.ok());
    QCOMPARE(keyword(*carried, "beta"), std::string("0.3"));
    QCOMPARE(keyword(*carried, "loss_type"), std::string("[\"ipo\", \"sft\"]"));
    QCOMPARE(keyword(*carried, "loss_weights"), std::string("[1.0, 0.5]"));
    QCOMPARE(keyword(*carried, "ld_alpha"), std::string("0.25"));
    QCOMPARE(keyword(*carried, "precompute_ref_log_probs"), std::string("none"));
  }

  void other_objectives_are_named() {
    const auto trainer = trl_trainer(recipe_of({"objective=ppo"}));
    QVERIFY(!trainer.ok());
    QVERIFY(trainer.error().sentence().find("ppo") != std::string::npos);
    QVERIFY(trainer.error().hint.find("sft, dpo, kto, reward") != std::string::npos);
  }

  void values_as_python() {
    QCOMPARE(python_literal(Json(nullptr)), std::string("None"));
    QCOMPARE(python_literal(Json(true)), std::string("True"));
    QCOMPARE(python_literal(Json(1.0)), std::string("1.0"));
    QCOMPARE(python_literal(Json(2e-4)), std::string("2e-04"));
    QCOMPARE(python_literal(Json(7)), std::string("7"));
    QCOMPARE(python_text("a\"b\\c\n그림"), std::string("\"a\\\"b\\\\c\\n그림\""));
    QCOMPARE(python_literal(Json{{"a", {1, nullptr}}}), std::string("{\"a\": [1, None]}"));
  }

  void calls_are_broken_where_they_are_long() {
    QCOMPARE(python_call("x = ", "f", {"1"}, {{"a", "2"}}), std::string("x = f(1, a=2)\n"));
    QCOMPARE(python_call("x = ", "f", {}, {{"a", std::string(100, 'y')}, {"b", "1"}}, 2),
             "  x = f(\n      a=" + std::string(100, 'y') + ",\n      b=1,\n  )\n");
  }

  void comments_are_broken_between_words() {
    const std::string text = python_comment(std::string(60, 'a') + " " + std::string(60, 'b'));
    QCOMPARE(text, "# " + std::string(60, 'a') + "\n# " + std::string(60, 'b') + "\n");
  }
};

QTEST_GUILESS_MAIN(TestCarriedSettings)
#include "test_carried_settings.moc"

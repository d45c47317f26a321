// SPDX-License-Identifier: GPL-3.0-or-later
// The form's fields: what a method, an objective and a model bring is shown, with the choices and
// ranges that it has there, and what was changed is counted.
#include "tests/ui/form_desk.h"

using namespace luthier;
using luthier::test::object_of;

class TestForm : public QObject, protected luthier::test::FormDesk {
  Q_OBJECT

 private slots:
  void init() { open(); }
  void cleanup() { close(); }
  void another_method_is_a_change();
  void a_value_that_no_list_names_is_shown();
  void chips_replace_a_regular_expression();
  void each_heading_stands_once();
  void what_a_kind_brings_is_shown();
  void a_range_is_that_of_the_method();
  void what_the_model_lacks_is_not_asked();
};

void TestForm::another_method_is_a_change() {
  auto* badge = person_->find<QLabel>("changedBadge");
  QVERIFY(workspace().changed_fields().empty());
  const QString unchanged = badge->text();
  for (const char* method : {"freeze", "full"}) {
    QVERIFY(workspace().set_field("strategy", method).ok());
    QCOMPARE(workspace().changed_fields().size(), std::size_t(1));
    QVERIFY(badge->text() != unchanged);
    QVERIFY(person_->find<QToolButton>("field_strategy_reset")->isVisible());
  }
  QVERIFY(person_->click("field_strategy_reset"));
  QCOMPARE(workspace().recipe().strategy, std::string("lora"));
  QCOMPARE(workspace().recipe().training.learning_rate, 2e-4);
  QCOMPARE(badge->text(), unchanged);
  QVERIFY(workspace().set_field("strategy", "freeze").ok());
  QVERIFY(person_->click("resetRecipe"));
  QCOMPARE(workspace().recipe().strategy, std::string("lora"));
  QCOMPARE(badge->text(), unchanged);
}

void TestForm::a_value_that_no_list_names_is_shown() {
  Recipe recipe = base();
  recipe.training.device = "cuda:1";
  workspace().replace_recipe(recipe);
  QCOMPARE(person_->find<QComboBox>("field_training_device")->currentText(),
           QStringLiteral("cuda:1"));
  QCOMPARE(person_->find<QComboBox>("field_training_device")->currentData().toString(),
           QStringLiteral("cuda:1"));
}

void TestForm::chips_replace_a_regular_expression() {
  person_->type(object_of("adapter.target_modules"), "(q|v)_proj");
  QCOMPARE(workspace().recipe().adapter.target_modules.kind, ModuleSelector::Kind::Regex);
  QVERIFY(person_->click("chip_k_proj"));
  QCOMPARE(workspace().recipe().adapter.target_modules.kind, ModuleSelector::Kind::Names);
  QCOMPARE(workspace().recipe().adapter.target_modules.names, std::vector<std::string>{"k_proj"});
  QCOMPARE(line("adapter.target_modules")->text(), QStringLiteral("k_proj"));
}

void TestForm::each_heading_stands_once() {
  QVERIFY(person_->click("advancedToggle"));
  QVERIFY(workspace().set_field("objective", "dpo").ok());
  QStringList headings;
  // What has no field of its own, in the order it is shown.
  auto* inside = person_->find<QScrollArea>("formScroll")->widget();
  for (int i = 0; i < inside->layout()->count(); ++i) {
    const auto* label = qobject_cast<QLabel*>(inside->layout()->itemAt(i)->widget());
    if (label && label->isVisible()) headings << label->text();
  }
  QCOMPARE(headings, (QStringList{QStringLiteral("Model and data"), QStringLiteral("Objective"),
                                  QStringLiteral("Method"), QStringLiteral("Pictures"),
                                  QStringLiteral("Films"), QStringLiteral("Training")}));
  // And what the objective brings stands below it, above the method.
  const auto top = [&](const char* key) {
    auto* field = person_->find<QWidget>(object_of(QLatin1String(key)));
    return field->mapTo(inside, QPoint(0, 0)).y();
  };
  inside->layout()->activate();
  QVERIFY(top("objective") < top("ref_model") && top("ref_model") < top("dpo.beta"));
  QVERIFY(top("dpo.beta") < top("strategy") && top("strategy") < top("adapter.r"));
}

void TestForm::what_a_kind_brings_is_shown() {
  QVERIFY(workspace().set_field("objective", "dpo").ok());
  QCOMPARE(line("training.learning_rate")->text(), QStringLiteral("1.0e-5"));
  QVERIFY(workspace().set_field("objective", "sft").ok());
  QVERIFY(workspace().set_field("strategy", "prefix_tuning").ok());
  auto* start = person_->find<QComboBox>(object_of(QStringLiteral("adapter.init_weights")));
  QCOMPARE(start->count(), 2);
  QCOMPARE(start->currentData().toString(), QStringLiteral("null"));
  QVERIFY(workspace().set_field("adapter.init_weights", "zero").ok());
  QCOMPARE(start->currentData().toString(), QStringLiteral("zero"));
  start->setCurrentIndex(0);
  emit start->activated(0);
  QVERIFY(workspace().faults().empty());
  QCOMPARE(workspace().changed_fields().size(), std::size_t(1));  // the method alone
  QVERIFY(workspace().set_field("strategy", "lokr").ok());
  QCOMPARE(start->count(), 3);
  QCOMPARE(start->currentData().toString(), QStringLiteral("true"));
  QVERIFY2(start->toolTip().contains(QStringLiteral("lycoris")), qPrintable(start->toolTip()));
}

void TestForm::a_range_is_that_of_the_method() {
  person_->type(object_of("adapter.r"), "0");
  QVERIFY(error("adapter.r")->isVisible());
  QVERIFY(workspace().set_field("strategy", "oft").ok());
  QVERIFY(workspace().faults().empty());
  person_->type(object_of("adapter.r"), "4");
  person_->type(object_of("adapter.r"), "0");
  QVERIFY(workspace().faults().empty());
  QVERIFY(line("adapter.r")->toolTip().contains(QStringLiteral("Blocks")));
  QVERIFY(workspace().set_field("strategy", "hra").ok());
  QCOMPARE(line("adapter.r")->text(), QStringLiteral("8"));
}

void TestForm::what_the_model_lacks_is_not_asked() {
  QVERIFY(person_->click("advancedToggle"));
  QVERIFY(workspace().set_field("strategy", "freeze").ok());
  const auto shown = [&](const char* key) {
    return person_->find<QWidget>(object_of(QLatin1String(key)))->isVisible();
  };
  QVERIFY(shown("image.max_pixels") && shown("image_folder") && shown("freeze.vision_tower"));
  ModelLoaded text_alone;
  text_alone.summary.folder = workspace().recipe().model;
  text_alone.summary.parts = {{"language_model", 1}};
  emit workspace().bridge().model_loaded(text_alone);
  QVERIFY(!shown("image.max_pixels") && !shown("image_folder") && !shown("freeze.vision_tower"));
  QVERIFY(shown("freeze.language_model"));
  // A model of pictures may take films or none.
  for (const bool films : {true, false}) {
    ModelLoaded seeing = text_alone;
    seeing.summary.pictures = PictureSummary{{}, films};
    emit workspace().bridge().model_loaded(seeing);
    QVERIFY(shown("image.max_pixels"));
    QCOMPARE(shown("film.num_frames"), films);
  }
  emit workspace().bridge().model_loaded(text_alone);
  // What is set stays in sight.
  QVERIFY(workspace().set_field("image.max_pixels", "4096").ok());
  QVERIFY(shown("image.max_pixels"));
  // Of a model that is not loaded nothing is known.
  QVERIFY(workspace().set_field("model", "elsewhere").ok());
  QVERIFY(shown("image_folder") && shown("freeze.vision_tower"));
}

QTEST_MAIN(TestForm)
#include "test_form.moc"

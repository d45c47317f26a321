// SPDX-License-Identifier: GPL-3.0-or-later
// The settings form: nothing is launched, tried, saved or written as a command that is not what the
// fields show. A field at fault is gone to, wherever it is; messages move nothing, and go with
// their cause.
#include "tests/ui/form_desk.h"
#include "ui/messages.h"

using namespace luthier;
using luthier::test::object_of;

namespace {

/// Selects all of a line and types over it; the line keeps the focus, as when F5 comes next.
void type_only(QLineEdit* line, const QString& text) {
  line->setFocus();
  QTest::keyClick(line, Qt::Key_A, Qt::ControlModifier);
  QTest::keyClick(line, Qt::Key_Delete);
  QTest::keyClicks(line, text);
}

}  // namespace

class TestSettings : public QObject, protected luthier::test::FormDesk {
  Q_OBJECT

 private slots:
  void init() { open(); }
  void cleanup() { close(); }
  void launch_refuses_what_is_not_shown_data();
  void launch_refuses_what_is_not_shown();
  void every_way_of_using_the_recipe_refuses();
  void the_first_fault_is_the_one_gone_to();
  void a_missing_setting_is_gone_to();
  void what_is_shown_is_what_is_used();
  void the_forecast_says_of_which_values_it_is();
  void messages_move_nothing();
  void a_message_goes_with_its_cause();
  void errors_follow_the_theme();
  void keys_are_said_as_labels();
};

void TestSettings::launch_refuses_what_is_not_shown_data() {
  QTest::addColumn<QString>("key");
  QTest::addColumn<QString>("text");
  const auto add = [](const char* key, const char* text) {
    QTest::addRow("%s=%s", key, text) << QString::fromLatin1(key) << QString::fromUtf8(text);
  };
  for (const char* text : {"8x", "", "0", "65537", "2.5", "8 9", "-3", "1e99"})
    add("adapter.r", text);
  for (const char* text : {"1e9", "", "-1", "2e-", "nan", "1,5", "two"})
    add("training.learning_rate", text);
  for (const char* text : {"1.5", "", "1e"}) add("adapter.lora_dropout", text);
  add("training.per_device_train_batch_size", "0");
  add("training.max_steps", "0");
  add("training.warmup_steps", "-1");  // Advanced
  add("training.save_steps", "often");
  add("adapter.rank_pattern", "{q_proj: x}");
  add("adapter.rank_pattern", "{q_proj");
  add("adapter.target_modules", "[q_proj");
  add("adapter.exclude_modules", "all-linear");
  add("adapter.modules_to_save", "[lm_head");
  add("image.max_pixels", "big");
  add("dataset", "[\"rows.jsonl");
  add("eval_dataset", "['a");
}

void TestSettings::launch_refuses_what_is_not_shown() {
  QFETCH(QString, key);
  QFETCH(QString, text);
  const std::string name = key.toStdString();
  if (!line(key)->isVisible()) QVERIFY(person_->click("advancedToggle"));
  type_only(line(key), text);
  // Out of sight again, and the focus elsewhere, by the keyboard shortcut that launches from
  // anywhere.
  auto* toggle = person_->find<QToolButton>("advancedToggle");
  if (toggle->isChecked()) QVERIFY(person_->click("advancedToggle"));
  QTest::keyClick(window_.get(), Qt::Key_F5);
  QCOMPARE(person_->state(), SessionState::Empty);
  QVERIFY(!QFileInfo::exists(desk_.run(QStringLiteral("settings"))));
  QVERIFY(line(key)->isVisible());
  QCOMPARE(window_->focusWidget(), line(key));
  auto* scroll = person_->find<QScrollArea>("formScroll");
  WAIT_UNTIL(scroll->viewport()->rect().contains(
      line(key)->mapTo(scroll->viewport(), line(key)->rect().center())));
  QVERIFY(error(key)->isVisible());
  QVERIFY(!error(key)->text().isEmpty());
  QVERIFY(banner()->isVisible());
  QVERIFY2(banner()->text().startsWith(field_label(name)), qPrintable(banner()->text()));
  QVERIFY2(!banner()->text().contains(QStringLiteral("null")), qPrintable(banner()->text()));
  // A click on the button is no other.
  QVERIFY(person_->click("launchButton"));
  QTest::qWait(50);
  QCOMPARE(person_->state(), SessionState::Empty);
  QVERIFY(!QFileInfo::exists(desk_.run(QStringLiteral("settings"))));
  // What stood there before makes it whole again.
  const QString before = QString::fromStdString(get_field(base(), name).value());
  type_only(line(key), before == QLatin1String("null") ? QString() : before);
  QTest::keyClick(line(key), Qt::Key_Return);
  QVERIFY(workspace().faults().empty());
  QVERIFY(!error(key)->isVisible());
  QVERIFY(!banner()->isVisible());
}

void TestSettings::every_way_of_using_the_recipe_refuses() {
  type_only(line("adapter.r"), "8x");
  const QString data = QStandardPaths::writableLocation(QStandardPaths::AppDataLocation);
  QVERIFY(person_->click("tryButton"));
  QCOMPARE(window_->focusWidget(), line("adapter.r"));
  QVERIFY(banner()->text().contains(QStringLiteral("8x")));
  QVERIFY(!person_->find<QLabel>("measuredLabel")->isVisible());
  banner()->dismiss();
  QVERIFY(person_->choose("recipeMenuButton", "showCommand"));
  QVERIFY(banner()->isVisible());
  QVERIFY(!window_->findChild<QDialog*>("commandDialog"));
  QVERIFY(!QFileInfo::exists(data + "/recipes/settings.yaml"));
  banner()->dismiss();
  QVERIFY(person_->choose("recipeMenuButton", "saveRecipe"));
  QVERIFY(banner()->isVisible());
  QVERIFY(!window_->findChild<QFileDialog*>());
}

void TestSettings::the_first_fault_is_the_one_gone_to() {
  person_->type(object_of("training.learning_rate"), "1e9");
  person_->type(object_of("adapter.r"), "8x");
  // Both stay as they were typed, and both say why.
  QCOMPARE(line("adapter.r")->text(), QStringLiteral("8x"));
  QCOMPARE(line("training.learning_rate")->text(), QStringLiteral("1e9"));
  line("output_dir")->setFocus();
  QVERIFY(error("adapter.r")->isVisible() && error("training.learning_rate")->isVisible());
  QTest::keyClick(window_.get(), Qt::Key_F5);
  QCOMPARE(window_->focusWidget(), line("adapter.r"));
  person_->type(object_of("adapter.r"), "8");
  QTest::keyClick(window_.get(), Qt::Key_F5);
  QCOMPARE(window_->focusWidget(), line("training.learning_rate"));
  // A field of another method is not read: it holds nothing up, and comes back with a value.
  person_->type(object_of("training.learning_rate"), "1e-4");
  person_->type(object_of("adapter.r"), "8x");
  QVERIFY(workspace().set_field("strategy", "full").ok());
  QVERIFY(workspace().faults().empty());
  QVERIFY(workspace().set_field("strategy", "lora").ok());
  QCOMPARE(line("adapter.r")->text(), QStringLiteral("8"));
  QVERIFY(!error("adapter.r")->isVisible());
}

void TestSettings::a_missing_setting_is_gone_to() {
  type_only(line("output_dir"), {});
  QTest::keyClick(window_.get(), Qt::Key_F5);
  QCOMPARE(window_->focusWidget(), line("output_dir"));
  QVERIFY2(banner()->text().startsWith(field_label("output_dir")), qPrintable(banner()->text()));
  person_->type(object_of("output_dir"), desk_.run("settings"));
  QVERIFY(!banner()->isVisible());
  // Across fields, and in Advanced.
  QVERIFY(workspace().set_field("training.eval_steps", "5").ok());
  QTest::keyClick(window_.get(), Qt::Key_F5);
  QCOMPARE(window_->focusWidget(), line("training.eval_steps"));
  QVERIFY2(!banner()->text().contains(QStringLiteral("eval_")), qPrintable(banner()->text()));
}

void TestSettings::what_is_shown_is_what_is_used() {
  // Typed and not left; then the arrow beside the field, which takes no focus.
  type_only(line("adapter.r"), "64");
  QCOMPARE(workspace().recipe().adapter.r, std::int64_t(64));
  QVERIFY(person_->click("field_adapter_r_reset"));
  QCOMPARE(workspace().recipe().adapter.r, std::int64_t(16));
  QCOMPARE(line("adapter.r")->text(), QStringLiteral("16"));
  // The same for a faulty one.
  type_only(line("adapter.r"), "8x");
  QVERIFY(person_->click("field_adapter_r_reset"));
  QVERIFY(workspace().faults().empty());
  QCOMPARE(line("adapter.r")->text(), QStringLiteral("16"));
  // As it is typed it may stay, where it means what is held.
  type_only(line("training.learning_rate"), "1e-4");
  QCOMPARE(line("training.learning_rate")->text(), QStringLiteral("1e-4"));
  QCOMPARE(workspace().recipe().training.learning_rate, 1e-4);
  // Reset and another recipe take typed text and faults along.
  type_only(line("adapter.lora_alpha"), "x");
  workspace().reset_recipe();
  QVERIFY(workspace().faults().empty());
  QCOMPARE(line("adapter.lora_alpha")->text(), QStringLiteral("32"));
  // Ticks that do not go together stay shown as they were ticked, and hold the launch up.
  QVERIFY(person_->click("advancedToggle"));
  QVERIFY(person_->click("field_adapter_use_dora"));
  QVERIFY(person_->click("field_adapter_lora_bias"));
  QVERIFY(person_->find<QCheckBox>("field_adapter_lora_bias")->isChecked());
  QTest::keyClick(window_.get(), Qt::Key_F5);
  QCOMPARE(window_->focusWidget(), person_->find<QCheckBox>("field_adapter_lora_bias"));
  QCOMPARE(person_->state(), SessionState::Empty);
}

void TestSettings::the_forecast_says_of_which_values_it_is() {
  WAIT_UNTIL(workspace().forecast_is_current());
  auto* note = person_->find<QLabel>("trainableLabel");
  const QString whole = note->text();
  type_only(line("adapter.r"), "8x");
  QVERIFY2(note->toolTip().contains(QStringLiteral("Rank 8")), qPrintable(note->toolTip()));
  QVERIFY(note->text() != whole);
  QVERIFY(person_->find<QWidget>("forecastBar")->graphicsEffect());
  person_->type(object_of("adapter.r"), "16");
  WAIT_UNTIL(workspace().forecast_is_current());
  WAIT_UNTIL_EQUAL(note->text(), whole);
  QVERIFY(!person_->find<QWidget>("forecastBar")->graphicsEffect());
}

void TestSettings::messages_move_nothing() {
  QTest::qWait(100);
  const QStringList names{"launchButton",
                          "tryButton",
                          "advancedToggle",
                          "runTabs",
                          "lossPlot",
                          "field_adapter_lora_alpha",
                          "field_training_device"};
  const auto places = [&] {
    QList<QRect> all;
    for (const QString& name : names) {
      auto* widget = window_->page(PageId::Train)->findChild<QWidget*>(name);
      all << QRect(widget->mapTo(window_.get(), QPoint(0, 0)), widget->size());
    }
    return all;
  };
  // The row at fault is in sight already: nothing has to scroll.
  line("adapter.r")->setFocus();
  person_->find<QScrollArea>("formScroll")->ensureWidgetVisible(line("adapter.lora_alpha"), 0, 60);
  QTest::qWait(50);
  const QList<QRect> before = places();
  person_->type(object_of("adapter.r"), "8x");
  QTest::qWait(50);
  QVERIFY(error("adapter.r")->isVisible());
  QCOMPARE(places(), before);
  QTest::keyClick(window_.get(), Qt::Key_F5);
  QTest::qWait(50);
  QVERIFY(banner()->isVisible());
  QCOMPARE(places(), before);
  // Neither on the other pages.
  for (int page = 0; page < kPageCount; ++page) {
    window_->show_page(static_cast<PageId>(page));
    QTest::qWait(50);
    auto* said = window_->page(static_cast<PageId>(page))
                     ->findChild<Banner*>("banner", Qt::FindDirectChildrenOnly);
    QVERIFY(said);
    said->dismiss();
    const auto seen = [&] {
      QList<QPair<QWidget*, QRect>> all;
      for (QWidget* widget : window_->page(static_cast<PageId>(page))->findChildren<QWidget*>())
        if (widget->isVisible() && !said->isAncestorOf(widget))
          all << qMakePair(widget, QRect(widget->mapTo(window_.get(), QPoint()), widget->size()));
      return all;
    };
    // A page may still be laid out for what it was shown with (a table that comes by an event).
    QList<QPair<QWidget*, QRect>> shown;
    do {
      shown = seen();
      QTest::qWait(200);
    } while (shown != seen());
    said->show_text(Banner::Kind::Error,
                    QString(300, QLatin1Char('x')) + QStringLiteral(" and words"));
    QTest::qWait(50);
    QVERIFY(said->isVisible());
    for (const auto& [widget, place] : shown)
      QCOMPARE(QRect(widget->mapTo(window_.get(), QPoint()), widget->size()), place);
    // All of a long word is to be read.
    auto* text = said->findChild<QLabel*>("bannerText");
    QVERIFY(text->height() >= text->heightForWidth(text->width()));
    QVERIFY(said->parentWidget()->rect().contains(said->geometry()));
    said->dismiss();
  }
}

void TestSettings::a_message_goes_with_its_cause() {
  person_->type(object_of("adapter.r"), "8x");
  QTest::keyClick(window_.get(), Qt::Key_F5);
  QVERIFY(banner()->isVisible());
  person_->type(object_of("adapter.r"), "4");
  QVERIFY(!banner()->isVisible());
  // A rate that cannot be applied; then one that can. The events are those of a run.
  SessionBridge& bridge = workspace().bridge();
  RunStarted started{};
  started.folder = to_path(desk_.run("gone"));
  started.total_steps = 10;
  started.learning_rate = 5e-4;
  emit bridge.run_started(started);
  auto* rate = person_->find<QLineEdit>("liveRate");
  QCOMPARE(rate->text().toDouble(), 5e-4);
  RunEnded ended{};
  ended.folder = started.folder;
  ended.state = "failed";
  ended.error = machine_error("The disk is full.", "somewhere");
  emit bridge.run_ended(ended);
  QVERIFY(banner()->isVisible());
  emit bridge.run_started(started);
  QVERIFY(!banner()->isVisible());
}

void TestSettings::errors_follow_the_theme() {
  person_->type(object_of("adapter.r"), "8x");
  const auto back = qScopeGuard([] { Theme::instance().choose(Theme::Choice::Light); });
  for (const Theme::Choice choice : {Theme::Choice::Dark, Theme::Choice::Light}) {
    Theme::instance().choose(choice);
    QCOMPARE(error("adapter.r")->palette().color(QPalette::WindowText), colours().error);
    QCOMPARE(line("adapter.r")->palette().color(QPalette::Text), colours().error);
  }
}

void TestSettings::keys_are_said_as_labels() {
  QCOMPARE(error_text(input_error("The folder holds a finished run.", "/x/runs/a",
                                  "Choose another output_dir, or remove the folder.")),
           QStringLiteral("/x/runs/a: The folder holds a finished run. Choose another “Run "
                          "folder”, or remove the folder."));
  QCOMPARE(error_text(input_error("is above image.max_pixels.", "recipe: image.min_pixels")),
           QStringLiteral("Smallest picture: is above “Largest picture”."));
  QCOMPARE(window_words("Resume with training.gradient_checkpointing: true."),
           QStringLiteral("Resume with “Gradient checkpointing”: true."));
  QVERIFY(
      !window_words("Go on from it with --resume, choose another output_dir, or remove the folder.")
           .contains(QStringLiteral("--")));
  QCOMPARE(window_words("Write \"max_length\" smaller."),
           QStringLiteral("Write \"Context length\" smaller."));
  // Paths, modules and plain words stay.
  for (const char* text : {"/data/max_length/output_dir.jsonl", "output_dir/adapter",
                           "The module vision_tower.layers.0 has no weight.", "the vision_tower",
                           "The model and the dataset.", "my.max_length.yaml", "run-output_dir"})
    QCOMPARE(window_words(text), QString::fromLatin1(text));
  QCOMPARE(
      error_text(input_error("This is not possible while the session is training.", "save_now")),
      QStringLiteral("This is not possible while the session is training."));
  QCOMPARE(error_text(input_error("No row of the data can be read.", "dataset",
                                  "`luthier-cli data check` says what is wrong with each.")),
           QStringLiteral("Training data: No row of the data can be read. The check on the Data "
                          "page says what is wrong with each."));
  // A section that one method has is that choice.
  QCOMPARE(field_of(input_error("x", "recipe: freeze")), std::string("strategy"));
}

QTEST_MAIN(TestSettings)
#include "test_settings.moc"

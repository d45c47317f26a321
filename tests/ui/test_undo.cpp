// SPDX-License-Identifier: GPL-3.0-or-later
// Undo and redo of settings by keyboard and menu, wherever the keyboard is.
#include "tests/ui/form_desk.h"
#include "ui/desk/recipe_history.h"

using namespace luthier;
using luthier::test::FormDesk;
using luthier::test::object_of;

class TestUndo : public QObject, private FormDesk {
  Q_OBJECT

 private slots:
  void init() {
    open();
    workspace().history().begin_here();
  }
  void cleanup() { close(); }
  void letters_of_one_field_are_one_change();
  void every_choice_is_one();
  void what_is_no_value_goes_first();
  void a_reset_and_another_recipe_come_back();
  void saved_under_a_new_name_it_stays_that_files();
  void nothing_while_a_run_trains();
  void the_menu_says_what();

 private:
  void undo(QWidget* at = nullptr) {
    QTest::keyClick(at ? at : window_.get(), Qt::Key_Z, Qt::ControlModifier);
  }
  void redo(QWidget* at = nullptr) {
    QTest::keyClick(at ? at : window_.get(), Qt::Key_Z, Qt::ControlModifier | Qt::ShiftModifier);
  }
  std::int64_t rank() const { return workspace().recipe().adapter.r; }
};

void TestUndo::letters_of_one_field_are_one_change() {
  person_->type(object_of("adapter.r"), "128");
  person_->type(object_of("training.seed"), "77");
  QCOMPARE(rank(), 128);
  // In the field itself too, where a line would undo its own letters.
  undo(line("training.seed"));
  QCOMPARE(workspace().recipe().training.seed, 42);
  QCOMPARE(line("training.seed")->text(), QStringLiteral("42"));
  undo();
  QCOMPARE(rank(), 16);
  QCOMPARE(line("adapter.r")->text(), QStringLiteral("16"));
  QVERIFY(line("adapter.r")->hasFocus());  // where it happened
  undo();                                  // there is no more
  QCOMPARE(rank(), 16);
  redo(line("adapter.r"));
  redo();
  QCOMPARE(rank(), 128);
  QCOMPARE(workspace().recipe().training.seed, 77);
  // Something new: what was undone is gone.
  undo();
  person_->type(object_of("adapter.r"), "8");
  redo();
  QCOMPARE(workspace().recipe().training.seed, 42);
  QCOMPARE(rank(), 8);
}

void TestUndo::every_choice_is_one() {
  auto* scheduler = person_->find<QComboBox>(object_of("training.lr_scheduler_type"));
  scheduler->setFocus();
  for (const char* choice : {"linear", "constant"}) {
    scheduler->setCurrentIndex(scheduler->findData(QString::fromLatin1(choice)));
    emit scheduler->activated(scheduler->currentIndex());
  }
  QCOMPARE(workspace().recipe().training.lr_scheduler_type, std::string("constant"));
  undo();
  QCOMPARE(workspace().recipe().training.lr_scheduler_type, std::string("linear"));
  undo();
  QCOMPARE(scheduler->currentData().toString(), QStringLiteral("cosine"));
  // A method moves defaults along: one change, and one back.
  auto* method = person_->find<QComboBox>(object_of("strategy"));
  method->setCurrentIndex(method->findData(QStringLiteral("full")));
  emit method->activated(method->currentIndex());
  QCOMPARE(workspace().recipe().training.learning_rate, 1e-5);
  undo();
  QCOMPARE(workspace().recipe().strategy, std::string("lora"));
  QCOMPARE(workspace().recipe().training.learning_rate, 2e-4);
}

void TestUndo::what_is_no_value_goes_first() {
  person_->type(object_of("adapter.r"), "24");
  person_->type(object_of("adapter.r"), "24x");
  QCOMPARE(workspace().faults().size(), std::size_t(1));
  undo(line("adapter.r"));
  QVERIFY(workspace().faults().empty());
  QCOMPARE(line("adapter.r")->text(), QStringLiteral("24"));
  undo();
  QCOMPARE(rank(), 16);
}

void TestUndo::a_reset_and_another_recipe_come_back() {
  person_->type(object_of("adapter.r"), "24");
  QVERIFY(person_->click("resetRecipe"));
  QCOMPARE(rank(), 16);
  undo();
  QCOMPARE(rank(), 24);
  Recipe other = base();
  other.training.seed = 5;
  workspace().replace_recipe(other, QStringLiteral("other.yaml"));
  undo();
  QCOMPARE(rank(), 24);
  QCOMPARE(workspace().recipe().training.seed, 42);
  QCOMPARE(workspace().recipe_file(), QString());
  redo();
  QCOMPARE(workspace().recipe().training.seed, 5);
  QCOMPARE(workspace().recipe_file(), QStringLiteral("other.yaml"));
}

void TestUndo::nothing_while_a_run_trains() {
  person_->type(object_of("adapter.r"), "24");
  SessionBridge& bridge = workspace().bridge();
  bridge.announce(StateChanged{SessionState::Training, {}});
  undo();
  QCOMPARE(rank(), 24);
  QVERIFY(!workspace().history().can_undo());
  bridge.announce(StateChanged{SessionState::Empty, {}});
  undo();
  QCOMPARE(rank(), 16);
}

/// What is undone after *Save as* does not give the recipe back to the first file.
void TestUndo::saved_under_a_new_name_it_stays_that_files() {
  const auto file = [this](const char* name) {
    return desk_.folder.filePath(QLatin1String(name));
  };
  person_->type(object_of("training.seed"), "5");
  QVERIFY(workspace().save_recipe(file("first.yaml")).ok());
  QVERIFY(workspace().open_recipe(file("first.yaml")).ok());
  person_->type(object_of("adapter.r"), "24");
  person_->type(object_of("adapter.r"), "32");
  undo();
  QVERIFY(workspace().save_recipe(file("second.yaml")).ok());
  redo();
  QCOMPARE(workspace().recipe_file(), file("second.yaml"));
  undo();
  QCOMPARE(workspace().recipe_file(), file("second.yaml"));
  while (workspace().history().can_undo()) undo();
  QCOMPARE(workspace().recipe().training.seed, 42);
  QCOMPARE(workspace().recipe_file(), file("second.yaml"));
}

void TestUndo::the_menu_says_what() {
  auto* action = window_->findChild<QAction*>("undoSetting");
  QVERIFY(!action->isEnabled());
  person_->type(object_of("adapter.r"), "24");
  QVERIFY(action->isEnabled());
  QVERIFY2(action->text().contains("Rank"), qPrintable(action->text()));
  QVERIFY(person_->choose("recipeMenuButton", "undoSetting"));
  QCOMPARE(rank(), 16);
  auto* again = window_->findChild<QAction*>("redoSetting");
  QVERIFY(again->isEnabled() && again->text().contains("Rank"));
  QVERIFY(person_->choose("recipeMenuButton", "redoSetting"));
  QCOMPARE(rank(), 24);
}

QTEST_MAIN(TestUndo)
#include "test_undo.moc"

// SPDX-License-Identifier: GPL-3.0-or-later
// A recipe of stages in the window: its stages stand above the curves, a click shows one's settings
// in the form and keeps those of the other, and a launch runs them all.
#include <QDialog>
#include <QTableWidget>

#include "engine/runs/stage_folder.h"
#include "engine/runs/task_table.h"
#include "tests/ui/form_desk.h"
#include "ui/data/row_tools.h"
#include "ui/run_queue.h"

using namespace luthier;
using namespace luthier::test;

class TestStages : public QObject, private FormDesk {
  Q_OBJECT

 private slots:
  void initTestCase() { open(); }

  void a_recipe_of_stages_is_shown_edited_and_run() {
    const Recipe plain = base();
    const QString file = desk_.run(QStringLiteral("stages.yaml"));
    QDir().mkpath(QFileInfo(file).path());
    QFile out(file);
    QVERIFY(out.open(QIODevice::WriteOnly));
    out.write(QStringLiteral("model: %1\ndataset: %2\noutput_dir: %3\nadapter: {r: 4}\n"
                             "training: {device: cpu, max_steps: 2, save_steps: 1, "
                             "gradient_accumulation_steps: 1}\n"
                             "stages: [{name: first}, {name: second, merge: true}]\n")
                  .arg(QString::fromStdString(plain.model),
                       QString::fromStdString(plain.dataset.front()),
                       desk_.run(QStringLiteral("staged")))
                  .toUtf8());
    out.close();
    QVERIFY(!person_->find<QWidget>("stagesStrip")->isVisible());
    QVERIFY(workspace().open_recipe(file).ok());
    auto* first = person_->find<QPushButton>("stage_1");
    auto* second = person_->find<QPushButton>("stage_2");
    QVERIFY(first && second && first->isVisible());
    QCOMPARE(second->text(), QStringLiteral("2. second"));
    QVERIFY(first->isChecked() && !second->isChecked());

    QVERIFY(person_->click("stage_2"));
    QVERIFY(second->isChecked() && !first->isChecked());
    QCOMPARE(QString::fromStdString(workspace().recipe().model),
             QString::fromStdString(plain.model));
    person_->type("field_adapter_r", "2");
    QVERIFY(person_->click("stage_1"));
    QCOMPARE(line("adapter.r")->text(), QStringLiteral("4"));
    const auto staged = workspace().staged();
    QVERIFY(staged.has_value());
    QCOMPARE(staged->stages[0].recipe.adapter.r, std::int64_t(4));
    QCOMPARE(staged->stages[1].recipe.adapter.r, std::int64_t(2));
    QVERIFY(staged->stages[1].recipe.model.empty());

    QVERIFY(person_->click("launchButton"));
    WAIT_UNTIL(second->text() == QStringLiteral("2. second, running"));
    QCOMPARE(first->text(), QStringLiteral("1. first, done"));
    WAIT_UNTIL(workspace().run() && workspace().run()->ended);
    const std::filesystem::path run = desk_.run(QStringLiteral("staged")).toStdString();
    QCOMPARE(stage_state(run / "stages/1-first"), std::string("finished"));
    QCOMPARE(stage_state(run / "stages/2-second"), std::string("finished"));
    QCOMPARE(second->text(), QStringLiteral("2. second, done"));
    WAIT_UNTIL(workspace().state() == SessionState::Ready);
    // The base is there again, and how the run ended is still said.
    WAIT_UNTIL(workspace().model() && workspace().model()->summary.folder == plain.model);
    QVERIFY(!banner()->isHidden());
  }

  /// The table of tasks stands beside the stages of the run that has one.
  void every_task_after_every_task_is_shown() {
    auto* button = person_->find<QPushButton>("taskTable");
    QVERIFY(button && !button->isVisible());  // the run above has none
    TaskTable table;
    table.tasks = {"first", "second"};
    for (const double loss : {4.0, 1.0, 2.0})
      table.rows.push_back({{3, {{kTaskLoss, loss}}}, {3, {{kTaskLoss, loss + 1}}}});
    QVERIFY(write_task_table(table, desk_.run(QStringLiteral("staged")).toStdString()).ok());
    emit workspace().stages_changed();
    QVERIFY(button->isVisible());
    QVERIFY(person_->click("taskTable"));
    auto* shown = person_->find<QTableWidget>("taskTable_loss");
    QVERIFY(shown);
    QCOMPARE(shown->rowCount(), 3);
    QCOMPARE(shown->columnCount(), 2);
    QCOMPARE(shown->item(1, 1)->text(), QStringLiteral("2.0000"));
    QCOMPARE(shown->verticalHeaderItem(2)->text(), QStringLiteral("After second"));
    qobject_cast<QDialog*>(shown->window())->close();
  }

  /// The Data page changes the stage that the form shows, and the others stay. Columns are
  /// forgotten where no other rows are read by them.
  void the_data_page_leaves_the_stages() {
    QVERIFY(workspace().open_recipe(desk_.run(QStringLiteral("stages.yaml"))).ok());
    auto* tools = window_->findChild<RowTools*>();
    QVERIFY(tools);
    const ColumnMap map{{{"prompt", "ask"}}, {}, {}};
    const auto asked = [&] { return column_map(workspace().recipe())->column_of("prompt"); };
    emit tools->columns_chosen(map);
    QVERIFY(workspace().staged().has_value());
    QCOMPARE(asked(), std::string("ask"));
    QVERIFY(workspace().set_field("eval_dataset", "held.jsonl").ok());
    emit tools->copy_written(QStringLiteral("copy.jsonl"), {}, true);
    QVERIFY(workspace().staged().has_value());
    QCOMPARE(workspace().staged()->stages.size(), std::size_t(2));
    QCOMPARE(workspace().recipe().dataset, std::vector<std::string>{"copy.jsonl"});
    QCOMPARE(asked(), std::string("ask"));
    emit tools->copy_written(QStringLiteral("copy.jsonl"), QStringLiteral("part.jsonl"), true);
    QVERIFY(workspace().staged().has_value());
    QCOMPARE(asked(), std::string());
  }

  void stages_and_faults_are_not_queued() {
    QVERIFY(workspace().open_recipe(desk_.run(QStringLiteral("stages.yaml"))).ok());
    window_->show_page(PageId::Runs);
    auto* tabs = person_->find<QTabBar>("runsTabs");
    QTest::mouseClick(tabs, Qt::LeftButton, {}, tabs->tabRect(1).center());
    QVERIFY(person_->click("queueRecipe"));
    QVERIFY(workspace().queue().runs().empty());
    const auto* said = window_->page(PageId::Runs)->findChild<QLabel*>("bannerText");
    QVERIFY2(said->text().contains(QStringLiteral("not queued")), qPrintable(said->text()));
    QVERIFY(person_->click("queueSweep"));
    QVERIFY(!window_->findChild<QDialog*>("sweepDialog"));
    workspace().replace_recipe(base());
    QVERIFY(!workspace().edit_field("adapter.r", "many").ok());
    window_->show_page(PageId::Runs);
    QVERIFY(person_->click("queueSweep"));
    QVERIFY(!window_->findChild<QDialog*>("sweepDialog"));
    QVERIFY(workspace().edit_field("adapter.r", "4").ok());
  }

  void cleanupTestCase() { close(); }
};

QTEST_MAIN(TestStages)
#include "test_stages.moc"

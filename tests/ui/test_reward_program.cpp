// SPDX-License-Identifier: GPL-3.0-or-later
// A program of the person's own as the judge of a run, named in the window: chosen in a file
// dialog, said to be run as they are, asked by the run, kept in no recipe, and gone with its
// choice.
#include "engine/config/rollouts.h"
#include "engine/data/rollout_log.h"
#include "tests/ui/form_desk.h"
#include "ui/train/command_line.h"

using namespace luthier;
using namespace luthier::test;

class TestRewardProgram : public QObject, private FormDesk {
  Q_OBJECT

 private slots:
  void initTestCase();
  void it_is_chosen_beside_the_rewards();
  void a_run_asks_it();
  void a_start_that_lacks_it_is_refused();
  void cleanupTestCase() { close(); }

 private:
  static QString read(const QString& path) {
    QFile file(path);
    return file.open(QIODevice::ReadOnly) ? QString::fromUtf8(file.readAll()) : QString();
  }
  std::vector<std::string> judges() const {
    return workspace().recipe().more.names("grpo.reward_funcs");
  }
  QString program_;
};

void TestRewardProgram::initTestCase() {
  QCoreApplication::setAttribute(Qt::AA_DontUseNativeDialogs);
  open();
  program_ = desk_.folder.filePath("judge.sh");
  QFile script(program_);
  QVERIFY(script.open(QIODevice::WriteOnly));
  // Writes down that it was asked and when it ends; four answers a line are worth 1 to 4.
  script.write(
      "#!/bin/sh\n"
      "while read line; do echo asked >> \"$0.log\"; echo '{\"rewards\": [1, 2, 3, 4]}'; done\n"
      "echo ended >> \"$0.log\"\n");
  script.close();
  script.setPermissions(QFile::ReadOwner | QFile::WriteOwner | QFile::ExeOwner);
  Recipe recipe = base();
  recipe.output_dir = desk_.run("programmed").toStdString();
  for (const auto& [key, value] : std::vector<std::pair<std::string, std::string>>{
           {"objective", "grpo"},
           {"grpo.num_generations", "4"},
           {"grpo.max_completion_length", "4"},
           {"grpo.reward_funcs", "word_overlap"},
           {"training.per_device_train_batch_size", "4"},
           {"training.gradient_accumulation_steps", "1"},
           {"training.device", "cpu"},
           {"training.max_steps", "2"}})
    QVERIFY2(set_field(recipe, key, value).ok(), key.c_str());
  workspace().replace_recipe(recipe);
}

void TestRewardProgram::it_is_chosen_beside_the_rewards() {
  auto* choose = person_->find<QPushButton>("chooseProgram_grpo");
  auto* about = person_->find<QLabel>("programAbout_grpo");
  QVERIFY(choose->isVisibleTo(window_.get()) && !about->isVisibleTo(window_.get()));
  QTimer::singleShot(300, qApp, [this] {
    auto* dialog = qobject_cast<QFileDialog*>(QApplication::activeModalWidget());
    if (!dialog) return;
    auto* line = dialog->findChild<QLineEdit*>();
    line->clear();
    QTest::keyClicks(line, program_);
    QTest::keyClick(line, Qt::Key_Return);
    if (dialog->isVisible()) QTest::keyClick(line, Qt::Key_Return);
  });
  choose->click();
  QCOMPARE(workspace().reward_program(), program_);
  QCOMPARE(judges(), (std::vector<std::string>{"word_overlap", "program"}));
  QCOMPARE(person_->text("programPath_grpo"), program_);
  QVERIFY(about->isVisibleTo(window_.get()));
  QVERIFY(about->text().contains(QStringLiteral("as you")));
  const auto command = equivalent_command(workspace());
  QVERIFY(command.ok());
  QVERIFY2(command->text.contains(QStringLiteral("--reward-program ") + program_),
           qPrintable(command->text));
  QVERIFY(!read(command->file).contains(program_));
  // Saved, the recipe asks for a program and names none.
  const QString saved = desk_.folder.filePath("saved.yaml");
  QVERIFY(workspace().save_recipe(saved).ok());
  QVERIFY(read(saved).contains(QStringLiteral("program")) && !read(saved).contains("judge.sh"));
}

void TestRewardProgram::a_run_asks_it() {
  QVERIFY(person_->click("launchButton"));
  WAIT_UNTIL(workspace().run() && workspace().run()->ended);
  QCOMPARE(workspace().run()->end_state, std::string("finished"));
  WAIT_UNTIL(workspace().state() == SessionState::Ready);
  const QString run = desk_.run("programmed");
  const auto index = read_rollout_index(to_path(run) / kRolloutsFile, 0, 1 << 20);
  QVERIFY(index.ok());
  QCOMPARE(index->steps.size(), std::size_t{2});
  for (const DrawnStep& step : index->steps)
    QCOMPARE(step.rewards[1], NamedRewards("program", {1, 2, 3, 4}));
  // It belonged to this start: it has ended, and no file of the run names it.
  WAIT_UNTIL_EQUAL(read(program_ + ".log"), QStringLiteral("asked\nasked\nended\n"));
  for (const char* file : {"/recipe.yaml", "/run.json", "/events.jsonl"})
    QVERIFY(!read(run + QLatin1String(file)).contains("judge.sh"));
}

void TestRewardProgram::a_start_that_lacks_it_is_refused() {
  QVERIFY(person_->find<QToolButton>("dropProgram_grpo")->isVisibleTo(window_.get()));
  person_->find<QToolButton>("dropProgram_grpo")->click();
  QCOMPARE(workspace().reward_program(), QString());
  QCOMPARE(judges(), (std::vector<std::string>{"word_overlap"}));
  QVERIFY(workspace().set_field("grpo.reward_funcs", "program").ok());
  auto* about = person_->find<QLabel>("programAbout_grpo");
  QVERIFY(about->isVisibleTo(window_.get()) &&
          about->text().contains(QStringLiteral("none is chosen")));
  QVERIFY(workspace().set_field("output_dir", desk_.run("lacking").toStdString()).ok());
  QVERIFY(person_->click("launchButton"));
  WAIT_UNTIL(!banner()->isHidden() &&
             banner()->text().contains(QStringLiteral("No program for rewards is named")));
  QVERIFY(!QFileInfo::exists(desk_.run("lacking") + QStringLiteral("/rollouts.jsonl")));
}

QTEST_MAIN(TestRewardProgram)
#include "test_reward_program.moc"

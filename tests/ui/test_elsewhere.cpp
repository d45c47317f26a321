// SPDX-License-Identifier: GPL-3.0-or-later
// The window drives a run in a process of its own and one "on another machine" (ssh is a stand-in
// here that leads to this machine; tests/session/test_elsewhere_by_ssh has the real one): controls,
// curves, samples; the window goes, another finds the run; the result has the bytes of a run here.
// What happens in the midst of a run happens while it is held.
#include <csignal>
#include <filesystem>
#include <fstream>

#include "engine/io/files.h"
#include "engine/runs/elsewhere/run_post.h"
#include "engine/runs/run_folder.h"
#include "tests/session/held_run.h"
#include "tests/ui/driver.h"
#include "ui/widgets/banner.h"

using namespace luthier;
using luthier::test::Desk;
using luthier::test::HeldRun;
using luthier::test::Person;

class TestElsewhere : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase();
  void the_choice_says_what_it_means();
  void a_process_of_its_own_is_driven();
  void the_window_goes_and_another_finds_the_run();
  void a_killed_process_is_said_and_can_be_resumed();
  void another_machine_is_driven_and_its_files_are_here();
  void what_ssh_refuses_is_said_on_the_page();
  void cleanup();

 private:
  void open_window();
  void fill_form(const HeldRun& held);
  HeldRun held(const QString& run) const {
    return HeldRun(to_path(desk_.folder.filePath(run + QStringLiteral(".sh"))));
  }
  /// Clicks once it can be clicked.
  bool click(const QString& name);
  bool wait_state(SessionState state);
  bool has_ended(const std::string& state);
  bool has_lines(std::size_t count);
  /// Asks the run, which is within a step, to pause, and lets that step be made.
  bool pauses(const HeldRun& held, int step);
  void choose_where(int kind);
  bool write_ssh(const QByteArray& script) const;
  QString adapter_sum(const QString& folder) const;
  static std::vector<pid_t> host_processes();

  Desk desk_;
  QString rows_;
  std::unique_ptr<MainWindow> window_;
  std::unique_ptr<Person> person_;
};

constexpr std::size_t kSteps = 10;

void TestElsewhere::initTestCase() {
  qputenv("XDG_STATE_HOME", desk_.folder.filePath("state").toUtf8());
  qputenv("LUTHIER_CLI", LUTHIER_BINARY_DIR "/bin/luthier-cli");
  qputenv("LUTHIER_PRODUCTS", "onednn");
  qputenv("OMP_NUM_THREADS", "1");
  // In front of the system's; it is written once there is another machine.
  qputenv("PATH", desk_.folder.filePath("bin").toUtf8() + ":" + qgetenv("PATH"));
  QVERIFY(QDir::setCurrent(desk_.folder.path()));  // where mirrors of far runs lie
  rows_ = luthier::test::few_rows(desk_, "korean", 24, QStringLiteral("train.jsonl"));
  QVERIFY(!rows_.isEmpty());
  open_window();
  const HeldRun free = held("undisturbed");
  free.let_go();
  fill_form(free);
  QVERIFY(click("launchButton"));
  QVERIFY(has_ended("finished"));
}

void TestElsewhere::cleanup() {
  for (const pid_t each : host_processes()) ::kill(each, SIGKILL);
}

void TestElsewhere::open_window() {
  person_.reset();
  window_.reset();
  window_ = std::make_unique<MainWindow>();
  window_->keep_quiet();
  window_->resize(1280, 800);
  window_->show();
  QVERIFY(luthier::test::wait_for_window(window_.get()));
  person_ = std::make_unique<Person>(*window_);
  QVERIFY(luthier::test::load_teaching(*window_, *person_));
}

bool TestElsewhere::click(const QString& name) {
  auto* widget = person_->find<QWidget>(name);
  return luthier::test::wait_for([&] { return widget->isVisible() && widget->isEnabled(); }) &&
         person_->click(name);
}

/// Of a run no state comes any more once there is none.
bool TestElsewhere::wait_state(SessionState state) {
  const auto comes = [&] { return person_->state() == state; };
  const bool at_rest = can_launch(state);
  if (luthier::test::wait_for(
          [&] { return comes() || (!at_rest && !window_->workspace().session().has_run()); }) &&
      comes())
    return true;
  qWarning("not %s but %s", state_name(state).c_str(), state_name(person_->state()).c_str());
  return false;
}

/// The model that was loaded stays.
bool TestElsewhere::has_ended(const std::string& state) {
  const bool ended = luthier::test::wait_for([&] {
    const auto& run = window_->workspace().run();
    return run && run->ended;
  });
  if (!ended || !wait_state(SessionState::Ready)) return false;
  const auto& run = window_->workspace().run();
  if (run->end_state != state) qWarning("it ended as %s", run->end_state.c_str());
  return run->end_state == state;
}

bool TestElsewhere::has_lines(std::size_t count) {
  const auto has = [&] {
    const auto& run = window_->workspace().run();
    return run && !run->ended && run->lines.size() >= count;
  };
  return luthier::test::wait_for(
             [&] { return has() || !window_->workspace().session().has_run(); }) &&
         has();
}

bool TestElsewhere::pauses(const HeldRun& held, int step) {
  if (!click("mainButton") || !wait_state(SessionState::Pausing)) return false;
  held.let(step);
  return wait_state(SessionState::Paused);
}

void TestElsewhere::fill_form(const HeldRun& held) {
  window_->show_page(PageId::Train);
  Workspace& workspace = window_->workspace();
  person_->type("field_dataset", rows_);
  person_->type("field_output_dir",
                desk_.run(QFileInfo(path_text(held.program())).completeBaseName()));
  for (const auto& [key, value] : HeldRun::settings())
    QVERIFY2(workspace.set_field(key, value).ok(), key.c_str());
  QVERIFY(workspace.set_field("training.max_steps", std::to_string(kSteps)).ok());
  QVERIFY(workspace.set_field("training.save_steps", "4").ok());
  QVERIFY(workspace.set_field("training.device", "cpu").ok());
  workspace.set_reward_program(path_text(held.program()));
}

void TestElsewhere::choose_where(int kind) {
  auto* where = person_->find<QComboBox>("runWhere");
  where->setFocus();
  QTest::keyClick(where, Qt::Key_Home);
  for (int i = 0; i < kind; ++i) QTest::keyClick(where, Qt::Key_Down);
  QCOMPARE(where->currentIndex(), kind);
}

bool TestElsewhere::write_ssh(const QByteArray& script) const {
  QDir(desk_.folder.path()).mkdir("bin");
  const QString ssh = desk_.folder.filePath("bin/ssh");
  QFile::remove(ssh);
  QFile file(ssh);
  return file.open(QIODevice::WriteOnly) && file.write("#!/bin/sh\n" + script) > 0 &&
         file.setPermissions(QFile::ReadOwner | QFile::ExeOwner);
}

QString TestElsewhere::adapter_sum(const QString& folder) const {
  const auto sum = sha256_file(to_path(folder + "/adapter/adapter_model.safetensors"));
  return sum ? QString::fromStdString(*sum) : QStringLiteral("none in ") + folder;
}

std::vector<pid_t> TestElsewhere::host_processes() {
  std::vector<pid_t> found;
  for (const PostedRun& run : list_posts()) {
    if (!run.held) continue;
    std::error_code problem;
    std::filesystem::directory_iterator walk("/proc", problem);
    for (const std::filesystem::directory_iterator end; !problem && walk != end;
         walk.increment(problem)) {
      std::ifstream file(walk->path() / "cmdline", std::ios::binary);
      const std::string words((std::istreambuf_iterator<char>(file)), {});
      if (words.find(std::string("--run") + '\0' + run.run) != std::string::npos)
        found.push_back(std::atoi(walk->path().filename().c_str()));
    }
  }
  return found;
}

void TestElsewhere::the_choice_says_what_it_means() {
  window_->show_page(PageId::Train);
  QVERIFY(!person_->find<QWidget>("runHost")->isVisible());
  choose_where(1);
  QVERIFY(person_->text("runWhereAbout").contains("Start page"));
  choose_where(2);
  QVERIFY(person_->find<QWidget>("runHost")->isVisible());
  fill_form(held("nameless"));
  // Without a name nothing is begun.
  QVERIFY(click("launchButton"));
  WAIT_UNTIL(window_->page(PageId::Train)->findChild<Banner*>()->isVisible());
  QVERIFY(!window_->workspace().session().has_run());
  choose_where(0);
  QVERIFY(!person_->find<QWidget>("runWhereAbout")->isVisible());
}

void TestElsewhere::a_process_of_its_own_is_driven() {
  const HeldRun held = this->held("own");
  fill_form(held);
  choose_where(1);
  QVERIFY(click("launchButton"));
  held.let(2);
  QVERIFY(has_lines(2));
  QVERIFY(pauses(held, 3));
  QVERIFY(window_->workspace().place_of_run().contains("process"));
  QCOMPARE(host_processes().size(), std::size_t(1));
  QVERIFY(!person_->find<QWidget>("runWhere")->isEnabled());
  auto* tabs = person_->find<QTabWidget>("runTabs");
  QTest::mouseClick(tabs->tabBar(), Qt::LeftButton, {}, tabs->tabBar()->tabRect(2).center());
  QVERIFY(click("askTakeRow"));
  WAIT_UNTIL(!person_->find<QLineEdit>("askQuestion")->text().isEmpty());
  QVERIFY(click("askButton"));
  auto* answers = person_->find<QTextBrowser>("askAnswers");
  WAIT_UNTIL(answers->toPlainText().contains(QStringLiteral("in training")) &&
             !answers->toPlainText().contains(QStringLiteral("…")));
  // One behind the other: it may be saving when it is told to go on.
  QVERIFY(click("saveNowButton"));
  QVERIFY(click("mainButton"));
  held.let_go();
  QVERIFY(has_ended("finished"));
  QCOMPARE(window_->workspace().run()->lines.size(), kSteps);
  QCOMPARE(adapter_sum(desk_.run("own")), adapter_sum(desk_.run("undisturbed")));
}

void TestElsewhere::the_window_goes_and_another_finds_the_run() {
  const HeldRun held = this->held("found");
  fill_form(held);
  choose_where(1);
  QVERIFY(click("launchButton"));
  held.let(2);
  QVERIFY(has_lines(2));
  QVERIFY(pauses(held, 3));
  // No question is asked: the run goes on by itself.
  QVERIFY(window_->close());
  open_window();
  QCOMPARE(host_processes().size(), std::size_t(1));
  window_->show_page(PageId::Start);
  const QString attach = QStringLiteral("recentRuns_0_resume");
  WAIT_UNTIL(window_->findChild<QPushButton*>(attach) &&
             person_->find<QPushButton>(attach)->text() == QStringLiteral("Attach"));
  QVERIFY(person_->click(attach));
  QVERIFY(wait_state(SessionState::Paused));
  QCOMPARE(window_->current(), PageId::Train);
  // Its curve is there from the first step.
  QVERIFY(has_lines(3));
  QCOMPARE(window_->workspace().run()->lines.front().step, std::int64_t(1));
  QVERIFY(click("mainButton"));
  held.let_go();
  QVERIFY(has_ended("finished"));
  QCOMPARE(window_->workspace().run()->lines.size(), kSteps);
  QCOMPARE(adapter_sum(desk_.run("found")), adapter_sum(desk_.run("undisturbed")));
}

void TestElsewhere::a_killed_process_is_said_and_can_be_resumed() {
  const HeldRun held = this->held("killed");
  fill_form(held);
  choose_where(1);
  QVERIFY(click("launchButton"));
  held.let(6);
  QVERIFY(has_lines(6));
  const auto hosts = host_processes();
  QCOMPARE(hosts.size(), std::size_t(1));
  QCOMPARE(::kill(hosts.front(), SIGKILL), 0);
  QVERIFY(has_ended("interrupted"));
  auto* action = window_->page(PageId::Train)->findChild<QPushButton*>("bannerAction");
  WAIT_UNTIL(action->isVisible());
  QCOMPARE(action->text(), QStringLiteral("Resume that run"));
  held.let_go();
  QTest::mouseClick(action, Qt::LeftButton);
  WAIT_UNTIL(window_->workspace().run() && window_->workspace().run()->started.first_step == 4);
  QVERIFY(has_ended("finished"));
  QCOMPARE(adapter_sum(desk_.run("killed")), adapter_sum(desk_.run("undisturbed")));
}

void TestElsewhere::another_machine_is_driven_and_its_files_are_here() {
  QVERIFY(write_ssh("while [ \"$1\" != -- ]; do shift; done\nexec \"$LUTHIER_CLI\" serve\n"));
  const HeldRun held = this->held("there");
  fill_form(held);
  choose_where(2);
  person_->type("runHost", "me@far");
  person_->type("runHostFolder", desk_.folder.path());
  QVERIFY(click("launchButton"));
  held.let(2);
  QVERIFY(has_lines(2));
  QVERIFY(pauses(held, 3));
  QVERIFY(window_->workspace().place_of_run().contains("me@far"));
  QVERIFY(click("stopButton"));
  QDialog* question = nullptr;
  WAIT_UNTIL((question = window_->findChild<QDialog*>("stopQuestion")) && question->isVisible());
  QTest::mouseClick(question->findChild<QPushButton*>("stopLeave"), Qt::LeftButton);
  QVERIFY(has_ended("running"));
  QVERIFY(!window_->workspace().session().has_run());
  // It was left running, and is noted.
  window_->show_page(PageId::Start);
  QPushButton* attach = nullptr;
  WAIT_UNTIL([&] {
    for (auto* each : window_->page(PageId::Start)->findChildren<QPushButton*>())
      if (each->accessibleName() == QStringLiteral("Attach to there") && each->isEnabled() &&
          each->parentWidget()->findChild<QAbstractButton*>()->toolTip() == "me@far")
        attach = each;
    return attach != nullptr;
  }());
  QTest::mouseClick(attach, Qt::LeftButton);
  QVERIFY(wait_state(SessionState::Paused));
  QVERIFY(click("mainButton"));
  held.let_go();
  QVERIFY(has_ended("finished"));
  const QString mirror = desk_.folder.filePath("runs/there@me@far");
  QCOMPARE(path_text(window_->workspace().run()->started.folder), mirror);
  QCOMPARE(adapter_sum(mirror), adapter_sum(desk_.run("undisturbed")));
  QVERIFY(!QFileInfo::exists(mirror + "/checkpoints"));
  // The comparison takes what came over.
  window_->workspace().attach_adapter(mirror);
  WAIT_UNTIL(window_->workspace().adapters().size() == 1);
}

void TestElsewhere::what_ssh_refuses_is_said_on_the_page() {
  QVERIFY(write_ssh("echo 'me@far: Permission denied (publickey).' >&2\nexit 255\n"));
  fill_form(held("refused"));
  choose_where(2);
  QVERIFY(click("launchButton"));
  auto* banner = window_->page(PageId::Train)->findChild<Banner*>();
  WAIT_UNTIL([&] {
    for (auto* label : banner->findChildren<QLabel*>())
      if (label->text().contains("without a password")) return banner->isVisible();
    return false;
  }());
  QVERIFY(wait_state(SessionState::Ready));
}

QTEST_MAIN(TestElsewhere)
#include "test_elsewhere.moc"

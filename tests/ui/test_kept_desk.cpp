// SPDX-License-Identifier: GPL-3.0-or-later
// The desk as it was left: a second window finds model, recipe, page and layout of the first; one
// that died leaves its settings and a word about it; what lies in the folder may be anything.
#include "engine/base/crash_report.h"
#include "tests/ui/form_desk.h"
#include "ui/desk/kept_desk.h"
#include "ui/desk/recipe_history.h"
#include "ui/run_queue.h"

using namespace luthier;
using luthier::test::Desk;
using luthier::test::object_of;
using luthier::test::Person;

class TestKeptDesk : public QObject {
  Q_OBJECT

 private slots:
  void init() { QSettings().clear(); }
  void the_first_start_shows_where_to_begin();
  void everything_comes_back();
  void stages_come_back();
  void a_crash_loses_nothing_and_is_told();
  void each_window_tells_of_its_own_crash();
  void started_with_something_else_after_a_crash();
  void the_queue_comes_back_and_waits();
  void the_run_that_a_crash_cut_off();
  void each_window_has_its_own();
  void whatever_lies_there_is_only_read();

 private:
  QString place(const char* name) const { return desk_.folder.filePath(QLatin1String(name)); }
  static QJsonObject read(const QString& folder) {
    QFile file(folder + QStringLiteral("/desk-1.json"));
    return file.open(QIODevice::ReadOnly) ? QJsonDocument::fromJson(file.readAll()).object()
                                          : QJsonObject();
  }
  /// What a window that is killed leaves: its file at this moment, and where its report would be.
  void die(const QString& folder, const QString& to, const QString& report = {},
           const QString& as = QStringLiteral("desk-1.json")) const {
    QVERIFY(QDir().mkpath(to));
    QJsonObject left = read(folder);
    QVERIFY(!left.isEmpty());
    left[QStringLiteral("report")] = report;
    QFile file(QDir(to).filePath(as));
    QVERIFY(file.open(QIODevice::WriteOnly));
    file.write(QJsonDocument(left).toJson());
  }
  /// Three runs of the teaching model in the queue of a held window, as its desk keeps them.
  std::vector<QueuedRun> queue_three(MainWindow& window) const {
    const std::filesystem::path runs = to_path(desk_.run("queued"));
    Recipe recipe = teaching_recipe(*teaching_task("korean"), runs / "a").value();
    recipe.dataset = {
        luthier::test::few_rows(desk_, "korean", 12, QStringLiteral("few.jsonl")).toStdString()};
    recipe.eval_dataset.clear();
    recipe.training.max_steps = 2;
    recipe.training.save_steps = 1;
    std::vector<RunToQueue> wanted;
    for (const char* name : {"a", "b", "c"}) {
      recipe.output_dir = (runs / name).string();
      recipe.training.seed += 1;
      wanted.push_back({recipe, QString::fromLatin1(name)});
    }
    RunQueue& queue = window.workspace().queue();
    queue.hold();
    if (!queue.add(wanted, QStringLiteral("sweep one"))) qFatal("not queued");
    return queue.runs();
  }
  static Banner* said(MainWindow& window) {
    return window.findChild<Banner*>(QStringLiteral("interruptedOffer"));
  }

  Desk desk_;
};

void TestKeptDesk::the_first_start_shows_where_to_begin() {
  MainWindow window;
  KeptDesk kept(window, place("first"), place("first/crashes"));
  kept.come_back();
  QCOMPARE(window.current(), PageId::Start);
  QVERIFY(!said(window)->isVisibleTo(&window));
}

void TestKeptDesk::everything_comes_back() {
  const QString folder = place("all");
  const QString data = luthier::test::few_rows(desk_, "json", 4, QStringLiteral("kept.jsonl"));
  const QString recipe_file = place("kept.yaml");
  QList<int> sizes;
  {
    MainWindow window;
    KeptDesk kept(window, folder, place("none"));
    kept.come_back();
    window.show_page(PageId::Model);
    window.resize(1200, 760);
    window.show();
    QVERIFY(luthier::test::wait_for_window(&window));
    Person person(window);
    QVERIFY(luthier::test::load_teaching(window, person));
    QVERIFY(window.workspace().save_recipe(recipe_file).ok());
    QTest::keyClick(&window, Qt::Key_3, Qt::ControlModifier);
    person.type("field_dataset", data);
    person.type(object_of("adapter.r"), "24");
    person.type(object_of("training.learning_rate"), "fast");
    QVERIFY(person.click("advancedToggle"));
    auto* splitter = window.page(PageId::Train)->findChild<QSplitter*>();
    splitter->setSizes({460, splitter->width() - 468});
    sizes = splitter->sizes();
  }
  MainWindow window;
  KeptDesk kept(window, folder, place("none"));
  kept.come_back();
  window.resize(1200, 760);
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  Workspace& workspace = window.workspace();
  QCOMPARE(window.current(), PageId::Train);
  QCOMPARE(workspace.recipe().adapter.r, 24);
  QCOMPARE(workspace.recipe().dataset, std::vector<std::string>{data.toStdString()});
  QCOMPARE(workspace.recipe_file(), recipe_file);
  // Also what was typed and is no value: nothing of it is used, and it is not lost.
  QCOMPARE(workspace.faults().size(), std::size_t(1));
  QCOMPARE(window.findChild<QLineEdit*>(object_of("training.learning_rate"))->text(),
           QStringLiteral("fast"));
  QVERIFY(window.findChild<QToolButton*>("advancedToggle")->isChecked());
  QCOMPARE(window.page(PageId::Train)->findChild<QSplitter*>()->sizes(), sizes);
  QVERIFY(!said(window)->isVisible());
  QVERIFY(workspace.history().undo_field() == "training.learning_rate");  // the fault alone
  WAIT_UNTIL(workspace.model().has_value());
  QCOMPARE(workspace.recipe().adapter.r, 24);
}

void TestKeptDesk::stages_come_back() {
  const QString folder = place("stages");
  const auto resources = find_resources();
  QVERIFY(resources.ok());
  const QString file = path_text(*resources / "teaching/objectives/stages.yaml");
  std::string before;
  {
    MainWindow window;
    KeptDesk kept(window, folder, place("none"));
    const Status opened = window.workspace().open_recipe(file);
    QVERIFY2(opened.ok(), opened.ok() ? "" : opened.error().sentence().c_str());
    window.workspace().show_stage(1);
    QVERIFY(window.workspace().set_field("training.seed", "7").ok());
    before = staged_recipe_to_yaml(*window.workspace().staged());
  }
  MainWindow window;
  KeptDesk kept(window, folder, place("none"));
  kept.come_back();
  QVERIFY(window.workspace().staged().has_value());
  QCOMPARE(staged_recipe_to_yaml(*window.workspace().staged()), before);
  QVERIFY(window.workspace().stages()[1].in_form);
}

void TestKeptDesk::a_crash_loses_nothing_and_is_told() {
  const QString alive = place("alive"), dead = place("dead"), crashes = place("dead/crashes");
  QVERIFY(QDir().mkpath(crashes));
  QFile report(crashes + QStringLiteral("/crash-20260102-030405-7.txt"));
  QVERIFY(report.open(QIODevice::WriteOnly));
  report.write("Luthier ended by a fault.\n");
  report.close();
  QString loaded;
  {
    MainWindow window;
    KeptDesk kept(window, alive, place("none"));
    kept.come_back();
    window.show_page(PageId::Model);
    window.show();
    QVERIFY(luthier::test::wait_for_window(&window));
    Person person(window);
    QVERIFY(luthier::test::load_teaching(window, person));
    loaded = path_text(window.workspace().model()->summary.folder);
    window.show_page(PageId::Train);
    // Letters as they are typed, the field never left.
    auto* field = person.find<QLineEdit>(object_of("training.seed"));
    field->setFocus();
    field->selectAll();
    QTest::keyClicks(field, QStringLiteral("1234"));
    WAIT_UNTIL_EQUAL(read(alive)["fields"].toObject()["training.seed"].toString(),
                     QStringLiteral("1234"));
    QVERIFY(!read(alive)["in_order"].toBool());
    die(alive, dead, QFileInfo(report.fileName()).fileName());
  }
  QVERIFY(read(alive)["in_order"].toBool());
  MainWindow window;
  KeptDesk kept(window, dead, crashes);
  kept.come_back();
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  QCOMPARE(window.workspace().recipe().training.seed, 1234);
  QVERIFY(said(window)->isVisible());
  QVERIFY2(said(window)->text().contains(report.fileName()), qPrintable(said(window)->text()));
  // It may be the model that it died of: it is asked for.
  QTest::qWait(100);
  QCOMPARE(window.workspace().state(), SessionState::Empty);
  auto* load = said(window)->findChild<QPushButton*>("bannerAction");
  QVERIFY(load->isVisible());
  QTest::mouseClick(load, Qt::LeftButton);
  QVERIFY(!said(window)->isVisible());
  WAIT_UNTIL(window.workspace().model().has_value());
  QCOMPARE(path_text(window.workspace().model()->summary.folder), loaded);
}

/// Two windows died, the older one first: the newest report is the other's.
void TestKeptDesk::each_window_tells_of_its_own_crash() {
  const QString alive = place("alive3"), dead = place("dead3"), crashes = place("dead3/crashes");
  const QString reports[] = {QStringLiteral("crash-20260102-030405-7.txt"),
                             QStringLiteral("crash-20260102-040506-8.txt")};
  {
    MainWindow window;
    KeptDesk kept(window, alive, place("none"));
    QVERIFY(window.workspace().set_field("adapter.r", "48").ok());
    WAIT_UNTIL(!read(alive).isEmpty());
    for (int i = 0; i < 2; ++i)
      die(alive, dead, reports[i], QStringLiteral("desk-%1.json").arg(i + 1));
  }
  QVERIFY(QDir().mkpath(crashes));
  for (const QString& name : reports) {
    QFile file(QDir(crashes).filePath(name));
    QVERIFY(file.open(QIODevice::WriteOnly));
  }
  MainWindow windows[2];
  KeptDesk first(windows[0], dead, crashes), second(windows[1], dead, crashes);
  first.come_back();
  second.come_back();
  for (int i = 0; i < 2; ++i)
    QVERIFY2(said(windows[i])->text().contains(reports[i]), qPrintable(said(windows[i])->text()));
}

void TestKeptDesk::the_queue_comes_back_and_waits() {
  const QString folder = place("queue");
  std::vector<QueuedRun> before;
  {
    MainWindow window;
    KeptDesk kept(window, folder, place("none"));
    before = queue_three(window);
  }
  MainWindow window;
  KeptDesk kept(window, folder, place("none"));
  kept.come_back();
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  RunQueue& queue = window.workspace().queue();
  QCOMPARE(queue.runs().size(), before.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    const QueuedRun& run = queue.runs()[i];
    QVERIFY(run.state == QueuedRun::State::Waiting);
    QCOMPARE(run.label, before[i].label);
    QCOMPARE(run.group, QStringLiteral("sweep one"));
    QCOMPARE(recipe_to_yaml(run.recipe), recipe_to_yaml(before[i].recipe));
  }
  QVERIFY(queue.held());
  QVERIFY2(said(window)->text().contains(QLatin1Char('3')), qPrintable(said(window)->text()));
  QTest::qWait(400);
  QCOMPARE(window.workspace().state(), SessionState::Empty);
  // The person looks at it, and says go on.
  QTest::mouseClick(said(window)->findChild<QPushButton*>("bannerAction"), Qt::LeftButton);
  QCOMPARE(window.current(), PageId::Runs);
  Person person(window);
  WAIT_UNTIL(person.find<QPushButton>("queueHold")->isVisible());
  QVERIFY(person.click("queueHold"));
  QVERIFY(!said(window)->isVisible());
  WAIT_UNTIL(queue.waiting() == 0 && queue.runs().back().state == QueuedRun::State::Ended);
  for (const QueuedRun& run : queue.runs()) QCOMPARE(run.end_state, std::string("finished"));
}

/// A run that went on when the program died has ended by what its folder says, or waits again.
void TestKeptDesk::the_run_that_a_crash_cut_off() {
  const QString alive = place("alive4"), dead = place("dead4");
  {
    MainWindow window;
    KeptDesk kept(window, alive, place("none"));
    const auto runs = queue_three(window);
    window.workspace().queue().go_on();
    WAIT_UNTIL(window.workspace().queue().waiting() == 0 &&
               window.workspace().queue().runs().back().state == QueuedRun::State::Ended);
    WAIT_UNTIL(read(alive)["queue"].toArray().size() == 3);
    WAIT_UNTIL(read(alive)["queue"].toArray()[2].toObject()["state"] == QLatin1String("ended"));
    die(alive, dead);
    // As they stood: the first had a checkpoint, of the second nothing was written yet.
    const auto set_state = [&](std::size_t i, RunState state) {
      const auto run = RunFolder::open(runs[i].recipe.output_dir);
      RunManifest manifest = run->read_manifest().take();
      manifest.state = state;
      QVERIFY(run->write_manifest(manifest).ok());
    };
    set_state(0, RunState::Running);
    std::filesystem::remove_all(runs[1].recipe.output_dir);
    QFile file(dead + QStringLiteral("/desk-1.json"));
    QVERIFY(file.open(QIODevice::ReadWrite));
    QJsonObject left = QJsonDocument::fromJson(file.readAll()).object();
    QJsonArray queue = left["queue"].toArray();
    for (QJsonValueRef each : queue) {
      QJsonObject run = each.toObject();
      run["state"] = "running";
      each = run;
    }
    left["queue"] = queue;
    file.resize(0);
    file.seek(0);
    file.write(QJsonDocument(left).toJson());
  }
  MainWindow window;
  KeptDesk kept(window, dead, place("none"));
  kept.open_other();  // also where the program is started with something to open
  const auto& runs = window.workspace().queue().runs();
  QCOMPARE(runs.size(), std::size_t(3));
  QCOMPARE(runs[0].end_state, std::string("interrupted"));
  QVERIFY(runs[1].state == QueuedRun::State::Waiting);
  QCOMPARE(runs[2].end_state, std::string("finished"));
  QVERIFY(window.workspace().queue().held());
}

void TestKeptDesk::started_with_something_else_after_a_crash() {
  const QString alive = place("alive2"), dead = place("dead2");
  {
    MainWindow window;
    KeptDesk kept(window, alive, place("none"));
    QVERIFY(window.workspace().set_field("adapter.r", "48").ok());
    WAIT_UNTIL(!read(alive).isEmpty());
    die(alive, dead);
  }
  MainWindow window;
  KeptDesk kept(window, dead, place("none"));
  kept.open_other();
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  QCOMPARE(window.workspace().recipe().adapter.r, 16);
  QVERIFY(said(window)->isVisible());
  QTest::mouseClick(said(window)->findChild<QPushButton*>("bannerAction"), Qt::LeftButton);
  QCOMPARE(window.workspace().recipe().adapter.r, 48);
  QCOMPARE(window.current(), PageId::Train);
}

void TestKeptDesk::each_window_has_its_own() {
  const QString folder = place("two");
  {
    MainWindow first, second;
    KeptDesk kept_first(first, folder, place("none")), kept_second(second, folder, place("none"));
    QVERIFY(first.workspace().set_field("adapter.r", "32").ok());
    QVERIFY(second.workspace().set_field("adapter.r", "64").ok());
  }
  MainWindow window;
  KeptDesk kept(window, folder, place("none"));
  kept.come_back();
  QCOMPARE(window.workspace().recipe().adapter.r, 32);
}

void TestKeptDesk::whatever_lies_there_is_only_read() {
  const QByteArray files[] = {
      "",
      "{",
      "[1,2]",
      "{\"format\": 1}",
      "{\"format\": 99, \"page\": \"trainPage\"}",
      "{\"format\":1,\"page\":7,\"recipe\":{},\"fields\":[],\"faults\":{},\"layout\":\"x\","
      "\"model\":[]}",
      "{\"format\":1,\"in_order\":true,\"page\":\"nowhere\",\"recipe\":\"a: [\",\"fields\":"
      "{\"adapter.r\":\"24\",\"training.seed\":\"x\",\"no.field\":\"1\"},\"faults\":[{\"key\":"
      "\"no\"},"
      "3],\"layout\":{\"trainPage/0\":\"####\"},\"model\":\"/nowhere/at/all\",\"stage_shown\":-4,"
      "\"stages\":\"stages: 3\",\"queue\":{\"state\":\"waiting\"}}",
      "{\"format\":1,\"in_order\":true,\"queue\":[3,{\"state\":\"gone\"},{\"state\":"
      "\"waiting\",\"recipe\":\"a: [\",\"held_out_answers\":-7,\"error\":3}]}"};
  int at = 0;
  for (const QByteArray& bytes : files) {
    const QString folder = place("odd") + QString::number(at++);
    QVERIFY(QDir().mkpath(folder));
    QFile file(folder + QStringLiteral("/desk-1.json"));
    QVERIFY(file.open(QIODevice::WriteOnly));
    file.write(bytes);
    file.close();
    MainWindow window;
    KeptDesk kept(window, folder, place("none"));
    kept.come_back();
    QCOMPARE(window.current(), PageId::Start);
    // Of a recipe that cannot be read, the fields that can.
    QCOMPARE(window.workspace().recipe().adapter.r, bytes.contains("24") ? 24 : 16);
    QCOMPARE(window.workspace().recipe().training.seed, 42);
    QCOMPARE(window.workspace().queue().waiting(), std::size_t(0));
    // A run whose settings cannot be read says so instead of being gone.
    const auto& queued = window.workspace().queue().runs();
    QCOMPARE(queued.size(), std::size_t(bytes.contains("-7") ? 1 : 0));
    QVERIFY(queued.empty() || queued.front().error.has_value());
  }
  // A folder that cannot be made keeps nothing, and the window works.
  QFile blocked(place("blocked"));
  QVERIFY(blocked.open(QIODevice::WriteOnly));
  MainWindow window;
  KeptDesk kept(window, place("blocked/desk"), place("none"));
  kept.come_back();
  QCOMPARE(window.current(), PageId::Start);
}

QTEST_MAIN(TestKeptDesk)
#include "test_kept_desk.moc"

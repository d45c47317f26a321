// SPDX-License-Identifier: GPL-3.0-or-later
// What a person does with past runs: finds, sorts, tags, renames, bins and brings back; lays curves
// over one another by what an axis counts, other programs' too; a run of 100,000 steps drawn with
// its peaks.
#include <fstream>

#include "engine/io/json.h"
#include "engine/io/tensorboard.h"
#include "tests/ui/driver.h"
#include "ui/run_series.h"
#include "ui/runs/run_list_model.h"
#include "ui/runs/runs_page.h"
#include "ui/train/curve_plot.h"

using namespace luthier;
using luthier::test::Desk;
using luthier::test::Person;

class TestRunVerbs : public QObject {
  Q_OBJECT

  using Files = std::filesystem::path;

  Files runs() const { return to_path(desk_->folder.filePath(QStringLiteral("runs"))); }

  RunFolder write_run(const std::string& name, double loss, const std::string& started,
                      std::int64_t lines = 3) {
    const Files folder = runs() / name;
    auto run = RunFolder::create(
        folder, "model: base\ndataset: /data/rows.jsonl\noutput_dir: " + folder.string() + "\n");
    if (!run) qFatal("%s", run.error().sentence().c_str());
    RunManifest manifest;
    manifest.state = RunState::Finished;
    manifest.strategy = "lora";
    manifest.last_loss = loss;
    manifest.step = manifest.total_steps = lines;
    manifest.started = started;
    if (!run->write_manifest(manifest)) qFatal("no manifest");
    std::ofstream metrics(folder / "metrics.jsonl");
    for (std::int64_t step = 1; step <= lines; ++step) {
      MetricsLine line;
      line.step = step;
      line.epoch = static_cast<double>(step) / 10;
      line.loss = step == lines / 2 ? 1234.5 : loss;
      line.tokens = 100 * step;
      line.step_seconds = 0.5;
      line.memory.activations = step == lines / 2 ? 1 << 30 : 1 << 20;
      metrics << to_json(line).dump() << '\n';
    }
    return run.take();
  }
  static QTableView* table_of(const Person& person) { return person.find<QTableView>("runTable"); }
  static QStringList names(const QTableView* table) {
    QStringList all;
    for (int row = 0; row < table->model()->rowCount(); ++row)
      all << table->model()->index(row, RunListModel::Name).data().toString();
    return all;
  }
  /// Selects the row as a person does, by the mouse.
  static void click_row(QTableView* table, int row, int column = RunListModel::State) {
    const QRect cell = table->visualRect(table->model()->index(row, column));
    QTest::mouseClick(table->viewport(), Qt::LeftButton, {}, cell.center());
  }
  /// The Train page has plots of these names too.
  static CurvePlot* plot_of(MainWindow& window, const char* name) {
    return window.page(PageId::Runs)->findChild<CurvePlot*>(name);
  }
  void show_runs(MainWindow& window) {
    window.show();
    QVERIFY(luthier::test::wait_for_window(&window));
    window.show_page(PageId::Runs);
    static_cast<RunsPage*>(window.page(PageId::Runs))->set_folder(path_text(runs()));
  }

 private slots:
  void init() { desk_ = std::make_unique<Desk>(); }

  void sorted_searched_and_as_a_tree() {
    write_run("first", 3, "2026-01-01T00:00:00.000Z");
    write_run("second", 1, "2026-01-02T00:00:00.000Z");
    write_run("fork", 2, "2026-01-03T00:00:00.000Z");
    Json json = *read_json_file(runs() / "fork/run.json");
    json["forked_from"] = to_json(RunParent{runs() / "first", "2026-01-01T00:00:00.000Z", 2, true});
    QVERIFY(write_file_atomically(runs() / "fork/run.json", json.dump()));
    MainWindow window;
    show_runs(window);
    Person person(window);
    QTableView* table = table_of(person);
    WAIT_UNTIL_EQUAL(names(table), QStringList({"second", "first", "↳ fork"}));
    const auto press_heading = [&](int column) {
      QHeaderView* head = table->horizontalHeader();
      const QPoint at(head->sectionViewportPosition(column) + 12, head->height() / 2);
      QTest::mouseClick(head->viewport(), Qt::LeftButton, {}, at);
    };
    press_heading(RunListModel::Loss);
    QCOMPARE(names(table), QStringList({"second", "fork", "first"}));
    press_heading(RunListModel::Loss);
    QCOMPARE(names(table), QStringList({"first", "fork", "second"}));
    QVERIFY(person.click("runsTree"));
    QCOMPARE(names(table), QStringList({"second", "first", "↳ fork"}));
    auto* search = person.find<QLineEdit>("searchRuns");
    QTest::keyClicks(search, "FIR");
    QCOMPARE(names(table), QStringList({"first"}));
    QTest::keyClicks(search, " nothing");
    QVERIFY(names(table).isEmpty());
    QVERIFY(table->isVisible());  // the search is to be changed where it was typed
    search->clear();
    // All that is shown is ticked at once.
    QVERIFY(person.choose("runVerbs", "tickShown"));
    for (int row = 0; row < 3; ++row)
      QCOMPARE(table->model()->index(row, 0).data(Qt::CheckStateRole).toInt(), int(Qt::Checked));
  }

  void notes_lie_in_the_runs_folder() {
    write_run("a", 1, "2026-01-02T00:00:00.000Z");
    write_run("b", 1, "2026-01-01T00:00:00.000Z");
    {
      MainWindow window;
      show_runs(window);
      Person person(window);
      QTableView* table = table_of(person);
      WAIT_UNTIL_EQUAL(table->model()->rowCount(), 2);
      click_row(table, 0);
      auto* side = person.find<QTabBar>("runSideTabs");
      QTest::mouseClick(side, Qt::LeftButton, {}, side->tabRect(1).center());
      auto* note = person.find<QPlainTextEdit>("runNote");
      QVERIFY(note->isVisible() && note->isEnabled());
      person.type("runTags", "good, baseline");
      QTest::keyClicks(note, "the best so far");
      click_row(table, 1);  // leaving writes it
      QVERIFY(note->toPlainText().isEmpty());
      WAIT_UNTIL(read_run_notes(runs() / "a")->note == "the best so far");
      QCOMPARE(read_run_notes(runs() / "a")->tags, (std::vector<std::string>{"baseline", "good"}));
      QVERIFY(!std::filesystem::exists(runs() / "b" / kRunNotesFile));
      QCOMPARE(table->model()->index(0, RunListModel::Tags).data().toString(),
               QStringLiteral("baseline, good"));
      QTest::keyClicks(note, "not so good");
    }  // closing writes it too
    QCOMPARE(read_run_notes(runs() / "b")->note, std::string("not so good"));
    MainWindow again;
    show_runs(again);
    Person person(again);
    WAIT_UNTIL_EQUAL(table_of(person)->model()->rowCount(), 2);
    QTest::keyClicks(person.find<QLineEdit>("searchRuns"), "baseline");
    QCOMPARE(names(table_of(person)), QStringList({"a"}));
  }

  void renamed_by_keyboard_and_binned_with_undo() {
    write_run("a", 1, "2026-01-02T00:00:00.000Z");
    const RunFolder training = write_run("busy", 1, "2026-01-01T00:00:00.000Z");
    MainWindow window;
    show_runs(window);
    Person person(window);
    QTableView* table = table_of(person);
    WAIT_UNTIL_EQUAL(names(table), QStringList({"a", "busy"}));
    click_row(table, 0, RunListModel::Name);
    table->setFocus();
    QTest::keyClick(table, Qt::Key_F2);
    auto* editor = table->findChild<QLineEdit*>();
    QVERIFY(editor);
    QTest::keyClick(editor, Qt::Key_A, Qt::ControlModifier);
    QTest::keyClicks(editor, "better");
    QTest::keyClick(editor, Qt::Key_Return);
    WAIT_UNTIL_EQUAL(names(table), QStringList({"better", "busy"}));
    QVERIFY(std::filesystem::exists(runs() / "better/run.json"));
    QCOMPARE(table->currentIndex().row(), 0);
    // One that trains is neither renamed nor binned.
    click_row(table, 1);
    auto* bin = window.findChild<QAction*>("binRun");
    QVERIFY(!bin->isEnabled() && !window.findChild<QAction*>("renameRun")->isEnabled());
    click_row(table, 0);
    QVERIFY(bin->isEnabled());
    QVERIFY(person.choose("runVerbs", "binRun"));
    WAIT_UNTIL_EQUAL(names(table), QStringList({"busy"}));
    QVERIFY(!std::filesystem::exists(runs() / "better"));
    QPushButton* undo = nullptr;
    WAIT_UNTIL([&] {
      for (QPushButton* button : window.page(PageId::Runs)->findChildren<QPushButton*>())
        if (button->isVisible() && button->text() == "Undo") undo = button;
      return undo != nullptr;
    }());
    QTest::mouseClick(undo, Qt::LeftButton);
    WAIT_UNTIL_EQUAL(names(table), QStringList({"better", "busy"}));
    QVERIFY(std::filesystem::exists(runs() / "better/metrics.jsonl"));
  }

  void what_the_axis_counts() {
    RunSeries series;
    for (int step = 2; step <= 6; step += 2) {
      MetricsLine line;
      line.step = step;
      line.epoch = step / 4.0;
      line.tokens = step * 10;
      line.step_seconds = 3;
      series.lines.push_back(line);
    }
    QCOMPARE(places_on(series, CurveAxis::Steps), QVector<double>({2, 4, 6}));
    QCOMPARE(places_on(series, CurveAxis::Epochs), QVector<double>({0.5, 1, 1.5}));
    QCOMPARE(places_on(series, CurveAxis::Tokens), QVector<double>({20, 40, 60}));
    QCOMPARE(places_on(series, CurveAxis::Time), QVector<double>({6, 12, 18}));
    QCOMPARE(place_of_step(series, places_on(series, CurveAxis::Time), 5), 12.0);
    series.lines.tokens.fill(0);
    QVERIFY(places_on(series, CurveAxis::Tokens).isEmpty());  // not logged: not drawn over it
  }

  /// Neither the loss's peak nor the memory's is lost, however many steps lie around it, and
  /// zooming in shows each step.
  void a_hundred_thousand_steps_keep_their_peaks() {
    constexpr std::int64_t kLines = 100'000;
    write_run("long", 2, "2026-01-02T00:00:00.000Z", kLines);
    MainWindow window;
    show_runs(window);
    auto* loss = plot_of(window, "lossPlot");
    auto* memory = plot_of(window, "memoryPlot");
    const auto highest = [](const CurvePlot* plot, int graph) {
      double most = 0;
      for (const QCPGraphData& point : *plot->plot()->graph(graph)->data())
        most = std::max(most, point.value);
      return most;
    };
    WAIT_UNTIL(loss->plot()->graphCount() > 0 && loss->plot()->graph(0)->dataCount() > 100);
    QVERIFY(loss->plot()->graph(0)->dataCount() < 2000);
    QCOMPARE(highest(loss, 0), 1234.5);
    WAIT_UNTIL(memory->plot()->graphCount() == 5);
    QVERIFY(memory->plot()->graph(4)->dataCount() < 2000);
    QCOMPARE(highest(memory, 4), 1024.0);
    loss->set_x_range(QCPRange(1000, 1200));
    QVERIFY(loss->plot()->graph(0)->dataCount() >= 200);
    QCOMPARE(loss->data_range().upper, static_cast<double>(kLines));
    auto* axis = window.page(PageId::Runs)->findChild<QComboBox*>("curveAxis");
    axis->setCurrentIndex(3);
    WAIT_UNTIL(loss->data_range().upper == 0.5 * kLines);
  }

  void curves_of_other_programs_are_laid_over() {
    write_run("ours", 1, "2026-01-02T00:00:00.000Z");
    QString events;
    {
      auto writer = TensorboardWriter::create(to_path(desk_->folder.filePath("theirs")));
      QVERIFY(writer.ok());
      for (int step = 1; step <= 5; ++step)
        QVERIFY(writer->add_scalar("train/loss", 7.0 / step, step));
      QVERIFY(writer->flush());
      events = QDir(desk_->folder.filePath("theirs")).entryInfoList(QDir::Files)[0].filePath();
    }
    MainWindow window;
    show_runs(window);
    Person person(window);
    QTableView* table = table_of(person);
    WAIT_UNTIL_EQUAL(table->model()->rowCount(), 1);
    QCoreApplication::setAttribute(Qt::AA_DontUseNativeDialogs);
    QTimer answer;
    connect(&answer, &QTimer::timeout, this, [&] {
      auto* dialog = qobject_cast<QFileDialog*>(QApplication::activeModalWidget());
      if (!dialog) return;
      answer.stop();
      dialog->findChild<QLineEdit*>("fileNameEdit")->setText(events);
      QTest::keyClick(dialog->findChild<QLineEdit*>("fileNameEdit"), Qt::Key_Return);
    });
    answer.start(50);
    QVERIFY(person.choose("runVerbs", "importCurves"));
    WAIT_UNTIL_EQUAL(names(table), QStringList({"ours", "theirs"}));
    QCOMPARE(table->model()->index(1, RunListModel::State).data().toString(),
             QStringLiteral("imported"));
    auto* loss = plot_of(window, "lossPlot");
    table->model()->setData(table->model()->index(1, 0), Qt::Checked, Qt::CheckStateRole);
    WAIT_UNTIL(loss->plot()->graphCount() == 4);
    QCOMPARE(loss->plot()->graph(2)->data()->constBegin()->value, 7.0);
    click_row(table, 1);
    QVERIFY(!window.findChild<QAction*>("binRun")->isEnabled());
    QVERIFY(person.choose("runVerbs", "forgetCurves"));
    WAIT_UNTIL_EQUAL(names(table), QStringList({"ours"}));
    QVERIFY(QFile::exists(events));  // it is theirs
  }

 private:
  std::unique_ptr<Desk> desk_;
};

QTEST_MAIN(TestRunVerbs)
#include "test_run_verbs.moc"

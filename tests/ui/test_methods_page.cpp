// SPDX-License-Identifier: GPL-3.0-or-later
// The Methods page as a person uses it: the table of a loaded model and of a shape alone, sorted,
// with settings of the form in it; a method taken to the Train page; and short runs one after
// another, over plain weights and packed ones, with what they came to.
#include "engine/config/kinds.h"
#include "engine/session/method_runs.h"
#include "tests/ui/driver.h"
#include "ui/methods/method_model.h"
#include "ui/methods/short_run_model.h"
#include "ui/methods/short_runs.h"
#include "ui/train/curve_plot.h"

using namespace luthier;
using luthier::test::Desk;
using luthier::test::Person;

class TestMethodsPage : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase();
  void every_method_has_its_figures();
  void a_click_on_a_heading_sorts_and_the_refused_stay_below();
  void settings_of_the_form_count();
  void a_base_of_four_bits_stands_beside();
  void a_method_is_taken_to_the_train_page();
  void a_shape_alone_is_enough();
  void a_folder_without_a_model_is_named();
  void short_runs_go_one_after_another();
  void a_run_that_fails_is_passed_by();
  void a_stop_ends_the_series();
  void words_follow_the_language();
  void cleanupTestCase();

 private:
  MethodModel& model() { return *page().findChild<MethodModel*>(); }
  ShortRuns& runs() { return *page().findChild<ShortRuns*>(); }
  Page& page() { return *window_->page(PageId::Methods); }
  QTableView* table() { return person_->find<QTableView>("methodTable"); }
  Workspace& workspace() { return window_->workspace(); }
  const MethodRow* row(const std::string& method, bool four_bits = false) {
    for (const MethodRow& each : model().table().rows)
      if (each.method == method && each.four_bits == four_bits) return &each;
    return nullptr;
  }
  /// As it stands in the view, from above.
  QStringList shown(int column = MethodModel::Method) {
    QStringList cells;
    for (int at = 0; at < table()->model()->rowCount(); ++at)
      cells << table()->model()->index(at, column).data().toString();
    return cells;
  }
  int line_of(const QString& method) { return static_cast<int>(shown().indexOf(method)); }
  void click_heading(MethodModel::Column column) {
    QHeaderView* heads = table()->horizontalHeader();
    const int x = heads->sectionViewportPosition(column) + heads->sectionSize(column) / 2;
    QTest::mouseClick(heads->viewport(), Qt::LeftButton, {}, QPoint(x, heads->height() / 2));
  }
  void clear_model() {
    auto* line = person_->find<QLineEdit>("methodsModel");
    line->setFocus();
    QTest::keyClick(line, Qt::Key_A, Qt::ControlModifier);
    QTest::keyClick(line, Qt::Key_Delete);
    QTest::keyClick(line, Qt::Key_Return);
  }
  void tick(const QString& method, bool on = true) {
    const QModelIndex cell = table()->model()->index(line_of(method), MethodModel::Method);
    QVERIFY(cell.isValid());
    table()->model()->setData(cell, on ? Qt::Checked : Qt::Unchecked, Qt::CheckStateRole);
  }

  Desk desk_;
  std::unique_ptr<MainWindow> window_;
  std::unique_ptr<Person> person_;
};

void TestMethodsPage::initTestCase() {
  window_ = std::make_unique<MainWindow>();
  window_->keep_quiet();
  window_->resize(1280, 800);
  window_->show();
  QVERIFY(luthier::test::wait_for_window(window_.get()));
  person_ = std::make_unique<Person>(*window_);
  // Nothing is loaded: the page says where to begin.
  QVERIFY(person_->click("rail_methods"));
  QCOMPARE(window_->current(), PageId::Methods);
  QVERIFY(person_->click("emptyMethods"));
  QCOMPARE(window_->current(), PageId::Model);
  QVERIFY(luthier::test::load_teaching(*window_, *person_));
  QVERIFY(person_->click("rail_methods"));
  WAIT_UNTIL_EQUAL(model().rowCount(), static_cast<int>(method_kinds().size()));
}

void TestMethodsPage::every_method_has_its_figures() {
  const ModelSummary& summary = workspace().model()->summary;
  const auto expected =
      method_table(summary, workspace().recipe(), method_choices(false), {}, model().table().dtype);
  QVERIFY(expected.ok());
  for (const MethodRow& each : expected->rows) {
    const MethodRow* there = row(each.method);
    QVERIFY(there);
    QCOMPARE(there->refused.has_value(), each.refused.has_value());
    QCOMPARE(there->trained, each.trained);
    QCOMPARE(there->total(), each.total());
    QCOMPARE(there->file, each.file);
  }
  const int full = line_of(recipe_text("full")), lora = line_of(recipe_text("lora"));
  QVERIFY(full >= 0 && lora >= 0);
  QCOMPARE(shown(MethodModel::Share)[full], QStringLiteral("100 %"));
  QCOMPARE(shown(MethodModel::Trained)[lora], count_text(row("lora")->trained));
  // What is refused says why, over the room of its figures, and cannot be ticked.
  const int refused = line_of(recipe_text("trainable_tokens"));
  QVERIFY2(shown(MethodModel::Trained)[refused].contains(QStringLiteral("token")),
           qPrintable(shown(MethodModel::Trained)[refused]));
  QCOMPARE(table()->columnSpan(refused, MethodModel::Trained),
           MethodModel::ColumnCount - MethodModel::Trained);
  QVERIFY(
      !table()->model()->index(refused, MethodModel::Method).data(Qt::CheckStateRole).isValid());
  // The recipe's own method is ticked from the start.
  QCOMPARE(model().ticked(), std::vector<MethodModel::Key>({{"lora", false}}));
  QVERIFY(person_->text("methodsSummary").contains(grouped_text(summary.parameters)));
}

void TestMethodsPage::a_click_on_a_heading_sorts_and_the_refused_stay_below() {
  const QStringList own_order = shown();
  const QString refused = recipe_text("trainable_tokens");
  for (const bool descending : {false, true}) {
    click_heading(MethodModel::Trained);
    std::vector<std::int64_t> counts;
    for (int at = 0; at < model().rowCount(); ++at) {
      const QModelIndex cell = table()->model()->index(at, MethodModel::Trained);
      if (!cell.data(MethodModel::kRefusedRole).toBool())
        counts.push_back(cell.data(MethodModel::kSortRole).toLongLong());
    }
    QVERIFY(counts.size() > 5);
    if (descending) std::reverse(counts.begin(), counts.end());
    QVERIFY(std::is_sorted(counts.begin(), counts.end()));
    QCOMPARE(shown().last(), refused);
    QCOMPARE(table()->columnSpan(model().rowCount() - 1, MethodModel::Trained),
             MethodModel::ColumnCount - MethodModel::Trained);
    QCOMPARE(table()->columnSpan(0, MethodModel::Trained), 1);
  }
  click_heading(MethodModel::Trained);  // a third click: as it was
  QCOMPARE(shown(), own_order);
}

void TestMethodsPage::settings_of_the_form_count() {
  const std::int64_t before = row("lora")->trained, moments = row("lora")->moments,
                     others = row("ia3")->trained;
  QVERIFY(workspace().set_field("adapter.r", "4"));
  WAIT_UNTIL_EQUAL(row("lora") ? row("lora")->trained : 0, before / 4);
  QCOMPARE(row("ia3")->trained, others);
  QCOMPARE(row("lora")->moments, moments / 4);
  QVERIFY(workspace().set_field("training.optim", "sgd"));
  WAIT_UNTIL_EQUAL(row("lora") ? row("lora")->moments : moments, std::int64_t(0));
  QVERIFY(workspace().set_field("training.optim", "adamw_torch"));
  QVERIFY(workspace().set_field("adapter.r", "16"));
  WAIT_UNTIL_EQUAL(row("lora") ? row("lora")->trained : 0, before);
  WAIT_UNTIL_EQUAL(row("lora")->moments, moments);
}

void TestMethodsPage::a_base_of_four_bits_stands_beside() {
  QVERIFY(person_->click("fourBitsBeside"));
  WAIT_UNTIL(row("lora", true));
  QVERIFY(!row("full", true) && row("full", false));
  QVERIFY(row("lora", true)->weights < row("lora", false)->weights);
  QCOMPARE(row("lora", true)->trained, row("lora", false)->trained);
  QVERIFY(shown().contains(method_label("lora", true)));
  // What was ticked is ticked over the packed base too.
  QCOMPARE(model().ticked(), std::vector<MethodModel::Key>({{"lora", false}, {"lora", true}}));
  QVERIFY(person_->click("fourBitsBeside"));
  WAIT_UNTIL_EQUAL(model().rowCount(), static_cast<int>(method_kinds().size()));
  QCOMPARE(model().ticked(), std::vector<MethodModel::Key>({{"lora", false}}));
}

void TestMethodsPage::a_method_is_taken_to_the_train_page() {
  auto* use = person_->find<QPushButton>("useMethod");
  table()->clearSelection();
  table()->setCurrentIndex({});
  QVERIFY(!use->isEnabled());
  table()->selectRow(line_of(recipe_text("trainable_tokens")));
  QVERIFY(!use->isEnabled());
  table()->selectRow(line_of(recipe_text("ia3")));
  QVERIFY(person_->click("useMethod"));
  QCOMPARE(window_->current(), PageId::Train);
  QCOMPARE(workspace().recipe().strategy, std::string("ia3"));
  // And over four bits.
  window_->show_page(PageId::Methods);
  QVERIFY(person_->click("fourBitsBeside"));
  WAIT_UNTIL(row("lora", true));
  table()->selectRow(line_of(method_label("lora", true)));
  QVERIFY(person_->click("useMethod"));
  QCOMPARE(workspace().recipe().strategy, std::string("lora"));
  QVERIFY(has_four_bits(workspace().recipe()));
  window_->show_page(PageId::Methods);
  WAIT_UNTIL(row("lora", false));
  table()->selectRow(line_of(method_label("lora", false)));
  QVERIFY(person_->click("useMethod"));
  QVERIFY(!has_four_bits(workspace().recipe()));
  window_->show_page(PageId::Methods);
  QVERIFY(person_->click("fourBitsBeside"));
  WAIT_UNTIL_EQUAL(model().rowCount(), static_cast<int>(method_kinds().size()));
}

void TestMethodsPage::a_shape_alone_is_enough() {
  const std::filesystem::path loaded = workspace().model()->summary.folder;
  const std::filesystem::path shape = to_path(desk_.folder.filePath(QStringLiteral("shape")));
  std::filesystem::create_directories(shape);
  for (const auto& entry : std::filesystem::directory_iterator(loaded))
    if (entry.path().extension() == ".json")
      std::filesystem::copy_file(entry.path(), shape / entry.path().filename());
  // Half as many layers: another model.
  auto config = read_json_file(shape / "config.json");
  QVERIFY(config.ok());
  Json& layers = (*config)["text_config"]["num_hidden_layers"];
  layers = layers.get<int>() / 2;
  QFile out(path_text(shape / "config.json"));
  QVERIFY(out.open(QIODevice::WriteOnly));
  out.write(QByteArray::fromStdString(config->dump()));
  out.close();
  const std::int64_t whole = row("full")->trained;
  person_->type("methodsModel", path_text(shape));
  WAIT_UNTIL(row("full") && row("full")->trained < whole);
  // As papers count, whatever this machine would compute in; the recipe's own model goes by it.
  QCOMPARE(model().table().dtype, std::string("bfloat16"));
  QCOMPARE(count_text(6'738'415'616), QStringLiteral("6.7 B"));
  // Runs need weights: they are of the recipe's model alone.
  QVERIFY(!person_->find<QPushButton>("runMethods")->isEnabled());
  clear_model();
  WAIT_UNTIL(row("full") && row("full")->trained == whole);
}

void TestMethodsPage::a_folder_without_a_model_is_named() {
  const QString empty = desk_.folder.filePath(QStringLiteral("nothing"));
  QDir().mkpath(empty);
  person_->type("methodsModel", empty);
  auto* said = page().findChild<QLabel*>("bannerText");
  WAIT_UNTIL(said->isVisible() && said->text().contains(QStringLiteral("nothing")));
  QCOMPARE(model().rowCount(), 0);
  clear_model();
  WAIT_UNTIL_EQUAL(model().rowCount(), static_cast<int>(method_kinds().size()));
  WAIT_UNTIL(!said->isVisible());
}

void TestMethodsPage::short_runs_go_one_after_another() {
  auto* run = person_->find<QPushButton>("runMethods");
  // Without rows the refusal says what lacks.
  QVERIFY(run->isEnabled());
  QVERIFY(person_->click("runMethods"));
  auto* said = page().findChild<QLabel*>("bannerText");
  WAIT_UNTIL(said->isVisible());
  QVERIFY(!runs().going());
  const QString rows = luthier::test::few_rows(desk_, "json", 12, QStringLiteral("few.jsonl")),
                held_out = luthier::test::few_rows(desk_, "json", 4, QStringLiteral("out.jsonl"));
  QVERIFY(workspace().set_field("dataset", rows.toStdString()));
  QVERIFY(workspace().set_field("eval_dataset", held_out.toStdString()));
  QVERIFY(workspace().set_field("output_dir", desk_.run(QStringLiteral("first")).toStdString()));
  QVERIFY(workspace().set_field("training.gradient_accumulation_steps", "1"));
  QVERIFY(workspace().set_field("training.device", "cpu"));
  QVERIFY(person_->click("fourBitsBeside"));
  WAIT_UNTIL(row("lora", true));
  tick(method_label("full", false));
  QCOMPARE(model().ticked().size(), std::size_t(3));
  person_->find<QSpinBox>("shortSteps")->setValue(4);
  QVERIFY(person_->click("runMethods"));
  QVERIFY(runs().going());
  WAIT_UNTIL(!runs().going());
  const std::vector<ShortRun>& results = runs().results();
  QCOMPARE(results.size(), std::size_t(3));
  for (const ShortRun& each : results) {
    QVERIFY2(!each.error, each.error ? each.error->sentence().c_str() : "");
    QCOMPARE(each.state, std::string("finished"));
    QCOMPARE(each.steps, std::int64_t(4));
    QVERIFY(each.step_seconds > 0 && each.tokens_per_second > 0 && each.eval_loss);
    QCOMPARE(each.answered, std::int64_t(4));
    QVERIFY(each.score("exact_match") && each.score("token_f1") && each.score("chrf"));
    WAIT_UNTIL(runs().results().back().file > 0);
  }
  // Over a dense base first, so that it is packed once.
  QCOMPARE(results[0].method, std::string("full"));
  QVERIFY(!results[1].four_bits && results[2].four_bits);
  // Each in a folder of its own, with the lines that the curves show.
  for (const char* name : {"full", "lora", "lora-4bit"}) {
    const auto folder =
        RunFolder::open(to_path(desk_.run(QStringLiteral("first-methods/") + name)));
    QVERIFY2(folder.ok(), name);
    QCOMPARE(folder->read_metrics().size(), std::size_t(4));
  }
  QCOMPARE(runs().series().size(), std::size_t(3));
  QCOMPARE(runs().series()[2].lines.size(), std::size_t(4));
  QCOMPARE(runs().series()[2].evaluations.size(), std::size_t(1));
  auto* plot = page().findChild<CurvePlot*>("methodsPlot");
  WAIT_UNTIL(plot->has_data());
  // The same rows and draws: the packed base alone makes the difference, which is said.
  const auto lost = lost_by_packing(results, results[2]);
  QVERIFY(lost && *lost != 0);
  QCOMPARE(*lost, *results[2].eval_loss - *results[1].eval_loss);
  QCOMPARE(*results[2].perplexity(), std::exp(*results[2].eval_loss));
  const QAbstractItemModel* shown_runs = person_->find<QTableView>("shortRunTable")->model();
  QVERIFY(!shown_runs->index(2, ShortRunModel::Lost).data().toString().isEmpty());
  QVERIFY(shown_runs->index(1, ShortRunModel::Lost).data().toString().isEmpty());
  QVERIFY(shown_runs->index(2, ShortRunModel::Lost).data().toString().contains("pp"));
  QCOMPARE(shown_runs->index(1, ShortRunModel::Exact).data().toString(),
           QStringLiteral("%1 %").arg(100 * *results[1].score("exact_match"), 0, 'f', 1));
  QVERIFY(shown_runs->index(1, ShortRunModel::TokenF1)
              .data(Qt::ToolTipRole)
              .toString()
              .contains(QStringLiteral("4 answers")));
  // All that is seen goes to the clipboard, a line a row: all came to their end, which is not said.
  auto* run_table = person_->find<QTableView>("shortRunTable");
  run_table->setFocus();
  QTest::keyClick(run_table, Qt::Key_C, Qt::ControlModifier);
  const QStringList copied = QGuiApplication::clipboard()->text().split(QLatin1Char('\n'));
  QCOMPARE(copied.size(), qsizetype(5));  // heads, three runs, the end
  QVERIFY(copied[0].startsWith(QStringLiteral("Method\tStep\t")));
  QVERIFY(run_table->isColumnHidden(ShortRunModel::State));
  QCOMPARE(copied[1].split(QLatin1Char('\t')).size(), qsizetype(ShortRunModel::ColumnCount - 1));
  // The file is as large as the table says, but for names.
  const double measured = static_cast<double>(results[1].file),
               said_before = static_cast<double>(row("lora", false)->file);
  QVERIFY(measured > said_before && measured < said_before * 1.1);
  // The base stands again as the recipe has it.
  WAIT_UNTIL(run->isEnabled());
  // The same once more takes a new folder, and the places of what was there.
  tick(method_label("full", false), false);
  QVERIFY(person_->click("runMethods"));
  WAIT_UNTIL(!runs().going());
  QCOMPARE(runs().results().size(), std::size_t(3));
  QCOMPARE(runs().results()[0].method, std::string("full"));
  QVERIFY(QFileInfo::exists(desk_.run(QStringLiteral("first-methods-2/lora"))));
  // Of other steps they are not comparable.
  person_->find<QSpinBox>("shortSteps")->setValue(3);
  tick(method_label("lora", true), false);
  WAIT_UNTIL(run->isEnabled());
  QVERIFY(person_->click("runMethods"));
  WAIT_UNTIL(!runs().going());
  QCOMPARE(runs().results().size(), std::size_t(1));
}

/// Rows that are gone when the runs begin: each says so, and the series comes to its end.
void TestMethodsPage::a_run_that_fails_is_passed_by() {
  const std::vector<std::string> dataset = workspace().recipe().dataset;
  const QString rows = luthier::test::few_rows(desk_, "json", 4, QStringLiteral("vanishing.jsonl"));
  QVERIFY(workspace().set_field("dataset", rows.toStdString()));
  tick(method_label("ia3", false));
  WAIT_UNTIL(person_->find<QPushButton>("runMethods")->isEnabled());
  QVERIFY(person_->click("runMethods"));
  QVERIFY(runs().going() && QFile::remove(rows));
  WAIT_UNTIL(!runs().going());
  QCOMPARE(runs().results().size(), std::size_t(2));
  auto* shown_runs = person_->find<QTableView>("shortRunTable")->model();
  for (int at = 0; at < 2; ++at) {
    QCOMPARE(runs().results()[static_cast<std::size_t>(at)].state, std::string("failed"));
    const QModelIndex cell = shown_runs->index(at, ShortRunModel::StepTime);
    QCOMPARE(cell.data().toString(), state_text("failed"));
    QVERIFY(cell.data(Qt::ToolTipRole).toString().contains(QStringLiteral("vanishing.jsonl")));
    QVERIFY(shown_runs->index(at, ShortRunModel::Exact).data().toString().isEmpty());
  }
  QVERIFY(workspace().set_field("dataset", dataset.front()));
  tick(method_label("ia3", false), false);
  WAIT_UNTIL(person_->find<QPushButton>("runMethods")->isEnabled());
}

void TestMethodsPage::a_stop_ends_the_series() {
  person_->find<QSpinBox>("shortSteps")->setValue(50'000);
  tick(method_label("ia3", false));
  QVERIFY(person_->click("runMethods"));
  WAIT_UNTIL(!runs().series().empty() && runs().series()[0].lines.size() >= 2);
  QVERIFY(person_->click("stopMethods"));
  WAIT_UNTIL(!runs().going());
  QCOMPARE(runs().results().size(), std::size_t(1));
  QCOMPARE(runs().results()[0].state, std::string("stopped"));
  QVERIFY(runs().results()[0].steps >= 2);
  WAIT_UNTIL_EQUAL(person_->state(), SessionState::Ready);
  QVERIFY(person_->find<QPushButton>("runMethods")->isVisible());
}

void TestMethodsPage::words_follow_the_language() {
  Language::instance().choose(QStringLiteral("ko"));
  const auto back = qScopeGuard([] { Language::instance().choose(QStringLiteral("en")); });
  WAIT_UNTIL_EQUAL(person_->find<QPushButton>("useMethod")->text(),
                   QStringLiteral("이 방식 쓰기(&U)"));
  static const QRegularExpression english(QStringLiteral("[a-z]{3,} [a-z]{2,} [a-z]{3,}"));
  for (const QAbstractItemModel* each :
       {table()->model(), person_->find<QTableView>("shortRunTable")->model()}) {
    for (int column = 0; column < each->columnCount(); ++column)
      for (const int role : {Qt::DisplayRole, Qt::ToolTipRole}) {
        const QString words = each->headerData(column, Qt::Horizontal, role).toString();
        QVERIFY2(!english.match(words).hasMatch(), qPrintable(words));
      }
    for (int at = 0; at < each->rowCount(); ++at) {
      const QString words = each->index(at, 1).data().toString();
      QVERIFY2(!english.match(words).hasMatch(), qPrintable(words));
    }
  }
}

void TestMethodsPage::cleanupTestCase() {
  // The window closes in the middle of a series.
  WAIT_UNTIL(person_->find<QPushButton>("runMethods")->isEnabled());
  QVERIFY(person_->click("runMethods"));
  WAIT_UNTIL(!runs().series().empty() && !runs().series()[0].lines.empty());
  person_.reset();
  window_.reset();
}

QTEST_MAIN(TestMethodsPage)
#include "test_methods_page.moc"

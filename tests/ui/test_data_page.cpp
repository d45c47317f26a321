// SPDX-License-Identifier: GPL-3.0-or-later
// The Data and Model pages by hand: rows of a file, a check that finds what is wrong and jumps
// there, ticks in the module tree.
#include "tests/ui/driver.h"
#include "ui/data/finding_list.h"
#include "ui/model/module_tree_model.h"

#include <QTextTable>

using namespace luthier;
using luthier::test::Desk;
using luthier::test::Person;

class TestDataPage : public QObject {
  Q_OBJECT

 private slots:
  void rows_check_and_jump();
  void findings_stand_in_one_list();
  void rows_go_with_the_objective();
  void steps_and_judged_answers_are_shown();
  void ticks_choose_targets();
  void a_broken_folder_says_so_in_the_page();

 private:
  Desk desk_;
};

void TestDataPage::rows_check_and_jump() {
  MainWindow window;
  window.resize(1280, 800);
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  Person person(window);
  QVERIFY(luthier::test::load_teaching(window, person));
  const QString file = luthier::test::few_rows(desk_, "json", 10, QStringLiteral("rows.jsonl"));
  {
    // One row whose picture is not there.
    QFile out(file);
    QVERIFY(out.open(QIODevice::Append));
    out.write(
        "{\"image\": \"nowhere.png\", \"prompt\": \"<image>What is it?\", \"completion\": "
        "\"nothing\"}\n");
  }
  QTest::keyClick(&window, Qt::Key_2, Qt::ControlModifier);
  person.type("dataPath", file);
  auto* table = person.find<QTableView>("rowTable");
  WAIT_UNTIL_EQUAL(table->model()->rowCount(), 11);
  WAIT_UNTIL(
      person.find<QTextBrowser>("rowTokens")->toPlainText().contains(QStringLiteral("picture")));
  auto* findings = person.find<QTableWidget>("findingTable");
  QVERIFY(!findings->isVisible());  // a table of nothing takes no room
  QVERIFY(person.click("checkData"));
  WAIT_UNTIL(findings->rowCount() >= 1 && findings->isVisible());
  int missing = -1;
  for (int row = 0; row < findings->rowCount(); ++row)
    if (findings->item(row, 0)->text() == QLatin1String("11")) missing = row;
  QVERIFY(missing >= 0);
  // The reason comes first, in lines that are all seen; the path is in the tooltip.
  const QTableWidgetItem* reason = findings->item(missing, 2);
  QVERIFY2(reason->text().startsWith(QStringLiteral("The picture is missing.")),
           qPrintable(reason->text()));
  QVERIFY(!reason->text().contains(desk_.folder.path()));
  QVERIFY(reason->toolTip().contains(desk_.folder.path()));
  const QRect cell = findings->visualItemRect(reason);
  const QFontMetrics metrics(findings->font());
  const QRect needed =
      metrics.boundingRect(QRect(0, 0, cell.width() - 8, 10000), Qt::TextWordWrap, reason->text());
  QVERIFY2(cell.height() >= needed.height(),
           qPrintable(QStringLiteral("%1 of %2").arg(cell.height()).arg(needed.height())));
  QTest::mouseClick(findings->viewport(), Qt::LeftButton, {},
                    findings->visualItemRect(findings->item(missing, 2)).center());
  QCOMPARE(table->currentIndex().row(), 10);
  WAIT_UNTIL(person.find<QLabel>("rowFindings")->isVisible());
  QVERIFY(person.text("rowFindings").contains(QStringLiteral("nowhere.png")));
}

/// The check's and, behind them, those of near-duplicates; they are freed on another thread.
void TestDataPage::findings_stand_in_one_list() {
  auto report = std::make_shared<DatasetReport>();
  report->findings = {{0, "bad_row", "a"}, {2, "duplicate", "b", true}, {2, "too_long", "c"}};
  const std::weak_ptr<DatasetReport> there = report;
  FindingList list;
  list.set_report(report);
  list.set_near({{2, "near_duplicate", "d", true}, {70, "near_duplicate", "e", true}});
  report.reset();
  QCOMPARE(list.size(), std::size_t(5));
  QCOMPARE(list[4].message, std::string("e"));
  std::string of_row;
  for (const Finding* finding : list.of(2)) of_row += finding->message;
  QCOMPARE(of_row, std::string("bcd"));
  QVERIFY(list.of(1).empty());
  QVERIFY(list.rows_of("near_duplicate").rows() == (RowList{2, 70}));
  FindingList copy = list;
  list.set_report(nullptr);
  QVERIFY(list.size() == 2 && !there.expired());
  copy = {};
  WAIT_UNTIL(there.expired());
}

void TestDataPage::rows_go_with_the_objective() {
  MainWindow window;
  window.resize(1280, 800);
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  Person person(window);
  QVERIFY(luthier::test::load_teaching(window, person));
  const QString file = desk_.folder.filePath(QStringLiteral("pairs.jsonl"));
  {
    QFile out(file);
    QVERIFY(out.open(QIODevice::WriteOnly));
    out.write(R"({"prompt": [{"role": "user", "content": "Which one?"}], )"
              R"("chosen": [{"role": "assistant", "content": "The red circle."}], )"
              R"("rejected": [{"role": "assistant", "content": "No idea."}]})"
              "\n");
  }
  QTest::keyClick(&window, Qt::Key_2, Qt::ControlModifier);
  person.type("dataPath", file);
  auto* table = person.find<QTableView>("rowTable");
  WAIT_UNTIL_EQUAL(table->model()->rowCount(), 1);
  QVERIFY(window.workspace().set_field("objective", "dpo").ok());
  const auto said = [&] { return person.find<QTextBrowser>("rowConversation")->toPlainText(); };
  WAIT_UNTIL(said().contains(QStringLiteral("chosen\nThe red circle.")) &&
             said().contains(QStringLiteral("rejected\nNo idea.")));
  // Side by side, their tokens too.
  const auto columns = [&](const char* name) {
    const QTextDocument* document = person.find<QTextBrowser>(name)->document();
    for (const QTextFrame* frame : document->rootFrame()->childFrames())
      if (const auto* found = qobject_cast<const QTextTable*>(frame)) return found->columns();
    return 0;
  };
  QCOMPARE(columns("rowConversation"), 2);
  WAIT_UNTIL_EQUAL(columns("rowTokens"), 2);
  // One answer, and whether it is good.
  {
    QFile out(file);
    QVERIFY(out.open(QIODevice::WriteOnly));
    out.write(R"({"prompt": "Which one?", "completion": "No idea.", "label": false})"
              "\n");
  }
  QVERIFY(window.workspace().set_field("objective", "kto").ok());
  WAIT_UNTIL(said().contains(QStringLiteral("a bad answer\nNo idea.")));
  WAIT_UNTIL_EQUAL(columns("rowTokens"), 0);
  // The same rows are not what another objective reads.
  QVERIFY(window.workspace().set_field("objective", "mlm").ok());
  WAIT_UNTIL(person.text("rowFindings").contains(QStringLiteral("has no text")));
}

void TestDataPage::steps_and_judged_answers_are_shown() {
  MainWindow window;
  window.resize(1280, 800);
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  Person person(window);
  QVERIFY(luthier::test::load_teaching(window, person));
  const auto write = [&](const QString& name, const QByteArray& row) {
    const QString file = desk_.folder.filePath(name);
    QFile out(file);
    if (out.open(QIODevice::WriteOnly)) out.write(row + "\n");
    return file;
  };
  QTest::keyClick(&window, Qt::Key_2, Qt::ControlModifier);
  person.type("dataPath", write("steps.jsonl", R"({"prompt": "Which one?", "completions": )"
                                               R"(["It is round.", "It is blue."], )"
                                               R"("labels": [true, false]})"));
  QVERIFY(window.workspace().set_field("objective", "prm").ok());
  const auto said = [&] { return person.find<QTextBrowser>("rowConversation")->toPlainText(); };
  WAIT_UNTIL(said().contains(QStringLiteral("✓ step 1, right\nIt is round.")) &&
             said().contains(QStringLiteral("✗ step 2, wrong\nIt is blue.")));

  // Answers that were judged before take the dataset's place, the best of them first; their text is
  // that of their tokens.
  const QString judged =
      write("judged.jsonl", R"({"prompt": "Which one?", "completion_ids": [[40, 41], [42], [43]], )"
                            R"("rewards": {"near": [0.25, 1, null], "short": [0.5, 0.5, 0.5]}})");
  QVERIFY(window.workspace().set_field("objective", "grpo").ok());
  QVERIFY(window.workspace().set_field("dataset", "null").ok());
  QVERIFY(window.workspace().set_field("grpo.rollouts", judged.toStdString()).ok());
  WAIT_UNTIL(said().contains(QStringLiteral("near 1 · short 0.5 · 1 token")));
  const QString text = said();
  const auto place = [&](const char* words) { return text.indexOf(QString::fromUtf8(words)); };
  QVERIFY2(place("▲") >= 0 && place("▲") < place("near 1"), qPrintable(text));
  QVERIFY(place("near 1") < place("near 0.25") && place("near 0.25") < place("near –"));
  QVERIFY(place("2 tokens") > place("near 0.25") && !text.contains(QStringLiteral("(empty)")));
  QCOMPARE(person.find<QTableView>("rowTable")->model()->rowCount(), 1);
}

void TestDataPage::ticks_choose_targets() {
  MainWindow window;
  window.resize(1280, 800);
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  Person person(window);
  QVERIFY(luthier::test::load_teaching(window, person));
  const QString before = person.text("moduleTotals");
  person.find<QLineEdit>("moduleFilter")->setFocus();
  QTest::keyClicks(person.find<QLineEdit>("moduleFilter"), QStringLiteral("language_model"));
  auto* tree = person.find<QTreeView>("moduleTree");
  // Everything trains at first (all-linear): a click on the first branch's box takes the shown part
  // off.
  const QModelIndex box = tree->model()->index(0, ModuleTreeModel::Trains);
  QTest::mouseClick(
      tree->viewport(), Qt::LeftButton, {},
      tree->visualRect(box).topLeft() + QPoint(10, tree->visualRect(box).height() / 2));
  QCOMPARE(window.workspace().recipe().adapter.target_modules.kind, ModuleSelector::Kind::Names);
  for (const std::string& name : window.workspace().recipe().adapter.target_modules.names)
    QVERIFY2(name.find("language_model.layers") == std::string::npos, name.c_str());
  QVERIFY(person.text("moduleTotals") != before);
  // And back again: all linears are all-linear.
  QTest::mouseClick(
      tree->viewport(), Qt::LeftButton, {},
      tree->visualRect(box).topLeft() + QPoint(10, tree->visualRect(box).height() / 2));
  QCOMPARE(window.workspace().recipe().adapter.target_modules.kind,
           ModuleSelector::Kind::AllLinear);
  QCOMPARE(person.text("moduleTotals"), before);
  // The chips on the Train page say the same thing.
  QTest::keyClick(&window, Qt::Key_3, Qt::ControlModifier);
  QVERIFY(person.find<QPushButton>("chip_all-linear")->isChecked());
  QVERIFY(person.click("chip_all-linear"));
  QVERIFY(person.find<QPushButton>("chip_q_proj")->isChecked() &&
          person.find<QPushButton>("chip_v_proj")->isChecked());
  QVERIFY(person.click("chip_k_proj"));
  QCOMPARE(window.workspace().recipe().adapter.target_modules.names.size(), std::size_t(3));
}

void TestDataPage::a_broken_folder_says_so_in_the_page() {
  QDir(desk_.folder.path()).mkdir("broken");
  QFile config(desk_.folder.filePath("broken/config.json"));
  QVERIFY(config.open(QIODevice::WriteOnly));
  config.write("{\"model_type\": \"nothing-known\"}");
  config.close();
  QSettings().setValue("recent_models", QStringList{desk_.folder.filePath("broken")});
  MainWindow window;
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  Person person(window);
  auto* list = person.find<QListWidget>("modelList");
  list->setFocus();
  QTest::keyClick(list, Qt::Key_End);
  QTest::keyClick(list, Qt::Key_Return);
  auto* text = window.page(PageId::Model)->findChild<QLabel*>("bannerText");
  WAIT_UNTIL(text->isVisible() && text->text().contains(QStringLiteral("config.json")));
  // In the person's language, and in another one as soon as that is chosen.
  QVERIFY(text->text().contains(QStringLiteral("is not one that Luthier can load")));
  Language::instance().choose(QStringLiteral("ko"));
  const auto back = qScopeGuard([] { Language::instance().choose(QStringLiteral("en")); });
  WAIT_UNTIL(text->text().contains(QStringLiteral("불러올 수 없는 종류입니다")));
  QVERIFY(!text->text().contains(QStringLiteral("is not one")));
  WAIT_UNTIL_EQUAL(person.state(), SessionState::Empty);
  QVERIFY(window.findChild<QDialog*>() == nullptr);
  QSettings().remove("recent_models");
}

QTEST_MAIN(TestDataPage)
#include "test_data_page.moc"

// SPDX-License-Identifier: GPL-3.0-or-later
// Data as people have it, by hand: a table is dropped and its columns are chosen, rows are
// searched, left out and put right, a copy is written and used, and a dataset comes from a hub. The
// original stays as it is.
#include "tests/hub/local_hub.h"
#include "tests/ui/driver.h"
#include "ui/data/histogram_view.h"
#include "ui/data/row_tools.h"

using namespace luthier;
using luthier::test::Desk;
using luthier::test::LocalHub;
using luthier::test::Person;

class TestDataIn : public QObject {
  Q_OBJECT

 private slots:
  void init() {
    window_ = std::make_unique<MainWindow>();
    window_->resize(1280, 800);
    window_->show();
    QVERIFY(luthier::test::wait_for_window(window_.get()));
    person_ = std::make_unique<Person>(*window_);
    QVERIFY(luthier::test::load_teaching(*window_, *person_));
    QTest::keyClick(window_.get(), Qt::Key_2, Qt::ControlModifier);
  }
  void cleanup() {
    person_.reset();
    window_.reset();
  }

  void a_table_is_dropped_and_its_columns_chosen();
  void rows_are_searched_mended_and_copied();
  void what_is_decided_of_rows_stays_with_them();
  void statistics_and_near_duplicates();
  void a_dataset_comes_from_a_hub();

 private:
  void drop(const QStringList& files) const {
    QMimeData data;
    QList<QUrl> urls;
    for (const QString& file : files) urls << QUrl::fromLocalFile(file);
    data.setUrls(urls);
    QWidget* const page = window_->page(PageId::Data);
    const QPoint middle = page->rect().center();
    QDragEnterEvent enter(middle, Qt::CopyAction, &data, Qt::LeftButton, {});
    QCoreApplication::sendEvent(page, &enter);
    QVERIFY(enter.isAccepted());
    QDropEvent dropped(middle, Qt::CopyAction, &data, Qt::LeftButton, {});
    QCoreApplication::sendEvent(page, &dropped);
  }
  QString write(const QString& name, const QByteArray& text) const {
    const QString path = desk_.folder.filePath(name);
    QDir().mkpath(QFileInfo(path).path());
    QFile out(path);
    if (!out.open(QIODevice::WriteOnly) || out.write(text) != text.size())
      qFatal("%s cannot be written", qPrintable(path));
    return path;
  }
  QString said() const { return person_->find<QTextBrowser>("rowConversation")->toPlainText(); }
  int rows() const { return person_->find<QTableView>("rowTable")->model()->rowCount(); }
  QLabel* banner() const { return window_->page(PageId::Data)->findChild<QLabel*>("bannerText"); }

  Desk desk_;
  std::unique_ptr<MainWindow> window_;
  std::unique_ptr<Person> person_;
};

void TestDataIn::a_table_is_dropped_and_its_columns_chosen() {
  const QString table = write(QStringLiteral("table.csv"),
                              "ask,answer_text,score\nWhat is red?,A circle.,3\nAnd blue?,\"A "
                              "square,\nsmall.\",1\n");
  drop({table});
  WAIT_UNTIL_EQUAL(rows(), 2);
  QCOMPARE(person_->find<QLineEdit>("dataPath")->text(), table);
  QVERIFY(person_->choose("rowTools", "toolColumns"));
  WAIT_UNTIL(window_->findChild<QDialog*>("columnsDialog") &&
             person_->find<QDialog>("columnsDialog")->isVisible());
  // Names like these are not guessed: the person says what they are, and sees the row as it is
  // read.
  auto* ask = person_->find<QComboBox>("column_ask");
  auto* answer = person_->find<QComboBox>("column_answer_text");
  QVERIFY(person_->text("columnsPreview").contains(QStringLiteral("cannot be read")));
  ask->setFocus();
  QTest::keyClicks(ask, QStringLiteral("Quest"));
  answer->setFocus();
  QTest::keyClicks(answer, QStringLiteral("Answ"));
  QCOMPARE(ask->currentData().toString(), QStringLiteral("prompt"));
  QVERIFY2(person_->text("columnsPreview").contains(QStringLiteral("assistant: A circle.")),
           qPrintable(person_->text("columnsPreview")));
  QVERIFY(person_->click("columnsUse"));
  WAIT_UNTIL(said().contains(QStringLiteral("What is red?")) &&
             said().contains(QStringLiteral("A circle.")));
  QCOMPARE(QString::fromStdString(*get_field(window_->workspace().recipe(), "dataset_columns")),
           QStringLiteral("[\"prompt=ask\",\"completion=answer_text\"]"));
  // Pictures alone are a dataset too, once they have a question.
  QStringList pictures;
  for (QDirIterator walk(path_text(teaching_base()->parent_path()), {"*.png"}, QDir::Files,
                         QDirIterator::Subdirectories);
       walk.hasNext() && pictures.size() < 3;)
    pictures << walk.next();
  QCOMPARE(pictures.size(), 3);
  drop(pictures);
  WAIT_UNTIL_EQUAL(rows(), 3);
  // And so is their folder.
  QVERIFY(window_->workspace().set_field("dataset_columns", "null").ok());
  drop({QFileInfo(pictures.front()).path()});
  WAIT_UNTIL(rows() > 200);
}

void TestDataIn::rows_are_searched_mended_and_copied() {
  QDir(desk_.folder.path()).mkpath(QStringLiteral("mend"));
  const QString path = luthier::test::few_rows(desk_, "json", 6, QStringLiteral("mend/rows.jsonl"));
  {
    QFile out(path);
    QVERIFY(out.open(QIODevice::Append));
    out.write("{\"image\": \"nowhere.png\", \"prompt\": \"a zebra\", \"completion\": \"x\"}\n");
    out.write("{\"prompt\": \"<image>two marks, no picture\", \"completion\": \"y\"}\n");
  }
  QFile original(path);
  QVERIFY(original.open(QIODevice::ReadOnly));
  const QByteArray before = original.readAll();
  person_->type("dataPath", path);
  WAIT_UNTIL_EQUAL(rows(), 8);
  // Searching shows those that hold the words, and clearing all of them.
  person_->type("rowSearch", QStringLiteral("ZEBRA"));
  WAIT_UNTIL_EQUAL(rows(), 1);
  person_->type("rowSearch", QString());
  QTest::keyClick(person_->find<QLineEdit>("rowSearch"), Qt::Key_Backspace);
  QTest::keyClick(person_->find<QLineEdit>("rowSearch"), Qt::Key_Return);
  WAIT_UNTIL_EQUAL(rows(), 8);
  QVERIFY(person_->click("checkData"));
  auto* findings = person_->find<QTableWidget>("findingTable");
  WAIT_UNTIL(findings->rowCount() >= 2);
  // A copy that is asked for at once is of the rows that come to be shown.
  const auto copy = [&] { return window_->findChild<QDialog*>(QStringLiteral("copyDialog")); };
  QVERIFY(person_->click("onlyFindings"));
  QVERIFY(person_->click("writeCopy"));
  WAIT_UNTIL(copy() && copy()->isVisible());
  QCOMPARE(rows(), 2);
  copy()->close();
  const auto choose = [&](const QString& row) {
    for (int i = 0; i < findings->rowCount(); ++i)
      if (findings->item(i, 0)->text() == row) {
        findings->setCurrentCell(i, 2);
        return true;
      }
    return false;
  };
  QVERIFY(choose(QStringLiteral("7")));
  QVERIFY(!person_->find<QPushButton>("fixRow")->isHidden());
  QVERIFY(person_->click("dropRow"));
  QVERIFY(choose(QStringLiteral("8")));
  QVERIFY(person_->find<QPushButton>("fixRow")->isEnabled());
  QVERIFY(person_->click("fixRow"));
  WAIT_UNTIL(person_->text("editsMade").contains(QStringLiteral("1 left out, 1 put right")));
  QVERIFY(person_->click("onlyFindings"));
  WAIT_UNTIL_EQUAL(rows(), 8);
  // A copy in two parts, which takes the data's place.
  QVERIFY(person_->click("writeCopy"));
  auto* dialog = person_->find<QDialog>("copyDialog");
  WAIT_UNTIL(dialog->isVisible());
  auto* share = person_->find<QDoubleSpinBox>("copyShare");
  share->setFocus();
  share->selectAll();
  QTest::keyClicks(share, QStringLiteral("30"));
  QTest::keyClick(share, Qt::Key_Tab);
  const QString train = desk_.folder.filePath(QStringLiteral("mend/train.jsonl")),
                validation = desk_.folder.filePath(QStringLiteral("mend/validation.jsonl"));
  person_->find<QLineEdit>("copyFile")->setText(train);
  person_->find<QLineEdit>("copyValidation")->setText(validation);
  QVERIFY(person_->click("copyWrite"));
  WAIT_UNTIL_EQUAL(rows(), 5);
  QVERIFY(!dialog->isVisible());
  const Recipe& recipe = window_->workspace().recipe();
  QCOMPARE(QString::fromStdString(recipe.dataset.front()), train);
  QCOMPARE(QString::fromStdString(recipe.eval_dataset.front()), validation);
  QFile all(train), held(validation);
  QVERIFY(all.open(QIODevice::ReadOnly) && held.open(QIODevice::ReadOnly));
  const QByteArray both = all.readAll() + held.readAll();
  QCOMPARE(both.count('\n'), 7);
  QVERIFY(!both.contains("zebra") && both.contains("two marks, no picture") &&
          !both.contains("<image>two marks"));
  QVERIFY(original.seek(0));
  QCOMPARE(original.readAll(), before);
}

/// Edits outlast what does not change the rows and come back with them; no dialog writes a copy of
/// rows that were shown before, and none is left waiting for one.
void TestDataIn::what_is_decided_of_rows_stays_with_them() {
  const QByteArray row = "{\"prompt\": \"Where?\", \"completion\": \"There.\"}\n";
  const QString one = write(QStringLiteral("one.jsonl"), row + row + row),
                other = write(QStringLiteral("other.jsonl"), row + row);
  Workspace& workspace = window_->workspace();
  auto* tools = window_->findChild<RowTools*>();
  QVERIFY(tools && workspace.set_field("dataset", one.toStdString()).ok());
  WAIT_UNTIL_EQUAL(rows(), 3);
  tools->drop(1);
  const auto edits = [&] { return person_->text("editsMade"); };
  QVERIFY2(edits().startsWith(QStringLiteral("1 left out")), qPrintable(edits()));
  QVERIFY(workspace.set_field("training.max_length", "300").ok());
  QVERIFY2(edits().startsWith(QStringLiteral("1 left out")), qPrintable(edits()));
  QVERIFY(person_->choose("rowTools", "toolCopy"));
  auto* dialog = person_->find<QDialog>("copyDialog");
  WAIT_UNTIL(dialog->isVisible());
  person_->find<QCheckBox>("copyUse")->setChecked(false);
  QVERIFY(person_->click("copyWrite"));
  QVERIFY(workspace.set_field("dataset", other.toStdString()).ok());
  QVERIFY(!dialog->isVisible());
  QVERIFY(edits().isEmpty());
  WAIT_UNTIL_EQUAL(rows(), 2);
  QVERIFY(person_->choose("rowTools", "toolCopy"));
  WAIT_UNTIL(person_->find<QPushButton>("copyWrite")->isEnabled());
  QVERIFY(workspace.set_field("dataset", one.toStdString()).ok());
  QVERIFY(!dialog->isVisible());
  QVERIFY(tools->edits().dropped.contains(1));
}

void TestDataIn::statistics_and_near_duplicates() {
  QByteArray text;
  for (int i = 0; i < 4; ++i)
    text +=
        "{\"prompt\": \"Where is the red circle of the picture, please?\", \"completion\": "
        "\"At the top left of it" +
        QByteArray(i == 3 ? ", and nowhere else in all of this wide picture" : ".") + "\"}\n";
  person_->type("dataPath", write(QStringLiteral("near.jsonl"), text));
  WAIT_UNTIL_EQUAL(rows(), 4);
  QVERIFY(person_->choose("rowTools", "toolStatistics"));
  WAIT_UNTIL(window_->findChild<QDialog*>("statisticsDialog") &&
             person_->find<QDialog>("statisticsDialog")->isVisible());
  QVERIFY(person_->text("statisticsSummary").startsWith(QStringLiteral("4 rows, 0 of them")));
  QCOMPARE(person_->find<QTableWidget>("answerTable")->item(0, 0)->text(), QStringLiteral("3"));
  const auto views = person_->find<QDialog>("statisticsDialog")->findChildren<HistogramView*>();
  QVERIFY(views.size() == 6 && views.front()->accessibleDescription().contains("mean"));
  person_->find<QDialog>("statisticsDialog")->close();
  QVERIFY(person_->choose("rowTools", "toolNear"));
  auto* findings = person_->find<QTableWidget>("findingTable");
  WAIT_UNTIL_EQUAL(findings->rowCount(), 2);
  QVERIFY(findings->item(0, 1)->text().contains(QStringLiteral("Nearly the same")));
  findings->setCurrentCell(0, 2);
  QSignalSpy said_once(window_->findChild<RowTools*>(), &RowTools::edits_changed);
  QVERIFY(person_->click("dropKind"));
  QVERIFY(person_->text("editsMade").startsWith(QStringLiteral("2 left out")));
  QCOMPARE(said_once.count(), 1);
  // The longest row comes first when that is asked for.
  auto* order = person_->find<QComboBox>("rowOrder");
  order->setFocus();
  QTest::keyClick(order, Qt::Key_Down);
  auto* table = person_->find<QTableView>("rowTable");
  WAIT_UNTIL(table->model()->index(0, 0).data().toString() == QLatin1String("4"));
  QTest::keyClick(order, Qt::Key_End);  // and those with findings
  WAIT_UNTIL(table->model()->index(0, 0).data().toString() == QLatin1String("2"));
}

void TestDataIn::a_dataset_comes_from_a_hub() {
  const LocalHub hub;
  const QString name = QStringLiteral("org/rows");
  const QByteArray row = "{\"prompt\": \"From afar?\", \"completion\": \"Yes.\"}\n";
  hub.put(name, QStringLiteral("train.jsonl"), row + row + row);
  hub.put(name, QStringLiteral("test.jsonl"), row);
  auto* open = person_->find<QToolButton>("openData");
  QVERIFY(open->isVisible());
  QVERIFY(person_->choose("openData", "openHubData"));
  auto* dialog = person_->find<QDialog>("fetchDataDialog");
  WAIT_UNTIL(dialog->isVisible());
  person_->find<QLineEdit>("fetchDataRepository")
      ->setText(QStringLiteral("http://localhost/datasets/org/rows"));
  QVERIFY(person_->click("fetchDataStart"));
  WAIT_UNTIL(person_->find<QPushButton>("fetchDataLoad")->isVisible());
  QVERIFY(person_->click("fetchDataLoad"));
  WAIT_UNTIL_EQUAL(rows(), 3);
  WAIT_UNTIL(said().contains(QStringLiteral("From afar?")));
}

QTEST_MAIN(TestDataIn)
#include "test_data_in.moc"

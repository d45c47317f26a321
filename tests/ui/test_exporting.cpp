// SPDX-License-Identifier: GPL-3.0-or-later
// What goes out of the window: a run's result exported by mouse and keyboard from the Runs page, a
// merge from the Merge page, and a chat with a result, with a picture and two turns.
#include "engine/session/headless.h"
#include "tests/ui/driver.h"
#include "ui/merge/merge_page.h"
#include "ui/runs/runs_page.h"

using namespace luthier;
using luthier::test::Desk;
using luthier::test::Person;
using luthier::test::wait_for;

class TestExportingWindow : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase();
  void a_run_as_gguf();
  void a_run_as_a_peft_folder_by_keyboard();
  void what_is_wrong_is_said();
  void a_merge_is_exported();
  void a_chat_with_a_result();
  void an_answer_is_stopped_and_asked_again();
  void cleanupTestCase();

 private:
  QString said() { return person_->find<QLabel>(QStringLiteral("exportSaid"))->text(); }
  bool ended() {
    auto* start = person_->find<QPushButton>(QStringLiteral("exportStart"));
    return wait_for([&] { return start->text() == QStringLiteral("Export"); });
  }
  bool answered() {
    auto* send = person_->find<QPushButton>(QStringLiteral("chatSend"));
    return wait_for([&] { return send->text() == QStringLiteral("&Send"); });
  }

  Desk desk_;
  std::unique_ptr<MainWindow> window_;
  std::unique_ptr<Person> person_;
};

void TestExportingWindow::initTestCase() {
  Recipe recipe = teaching_recipe(*teaching_task("korean"), to_path(desk_.run("korean"))).value();
  recipe.dataset = {
      luthier::test::few_rows(desk_, "korean", 8, QStringLiteral("few.jsonl")).toStdString()};
  recipe.eval_dataset.clear();
  recipe.training.max_steps = 2;
  QVERIFY(train_headless(recipe, {}, {}, {}).ok());
  window_ = std::make_unique<MainWindow>();
  window_->resize(1280, 800);
  window_->show();
  QVERIFY(luthier::test::wait_for_window(window_.get()));
  person_ = std::make_unique<Person>(*window_);
  window_->show_page(PageId::Runs);
  static_cast<RunsPage*>(window_->page(PageId::Runs))->set_folder(desk_.folder.filePath("runs"));
  auto* table = person_->find<QTableView>(QStringLiteral("runTable"));
  QVERIFY(wait_for([&] { return table->model()->rowCount() == 1; }));
}

void TestExportingWindow::a_run_as_gguf() {
  QVERIFY(person_->choose(QStringLiteral("runVerbs"), QStringLiteral("exportRun")));
  auto* dialog = person_->find<QDialog>(QStringLiteral("exportDialog"));
  QVERIFY(luthier::test::wait_for_window(dialog));
  QVERIFY(person_->find<QRadioButton>(QStringLiteral("exportGguf"))->isChecked());
  auto* type = person_->find<QComboBox>(QStringLiteral("exportType"));
  type->setFocus();
  QTest::keyClick(type, Qt::Key_Down);  // q8_0
  QVERIFY(person_->find<QLineEdit>(QStringLiteral("exportFolder"))
              ->text()
              .endsWith(QStringLiteral("korean-gguf-q8_0")));
  const QString out = desk_.folder.filePath(QStringLiteral("out-gguf"));
  auto* folder = person_->find<QLineEdit>(QStringLiteral("exportFolder"));
  folder->selectAll();
  QTest::keyClicks(folder, out);
  QVERIFY(person_->click(QStringLiteral("exportStart")));
  QVERIFY(ended());
  QVERIFY2(said().contains(out), qPrintable(said()));
  QVERIFY(said().contains(QStringLiteral("mmproj-korean-q8_0.gguf")));
  QFile model(out + QStringLiteral("/korean-q8_0.gguf"));
  QVERIFY(model.open(QIODevice::ReadOnly));
  QCOMPARE(model.read(4), QByteArray("GGUF"));
  QVERIFY(QFile::exists(out + QStringLiteral("/Modelfile")));
}

void TestExportingWindow::a_run_as_a_peft_folder_by_keyboard() {
  auto* adapter = person_->find<QRadioButton>(QStringLiteral("exportAdapter"));
  adapter->setFocus();
  QTest::keyClick(adapter, Qt::Key_Space);
  QVERIFY(!person_->find<QComboBox>(QStringLiteral("exportType"))->isVisible());
  const QString out = desk_.folder.filePath(QStringLiteral("out-peft"));
  auto* folder = person_->find<QLineEdit>(QStringLiteral("exportFolder"));
  folder->setFocus();
  folder->selectAll();
  QTest::keyClicks(folder, out);
  QTest::keyClick(folder, Qt::Key_Return);
  QVERIFY(wait_for([&] { return said().contains(out); }));
  QVERIFY(ended());
  QVERIFY(QFile::exists(out + QStringLiteral("/adapter_config.json")));
}

void TestExportingWindow::what_is_wrong_is_said() {
  QVERIFY(person_->click(QStringLiteral("exportStart")));  // the folder is not empty any more
  QVERIFY(wait_for([&] { return said().contains(QStringLiteral("not empty")); }));
  QVERIFY(ended());
  QTest::keyClick(person_->find<QDialog>(QStringLiteral("exportDialog")), Qt::Key_Escape);
  QVERIFY(!person_->find<QDialog>(QStringLiteral("exportDialog"))->isVisible());
}

void TestExportingWindow::a_merge_is_exported() {
  window_->show_page(PageId::Model);
  QVERIFY(luthier::test::load_teaching(*window_, *person_));
  window_->show_page(PageId::Merge);
  auto* page = static_cast<MergePage*>(window_->page(PageId::Merge));
  if (!person_->find<QPushButton>(QStringLiteral("exportMerge"))->isEnabled())
    page->add_adapter(desk_.run("korean"));
  auto* button = person_->find<QPushButton>(QStringLiteral("exportMerge"));
  QVERIFY(wait_for([&] { return button->isEnabled() && person_->state() == SessionState::Ready; }));
  QTest::mouseClick(button, Qt::LeftButton);
  QDialog* dialog = nullptr;
  for (QDialog* each : window_->findChildren<QDialog*>(QStringLiteral("exportDialog")))
    if (each->isVisible()) dialog = each;
  QVERIFY(dialog);
  auto* checkpoint = dialog->findChild<QRadioButton*>(QStringLiteral("exportCheckpoint"));
  QTest::mouseClick(checkpoint, Qt::LeftButton, {}, QPoint(10, checkpoint->height() / 2));
  const QString out = desk_.folder.filePath(QStringLiteral("out-merged"));
  auto* folder = dialog->findChild<QLineEdit*>(QStringLiteral("exportFolder"));
  folder->selectAll();
  QTest::keyClicks(folder, out);
  auto* start = dialog->findChild<QPushButton*>(QStringLiteral("exportStart"));
  QVERIFY(wait_for([&] { return start->isEnabled(); }));
  QTest::mouseClick(start, Qt::LeftButton);
  QVERIFY(wait_for([&] { return QFile::exists(out + QStringLiteral("/model.safetensors")); }));
  QVERIFY(wait_for([&] { return start->text() == QStringLiteral("Export"); }));
  dialog->close();
}

void TestExportingWindow::a_chat_with_a_result() {
  window_->show_page(PageId::Runs);
  QVERIFY(person_->choose(QStringLiteral("runVerbs"), QStringLiteral("chatWithRun")));
  auto* chat = person_->find<QDialog>(QStringLiteral("chatWindow"));
  QVERIFY(luthier::test::wait_for_window(chat));
  auto* who = person_->find<QComboBox>(QStringLiteral("chatWho"));
  QVERIFY(wait_for([&] { return who->currentText() == QStringLiteral("korean"); }));
  person_->find<QSpinBox>(QStringLiteral("chatLength"))->setValue(6);
  // A picture is dropped on it.
  QFile rows(desk_.folder.filePath(QStringLiteral("few.jsonl")));
  QVERIFY(rows.open(QIODevice::ReadOnly));
  const QString line = QString::fromUtf8(rows.readLine());
  const QRegularExpression path(QStringLiteral("\"(/[^\"]+\\.png)\""));
  const QString picture = path.match(line).captured(1);
  QVERIFY2(QFile::exists(picture), qPrintable(line));
  QMimeData data;
  data.setUrls({QUrl::fromLocalFile(picture)});
  QDragEnterEvent enter(QPoint(20, 20), Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
  QCoreApplication::sendEvent(chat, &enter);
  QVERIFY(enter.isAccepted());
  QDropEvent drop(QPointF(20, 20), Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
  QCoreApplication::sendEvent(chat, &drop);
  auto* text = person_->find<QLineEdit>(QStringLiteral("chatText"));
  text->setFocus();
  QTest::keyClicks(text, QStringLiteral("What is here?"));
  QTest::keyClick(text, Qt::Key_Return);
  auto* said = person_->find<QTextBrowser>(QStringLiteral("chatSaid"));
  QVERIFY(said->toPlainText().contains(QStringLiteral("What is here?")));
  QVERIFY(answered());
  QVERIFY(said->toHtml().contains(QStringLiteral("picture:0")));
  const QString first = said->toPlainText();
  QVERIFY2(first.contains(QStringLiteral("cut off")) || first.count(QLatin1Char('\n')) > 3,
           qPrintable(first));
  QTest::keyClicks(text, QStringLiteral("And the colour?"));
  QVERIFY(person_->click(QStringLiteral("chatSend")));
  QVERIFY(answered());
  QVERIFY(said->toPlainText().startsWith(first.left(30)));
  QVERIFY(said->toPlainText().contains(QStringLiteral("And the colour?")));
}

void TestExportingWindow::an_answer_is_stopped_and_asked_again() {
  auto* said = person_->find<QTextBrowser>(QStringLiteral("chatSaid"));
  const QString before = said->toPlainText();
  QVERIFY(person_->click(QStringLiteral("chatAgain")));
  QVERIFY(answered());
  QCOMPARE(said->toPlainText(), before);  // greedy: the same answer
  auto* text = person_->find<QLineEdit>(QStringLiteral("chatText"));
  person_->find<QSpinBox>(QStringLiteral("chatLength"))->setValue(300);
  QTest::keyClicks(text, QStringLiteral("Go on"));
  QVERIFY(person_->click(QStringLiteral("chatSend")));
  QVERIFY(person_->click(QStringLiteral("chatSend")));  // it says Stop now
  QVERIFY(answered());
  QVERIFY(person_->click(QStringLiteral("chatAnew")));
  QVERIFY(said->toPlainText().isEmpty());
}

void TestExportingWindow::cleanupTestCase() {
  QVERIFY(wait_for([&] { return person_->state() == SessionState::Ready; }));
  window_.reset();
}

QTEST_MAIN(TestExportingWindow)
#include "test_exporting.moc"

// SPDX-License-Identifier: GPL-3.0-or-later
// A folder of pictures becomes a dataset by hand and by a model's proposals: answers, pairs, thumbs
// and rows that a model's samples agree on, each in the file at once and knowing who made it.
#include "engine/data/annotation.h"
#include "tests/ui/form_desk.h"
#include "ui/annotate/annotate_window.h"

using namespace luthier;
using namespace luthier::test;

class TestAnnotate : public QObject, private FormDesk {
  Q_OBJECT

 private slots:
  void initTestCase() {
    open();
    QVERIFY(QDir(desk_.folder.path()).mkpath(QStringLiteral("pictures")));
    const QDir from(QStringLiteral(LUTHIER_SOURCE_DIR "/resources/teaching/pictures/heldout"));
    const QStringList names = from.entryList({QStringLiteral("*.png")}, QDir::Files, QDir::Name);
    QVERIFY(names.size() >= 4);
    for (int i = 0; i < 4; ++i)
      QVERIFY(QFile::copy(from.filePath(names[i]), pictures() + QStringLiteral("/p%1.png").arg(i)));
  }
  void a_person_answers();
  void what_is_typed_is_not_lost();
  void what_cannot_be_begun_is_said();
  void a_model_proposes();
  void a_proposal_takes_nothing_away();
  void a_broken_picture_holds_nothing_up();
  void the_better_of_two_is_taken();
  void an_answer_is_judged();
  void what_samples_agree_on_is_kept();
  void korean_is_whole();
  void cleanupTestCase() { close(); }

 private:
  QString pictures() const { return desk_.folder.filePath(QStringLiteral("pictures")); }
  QString file(const char* name) const { return desk_.folder.filePath(QLatin1String(name)); }
  template <class T>
  T* in(const char* name) const {
    T* found = dialog_->findChild<T*>(QLatin1String(name));
    if (!found) qFatal("no widget is called %s", name);
    return found;
  }
  void click(const char* name) const {
    auto* button = in<QPushButton>(name);
    QVERIFY2(button->isVisible() && button->isEnabled(), name);
    QTest::mouseClick(button, Qt::LeftButton);
  }
  void type(const char* name, const QString& text) const {
    auto* widget = in<QWidget>(name);
    widget->setFocus();
    QTest::keyClick(widget, Qt::Key_A, Qt::ControlModifier);
    QTest::keyClicks(widget, text);
  }
  void press(Qt::Key key) const {
    QTest::keyClick(in<QPlainTextEdit>("annotateAnswer"), key, Qt::ControlModifier);
  }
  QString said() const { return in<QPlainTextEdit>("annotateAnswer")->toPlainText(); }
  /// Opens it by the Data page's button.
  void show() {
    window_->show_page(PageId::Data);
    QVERIFY(person_->click(QStringLiteral("annotatePictures")));
    dialog_ = window_->findChild<AnnotateWindow*>();
    QVERIFY(dialog_ && wait_for_window(dialog_.data()));
    QApplication::setActiveWindow(dialog_);
  }
  void begin(const char* name, int kind, const QString& question) {
    show();
    type("annotateFolder", pictures());
    in<QComboBox>("annotateKind")->setCurrentIndex(kind);
    type("annotateQuestions", question);
    type("annotateFile", file(name));
    click("annotateBegin");
    wait_for_desk();
  }
  void wait_for_desk() const {
    QVERIFY(wait_for([this] { return in<QPlainTextEdit>("annotateAnswer")->isVisible(); }));
  }
  void leave() {
    dialog_->close();
    QVERIFY(wait_for([this] { return dialog_.isNull(); }));
  }
  std::vector<QJsonObject> rows(const char* name) const {
    QFile in(file(name));
    std::vector<QJsonObject> found;
    if (in.open(QIODevice::ReadOnly))
      while (!in.atEnd()) found.push_back(QJsonDocument::fromJson(in.readLine()).object());
    return found;
  }
  static QJsonObject provenance(const QJsonObject& row) {
    return row[QLatin1String("provenance")].toObject();
  }
  static QString by(const QJsonObject& row) {
    const QJsonValue made = provenance(row)["made_by"];
    return made.isObject() ? made["model"].toString() : made.toString();
  }
  void wait_for_proposal() const {
    QVERIFY(wait_for([this] {
      return !said().isEmpty() && in<QLabel>("annotateMaker")->text().contains("Proposed");
    }));
  }

  QPointer<AnnotateWindow> dialog_;
};

void TestAnnotate::a_person_answers() {
  begin("typed.jsonl", 0, QStringLiteral("What is on {file}?"));
  QCOMPARE(in<QLineEdit>("annotateQuestion")->text(), QStringLiteral("What is on p0?"));
  QVERIFY(!in<QPushButton>("annotateAccept")->isEnabled());
  type("annotateAnswer", QStringLiteral("A circle."));
  press(Qt::Key_Return);
  QCOMPARE(rows("typed.jsonl").size(), std::size_t{1});
  QCOMPARE(by(rows("typed.jsonl")[0]), QStringLiteral("person"));
  QCOMPARE(in<QLineEdit>("annotateQuestion")->text(), QStringLiteral("What is on p1?"));
  press(Qt::Key_PageDown);  // skipped
  QCOMPARE(in<QLabel>("annotateDone")->text(), QStringLiteral("1 of 4 answered, 1 skipped"));
  press(Qt::Key_PageUp);
  QCOMPARE(in<QLineEdit>("annotateQuestion")->text(), QStringLiteral("What is on p1?"));
  press(Qt::Key_PageUp);
  QCOMPARE(said(), QStringLiteral("A circle."));
  press(Qt::Key_Backspace);
  QVERIFY(rows("typed.jsonl").empty());
  type("annotateAnswer", QStringLiteral("A square."));
  click("annotateAccept");
  click("annotateUse");
  QCOMPARE(workspace().recipe().dataset.size(), std::size_t{1});
  QCOMPARE(path_text(workspace().recipe().dataset[0]), file("typed.jsonl"));
  leave();
}

void TestAnnotate::what_is_typed_is_not_lost() {
  show();
  dialog_->open_file(file("typed.jsonl"));
  wait_for_desk();
  QCOMPARE(in<QLabel>("annotateDone")->text(), QStringLiteral("1 of 4 answered, 1 skipped"));
  type("annotateAnswer", QStringLiteral("half an ans"));
  auto* list = in<QListView>("annotateList");
  const QModelIndex first = list->model()->index(0, 0), open = list->currentIndex();
  QTest::mouseClick(list->viewport(), Qt::LeftButton, {}, list->visualRect(first).center());
  QCOMPARE(said(), QStringLiteral("A square."));
  // It asks before it closes, and "no" keeps it.
  bool asked = false;
  QTimer::singleShot(0, this, [&asked] {
    auto* box = qobject_cast<QMessageBox*>(QApplication::activeModalWidget());
    asked = box != nullptr;
    if (box) QTest::mouseClick(box->button(QMessageBox::No), Qt::LeftButton);
  });
  dialog_->close();
  QVERIFY(asked && dialog_ && dialog_->isVisible());
  QApplication::setActiveWindow(dialog_);
  QTest::mouseClick(list->viewport(), Qt::LeftButton, {}, list->visualRect(open).center());
  QCOMPARE(said(), QStringLiteral("half an ans"));
  type("annotateAnswer", QStringLiteral("whole"));
  press(Qt::Key_Return);
  QCOMPARE(rows("typed.jsonl").size(), std::size_t{2});
  leave();
}

void TestAnnotate::what_cannot_be_begun_is_said() {
  show();
  type("annotateFolder", file("nowhere"));
  type("annotateQuestions", QStringLiteral("?"));
  QCOMPARE(in<QLineEdit>("annotateFile")->text(), file("nowhere.jsonl"));
  click("annotateBegin");
  auto* error = in<QLabel>("annotateSetupError");
  QVERIFY(wait_for([error] { return error->isVisible(); }));
  QVERIFY(error->text().contains(QStringLiteral("no folder")));
  type("annotateFolder", pictures());
  QVERIFY(!error->isVisible());
  type("annotateFile", file("typed.jsonl"));
  click("annotateBegin");
  QVERIFY(wait_for([error] { return error->isVisible(); }));
  QVERIFY(error->text().contains(QStringLiteral("There is a file already")));
  leave();
}

void TestAnnotate::a_model_proposes() {
  window_->show_page(PageId::Model);
  QVERIFY(load_teaching(*window_, *person_));
  begin("proposed.jsonl", 0, QStringLiteral("What shapes are there?"));
  click("annotatePropose");
  wait_for_proposal();
  const QString proposed = said();
  press(Qt::Key_Return);
  QCOMPARE(by(rows("proposed.jsonl")[0]), path_text(workspace().model()->summary.folder));
  QVERIFY(!provenance(rows("proposed.jsonl")[0])["edited"].toBool());
  QVERIFY(said().isEmpty());
  // The next ones come by themselves, and what a person changes is said.
  QTest::mouseClick(in<QCheckBox>("annotateAhead"), Qt::LeftButton, {}, QPoint(10, 8));
  wait_for_proposal();
  type("annotateAnswer", QStringLiteral("Something else."));
  press(Qt::Key_Return);
  QVERIFY(provenance(rows("proposed.jsonl")[1])["edited"].toBool());
  wait_for_proposal();
  leave();
}

/// What is typed stays where a proposal comes by itself, and comes back where one was asked for.
void TestAnnotate::a_proposal_takes_nothing_away() {
  begin("kept.jsonl", 0, QStringLiteral("What shapes are there?"));
  type("annotateAnswer", QStringLiteral("My own"));
  QTest::mouseClick(in<QCheckBox>("annotateAhead"), Qt::LeftButton, {}, QPoint(10, 8));
  QVERIFY(wait_for([this] { return in<QPushButton>("annotateAccept")->isEnabled(); }));
  QCOMPARE(said(), QStringLiteral("My own"));
  press(Qt::Key_Return);
  QCOMPARE(by(rows("kept.jsonl")[0]), QStringLiteral("person"));
  wait_for_proposal();
  type("annotateAnswer", QStringLiteral("Typed."));
  click("annotatePropose");
  QVERIFY(wait_for([this] { return said() != QStringLiteral("Typed."); }));
  wait_for_proposal();
  for (int i = 0; i < 200 && said() != QStringLiteral("Typed."); ++i)
    QTest::keyClick(in<QPlainTextEdit>("annotateAnswer"), Qt::Key_Z, Qt::ControlModifier);
  QCOMPARE(said(), QStringLiteral("Typed."));
  // There is one such window, since each writes its file whole.
  window_->show_page(PageId::Data);
  QVERIFY(person_->click(QStringLiteral("annotatePictures")));
  QCOMPARE(window_->findChildren<AnnotateWindow*>().size(), 1);
  type("annotateAnswer", QString());
  in<QPlainTextEdit>("annotateAnswer")->clear();
  leave();
}

/// A picture that is none is said once, and the others are filled all the same.
void TestAnnotate::a_broken_picture_holds_nothing_up() {
  const QString broken = pictures() + QStringLiteral("/p1b.png");
  QFile out(broken);
  QVERIFY(out.open(QIODevice::WriteOnly) && out.write("no picture") > 0);
  out.close();
  begin("broken.jsonl", 0, QStringLiteral("How many shapes are there?"));
  in<QDoubleSpinBox>("annotateAgreement")->setValue(0.2);
  click("annotateStart");
  QVERIFY(wait_for(
      [this] { return in<QPushButton>("annotateStart")->text() != QStringLiteral("Stop"); }));
  QVERIFY(rows("broken.jsonl").size() > 1);
  QVERIFY(in<QLabel>("annotateError")->text().isEmpty());
  leave();
  QVERIFY(QFile::remove(broken));
}

void TestAnnotate::the_better_of_two_is_taken() {
  begin("pairs.jsonl", 1, QStringLiteral("Describe it."));
  QVERIFY(!in<QPushButton>("annotateAccept")->isVisible());
  type("annotateAnswer", QStringLiteral("one"));
  type("annotateOther", QStringLiteral("one"));
  press(Qt::Key_2);
  QVERIFY(
      in<QLabel>("annotateError")->text().contains(QStringLiteral("Both answers are the same")));
  type("annotateOther", QStringLiteral("two"));
  press(Qt::Key_2);
  const QJsonObject row = rows("pairs.jsonl")[0];
  QCOMPARE(row["chosen"][0]["content"][0]["text"].toString(), QStringLiteral("two"));
  QCOMPARE(row["rejected"][0]["content"][0]["text"].toString(), QStringLiteral("one"));
  click("annotatePropose");
  wait_for_proposal();
  QVERIFY(!in<QPlainTextEdit>("annotateOther")->toPlainText().isEmpty());
  leave();
}

void TestAnnotate::an_answer_is_judged() {
  begin("thumbs.jsonl", 2, QStringLiteral("Describe it."));
  click("annotatePropose");
  wait_for_proposal();
  press(Qt::Key_Down);
  type("annotateAnswer", QStringLiteral("Good one."));
  press(Qt::Key_Up);
  const auto found = rows("thumbs.jsonl");
  QCOMPARE(found.size(), std::size_t{2});
  QVERIFY(!found[0]["label"].toBool() && found[1]["label"].toBool());
  QCOMPARE(by(found[1]), QStringLiteral("person"));
  leave();
}

void TestAnnotate::what_samples_agree_on_is_kept() {
  begin("filled.jsonl", 0, QStringLiteral("How many shapes are there?"));
  type("annotateAnswer", QStringLiteral("By hand."));
  press(Qt::Key_Return);
  type("annotatePattern", QStringLiteral("(["));
  click("annotateStart");
  QVERIFY(in<QLabel>("annotateError")->text().contains(QStringLiteral("no regular expression")));
  type("annotatePattern", QStringLiteral("nobody says this"));
  const auto run = [this] {
    click("annotateStart");
    QVERIFY(wait_for(
        [this] { return in<QPushButton>("annotateStart")->text() != QStringLiteral("Stop"); }));
  };
  run();
  QCOMPARE(rows("filled.jsonl").size(), std::size_t{1});
  in<QLineEdit>("annotatePattern")->clear();
  in<QDoubleSpinBox>("annotateAgreement")->setValue(0.2);
  run();
  const auto found = rows("filled.jsonl");
  QVERIFY(found.size() > 1);
  for (std::size_t i = 1; i < found.size(); ++i) {
    QVERIFY(provenance(found[i])["kept_by"].toObject()["agreement"].toDouble() >= 0.2);
    QVERIFY(by(found[i]) != QStringLiteral("person"));
  }
  QCOMPARE(by(found[0]), QStringLiteral("person"));
  leave();
}

void TestAnnotate::korean_is_whole() {
  Language::instance().choose(QStringLiteral("ko"));
  show();
  for (const auto* button : dialog_->findChildren<QPushButton*>()) {
    const QString text = button->text();
    QVERIFY2(text.isEmpty() || std::any_of(text.begin(), text.end(),
                                           [](QChar c) { return c.unicode() >= 0xAC00; }),
             qPrintable(button->objectName()));
  }
  leave();
  Language::instance().choose(QStringLiteral("en"));
}

QTEST_MAIN(TestAnnotate)
#include "test_annotate.moc"

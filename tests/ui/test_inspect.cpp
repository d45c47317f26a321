// SPDX-License-Identifier: GPL-3.0-or-later
// A row looked at down to its pixels from the Data page: frames with their patches, the tokens of a
// picture pointing at it, positions, losses by the loaded model; and a step of the optimizer taken
// slowly from the Ranks page, moment by moment.
#include "tests/ui/driver.h"
#include "ui/inspect/frame_view.h"
#include "ui/lab/matrix_view.h"

using namespace luthier;
using luthier::test::Desk;
using luthier::test::Person;
using luthier::test::wait_for;

class TestInspect : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase();
  void a_row_is_inspected();
  void tokens_point_at_their_picture();
  void positions_under_the_tokens();
  void losses_as_colours();
  void a_row_that_is_cut_off();
  void a_step_moment_by_moment();
  void another_module_and_a_later_step();
  void cleanupTestCase();

 private:
  QTextBrowser* tokens() { return person_->find<QTextBrowser>(QStringLiteral("inspectTokens")); }

  Desk desk_;
  std::unique_ptr<MainWindow> window_;
  std::unique_ptr<Person> person_;
};

void TestInspect::initTestCase() {
  window_ = std::make_unique<MainWindow>();
  window_->resize(1280, 800);
  window_->show();
  QVERIFY(luthier::test::wait_for_window(window_.get()));
  person_ = std::make_unique<Person>(*window_);
  QVERIFY(luthier::test::load_teaching(*window_, *person_));
  const QString rows = luthier::test::few_rows(desk_, "korean", 6, QStringLiteral("few.jsonl"));
  QVERIFY(window_->workspace().set_field("dataset", rows.toStdString()));
  QVERIFY(window_->workspace().set_field("training.learning_rate", "0.01"));
  window_->show_page(PageId::Data);
}

void TestInspect::a_row_is_inspected() {
  auto* button = person_->find<QPushButton>(QStringLiteral("inspectRowButton"));
  QVERIFY(wait_for([&] { return button->isVisible() && button->isEnabled(); }));
  QTest::mouseClick(button, Qt::LeftButton);
  QVERIFY(luthier::test::wait_for_window(person_->find<QDialog>(QStringLiteral("inspectWindow"))));
  QVERIFY(wait_for([&] { return tokens()->toPlainText().contains(QStringLiteral("9 tokens")); }));
  auto* frame = person_->find<FrameView>(QStringLiteral("frame_0_0"));
  QCOMPARE(frame->patches_across(), 3);
  QCOMPARE(frame->patches_down(), 3);
  // The grid is drawn, and goes with its box.
  const QImage with = frame->grab().toImage();
  QVERIFY(person_->click(QStringLiteral("inspectGrid")));
  QVERIFY(frame->grab().toImage() != with);
  QVERIFY(person_->click(QStringLiteral("inspectGrid")));
  QCOMPARE(frame->grab().toImage(), with);
}

void TestInspect::tokens_point_at_their_picture() {
  auto* frame = person_->find<FrameView>(QStringLiteral("frame_0_0"));
  const QImage plain = frame->grab().toImage();
  emit tokens()->highlighted(QUrl(QStringLiteral("p:0:4:13")));  // the mouse on the link
  QVERIFY(frame->grab().toImage() != plain);
  QVERIFY(person_->text(QStringLiteral("inspectFacts")).contains(QStringLiteral("picture 1")));
  emit tokens()->highlighted(QUrl(QStringLiteral("t:2")));
  QCOMPARE(frame->grab().toImage(), plain);
  QVERIFY(person_->text(QStringLiteral("inspectFacts")).contains(QStringLiteral("position 2")));
}

void TestInspect::positions_under_the_tokens() {
  const QString before = tokens()->toPlainText();
  QVERIFY(person_->click(QStringLiteral("inspectPositions")));
  QVERIFY(tokens()->toPlainText().size() > before.size());
  QVERIFY(person_->click(QStringLiteral("inspectPositions")));
  QCOMPARE(tokens()->toPlainText(), before);
}

void TestInspect::losses_as_colours() {
  const QString plain = tokens()->toHtml();
  auto* measure = person_->find<QPushButton>(QStringLiteral("inspectLosses"));
  QVERIFY(wait_for([&] { return measure->isEnabled(); }));
  QVERIFY(person_->click(QStringLiteral("inspectLosses")));
  QVERIFY(wait_for([&] {
    return person_->text(QStringLiteral("inspectNote")).contains(QStringLiteral("Mean loss"));
  }));
  QVERIFY(person_->find<QCheckBox>(QStringLiteral("inspectHeat"))->isChecked());
  QVERIFY(tokens()->toHtml() != plain);
  QVERIFY(person_->click(QStringLiteral("inspectHeat")));
  QCOMPARE(tokens()->toHtml(), plain);
}

void TestInspect::a_row_that_is_cut_off() {
  QVERIFY(window_->workspace().set_field("training.max_length", "20"));
  auto* number = person_->find<QSpinBox>(QStringLiteral("inspectRow"));
  QVERIFY(number->maximum() >= 2);
  number->setFocus();
  QTest::keyClick(number, Qt::Key_Up);
  QVERIFY(wait_for([&] { return tokens()->toPlainText().contains(QStringLiteral("cut off")); }));
  QVERIFY(window_->workspace().set_field("training.max_length", "2048"));
  person_->find<QDialog>(QStringLiteral("inspectWindow"))->close();
}

void TestInspect::a_step_moment_by_moment() {
  window_->show_page(PageId::Ranks);
  QVERIFY(person_->click(QStringLiteral("openStep")));
  QVERIFY(luthier::test::wait_for_window(person_->find<QDialog>(QStringLiteral("stepWindow"))));
  auto* take = person_->find<QPushButton>(QStringLiteral("takeStep"));
  QVERIFY(wait_for([&] { return take->isEnabled(); }));
  QVERIFY(person_->click(QStringLiteral("takeStep")));
  auto* title = person_->find<QLabel>(QStringLiteral("stepTitle"));
  QVERIFY(wait_for([&] { return title->text().contains(QStringLiteral("step 1")); }));
  QVERIFY(person_->find<MatrixView>(QStringLiteral("matrix_1"))
              ->accessibleName()
              .endsWith(QStringLiteral("norm 0")));  // B starts at zero
  QStringList told;
  for (int i = 0; i < 4; ++i) {
    told << person_->text(QStringLiteral("stepWords"));
    QVERIFY(person_->text(QStringLiteral("stepMemory")).contains(QStringLiteral("iB")));
    if (i < 3) QVERIFY(person_->click(QStringLiteral("stepOn")));
  }
  QCOMPARE(QSet<QString>(told.begin(), told.end()).size(), 4);
  QVERIFY(told[1].contains(QStringLiteral("zero")));
  QVERIFY(!person_->find<QPushButton>(QStringLiteral("stepOn"))->isEnabled());
  QVERIFY(person_->click(QStringLiteral("moment_1")));
  QCOMPARE(person_->text(QStringLiteral("stepWords")), told[1]);
}

void TestInspect::another_module_and_a_later_step() {
  auto* before = person_->find<QSpinBox>(QStringLiteral("stepsBefore"));
  before->setFocus();
  QTest::keyClick(before, Qt::Key_Up);
  auto* module = person_->find<QComboBox>(QStringLiteral("stepModule"));
  QVERIFY(module->count() > 3);
  QVERIFY(wait_for([&] { return module->isEnabled(); }));
  module->setFocus();
  QTest::keyClick(module, Qt::Key_Down);  // the next module, which takes the step anew
  auto* title = person_->find<QLabel>(QStringLiteral("stepTitle"));
  QVERIFY(wait_for([&] { return title->text().contains(QStringLiteral("step 2")); }));
  QVERIFY(title->text().contains(module->currentText()));
  QVERIFY(person_->click(QStringLiteral("moment_1")));
  QVERIFY(!person_->text(QStringLiteral("stepWords")).contains(QStringLiteral("is zero")));
}

void TestInspect::cleanupTestCase() { window_.reset(); }

QTEST_MAIN(TestInspect)
#include "test_inspect.moc"

// SPDX-License-Identifier: GPL-3.0-or-later
// The Lab page by its own hands: cards on the map, the look of a batch before anything trains, who
// sees whom by mouse and keys, a card's run and two beside one another with what came of them, and
// the model that a person had loaded, which stands again afterwards.
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QTableWidget>

#include "tests/ui/driver.h"
#include "ui/lab/card_map.h"
#include "ui/lab/card_panel.h"
#include "ui/lab/lab_page.h"
#include "ui/lab/likeness_window.h"
#include "ui/lab/mask_view.h"
#include "ui/lab/matrix_view.h"
#include "ui/lab/token_strip.h"
#include "ui/run_queue.h"

using namespace luthier;
using luthier::test::Desk;
using luthier::test::Person;

namespace {

LookRow small_row() {
  LookRow row;
  for (const char* piece : {"the", "red", "circle"}) {
    LookToken token;
    token.piece = piece;
    row.tokens.push_back(token);
  }
  row.tokens[1].noised = row.tokens[1].learned = true;
  row.tokens[1].label = "blue";
  row.sees = {true, false, false, true, true, false, true, true, true};
  return row;
}

}  // namespace

class TestLabPage : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase();
  void a_mask_is_read_by_mouse_and_keys();
  void tokens_say_what_is_right();
  void the_map_has_every_card();
  void a_batch_is_looked_at_before_training();
  void two_cards_train_beside_one_another();
  void pictures_and_texts_are_compared();
  void a_card_of_stages_trains();
  void a_run_is_stopped();
  void what_was_trained_is_found_again();
  void in_korean_nothing_is_english();
  void cleanupTestCase();

 private:
  LabPage* page() { return static_cast<LabPage*>(window_->page(PageId::Lab)); }
  const OpenCard* open(std::size_t place) { return page()->runs().open(place); }
  void set_steps(int steps) { person_->find<QSpinBox>("labSteps")->setValue(steps); }
  void beside(const QString& key) {
    auto* box = person_->find<QComboBox>("labBeside");
    const int index = box->findData(key);
    box->setCurrentIndex(index);
    emit box->activated(index);
  }
  bool train() {
    // A person's own model comes back first.
    const auto* button = person_->find<QPushButton>("labTrain");
    for (int i = 0; i < 200 && !button->isEnabled(); ++i) QTest::qWait(50);
    return person_->click("labTrain");
  }

  Desk desk_;
  std::unique_ptr<MainWindow> window_;
  std::unique_ptr<Person> person_;
};

void TestLabPage::initTestCase() {
  window_ = std::make_unique<MainWindow>();
  window_->resize(1280, 800);
  window_->show();
  QVERIFY(luthier::test::wait_for_window(window_.get()));
  person_ = std::make_unique<Person>(*window_);
  QVERIFY(window_->workspace().set_field("output_dir", desk_.run("first").toStdString()).ok());
  window_->show_page(PageId::Lab);
}

void TestLabPage::a_mask_is_read_by_mouse_and_keys() {
  MaskView mask;
  mask.resize(127, 127);
  mask.set_row(small_row());
  QSignalSpy chose(&mask, &MaskView::chose);
  QTest::mouseClick(&mask, Qt::LeftButton, {}, QPoint(20, 60));
  QCOMPARE(mask.chosen(), std::optional<std::size_t>(1));
  QTest::keyClick(&mask, Qt::Key_Down);
  QCOMPARE(mask.chosen(), std::optional<std::size_t>(2));
  QTest::keyClick(&mask, Qt::Key_Down);
  QCOMPARE(mask.chosen(), std::optional<std::size_t>(2));
  QTest::keyClick(&mask, Qt::Key_Escape);
  QVERIFY(!mask.chosen());
  QCOMPARE(chose.size(), 3);
  QCOMPARE(chose.last().first().toInt(), -1);
  // The upper right is empty, the lower left is not.
  const QImage picture = mask.grab().toImage();
  QCOMPARE(picture.pixelColor(100, 25), colours().field);
  QVERIFY(picture.pixelColor(25, 100) != colours().field);
  QVERIFY(mask.accessibleDescription().contains(QStringLiteral("6 of 9")));
}

void TestLabPage::tokens_say_what_is_right() {
  LookRow row = small_row();
  TokenStrip strip;
  strip.set_row(row, false);
  QCOMPARE(strip.accessibleName(), QStringLiteral("the red circle"));
  row.tokens[1].guess = "green";
  row.tokens[1].sureness = 0.5;
  strip.set_row(row, true);
  QCOMPARE(strip.accessibleName(), QStringLiteral("the ✗ green circle"));
  row.tokens[1].guess = "blue";
  strip.set_row(row, true);
  QCOMPARE(strip.accessibleName(), QStringLiteral("the blue circle"));
  QVERIFY(strip.heightForWidth(70) > strip.heightForWidth(400));
}

void TestLabPage::the_map_has_every_card() {
  for (const LabCard& card : lab_cards()) {
    auto* chip =
        person_->find<CardChip>(QStringLiteral("card_") + QString::fromStdString(card.key));
    QVERIFY(chip->isVisible());
    QVERIFY(!chip->accessibleName().isEmpty());
  }
  QCOMPARE(open(0)->card.key, lab_cards().front().key);
  auto* first = person_->find<CardChip>("card_" + QString::fromStdString(lab_cards()[0].key));
  first->setFocus();
  QTest::keyClick(first, Qt::Key_Right);
  QTest::keyClick(window_->focusWidget(), Qt::Key_Space);
  QVERIFY(person_->click("card_masked-words"));
  QCOMPARE(open(0)->card.key, std::string("masked-words"));
}

void TestLabPage::a_batch_is_looked_at_before_training() {
  WAIT_UNTIL(open(0)->before != nullptr);
  auto* mask = person_->find<MaskView>("cardMask0");
  auto* strip = person_->find<TokenStrip>("cardBatch0");
  WAIT_UNTIL(mask->isVisible() && strip->isVisible());
  const QString first = strip->accessibleName();
  QVERIFY(first.contains(QStringLiteral("[MASK]")));
  QVERIFY(person_->click("nextCardRow0"));
  QVERIFY(strip->accessibleName() != first);
  mask->setFocus();
  QTest::keyClick(mask, Qt::Key_Right);
  QCOMPARE(mask->chosen(), std::optional<std::size_t>(0));
}

void TestLabPage::two_cards_train_beside_one_another() {
  Workspace& workspace = window_->workspace();
  const QString own = path_text(*teaching_base());
  workspace.load_model(own);
  WAIT_UNTIL(workspace.state() == SessionState::Ready && workspace.model());
  beside(QStringLiteral("contrast"));
  QVERIFY(open(1));
  QCOMPARE(open(1)->card.key, std::string("contrast"));
  QCOMPARE(person_->find<QPushButton>("labTrain")->text().remove('&'),
           QStringLiteral("Train both"));
  set_steps(3);
  QVERIFY(train());
  QVERIFY(page()->runs().going());
  QVERIFY(!person_->find<QPushButton>("labTrain")->isVisible());
  WAIT_UNTIL(!page()->runs().going());
  for (std::size_t place = 0; place < 2; ++place) {
    QVERIFY2(!open(place)->error, open(place)->error ? open(place)->error->sentence().c_str() : "");
    QVERIFY(open(place)->state == OpenCard::State::Finished);
    QCOMPARE(open(place)->total, std::int64_t{3});
    QVERIFY(open(place)->value());
    WAIT_UNTIL(open(place)->after != nullptr);
  }
  // The same scenes, as many rows.
  QCOMPARE(open(0)->order.seed, open(1)->order.seed);
  QCOMPARE(open(0)->order.steps, open(1)->order.steps);
  // What came of it is what is shown.
  WAIT_UNTIL(person_->find<MatrixView>("cardMatrix1")->isVisible());
  QVERIFY(person_->find<TokenStrip>("cardTold0")->isVisible());
  QVERIFY(!person_->find<MatrixView>("cardMatrix0")->isVisible());
  QVERIFY(person_->find<QLabel>("cardFigure0")->text().contains(QStringLiteral("words restored")));
  // A person's own model is back.
  WAIT_UNTIL(workspace.model() && path_text(workspace.model()->summary.folder) == own &&
             workspace.state() == SessionState::Ready);
}

void TestLabPage::pictures_and_texts_are_compared() {
  Workspace& workspace = window_->workspace();
  const std::filesystem::path card = open(1)->folder, model = card / "run" / "model";
  const auto stands = [&](const std::filesystem::path& folder) {
    return workspace.state() == SessionState::Ready && workspace.model() &&
           workspace.model()->summary.folder == folder;
  };
  const std::filesystem::path before = workspace.model()->summary.folder;
  workspace.load_model(path_text(model));
  WAIT_UNTIL(stands(model));
  QVERIFY(person_->choose("labTools", "labLikeness"));
  auto* window = window_->findChild<LikenessWindow*>();
  QVERIFY(window && window->isVisible());
  auto* table = person_->find<QTableWidget>("likenessTable");
  auto* note = person_->find<QLabel>("likenessNote");
  auto* way = person_->find<QComboBox>("likenessWay");
  person_->find<QLineEdit>("likenessRows")->setText(path_text(card / "heldout.jsonl"));
  QVERIFY(person_->click("likenessMeasure"));
  WAIT_UNTIL(table->rowCount() == 64);
  QVERIFY(!table->isColumnHidden(3));
  const QString recall = person_->find<QLabel>("likenessRecall")->text();
  QVERIFY2(recall.contains(QStringLiteral("among 5:")) && recall.contains(QStringLiteral("192")),
           qPrintable(recall));
  QVERIFY(!note->isVisible());
  // Pictures and texts of one's own: shares of the texts.
  way->setCurrentIndex(1);
  emit way->activated(1);
  QVERIFY(!person_->find<QPushButton>("likenessMeasure")->isEnabled());
  window->set_pictures({path_text(card / "pictures" / "heldout-00000.png"),
                        path_text(card / "pictures" / "heldout-00001.png")});
  person_->find<QPlainTextEdit>("likenessTexts")->setPlainText(QStringLiteral("red\nblue\n\n"));
  person_->find<QLineEdit>("likenessPattern")->setText(QStringLiteral("the circle"));
  // The end of the request before may still be on its way.
  WAIT_UNTIL(person_->find<QPushButton>("likenessMeasure")->isEnabled());
  QVERIFY(person_->click("likenessMeasure"));
  QVERIFY(note->text().contains(QStringLiteral("{}")));
  person_->find<QLineEdit>("likenessPattern")->setText(QStringLiteral("the {} circle"));
  QVERIFY(person_->click("likenessMeasure"));
  WAIT_UNTIL(table->rowCount() == 2);
  QVERIFY(table->isColumnHidden(3));
  QVERIFY(table->item(0, 1)->text().startsWith(QStringLiteral("the ")));
  // A model that answers is refused by a sentence, and what stood stays.
  workspace.load_model(path_text(before));
  WAIT_UNTIL(stands(before));
  QVERIFY(person_->click("likenessMeasure"));
  WAIT_UNTIL(note->isVisible() && note->text().contains(QStringLiteral("one space")));
  QCOMPARE(table->rowCount(), 2);
  window->close();
}

void TestLabPage::a_card_of_stages_trains() {
  beside({});
  QVERIFY(!open(1));
  QVERIFY(person_->click("card_projector"));
  set_steps(4);
  QVERIFY(train());
  WAIT_UNTIL(!page()->runs().going());
  QVERIFY2(!open(0)->error, open(0)->error ? open(0)->error->sentence().c_str() : "");
  QVERIFY(open(0)->state == OpenCard::State::Finished);
  QCOMPARE(open(0)->total, std::int64_t{4});
  WAIT_UNTIL(open(0)->after != nullptr);
  QVERIFY(person_->find<QLabel>("cardSaid0")->isVisible());
}

void TestLabPage::a_run_is_stopped() {
  QVERIFY(person_->click("card_next-word"));
  set_steps(100'000);
  QVERIFY(train());
  WAIT_UNTIL(open(0)->step > 0);
  QVERIFY(person_->click("labStop"));
  WAIT_UNTIL(!page()->runs().going());
  QVERIFY(open(0)->state == OpenCard::State::Stopped);
}

void TestLabPage::what_was_trained_is_found_again() {
  QVERIFY(person_->click("card_masked-words"));
  WAIT_UNTIL(open(0)->state == OpenCard::State::Finished);
  WAIT_UNTIL(open(0)->after != nullptr);
  QCOMPARE(open(0)->total, std::int64_t{3});
  QVERIFY(page()->runs().best_of("masked-words"));
}

void TestLabPage::in_korean_nothing_is_english() {
  QVERIFY(person_->choose("settingsButton", "language_ko"));
  static const QRegularExpression english(QStringLiteral("[a-z]{3,} [a-z]{2,} [a-z]{3,}"));
  const auto* panel = person_->find<CardPanel>("cardPanel0");
  for (const LabCard& card : lab_cards()) {
    QVERIFY(person_->click(QStringLiteral("card_") + QString::fromStdString(card.key)));
    QTest::qWait(10);
    for (const QLabel* label : page()->findChildren<QLabel*>()) {
      if (!label->isVisible() || !panel->isAncestorOf(label)) continue;
      QVERIFY2(!english.match(label->text()).hasMatch(), qPrintable(label->text()));
    }
    for (const std::string& words : {card.title, card.learns, card.look, card.figure_is})
      QVERIFY2(lab_text(words) != QString::fromStdString(words), words.c_str());
  }
  QVERIFY(person_->choose("settingsButton", "language_en"));
}

void TestLabPage::cleanupTestCase() { window_.reset(); }

QTEST_MAIN(TestLabPage)
#include "test_lab_page.moc"

// SPDX-License-Identifier: GPL-3.0-or-later
// Looking closer on the Compare page: one answer under every column, where a column looked when it
// came to a token, a strength that is moved, a question of one's own, the table, blind judgement,
// and a comparison that is kept with its run and comes back.
#include "engine/compare/kept_comparison.h"
#include "engine/compare/scores.h"
#include "tests/ui/form_desk.h"
#include "ui/compare/answer_inspector.h"
#include "ui/compare/answer_table.h"
#include "ui/compare/attention_view.h"
#include "ui/compare/blind_view.h"
#include "ui/compare/compare_page.h"
#include "ui/compare/heat_strip.h"
#include "ui/compare/kept_menu.h"
#include "ui/compare/live_comparison.h"

using namespace luthier;
using namespace luthier::test;

class TestCompareViews : public QObject, private FormDesk {
  Q_OBJECT

 private slots:
  void initTestCase() { open(); }
  void a_run_leaves_an_adapter();
  void every_column_scores_an_answer();
  void a_token_shows_where_it_looked();
  void the_expected_answer_is_scored_too();
  void a_strength_that_is_moved_asks_again();
  void a_question_of_ones_own();
  void the_table_sorts_and_filters();
  void a_pattern_says_what_is_right();
  void answers_are_judged_blind();
  void a_comparison_is_kept_and_comes_back();
  void words_are_korean_where_asked();
  void cleanupTestCase() { close(); }

 private:
  ComparePage& page() { return *static_cast<ComparePage*>(window_->page(PageId::Compare)); }
  LiveComparison& live() { return *page().findChild<LiveComparison*>(); }
  const Comparison& data() { return live().data(); }
  AnswerInspector& inspector() { return *page().findChild<AnswerInspector*>(); }
  bool wait_done() {
    auto* run_all = person_->find<QPushButton>("runAll");
    return wait_for(
        [&] { return !live().running() && run_all->isVisible() && run_all->isEnabled(); });
  }
  QWidget* cell(int row, int column) {
    return page().findChild<QWidget*>(QStringLiteral("answer_%1_%2").arg(row).arg(column));
  }
};

void TestCompareViews::a_run_leaves_an_adapter() {
  Recipe recipe = base();
  recipe.dataset = {few_rows(desk_, "korean", 4, QStringLiteral("rows.jsonl")).toStdString()};
  recipe.output_dir = desk_.run("korean").toStdString();
  for (const auto& [key, value] : std::vector<std::pair<std::string, std::string>>{
           {"training.max_steps", "3"},
           {"training.learning_rate", "0.02"},
           {"training.gradient_accumulation_steps", "1"},
           {"training.device", "cpu"}})
    QVERIFY2(set_field(recipe, key, value).ok(), key.c_str());
  workspace().replace_recipe(recipe);
  QVERIFY(person_->click("launchButton"));
  WAIT_UNTIL(workspace().run() && workspace().run()->ended);
  QCOMPARE(workspace().run()->end_state, std::string("finished"));
  WAIT_UNTIL(workspace().state() == SessionState::Ready);
  QTest::keyClick(window_.get(), Qt::Key_4, Qt::ControlModifier);
  page().load_samples(few_rows(desk_, "korean", 4, QStringLiteral("held.jsonl")), 4);
  WAIT_UNTIL_EQUAL(data().rows.size(), std::size_t(4));
  workspace().attach_adapter(desk_.run("korean"));
  WAIT_UNTIL_EQUAL(data().columns.size(), std::size_t(2));
  person_->find<QSpinBox>("maxTokens")->setValue(12);
  QVERIFY(person_->click("runAll"));
  QVERIFY(wait_done());
  QCOMPARE(live().missing(), std::size_t(0));
  for (const char* key : {"rouge_l", "bleu", "anls", "chrf", "cider"})
    QVERIFY2(column_scores(data(), 0).contains(key), key);
  QVERIFY(person_->text("scores_0").contains(QStringLiteral("ROUGE-L")) &&
          person_->text("scores_0").contains(QStringLiteral("CIDEr-D")));
}

void TestCompareViews::every_column_scores_an_answer() {
  auto* score = cell(0, 0)->findChild<QToolButton*>("scoreAnswer");
  QVERIFY(score->isVisible() && score->accessibleName().contains(QStringLiteral("base")));
  QTest::mouseClick(score, Qt::LeftButton);
  QVERIFY(inspector().isVisible());
  WAIT_UNTIL(inspector().shown().has_value());
  const ScoredAnswer& scored = *inspector().shown();
  const ComparisonAnswer& own = data().rows[0].answers[0];
  QCOMPARE(scored.tokens.size(), own.tokens.size());
  QCOMPARE(scored.columns.size(), std::size_t(2));
  // What the base made of it in one pass is what it had made a token at a time.
  for (std::size_t i = 0; i < own.tokens.size(); ++i) {
    QCOMPARE(scored.tokens[i].id, own.tokens[i].id);
    QVERIFY(std::abs(std::exp(scored.columns[0].tokens[i].logprob) -
                     std::exp(own.tokens[i].logprob)) < 1e-4);
    QCOMPARE(scored.columns[0].tokens[i].divergence, 0.0);
    QVERIFY(scored.columns[1].tokens[i].divergence > 0);
  }
  QVERIFY(!scored.columns[0].first_other(scored.tokens));  // it was greedy
  auto* strip = inspector().findChild<HeatStrip*>("strip_1");
  QVERIFY(strip && strip->cells().size() == own.tokens.size());
  const double before = strip->cells()[0].depth;
  person_->find<QComboBox>("scoreFigure")->setCurrentIndex(1);
  strip = inspector().findChild<HeatStrip*>("strip_1");
  WAIT_UNTIL(inspector().findChildren<HeatStrip*>().size() >= 2);
  QVERIFY(data().rows[0].scored.size() == 1 && before >= 0);
}

void TestCompareViews::a_token_shows_where_it_looked() {
  auto* picture = inspector().findChild<AttentionPicture*>();
  HeatStrip* strip = nullptr;
  for (HeatStrip* each : inspector().findChildren<HeatStrip*>("strip_0"))
    if (each->isVisible()) strip = each;
  QVERIFY(strip);
  QTest::mouseClick(strip, Qt::LeftButton, {}, strip->rect_of(1).center());
  QCOMPARE(strip->chosen(), std::optional<std::size_t>(1));
  WAIT_UNTIL(!picture->shares().empty());
  double sum = 0;
  for (const double share : picture->shares()) {
    QVERIFY(share >= 0);
    sum += share;
  }
  QVERIFY(sum > 0 && sum < 1.0001);
  auto* note = person_->find<QLabel>("attentionNote");
  QVERIFY(note->text().contains(QStringLiteral("of the attention on the picture")));
  WAIT_UNTIL(!picture->picture_rect().isEmpty());
  QVERIFY(picture->picture_rect().contains(picture->cell_rect(0).center()));
  // One head of one layer is another picture, and so is what an adapter changes.
  const std::vector<double> mean = picture->shares();
  QVERIFY(person_->find<QComboBox>("attentionLayer")->count() > 2);
  person_->find<QComboBox>("attentionLayer")->setCurrentIndex(1);
  person_->find<QComboBox>("attentionHead")->setCurrentIndex(1);
  QVERIFY(picture->shares() != mean);
  person_->find<QComboBox>("attentionMinus")->setCurrentIndex(2);
  QVERIFY(std::any_of(picture->shares().begin(), picture->shares().end(),
                      [](double share) { return share < 0; }));
  // The keys go from token to token.
  strip->setFocus();
  QTest::keyClick(strip, Qt::Key_Right);
  QCOMPARE(strip->chosen(), std::optional<std::size_t>(2));
  WAIT_UNTIL(!picture->shares().empty());
  QVERIFY(person_->click("closeInspector"));
  QVERIFY(!inspector().isVisible());
}

void TestCompareViews::the_expected_answer_is_scored_too() {
  auto* score = page().findChild<QToolButton*>("scoreExpected");
  QVERIFY(score && score->isVisible());
  QTest::mouseClick(score, Qt::LeftButton);
  WAIT_UNTIL(inspector().shown().has_value());
  QCOMPARE(inspector().shown()->of, std::string(kExpectedAnswer));
  QCOMPARE(QString::fromStdString(inspector().shown()->text).trimmed(),
           QString::fromStdString(*data().rows[0].sample.expected()).trimmed());
  // A click on a word of an answer shows where its token looked.
  auto* text = cell(1, 1)->findChild<QLabel*>("answerText");
  emit text->linkActivated(QStringLiteral("0"));
  WAIT_UNTIL(inspector().shown() && inspector().shown()->of == "korean");
  auto* picture = inspector().findChild<AttentionPicture*>();
  WAIT_UNTIL(!picture->shares().empty());
}

void TestCompareViews::a_strength_that_is_moved_asks_again() {
  auto* slider = page().findChild<QSlider*>("strength_korean");
  QVERIFY(slider);
  const std::string before = data().rows[0].answers[1].text;
  slider->setValue(0);
  WAIT_UNTIL_EQUAL(data().columns[1].strength, 0.0);
  // The old answer stands there, faintly, until the new one begins.
  QVERIFY(live().fading(0, 1) || data().rows[0].answers[1].begun());
  QVERIFY(!inspector().isVisible());  // its figures were of another strength
  QVERIFY(wait_done());
  QCOMPARE(live().missing(), std::size_t(0));
  QVERIFY(!live().fading(0, 1));
  for (const ComparisonRow& row : data().rows) QCOMPARE(row.answers[1].text, row.answers[0].text);
  slider = page().findChild<QSlider*>("strength_korean");
  slider->setValue(50);
  WAIT_UNTIL_EQUAL(data().columns[1].strength, 0.5);
  QVERIFY(wait_done());
  QCOMPARE(live().missing(), std::size_t(0));
}

void TestCompareViews::a_question_of_ones_own() {
  QVERIFY(person_->click("ownToggle"));
  auto* ask = person_->find<QPushButton>("ownAdd");
  QVERIFY(!ask->isEnabled());
  QImage image(40, 30, QImage::Format_RGB32);
  image.fill(Qt::red);
  QApplication::clipboard()->setImage(image);
  auto* question = person_->find<QLineEdit>("ownQuestion");
  question->setFocus();
  QTest::keyClick(question, Qt::Key_V, Qt::ControlModifier);
  QTest::keyClicks(question, QStringLiteral("What is it?"));
  QTest::keyClick(question, Qt::Key_Return);  // the picture is still being packed
  QVERIFY(!ask->isEnabled() && question->text() == QStringLiteral("What is it?"));
  WAIT_UNTIL(person_->find<QLabel>("ownPicture")->isVisible());
  QVERIFY(ask->isEnabled());
  QTest::keyClick(question, Qt::Key_Return);
  WAIT_UNTIL_EQUAL(data().rows.size(), std::size_t(5));
  QCOMPARE(data().rows[4].sample.question(), std::string("What is it?"));
  QCOMPARE(data().rows[4].sample.pictures().size(), std::size_t(1));
  QVERIFY(QFile::exists(path_text(data().rows[4].sample.pictures()[0])));
  QVERIFY(wait_done());
  QVERIFY(data().rows[4].answers[0].whole() && data().rows[4].answers[1].whole());
  // Dropped as a file, it is that file.
  const QString file = desk_.folder.filePath(QStringLiteral("dropped.png"));
  QVERIFY(image.save(file));
  QMimeData mime;
  mime.setUrls({QUrl::fromLocalFile(file)});
  QDragEnterEvent enter(QPoint(50, 50), Qt::CopyAction, &mime, Qt::LeftButton, Qt::NoModifier);
  QCoreApplication::sendEvent(&page(), &enter);
  QVERIFY(enter.isAccepted());
  QDropEvent drop(QPointF(50, 50), Qt::CopyAction, &mime, Qt::LeftButton, Qt::NoModifier);
  QCoreApplication::sendEvent(&page(), &drop);
  QCOMPARE(person_->find<QLabel>("ownPicture")->toolTip(), file);
  QVERIFY(person_->click("ownWithout"));
  QVERIFY(!person_->find<QLabel>("ownPicture")->isVisible());
}

void TestCompareViews::the_table_sorts_and_filters() {
  QVERIFY(person_->click("viewTable"));
  auto* view = person_->find<QTableView>("answerTable");
  QVERIFY(view->isVisible());
  QCOMPARE(view->model()->rowCount(), 5);
  QCOMPARE(view->model()->columnCount(), 3 + 2 * 2);
  auto* filter = person_->find<QComboBox>("tableFilter");
  filter->setCurrentIndex(1);  // columns differ
  int differ = 0;
  for (const ComparisonRow& row : data().rows) differ += row.answers[0].text != row.answers[1].text;
  QCOMPARE(view->model()->rowCount(), differ);
  filter->setCurrentIndex(5);  // only the adapter is wrong
  int only = 0;
  for (const ComparisonRow& row : data().rows)
    only += answer_is_right(row.answers[1]) == false && answer_is_right(row.answers[0]) == true;
  QCOMPARE(view->model()->rowCount(), only);
  filter->setCurrentIndex(2);
  int wrong = 0;
  for (const ComparisonRow& row : data().rows)
    wrong += answer_is_right(row.answers[0]) == false || answer_is_right(row.answers[1]) == false;
  QCOMPARE(view->model()->rowCount(), wrong);
  filter->setCurrentIndex(0);
  auto* measure = person_->find<QComboBox>("tableMeasure");
  measure->setCurrentIndex(measure->findData(QStringLiteral("chrf")));
  view->sortByColumn(4, Qt::DescendingOrder);
  double last = 2;
  for (int row = 0; row < view->model()->rowCount(); ++row) {
    const double score = view->model()->index(row, 4).data(AnswerModel::kSortRole).toDouble();
    QVERIFY(score <= last);
    last = score;
  }
  person_->type("tableSearch", QStringLiteral("what is IT?"));
  QCOMPARE(view->model()->rowCount(), 1);
  QVERIFY(person_->text("tableCount").contains(QStringLiteral("1 of 5")));
  emit view->activated(view->model()->index(0, 1));
  QVERIFY(cell(4, 0) && cell(4, 0)->isVisible());
  QVERIFY(person_->click("viewTable"));
  person_->find<QLineEdit>("tableSearch")->clear();
  QVERIFY(person_->click("viewGrid"));
}

void TestCompareViews::a_pattern_says_what_is_right() {
  person_->type("answerPattern", QStringLiteral("["));
  auto* banner = page().findChild<QLabel*>("bannerText");
  WAIT_UNTIL(banner->isVisible() && banner->text().contains(QStringLiteral("pattern")));
  person_->type("answerPattern", QStringLiteral("."));
  QVERIFY(data().rows[4].answers[0].scores.contains("pattern"));
  WAIT_UNTIL(person_->text("scores_0").contains(QStringLiteral("pattern ")));
  auto* pattern = person_->find<QLineEdit>("answerPattern");
  pattern->clear();
  QTest::keyClick(pattern, Qt::Key_Return);
  QVERIFY(!data().rows[4].answers[0].scores.contains("pattern"));
}

void TestCompareViews::answers_are_judged_blind() {
  QVERIFY(person_->click("viewBlind"));
  auto* blind = person_->find<BlindView>("blindView");
  QVERIFY(blind->isVisible() && blind->row() == std::size_t(0));
  QVERIFY(!person_->find<QPushButton>("blindReveal")->isEnabled());
  for (QLabel* label : blind->findChildren<QLabel*>())
    QVERIFY(!label->isVisible() || !label->text().contains(QStringLiteral("korean")));
  const std::size_t first = blind->order().front();
  QTest::keyClick(blind, Qt::Key_1);
  QCOMPARE(data().votes.size(), std::size_t(1));
  QCOMPARE(data().votes[0].column, data().columns[first].name);
  QCOMPARE(blind->row(), std::optional<std::size_t>(1));
  QTest::keyClick(blind, Qt::Key_0);  // none is better
  QCOMPARE(data().votes[1].column, std::string());
  QTest::keyClick(blind, Qt::Key_Right);  // skipped
  QCOMPARE(blind->row(), std::optional<std::size_t>(3));
  QVERIFY(person_->click("blindBest_1"));
  QTest::keyClick(blind, Qt::Key_2);  // the last; what was skipped comes back
  QCOMPARE(data().votes.size(), std::size_t(4));
  QCOMPARE(blind->row(), std::optional<std::size_t>(2));
  QVERIFY(!blind->revealed());
  QTest::keyClick(blind, Qt::Key_1);
  QVERIFY(blind->revealed());  // all are judged
  auto* rates = person_->find<QTableWidget>("blindRates");
  QVERIFY(rates->isVisible() && rates->rowCount() == 2);
  double wins = 0;
  for (const WinRate& rate : win_rates(data())) wins += rate.wins;
  QCOMPARE(wins, 5.0);
  QVERIFY(rates->item(0, 2)->text().contains(QStringLiteral("to")));
  QTest::keyClick(blind, Qt::Key_Escape);
  QVERIFY(!blind->isVisible());
}

void TestCompareViews::a_comparison_is_kept_and_comes_back() {
  QSignalSpy kept(&page().kept(), &KeptMenu::kept);
  QVERIFY(person_->choose("keepMenu", "keepComparison"));
  WAIT_UNTIL_EQUAL(kept.count(), 1);
  const QString file = kept[0][0].toString();
  QVERIFY(file.startsWith(desk_.run("korean")));
  const Comparison before = data();
  // All of it goes: the adapter, the samples, the settings.
  workspace().session().drop_adapter("korean");
  WAIT_UNTIL_EQUAL(data().columns.size(), std::size_t(1));
  page().load_samples(few_rows(desk_, "korean", 2, QStringLiteral("others.jsonl")), 2);
  WAIT_UNTIL_EQUAL(data().rows.size(), std::size_t(2));
  person_->find<QSpinBox>("maxTokens")->setValue(3);
  QSignalSpy opened(&page().kept(), &KeptMenu::opened);
  page().kept().open(file);
  WAIT_UNTIL_EQUAL(opened.count(), 1);
  QVERIFY(opened[0][1].toStringList().isEmpty());
  QCOMPARE(data().columns.size(), std::size_t(2));
  QCOMPARE(data().columns[1].strength, 0.5);
  QCOMPARE(data().rows.size(), before.rows.size());
  QCOMPARE(data().votes, before.votes);
  QCOMPARE(person_->find<QSpinBox>("maxTokens")->value(), 12);
  for (std::size_t r = 0; r < before.rows.size(); ++r)
    for (std::size_t c = 0; c < 2; ++c)
      QCOMPARE(data().rows[r].answers[c].text, before.rows[r].answers[c].text);
  QCOMPARE(live().missing(), std::size_t(0));
  // Asked again it says the same: strength and samples are what they were.
  live().forget_all();
  QVERIFY(person_->click("runAll"));
  QVERIFY(wait_done());
  for (std::size_t r = 0; r < before.rows.size(); ++r)
    QCOMPARE(data().rows[r].answers[1].text, before.rows[r].answers[1].text);
}

void TestCompareViews::words_are_korean_where_asked() {
  Language::instance().choose(QStringLiteral("ko"));
  QCoreApplication::sendPostedEvents();
  const auto back = qScopeGuard([] { Language::instance().choose(QStringLiteral("en")); });
  static const QRegularExpression english(QStringLiteral("[a-z]{3,} [a-z]{2,} [a-z]{3,}"));
  for (const char* view : {"viewTable", "viewBlind", "viewGrid"}) {
    QVERIFY(person_->click(view));
    for (const QAbstractButton* button : page().findChildren<QAbstractButton*>())
      if (button->isVisible())
        QVERIFY2(!english.match(button->text()).hasMatch() &&
                     !english.match(button->toolTip()).hasMatch(),
                 qPrintable(button->objectName() + button->text() + button->toolTip()));
    for (const QComboBox* box : page().findChildren<QComboBox*>())
      for (int i = 0; i < box->count(); ++i)
        QVERIFY2(!english.match(box->itemText(i)).hasMatch(), qPrintable(box->itemText(i)));
  }
}

QTEST_MAIN(TestCompareViews)
#include "test_compare_views.moc"

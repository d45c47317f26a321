// SPDX-License-Identifier: GPL-3.0-or-later
// The Compare page as a person uses it: a whole checkpoint beside the base, a comparison that is
// cancelled and gone on with, what asking again does, what changing a setting drops, a token under
// the mouse, what is written; and the status line, which keeps no figures of another model's run.
#include "engine/io/json.h"
#include "tests/ui/driver.h"
#include "ui/compare/compare_grid.h"
#include "ui/compare/compare_page.h"
#include "ui/compare/live_comparison.h"

using namespace luthier;
using luthier::test::Desk;
using luthier::test::Person;

class TestComparePage : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase();
  void a_whole_checkpoint_is_a_column();
  void samples_are_turned_a_page_at_a_time();
  void a_cancelled_comparison_is_gone_on_with();
  void asking_again_says_what_it_does();
  void a_setting_drops_what_it_changes_alone();
  void a_token_under_the_mouse();
  void words_follow_the_language();
  void figures_of_a_run_stay_with_its_model();
  void cleanupTestCase();

 private:
  LiveComparison& live() { return *window_->page(PageId::Compare)->findChild<LiveComparison*>(); }
  const Comparison& data() { return live().data(); }
  bool wait_done() {
    auto* run_all = person_->find<QPushButton>("runAll");
    return luthier::test::wait_for(
        [&] { return !live().running() && run_all->isVisible() && run_all->isEnabled(); });
  }

  Desk desk_;
  std::unique_ptr<MainWindow> window_;
  std::unique_ptr<Person> person_;
};

void TestComparePage::initTestCase() {
  window_ = std::make_unique<MainWindow>();
  window_->resize(1280, 800);
  window_->show();
  QVERIFY(luthier::test::wait_for_window(window_.get()));
  person_ = std::make_unique<Person>(*window_);
  QVERIFY(luthier::test::load_teaching(*window_, *person_));
}

void TestComparePage::a_whole_checkpoint_is_a_column() {
  QTest::keyClick(window_.get(), Qt::Key_4, Qt::ControlModifier);
  auto* run_all = person_->find<QPushButton>("runAll");
  QVERIFY(!run_all->isEnabled() && run_all->toolTip().contains(QStringLiteral("samples")));
  auto* page = static_cast<ComparePage*>(window_->page(PageId::Compare));
  page->load_samples(luthier::test::few_rows(desk_, "korean", 40, QStringLiteral("held.jsonl")),
                     30);
  WAIT_UNTIL_EQUAL(data().rows.size(), std::size_t(30));
  // The base's own folder: beside itself it must answer alike. Its name is not "base", which is
  // taken.
  const auto folder = window_->workspace().model()->summary.folder;
  const QString own = desk_.folder.filePath(QStringLiteral("base"));
  QVERIFY(QFile::link(path_text(std::filesystem::absolute(folder)), own));
  window_->workspace().attach_adapter(own);
  WAIT_UNTIL_EQUAL(data().columns.size(), std::size_t(2));
  QVERIFY(data().columns[1].whole && data().columns[1].bytes > 0 &&
          data().columns[1].name != "base");
  const QString name = QString::fromStdString(data().columns[1].name);
  QVERIFY(!window_->findChild<QSlider*>("strength_" + name));
}

void TestComparePage::samples_are_turned_a_page_at_a_time() {
  auto* previous = person_->find<QToolButton>("previousSamples");
  auto* next = person_->find<QToolButton>("nextSamples");
  auto* grid = window_->findChild<CompareGrid*>();
  QCOMPARE(person_->text("placeSamples"), QStringLiteral("1–8 of 30"));
  QVERIFY(previous->isVisible() && !previous->isEnabled() && next->isEnabled());
  for (const char* place : {"9–16 of 30", "17–24 of 30", "25–30 of 30"}) {
    QVERIFY(person_->click("nextSamples"));
    QCOMPARE(person_->text("placeSamples"), QString::fromUtf8(place));
  }
  QCOMPARE(grid->page(), std::size_t(3));
  QVERIFY(previous->isEnabled() && !next->isEnabled());
  {
    Language::instance().choose(QStringLiteral("ko"));
    const auto back = qScopeGuard([] { Language::instance().choose(QStringLiteral("en")); });
    WAIT_UNTIL_EQUAL(person_->text("placeSamples"), QString::fromUtf8("30개 중 25–30"));
    QCOMPARE(next->accessibleName(), QString::fromUtf8("다음 샘플"));
  }
  WAIT_UNTIL_EQUAL(person_->text("placeSamples"), QStringLiteral("25–30 of 30"));
  for (int page = 3; page > 0; --page) QVERIFY(person_->click("previousSamples"));
  QVERIFY(!previous->isEnabled());
  QCOMPARE(person_->text("placeSamples"), QStringLiteral("1–8 of 30"));
  QCOMPARE(grid->page(), std::size_t(0));
}

void TestComparePage::a_cancelled_comparison_is_gone_on_with() {
  QVERIFY(person_->click("runAll"));
  WAIT_UNTIL(data().answered() > 0 || !live().running());
  const bool cancelled = live().running() && person_->click("cancelCompare");
  QVERIFY(wait_done());
  const std::size_t all = data().rows.size() * 2, before = data().answered();
  QVERIFY(before > 0);
  if (cancelled && before < all) {
    QCOMPARE(live().missing(), all - before);
    for (const ComparisonRow& row : data().rows)
      for (const ComparisonAnswer& answer : row.answers)
        QVERIFY(answer.whole() || (!answer.begun() && answer.scores.empty()));
    // The score is of those that were asked.
    const std::size_t asked = data().answered(0);
    if (asked > 0) QVERIFY(person_->text("score_0").endsWith(QStringLiteral("of %1").arg(asked)));
    QVERIFY(data().answered(1) > 0 || person_->text("score_1") == QStringLiteral("–"));
    QVERIFY(person_->click("runAll"));
    QVERIFY(wait_done());
  }
  QCOMPARE(data().answered(), all);
  QVERIFY(person_->text("score_1").endsWith(QStringLiteral("of 30")));
  QVERIFY(person_->text("scores_1").contains(QStringLiteral("chrF")));
  for (const ComparisonRow& row : data().rows) QCOMPARE(row.answers[1].text, row.answers[0].text);
}

void TestComparePage::asking_again_says_what_it_does() {
  QVERIFY(person_->click("runAll"));
  QVERIFY(!live().running());
  auto* banner = window_->page(PageId::Compare)->findChild<QLabel*>("bannerText");
  WAIT_UNTIL(banner->isVisible() && banner->text().contains(QStringLiteral("60")));
  auto* again = window_->page(PageId::Compare)->findChild<QPushButton*>("bannerAction");
  QTest::mouseClick(again, Qt::LeftButton);
  QVERIFY(live().running());
  QVERIFY(wait_done());
  QCOMPARE(live().missing(), std::size_t(0));
}

void TestComparePage::a_setting_drops_what_it_changes_alone() {
  auto* seed = person_->find<QSpinBox>("seed");
  seed->setValue(7);  // nothing is drawn: the answers stand
  QCOMPARE(live().missing(), std::size_t(0));
  QCOMPARE(data().options.seed, std::uint64_t(7));
  auto* most = person_->find<QSpinBox>("maxTokens");
  most->setValue(65);  // answers that came to their end stand
  for (const ComparisonRow& row : data().rows)
    for (const ComparisonAnswer& answer : row.answers) QVERIFY(answer.finish != "length");
  most->setValue(1);
  QVERIFY(live().missing() > 0);
  most->setValue(64);
  // Leaving the number of samples as it is reads nothing again; more samples keep the answers of
  // those that stay.
  QVERIFY(person_->click("runAll"));
  QVERIFY(wait_done());
  auto* count = person_->find<QSpinBox>("sampleCount");
  count->setFocus();
  QTest::keyClick(count, Qt::Key_Return);
  QTest::qWait(200);
  QCOMPARE(live().missing(), std::size_t(0));
  count->setValue(32);
  QTest::keyClick(count, Qt::Key_Return);
  WAIT_UNTIL_EQUAL(data().rows.size(), std::size_t(32));
  QCOMPARE(live().missing(), std::size_t(4));
  person_->find<QComboBox>("sampling")->setCurrentIndex(1);
  QCOMPARE(data().answered(), std::size_t(0));
  person_->find<QComboBox>("sampling")->setCurrentIndex(0);
  QVERIFY(person_->click("runAll"));
  QVERIFY(wait_done());
}

void TestComparePage::a_token_under_the_mouse() {
  auto* cell = window_->findChild<QWidget*>("answer_0_0");
  QVERIFY(cell);
  auto* text = cell->findChild<QLabel*>("answerText");
  const ComparisonAnswer& answer = data().rows[0].answers[0];
  QVERIFY(answer.tokens.size() > 2);
  // Every token that wrote something is a link, and the mouse over it shows its probability.
  std::size_t wrote = 0;
  for (const AnswerToken& token : answer.tokens) wrote += token.begin < token.end ? 1 : 0;
  QVERIFY(wrote > 2);
  QVERIFY(text->text().count(QStringLiteral("<a href=")) > 2);
  emit text->linkHovered(QStringLiteral("1"));
  WAIT_UNTIL(
      QToolTip::text().contains(QString::number(std::exp(answer.tokens[1].logprob), 'f', 4)));
  emit text->linkHovered(QString());
}

void TestComparePage::words_follow_the_language() {
  Language::instance().choose(QStringLiteral("ko"));
  const auto back = qScopeGuard([] { Language::instance().choose(QStringLiteral("en")); });
  WAIT_UNTIL(person_->text("score_1").startsWith(QStringLiteral("32개 중")));
  static const QRegularExpression english(QStringLiteral("[a-z]{3,} [a-z]{2,} [a-z]{3,}"));
  for (const QLabel* label : window_->page(PageId::Compare)->findChildren<QLabel*>()) {
    const auto asks = [&](const ComparisonRow& row) {
      return row.sample.question() == label->text().toStdString();
    };
    const bool content = label->objectName() == QStringLiteral("answerText") ||
                         std::any_of(data().rows.begin(), data().rows.end(), asks);
    if (label->isVisible() && !content)
      QVERIFY2(!english.match(label->text()).hasMatch(), qPrintable(label->text()));
  }
}

void TestComparePage::figures_of_a_run_stay_with_its_model() {
  Workspace& workspace = window_->workspace();
  auto *memory = person_->find<QLabel>("memoryLabel"), *speed = person_->find<QLabel>("speedLabel");
  QVERIFY(memory->text().isEmpty() && speed->text().isEmpty());
  RunStarted started{};
  started.recipe = workspace.recipe();
  started.recipe.model = workspace.model()->summary.folder.string();
  emit workspace.bridge().run_started(started);
  started.first_step = 0;
  StepDone step{};
  step.line.step = 1;
  step.line.memory.allocated = 300 << 20;
  step.line.memory.peak = 400 << 20;
  step.line.tokens_per_second = 1234;
  emit workspace.bridge().step_done(step);
  WAIT_UNTIL(memory->text().contains(QStringLiteral("300 MiB")) &&
             speed->text().contains(QStringLiteral("1,234")));
  RunEnded ended{};
  ended.state = "finished";
  emit workspace.bridge().run_ended(ended);
  WAIT_UNTIL(memory->text().contains(QStringLiteral("400 MiB")) &&
             !memory->text().contains(QStringLiteral("300 MiB")));
  // Another model: these are not its figures.
  const QString other = desk_.folder.filePath(QStringLiteral("other"));
  std::filesystem::copy(workspace.model()->summary.folder, to_path(other),
                        std::filesystem::copy_options::recursive);
  workspace.load_model(other);
  WAIT_UNTIL(workspace.model() && workspace.model()->summary.folder == to_path(other) &&
             person_->state() == SessionState::Ready);
  QVERIFY(memory->text().isEmpty() && speed->text().isEmpty());
}

void TestComparePage::cleanupTestCase() {
  person_.reset();
  window_.reset();
}

QTEST_MAIN(TestComparePage)
#include "test_compare.moc"

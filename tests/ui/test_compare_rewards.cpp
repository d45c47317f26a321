// SPDX-License-Identifier: GPL-3.0-or-later
// A reward model on the Compare page: a run leaves one, the page's menu offers it, every answer
// gets its reward, columns their mean and win rate, and what is written says whose word it is.
#include "engine/compare/documents.h"
#include "engine/compare/scores.h"
#include "tests/ui/form_desk.h"
#include "ui/compare/compare_page.h"
#include "ui/compare/live_comparison.h"

using namespace luthier;
using namespace luthier::test;

class TestCompareRewards : public QObject, private FormDesk {
  Q_OBJECT

 private slots:
  void initTestCase() { open(); }
  void a_run_leaves_a_reward_model();
  void answers_get_its_rewards();
  void a_reference_decides_who_wins();
  void a_folder_that_is_none_is_refused();
  void cleanupTestCase() { close(); }

 private:
  LiveComparison& live() { return *window_->page(PageId::Compare)->findChild<LiveComparison*>(); }
  const Comparison& data() { return live().data(); }
  bool wait_done() {
    auto* run_all = person_->find<QPushButton>("runAll");
    return wait_for([&] { return run_all->isVisible() && run_all->isEnabled(); });
  }
  QString held_;  ///< samples
  std::size_t rewarded() {
    std::size_t count = 0;
    for (const ComparisonRow& row : data().rows)
      for (const ComparisonAnswer& answer : row.answers)
        count += answer.scores.contains(kRewardScore);
    return count;
  }
};

void TestCompareRewards::a_run_leaves_a_reward_model() {
  const QString rows = desk_.folder.filePath("pairs.jsonl");
  QFile out(rows);
  QVERIFY(out.open(QIODevice::WriteOnly));
  for (const char* colour : {"red", "green", "blue", "yellow"})
    out.write(QStringLiteral("{\"prompt\": \"Name a colour.\", \"chosen\": \"a %1 circle\", "
                             "\"rejected\": \"%1\"}\n")
                  .arg(QLatin1String(colour))
                  .toUtf8());
  out.close();
  Recipe recipe = base();
  recipe.dataset = {rows.toStdString()};
  recipe.output_dir = desk_.run("judge").toStdString();
  for (const auto& [key, value] : std::vector<std::pair<std::string, std::string>>{
           {"objective", "reward"},
           {"training.max_steps", "2"},
           {"training.gradient_accumulation_steps", "1"},
           {"training.device", "cpu"}})
    QVERIFY2(set_field(recipe, key, value).ok(), key.c_str());
  workspace().replace_recipe(recipe);
  QVERIFY(person_->click("launchButton"));
  WAIT_UNTIL(workspace().run() && workspace().run()->ended);
  QCOMPARE(workspace().run()->end_state, std::string("finished"));
  WAIT_UNTIL(workspace().state() == SessionState::Ready);
}

void TestCompareRewards::answers_get_its_rewards() {
  QTest::keyClick(window_.get(), Qt::Key_4, Qt::ControlModifier);
  auto* page = static_cast<ComparePage*>(window_->page(PageId::Compare));
  held_ = few_rows(desk_, "korean", 6, QStringLiteral("held.jsonl"));
  page->load_samples(held_, 4);
  WAIT_UNTIL_EQUAL(data().rows.size(), std::size_t(4));
  const QString own = desk_.folder.filePath(QStringLiteral("again"));
  QVERIFY(
      QFile::link(path_text(std::filesystem::absolute(workspace().model()->summary.folder)), own));
  workspace().attach_adapter(own);
  WAIT_UNTIL_EQUAL(data().columns.size(), std::size_t(2));
  auto* button = person_->find<QToolButton>("rewardModel");
  QCOMPARE(button->text(), QStringLiteral("Reward model"));

  // Chosen before anything was asked: rewards come behind the answers, by themselves.
  QVERIFY(person_->choose("rewardModel", "judge"));
  QCOMPARE(button->text(), QStringLiteral("Rewards: judge"));
  QCOMPARE(rewarded(), std::size_t(0));
  QVERIFY(person_->click("runAll"));
  WAIT_UNTIL_EQUAL(rewarded(), std::size_t(8));
  QVERIFY(wait_done());
  for (const ComparisonRow& row : data().rows) {
    // The same model gives the same answer, which is worth the same.
    QCOMPARE(row.answers[1].text, row.answers[0].text);
    QVERIFY(std::abs(row.answers[1].scores.at(kRewardScore) -
                     row.answers[0].scores.at(kRewardScore)) < 1e-5);
    QVERIFY(!row.answers[0].scores.contains(kWinRate));
    QVERIFY(row.answers[1].scores.contains(kWinRate));
  }
  WAIT_UNTIL(person_->text("scores_0").contains(QStringLiteral("reward ")));
  QVERIFY(!person_->text("scores_0").contains(QStringLiteral("win rate")));
  QVERIFY(person_->text("scores_1").contains(QStringLiteral("win rate ")));
  QVERIFY(person_->text("scores_1").contains(QStringLiteral("of 4")));
  auto* cell = window_->findChild<QWidget*>("answer_0_1");
  QVERIFY(cell->findChild<QLabel*>("answerFacts")->text().contains(QStringLiteral("reward ")));

  const Json document = to_json(data(), {});
  QCOMPARE(document["reward_model"].get<std::string>(), data().reward_model.string());
  QVERIFY(document["scores"][data().columns[1].name].contains("win_rate"));
  QVERIFY(to_html(data()).find("rewards by judge") != std::string::npos);
}

void TestCompareRewards::a_reference_decides_who_wins() {
  live().set_reference(1);
  for (const ComparisonRow& row : data().rows) {
    QVERIFY(row.answers[0].scores.contains(kWinRate));
    QVERIFY(!row.answers[1].scores.contains(kWinRate));
  }
  // More answers get theirs once they are there; those that stand are not asked again.
  const double before = data().rows[0].answers[0].scores.at(kRewardScore);
  auto* page = static_cast<ComparePage*>(window_->page(PageId::Compare));
  page->load_samples(held_, 6);
  WAIT_UNTIL_EQUAL(data().rows.size(), std::size_t(6));
  QCOMPARE(rewarded(), std::size_t(8));
  QVERIFY(wait_done());
  QVERIFY(person_->click("runAll"));
  WAIT_UNTIL_EQUAL(rewarded(), std::size_t(12));
  QCOMPARE(data().rows[0].answers[0].scores.at(kRewardScore), before);
  QVERIFY(wait_done());

  auto* button = person_->find<QToolButton>("rewardModel");
  QVERIFY(person_->choose("rewardModel", "noReward"));
  QCOMPARE(button->text(), QStringLiteral("Reward model"));
  QCOMPARE(rewarded(), std::size_t(0));
  for (const ComparisonRow& row : data().rows)
    for (const ComparisonAnswer& answer : row.answers) QVERIFY(!answer.scores.contains(kWinRate));
  QVERIFY(!to_json(data(), {}).contains("reward_model"));
}

void TestCompareRewards::a_folder_that_is_none_is_refused() {
  live().set_reward_model(workspace().model()->summary.folder);
  auto* banner = window_->page(PageId::Compare)->findChild<QLabel*>("bannerText");
  WAIT_UNTIL(banner->isVisible() && banner->text().contains(QStringLiteral("no reward model")));
  QVERIFY(wait_done());
  QCOMPARE(rewarded(), std::size_t(0));
}

QTEST_MAIN(TestCompareRewards)
#include "test_compare_rewards.moc"

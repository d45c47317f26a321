// SPDX-License-Identifier: GPL-3.0-or-later
// The Merge page as a person uses it: adapters from the disk, a slider that asks when it is let go
// and not before, the proof, settings that a type has, a combination that is refused and mended,
// folders written, and a merge that goes into the base and out again.
#include "engine/session/headless.h"
#include "tests/ui/driver.h"
#include "ui/compare/compare_page.h"
#include "ui/compare/live_comparison.h"
#include "ui/merge/live_merge.h"
#include "ui/merge/merge_answers.h"
#include "ui/merge/merge_page.h"

using namespace luthier;
using luthier::test::Desk;
using luthier::test::Person;

class TestMergePage : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase();
  void an_empty_page_leads_on();
  void adapters_are_answered_and_proven();
  void samples_are_turned_a_page_at_a_time();
  void a_slider_asks_when_it_is_let_go();
  void a_type_shows_its_own_settings();
  void what_cannot_be_combined_is_said_and_mended();
  void what_was_tried_comes_back();
  void an_adapter_is_saved_once();
  void writing_that_is_cancelled_is_told();
  void a_merged_model_is_written();
  void into_the_base_and_out_again();
  void an_adapter_that_is_gone_is_said();
  void another_model_in_the_middle();
  void words_follow_the_language();
  void cleanupTestCase();
  void a_look_before_there_was_anything_is_no_visit();

 private:
  LiveMerge& live() { return *page()->findChild<LiveMerge*>(); }
  MergePage* page() { return static_cast<MergePage*>(window_->page(PageId::Merge)); }
  QLabel* banner() { return page()->findChild<QLabel*>("bannerText"); }
  bool wait_done() {
    return luthier::test::wait_for([&] { return !live().running(); });
  }
  QString train(const QString& name, const std::string& task, int rank) {
    Recipe recipe = teaching_recipe(*teaching_task(task), to_path(desk_.run(name))).value();
    recipe.dataset = {luthier::test::few_rows(desk_, task, 12, name + ".jsonl").toStdString()};
    recipe.eval_dataset.clear();
    recipe.training.max_steps = 3;
    recipe.training.learning_rate = 2e-3;
    recipe.adapter.r = rank;
    const auto trained = train_headless(recipe, {}, {}, {});
    if (!trained) qFatal("%s", trained.error().sentence().c_str());
    return desk_.run(name);
  }

  Desk desk_;
  QString korean_, json_, wide_;
  std::unique_ptr<MainWindow> window_;
  std::unique_ptr<Person> person_;
};

void TestMergePage::initTestCase() {
  korean_ = train(QStringLiteral("korean"), "korean", 4);
  json_ = train(QStringLiteral("json"), "json", 4);
  wide_ = train(QStringLiteral("wide"), "pirate", 8);
  window_ = std::make_unique<MainWindow>();
  window_->resize(1280, 800);
  window_->show();
  QVERIFY(luthier::test::wait_for_window(window_.get()));
  person_ = std::make_unique<Person>(*window_);
}

void TestMergePage::an_empty_page_leads_on() {
  QVERIFY(person_->click("rail_merge"));
  QVERIFY(!person_->find<QPushButton>("mergeIntoBase")->isEnabled());
  QVERIFY(person_->click("emptyMerge"));
  QCOMPARE(window_->current(), PageId::Model);
  QVERIFY(luthier::test::load_teaching(*window_, *person_));
  window_->show_page(PageId::Merge);
  QVERIFY(person_->click("emptyMerge"));
  QCOMPARE(window_->current(), PageId::Compare);
  static_cast<ComparePage*>(window_->page(PageId::Compare))
      ->load_samples(luthier::test::few_rows(desk_, "korean", 12, QStringLiteral("held.jsonl")),
                     10);
  WAIT_UNTIL_EQUAL(live().rows().size(), std::size_t(10));
  window_->show_page(PageId::Merge);
}

void TestMergePage::adapters_are_answered_and_proven() {
  page()->add_adapter(korean_);
  QVERIFY(live().running());
  QVERIFY(wait_done());
  QCOMPARE(live().answered(), std::size_t(10));
  QVERIFY(!person_->find<QComboBox>("combinationType")->isVisible());  // of one there is no type
  page()->add_adapter(json_);
  page()->add_adapter(json_);  // stands there already
  QVERIFY(wait_done());
  QCOMPARE(live().asked()->folders.size(), std::size_t(2));
  QVERIFY(live().proof() && !live().proof()->refused);
  const QString proof = person_->text("mergeProof");
  QVERIFY(proof.contains(QString::number(live().proof()->difference, 'e', 1)));
  QVERIFY(person_->text("mergeScore").contains(QLatin1Char('%')));
  QVERIFY(person_->text("mergeScores").contains(QStringLiteral("of 10 samples")));
  QCOMPARE(person_->find<QTableWidget>("triedMerges")->rowCount(), 2);
}

void TestMergePage::samples_are_turned_a_page_at_a_time() {
  auto* previous = person_->find<QToolButton>("previousMerged");
  auto* next = person_->find<QToolButton>("nextMerged");
  auto* answers = page()->findChild<MergeAnswers*>();
  QCOMPARE(person_->text("placeMerged"), QStringLiteral("1–8 of 10"));
  QVERIFY(!previous->isEnabled() && next->isEnabled());
  QVERIFY(person_->click("nextMerged"));
  QCOMPARE(person_->text("placeMerged"), QStringLiteral("9–10 of 10"));
  QCOMPARE(answers->page(), std::size_t(1));
  QVERIFY(previous->isEnabled() && !next->isEnabled());
  QVERIFY(person_->click("previousMerged"));
  QCOMPARE(person_->text("placeMerged"), QStringLiteral("1–8 of 10"));
  QCOMPARE(answers->page(), std::size_t(0));
}

void TestMergePage::a_slider_asks_when_it_is_let_go() {
  auto* slider = person_->find<QSlider>("weight_json");
  auto* field = person_->find<QDoubleSpinBox>("weightField_json");
  QStyleOptionSlider option;
  option.initFrom(slider);
  option.minimum = slider->minimum();
  option.maximum = slider->maximum();
  option.sliderPosition = option.sliderValue = slider->value();
  option.orientation = Qt::Horizontal;
  option.tickPosition = slider->tickPosition();
  option.tickInterval = slider->tickInterval();
  const QPoint handle =
      slider->style()
          ->subControlRect(QStyle::CC_Slider, &option, QStyle::SC_SliderHandle, slider)
          .center();
  QTest::mousePress(slider, Qt::LeftButton, {}, handle);
  QVERIFY(slider->isSliderDown());
  QTest::mouseMove(slider, handle - QPoint(30, 0));
  QTest::mouseMove(slider, handle - QPoint(60, 0));
  QVERIFY(slider->value() < 100);
  QCOMPARE(field->value(), slider->value() / 100.0);
  QVERIFY(!live().running());
  QCOMPARE(live().asked()->how.weights.back(), 1.0);
  QTest::mouseRelease(slider, Qt::LeftButton, {}, handle - QPoint(60, 0));
  QVERIFY(live().running());
  QCOMPARE(live().asked()->how.weights.back(), slider->value() / 100.0);
  // Another one before it is done takes its place.
  field->setValue(-0.25);
  QCOMPARE(slider->value(), -25);
  QVERIFY(wait_done());
  QCOMPARE(live().asked()->how.weights, (std::vector<double>{1, -0.25}));
  QCOMPARE(live().answered(), std::size_t(10));
  QCOMPARE(person_->find<QTableWidget>("triedMerges")->rowCount(), 3);
}

void TestMergePage::a_type_shows_its_own_settings() {
  auto* type = person_->find<QComboBox>("combinationType");
  QCOMPARE(type->count(), 11);
  const auto shown = [&](const char* name) { return person_->find<QWidget>(name)->isVisible(); };
  QVERIFY(!shown("density") && !shown("majoritySign") && !shown("svdRank"));
  type->setCurrentText(QStringLiteral("dare_ties_svd"));
  QVERIFY(shown("density") && shown("majoritySign") && shown("svdRank") &&
          shown("combinationSeed"));
  person_->find<QSpinBox>("svdRank")->setValue(3);
  QVERIFY(wait_done());
  QCOMPARE(live().made()->rank, std::int64_t(3));
  QCOMPARE(live().asked()->how.density, std::optional<double>(0.5));
  type->setCurrentText(QStringLiteral("ties"));
  QVERIFY(shown("density") && shown("majoritySign") && !shown("svdRank"));
  QVERIFY(wait_done());
  QVERIFY(!live().asked()->how.svd_rank);  // it stays in its field, and is not sent
  type->setCurrentText(QStringLiteral("linear"));
  QVERIFY(wait_done());
}

void TestMergePage::what_cannot_be_combined_is_said_and_mended() {
  page()->add_adapter(wide_);
  QVERIFY(wait_done());
  QVERIFY(banner()->isVisible());
  QVERIFY(banner()->text().contains(QStringLiteral("rank")));
  QVERIFY(!live().made() && !live().proof());
  for (const ComparisonRow& row : live().rows()) QVERIFY(!row.answers.front().begun());
  person_->find<QComboBox>("combinationType")->setCurrentText(QStringLiteral("svd"));
  QVERIFY(!banner()->isVisible());
  QVERIFY(wait_done());
  QCOMPARE(live().answered(), std::size_t(10));
  QVERIFY(person_->click("dropWeight_wide"));
  QVERIFY(wait_done());
  QCOMPARE(live().asked()->folders.size(), std::size_t(2));
  page()->add_adapter(path_text(window_->workspace().model()->summary.folder));
  QVERIFY(banner()->isVisible());  // a whole checkpoint
  QCOMPARE(live().asked()->folders.size(), std::size_t(2));
  page()->findChild<QToolButton*>("bannerClose")->click();
}

void TestMergePage::what_was_tried_comes_back() {
  auto* tried = person_->find<QTableWidget>("triedMerges");
  const int last = tried->rowCount() - 1;
  QCOMPARE(live().tried().back().recipe.folders.size(), std::size_t(1));
  emit tried->cellActivated(last, 0);
  QVERIFY(wait_done());
  QCOMPARE(live().asked()->folders.size(), std::size_t(1));
  QVERIFY(!person_->find<QComboBox>("combinationType")->isVisible());
  page()->add_adapter(json_);
  person_->find<QComboBox>("combinationType")->setCurrentText(QStringLiteral("cat"));
  QVERIFY(wait_done());
}

void TestMergePage::an_adapter_is_saved_once() {
  const QString folder = desk_.run("both");
  person_->type("mergeFolder", folder);
  QVERIFY(person_->click("saveCombined"));
  WAIT_UNTIL(banner()->isVisible() && banner()->text().contains(folder));
  QVERIFY(QFileInfo::exists(folder + QStringLiteral("/adapter_config.json")));
  person_->type("mergeFolder", folder);
  QVERIFY(person_->click("saveCombined"));
  WAIT_UNTIL(person_->find<QPushButton>("saveCombined")->isEnabled() && banner()->isVisible());
  QVERIFY(!banner()->text().contains(QStringLiteral("was written")));
}

void TestMergePage::writing_that_is_cancelled_is_told() {
  const QString folder = desk_.run("cancelled");
  person_->type("mergeFolder", folder);
  QVERIFY(person_->click("writeMerged") && person_->click("writeMerged"));  // as a double click
  WAIT_UNTIL(banner()->isVisible() && person_->find<QPushButton>("saveCombined")->isEnabled());
  QCOMPARE(banner()->text().contains(QStringLiteral("cancelled: nothing")),
           !QFileInfo::exists(folder));
}

void TestMergePage::a_merged_model_is_written() {
  const QString folder = desk_.run("model");
  person_->type("mergeFolder", folder);
  QVERIFY(person_->click("writeMerged"));
  WAIT_UNTIL(banner()->isVisible() && banner()->text().contains(QStringLiteral("was written")));
  QVERIFY(banner()->text().contains(QStringLiteral("probes")));  // it says how near it is
  QVERIFY(QFileInfo::exists(folder + QStringLiteral("/model.safetensors")));
}

void TestMergePage::into_the_base_and_out_again() {
  auto* compare = window_->page(PageId::Compare)->findChild<LiveComparison*>();
  compare->run();
  WAIT_UNTIL(!compare->running() && compare->missing() == 0);
  const std::string before = compare->data().rows.front().answers.front().text;
  const double confidence = compare->data().rows.front().answers.front().confidence();
  QVERIFY(person_->click("mergeIntoBase"));
  WAIT_UNTIL(window_->workspace().merged().has_value());
  QCOMPARE(compare->data().answered(), std::size_t(0));  // they were another model's
  QVERIFY(person_->text("loadedLabel").contains(QStringLiteral("holds a merge")));
  QVERIFY(person_->text("mergeStanding").contains(QStringLiteral("MiB")) ||
          person_->text("mergeStanding").contains(QStringLiteral("KiB")));
  QVERIFY(!person_->find<QSlider>("weight_json")->isEnabled());
  compare->run();
  WAIT_UNTIL(!compare->running() && compare->missing() == 0);
  QVERIFY(compare->data().rows.front().answers.front().confidence() != confidence);
  WAIT_UNTIL(person_->find<QPushButton>("mergeIntoBase")->isEnabled());
  QVERIFY(person_->click("mergeIntoBase"));
  WAIT_UNTIL(!window_->workspace().merged().has_value());
  QVERIFY(!person_->text("loadedLabel").contains(QStringLiteral("holds a merge")));
  compare->run();
  WAIT_UNTIL(!compare->running() && compare->missing() == 0);
  QCOMPARE(compare->data().rows.front().answers.front().text, before);
  QCOMPARE(compare->data().rows.front().answers.front().confidence(), confidence);
  QVERIFY(wait_done());
}

void TestMergePage::an_adapter_that_is_gone_is_said() {
  const QString gone = desk_.run("gone");
  std::filesystem::copy(to_path(json_), to_path(gone), std::filesystem::copy_options::recursive);
  const std::size_t before = live().asked()->folders.size();
  page()->add_adapter(gone);
  QVERIFY(wait_done());
  QCOMPARE(live().asked()->folders.size(), before + 1);
  std::filesystem::remove_all(to_path(gone));
  person_->find<QDoubleSpinBox>("weightField_gone")->setValue(0.5);
  QVERIFY(wait_done());
  QVERIFY(banner()->isVisible() && banner()->text().contains(QStringLiteral("gone")));
  QVERIFY(!live().made());
  for (const ComparisonRow& row : live().rows()) QVERIFY(!row.answers.front().begun());
  QVERIFY(person_->text("mergeScore").isEmpty());
  // What was tried with it says the same when it is chosen again; the rest stays as it is.
  auto* tried = person_->find<QTableWidget>("triedMerges");
  emit tried->cellActivated(0, 0);
  QVERIFY(wait_done());
  QVERIFY(banner()->isVisible() && banner()->text().contains(QStringLiteral("gone")));
  if (page()->findChild<QToolButton*>("dropWeight_gone")) {
    QVERIFY(person_->click("dropWeight_gone"));
    QVERIFY(wait_done());
  }
  QVERIFY(!banner()->isVisible());
  QCOMPARE(live().asked()->folders.size(), before);
  QCOMPARE(live().answered(), std::size_t(10));
}

void TestMergePage::another_model_in_the_middle() {
  Workspace& workspace = window_->workspace();
  person_->find<QDoubleSpinBox>("weightField_json")->setValue(0.75);
  QVERIFY(live().running());
  WAIT_UNTIL(live().answered() > 0 || !live().running());
  workspace.load_model(path_text(workspace.model()->summary.folder));
  WAIT_UNTIL(!workspace.model() || !live().running());
  WAIT_UNTIL(workspace.model() && workspace.state() == SessionState::Ready);
  QVERIFY(wait_done());
  // The new base has answered the same merge anew.
  QCOMPARE(live().asked()->how.weights.back(), 0.75);
  WAIT_UNTIL_EQUAL(live().answered(), std::size_t(10));
  QVERIFY(live().proof() && !live().proof()->refused);
  QVERIFY(!banner()->isVisible());
}

void TestMergePage::words_follow_the_language() {
  Language::instance().choose(QStringLiteral("ko"));
  const auto back = qScopeGuard([] { Language::instance().choose(QStringLiteral("en")); });
  QTest::qWait(100);
  static const QRegularExpression english(QStringLiteral("[a-z]{3,} [a-z]{2,} [a-z]{3,}"));
  for (const QLabel* label : page()->findChildren<QLabel*>()) {
    const auto asks = [&](const ComparisonRow& row) {
      return row.sample.question() == label->text().toStdString();
    };
    const auto& rows = live().rows();
    if (!label->isVisible() || label->objectName() == QStringLiteral("answerText") ||
        std::any_of(rows.begin(), rows.end(), asks))
      continue;
    QVERIFY2(!english.match(label->text()).hasMatch(), qPrintable(label->text()));
  }
}

void TestMergePage::cleanupTestCase() {
  // The window closes in the middle of a merge that is being answered.
  person_->find<QDoubleSpinBox>("weightField_json")->setValue(0.25);
  QVERIFY(live().running());
  person_.reset();
  window_.reset();
}

/// An empty page that was looked at still takes what stands in Compare later, and so do the ranks.
void TestMergePage::a_look_before_there_was_anything_is_no_visit() {
  MainWindow window;
  window.resize(1280, 800);
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  Person person(window);
  for (const PageId page : {PageId::Merge, PageId::Ranks}) window.show_page(page);
  window.show_page(PageId::Model);
  QVERIFY(luthier::test::load_teaching(window, person));
  window.workspace().attach_adapter(korean_);
  WAIT_UNTIL_EQUAL(window.workspace().adapters().size(), std::size_t(1));
  window.show_page(PageId::Ranks);
  QCOMPARE(person.find<QTableWidget>("rankAdapters")->rowCount(), 1);
  window.show_page(PageId::Merge);
  int weights = 0;
  for (const auto* field : window.page(PageId::Merge)->findChildren<QDoubleSpinBox*>())
    weights += field->objectName().startsWith(QLatin1String("weightField_"));
  QCOMPARE(weights, 1);
}

QTEST_MAIN(TestMergePage)
#include "test_merge_page.moc"

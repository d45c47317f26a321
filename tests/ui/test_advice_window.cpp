// SPDX-License-Identifier: GPL-3.0-or-later
// What to try, by its window: advice follows what is said as it is said, gives its reasons, and
// leads to the pages that compare.
#include <QCheckBox>
#include <QLineEdit>
#include <QTreeWidget>

#include "tests/ui/driver.h"
#include "ui/lab/advice_window.h"

using namespace luthier;
using luthier::test::Desk;
using luthier::test::Person;

class TestAdviceWindow : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    window_ = std::make_unique<MainWindow>();
    window_->resize(1280, 800);
    window_->show();
    QVERIFY(luthier::test::wait_for_window(window_.get()));
    person_ = std::make_unique<Person>(*window_);
    window_->show_page(PageId::Lab);
    QVERIFY(person_->choose("labTools", "labAdvice"));
    advice_ = window_->findChild<AdviceWindow*>();
    QVERIFY(advice_ && advice_->isVisible());
  }

  void advice_follows_what_is_said() {
    QCOMPARE(ranked()->topLevelItemCount(), kApproaches);
    QVERIFY(person_->find<QLabel>("adviceOpen")->isVisible());
    choose("adviceTask", "facts");
    choose("adviceDrift", "daily");
    person_->find<QCheckBox>("adviceSources")->setChecked(true);
    person_->find<QLineEdit>("adviceRows")->setText(QStringLiteral("2K"));
    QVERIFY2(first().contains(QStringLiteral("Retrieve")), qPrintable(first()));
    QVERIFY(ranked()->topLevelItem(0)->childCount() > 0 && ranked()->topLevelItem(0)->isExpanded());
    choose("adviceTask", "manner");
    choose("adviceDrift", "never");
    person_->find<QCheckBox>("adviceSources")->setChecked(false);
    QVERIFY2(first().contains(QStringLiteral("adapter")), qPrintable(first()));
  }

  void what_has_no_room_is_said() {
    person_->find<QLineEdit>("adviceWeights")->setText(QStringLiteral("70B"));
    person_->find<QLineEdit>("adviceMemory")->setText(QStringLiteral("8G"));
    const QString last = ranked()->topLevelItem(kApproaches - 1)->text(0);
    QVERIFY2(last.contains(QStringLiteral("cannot be done")), qPrintable(last));
    const QString before = first();
    person_->find<QLineEdit>("adviceMemory")->setText(QStringLiteral("plenty"));
    QVERIFY(person_->find<QLabel>("adviceNote")->isVisible());
    QVERIFY(person_->find<QLabel>("adviceNote")->text().contains(QStringLiteral("plenty")));
    QCOMPARE(first(), before);
    person_->find<QLineEdit>("adviceMemory")->setText(QString());
    QVERIFY(!person_->find<QLabel>("adviceNote")->isVisible());
  }

  void it_leads_to_the_pages_that_compare() {
    QVERIFY(person_->find<QTreeWidget>("adviceComparisons")->topLevelItemCount() >= 3);
    QVERIFY(person_->click("adviceShortRuns"));
    QVERIFY(!advice_->isVisible());
    QCOMPARE(window_->current(), PageId::Methods);
  }

  void cleanupTestCase() {
    person_.reset();
    window_.reset();
  }

 private:
  QTreeWidget* ranked() { return person_->find<QTreeWidget>("adviceRanked"); }
  QString first() { return ranked()->topLevelItem(0)->text(0); }
  void choose(const char* name, const char* word) {
    auto* box = person_->find<QComboBox>(name);
    box->setCurrentIndex(box->findData(QLatin1String(word)));
  }

  Desk desk_;
  std::unique_ptr<MainWindow> window_;
  std::unique_ptr<Person> person_;
  AdviceWindow* advice_ = nullptr;
};

QTEST_MAIN(TestAdviceWindow)
#include "test_advice_window.moc"

// SPDX-License-Identifier: GPL-3.0-or-later
// Scaling laws by their window: a real sweep begun, stopped and gone on with; what it drew and
// says; a table of points, and a file that is none.
#include <QFile>
#include <QLineEdit>
#include <QTableWidget>

#include <qcustomplot.h>

#include "tests/ui/driver.h"
#include "ui/lab/law_plot.h"
#include "ui/lab/laws_window.h"

using namespace luthier;
using luthier::test::Desk;
using luthier::test::Person;

class TestLawsWindow : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    qputenv("LUTHIER_CLI", LUTHIER_BINARY_DIR "/bin/luthier-cli");
    window_ = std::make_unique<MainWindow>();
    window_->resize(1280, 800);
    window_->show();
    QVERIFY(luthier::test::wait_for_window(window_.get()));
    person_ = std::make_unique<Person>(*window_);
    QVERIFY(window_->workspace().set_field("output_dir", desk_.run("first").toStdString()).ok());
    window_->show_page(PageId::Lab);
  }

  void a_sweep_stops_and_goes_on() {
    QVERIFY(person_->choose("labTools", "labLaws"));
    laws_ = window_->findChild<LawsWindow*>();
    QVERIFY(laws_ && laws_->isVisible());
    // Beside the lab's other runs, and nothing is there yet.
    QVERIFY(field("lawsPlace")->text().endsWith(QStringLiteral("/lab/sweep")));
    QVERIFY(runs()->isHidden());
    field("lawsSizes")->setText(QStringLiteral("8, 16, 24"));
    field("lawsTokens")->setText(QStringLiteral("2K, 4K, 8K"));
    QVERIFY(person_->click("lawsSweep"));
    QVERIFY(laws_->sweeps());
    QVERIFY(!field("lawsPlace")->isEnabled());
    WAIT_UNTIL(!runs()->isHidden() && ended() > 0);
    QVERIFY(person_->click("lawsStop"));
    WAIT_UNTIL(!laws_->sweeps());
    QVERIFY2(note()->text().contains(QStringLiteral("Stopped")), qPrintable(note()->text()));
    const int before = ended();
    QVERIFY(before < 9);
    QVERIFY(person_->click("lawsSweep"));
    WAIT_UNTIL(!laws_->sweeps());
    QVERIFY2(!note()->isVisible(), qPrintable(note()->text()));
    WAIT_UNTIL(ended() >= 9 && words()->text().contains(QStringLiteral("from 9 points")));
  }

  void a_run_is_read_out_where_it_lies() {
    auto* plot = laws_->findChild<LawPlot*>();
    auto* drawn = plot->findChild<QCustomPlot*>();
    QVERIFY(drawn->graphCount() >= 6);  // dots and a law for each of three sizes
    QVERIFY(plot->reading_at({-100, -100}).isEmpty());
    // The last size's runs are dots: of one of them the words are read.
    const QCPGraph* dots = nullptr;
    for (int i = 0; i < drawn->graphCount(); ++i)
      if (drawn->graph(i)->lineStyle() == QCPGraph::lsNone && drawn->graph(i)->dataCount() == 3)
        dots = drawn->graph(i);
    QVERIFY(dots);
    const auto point = dots->data()->constBegin();
    const QString said =
        plot->reading_at({static_cast<int>(drawn->xAxis->coordToPixel(point->key)),
                          static_cast<int>(drawn->yAxis->coordToPixel(point->value))});
    QVERIFY2(said.contains(QStringLiteral("nats a token")), qPrintable(said));
  }

  void a_budget_is_parted() {
    auto* plan = person_->find<QTableWidget>("lawsPlan");
    field("lawsBudget")->setText(QStringLiteral("5.76e23"));
    QVERIFY(plan->rowCount() >= 5);
    QStringList gopher;
    for (int row = 0; row < plan->rowCount(); ++row) gopher << plan->item(row, 1)->text();
    QVERIFY2(gopher.join(QLatin1Char(' ')).contains(QStringLiteral(" B")),
             qPrintable(gopher.join(QLatin1Char(' '))));
    field("lawsBudget")->setText(QStringLiteral("much"));
    QCOMPARE(plan->rowCount(), 0);
    QVERIFY(field("lawsBudget")->toolTip().contains(QStringLiteral("much")));
    field("lawsBudget")->setText(QStringLiteral("1e15"));
  }

  void points_are_opened_and_what_is_none_is_said() {
    const QString points = desk_.run("points.csv"), none = desk_.run("none.csv");
    QDir().mkpath(QFileInfo(points).absolutePath());
    QFile file(points);
    QVERIFY(file.open(QIODevice::WriteOnly));
    file.write("weights,tokens,loss\n");
    for (const double weights : {1e6, 4e6, 16e6})
      for (const double tokens : {1e7, 4e7, 16e7})
        file.write(QStringLiteral("%1,%2,%3\n")
                       .arg(weights)
                       .arg(tokens)
                       .arg(1.5 + 300 / std::pow(weights, 0.35) + 500 / std::pow(tokens, 0.35))
                       .toUtf8());
    file.close();
    laws_->open_place(points);
    WAIT_UNTIL(runs()->isHidden() && words()->text().contains(QStringLiteral("from 9 points")));
    QVERIFY(!person_->find<QPushButton>("lawsSweep")->isEnabled());
    auto* plan = person_->find<QTableWidget>("lawsPlan");
    QVERIFY(plan->item(plan->rowCount() - 1, 0)->text().contains(QStringLiteral("these points")));
    QFile other(none);
    QVERIFY(other.open(QIODevice::WriteOnly));
    other.write("a,b\n1,2\n");
    other.close();
    laws_->open_place(none);
    WAIT_UNTIL(note()->isVisible() && note()->text().contains(QStringLiteral("none.csv")));
  }

  void what_is_wrong_with_an_order_is_said() {
    laws_->open_place(desk_.run("another"));
    field("lawsSizes")->setText(QStringLiteral("5"));
    QVERIFY(person_->click("lawsSweep"));
    WAIT_UNTIL(!laws_->sweeps());
    QVERIFY2(note()->text().contains(QStringLiteral("three sizes")), qPrintable(note()->text()));
  }

  void cleanupTestCase() {
    person_.reset();
    window_.reset();
  }

 private:
  QLineEdit* field(const char* name) { return person_->find<QLineEdit>(name); }
  QTableWidget* runs() { return person_->find<QTableWidget>("lawsRuns"); }
  QLabel* note() { return person_->find<QLabel>("lawsNote"); }
  QLabel* words() { return person_->find<QLabel>("lawsWords"); }
  /// Runs of which a loss stands.
  int ended() {
    int count = 0;
    for (int row = 0; row < runs()->rowCount(); ++row)
      count += !runs()->item(row, 4)->text().isEmpty();
    return count;
  }

  Desk desk_;
  std::unique_ptr<MainWindow> window_;
  std::unique_ptr<Person> person_;
  LawsWindow* laws_ = nullptr;
};

QTEST_MAIN(TestLawsWindow)
#include "test_laws_window.moc"

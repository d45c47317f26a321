// SPDX-License-Identifier: GPL-3.0-or-later
// Figures of an objective that nobody here has heard of: grouped, drawn and exported by their
// names.
#include <QtTest>

#include "ui/train/curve_export.h"
#include "ui/train/figure_curves.h"

using namespace luthier;

namespace {

RunSeries run_with(std::initializer_list<std::map<std::string, double>> lines) {
  RunSeries run;
  run.name = QStringLiteral("run");
  for (const auto& figures : lines) {
    MetricsLine line;
    line.step = static_cast<std::int64_t>(run.lines.size()) + 1;
    line.epoch = 0.5 * static_cast<double>(line.step);
    line.figures = figures;
    run.lines.push_back(line);
  }
  return run;
}

}  // namespace

class TestFigureCurves : public QObject {
  Q_OBJECT

 private slots:
  void groups_are_what_stands_before_the_slash() {
    const std::vector<RunSeries> runs{
        run_with({{{"toy/a", 1}, {"toy/b", 2}, {"eval_toy/a", 3}, {"kl", 4}}})};
    QCOMPARE(figure_groups(runs), QStringList({"kl", "toy"}));
    QVERIFY(figure_groups({run_with({{}, {}})}).isEmpty());
  }

  void curves_have_the_points_that_there_are() {
    const std::vector<RunSeries> runs{
        run_with({{{"toy/a", 1}}, {{"toy/a", 2}, {"eval_toy/a", 9}}, {{"toy/a", qQNaN()}}})};
    const std::vector<Curve> curves = figure_curves(runs, "toy", CurveAxis::Steps);
    QCOMPARE(curves.size(), std::size_t{2});
    QCOMPARE(curves[0].name, QStringLiteral("eval_toy/a"));
    QCOMPARE(curves[0].all_x, QVector<double>({2}));
    QCOMPARE(curves[1].all_x, QVector<double>({1, 2}));
    QCOMPARE(curves[1].all_y, QVector<double>({1, 2}));
    QCOMPARE(figure_curves(runs, "toy", CurveAxis::Epochs)[1].all_x, QVector<double>({0.5, 1}));
    QVERIFY(figure_curves(runs, "kl", CurveAxis::Steps).empty());
  }

  void a_table_has_a_column_for_each() {
    const QString text = curves_csv({run_with({{{"toy/a", 1.5}}, {}})});
    const QStringList lines = text.split('\n');
    QVERIFY(lines[0].endsWith(QStringLiteral(",toy/a")));
    QVERIFY(lines[1].endsWith(QStringLiteral(",1.5")));
    QVERIFY(lines[2].endsWith(QLatin1Char(',')));
  }
};

QTEST_MAIN(TestFigureCurves)
#include "test_figure_curves.moc"

// SPDX-License-Identifier: GPL-3.0-or-later
// What is drawn of a sweep and of points: the law's own numbers, in a band that holds the law that
// the points were made of; and files that are no such thing.
#include "engine/lab/law_picture.h"

#include <QTemporaryDir>
#include <QtTest>

#include <cmath>

#include "engine/base/random_stream.h"
#include "engine/io/files.h"

using namespace luthier;
namespace fs = std::filesystem;

namespace {

const LossLaw kTrue{1.8, 400, 1200, 0.34, 0.37};

Json points_of(const LossLaw& law) {
  Json points = Json::array();
  RandomStream random(5, 9);
  for (double weights = 1e6; weights < 2e8; weights *= 4)
    for (double tokens = 1e7; tokens < 1e10; tokens *= 6) {
      const double loss = law.loss(weights, tokens) * std::exp(0.01 * (random.unit() - 0.5));
      points.push_back({{"weights", weights}, {"tokens", tokens}, {"loss", loss}, {"run", "r"}});
      // One on the way there, which is not drawn.
      points.push_back({{"weights", weights},
                        {"tokens", tokens / 2},
                        {"loss", loss + 1},
                        {"run", "r"},
                        {"last", false}});
    }
  return points;
}

}  // namespace

class TestLawPicture : public QObject {
  Q_OBJECT

  QTemporaryDir folder_;
  fs::path at(const char* name) const { return fs::path(folder_.path().toStdString()) / name; }
  static LawFitOptions few() {
    LawFitOptions options;
    options.starts = 60;
    options.draws = 24;
    return options;
  }

 private slots:
  void a_sweep_is_drawn() {
    const double weights = 1.6e9, tokens = 1e10;
    const Json sweep = {{"floor", 1.7},
                        {"minutes", 3.5},
                        {"runs",
                         {{{"run", "w32-t64"},
                           {"weights", 1e6},
                           {"tokens", 1e7},
                           {"state", "finished"},
                           {"loss", 4.5},
                           {"seconds", 2.5}},
                          {{"run", "w64-t64"},
                           {"weights", 4e6},
                           {"tokens", 1e7},
                           {"state", "waiting"},
                           {"loss", nullptr},
                           {"seconds", 0}}}},
                        {"points", points_of(kTrue)},
                        {"next",
                         {{"run", "w96-t64"},
                          {"weights", weights},
                          {"tokens", tokens},
                          {"state", "finished"},
                          {"loss", 2.2},
                          {"seconds", 9},
                          {"forecast", 2.25},
                          {"interval", {{"low", 2.1}, {"high", 2.4}, {"standard_error", 0.1}}}}}};
    QVERIFY(write_file_atomically(at("sweep.json"), sweep.dump()).ok());
    const auto picture = law_picture(folder_.path().toStdString(), few());
    QVERIFY2(picture.ok(), picture ? "" : picture.error().sentence().c_str());
    QCOMPARE(picture->sizes.size(), std::size_t(4));
    QCOMPARE(picture->sizes.front().ends.size(), std::size_t(4));
    QVERIFY(picture->fit && picture->fit->ok());
    const LossLaw& law = (*picture->fit)->law;
    for (const SizePicture& size : picture->sizes) {
      QVERIFY(size.law.flops.front() == size.ends.front().flops());
      QVERIFY(size.law.flops.back() > 3.9 * size.ends.back().flops());
      for (std::size_t i = 0; i < size.law.flops.size(); ++i)
        QCOMPARE(size.law.loss[i], law.loss(size.weights, size.law.flops[i] / (6 * size.weights)));
    }
    // No size does better than the best one, and the band holds the law of the points.
    const DrawnLaw& best = picture->best;
    QCOMPARE(best.low.size(), best.flops.size());
    for (std::size_t i = 0; i < best.flops.size(); ++i) {
      const Allocation of = kTrue.best_for(best.flops[i]);
      const double truth = kTrue.loss(of.weights, of.tokens);
      QVERIFY(best.low[i] <= best.high[i]);
      QVERIFY2(truth > 0.97 * best.low[i] && truth < 1.03 * best.high[i],
               qPrintable(QString::number(truth)));
      for (const SizePicture& size : picture->sizes)
        QVERIFY(best.loss[i] <=
                law.loss(size.weights, best.flops[i] / (6 * size.weights)) * (1 + 1e-12));
      QVERIFY(i == 0 || best.loss[i] < best.loss[i - 1]);
    }
    QCOMPARE(picture->runs.size(), std::size_t(2));
    QVERIFY(picture->runs[0].loss == 4.5 && !picture->runs[1].loss);
    QVERIFY(picture->next && picture->next->run.loss == 2.2 && picture->next->interval.known);
    QCOMPARE(picture->next->interval.high, 2.4);
    QVERIFY(picture->floor == 1.7);
  }

  void a_table_of_points_is_drawn() {
    std::string text = "weights,tokens,loss\n";
    for (const Json& point : points_of(kTrue))
      if (!point.contains("last"))
        text += std::to_string(point["weights"].get<double>()) + "," +
                std::to_string(point["tokens"].get<double>()) + "," +
                std::to_string(point["loss"].get<double>()) + "\n";
    QVERIFY(write_file_atomically(at("points.csv"), text).ok());
    LawFitOptions options = few();
    options.draws = 0;
    const auto picture = law_picture(at("points.csv"), options);
    QVERIFY(picture.ok());
    QVERIFY(picture->fit && picture->fit->ok() && picture->runs.empty() && !picture->next);
    QVERIFY(!picture->best.loss.empty() && picture->best.low.empty());
  }

  void what_has_no_law_has_its_points() {
    QVERIFY(
        write_file_atomically(at("two.csv"), "weights,tokens,loss\n1e6,1e7,4\n2e6,1e7,3\n").ok());
    const auto two = law_picture(at("two.csv"), few());
    QVERIFY(two.ok());
    QCOMPARE(two->sizes.size(), std::size_t(2));
    QVERIFY(two->fit && !two->fit->ok() && two->best.flops.empty());
    // One that has just begun.
    fs::create_directories(at("new"));
    QVERIFY(write_file_atomically(at("new") / "sweep.json",
                                  R"({"runs": [], "points": [], "next": null})")
                .ok());
    const auto begun = law_picture(at("new"), few());
    QVERIFY(begun.ok());
    QVERIFY(!begun->fit && begun->sizes.empty());
  }

  void other_files_are_refused_data() {
    QTest::addColumn<QString>("text");
    QTest::newRow("no sweep") << R"({"weights": 3})";
    QTest::newRow("a list") << "[1, 2]";
    QTest::newRow("broken") << "{";
    QTest::newRow("points of words") << R"({"runs": [], "points": [{"weights": "many"}]})";
    QTest::newRow("points that are none") << R"({"runs": [3], "points": ["x"], "next": 7})";
  }
  void other_files_are_refused() {
    QFETCH(QString, text);
    fs::create_directories(at("other"));
    QVERIFY(write_file_atomically(at("other") / "sweep.json", text.toStdString()).ok());
    const auto picture = law_picture(at("other"), few());
    QVERIFY(!picture.ok());
    QVERIFY(picture.error().where.find("sweep.json") != std::string::npos);
    QVERIFY(!law_picture(at("nothing")).ok());
  }
};

QTEST_APPLESS_MAIN(TestLawPicture)
#include "test_law_picture.moc"

// SPDX-License-Identifier: GPL-3.0-or-later
// Answers to a row of boxes: held against what the column's own model would write, whether that is
// thousandths, bins or pixels of the picture as it sees it.
#include <QTemporaryDir>
#include <QtTest>
#include <fstream>

#include "engine/compare/box_scores.h"
#include "engine/data/boxes/box_rows.h"

using namespace luthier;

namespace {

std::filesystem::path pictures() {  // a.png is 50 x 37
  return std::filesystem::path(LUTHIER_TEST_DATA) / "data_room";
}

Sample sample() {
  const Json row{{"image", "a.png"},
                 {"boxes", Json::array({{{"label", "red cube"}, {"box", {5, 3.7, 25, 18.5}}},
                                        {{"label", "ball"}, {"box", {0, 0, 50, 37}}}})}};
  auto read = read_conversation(row, pictures(), "row 1");
  return read ? Sample{read.take(), "row 1"} : Sample();
}

class Asked {
 public:
  explicit Asked(const char* model_type) : folder_(scratch_.path().toStdString()) {
    std::ofstream(folder_ / "config.json") << Json{{"model_type", model_type}}.dump();
    std::ofstream(folder_ / "preprocessor_config.json") << Json{
        {"image_processor_type", "Qwen2VLImageProcessor"},
        {"patch_size", 14},
        {"merge_size", 2},
        {"temporal_patch_size", 2},
        {"min_pixels", 3136},
        {"max_pixels", 12845056}}.dump();
    comparison_.model = folder_;
    comparison_.columns.emplace_back();
    comparison_.rows.push_back({sample(), std::vector<ComparisonAnswer>(1)});
  }

  std::map<std::string, double> scores(const std::string& text) {
    ComparisonAnswer answer;
    answer.text = text;
    answer.finish = "eos";
    put_answer(comparison_, 0, 0, std::move(answer));
    return comparison_.rows[0].answers[0].scores;
  }

 private:
  QTemporaryDir scratch_;
  std::filesystem::path folder_;
  Comparison comparison_;
};

}  // namespace

class TestBoxScores : public QObject {
  Q_OBJECT

 private slots:
  void a_perfect_answer_has_one_data() {
    QTest::addColumn<QString>("answer");
    QTest::newRow("internvl") << "<ref>red cube</ref><box>[[100, 100, 500, 500]]</box>"
                                 "<ref>ball</ref><box>[[0, 0, 1000, 1000]]</box>";
    QTest::newRow("paligemma") << "<loc0102><loc0102><loc0512><loc0512> red cube ; "
                                  "<loc0000><loc0000><loc1023><loc1023> ball";
    QTest::newRow("llava") << R"([{"bbox_2d": [100, 100, 500, 500], "label": "red cube"}, )"
                              R"({"bbox_2d": [0, 0, 1000, 1000], "label": "ball"}])";
    // smart_resize makes 84 x 56 of 50 x 37.
    QTest::newRow("qwen2_5_vl") << R"([{"bbox_2d": [8, 6, 42, 28], "label": "red cube"}, )"
                                   R"({"bbox_2d": [0, 0, 83, 55], "label": "ball"}])";
  }
  void a_perfect_answer_has_one() {
    QFETCH(QString, answer);
    Asked asked(QTest::currentDataTag());
    const auto scores = asked.scores(answer.toStdString());
    QVERIFY(scores.contains("box"));
    QCOMPARE(scores.at("box"), 1.0);
    QCOMPARE(scores.at("exact"), 1.0);
    QVERIFY(!scores.contains("bleu"));
    QCOMPARE(asked.scores("nothing").at("box"), 0.0);
  }

  void labels_count() {
    Asked asked("internvl");
    QCOMPARE(asked.scores("<ref>Ball</ref><box>[[0, 0, 1000, 1000]]</box>").at("box"), 0.5);
    QCOMPARE(asked.scores("<ref>red cube</ref><box>[[0, 0, 1000, 1000]]</box>").at("box"),
             0.16 / 2);
    QCOMPARE(asked.scores("[[0, 0, 1000, 1000], [100, 100, 500, 500]]").at("box"), 1.0);
  }
};

QTEST_APPLESS_MAIN(TestBoxScores)
#include "test_box_scores.moc"

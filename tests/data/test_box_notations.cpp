// SPDX-License-Identifier: GPL-3.0-or-later
// Every notation of boxes: what it writes, to the letter, that it reads it back, and what it makes
// of answers that are no boxes, were cut off, or come without the tokenizer's special tokens.
#include <QtTest>

#include <cmath>

#include "engine/data/boxes/box_notation.h"
#include "engine/data/boxes/place_tokenizer.h"

using namespace luthier;

namespace {

const BoxSight kSight{{200, 100}, {224, 112}};
const std::vector<LabelledBox> kTwo{{"red cube", {20, 20, 150, 50}}, {"ball", {0, 0, 200, 100}}};

const BoxNotation& named(const char* name) {
  const BoxNotation* found = find_box_notation(name);
  return found ? *found : box_notation_for({});
}

std::string said(const std::vector<LabelledBox>& boxes) {
  std::string text;
  for (const LabelledBox& box : boxes) {
    text += box.label;
    for (const double corner : box.corners) text += " " + std::to_string(std::lround(corner));
    text += "; ";
  }
  return text;
}

/// A special token a mark, and a letter.
class Marks : public Tokenizer {
 public:
  Result<Encoding> encode(std::string_view, bool) const override { return Encoding(); }
  Result<std::string> decode(std::span<const TokenId> ids, bool skip_special) const override {
    std::string text;
    for (const TokenId id : ids)
      if (!skip_special || !is_special(id)) text += id_to_token(id);
    return text;
  }
  std::int64_t vocab_size() const override { return std::ssize(tokens_); }
  std::optional<TokenId> token_to_id(std::string_view token) const override {
    for (std::size_t i = 0; i < tokens_.size(); ++i)
      if (tokens_[i] == token) return static_cast<TokenId>(i);
    return std::nullopt;
  }
  std::string id_to_token(TokenId id) const override {
    return tokens_.at(static_cast<std::size_t>(id));
  }
  bool is_special(TokenId id) const override { return id_to_token(id).starts_with("<"); }

 private:
  std::vector<std::string> tokens_{"<s>", "<loc_7>", "<loc_12>", "a", "</s>"};
};

}  // namespace

class TestBoxNotations : public QObject {
  Q_OBJECT

 private slots:
  void what_is_written_data() {
    QTest::addColumn<QString>("name");
    QTest::addColumn<QString>("text");
    QTest::newRow("paligemma") << "paligemma"
                               << "<loc0205><loc0102><loc0512><loc0767> red cube ; "
                                  "<loc0000><loc0000><loc1023><loc1023> ball";
    QTest::newRow("florence2") << "florence2"
                               << "red cube<loc_100><loc_200><loc_750><loc_500>"
                                  "ball<loc_0><loc_0><loc_999><loc_999>";
    QTest::newRow("qwen2_vl")
        << "qwen2_vl"
        << "<|object_ref_start|>red cube<|object_ref_end|><|box_start|>(100,200),(750,500)"
           "<|box_end|><|object_ref_start|>ball<|object_ref_end|><|box_start|>(0,0),(1000,1000)"
           "<|box_end|>";
    QTest::newRow("internvl") << "internvl"
                              << "<ref>red cube</ref><box>[[100, 200, 750, 500]]</box>"
                                 "<ref>ball</ref><box>[[0, 0, 1000, 1000]]</box>";
    QTest::newRow("json") << "json"
                          << R"([{"bbox_2d": [100, 200, 750, 500], "label": "red cube"}, )"
                             R"({"bbox_2d": [0, 0, 1000, 1000], "label": "ball"}])";
    QTest::newRow("json_pixels") << "json_pixels"
                                 << R"([{"bbox_2d": [22, 22, 168, 56], "label": "red cube"}, )"
                                    R"({"bbox_2d": [0, 0, 223, 111], "label": "ball"}])";
  }
  void what_is_written() {
    QFETCH(QString, name);
    QFETCH(QString, text);
    const BoxNotation& notation = named(name.toUtf8().constData());
    QCOMPARE(QString(notation.name()), name);
    const std::string written = notation.write(kTwo, kSight);
    QCOMPARE(QString::fromStdString(written), text);
    const auto read = notation.read(written);
    QCOMPARE(read.size(), kTwo.size());
    const auto [across, down] = notation.sides(kSight);
    for (std::size_t i = 0; i < read.size(); ++i) {
      QCOMPARE(read[i].label, kTwo[i].label);
      for (std::size_t corner = 0; corner < 4; ++corner) {
        const double side = corner % 2 ? down : across, picture = corner % 2 ? 100 : 200;
        QVERIFY(std::abs(read[i].corners[corner] - kTwo[i].corners[corner] / picture * side) <= 1);
      }
    }
  }

  void models_have_their_own() {
    for (const auto& [type, name] :
         std::vector<std::pair<const char*, const char*>>{{"paligemma", "paligemma"},
                                                          {"florence2", "florence2"},
                                                          {"qwen2_vl", "qwen2_vl"},
                                                          {"qwen2_5_vl", "json_pixels"},
                                                          {"qwen3_vl", "json"},
                                                          {"internvl", "internvl"},
                                                          {"llava", "json"},
                                                          {"", "json"}})
      QCOMPARE(QString(box_notation_for(type).name()), QString(name));
    QVERIFY(!find_box_notation("nothing"));
  }

  void what_is_asked() {
    const std::vector<std::string> labels{"red cube", "ball"};
    QCOMPARE(named("paligemma").question(labels, ""), std::string("detect red cube ; ball"));
    QCOMPARE(named("florence2").question(labels, ""), std::string("<OD>"));
    QCOMPARE(named("florence2").question(labels, "a cube"),
             std::string("<CAPTION_TO_PHRASE_GROUNDING>a cube"));
    for (const BoxNotationRow& row : box_notations())
      if (std::string(row.notation->name()) != "florence2")
        QVERIFY(row.notation->question(labels, "").find("red cube") != std::string::npos);
  }

  void answers_of_models_are_read_data() {
    QTest::addColumn<QString>("name");
    QTest::addColumn<QString>("answer");
    QTest::addColumn<QString>("boxes");
    QTest::newRow("paligemma: no label") << "paligemma"
                                         << "<loc0010><loc0020><loc0030><loc0040>"
                                         << " 20 10 40 30; ";
    QTest::newRow("paligemma: a mask between")
        << "paligemma"
        << "<loc0010><loc0020><loc0030><loc0040><seg001><seg127> cat ; dog"
        << "cat 20 10 40 30; ";
    QTest::newRow("paligemma: three numbers, then four")
        << "paligemma"
        << "<loc0001><loc0002><loc0003> x <loc0010><loc0020><loc0030><loc0040> cat"
        << "cat 20 10 40 30; ";
    QTest::newRow("paligemma: no such token") << "paligemma"
                                              << "<loc1024><loc0002><loc0003><loc0004> cat"
                                              << "";
    QTest::newRow("florence2: a row's ends")
        << "florence2"
        << "</s><s>car<loc_1><loc_2><loc_3><loc_4><loc_5><loc_6><loc_7><loc_8></s>"
        << "car 1 2 3 4; car 5 6 7 8; ";
    QTest::newRow("florence2: a polygon's rest") << "florence2"
                                                 << "car<loc_1><loc_2><loc_3>x<loc_4>"
                                                 << "";
    QTest::newRow("qwen2_vl: without special tokens") << "qwen2_vl"
                                                      << "red cube(100,200),(750,500)"
                                                      << "red cube 100 200 750 500; ";
    QTest::newRow("qwen2_vl: two of a label")
        << "qwen2_vl"
        << "<|object_ref_start|>a<|object_ref_end|><|box_start|>(1, 2), (3, 4)<|box_end|>"
           "<|box_start|>(9,9),(5,5)<|box_end|>"
        << "a 1 2 3 4; a 5 5 9 9; ";
    QTest::newRow("internvl: several of a label") << "internvl"
                                                  << "<ref>a</ref><box>[[1,2,3,4],[5, 6, 7, 8]]"
                                                  << "a 1 2 3 4; a 5 6 7 8; ";
    QTest::newRow("internvl: no marks") << "internvl"
                                        << "it is at [1, 2, 3, 4]."
                                        << " 1 2 3 4; ";
    QTest::newRow("json: fenced and cut off")
        << "json"
        << "```json\n[\n\t{\"bbox_2d\": [1, 2, 3, 4], \"label\": \"a } b\"},\n\t{\"bbox_2d\": [1,"
        << "a } b 1 2 3 4; ";
    QTest::newRow("json: others' keys") << "json"
                                        << R"({"objects": [{"label": "a", "box": [4, 3, 2, 1]}]})"
                                        << "a 2 1 4 3; ";
    QTest::newRow("json: no numbers") << "json"
                                      << R"([{"bbox_2d": [1, 2, "3", 4]}, {"bbox_2d": [1, 2, 3]}])"
                                      << "";
  }
  void answers_of_models_are_read() {
    QFETCH(QString, name);
    QFETCH(QString, answer);
    QFETCH(QString, boxes);
    const auto read = named(name.toUtf8().constData()).read(answer.toStdString());
    QCOMPARE(QString::fromStdString(said(read)), boxes);
  }

  void nonsense_is_no_box_and_takes_no_time() {
    for (const BoxNotationRow& row : box_notations())
      for (const char* piece :
           {"<loc", "<loc_1>", "{", "(1,2),(", "[1, 2, ", "<ref>", "\"", "<", "x"}) {
        std::string text;
        while (text.size() < 100'000) text += piece;
        QVERIFY(row.notation->read(text).size() <= kMostBoxes);
      }
  }

  void places_stay_in_an_answer_and_other_special_tokens_do_not() {
    const PlaceTokenizer tokenizer(std::make_shared<const Marks>(), named("florence2"));
    const std::vector<TokenId> ids{0, 3, 1, 2, 4};
    QCOMPARE(*tokenizer.decode(ids, true), std::string("a<loc_7><loc_12>"));
    QCOMPARE(*tokenizer.decode(ids, false), std::string("<s>a<loc_7><loc_12></s>"));
    QVERIFY(!tokenizer.is_special(1) && tokenizer.is_special(0) && tokenizer.is_special(4));
    QCOMPARE(*tokenizer.decode(std::vector<TokenId>{1}, true), std::string("<loc_7>"));
    QCOMPARE(*tokenizer.decode(std::vector<TokenId>{}, true), std::string());
    const PlaceTokenizer plain(std::make_shared<const Marks>(), named("json"));
    QCOMPARE(*plain.decode(ids, true), std::string("a"));
  }

  void labels_with_marks_are_told() {
    for (const auto& [name, label] :
         std::vector<std::pair<const char*, const char*>>{{"paligemma", "a ; b"},
                                                          {"florence2", "a<b"},
                                                          {"qwen2_vl", "<|box_start|>"},
                                                          {"internvl", "</ref>"}}) {
      QVERIFY(!named(name).mark_in(label).empty());
      QVERIFY(named(name).mark_in("red cube").empty());
    }
    QVERIFY(named("json").mark_in("a ; <b> \"c\"").empty());
    const std::vector<LabelledBox> quoted{{"a \"b\" \\ 빨간", {0, 0, 1, 1}}};
    QCOMPARE(named("json").read(named("json").write(quoted, kSight)).front().label,
             quoted.front().label);
  }
};

QTEST_APPLESS_MAIN(TestBoxNotations)
#include "test_box_notations.moc"

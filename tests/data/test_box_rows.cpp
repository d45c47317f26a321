// SPDX-License-Identifier: GPL-3.0-or-later
// Rows of boxes: how they are read, what is refused by which field, what a model's processor makes
// of them, that they go on as rows of boxes, and COCO's file of them.
#include <QTemporaryDir>
#include <fstream>

#include "engine/data/boxes/box_rows.h"
#include "engine/data/dataset.h"
#include "engine/data/prompt_rows.h"
#include "engine/data/row_kind.h"
#include "engine/data/row_writing.h"
#include "tests/data/chat_fixture.h"

using namespace luthier;
using namespace luthier::test;

namespace {

// a.png is 50 x 37.
Json box(const char* label, const Json& corners) { return {{"label", label}, {"box", corners}}; }
Json row_of(const Json& boxes) { return {{"image", "a.png"}, {"boxes", boxes}}; }
const Json kCube = box("red cube", {5, 3.7, 25, 18.5});

std::string text_in(const Message& message) {
  std::string text;
  for (const ContentPart& part : message.content) text += part.text;
  return text;
}

}  // namespace

class TestBoxRows : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    auto loaded = load_chat(data_room() / "llava");
    QVERIFY2(loaded, loaded ? "" : loaded.error().sentence().c_str());
    processor_ = loaded.take();
  }

  void a_row_is_a_question_and_its_answer() {
    const auto read = read_conversation(row_of(Json::array({kCube})), data_room(), "row");
    QVERIFY2(read, read ? "" : read.error().sentence().c_str());
    QCOMPARE(read->messages.size(), std::size_t(2));
    QVERIFY(holds_boxes(*read));
    QCOMPARE(boxes_of(*read).front().label, std::string("red cube"));
    const auto written = written_boxes(*read, box_writer(*processor_), "row");
    QVERIFY2(written, written ? "" : written.error().sentence().c_str());
    QVERIFY(!holds_boxes(*written));
    QVERIFY(written->messages[0].extra.is_null() && written->messages[1].extra.is_null());
    QCOMPARE(text_in(written->messages[0]),
             std::string("Report bbox coordinates in JSON format of red cube"));
    QCOMPARE(text_in(written->messages[1]),
             std::string(R"([{"bbox_2d": [100, 100, 500, 500], "label": "red cube"}])"));
  }

  void it_is_learned_as_such() {
    for (const Json& more : {Json::object(), Json{{"question", "Where is it?"}}}) {
      Json row = row_of(Json::array({kCube}));
      row.update(more);
      const auto read = any_rows().read(row, data_room(), "row", nullptr);
      QVERIFY(read);
      const auto written = written_boxes(*read, box_writer(*processor_), "row");
      QVERIFY(written);
      if (!more.empty()) QCOMPARE(text_in(written->messages[0]), std::string("Where is it?"));
      for (const bool outline : {false, true}) {
        RowEncoding how;
        how.outline = outline;
        const auto own = any_rows().encode(*read, *processor_, how, "row");
        const auto plain = answer_rows().encode(*written, *processor_, how, "row");
        QVERIFY2(own, own ? "" : own.error().sentence().c_str());
        QVERIFY(plain);
        QCOMPARE(own->sequences.front().input_ids, plain->sequences.front().input_ids);
        QCOMPARE(own->sequences.front().labels, plain->sequences.front().labels);
        QVERIFY(own->labels() > 10);
      }
    }
  }

  /// Other rows' questions have the mark of their picture in front.
  void a_questions_mark_is_the_rows_picture() {
    Json row = row_of(Json::array({kCube}));
    const auto question_of = [&row](const Json& question) {
      row["question"] = question;
      return read_conversation(row, data_room(), "row");
    };
    const auto plain = question_of("Where is it?"), marked = question_of("<image>\nWhere is it?");
    QVERIFY(plain && marked);
    QCOMPARE(marked->messages[0].content.size(), std::size_t(2));
    QCOMPARE(text_in(marked->messages[0]), text_in(plain->messages[0]));
    const auto another = question_of("Where is <image> it?");
    QVERIFY(!another);
    QCOMPARE(another.error().where, std::string("row: question"));
    row["system"] = 5;
    QCOMPARE(question_of("Where?").error().where, std::string("row: system"));
  }

  void objectives_of_other_rows_take_it() {
    const auto asked =
        prompt_rows().read(row_of(Json::array({kCube})), data_room(), "row", nullptr);
    QVERIFY2(asked, asked ? "" : asked.error().sentence().c_str());
    QCOMPARE(asked->messages.size(), std::size_t(1));
    const auto prompt = prompt_rows().encode(*asked, *processor_, RowEncoding(), "row");
    QVERIFY2(prompt, prompt ? "" : prompt.error().sentence().c_str());
    const auto judged = boxes_for_judges(*asked, box_writer(*processor_), "row");
    QVERIFY(judged);
    const auto expected = expected_boxes(*judged);
    QVERIFY(expected.has_value());
    QCOMPARE(expected->notation->name(), "json");
    QVERIFY(expected->answer.starts_with("[{\"bbox_2d\": [100, 100, 500, 500]"));
    QVERIFY(!expected_boxes(*asked));

    Json labelled = row_of(Json::array({kCube}));
    labelled["label"] = true;
    const auto good = unpaired_rows().read(labelled, data_room(), "row", nullptr);
    QVERIFY2(good, good ? "" : good.error().sentence().c_str());
    const auto encoded = unpaired_rows().encode(*good, *processor_, RowEncoding(), "row");
    QVERIFY2(encoded, encoded ? "" : encoded.error().sentence().c_str());
    const auto text = processor_->tokenizer().decode(encoded->sequences.front().input_ids, true);
    QVERIFY(text && text->find("bbox_2d") != std::string::npos);
    QVERIFY(text->find("\"box\"") == std::string::npos);
  }

  void what_is_wrong_is_said_by_row_and_field_data() {
    QTest::addColumn<QString>("boxes");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* name, const char* boxes, const char* field) {
      QTest::newRow(name) << boxes << field;
    };
    add("no list", R"({"label": "a"})", "boxes");
    add("no box", "[]", "boxes");
    add("no object", "[[1, 2, 3, 4]]", "boxes[0]");
    add("no label", R"([{"box": [1, 2, 3, 4]}])", "boxes[0].label");
    add("an empty label", R"([{"label": " ", "box": [1, 2, 3, 4]}])", "boxes[0].label");
    add("a label of two lines", R"([{"label": "a\nb", "box": [1, 2, 3, 4]}])", "boxes[0].label");
    add("three numbers", R"([{"label": "a", "box": [1, 2, 3]}])", "boxes[0].box");
    add("no number", R"([{"label": "a", "box": [1, 2, null, 4]}])", "boxes[0].box");
    add("left of the picture", R"([{"label": "a", "box": [-1, 2, 3, 4]}])", "boxes[0].box");
    add("no width", R"([{"label": "a", "box": [3, 2, 3, 4]}])", "boxes[0].box");
    add("upside down", R"([{"label": "a", "box": [1, 4, 3, 2]}])", "boxes[0].box");
    add("the second too wide",
        R"([{"label": "a", "box": [1, 2, 50, 37]}, {"label": "a", "box": [1, 2, 51.5, 4]}])",
        "boxes[1].box");
    add("below the picture", R"([{"label": "a", "box": [1, 37, 3, 37.5]}])", "boxes[0].box");
  }
  void what_is_wrong_is_said_by_row_and_field() {
    QFETCH(QString, boxes);
    QFETCH(QString, field);
    RowFault fault = RowFault::Template;
    const auto read = read_conversation(row_of(Json::parse(boxes.toStdString())), data_room(),
                                        "rows.jsonl: row 2", &fault);
    Error error = read ? Error() : read.error();
    if (read) {
      const auto encoded =
          answer_rows().encode(*read, *processor_, RowEncoding(), "rows.jsonl: row 2", &fault);
      QVERIFY(!encoded);
      error = encoded.error();
    }
    QCOMPARE(QString::fromStdString(error.where), "rows.jsonl: row 2: " + field);
    QVERIFY(fault == RowFault::BadRow);
  }

  void too_many_and_no_numbers_are_refused() {
    Json many = Json::array();
    for (std::size_t i = 0; i <= kMostBoxes; ++i) many.push_back(kCube);
    auto read = read_conversation(row_of(many), data_room(), "row");
    QVERIFY(!read && read.error().where == "row: boxes");
    Json none = kCube;
    none["box"][2] = std::nan("");
    read = read_conversation(row_of(Json::array({none})), data_room(), "row");
    QVERIFY(!read && read.error().where == "row: boxes[0].box");
  }

  void a_missing_picture_is_its_own_fault() {
    Json row = row_of(Json::array({kCube}));
    row["image"] = "nowhere.png";
    RowFault fault = RowFault::BadRow;
    const auto read = read_conversation(row, data_room(), "row", &fault);
    QVERIFY(read);
    QVERIFY(!answer_rows().encode(*read, *processor_, RowEncoding(), "row", &fault));
    QVERIFY(fault == RowFault::MissingImage);
  }

  void other_rows_with_boxes_stay_what_they_are() {
    Json row = row_of(Json::array({{1, 2, 3, 4}}));
    row["question"] = "What?";
    row["answer"] = "A cube.";
    const auto read = read_conversation(row, data_room(), "row");
    QVERIFY(read && !holds_boxes(*read));
    Json prompt = row_of(Json::array({{1, 2, 3, 4}}));
    prompt["prompt"] = "Where?";
    const auto asked = prompt_rows().read(prompt, data_room(), "row", nullptr);
    QVERIFY(asked && !holds_boxes(*asked));
  }

  void it_is_written_as_it_was() {
    Json row = row_of(Json::array({kCube}));
    row["caption"] = "A red cube on a table";
    const auto read = read_conversation(row, data_room(), "row");
    QVERIFY(read);
    const Json again = row_json(*read, data_room());
    const auto twice = read_conversation(again, data_room(), "row");
    QVERIFY2(twice, twice ? "" : twice.error().sentence().c_str());
    QCOMPARE(twice->messages[0].extra, read->messages[0].extra);
    QCOMPARE(twice->messages[0].content.size(), read->messages[0].content.size());
    // With another answer it is a row of messages.
    Conversation other = *read;
    other.messages.back() = {"assistant", {ContentPart::of_text("no")}, nullptr};
    QVERIFY(row_json(other, data_room()).contains("messages"));
  }

  void coco_is_read_image_by_image() {
    const QTemporaryDir scratch;
    const std::filesystem::path file =
        std::filesystem::path(scratch.path().toStdString()) / "instances.json";
    std::ofstream(file) << R"({"info": {"images": []}, "images": [
      {"id": 7, "file_name": "b.jpg"}, {"id": 3, "file_name": "a.png", "width": 50},
      {"id": 9, "file_name": "c.png"}],
      "annotations": [{"image_id": 3, "category_id": 1, "bbox": [5, 3.5, 20, 15], "iscrowd": 0},
      {"image_id": 7, "category_id": 2, "bbox": [0, 0, 2, 3], "segmentation": [[0, 0, 1, 1]]},
      {"image_id": 3, "category_id": 2, "bbox": [1, 1, 2, 2]},
      {"image_id": 9, "category_id": 2, "bbox": [1, 1, 2, 2], "iscrowd": 1}],
      "categories": [{"id": 1, "name": "cube"}, {"id": 2, "name": "ball"}]})";
    const auto opened = Dataset::open({file}, data_room());
    QVERIFY2(opened, opened ? "" : opened.error().sentence().c_str());
    QCOMPARE((*opened)->size(), std::size_t(2));  // c.png has a crowd alone
    const auto row = (*opened)->row(1);
    QVERIFY(row);
    QCOMPARE((*row)["image"], Json("a.png"));
    QCOMPARE((*row)["boxes"],
             Json({box("cube", {5.0, 3.5, 25.0, 18.5}), box("ball", {1.0, 1.0, 3.0, 3.0})}));
    const auto read = (*opened)->read(1);
    QVERIFY(read && holds_boxes(*read));
    QVERIFY((*opened)->where(1).find("row 2") != std::string::npos);
  }

  /// As pycocotools reads them: nobody asks for `area`, iscrowd is whatever Python takes for true;
  /// and a box of no area is no reason to leave out the others.
  void coco_needs_no_more_than_pycocotools() {
    const QTemporaryDir scratch;
    const std::filesystem::path file =
        std::filesystem::path(scratch.path().toStdString()) / "instances.json";
    std::ofstream(file) << R"({"images": [{"id": 3, "file_name": "a.png"},
      {"id": 7, "file_name": "b.jpg"}, {"id": 9, "file_name": "c.png"}],
      "annotations": [{"image_id": 3, "category_id": 1, "bbox": [5, 3.5, 20, 15], "iscrowd": false},
      {"image_id": 3, "category_id": 1, "bbox": [5, 3.5, 0, 15], "area": 0},
      {"image_id": 3, "category_id": 1, "bbox": []},
      {"image_id": 3, "category_id": 1, "bbox": [1, 1, 2, 2], "iscrowd": true},
      {"image_id": 7, "category_id": 1, "bbox": [0, 0, 2, 3], "iscrowd": true},
      {"image_id": 9, "category_id": 1, "bbox": [4, 4, 2, 0], "iscrowd": 0}],
      "categories": [{"id": 1, "name": "cube"}]})";
    const auto opened = Dataset::open({file}, data_room());
    QVERIFY2(opened, opened ? "" : opened.error().sentence().c_str());
    QCOMPARE((*opened)->size(), std::size_t(1));
    const auto row = (*opened)->row(0);
    QVERIFY(row);
    QCOMPARE((*row)["boxes"], Json::array({box("cube", {5.0, 3.5, 25.0, 18.5})}));
    QVERIFY((*opened)->read(0));
  }

  void a_coco_file_that_lies_is_refused_data() {
    QTest::addColumn<QString>("from");
    QTest::addColumn<QString>("to");
    QTest::addColumn<QString>("field");
    QTest::newRow("no such image") << R"("image_id": 3)"
                                   << R"("image_id": 4)"
                                   << "annotations[0]: image_id";
    QTest::newRow("no such category") << R"("category_id": 1)"
                                      << R"("category_id": 5)"
                                      << "annotations[0]: category_id";
    QTest::newRow("no name") << R"("name": "cube")"
                             << R"("nam": "cube")"
                             << "categories[0]: name";
    QTest::newRow("an id twice") << R"("id": 7)"
                                 << R"("id": 3)"
                                 << "images[1]: id";
    QTest::newRow("no annotations")
        << R"({"image_id": 3, "category_id": 1, "bbox": [5, 3, 20, 15]})" << QString()
        << "instances.json";
  }
  void a_coco_file_that_lies_is_refused() {
    QFETCH(QString, from);
    QFETCH(QString, to);
    QFETCH(QString, field);
    QString text = R"({"images": [{"id": 7, "file_name": "b.jpg"}, {"id": 3, "file_name": "a.png"}],
      "annotations": [{"image_id": 3, "category_id": 1, "bbox": [5, 3, 20, 15]}],
      "categories": [{"id": 1, "name": "cube"}]})";
    const QTemporaryDir scratch;
    const std::filesystem::path file =
        std::filesystem::path(scratch.path().toStdString()) / "instances.json";
    std::ofstream(file) << text.replace(from, to).toStdString();
    const auto opened = Dataset::open({file}, data_room());
    QVERIFY(!opened);
    QVERIFY2(opened.error().where.ends_with(field.toStdString()), opened.error().where.c_str());
  }

 private:
  std::shared_ptr<const ChatProcessor> processor_;
};

QTEST_APPLESS_MAIN(TestBoxRows)
#include "test_box_rows.moc"

// SPDX-License-Identifier: GPL-3.0-or-later
// Rows of a picture and its text: how they are written, what is refused by which field, that the
// picture stands beside the text and not in it, and that outlines come to the same.
#include <QTemporaryDir>

#include "engine/data/row_kind.h"
#include "tests/data/chat_fixture.h"

using namespace luthier;
using namespace luthier::test;

namespace {

std::filesystem::path folder() { return std::filesystem::path(LUTHIER_TEST_DATA) / "data_room"; }

std::shared_ptr<const ChatProcessor> processor_of(std::optional<ChatProcessor::Pictures> pictures) {
  auto loaded = ChatProcessor::load(folder() / "llava", std::move(pictures), {}, 12);
  return loaded ? loaded.take() : nullptr;
}

Json row_of(const Json& image, const Json& text) { return {{"image", image}, {"text", text}}; }

}  // namespace

class TestCaptionRows : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    ChatProcessor::Pictures pictures;
    pictures.tokens.mark.clear();
    pictures.defaults = {"CLIPImageProcessor"};
    processor_ = processor_of(pictures);
    QVERIFY(processor_);
  }

  void a_picture_stands_beside_its_text() {
    const auto row = encoded(row_of("a.png", "a red circle"));
    QVERIFY2(row, row ? "" : row.error().sentence().c_str());
    QCOMPARE(row->sequences.size(), std::size_t(1));
    const Example& example = row->sequences.front();
    QCOMPARE(example.images.size(), std::size_t(1));
    QVERIFY(!example.images.front().values.empty());
    const auto plain = processor_->encode_plain("a red circle", 0, "row");
    QVERIFY(plain);
    QCOMPARE(example.input_ids, plain->input_ids);
    QCOMPARE(example.labels, plain->labels);
  }

  void an_outline_has_the_same_shape_and_no_values() {
    RowEncoding how;
    how.outline = true;
    const auto whole = encoded(row_of("b.jpg", "x")), outline = encoded(row_of("b.jpg", "x"), how);
    QVERIFY(whole && outline);
    const PixelValues &pixels = whole->sequences.front().images.front(),
                      &shape = outline->sequences.front().images.front();
    QCOMPARE(shape.shape, pixels.shape);
    QVERIFY(shape.values.empty() && !pixels.values.empty());
    QCOMPARE(outline->sequences.front().input_ids, whole->sequences.front().input_ids);
  }

  void a_long_text_is_cut_where_the_model_ends() {
    const auto row = encoded(row_of("a.png", "one two three four five six seven eight nine ten"));
    QVERIFY2(row, row ? "" : row.error().sentence().c_str());
    QCOMPARE(row->sequences.front().input_ids.size(), std::size_t(12));
    QVERIFY(row->sequences.front().truncated_tokens > 0);
  }

  void what_a_row_lacks_is_said_by_the_field_data() {
    QTest::addColumn<QString>("row");
    QTest::addColumn<QString>("field");
    QTest::newRow("no text") << R"({"image": "a.png"})"
                             << "text";
    QTest::newRow("a number for a text") << R"({"image": "a.png", "text": 5})"
                                         << "text";
    QTest::newRow("no picture") << R"({"text": "x"})"
                                << "image";
    QTest::newRow("nothing for a picture") << R"({"image": null, "text": "x"})"
                                           << "image";
    QTest::newRow("two pictures") << R"({"image": ["a.png", "b.jpg"], "text": "x"})"
                                  << "image";
    QTest::newRow("no object") << "[]"
                               << "text";
  }
  void what_a_row_lacks_is_said_by_the_field() {
    QFETCH(QString, row);
    QFETCH(QString, field);
    RowFault fault = RowFault::Template;
    const auto read =
        caption_rows().read(Json::parse(row.toStdString()), folder(), "rows.jsonl:2", &fault);
    QVERIFY(!read);
    QCOMPARE(QString::fromStdString(read.error().where), "rows.jsonl:2: " + field);
    QVERIFY(fault == RowFault::BadRow);
  }

  void a_row_says_its_kind() {
    const auto read = any_rows().read(row_of("a.png", "x"), folder(), "row", nullptr);
    QVERIFY(read);
    QCOMPARE(read->kind, std::string("caption"));
    QVERIFY(find_row_kind("caption") == &caption_rows());
    const auto text = any_rows().read({{"text", "x"}}, folder(), "row", nullptr);
    QVERIFY(text);
    QCOMPARE(text->kind, std::string("text"));
  }

  void a_picture_that_is_not_there_is_a_picture_fault() {
    RowFault fault = RowFault::BadRow;
    const auto row = encoded(row_of("nowhere.png", "x"), {}, &fault);
    QVERIFY(!row && fault == RowFault::MissingImage);
  }

  void a_model_without_pictures_refuses_it() {
    const auto processor = processor_of(std::nullopt);
    QVERIFY(processor);
    const auto read = caption_rows().read(row_of("a.png", "x"), folder(), "row", nullptr);
    QVERIFY(read);
    const auto row = caption_rows().encode(*read, *processor, RowEncoding(), "row");
    QVERIFY(!row);
    QVERIFY(row.error().what.find("picture") != std::string::npos);
  }

 private:
  Result<EncodedRow> encoded(const Json& json, const RowEncoding& how = {},
                             RowFault* fault = nullptr) {
    LUTHIER_TRY(const Conversation row, caption_rows().read(json, folder(), "row", fault));
    return caption_rows().encode(row, *processor_, how, "row", fault);
  }

  std::shared_ptr<const ChatProcessor> processor_;
};

QTEST_APPLESS_MAIN(TestCaptionRows)
#include "test_caption_rows.moc"

// SPDX-License-Identifier: GPL-3.0-or-later
// Rows for a model that reads text alone: no special tokens beside those of the template, pictures
// and pixel limits refused by name, and no word that would be a picture's mark.
#include "tests/data/chat_fixture.h"

using namespace luthier;
using namespace luthier::test;

namespace {

ContentPart text(const char* words) { return {ContentPart::Kind::Text, words, {}}; }

Conversation row(std::vector<ContentPart> question) {
  Conversation made;
  made.messages = {{"user", std::move(question)}, {"assistant", {text("green")}}};
  return made;
}

}  // namespace

class TestRowsWithoutPictures : public QObject {
  Q_OBJECT

 private slots:
  void texts_are_encoded_as_by_a_tokenizer_alone() {
    // llava_bos: the tokenizer adds <s> where it is asked to, and its template writes one already;
    // chatml's template writes none.
    for (const char* name : {"chatml", "llava_bos"}) {
      const auto with = load_chat(data_room() / name),
                 without = ChatProcessor::load(data_room() / name, std::nullopt);
      QVERIFY(with && without);
      QVERIFY(!(*without)->image_processor());
      QCOMPARE((*without)->image_token_id(), TokenId{-1});
      const Conversation conversation = row({text("What colour is grass?")});
      const auto a = (*with)->encode_training(conversation, LossOn::Completion, 0, "row");
      const auto b = (*without)->encode_training(conversation, LossOn::Completion, 0, "row");
      QVERIFY(a && b);
      QCOMPARE(ids_text(b->input_ids), ids_text(a->input_ids));
      QCOMPARE(ids_text(b->labels), ids_text(a->labels));
    }
    const auto bare = ChatProcessor::load(data_room() / "llava", std::nullopt);
    QVERIFY(bare);
    const auto prompt = (*bare)->encode_prompt(row({text("What?")}), "row");
    QVERIFY(prompt);
    const auto& tokenizer = (*bare)->tokenizer();
    QVERIFY(prompt->input_ids.front() != tokenizer.special().bos.value_or(-1));
  }

  void a_picture_is_refused_by_name() {
    const auto processor = ChatProcessor::load(data_room() / "chatml", std::nullopt);
    QVERIFY(processor);
    const Conversation seen =
        row({{ContentPart::Kind::Image, "", data_room() / "a.png"}, text("What is it?")});
    RowFault fault = RowFault::Template;
    const auto example =
        (*processor)->measure_training(seen, LossOn::Completion, 0, "rows.jsonl:3", &fault);
    QVERIFY(!example);
    QCOMPARE(example.error().where, std::string("rows.jsonl:3"));
    QVERIFY(example.error().what.find("reads text alone") != std::string::npos);
    QVERIFY(fault == RowFault::BadRow);
    QVERIFY(!(*processor)->encode_prompt(seen, "row"));
  }

  void pixel_limits_are_refused() {
    const MediaLimits limits{{{}, 1024}};
    const auto limited = ChatProcessor::load(data_room() / "chatml", std::nullopt, limits);
    QVERIFY(!limited);
    QCOMPARE(limited.error().where, std::string("image.max_pixels"));
    const auto processor = ChatProcessor::load(data_room() / "chatml", std::nullopt);
    QVERIFY(!(*processor)->with_limits(data_room() / "chatml", limits));
    QVERIFY((*processor)->with_limits(data_room() / "chatml", {}));
    QVERIFY((*processor)->store_limits("/nowhere", limits).ok());  // there is no file to write
  }

  void no_word_is_a_mark() {
    const auto processor = ChatProcessor::load(data_room() / "chatml", std::nullopt);
    const auto example =
        (*processor)
            ->encode_training(row({text("What does <image> mean?")}), LossOn::All, 0, "row");
    QVERIFY(example);
    QCOMPARE(example->labels, example->input_ids);
  }
};

QTEST_APPLESS_MAIN(TestRowsWithoutPictures)
#include "test_rows_without_pictures.moc"

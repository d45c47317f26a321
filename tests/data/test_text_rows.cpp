// SPDX-License-Identifier: GPL-3.0-or-later
// Rows of a plain text: what is labelled, how a long text is cut between its special tokens, what
// is refused, and that a row says its kind by itself.
#include <QTemporaryDir>
#include <fstream>

#include "engine/data/row_kind.h"
#include "tests/data/chat_fixture.h"

using namespace luthier;
using namespace luthier::test;

namespace {

/// A tokenizer of letters that puts [CLS] before and [SEP] behind.
void write_tokenizer(const std::filesystem::path& folder) {
  Json vocabulary = {{"[PAD]", 0}, {"[UNK]", 1}, {"[CLS]", 2}, {"[SEP]", 3}, {"[MASK]", 4}};
  for (char letter = 'a'; letter <= 'z'; ++letter) {
    vocabulary[std::string(1, letter)] = vocabulary.size();
    vocabulary["##" + std::string(1, letter)] = vocabulary.size();
  }
  Json added = Json::array();
  for (const auto& [text, id] :
       {std::pair{"[PAD]", 0}, {"[UNK]", 1}, {"[CLS]", 2}, {"[SEP]", 3}, {"[MASK]", 4}}) {
    added.push_back({{"id", id},
                     {"content", text},
                     {"special", true},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false}});
  }
  const auto special = [](const char* token) {
    return Json{{"SpecialToken", {{"id", token}, {"type_id", 0}}}};
  };
  const Json sequence = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  const auto entry = [](const char* token, int id) {
    return Json{{"id", token}, {"ids", {id}}, {"tokens", {token}}};
  };
  const Json whole = {
      {"version", "1.0"},
      {"added_tokens", added},
      {"normalizer", nullptr},
      {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
      {"post_processor",
       {{"type", "TemplateProcessing"},
        {"single", {special("[CLS]"), sequence, special("[SEP]")}},
        {"pair", Json::array()},
        {"special_tokens", {{"[CLS]", entry("[CLS]", 2)}, {"[SEP]", entry("[SEP]", 3)}}}}},
      {"decoder", {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}}},
      {"model",
       {{"type", "WordPiece"},
        {"unk_token", "[UNK]"},
        {"continuing_subword_prefix", "##"},
        {"max_input_chars_per_word", 100},
        {"vocab", vocabulary}}}};
  std::ofstream(folder / "tokenizer.json") << whole.dump();
  std::ofstream(folder / "tokenizer_config.json")
      << R"({"tokenizer_class": "BertTokenizer", "mask_token": "[MASK]", "pad_token": "[PAD]"})";
}

}  // namespace

class TestTextRows : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    write_tokenizer(scratch_.path().toStdString());
    auto loaded = ChatProcessor::load(scratch_.path().toStdString(), std::nullopt, {}, 10);
    QVERIFY2(loaded, loaded ? "" : loaded.error().sentence().c_str());
    processor_ = loaded.take();
  }

  void the_mask_is_known() {
    QCOMPARE(processor_->tokenizer().special().mask.value_or(-1), TokenId{4});
  }

  void a_text_is_labelled_but_for_its_special_tokens() {
    const auto row = encoded(R"({"text": "ab [MASK] c"})", 0);
    QVERIFY2(row, row ? "" : row.error().sentence().c_str());
    const Example& example = row->sequences.front();
    QCOMPARE(example.input_ids.front(), TokenId{2});
    QCOMPARE(example.input_ids.back(), TokenId{3});
    QCOMPARE(example.input_ids.size(), std::size_t(6));
    for (std::size_t i = 0; i < example.input_ids.size(); ++i) {
      const bool special = example.input_ids[i] < 5;
      QCOMPARE(example.labels[i], special ? kIgnoreLabel : example.input_ids[i]);
    }
    QCOMPARE(example.truncated_tokens, std::int64_t{0});
  }

  void a_long_text_is_cut_before_its_end() {
    const auto whole = encoded(R"({"text": "a b c d e f"})", 0);
    const auto cut = encoded(R"({"text": "a b c d e f"})", 5);
    QVERIFY(whole && cut);
    const auto &all = whole->sequences.front().input_ids, &some = cut->sequences.front().input_ids;
    QCOMPARE(some, (std::vector<TokenId>{all[0], all[1], all[2], all[3], all.back()}));
    QCOMPARE(cut->sequences.front().truncated_tokens, std::int64_t{3});
    // the model has ten positions, whatever max_length allows
    const auto most = encoded(R"({"text": "a b c d e f g h i j k l m"})", 100);
    QCOMPARE(most->sequences.front().input_ids.size(), std::size_t(10));
    QCOMPARE(most->sequences.front().input_ids.back(), TokenId{3});
    QVERIFY(!encoded(R"({"text": "a"})", 2));
  }

  void a_row_without_a_text_is_refused_by_the_field() {
    for (const char* row : {R"({"messages": []})", R"({"text": 5})", R"([])"}) {
      RowFault fault = RowFault::Template;
      const auto read = text_rows().read(Json::parse(row), "", "rows.jsonl:2", &fault);
      QVERIFY(!read);
      QCOMPARE(read.error().where, std::string("rows.jsonl:2: text"));
      QVERIFY(fault == RowFault::BadRow);
    }
  }

  /// From a table or an archive it is an object with the picture's bytes.
  void a_picture_beside_the_text_may_be_written_in_every_way() {
    const auto file = read_file(data_room() / "a.png");
    QVERIFY(file.ok());
    Json bytes = Json::array();
    for (const char byte : *file) bytes.push_back(static_cast<unsigned char>(byte));
    for (const Json& image :
         {Json("a.png"), Json{{"path", "a.png"}}, Json{{"bytes", bytes}, {"path", "a.png"}}}) {
      const auto read =
          text_rows().read({{"text", "a b"}, {"image", image}}, data_room(), "row", nullptr);
      QVERIFY2(read, read ? "" : read.error().sentence().c_str());
      QCOMPARE(read->messages.front().content.size(), std::size_t(2));
      QVERIFY(read->messages.front().content.back().kind == ContentPart::Kind::Image);
    }
    // What is no picture is a remark.
    for (const Json& image : {Json(), Json(""), Json(7)}) {
      const auto read = text_rows().read({{"text", "a b"}, {"image", image}}, "", "row", nullptr);
      QVERIFY(read && read->messages.front().content.size() == 1);
    }
  }

  void a_row_that_lacks_its_text_is_told_its_own_form() {
    const auto hint = [](const Json& row) {
      return text_rows().read(row, "", "row", nullptr).error().hint;
    };
    QVERIFY(hint({{"image", "a.png"}}).find("\"image\"") != std::string::npos);
    QVERIFY(hint({{"words", "a"}}).find("\"image\"") == std::string::npos);
  }

  void a_row_says_its_kind() {
    const Json text = {{"text", "a b"}};
    const auto read = any_rows().read(text, "", "row", nullptr);
    QVERIFY(read);
    const auto row = any_rows().encode(*read, *processor_, RowEncoding(), "row");
    QVERIFY(row);
    QCOMPARE(row->sequences.front().input_ids.size(), std::size_t(4));
    QVERIFY(find_row_kind("text") == &text_rows());
    QVERIFY(!text_rows().recognises({{"text", "a remark"}, {"messages", Json::array()}}));
  }

  void a_text_is_no_question_to_who_answers_conversations() {
    const auto read = any_rows().read({{"text", "a b"}}, "", "row", nullptr);
    QVERIFY(read);
    const auto prompt = processor_->encode_prompt(*read, "row 4");
    QVERIFY(!prompt);
    QCOMPARE(prompt.error().where, std::string("row 4"));
    QVERIFY(prompt.error().what.find("plain text") != std::string::npos);
  }

 private:
  Result<EncodedRow> encoded(const char* json, std::int64_t max_length) {
    LUTHIER_TRY(const Conversation row, text_rows().read(Json::parse(json), "", "row", nullptr));
    RowEncoding how;
    how.max_length = max_length;
    return text_rows().encode(row, *processor_, how, "row");
  }

  QTemporaryDir scratch_;
  std::shared_ptr<const ChatProcessor> processor_;
};

QTEST_APPLESS_MAIN(TestTextRows)
#include "test_text_rows.moc"

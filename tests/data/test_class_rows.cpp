// SPDX-License-Identifier: GPL-3.0-or-later
// Rows that belong to classes: labels by name and by number, several of them, numbers, words; two
// texts read together and cut the longer first; what is refused by which field.
#include <QTemporaryDir>

#include "engine/data/row_kind.h"
#include "engine/io/files.h"
#include "tests/data/chat_fixture.h"

using namespace luthier;
using namespace luthier::test;

namespace {

/// Letters and their continuations, with BERT's way of one text and of two.
constexpr const char* kTokenizer = R"({
  "version": "1.0", "truncation": null, "padding": null,
  "added_tokens": [
    {"id": 0, "content": "[PAD]", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false},
    {"id": 2, "content": "[CLS]", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false},
    {"id": 3, "content": "[SEP]", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false}],
  "normalizer": null, "pre_tokenizer": {"type": "BertPreTokenizer"},
  "post_processor": {"type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
               {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
    "pair": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
             {"SpecialToken": {"id": "[SEP]", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}},
             {"SpecialToken": {"id": "[SEP]", "type_id": 1}}],
    "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                       "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}}},
  "decoder": null,
  "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "a": 4, "b": 5, "c": 6, "##x": 7}}})";

ClassOptions classes_of(ClassOptions::Of of, ClassOptions::Says says) {
  return {of, says, {"good", "bad", "new"}};
}

}  // namespace

class TestClassRows : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    const std::filesystem::path folder = folder_.path().toStdString();
    const Status written = write_file_atomically(folder / "tokenizer.json", kTokenizer);
    QVERIFY2(written, written ? "" : written.error().sentence().c_str());
  }

  void a_label_is_a_class_by_name_or_number() {
    for (const Json& label : {Json("bad"), Json(1), Json::array({"bad"})}) {
      const auto row = encoded({{"text", "a b"}, {"label", label}});
      QVERIFY2(row, row ? "" : row.error().sentence().c_str());
      QCOMPARE(row->targets, std::vector<double>{1});
      QCOMPARE(row->sequences.front().input_ids, (std::vector<TokenId>{2, 4, 5, 3}));
      QCOMPARE(row->labels(), std::int64_t(0));  // no token's label is left
    }
  }

  /// Only a model that answers questions about pictures learns by the answer.
  void a_pictures_label_stays_beside_an_answer() {
    const Json row{{"image", "a.png"}, {"text", "Which?"}, {"answer", "good"}, {"label", "bad"}};
    const auto read = class_rows().read(row, folder_.path().toStdString(), "row", nullptr);
    QVERIFY2(read, read ? "" : read.error().sentence().c_str());
    const Json& extra = read->messages.front().extra;
    QCOMPARE(extra["label"].get<std::string>(), std::string("bad"));
    QCOMPARE(extra["field"].get<std::string>(), std::string("label"));
    QCOMPARE(extra["answer"].get<std::string>(), std::string("good"));
  }

  void a_row_may_belong_to_several() {
    const auto several = classes_of(ClassOptions::Of::Row, ClassOptions::Says::Several);
    const auto named = encoded({{"text", "a"}, {"labels", {"good", "new"}}}, several);
    const auto one = encoded({{"text", "a"}, {"label", "bad"}}, several);
    const auto each = encoded({{"text", "a"}, {"labels", {0.0, 1.0, 0.5}}}, several);
    const auto none = encoded({{"text", "a"}, {"labels", Json::array()}}, several);
    QVERIFY(named && one && each && none);
    QCOMPARE(named->targets, (std::vector<double>{1, 0, 1}));
    QCOMPARE(one->targets, (std::vector<double>{0, 1, 0}));
    QCOMPARE(each->targets, (std::vector<double>{0, 1, 0.5}));
    QCOMPARE(none->targets, (std::vector<double>{0, 0, 0}));
  }

  void a_number_is_learned_as_it_is() {
    ClassOptions number{ClassOptions::Of::Row, ClassOptions::Says::Number, {"LABEL_0"}};
    const auto row = encoded({{"text", "a"}, {"label", -2.5}}, number);
    QVERIFY2(row, row ? "" : row.error().sentence().c_str());
    QCOMPARE(row->targets, std::vector<double>{-2.5});
    QVERIFY(!encoded({{"text", "a"}, {"label", "good"}}, number));
  }

  void a_row_without_a_label_is_asked_about() {
    const auto row = encoded({{"text", "a"}});
    QVERIFY2(row, row ? "" : row.error().sentence().c_str());
    QVERIFY(row->targets.empty());
  }

  void two_texts_are_read_together() {
    const auto row = encoded({{"text", "a b"}, {"text_pair", "c"}, {"label", 0}});
    QVERIFY2(row, row ? "" : row.error().sentence().c_str());
    QCOMPARE(row->sequences.front().input_ids, (std::vector<TokenId>{2, 4, 5, 3, 6, 3}));
    QCOMPARE(row->sequences.front().token_types, (std::vector<std::int64_t>{0, 0, 0, 0, 1, 1}));
  }

  // transformers' longest_first, whose tokenizers cut so: (first, second, room) → kept of each
  void the_longer_text_is_cut_first_data() {
    QTest::addColumn<int>("first");
    QTest::addColumn<int>("second");
    QTest::addColumn<int>("length");
    QTest::addColumn<int>("kept");
    QTest::newRow("both fit") << 3 << 4 << 10 << 3;
    QTest::newRow("the second is longer") << 2 << 9 << 10 << 2;
    QTest::newRow("the first is longer") << 9 << 2 << 10 << 5;
    QTest::newRow("both are too long") << 9 << 9 << 10 << 3;
  }
  void the_longer_text_is_cut_first() {
    QFETCH(int, first);
    QFETCH(int, second);
    QFETCH(int, length);
    QFETCH(int, kept);
    const auto repeated = [](const char* letter, int times) {
      std::string text;
      for (int i = 0; i < times; ++i) text += std::string(letter) + " ";
      return text;
    };
    RowEncoding how;
    how.max_length = length;
    const auto row =
        encoded({{"text", repeated("a", first)}, {"text_pair", repeated("b", second)}}, {}, how);
    QVERIFY2(row, row ? "" : row.error().sentence().c_str());
    const std::vector<TokenId>& ids = row->sequences.front().input_ids;
    QVERIFY(static_cast<int>(ids.size()) <= length);
    QCOMPARE(std::count(ids.begin(), ids.end(), TokenId(4)), std::ptrdiff_t(kept));
  }

  void a_words_class_stands_on_its_first_token() {
    const auto tokens = classes_of(ClassOptions::Of::Token, ClassOptions::Says::One);
    const Json row{{"words", {"ax", "b", "c"}}, {"labels", {"good", -100, "new"}}};
    const auto made = encoded(row, tokens);
    QVERIFY2(made, made ? "" : made.error().sentence().c_str());
    QCOMPARE(made->sequences.front().input_ids, (std::vector<TokenId>{2, 4, 7, 5, 6, 3}));
    QCOMPARE(made->sequences.front().labels,
             (std::vector<std::int64_t>{-100, 0, -100, -100, 2, -100}));
    RowEncoding how;
    how.max_length = 4;
    const auto cut = encoded(row, tokens, how);
    QVERIFY(cut);
    QCOMPARE(cut->sequences.front().input_ids, (std::vector<TokenId>{2, 4, 7, 3}));
    QCOMPARE(cut->sequences.front().truncated_tokens, std::int64_t(2));
  }

  void what_is_wrong_is_said_by_the_field_data() {
    QTest::addColumn<QString>("row");
    QTest::addColumn<QString>("said");
    QTest::newRow("a class that is none") << R"({"text": "a", "label": "ugly"})"
                                          << "label";
    QTest::newRow("a number too high") << R"({"text": "a", "label": 3})"
                                       << "good, bad, new";
    QTest::newRow("a number below 0") << R"({"text": "a", "label": -1})"
                                      << "label";
    QTest::newRow("no text") << R"({"label": 1})"
                             << "text";
    QTest::newRow("words for a text") << R"({"words": ["a"], "labels": [1]})"
                                      << "a text";
    QTest::newRow("too few labels") << R"({"words": ["a", "b"], "labels": [1]})"
                                    << "as many labels as words, 2";
  }
  void what_is_wrong_is_said_by_the_field() {
    QFETCH(QString, row);
    QFETCH(QString, said);
    const auto made = encoded(Json::parse(row.toStdString()));
    QVERIFY(!made);
    QVERIFY2(made.error().sentence().find(said.toStdString()) != std::string::npos,
             made.error().sentence().c_str());
  }

  void a_model_without_a_head_says_how_to_get_one() {
    const auto plain = ChatProcessor::load(folder_.path().toStdString(), std::nullopt);
    QVERIFY(plain);
    const auto row = class_rows().read({{"text", "a"}, {"label", 0}}, {}, "row", nullptr);
    QVERIFY(row);
    const auto made = class_rows().encode(*row, **plain, RowEncoding(), "row", nullptr);
    QVERIFY(!made);
    QVERIFY(made.error().sentence().find("luthier-cli head") != std::string::npos);
  }

  void a_configuration_says_what_is_told_apart() {
    Json config;
    write_class_options(classes_of(ClassOptions::Of::Row, ClassOptions::Says::Several),
                        "BertForSequenceClassification", config);
    const auto read = read_class_options(config, "config.json");
    QVERIFY(read && *read);
    QVERIFY((*read)->says == ClassOptions::Says::Several && (*read)->of == ClassOptions::Of::Row);
    QCOMPARE((*read)->names, (std::vector<std::string>{"good", "bad", "new"}));
    config["id2label"] = {{"0", "a"}, {"2", "b"}};
    QVERIFY(!read_class_options(config, "config.json"));
    config["id2label"] = {{"0", "a"}, {"1", "b"}};
    config["problem_type"] = "guessing";
    QVERIFY(!read_class_options(config, "config.json"));
    config["architectures"] = {"BertForMaskedLM"};
    const auto none = read_class_options(config, "config.json");
    QVERIFY(none && !*none);
  }

 private:
  Result<EncodedRow> encoded(const Json& row, std::optional<ClassOptions> classes = {},
                             const RowEncoding& how = {}) const {
    if (!classes) classes = classes_of(ClassOptions::Of::Row, ClassOptions::Says::One);
    LUTHIER_TRY(const auto processor,
                ChatProcessor::load(folder_.path().toStdString(), std::nullopt, {}, 0,
                                    RowForm::ChatTemplate, {classes, {}}));
    LUTHIER_TRY(const Conversation read, class_rows().read(row, {}, "row", nullptr));
    return class_rows().encode(read, *processor, how, "row", nullptr);
  }

  QTemporaryDir folder_;
};

QTEST_APPLESS_MAIN(TestClassRows)
#include "test_class_rows.moc"

// SPDX-License-Identifier: GPL-3.0-or-later
// Rows of documents, of which two stretches that follow one another are drawn: where sentences end,
// that a pair fits and is its document's, that the same draws give the same pair and others
// another, which rows are refused, and that a pair comes apart as it was put together.
#include "engine/data/sentence_pair_rows.h"

#include <QTemporaryDir>
#include <fstream>
#include <set>

#include "engine/data/sentences.h"
#include "engine/data/text_pairs.h"
#include "tests/data/chat_fixture.h"

using namespace luthier;
using namespace luthier::test;

namespace {

using Texts = std::vector<std::string>;

/// Of letters, [CLS] first [SEP] second [SEP].
void write_pair_tokenizer(const std::filesystem::path& folder) {
  Json vocabulary = {{"[PAD]", 0}, {"[UNK]", 1}, {"[CLS]", 2}, {"[SEP]", 3}, {"[MASK]", 4}};
  Json added = Json::array();
  for (const auto& item : vocabulary.items())
    added.push_back({{"id", item.value()},
                     {"content", item.key()},
                     {"special", true},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false}});
  for (char letter = 'a'; letter <= 'z'; ++letter) {
    vocabulary[std::string(1, letter)] = vocabulary.size();
    vocabulary["##" + std::string(1, letter)] = vocabulary.size();
  }
  vocabulary["."] = vocabulary.size();
  const auto special = [](const char* token, int type) {
    return Json{{"SpecialToken", {{"id", token}, {"type_id", type}}}};
  };
  const auto text = [](const char* which, int type) {
    return Json{{"Sequence", {{"id", which}, {"type_id", type}}}};
  };
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
        {"single", {special("[CLS]", 0), text("A", 0), special("[SEP]", 0)}},
        {"pair",
         {special("[CLS]", 0), text("A", 0), special("[SEP]", 0), text("B", 1),
          special("[SEP]", 1)}},
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

class TestSentencePairRows : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    write_pair_tokenizer(scratch_.path().toStdString());
    auto loaded = ChatProcessor::load(scratch_.path().toStdString(), std::nullopt, {}, 16);
    QVERIFY2(loaded, loaded ? "" : loaded.error().sentence().c_str());
    processor_ = loaded.take();
  }

  void sentences_end_where_they_do() {
    QCOMPARE(sentences_of("A b. C!  D? e"), (Texts{"A b.", "C!", "D?", "e"}));
    QCOMPARE(sentences_of("v1.5 is out... \"Yes!\" (No.) x"),
             (Texts{"v1.5 is out...", "\"Yes!\"", "(No.)", "x"}));
    QCOMPARE(sentences_of(" a\nb \r\n\n c"), (Texts{"a", "b", "c"}));
    QCOMPARE(sentences_of("天气很好。我们走吧！好"), (Texts{"天气很好。", "我们走吧！", "好"}));
    QVERIFY(sentences_of("").empty());
    QVERIFY(sentences_of(" \n\t").empty());
    QCOMPARE(sentences_of("..."), (Texts{"..."}));
  }

  void a_drawn_pair_is_its_documents_and_fits() {
    const char* document = R"({"sentences": ["a b c", "d e", "f g h i", "j", "k l m", "n o p q"]})";
    const std::vector<TokenId> all = letters("abcdefghijklmnopq");
    std::set<std::vector<TokenId>> drawn;
    std::set<std::size_t> firsts;
    for (std::uint64_t noise = 1; noise < 200; ++noise) {
      const auto row = encoded(document, 12, noise);
      QVERIFY2(row, row ? "" : row.error().sentence().c_str());
      const Example& example = row->sequences.front();
      QVERIFY(example.input_ids.size() <= 12);
      const auto first = static_cast<std::size_t>(row->numbers.at(kFirstText));
      QCOMPARE(row->numbers.at(kPairRoom), 9.0);
      const TextPair pair = taken_apart(processor_->tokenizer(), example, first);
      QCOMPARE(pair.tokens() + 3, example.input_ids.size());
      QVERIFY(!pair.first.empty());
      for (const auto* text : {&pair.first, &pair.second})
        QVERIFY(std::search(all.begin(), all.end(), text->begin(), text->end()) != all.end());
      const Example again = laid_out_pair(processor_->tokenizer(), pair);
      QCOMPARE(again.input_ids, example.input_ids);
      QCOMPARE(again.token_types, example.token_types);
      QCOMPARE(again.labels, example.labels);
      QCOMPARE(encoded(document, 12, noise)->sequences.front().input_ids, example.input_ids);
      drawn.insert(example.input_ids);
      firsts.insert(pair.first.size());
    }
    // Two chunks of three sentences, parted in two ways each, and those of the short rows.
    QVERIFY2(drawn.size() > 4, qPrintable(QString::number(drawn.size())));
    QVERIFY(firsts.size() > 3);
  }

  void who_measures_gets_the_first_that_fill_a_row() {
    const auto row = encoded(R"({"text": "a b c. d e. f g h i. j k."})", 0, 0);
    QVERIFY(row);
    QCOMPARE(row->sequences.front().input_ids.size(), std::size_t(16));  // the model's positions
    QCOMPARE(row->numbers.at(kPairRoom), 13.0);
    // One shorter than a row is whole, and yet its room is known.
    const auto small = encoded(R"({"sentences": ["a", "b"]})", 0, 0);
    QVERIFY(small);
    QCOMPARE(small->sequences.front().input_ids.size(), std::size_t(5));
    QCOMPARE(small->numbers.at(kPairRoom), 13.0);
  }

  void the_longer_text_is_cut() {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      RandomStream draws(seed, 0);
      TextPair pair{letters("abcdefgh"), letters("xyz")};
      cut_longer_text(pair, 7, draws);
      QCOMPARE(pair.first.size(), std::size_t(4));
      QCOMPARE(pair.second, letters("xyz"));
      const std::vector<TokenId> all = letters("abcdefgh");
      QVERIFY(std::search(all.begin(), all.end(), pair.first.begin(), pair.first.end()) !=
              all.end());
      cut_longer_text(pair, 0, draws);
      QCOMPARE(pair.tokens(), std::size_t(7));
    }
  }

  void a_given_pair_keeps_its_label() {
    const auto row = encoded(R"({"text": "a b", "text_pair": "c", "label": true})", 0, 7);
    QVERIFY(row);
    QCOMPARE(row->targets, std::vector<double>{1.0});
    QVERIFY(row->numbers.empty());
    QCOMPARE(row->sequences.front().token_types, (std::vector<std::int64_t>{0, 0, 0, 0, 1, 1}));
  }

  void what_is_no_pair_is_refused_by_the_field() {
    for (const auto& [row, field] : {std::pair{R"({"text": 5})", "text"},
                                     {R"([])", "row"},
                                     {R"({"sentences": "a"})", "sentences"},
                                     {R"({"sentences": ["a", 1]})", "sentences[1]"},
                                     {R"({"text": "a", "text_pair": "b"})", "label"},
                                     {R"({"text": "a", "text_pair": "b", "label": 2})", "label"},
                                     {R"({"text": "a", "text_pair": 1, "label": 0})", "text_pair"},
                                     {R"({"text": "one alone."})", "text"},
                                     {R"({"sentences": ["a", " "]})", "text"}}) {
      const auto made = encoded(row, 0, 1);
      QVERIFY2(!made, row);
      QCOMPARE(made.error().where, std::string("row: ") + field);
      QVERIFY(fault_ == RowFault::BadRow);
    }
    QVERIFY(!encoded(R"({"sentences": ["a", "b"]})", 4, 1));
    QVERIFY(!encoded(R"({"sentences": ["a", "b"]})", 3, 1));
    QVERIFY(encoded(R"({"sentences": ["a", "b"]})", 5, 1));
    QVERIFY(find_row_kind("sentence_pairs") == &sentence_pair_rows());
  }

 private:
  std::vector<TokenId> letters(const std::string& text) const {
    std::vector<TokenId> ids;
    for (const char letter : text)
      ids.push_back(*processor_->tokenizer().token_to_id(std::string(1, letter)));
    return ids;
  }

  Result<EncodedRow> encoded(const char* json, std::int64_t max_length, std::uint64_t noise) {
    LUTHIER_TRY(const Conversation row,
                sentence_pair_rows().read(Json::parse(json), "", "row", &fault_));
    RowEncoding how;
    how.max_length = max_length, how.noise = noise;
    return sentence_pair_rows().encode(row, *processor_, how, "row", &fault_);
  }

  QTemporaryDir scratch_;
  std::shared_ptr<const ChatProcessor> processor_;
  RowFault fault_ = RowFault::Template;
};

QTEST_APPLESS_MAIN(TestSentencePairRows)
#include "test_sentence_pair_rows.moc"

// SPDX-License-Identifier: GPL-3.0-or-later
// Where each token stands in an answer's text: sentencepiece, byte fallback, byte-level BPE,
// special tokens, a text cut in mid-character; and what holds for every tokenizer of
// tests/data/text.
#include <QTemporaryDir>
#include <QtTest>

#include "engine/generate/answer_text.h"
#include "engine/io/files.h"
#include "engine/io/json.h"

using namespace luthier;

namespace {

using Range = std::pair<std::size_t, std::size_t>;
using Ranges = std::vector<Range>;

std::unique_ptr<Tokenizer> load(const std::filesystem::path& folder) {
  auto tokenizer = Tokenizer::load(folder);
  if (!tokenizer) qFatal("%s", tokenizer.error().sentence().c_str());
  return tokenizer.take();
}

std::filesystem::path teaching() {
  return std::filesystem::path(LUTHIER_SOURCE_DIR) / "resources/teaching/base";
}

AnswerText decoded(const Tokenizer& tokenizer, const std::vector<TokenId>& ids) {
  AnswerText text(tokenizer);
  for (const TokenId id : ids) text.add(id);
  return text;
}

std::vector<TokenId> ids_of(const Tokenizer& tokenizer, const std::vector<std::string>& tokens) {
  std::vector<TokenId> ids;
  for (const std::string& token : tokens) {
    const auto id = tokenizer.token_to_id(token);
    if (!id) qFatal("there is no token %s", token.c_str());
    ids.push_back(*id);
  }
  return ids;
}

bool between_characters(const std::string& text, std::size_t at) {
  return at == text.size() || (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80;
}

/// What holds for any tokens: places lie in the text between characters, in order, and leave
/// nothing out.
QString fault_in(const AnswerText& answer) {
  const std::string& text = answer.text();
  std::size_t covered = 0;
  for (const auto& [begin, end] : answer.ranges()) {
    if (begin > end || end > text.size()) return QStringLiteral("outside of the text");
    if (!between_characters(text, begin) || !between_characters(text, end))
      return QStringLiteral("in a character");
    if (begin < end && begin > covered) return QStringLiteral("left out from %1 on").arg(covered);
    covered = std::max(covered, end);
  }
  return covered == text.size() ? QString() : QStringLiteral("left out at the end");
}

}  // namespace

class TestAnswerText : public QObject {
  Q_OBJECT

  void check_words(const Tokenizer& tokenizer) {
    const std::string text = "There is a red circle at the top.";
    const auto encoding = tokenizer.encode(text, false);
    QVERIFY(encoding.ok() && encoding->ids.size() > 5);
    const AnswerText answer = decoded(tokenizer, encoding->ids);
    QCOMPARE(answer.text(), text);
    QCOMPARE(fault_in(answer), QString());
    const Ranges ranges = answer.ranges();
    std::string joined;
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      const std::string part = text.substr(ranges[i].first, ranges[i].second - ranges[i].first);
      const std::string piece = piece_text(tokenizer, encoding->ids[i]);
      // Each stands where its piece does; the first has lost its space.
      QCOMPARE(part, i == 0 && piece.starts_with(" ") ? piece.substr(1) : piece);
      joined += part;
    }
    QCOMPARE(joined, text);
    QVERIFY(text.substr(ranges[1].first).starts_with(" ") ||
            !piece_text(tokenizer, encoding->ids[1]).starts_with(" "));
  }

  void check_byte_fallback(const Tokenizer& tokenizer) {
    const auto bytes =
        ids_of(tokenizer, {"<0xED>", "<0x95>", "<0x9C>", "<0xEA>", "<0xB8>", "<0x80>"});
    const AnswerText answer = decoded(tokenizer, bytes);
    QCOMPARE(answer.text(), std::string("한글"));
    QCOMPARE(answer.ranges(), (Ranges{{0, 3}, {0, 3}, {0, 3}, {3, 6}, {3, 6}, {3, 6}}));
    // Among words, and with an end token that writes nothing.
    std::vector<TokenId> ids = tokenizer.encode("a red", false)->ids;
    const std::size_t words = ids.size();
    ids.insert(ids.end(), bytes.begin(), bytes.begin() + 3);
    ids.push_back(*tokenizer.special().eos);
    const AnswerText mixed = decoded(tokenizer, ids);
    QCOMPARE(mixed.text(), std::string("a red한"));
    const Ranges ranges = mixed.ranges();
    QCOMPARE(ranges[words - 1].second, std::size_t(5));
    for (std::size_t i = words; i < words + 3; ++i) QCOMPARE(ranges[i], (Range{5, 8}));
    QCOMPARE(ranges.back(), (Range{8, 8}));
    // Cut in mid-character: what stands for the bytes is shared among them.
    const AnswerText cut = decoded(tokenizer, {bytes[0], bytes[1]});
    QCOMPARE(fault_in(cut), QString());
    for (const auto& [begin, end] : cut.ranges()) QVERIFY(begin < end);
    QCOMPARE(piece_text(tokenizer, bytes[0]), std::string("<0xED>"));
  }

 private slots:
  void words_of_sentencepiece_keep_their_places() { check_words(*load(teaching())); }

  void words_of_tokenizer_model_alone_keep_their_places() {
    QTemporaryDir folder;
    const std::filesystem::path path = folder.path().toStdString();
    std::filesystem::copy(teaching() / "tokenizer.model", path / "tokenizer.model");
    const auto tokenizer = load(path);
    check_words(*tokenizer);
    check_byte_fallback(*tokenizer);
  }

  void bytes_that_make_a_character_share_it() { check_byte_fallback(*load(teaching())); }

  void byte_level_tokens_share_characters() {
    const auto tokenizer = load(std::filesystem::path(LUTHIER_TEST_DATA) / "data_room/chatml");
    const auto encoding = tokenizer->encode("한국 brown 😀", false);
    QVERIFY(encoding.ok());
    AnswerText answer = decoded(*tokenizer, encoding->ids);
    QCOMPARE(answer.text(), std::string("한국 brown 😀"));
    QCOMPARE(fault_in(answer), QString());
    // The encoder's own places are the same, where it gives any.
    const Ranges ranges = answer.ranges();
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      QVERIFY(ranges[i].first < ranges[i].second);
      QVERIFY(ranges[i].first <= encoding->offsets[i].first &&
              encoding->offsets[i].second <= ranges[i].second);
    }
    answer.add(*tokenizer->special().eos);
    QCOMPARE(answer.text(), std::string("한국 brown 😀"));
    QCOMPARE(answer.ranges().back(), (Range{answer.text().size(), answer.text().size()}));
    // Bytes of a character that never comes: each points at what stands for it.
    const auto part = tokenizer->encode("😀", false);
    QVERIFY(part.ok() && part->ids.size() >= 2);
    const AnswerText cut = decoded(*tokenizer, {part->ids.begin(), part->ids.end() - 1});
    QCOMPARE(fault_in(cut), QString());
    for (const auto& [begin, end] : cut.ranges()) QVERIFY(begin < end);
  }

  void ids_past_the_vocabulary_write_nothing() {
    const auto tokenizer = load(teaching());
    std::vector<TokenId> ids = tokenizer->encode("a red circle", false)->ids;
    ids.insert(ids.begin() + 1, tokenizer->vocab_size() + 3);
    const AnswerText answer = decoded(*tokenizer, ids);
    QCOMPARE(answer.text(), std::string("a red circle"));
    QCOMPARE(answer.ranges()[1], (Range{1, 1}));
    QCOMPARE(answer.ranges()[2].first, std::size_t(1));
    QCOMPARE(fault_in(answer), QString());
    QVERIFY(AnswerText(*tokenizer).ranges().empty());
  }

  void every_tokenizer_leaves_nothing_out() {
    const auto document = read_json_file(std::string(LUTHIER_TEST_DATA) + "/text/tokenizers.json");
    QVERIFY(document.ok());
    const auto shared = [&](const Json& value) -> const Json& {
      const bool elsewhere = value.contains("shared") && value.size() == 1;
      return elsewhere ? (*document)["shared"][value["shared"].get<std::size_t>()] : value;
    };
    int checked = 0;
    for (const Json& entry : (*document)["folders"]) {
      QTemporaryDir directory;
      const std::filesystem::path folder = directory.path().toStdString();
      for (const auto& [name, content] : entry["files"].items()) {
        QVERIFY(write_file_atomically(folder / name, shared(content).dump()).ok());
      }
      if (entry.contains("model")) {
        const auto model = QByteArray::fromBase64(
            QByteArray::fromStdString(shared(entry["model"]).get<std::string>()));
        QVERIFY(write_file_atomically(folder / "tokenizer.model", model.toStdString()).ok());
      }
      const auto tokenizer = load(folder);
      for (const Json& example : entry["cases"]) {
        const auto ids = example["with"].get<std::vector<TokenId>>();
        const AnswerText answer = decoded(*tokenizer, ids);
        QCOMPARE(answer.text(), example.value("skipped", example["decoded"]).get<std::string>());
        const QString fault = fault_in(answer);
        QVERIFY2(fault.isEmpty(),
                 qPrintable(QString::fromStdString(entry["name"].get<std::string>() + ": " +
                                                   answer.text() + ": ") +
                            fault));
        ++checked;
      }
    }
    QVERIFY(checked > 100);
  }
};

QTEST_GUILESS_MAIN(TestAnswerText)
#include "test_answer_text.moc"

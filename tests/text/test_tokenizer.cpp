// SPDX-License-Identifier: GPL-3.0-or-later
// Tokenizers of all kinds against what transformers makes of the same folders
// (tests/data/text/make_tokenizers.py), long texts, and broken files.
#include <QTemporaryDir>
#include <QtTest>

#include "engine/io/files.h"
#include "engine/io/json.h"
#include "engine/text/sentencepiece_model.h"
#include "engine/text/sentencepiece_tokenizer.h"
#include "engine/text/tokenizer.h"
#include "engine/text/tokenizer_json.h"
#include "tests/patience.h"

using namespace luthier;

namespace {

std::string optional_text(const Json& value) {
  return value.is_null() ? std::string() : value.get<std::string>();
}

/// A byte-fallback BPE tokenizer.json small enough to break in many ways.
Json small() {
  return Json::parse(
      R"({"added_tokens": [{"id": 3, "content": "<s>", "special": true, "normalized": false}], )"
      R"("normalizer": null, "pre_tokenizer": null,
    "post_processor": null, "decoder": {"type": "Fuse"},
    "model": {"type": "BPE", "unk_token": null, "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}})");
}

}  // namespace

class TestTokenizer : public QObject {
  Q_OBJECT

  Json document_;

  const Json& shared(const Json& value) const {
    return value.contains("shared") && value.size() == 1
               ? document_["shared"][value["shared"].get<std::size_t>()]
               : value;
  }

  void write_folder(const Json& entry, const std::filesystem::path& folder) const {
    for (const auto& [name, content] : entry["files"].items()) {
      QVERIFY(write_file_atomically(folder / name, shared(content).dump()).ok());
    }
    if (entry.contains("model")) {
      const QByteArray model = QByteArray::fromBase64(
          QByteArray::fromStdString(shared(entry["model"]).get<std::string>()));
      QVERIFY(write_file_atomically(
                  folder / "tokenizer.model",
                  std::string_view(model.constData(), static_cast<std::size_t>(model.size())))
                  .ok());
    }
  }

  std::string model_bytes() const {
    for (const Json& entry : document_["folders"]) {
      if (entry.contains("model"))
        return QByteArray::fromBase64(
                   QByteArray::fromStdString(shared(entry["model"]).get<std::string>()))
            .toStdString();
    }
    return "";
  }

  static std::string refusal(const Json& json) {
    const auto tokenizer = tokenizer_from_json(json.dump(), "tokenizer.json");
    return tokenizer ? "" : tokenizer.error().sentence();
  }

 private slots:
  void initTestCase() {
    auto document = read_json_file(std::string(LUTHIER_TEST_DATA) + "/text/tokenizers.json");
    QVERIFY2(document.ok(), document ? "" : document.error().sentence().c_str());
    document_ = document.take();
  }

  void equals_reference_data() {
    QTest::addColumn<int>("index");
    int index = 0;
    for (const Json& entry : document_["folders"])
      QTest::newRow(entry["name"].get<std::string>().c_str()) << index++;
    QVERIFY(index >= 25);
  }

  void equals_reference() {
    QFETCH(int, index);
    const Json& entry = document_["folders"][static_cast<std::size_t>(index)];
    QTemporaryDir directory;
    const std::filesystem::path folder = directory.path().toStdString();
    write_folder(entry, folder);
    const auto loaded = Tokenizer::load(folder);
    QVERIFY2(loaded.ok(), loaded ? "" : loaded.error().sentence().c_str());
    const Tokenizer& tokenizer = **loaded;
    QCOMPARE(tokenizer.vocab_size(), entry["size"].get<std::int64_t>());
    const SpecialTokens& special = tokenizer.special();
    QCOMPARE(special.bos_text, optional_text(entry["special"][0]));
    QCOMPARE(special.eos_text, optional_text(entry["special"][1]));
    QCOMPARE(special.pad_text, optional_text(entry["special"][2]));
    QCOMPARE(special.unk_text, optional_text(entry["special"][3]));
    for (const Json& example : entry["cases"]) {
      const auto text = example["text"].get<std::string>();
      const auto wanted = example["with"].get<std::vector<TokenId>>();
      const auto with = tokenizer.encode(text, true);
      QVERIFY2(with.ok(), with ? "" : with.error().sentence().c_str());
      if (with->ids != wanted)
        QFAIL((text + "\nwanted " + example["with"].dump() + "\ngot " + Json(with->ids).dump())
                  .c_str());
      const auto front = entry["around"][0].get<std::ptrdiff_t>(),
                 back = entry["around"][1].get<std::ptrdiff_t>();
      const auto without = tokenizer.encode(text, false);
      QVERIFY(without.ok() &&
              without->ids == std::vector<TokenId>(wanted.begin() + front, wanted.end() - back));
      const auto decoded = tokenizer.decode(wanted, false),
                 skipped = tokenizer.decode(wanted, true);
      QVERIFY(decoded.ok() && skipped.ok());
      QCOMPARE(*decoded, example["decoded"].get<std::string>());
      QCOMPARE(*skipped, example.value("skipped", example["decoded"]).get<std::string>());
      QVERIFY(with->pieces.size() == with->ids.size() && with->offsets.size() == with->ids.size());
      for (std::size_t i = 0; i < with->ids.size(); ++i) {
        QVERIFY(with->ids[i] >= 0 && with->ids[i] < tokenizer.vocab_size());
        QCOMPARE(with->pieces[i], tokenizer.id_to_token(with->ids[i]));
        QVERIFY(with->offsets[i].first <= with->offsets[i].second &&
                with->offsets[i].second <= text.size());
      }
    }
    QVERIFY(!tokenizer.decode(std::vector<TokenId>{tokenizer.vocab_size()}, false).ok());
    QVERIFY(!tokenizer.decode(std::vector<TokenId>{-1}, false).ok());
    QVERIFY(!tokenizer.encode("\xff\xfe", false).ok());
  }

  void offsets_point_into_the_text() {
    for (const Json& entry : document_["folders"]) {
      if (entry["name"] != "llama" && entry["name"] != "byte level" && entry["name"] != "model new")
        continue;
      QTemporaryDir directory;
      write_folder(entry, directory.path().toStdString());
      const auto tokenizer = Tokenizer::load(directory.path().toStdString());
      QVERIFY(tokenizer.ok());
      const std::string text = "the <image>한국 brown";
      const auto encoding = (*tokenizer)->encode(text, false);
      QVERIFY(encoding.ok());
      std::size_t end = 0;
      for (const auto& [begin, stop] : encoding->offsets) {
        QVERIFY(begin <= end);  // nothing of the text is left out
        end = std::max(end, stop);
      }
      QCOMPARE(end, text.size());
    }
  }

  void long_texts_are_not_quadratic() {
    for (const Json& entry : document_["folders"]) {
      QTemporaryDir directory;
      write_folder(entry, directory.path().toStdString());
      const auto tokenizer = Tokenizer::load(directory.path().toStdString());
      QVERIFY(tokenizer.ok());
      const auto repeated = [](const std::string& unit, std::size_t size) {
        std::string text;
        while (text.size() < size) text += unit;
        return text;
      };
      for (const char* unit : {"the quick 한국어 brown fox <s> 123 ", "a", " ", "\n"}) {
        const std::string piece = repeated(unit, 1000), text = repeated(unit, 64000);
        const auto encode = [&](const std::string& given) {
          if (!(*tokenizer)->encode(given, true).ok()) qFatal("a long text is refused");
        };
        const double grown = luthier::test::growth([&] { encode(piece); }, [&] { encode(text); });
        QVERIFY2(
            grown < luthier::test::kEven,
            (entry["name"].get<std::string>() + ": " + std::to_string(grown) + " times").c_str());
      }
    }
  }

  void small_one_works() {
    const auto tokenizer = tokenizer_from_json(small().dump(), "tokenizer.json");
    QVERIFY(tokenizer.ok());
    const auto encoding = (*tokenizer)->encode("aab<s>b", false);
    QVERIFY((encoding->ids == std::vector<TokenId>{0, 2, 3, 1}));
    QVERIFY((*tokenizer)->is_special(3) && !(*tokenizer)->is_special(2) &&
            !(*tokenizer)->is_special(99));
    QCOMPARE((*tokenizer)->token_to_id("ab").value_or(-1), TokenId{2});
    QVERIFY(!(*tokenizer)->token_to_id("zz"));
    QCOMPARE((*tokenizer)->id_to_token(7), std::string());
  }

  void broken_files_are_named_data() {
    QTest::addColumn<QString>("pointer");
    QTest::addColumn<QString>("value");
    QTest::addColumn<QString>("named");
    const auto add = [](const char* name, const char* pointer, const char* value,
                        const char* named) { QTest::newRow(name) << pointer << value << named; };
    add("huge id", "/model/vocab/a", "4000000000", "model.vocab");
    add("huger id", "/model/vocab/a", "18446744073709551615", "model.vocab");
    add("negative id", "/model/vocab/a", "-1", "model.vocab");
    add("text id", "/model/vocab/a", "\"0\"", "model.vocab");
    add("sparse id", "/model/vocab/a", "100000", "model.vocab");
    add("vocabulary list", "/model/vocab", "[1]", "model.vocab");
    add("merge of three", "/model/merges", "[\"a b a\"]", "model.merges[0]");
    add("merge of strangers", "/model/merges", "[[\"a\", \"z\"]]", "model.merges[0]");
    add("merge of numbers", "/model/merges", "[1]", "model.merges[0]");
    add("unknown model", "/model/type", "\"Mamba\"", "model.type");
    add("dropout", "/model/dropout", "0.1", "model.dropout");
    add("unknown normalizer", "/normalizer", "{\"type\": \"Upside\"}", "normalizer.type");
    add("normalizer without type", "/normalizer", "{}", "normalizer.type");
    add("bad regex", "/pre_tokenizer",
        "{\"type\": \"Split\", \"pattern\": {\"Regex\": \"(\"}, \"behavior\": \"Removed\"}",
        "pre_tokenizer.pattern");
    add("bad behavior", "/pre_tokenizer",
        "{\"type\": \"Split\", \"pattern\": {\"String\": \"x\"}, \"behavior\": \"Sideways\"}",
        "pre_tokenizer.behavior");
    add("no pattern", "/pre_tokenizer", "{\"type\": \"Split\", \"behavior\": \"Removed\"}",
        "pre_tokenizer.pattern");
    add("wide replacement", "/pre_tokenizer", "{\"type\": \"Metaspace\", \"replacement\": \"ab\"}",
        "pre_tokenizer.replacement");
    add("special id outside", "/post_processor",
        "{\"type\": \"RobertaProcessing\", \"cls\": [\"x\", 99], \"sep\": [\"y\", 1]}",
        "post_processor");
    add("template without ids", "/post_processor",
        "{\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"q\"}}]}",
        "post_processor.special_tokens");
    add("unknown decoder", "/decoder", "{\"type\": \"Enigma\"}", "decoder.type");
    add("added token number", "/added_tokens", "[5]", "added_tokens[0]");
    add("added tokens object", "/added_tokens", "{}", "added_tokens");
    add("broken base64", "/normalizer",
        "{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"!!\"}",
        "normalizer.precompiled_charsmap");
    add("broken character map", "/normalizer",
        "{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"/////w==\"}",
        "normalizer.precompiled_charsmap");
    add("unigram scores", "/model", "{\"type\": \"Unigram\", \"vocab\": [[\"a\", \"b\"]]}",
        "model.vocab[0]");
    add("unigram unknown", "/model",
        "{\"type\": \"Unigram\", \"vocab\": [[\"a\", 0.0]], \"unk_id\": 1}", "model.unk_id");
  }

  void broken_files_are_named() {
    QFETCH(QString, pointer);
    QFETCH(QString, value);
    QFETCH(QString, named);
    Json json = small();
    json[Json::json_pointer(pointer.toStdString())] = Json::parse(value.toStdString());
    const std::string sentence = refusal(json);
    QVERIFY2(sentence.find("tokenizer.json: " + named.toStdString()) != std::string::npos,
             sentence.c_str());
  }

  void growth_is_bounded() {
    Json json = small();
    Json doubling = Json::array();
    for (int i = 0; i < 60; ++i)
      doubling.push_back({{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aa"}});
    json["normalizer"] = {{"type", "Sequence"}, {"normalizers", doubling}};
    const auto tokenizer = tokenizer_from_json(json.dump(), "tokenizer.json");
    QVERIFY(tokenizer.ok() && !(*tokenizer)->encode("aaaa", false).ok());
    json = small();
    json["decoder"] = {{"type", "Sequence"}, {"decoders", doubling}};
    const auto decoding = tokenizer_from_json(json.dump(), "tokenizer.json");
    QVERIFY(decoding.ok() && !(*decoding)->decode(std::vector<TokenId>{0, 0}, false).ok());
    json = small();
    Json twice = Json::array();
    const Json sequence = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
    for (int i = 0; i < 60; ++i)
      twice.push_back({{"type", "TemplateProcessing"},
                       {"single", {sequence, sequence}},
                       {"special_tokens", Json::object()}});
    json["post_processor"] = {{"type", "Sequence"}, {"processors", twice}};
    const auto doubled = tokenizer_from_json(json.dump(), "tokenizer.json");
    QVERIFY(doubled.ok() && !(*doubled)->encode("ab", true).ok() &&
            (*doubled)->encode("ab", false).ok());
  }

  void endless_regex_is_refused() {
    Json json = small();
    json["pre_tokenizer"] = {
        {"type", "Split"}, {"pattern", {{"Regex", "(a+)+$x"}}}, {"behavior", "Isolated"}};
    const auto tokenizer = tokenizer_from_json(json.dump(), "tokenizer.json");
    QVERIFY(tokenizer.ok());
    const auto encoding = (*tokenizer)->encode(std::string(200, 'a') + "b", false);
    QVERIFY(!encoding.ok() &&
            encoding.error().where.find("pre_tokenizer.pattern") != std::string::npos);
  }

  void missing_folder_is_named() {
    QTemporaryDir directory;
    const auto loaded = Tokenizer::load(directory.path().toStdString());
    QVERIFY(!loaded.ok() && loaded.error().where == directory.path().toStdString());
  }

  void hostile_models_are_refused() {
    const std::string model = model_bytes();
    QVERIFY(validate_sentencepiece_model(model).ok());
    QVERIFY(!validate_sentencepiece_model("").ok());
    for (std::size_t size = 1; size < model.size(); size += 7)
      QVERIFY(!validate_sentencepiece_model(model.substr(0, size)).ok());
    auto parsed = read_sentencepiece_model(model, "m");
    QVERIFY(parsed.ok());
    QVERIFY(validate_sentencepiece_model(parsed->serialize()).ok());
    const auto refused = [&](auto change) {
      SentencePieceModel changed = *parsed;
      change(changed);
      return !validate_sentencepiece_model(changed.serialize()).ok();
    };
    QVERIFY(refused([](auto& m) { m.pieces[5].text = m.pieces[6].text; }));
    QVERIFY(refused([](auto& m) { m.pieces[5].text = ""; }));
    QVERIFY(refused([](auto& m) { m.pieces[5].text = "\xff"; }));
    QVERIFY(refused([](auto& m) { m.pieces[5].text = std::string(3, '\0'); }));
    QVERIFY(refused([](auto& m) { m.pieces[5].text = std::string(600, 'x'); }));
    QVERIFY(refused([](auto& m) { m.pieces[5].score = std::numeric_limits<float>::quiet_NaN(); }));
    QVERIFY(refused([](auto& m) { m.pieces[5].score = std::numeric_limits<float>::infinity(); }));
    QVERIFY(refused([](auto& m) { m.pieces[300].type = SentencePieceModel::Type::Unknown; }));
    QVERIFY(refused([](auto& m) { m.pieces[0].type = SentencePieceModel::Type::Normal; }));
    QVERIFY(refused([](auto& m) {
      m.pieces[10].type = SentencePieceModel::Type::Normal;
    }));  // a byte is missing
    QVERIFY(refused([](auto& m) { m.byte_fallback = false; }));
    QVERIFY(refused([](auto& m) { m.unk_id = 5000; }));
    QVERIFY(refused([](auto& m) { m.bos_id = -7; }));
    QVERIFY(refused([](auto& m) { m.pieces.clear(); }));
    QVERIFY(refused([](auto& m) { m.charsmap = std::string(8, '\xff'); }));
    QVERIFY(refused([](auto& m) {
      m.charsmap = std::string(
          "\x04\0\0\0\xff\xff\xff\xff"
          "a\0",
          10);
    }));
    QVERIFY(refused([](auto& m) {  // a trie that leads back to itself, with a value on each round
      std::vector<std::uint32_t> units(256, 0);
      units[0] = 1u << 10;
      for (std::uint32_t byte = 1; byte < 256; ++byte)
        units[1 ^ byte] = byte | (1u << 8) | (((1 ^ byte) ^ 1u) << 10);
      m.charsmap = std::string("\0\4\0\0", 4) +
                   std::string(reinterpret_cast<const char*>(units.data()), 1024) +
                   std::string("a\0", 2);
    }));
    QVERIFY(refused([](auto& m) {
      for (std::size_t i = 300; i < 360; ++i) {
        m.pieces[i].text = std::string(i - 299, '\x01');
        m.pieces[i].type = SentencePieceModel::Type::UserDefined;
      }
    }));
    // Flipped bytes: refused or still sane, never a crash.
    for (std::size_t at = 0; at < model.size(); at += 3) {
      std::string flipped = model;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << (at % 8)));
      if (!validate_sentencepiece_model(flipped).ok() || at % 30 != 0) continue;
      QTemporaryDir directory;
      QVERIFY(
          write_file_atomically(directory.filePath("tokenizer.model").toStdString(), flipped).ok());
      const auto tokenizer = Tokenizer::load(directory.path().toStdString());
      if (tokenizer) QVERIFY((*tokenizer)->encode("the quick 한국 <s> fox", true).ok());
    }
  }

  /// The unknown piece is the one of that type, also where another has the name that is usual.
  void unknown_piece_of_another_name() {
    SentencePieceModel model;
    model.pieces = {{"<unc>", 0, SentencePieceModel::Type::Unknown},
                    {"<s>", 0, SentencePieceModel::Type::Control},
                    {"<unk>", -1},
                    {"a", -1}};
    const auto tokenizer = load_sentencepiece(model.serialize(), "tokenizer.model", {});
    QVERIFY2(tokenizer.ok(), tokenizer ? "" : tokenizer.error().sentence().c_str());
    const auto encoding = (*tokenizer)->encode("z", false);
    QVERIFY(encoding.ok() && !encoding->ids.empty());
    for (const TokenId id : encoding->ids) QCOMPARE(id, TokenId{0});
  }
};

QTEST_APPLESS_MAIN(TestTokenizer)
#include "test_tokenizer.moc"

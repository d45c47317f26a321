// SPDX-License-Identifier: GPL-3.0-or-later
// Rows as prefix and suffix: what is tokenized apart, what carries a label, how long rows are cut,
// and a sentence for each row that the form cannot hold. That the ids equal PaliGemmaProcessor's is
// the parity suite's to show.
#include "tests/data/chat_fixture.h"

using namespace luthier;
using namespace luthier::test;

namespace {

// The tokenizer of a folder with bos and eos; its template must not matter.
Result<std::shared_ptr<const ChatProcessor>> load_prefixed() {
  const auto folder = data_room() / "llava_bos";
  ImageTokens tokens;
  tokens.form = RowForm::PrefixSuffix;
  tokens.expand = [](const PixelValues&) { return std::string("<image><image><image>"); };
  auto tokenizer = Tokenizer::load(folder);
  if (!tokenizer) return tokenizer.error();
  return ChatProcessor::load(
      folder,
      ChatProcessor::Pictures{
          tokens, (*tokenizer)->token_to_id("<image>").value_or(-1), {"SiglipImageProcessor"}});
}

Conversation conversation(const std::string& messages) {
  auto read =
      read_conversation(Json::parse("{\"messages\": " + messages + "}"), data_room(), "row 1");
  return read ? read.take() : Conversation();
}

const char* kRow =
    R"([{"role": "user", "content": [{"type": "text", "text": "What is"}, {"type": "image", )"
    R"("path": "a.png"}, {"type": "text", "text": " in this?"},
                       {"type": "image", "path": "b.jpg"}]}, {"role": "assistant", "content": "Three red circles."}])";

}  // namespace

class TestPrefixSuffix : public QObject {
  Q_OBJECT

 private slots:
  void picturesFirstAnswerApart() {
    const auto processor = load_prefixed();
    QVERIFY2(processor.ok(), processor ? "" : processor.error().sentence().c_str());
    const Tokenizer& tokenizer = (*processor)->tokenizer();
    const auto prefix =
        tokenizer.encode("<image><image><image><image><image><image><s>What is in this?\n", false);
    const auto suffix = tokenizer.encode("Three red circles.</s>", false);
    QVERIFY(prefix.ok() && suffix.ok());
    const auto together = tokenizer.encode(
        "<image><image><image><image><image><image><s>What is in this?\nThree red circles.</s>",
        false);
    std::vector<TokenId> ids = prefix->ids;
    ids.insert(ids.end(), suffix->ids.begin(), suffix->ids.end());
    QVERIFY2(ids != together->ids, "the tokenizer must show the border");
    std::vector<std::int64_t> labels(prefix->ids.size(), kIgnoreLabel);
    labels.insert(labels.end(), suffix->ids.begin(), suffix->ids.end());

    const Conversation row = conversation(kRow);
    for (const LossOn rule : {LossOn::Completion, LossOn::Assistant, LossOn::All}) {
      const auto example = (*processor)->encode_training(row, rule, 0, "row 1");
      QVERIFY2(example.ok(), example ? "" : example.error().sentence().c_str());
      QVERIFY2(example->input_ids == ids, ids_text(example->input_ids).c_str());
      QVERIFY2(example->labels == labels, ids_text(example->labels).c_str());
      QCOMPARE(example->prompt_tokens, static_cast<std::int64_t>(prefix->ids.size()));
      QCOMPARE(example->images.size(), std::size_t{2});
      const auto measured = (*processor)->measure_training(row, rule, 0, "row 1");
      QVERIFY(measured.ok());
      QVERIFY(measured->input_ids == example->input_ids && measured->labels == example->labels &&
              measured->prompt_tokens == example->prompt_tokens);
    }
    const auto prompt = (*processor)->encode_prompt(row, "row 1");
    QVERIFY(prompt.ok());
    QVERIFY(prompt->input_ids == prefix->ids && prompt->labels.empty());
    QCOMPARE(prompt->prompt_tokens, static_cast<std::int64_t>(prefix->ids.size()));
  }

  void aQuestionAloneHasNoLabel() {
    const auto processor = load_prefixed();
    const auto example =
        (*processor)
            ->encode_training(
                conversation(R"([{"role": "user", "content": [{"type": "image", "path": "a.png"}, )"
                             R"({"type": "text", "text": "What?"}]}])"),
                LossOn::All, 0, "row 1");
    QVERIFY(example.ok());
    QCOMPARE(example->prompt_tokens, static_cast<std::int64_t>(example->input_ids.size()));
    QVERIFY(std::all_of(example->labels.begin(), example->labels.end(),
                        [](std::int64_t label) { return label == kIgnoreLabel; }));
  }

  void longRowsAreCut() {
    const auto processor = load_prefixed();
    const Conversation row = conversation(kRow);
    const auto whole = (*processor)->encode_training(row, LossOn::Completion, 0, "row 1");
    const auto length = static_cast<std::int64_t>(whole->input_ids.size());
    const auto cut = (*processor)->encode_training(row, LossOn::Completion, length - 2, "row 1");
    QVERIFY(cut.ok());
    QCOMPARE(cut->truncated_tokens, std::int64_t{2});
    QCOMPARE(cut->labels.size(), cut->input_ids.size());
    QCOMPARE(cut->prompt_tokens, whole->prompt_tokens);
    const auto prefix_only =
        (*processor)->encode_training(row, LossOn::Completion, whole->prompt_tokens - 2, "row 1");
    QVERIFY(prefix_only.ok());
    QCOMPARE(prefix_only->prompt_tokens, whole->prompt_tokens - 2);
    QVERIFY(!(*processor)->encode_training(row, LossOn::Completion, 4, "row 1").ok());
  }

  void rowsThatTheFormCannotHold_data() {
    QTest::addColumn<QString>("messages");
    QTest::addColumn<QString>("word");
    const QString picture = R"({"type": "image", "path": "a.png"})";
    const QString question =
        R"({"role": "user", "content": [)" + picture + R"(, {"type": "text", "text": "What?"}]})";
    QTest::newRow("system") << R"([{"role": "system", "content": "Be brief."}, )" + question +
                                   R"(, {"role": "assistant", "content": "a"}])"
                            << "system message";
    QTest::newRow("turns")
        << "[" + question +
               R"(, {"role": "assistant", "content": "a"}, {"role": "user", "content": "b"}, )"
               R"({"role": "assistant", "content": "c"}])"
        << "several turns";
    QTest::newRow("two questions") << "[" + question + ", " + question + "]"
                                   << "several turns";
    QTest::newRow("no picture")
        << R"([{"role": "user", "content": "What?"}, {"role": "assistant", "content": "a"}])"
        << "no picture";
    QTest::newRow("answer first") << R"([{"role": "assistant", "content": "a"}, )" + question + "]"
                                  << "begin with a user message";
    QTest::newRow("picture in the answer")
        << "[" + question + R"(, {"role": "assistant", "content": [)" + picture + "]}]"
        << "answer holds a picture";
    QTest::newRow("mark") << R"([{"role": "user", "content": [)" + picture +
                                 R"(, {"type": "text", "text": "an <image> mark"}]}])"
                          << "model's mark";
  }

  void rowsThatTheFormCannotHold() {
    QFETCH(QString, messages);
    QFETCH(QString, word);
    const auto processor = load_prefixed();
    const Conversation row = conversation(messages.toStdString());
    QVERIFY(!row.messages.empty());
    RowFault fault = RowFault::Template;
    const auto example =
        (*processor)->encode_training(row, LossOn::Completion, 0, "train.jsonl: row 9", &fault);
    QVERIFY(!example.ok());
    QVERIFY2(example.error().what.find(word.toStdString()) != std::string::npos,
             example.error().sentence().c_str());
    QCOMPARE(example.error().where, std::string("train.jsonl: row 9"));
    QVERIFY(!example.error().hint.empty());
    QVERIFY(fault == RowFault::BadRow || fault == RowFault::ImageMarks);
  }

  // Families whose template writes one token for a picture and whose text then holds many of
  // another (Gemma 3).
  void aMarkThatIsNotTheToken() {
    ImageTokens tokens;
    tokens.mark = "<|im_start|>";
    tokens.token = "<image>";
    tokens.expand = [](const PixelValues&) { return std::string("<|im_start|><image><image>"); };
    const auto folder = data_room() / "chatml";
    auto tokenizer = Tokenizer::load(folder);
    const auto processor = ChatProcessor::load(
        folder,
        ChatProcessor::Pictures{
            tokens, (*tokenizer)->token_to_id("<image>").value_or(-1), {"SiglipImageProcessor"}});
    QVERIFY(processor.ok());
    RowFault fault = RowFault::BadRow;
    const auto example =
        (*processor)
            ->encode_training(
                conversation(
                    R"([{"role": "user", "content": [{"type": "text", "text": "say <image>"}]}])"),
                LossOn::All, 0, "row 1", &fault);
    QVERIFY(!example.ok());
    QCOMPARE(fault, RowFault::ImageMarks);
  }
};

QTEST_APPLESS_MAIN(TestPrefixSuffix)
#include "test_prefix_suffix.moc"

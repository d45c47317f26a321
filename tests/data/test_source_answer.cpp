// SPDX-License-Identifier: GPL-3.0-or-later
// Rows of a question that an encoder reads and an answer that a decoder writes: what goes where,
// what is cut, and a sentence for each row that the form cannot hold. That the ids equal
// Florence2Processor's is the parity suite's to show.
#include "engine/data/asked_question.h"
#include "engine/data/row_kind.h"

#include "tests/data/chat_fixture.h"

using namespace luthier;
using namespace luthier::test;

namespace {

constexpr TokenId kStart = 2;

/// The tokenizer of a folder with bos and eos; its template must not matter.
Result<std::shared_ptr<const ChatProcessor>> load_asking(std::int64_t longest = 0) {
  const auto folder = data_room() / "llava_bos";
  ImageTokens tokens;
  tokens.form = RowForm::SourceAnswer;
  tokens.answer_start = kStart;
  tokens.expand = [](const PixelValues&) { return std::string("<image><image><image>"); };
  tokens.ask = [](const std::string& question) -> Result<std::string> {
    if (question == "?") return input_error("Nothing is asked.", "");
    return "Please: " + question;
  };
  auto tokenizer = Tokenizer::load(folder);
  if (!tokenizer) return tokenizer.error();
  return ChatProcessor::load(
      folder,
      ChatProcessor::Pictures{
          tokens, (*tokenizer)->token_to_id("<image>").value_or(-1), {"SiglipImageProcessor"}},
      {}, longest);
}

/// Where no mark stands for the picture, answers end with `end`, and a question that there is is
/// read, too (BLIP).
Result<std::shared_ptr<const ChatProcessor>> load_alone(TokenId end) {
  ImageTokens tokens;
  tokens.mark.clear();
  tokens.form = RowForm::SourceAnswer;
  tokens.answer_start = kStart;
  tokens.expand = [](const PixelValues&) { return std::string("..."); };
  tokens.ask = [end](const std::string& question) -> Result<std::string> {
    return written({question, end, {}});
  };
  return ChatProcessor::load(data_room() / "llava_bos",
                             ChatProcessor::Pictures{tokens, -1, {"SiglipImageProcessor"}});
}

Conversation conversation(const std::string& messages) {
  auto read =
      read_conversation(Json::parse("{\"messages\": " + messages + "}"), data_room(), "row 1");
  return read ? read.take() : Conversation();
}

std::string asking(const std::string& question) {
  return R"({"role": "user", "content": [{"type": "text", "text": ")" + question +
         R"("}, {"type": "image", "path": "a.png"}]})";
}

const std::string kAnswer = R"({"role": "assistant", "content": "Three red circles."})";
const std::string kRow = "[" + asking("What is it") + ", " + kAnswer + "]";

}  // namespace

class TestSourceAnswer : public QObject {
  Q_OBJECT

 private slots:
  void theQuestionIsReadAndTheAnswerWritten() {
    const auto processor = load_asking();
    QVERIFY2(processor.ok(), processor ? "" : processor.error().sentence().c_str());
    const Tokenizer& tokenizer = (*processor)->tokenizer();
    const auto read = tokenizer.encode("<image><image><image><s>Please: What is it</s>", false);
    const auto written = tokenizer.encode("Three red circles.", true);
    QVERIFY(read.ok() && written.ok());
    std::vector<TokenId> ids{kStart};
    ids.insert(ids.end(), written->ids.begin(), written->ids.end());
    std::vector<std::int64_t> labels{kIgnoreLabel};
    labels.insert(labels.end(), written->ids.begin(), written->ids.end());
    const Conversation row = conversation(kRow);
    for (const LossOn rule : {LossOn::Completion, LossOn::Assistant, LossOn::All}) {
      const auto example = (*processor)->encode_training(row, rule, 0, "row 1");
      QVERIFY2(example.ok(), example ? "" : example.error().sentence().c_str());
      QVERIFY(example->source_ids == read->ids);
      QVERIFY(example->input_ids == ids && example->labels == labels);
      QCOMPARE(example->images.size(), std::size_t{1});
      const auto measured = (*processor)->measure_training(row, rule, 0, "row 1");
      QVERIFY(measured.ok());
      QVERIFY(measured->source_ids == read->ids && measured->labels == labels);
    }
    const auto prompt = (*processor)->encode_prompt(row, "row 1");
    QVERIFY(prompt.ok());
    QVERIFY(prompt->source_ids == read->ids && prompt->input_ids.empty());
    QVERIFY(prompt->labels.empty());
  }

  void theAnswerAloneIsCut() {
    const auto whole = (*load_asking())->encode_training(conversation(kRow), LossOn::All, 0, "row");
    QVERIFY(whole.ok());
    const auto source = static_cast<std::int64_t>(whole->source_ids.size());
    const auto cut =
        (*load_asking())->encode_training(conversation(kRow), LossOn::All, source + 3, "row");
    QVERIFY(cut.ok());
    QVERIFY(cut->source_ids == whole->source_ids);
    QCOMPARE(cut->input_ids.size(), std::size_t{3});
    QCOMPARE(cut->labels.size(), std::size_t{3});
    QCOMPARE(cut->truncated_tokens, static_cast<std::int64_t>(whole->input_ids.size()) - 3);
    RowFault fault{};
    const auto none =
        (*load_asking())
            ->encode_training(conversation(kRow), LossOn::All, source + 1, "row", &fault);
    QVERIFY(!none);
    QVERIFY(fault == RowFault::BadRow);
    // The model's positions hold for either text by itself.
    const auto positions = load_asking(source);
    const auto held = (*positions)->encode_training(conversation(kRow), LossOn::All, 0, "row");
    QVERIFY(held.ok());
    const auto own = static_cast<std::int64_t>(held->input_ids.size());
    QVERIFY(own <= source);
    const auto fewer = load_asking(source - 1);
    QVERIFY(!(*fewer)->encode_training(conversation(kRow), LossOn::All, 0, "row"));
    QVERIFY(!(*fewer)->encode_prompt(conversation(kRow), "row"));
  }

  void anEndOfItsOwnStandsForTheTokenizersTokens() {
    constexpr TokenId kEnd = 7;
    const auto processor = load_alone(kEnd);
    QVERIFY2(processor.ok(), processor ? "" : processor.error().sentence().c_str());
    const Tokenizer& tokenizer = (*processor)->tokenizer();
    auto answer = tokenizer.encode("Three red circles.", false);
    QVERIFY(answer.ok());
    std::vector<TokenId> ids{kStart};
    ids.insert(ids.end(), answer->ids.begin(), answer->ids.end());
    ids.push_back(kEnd);
    const std::vector<TokenId> places(3, kPictureRow);
    for (const char* question : {"", "What is it"}) {
      const auto example =
          (*processor)
              ->encode_training(conversation("[" + asking(question) + ", " + kAnswer + "]"),
                                LossOn::All, 0, "row");
      QVERIFY2(example.ok(), example ? "" : example.error().sentence().c_str());
      QVERIFY(example->input_ids == ids);
      std::vector<TokenId> read = places;
      if (*question) {
        const auto asked = tokenizer.encode(question, true);
        read.insert(read.end(), asked->ids.begin(), asked->ids.end());
      }
      QVERIFY(example->source_ids == read);
    }
  }

  void aQuestionAloneHasNoLabel() {
    const auto example =
        (*load_asking())
            ->encode_training(conversation("[" + asking("What") + "]"), LossOn::All, 0, "row");
    QVERIFY(example.ok());
    QCOMPARE(example->input_ids, std::vector<TokenId>{kStart});
    QCOMPARE(count_labels(*example), std::int64_t{0});
  }

  void whatTheFormCannotHoldIsRefused_data() {
    QTest::addColumn<QString>("messages");
    QTest::addColumn<QString>("what");
    const auto row = [](const char* name, const std::string& messages, const char* what) {
      QTest::newRow(name) << QString::fromStdString("[" + messages + "]") << what;
    };
    row("two turns", asking("a") + ", " + kAnswer + ", " + asking("b") + ", " + kAnswer,
        "The row has several turns, the model knows one.");
    row("system", R"({"role": "system", "content": "Be brief."}, )" + asking("a"),
        "The row has a system message, for which this model has no place.");
    row("no picture", R"({"role": "user", "content": "What?"}, )" + kAnswer,
        "The row has 0 pictures, and this model's question is about one.");
    row("two pictures",
        R"({"role": "user", "content": [{"type": "image", "path": "a.png"},
            {"type": "image", "path": "b.jpg"}, {"type": "text", "text": "?"}]})",
        "The row has 2 pictures, and this model's question is about one.");
    row("a picture in the answer",
        asking("a") + R"(, {"role": "assistant", "content": [{"type": "image",
            "path": "a.png"}]})",
        "The answer holds a picture.");
    row("an unheard question", asking("?") + ", " + kAnswer, "Nothing is asked.");
    row("the mark in the question", asking("<image>") + ", " + kAnswer,
        "A text holds <image>, which is the model's mark for a picture.");
  }
  void whatTheFormCannotHoldIsRefused() {
    QFETCH(QString, messages);
    QFETCH(QString, what);
    const auto example =
        (*load_asking())
            ->encode_training(conversation(messages.toStdString()), LossOn::All, 0, "row 7");
    QVERIFY(!example);
    QCOMPARE(QString::fromStdString(example.error().what), what);
    QVERIFY(example.error().where.starts_with("row 7"));
  }
};

QTEST_GUILESS_MAIN(TestSourceAnswer)
#include "test_source_answer.moc"

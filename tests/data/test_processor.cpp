// SPDX-License-Identifier: GPL-3.0-or-later
// Ids and labels equal LlavaProcessor.apply_chat_template's, pictures stand where the template put
// them, and what cannot be encoded names the row.
#include "tests/data/chat_fixture.h"

#include <fstream>

using namespace luthier;
using namespace luthier::test;

namespace {

Conversation conversation(const std::string& messages) {
  auto read =
      read_conversation(Json::parse("{\"messages\": " + messages + "}"), data_room(), "row 1");
  return read ? read.take() : Conversation();
}

const char* kPictureRow =
    R"([{"role": "user", "content": [{"type": "image", "path": "a.png"}, {"type": "text", "text": "What?"}]},
                              {"role": "assistant", "content": "Three red circles."}])";

}  // namespace

class TestChatProcessor : public QObject {
  Q_OBJECT

 private slots:
  void equalsTransformers() {
    auto cases = read_json_file(data_room() / "encoded.json");
    QVERIFY(cases.ok());
    std::map<std::string, std::shared_ptr<const ChatProcessor>> processors;
    for (const Json& expected : *cases) {
      const std::string folder = expected["folder"];
      if (!processors.contains(folder)) {
        auto loaded = load_chat(data_room() / folder);
        QVERIFY2(loaded.ok(), loaded ? "" : loaded.error().sentence().c_str());
        processors[folder] = *loaded;
      }
      const ChatProcessor& processor = *processors[folder];
      const Conversation chat = conversation(expected["messages"].dump());
      const std::string name = folder + " " + expected["messages"].dump();
      for (const auto& [rule, key] : {std::pair{LossOn::All, "all"},
                                      {LossOn::Completion, "completion"},
                                      {LossOn::Assistant, "assistant"}}) {
        if (!expected.contains(key)) continue;
        const auto example = processor.encode_training(chat, rule, 0, "row 1");
        QVERIFY2(example.ok(), example ? "" : (name + example.error().sentence()).c_str());
        QVERIFY2(example->input_ids == expected["ids"].get<std::vector<std::int64_t>>(),
                 (name + "\n" + ids_text(example->input_ids)).c_str());
        QVERIFY2(example->labels == expected[key].get<std::vector<std::int64_t>>(),
                 (name + "\n" + key + " " + ids_text(example->labels)).c_str());
        const auto measured = processor.measure_training(chat, rule, 0, "row 1");
        QVERIFY(measured.ok());
        QVERIFY(measured->input_ids == example->input_ids && measured->labels == example->labels);
        QCOMPARE(measured->images.size(), example->images.size());
        for (std::size_t i = 0; i < measured->images.size(); ++i)
          QVERIFY(measured->images[i].shape == example->images[i].shape);
      }
      const auto prompt = processor.encode_prompt(chat, "row 1");
      QVERIFY(prompt.ok());
      QVERIFY2(prompt->input_ids == expected["prompt"].get<std::vector<std::int64_t>>(),
               name.c_str());
      QVERIFY(prompt->labels.empty());
    }
  }

  // Turn by turn where the template marks nothing: each answer and what the template closes it
  // with.
  void assistantTurnsWithoutGenerationMarks() {
    const auto processor = load_chat(data_room() / "chatml");
    QVERIFY(processor.ok());
    const auto marked = load_chat(data_room() / "generation");
    QVERIFY(marked.ok());
    const Conversation chat = conversation(
        R"([{"role": "user", "content": [{"type": "image", "path": "a.png"}, {"type": "text", "text": "How many?"}]},
      {"role": "assistant", "content": "Three."}, {"role": "user", "content": "Thank you!"}, )"
        R"({"role": "assistant", "content": "You are welcome."}])");
    const auto example = (*processor)->encode_training(chat, LossOn::Assistant, 0, "row 1");
    QVERIFY(example.ok());
    std::vector<TokenId> labelled;
    for (const std::int64_t label : example->labels)
      if (label != kIgnoreLabel) labelled.push_back(label);
    QCOMPARE(*(*processor)->tokenizer().decode(labelled, false),
             std::string("Three.<|im_end|>\nYou are welcome.<|im_end|>\n"));
    const auto ranged = (*marked)->encode_training(chat, LossOn::Assistant, 0, "row 1");
    QVERIFY(ranged.ok());
    labelled.clear();
    for (const std::int64_t label : ranged->labels)
      if (label != kIgnoreLabel) labelled.push_back(label);
    QCOMPARE(*(*marked)->tokenizer().decode(labelled, false),
             std::string("Three.<|im_end|>You are welcome.<|im_end|>"));
  }

  // As MllamaProcessor writes it, before its tokenizer adds its own.
  void aFirstTokenThatTheTemplateLeftOut() {
    const Conversation chat = conversation(kPictureRow);
    for (const char* name : {"llava", "llava_bos"}) {
      const auto folder = data_room() / name;
      const auto tokenizer = Tokenizer::load(folder);
      QVERIFY(tokenizer.ok());
      const TokenId bos = (*tokenizer)->special().bos.value_or(-1);
      ImageTokens tokens;
      const auto encoded = [&] {
        const ChatProcessor::Pictures pictures{
            tokens, (*tokenizer)->token_to_id("<image>").value_or(-1), {"LlavaImageProcessor"}};
        const auto processor = ChatProcessor::load(folder, pictures);
        return (*processor)->encode_training(chat, LossOn::Completion, 0, "row 1").take();
      };
      const Example plain = encoded();
      tokens.writes_bos = true;
      const Example written = encoded();
      const bool left_out = std::string(name) == "llava";
      QCOMPARE(plain.input_ids.front(), bos);
      QVERIFY((written.input_ids == plain.input_ids) != left_out);
      if (!left_out) continue;
      QCOMPARE(std::count(plain.input_ids.begin(), plain.input_ids.end(), bos), 1);
      QVERIFY(written.input_ids[0] == bos && written.input_ids[1] == bos);
      // The answer is the same, and so are its labels.
      QCOMPARE(std::count(written.labels.begin(), written.labels.end(), kIgnoreLabel) -
                   std::count(plain.labels.begin(), plain.labels.end(), kIgnoreLabel),
               static_cast<std::ptrdiff_t>(written.labels.size()) -
                   static_cast<std::ptrdiff_t>(plain.labels.size()));
    }
  }

  void longRowsAreCutBehindThePictures() {
    const auto processor = load_chat(data_room() / "chatml");
    const Conversation chat = conversation(kPictureRow);
    const auto whole = (*processor)->encode_training(chat, LossOn::Completion, 0, "row 1");
    const auto length = static_cast<std::int64_t>(whole->input_ids.size());
    const auto cut = (*processor)->encode_training(chat, LossOn::Completion, length - 2, "row 1");
    QVERIFY(cut.ok());
    QCOMPARE(cut->truncated_tokens, std::int64_t{2});
    QVERIFY(std::equal(cut->input_ids.begin(), cut->input_ids.end(), whole->input_ids.begin()));
    QCOMPARE(cut->labels.size(), cut->input_ids.size());
    const auto through = (*processor)->encode_training(chat, LossOn::Completion, 5, "row 1");
    QVERIFY(!through.ok());
    QVERIFY(through.error().what.find("max_length is 5") != std::string::npos);
  }

  void rowsThatCannotBeEncoded() {
    const auto processor = load_chat(data_room() / "chatml");
    RowFault fault = RowFault::BadRow;
    // an image mark inside a text must not become a place
    const auto hidden =
        (*processor)
            ->encode_training(
                conversation(
                    R"([{"role": "user", "content": [{"type": "text", "text": "say <image> please"}]}])"),
                LossOn::All, 0, "row 9", &fault);
    QVERIFY(!hidden.ok());
    QCOMPARE(fault, RowFault::ImageMarks);
    QCOMPARE(hidden.error().where, std::string("row 9"));
    const auto missing =
        (*processor)
            ->encode_training(
                conversation(
                    R"([{"role": "user", "content": [{"type": "image", "path": "none.png"}]}])"),
                LossOn::All, 0, "row 9", &fault);
    QVERIFY(!missing.ok());
    QCOMPARE(fault, RowFault::MissingImage);
    QVERIFY(missing.error().where.starts_with("row 9: ") &&
            missing.error().where.ends_with("none.png"));
    const auto broken =
        (*processor)
            ->encode_training(
                conversation(
                    R"([{"role": "user", "content": [{"type": "image", "path": "encoded.json"}]}])"),
                LossOn::All, 0, "row 9", &fault);
    QVERIFY(!broken.ok());
    QCOMPARE(fault, RowFault::BrokenImage);
    QVERIFY(
        !(*processor)
             ->encode_prompt(conversation(R"([{"role": "assistant", "content": "a"}])"), "row 9")
             .ok());
  }

  void foldersWithoutOrWithBrokenTemplates() {
    QTemporaryDir temporary;
    const std::filesystem::path folder = temporary.path().toStdString();
    for (const char* name : {"tokenizer.json", "tokenizer_config.json", "processor_config.json"})
      std::filesystem::copy_file(data_room() / "chatml" / name, folder / name);
    RowFault fault = RowFault::BadRow;
    const Conversation chat = conversation(kPictureRow);
    auto processor = load_chat(folder);
    QVERIFY(processor.ok());
    auto example = (*processor)->encode_training(chat, LossOn::All, 0, "row 2", &fault);
    QVERIFY(!example.ok());
    QCOMPARE(fault, RowFault::Template);
    QVERIFY(example.error().sentence().find("template") != std::string::npos);
    for (const char* source : {"{{ raise_exception('roles must alternate') }}", "no mark at all",
                               "<image><image>", "{% for %}"}) {
      std::ofstream(folder / "chat_template.jinja") << source;
      processor = load_chat(folder);
      QVERIFY(processor.ok());
      example = (*processor)->encode_training(chat, LossOn::All, 0, "row 2", &fault);
      QVERIFY2(!example.ok(), source);
      QVERIFY(example.error().where.starts_with("row 2"));
    }
  }
};

QTEST_APPLESS_MAIN(TestChatProcessor)
#include "test_processor.moc"

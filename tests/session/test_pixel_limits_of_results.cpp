// SPDX-License-Identifier: GPL-3.0-or-later
// Pixel limits stay with what was trained under them: in a full result's processor, beside an
// adapter and in its checkpoints; and a session answers each column's pictures by its own.
#include <QtTest>

#include <functional>

#include "engine/session/headless.h"
#include "engine/session/session.h"
#include "tests/patience.h"
#include "tests/train/tiny_run.h"

using namespace luthier;
using namespace luthier::test;

namespace {

/// A Qwen2-VL of a few thousand weights whose tokenizer is one of tests/data.
void make_qwen(const fs::path& folder) {
  const fs::path family = fs::path(LUTHIER_TEST_DATA) / "models/families/qwen2_vl";
  fs::copy(fixture() / "chatml", folder, fs::copy_options::recursive);
  Json config = *read_json_file(family / "config.json");
  const Json tokenizer = *read_json_file(folder / "tokenizer.json");
  std::int64_t vocabulary = 0;
  for (const Json& token : tokenizer["added_tokens"]) {
    const auto id = token["id"].get<std::int64_t>();
    vocabulary = std::max(vocabulary, id + 1);
    if (token["content"] == "<image>") config["image_token_id"] = id;
    if (token["content"] == "<|im_end|>") config["text_config"]["eos_token_id"] = id;
  }
  for (const auto& [piece, id] : tokenizer["model"]["vocab"].items()) {
    vocabulary = std::max(vocabulary, id.get<std::int64_t>() + 1);
  }
  config["text_config"]["vocab_size"] = vocabulary;
  write_text(folder / "config.json", config.dump());
  fs::copy_file(family / "processor_config.json", folder / "processor_config.json",
                fs::copy_options::overwrite_existing);
  Json words = *read_json_file(folder / "tokenizer_config.json");
  words["image_token"] = "<image>";
  write_text(folder / "tokenizer_config.json", words.dump());
}

double far(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return 1e9;
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

Json limits_in(const fs::path& file) { return (*read_json_file(file))["image"]; }

}  // namespace

class TestPixelLimitsOfResults : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    make_qwen(root() / "qwen");
    const std::vector<std::string> limits{"image.min_pixels=300", "image.max_pixels=600"};
    QVERIFY(train("base", "qwen", {"init=random", "strategy=full"}));
    QVERIFY(train("lora", "base/model", limits));
    std::vector<std::string> full = limits;
    full.emplace_back("strategy=freeze");
    QVERIFY(train("frozen", "base/model", full));
    copy_adapter("without", false);
    copy_adapter("with", true);
  }

  void results_carry_them() {
    const Json wanted = {{"min_pixels", 300}, {"max_pixels", 600}};
    QCOMPARE(limits_in(root() / "lora/adapter/luthier.json").dump(), wanted.dump());
    QCOMPARE(limits_in(root() / "lora/checkpoints/step-000001/adapter/luthier.json").dump(),
             wanted.dump());
    const Json whole = *read_json_file(root() / "frozen/model/processor_config.json");
    const Json& picture = whole["image_processor"];
    QCOMPARE(picture["size"].dump(), std::string(R"({"shortest_edge":300,"longest_edge":600})"));
    const Json plain = *read_json_file(root() / "base/model/processor_config.json");
    QCOMPARE(plain["image_processor"]["size"]["longest_edge"].get<int>(), 2048);
  }

  void each_column_by_its_own() {
    Session session;
    session.load_model(root() / "base/model", "cpu", "float32");
    for (const char* name : {"with", "without"}) session.attach_adapter(name, root() / name);
    session.attach_adapter("trained", root() / "lora/adapter");
    const auto before = answers(session, {"trained", "with", "without", ""});
    QCOMPARE(before.size(), std::size_t(4));
    // Answered together, each at another place of the products: the last bits may differ.
    QVERIFY(far(before[0], before[1]) < 1e-5);
    QVERIFY(far(before[0], before[2]) > 1e-3);  // the same adapter, the picture in another size
    // A run's limits are its own: afterwards the base sees pictures as before.
    session.launch(recipe("again", "base/model", {"image.max_pixels=600"}));
    QVERIFY(until(session, [](const SessionEvent& event) {
      return std::holds_alternative<RunEnded>(event);
    }));
    WAIT_UNTIL_EQUAL(session.state(), SessionState::Ready);
    const auto after = answers(session, {"trained", "with", "without", ""});
    QVERIFY(after == before);
  }

 private:
  using Answers = std::vector<std::vector<double>>;  // log-probabilities of each column

  fs::path root() const { return tiny_.root(); }
  Recipe recipe(const std::string& out, const std::string& model, std::vector<std::string> more) {
    std::vector<std::string> settings{"model=" + (root() / model).string(),
                                      "init=pretrained",
                                      "training.max_steps=2",
                                      "training.save_steps=1",
                                      "training.dtype=float32",
                                      "training.learning_rate=0.05"};
    settings.insert(settings.end(), more.begin(), more.end());
    return tiny_.recipe(out, settings);
  }
  bool train(const std::string& out, const std::string& model,
             const std::vector<std::string>& more) {
    const auto result = train_headless(recipe(out, model, more), {}, {}, {});
    if (!result) qWarning("%s", result.error().sentence().c_str());
    return result.ok();
  }
  void copy_adapter(const std::string& name, bool notes) {
    fs::copy(root() / "lora/adapter", root() / name);
    if (!notes) fs::remove(root() / name / "luthier.json");
  }
  bool until(Session& session, const std::function<bool(const SessionEvent&)>& enough) {
    for (const Patience patience; !patience.is_over();) {
      session.wait(0.2);
      for (const SessionEvent& event : session.drain()) {
        if (const auto* failed = std::get_if<CommandFailed>(&event)) {
          qWarning("%s", failed->error.sentence().c_str());
        }
        if (enough(event)) return true;
      }
    }
    return false;
  }
  Answers answers(Session& session, const std::vector<std::string>& columns) {
    Sample sample;
    ContentPart picture;
    picture.kind = ContentPart::Kind::Image;
    picture.image = fixture() / "a.png";
    ContentPart text;
    text.text = "What is this?";
    sample.conversation.messages = {{"user", {picture, text}}};
    sample.where = "test";
    AnswerRequest request;
    request.samples = {sample};
    request.options.max_new_tokens = 3;
    request.options.ignore_eos = true;
    for (const std::string& name : columns) {
      request.columns.push_back(name.empty() ? std::nullopt : std::optional(name));
    }
    const RequestId id = session.answer(request);
    Answers found(columns.size());
    const bool done = until(session, [&](const SessionEvent& event) {
      const auto* update = std::get_if<AnswerUpdate>(&event);
      if (update && update->final && update->request == id) {
        for (const AnswerToken& token : update->tokens) {
          found[update->column].push_back(token.logprob);
        }
      }
      const auto* ended = std::get_if<RequestDone>(&event);
      return ended && ended->request == id;
    });
    return done ? found : Answers();
  }

  TinyRun tiny_;
};

QTEST_GUILESS_MAIN(TestPixelLimitsOfResults)
#include "test_pixel_limits_of_results.moc"

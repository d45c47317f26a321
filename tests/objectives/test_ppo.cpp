// SPDX-License-Identifier: GPL-3.0-or-later
// PPO: what tokens are worth by numbers made by hand, that runs go on to the same bytes between and
// within generations, that what a run has drawn can be learned again, that the value model learns
// and can be started from, and what is refused. tests/parity compares with TRL's formulas.
#include "tests/train/watched_run.h"

#include "engine/models/tensor_file.h"
#include "engine/objectives/objective.h"
#include "engine/objectives/ppo_worth.h"
#include "engine/train/row_loss.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

namespace {

bool are(const Tensor& got, const std::vector<float>& wanted) {
  return at::allclose(got.flatten(), torch::tensor(wanted), 1e-5, 1e-6);
}

/// Two samples of two and three tokens in a width of three.
ppo::Drawn two_samples() {
  return {{2, 3},
          torch::tensor({-1.f, -2.f, 9.f, -1.f, -1.f, -2.f}).view({2, 3}),
          torch::tensor({-1.5f, -2.f, 7.f, -1.f, -2.f, -2.f}).view({2, 3}),
          torch::tensor({.5f, 1.f, .25f, 0.f, 1.f, 2.f}).view({2, 3}),
          torch::tensor({1.f, -1.f})};
}

void write_judged_samples(const fs::path& path, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    Json row = {{"prompt", (i % 2 ? "" : "<image>") + std::string("What is number ") +
                               std::to_string(i) + "?"},
                {"rewards", {0.3 * i - 1}}};
    row["completion_ids"] = {i % 3 ? Json{40 + i, 41, 2} : Json{50, 51 + i, 52, 53, 54}};
    if (i % 2 == 0) row["images"] = {(fixture() / "b.jpg").string()};
    text += row.dump() + "\n";
  }
  write_text(path, text);
}

/// A folder with given samples, prompts to answer, and what a reward run has left of either kind.
class Samples {
 public:
  Samples() {
    write_judged_samples(root() / "samples.jsonl", 8);
    std::string text;
    for (int i = 0; i < 8; ++i)
      text += Json{{"prompt", "What is number " + std::to_string(i) + "?"}}.dump() + "\n";
    write_text(root() / "prompts.jsonl", text);
  }
  fs::path root() const { return tiny.root(); }

  /// What a run with objective: reward leaves, over a base of the same draws; made once.
  static fs::path judge(const std::string& strategy) {
    static const TinyRun tiny;
    const fs::path folder = tiny.root() / ("judge-" + strategy);
    if (!fs::exists(folder)) {
      std::string pairs;
      for (int i = 0; i < 8; ++i)
        pairs += Json{{"prompt", "What is number " + std::to_string(i) + "?"},
                      {"chosen", "It is."},
                      {"rejected", "No."}}
                     .dump() +
                 "\n";
      write_text(tiny.root() / "pairs.jsonl", pairs);
      const Outcome made = ::luthier::test::run(tiny.recipe(
          folder.filename().string(),
          {"objective=reward", "dataset=" + (tiny.root() / "pairs.jsonl").string(),
           "strategy=" + strategy, "training.max_steps=2", "training.learning_rate=1.0e-2"}));
      if (!made.result) qFatal("%s", made.result.error().sentence().c_str());
    }
    return folder / (strategy == "full" ? "model" : "adapter");
  }

  /// Of given samples unless `more` names something else.
  Recipe recipe(const std::string& out, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all{"objective=ppo",
                                 "ppo.rollouts=" + (root() / "samples.jsonl").string(),
                                 "ppo.value_model=" + judge("lora").string(),
                                 "ppo.response_length=6",
                                 "ppo.num_ppo_epochs=2",
                                 "ppo.num_mini_batches=2",
                                 "training.max_steps=7",
                                 "training.learning_rate=1.0e-3"};
    all.insert(all.end(), more.begin(), more.end());
    return tiny.recipe(out, all);
  }
  std::vector<std::string> drawn(const std::string& value = "") const {
    std::vector<std::string> more{"ppo.rollouts=null", "ppo.reward_model=" + judge("full").string(),
                                  "dataset=" + (root() / "prompts.jsonl").string()};
    if (value.empty()) more.push_back("ppo.value_model=null");
    return more;
  }
  std::map<std::string, Tensor> said(const std::vector<std::string>& more = {}) const {
    const Recipe asked = recipe("said", more);
    auto base = load(asked);
    if (!base) qFatal("%s", base.error().sentence().c_str());
    const auto found = loss_of_rows(*base, asked, root() / "samples.jsonl");
    if (!found) qFatal("%s", found.error().sentence().c_str());
    return {found->begin(), found->end()};
  }
  TinyRun tiny;
};

std::map<std::string, Tensor> tensors_of(const fs::path& file) {
  const auto read = read_tensor_file(file, torch::kCPU);
  if (!read) qFatal("%s", read.error().sentence().c_str());
  return {read->begin(), read->end()};
}

}  // namespace

class TestPpo : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { at::set_num_threads(1); }

  /// The first sample's score stands behind its last token, the second's on it.
  void tokens_have_their_worth() {
    ppo::WorthRule rule;
    rule.kl_coef = 0.5;
    rule.lam = 0.5;
    const ppo::Worth worth = ppo::worth_of(two_samples(), rule);
    QVERIFY(are(worth.distance, {.5f, 0, 0, 0, 1, 0}));
    QVERIFY(are(worth.rewards, {-.25f, 0, 1, 0, -.5f, -1}));
    // From behind: 1 − 0.25; then (0 + 0.25 − 1) + 0.5 · 0.75; then (−0.25 + 1 − 0.5) + 0.5 · ….
    const std::vector<float> first{.25f + .5f * -.375f, -.375f, .75f},
        second{1 + .5f * -1, .5f + .5f * -3, -3};
    QVERIFY(are(worth.returns, {first[0] + .5f, first[1] + 1, first[2] + .25f, second[0],
                                second[1] + 1, second[2] + 2}));
    // Whitened over the five tokens, and 0 behind the first sample's two.
    const Tensor five = torch::tensor({first[0], first[1], second[0], second[1], second[2]});
    const Tensor white = (five - five.mean()) / five.std();
    QVERIFY(at::allclose(at::cat({worth.advantages[0].slice(0, 0, 2), worth.advantages[1]}), white,
                         1e-5, 1e-5));
    QCOMPARE(worth.advantages[0][2].item<float>(), 0.f);
  }

  void rewards_may_be_whitened() {
    ppo::WorthRule rule;
    rule.whiten_rewards = true;
    const Tensor plain = ppo::worth_of(two_samples(), {}).rewards,
                 white = ppo::worth_of(two_samples(), rule).rewards;
    // All six places have a value; the mean stays.
    QVERIFY(at::allclose(white, (plain - plain.mean()) / plain.std() + plain.mean(), 1e-5, 1e-5));
    rule = {};
    rule.k3 = true, rule.kl_coef = 1;
    const float apart = std::exp(-.5f) - 1 + .5f;
    QVERIFY(std::abs(ppo::worth_of(two_samples(), rule).distance[0][0].item<float>() - apart) <
            1e-6);
    // One token alone has no deviation.
    const Tensor one = ppo::whitened(torch::tensor({3.f, 8.f}), torch::tensor({1.f, 0.f}), false);
    QCOMPARE(one[0].item<float>(), 0.f);
  }

  void the_loss_is_made_of_its_parts() {
    const Samples samples;
    const auto said = samples.said();
    const auto number = [&](const char* name) { return said.at(name).item<double>(); };
    QVERIFY(std::abs(number("loss") - number("metric.loss/policy_avg") -
                     0.1 * number("metric.loss/value_avg")) < 1e-6);
    for (const char* name : {"token_rewards", "advantages", "returns"})
      QCOMPARE(said.at(name).sizes().vec(), (std::vector<std::int64_t>{8, 6}));
    // Nobody has learned yet: the ratio is 1, and values are what they were.
    QVERIFY(std::abs(number("metric.val/ratio") - 1) < 1e-5);
    QVERIFY(number("metric.policy/approxkl_avg") < 1e-9);
    QVERIFY(said.at("value_grad.base_model.model.score.weight").abs().max().item<double>() > 0);
    const auto strict = samples.said({"ppo.missing_eos_penalty=3"});
    QVERIFY(std::abs(number("metric.objective/scores") -
                     strict.at("metric.objective/scores").item<double>() - 3 * 3. / 8) < 1e-5);
  }

  void runs_go_on_to_the_same_bytes_data() {
    QTest::addColumn<QString>("how");
    QTest::addColumn<int>("steps");
    // Of four steps each: within the first generation, between two, within the second.
    QTest::newRow("given, within one") << "given" << 1;
    QTest::newRow("given, between two") << "given" << 4;
    QTest::newRow("drawn, within one") << "drawn" << 5;
    QTest::newRow("all weights") << "full" << 3;
    QTest::newRow("bfloat16") << "bfloat16" << 3;
  }
  void runs_go_on_to_the_same_bytes() {
    QFETCH(QString, how);
    QFETCH(int, steps);
    const Samples samples;
    std::vector<std::string> more;
    if (how == "drawn") more = samples.drawn();
    if (how == "full")
      more = {"strategy=full", "ppo.value_model=" + samples.judge("full").string()};
    if (how == "bfloat16") more = {"training.dtype=bfloat16"};
    VERIFY_OK(run(samples.recipe("whole", more)));
    const Recipe recipe = samples.recipe("cut", more);
    bool seen = false;
    VERIFY_OK(run(recipe, {}, [&](Watcher& watcher, TrainControl& control, LoadedModel&) {
      watcher.at_step = [&](std::int64_t step) {
        if (step == steps && !seen) seen = true, control.stop(true);
      };
    }));
    QVERIFY(seen);
    const fs::path root = samples.root();
    VERIFY_OK(run(recipe, root / "cut"));
    QVERIFY2(differences(root / "cut", root / "whole").isEmpty(),
             qPrintable(differences(root / "cut", root / "whole")));
    for (const auto& entry : fs::directory_iterator(root / "whole" / "value_model")) {
      const fs::path name = entry.path().filename();
      if (name.extension() != ".safetensors") continue;
      QCOMPARE(*sha256_file(root / "cut" / "value_model" / name), *sha256_file(entry.path()));
    }
  }

  /// What a run has drawn, with who drew it and what was expected, is read again and learned from
  /// to the same bytes.
  void what_was_drawn_is_learned_again() {
    const Samples samples;
    std::vector<std::string> more = samples.drawn();
    more.push_back("training.shuffle=false");
    VERIFY_OK(run(samples.recipe("drawn", more)));
    const fs::path root = samples.root();
    std::vector<std::string> again{"ppo.rollouts=" + (root / "drawn" / "rollouts.jsonl").string(),
                                   "ppo.value_model=" + samples.judge("full").string(),
                                   "training.shuffle=false"};
    VERIFY_OK(run(samples.recipe("again", again)));
    QVERIFY2(differences(root / "again", root / "drawn").isEmpty(),
             qPrintable(differences(root / "again", root / "drawn")));
  }

  /// The value model learns, stands beside the result, and another run starts from it.
  void the_value_model_is_left_too() {
    const Samples samples;
    VERIFY_OK(run(samples.recipe("run")));
    const fs::path left = samples.root() / "run" / "value_model";
    const auto before = tensors_of(samples.judge("lora") / Adapter::kTensorFile),
               after = tensors_of(left / Adapter::kTensorFile);
    QCOMPARE(after.size(), before.size());
    int moved = 0;
    for (const auto& [name, tensor] : before) moved += !at::equal(tensor, after.at(name));
    QVERIFY2(moved > 1, qPrintable(QString::number(moved)));
    const auto first = samples.said(), second = samples.said({"ppo.value_model=" + left.string()});
    QVERIFY(!at::equal(first.at("returns"), second.at("returns")));
    VERIFY_OK(run(
        samples.recipe("further", {"ppo.value_model=" + left.string(), "training.max_steps=2"})));
  }

  /// A generation is what a step would otherwise hold, in equal parts: a step each.
  void steps_are_mini_batches() {
    const Samples samples;
    const Outcome parts = run(samples.recipe("parts", {"training.max_steps=8"}));
    VERIFY_OK(parts);
    // Eight rows, four a generation, four steps each.
    QVERIFY(std::abs(parts.watcher.lines.back().epoch - 1) < 1e-9);
    for (const MetricsLine& line : parts.watcher.lines)
      QCOMPARE(line.figures.contains("objective/kl"), line.step % 4 == 1);
    const Recipe odd = samples.recipe("odd", {"ppo.num_mini_batches=3"});
    const Status refused = check_recipe(odd);
    QVERIFY(!refused);
    QVERIFY(refused.error().sentence().find("num_mini_batches") != std::string::npos);
  }

  void what_is_broken_is_refused_data() {
    QTest::addColumn<QString>("setting");
    QTest::addColumn<QString>("row");
    QTest::addColumn<QString>("said");
    const char* none = "";
    QTest::newRow("nothing judges") << "ppo.rollouts=null" << none << "ppo.reward_model";
    QTest::newRow("no value model") << "ppo.value_model=null" << none << "ppo.value_model";
    QTest::newRow("no such folder")
        << "ppo.value_model=/nowhere/values" << none << "ppo.value_model";
    QTest::newRow("a folder of something else") << "PLAIN" << none << "no head of scores";
    const auto row = [](const char* rest) {
      return QString(R"({"prompt": "Who?", )") + rest + "}";
    };
    QTest::newRow("too long") << none
                              << row(R"("completion_ids": [[5,6,7,8,9,10,11]], "rewards": [1])")
                              << "response_length";
    QTest::newRow("no reward") << none << row(R"("completion_ids": [[5, 6]], "rewards": [null])")
                               << "rewards";
    QTest::newRow("two samples") << none
                                 << row(R"("completion_ids": [[5, 6], [7]], "rewards": [1, 2])")
                                 << "completion_ids";
    QTest::newRow("too few values")
        << none << row(R"("completion_ids": [[5, 6]], "rewards": [1], "old_values": [[0, 1]])")
        << "old_values[0]";
    QTest::newRow("values without a list")
        << none << row(R"("completion_ids": [[5, 6]], "rewards": [1], "old_values": 3)")
        << "old_values";
  }
  void what_is_broken_is_refused() {
    QFETCH(QString, setting);
    QFETCH(QString, row);
    QFETCH(QString, said);
    const Samples samples;
    std::vector<std::string> more;
    if (setting == "PLAIN") {
      VERIFY_OK(run(samples.tiny.recipe("plain", {"strategy=full", "training.max_steps=1"})));
      more = {"ppo.value_model=" + (samples.root() / "plain" / "model").string()};
    } else if (!setting.isEmpty())
      more = {setting.toStdString()};
    if (!row.isEmpty()) {
      std::string text;
      for (int i = 0; i < 8; ++i) text += row.toStdString() + "\n";
      write_text(samples.root() / "samples.jsonl", text);
    }
    const Outcome outcome = run(samples.recipe("run", more));
    QVERIFY(!outcome.result.ok());
    const QString sentence = QString::fromStdString(outcome.result.error().sentence());
    QVERIFY2(sentence.contains(said), qPrintable(sentence));
  }
};

QTEST_GUILESS_MAIN(TestPpo)
#include "test_ppo.moc"

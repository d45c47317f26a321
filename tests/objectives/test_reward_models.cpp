// SPDX-License-Identifier: GPL-3.0-or-later
// Reward models and process reward models: the loss from the scores that it is made of, slopes of
// the head and of what lies below it, the head's ways into files and back, runs that go on to the
// same bytes, and what is refused. tests/parity compares with TRL and transformers.
#include "tests/train/watched_run.h"

#include "engine/data/dataset.h"
#include "engine/methods/adapter.h"
#include "engine/models/score_head.h"
#include "engine/models/tensor_file.h"
#include "engine/objectives/scored.h"
#include "engine/train/row_loss.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

namespace {

constexpr const char* kHeadKey = "base_model.model.score.weight";

void write_pairs_of(const fs::path& path, int count = 5) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    Json row = {{"prompt", (i % 2 ? "" : "<image>") + std::string("What is number ") +
                               std::to_string(i) + "?"},
                {"chosen", "It is " + std::string(static_cast<std::size_t>(i), 'a') + "."},
                {"rejected", "No " + std::to_string(i)}};
    if (i % 2 == 0) row["images"] = {(fixture() / "b.jpg").string()};
    if (i == 1) row["margin"] = 0.75;
    text += row.dump() + "\n";
  }
  write_text(path, text);
}

/// Rows of one step, two, three, one, ...
void write_steps(const fs::path& path, int count = 4) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    Json steps = Json::array(), labels = Json::array();
    for (int step = 0; step <= i % 3; ++step) {
      steps.push_back("It is " + std::to_string(i + step) + ".");
      labels.push_back((i + step) % 2 == 0);
    }
    Json row = {{"prompt", (i % 2 ? "" : "<image>") + std::string("What is number ") +
                               std::to_string(i) + "?"},
                {"completions", steps},
                {"labels", labels}};
    if (i % 2 == 0) row["images"] = {(fixture() / "b.jpg").string()};
    text += row.dump() + "\n";
  }
  write_text(path, text);
}

using Loss = std::map<std::string, Tensor>;

Loss loss_of(const TinyRun& tiny, const std::vector<std::string>& settings,
             const std::function<void(LoadedModel&)>& change = {}) {
  const Recipe recipe = tiny.recipe("run", settings);
  auto base = load(recipe);
  if (!base) return {};
  if (change) change(*base);
  const auto found = loss_of_rows(*base, recipe, recipe.dataset.front());
  if (!found) qWarning("%s", found.error().sentence().c_str());
  if (score_head(*base->model)) qFatal("the head stands on");
  return found ? Loss(found->begin(), found->end()) : Loss();
}

double number(const Loss& all, const std::string& name) { return all.at(name).item<double>(); }

/// What a recipe of either objective has: its rows, and rates that move something in few steps.
std::vector<std::string> settings_of(const TinyRun& tiny, const std::string& objective,
                                     std::vector<std::string> more = {}) {
  const fs::path rows = tiny.root() / (objective + ".jsonl");
  if (objective == "reward")
    write_pairs_of(rows);
  else
    write_steps(rows);
  more.insert(more.end(), {"objective=" + objective, "dataset=" + rows.string()});
  return more;
}

std::string refusal(const TinyRun& tiny, const std::vector<std::string>& settings) {
  const Outcome outcome = run(tiny.recipe("run", settings));
  return outcome.result.ok() ? std::string() : outcome.result.error().sentence();
}

Loss tensors_in(const fs::path& file) {
  const auto read = read_tensor_file(file, torch::kCPU);
  if (!read) qFatal("%s", read.error().sentence().c_str());
  return {read->begin(), read->end()};
}

}  // namespace

class TestRewardModels : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { at::set_num_threads(1); }

  void the_loss_is_made_of_the_rewards() {
    TinyRun tiny;
    const auto settings = settings_of(tiny, "reward", {"reward.center_rewards_coefficient=0.2"});
    const Loss found = loss_of(tiny, settings);
    const Tensor rewards = found.at("rewards").to(torch::kFloat64);
    QCOMPARE(rewards.size(0), std::int64_t{10});
    QVERIFY(rewards.std().item<double>() > 1e-4);
    double loss = 0, right = 0, margin = 0;
    for (std::int64_t i = 0; i < 5; ++i) {
      const double chosen = rewards[i].item<double>(), rejected = rewards[i + 5].item<double>();
      loss += std::log1p(std::exp(-(chosen - rejected - (i == 1 ? 0.75 : 0)))) / 5;
      loss += 0.2 * (chosen + rejected) * (chosen + rejected) / 5;
      right += chosen > rejected ? 0.2 : 0;
      margin += (chosen - rejected) / 5;
    }
    QVERIFY(std::abs(number(found, "loss") - loss) < 1e-6);
    QVERIFY(std::abs(number(found, "metric.accuracy") - right) < 1e-6);
    QVERIFY(std::abs(number(found, "metric.margin") - margin) < 1e-6);
    QVERIFY(std::abs(number(found, "metric.min_reward") - rewards.min().item<double>()) < 1e-6);
    QVERIFY(std::abs(number(found, "metric.mean_reward") - rewards.mean().item<double>()) < 1e-6);
    QVERIFY(std::abs(number(found, "metric.max_reward") - rewards.max().item<double>()) < 1e-6);
    QVERIFY(!found.contains("token_logps"));
    QCOMPARE(found.at("grad." + std::string(kHeadKey)).sizes().vec(),
             (std::vector<std::int64_t>{1, 64}));
  }

  /// A reward is that of the last token which is not the padding's: an answer that ends in the
  /// padding's loses it, and has the reward of the same answer without.
  void a_reward_is_the_last_tokens() {
    TinyRun tiny;
    const Recipe recipe = tiny.recipe("run", settings_of(tiny, "reward"));
    auto base = load(recipe);
    QVERIFY(base.ok() && set_score_head(*base, 1, 3).ok());
    Policy policy(*base, nullptr, true, nullptr);
    MicroBatch rows;
    EncodedRow& encoded = rows.encoded.emplace_back();
    rows.rows = {0}, rows.cached = {nullptr};
    const auto sequence = [](std::vector<TokenId> ids) {
      Example example;
      example.labels.assign(ids.begin(), ids.end());
      example.input_ids = std::move(ids);
      return example;
    };
    encoded.sequences = {sequence({5})};
    const TokenId padding =
        policy.batch(rows, SequenceOrder::AnswerByAnswer, BatchMaker::Pass::Evaluation).padding;
    encoded.sequences = {sequence({5, 6, 7}), sequence({5, 6, 7, padding, padding}),
                         sequence({padding, padding}), sequence({5, padding, 7})};
    const Batch batch = policy.batch(rows, SequenceOrder::RowByRow, BatchMaker::Pass::Evaluation);
    QCOMPARE(last_places(batch).tokens, (std::vector<std::int64_t>{2, 5, 8, 12}));
    const Tensor scores = scores_at(*base->model, batch, last_places(batch));
    QCOMPARE(scores.size(0), std::int64_t{4});
    QVERIFY(std::abs((scores[0] - scores[1]).item<double>()) < 1e-6);
  }

  void steps_are_told_right_or_wrong() {
    TinyRun tiny;
    const auto settings = settings_of(tiny, "prm");
    const Loss found = loss_of(tiny, settings);
    const Tensor labels = found.at("labels"), logits = found.at("logits").to(torch::kFloat64);
    const Tensor told = labels.ne(kIgnoreLabel);
    QCOMPARE(told.sum().item<std::int64_t>(), std::int64_t{1 + 2 + 3 + 1});
    double loss = 0;
    for (std::int64_t row = 0; row < labels.size(0); ++row)
      for (std::int64_t at = 0; at < labels.size(1); ++at) {
        if (!told[row][at].item<bool>()) continue;
        QCOMPARE(found.at("completion_mask")[row][at].item<std::int64_t>(), std::int64_t{1});
        const double wrong = logits[row][at][0].item<double>(),
                     right = logits[row][at][1].item<double>();
        const bool label = labels[row][at].item<std::int64_t>() == 1;
        loss += std::log1p(std::exp(label ? wrong - right : right - wrong)) / 7;
      }
    QVERIFY(std::abs(number(found, "loss") - loss) < 1e-6);
    QCOMPARE(found.at("grad.base_model.model.score.bias").sizes().vec(),
             (std::vector<std::int64_t>{2}));
    // The last label of each row stands on its last token: no end token follows.
    const Tensor last = found.at("attention_mask").sum(1) - 1;
    QVERIFY(at::all(told.gather(1, last.unsqueeze(1))).item<bool>());

    auto of_last = settings;
    of_last.push_back("prm.train_on_last_step_only=true");
    const Loss only = loss_of(tiny, of_last);
    QCOMPARE(only.at("labels").ne(kIgnoreLabel).sum().item<std::int64_t>(), std::int64_t{4});
    QVERIFY(std::abs(number(only, "loss") - number(found, "loss")) > 1e-6);
  }

  /// A step of another separator ends in that one's last token.
  void separators_are_the_recipes() {
    TinyRun tiny;
    auto settings = settings_of(tiny, "prm");
    const Loss plain = loss_of(tiny, settings);
    settings.push_back("prm.step_separator= ok ok");
    const Loss marked = loss_of(tiny, settings);
    QVERIFY(marked.at("input_ids").size(1) > plain.at("input_ids").size(1));
    QCOMPARE(marked.at("labels").ne(kIgnoreLabel).sum().item<std::int64_t>(), std::int64_t{7});
    auto empty = settings_of(tiny, "prm", {"prm.step_separator="});
    QVERIFY(refusal(tiny, empty).find("prm.step_separator") != std::string::npos);
  }

  void slopes_are_those_of_the_loss_data() {
    QTest::addColumn<QString>("objective");
    QTest::newRow("reward") << "reward";
    QTest::newRow("prm") << "prm";
  }
  void slopes_are_those_of_the_loss() {
    QFETCH(QString, objective);
    TinyRun tiny;
    const std::string name = objective.toStdString();
    const auto settings = settings_of(tiny, name, {"strategy=full"});
    const Loss found = loss_of(tiny, settings);
    QVERIFY(found.contains("grad.score.weight"));
    QVERIFY(!found.contains("grad.lm_head.weight"));  // nothing asks for logits
    // Below the head, through the model itself.
    const std::string norm = "model.language_model.norm.weight";
    constexpr double kStep = 1e-2;
    for (const std::int64_t place : {3, 40}) {
      const auto moved = [&](double by) {
        return number(loss_of(tiny, settings,
                              [&](LoadedModel& base) {
                                const torch::NoGradGuard no_grad;
                                base.model->named_parameters()[norm][place] += by;
                              }),
                      "loss");
      };
      const double slope = (moved(kStep) - moved(-kStep)) / (2 * kStep);
      const double told = found.at("grad." + norm)[place].item<double>();
      QVERIFY2(std::abs(told - slope) < 1e-4, qPrintable(QString("%1 %2").arg(told).arg(slope)));
    }
    // The head itself, through the folder that an adapter was written into.
    VERIFY_OK(run(tiny.recipe("first", settings_of(tiny, name, {"training.max_steps=2"}))));
    const fs::path folder = tiny.root() / "first/adapter";
    Loss tensors = tensors_in(folder / "adapter_model.safetensors");
    const auto from = settings_of(tiny, name, {"adapter.init_from=" + folder.string()});
    const Loss now = loss_of(tiny, from);
    for (const std::int64_t place : {0, 17}) {
      const auto moved = [&](double by) {
        Loss other = tensors;
        other[kHeadKey] = tensors.at(kHeadKey).clone();
        other[kHeadKey][0][place] += by;
        const auto written = write_tensor_file(folder / "adapter_model.safetensors",
                                               NamedTensors(other.begin(), other.end()));
        return written ? number(loss_of(tiny, from), "loss") : 0.0;
      };
      const double slope = (moved(kStep) - moved(-kStep)) / (2 * kStep);
      const double told = now.at("grad." + std::string(kHeadKey))[0][place].item<double>();
      QVERIFY2(std::abs(told - slope) < 1e-4 && std::abs(told) > 1e-5,
               qPrintable(QString("%1 %2").arg(told).arg(slope)));
    }
  }

  /// The mean is over the labels of the window, however they lie in its micro-batches.
  void a_windows_labels_count_alike() {
    TinyRun tiny;
    const auto settings = settings_of(
        tiny, "prm",
        {"training.max_steps=1", "training.shuffle=false", "training.gradient_accumulation_steps=2",
         "training.logging_steps=1", "adapter.lora_dropout=0"});
    const double all = number(loss_of(tiny, settings), "loss");
    const Outcome outcome = run(tiny.recipe("run", settings));
    VERIFY_OK(outcome);
    QVERIFY(std::abs(outcome.watcher.lines.front().loss - all) < 1e-5);
  }

  void runs_go_on_to_the_same_bytes_data() {
    QTest::addColumn<QString>("objective");
    QTest::addColumn<QString>("strategy");
    for (const char* objective : {"reward", "prm"})
      for (const char* strategy : {"lora", "full", "freeze"})
        QTest::addRow("%s, %s", objective, strategy) << objective << strategy;
  }
  void runs_go_on_to_the_same_bytes() {
    QFETCH(QString, objective);
    QFETCH(QString, strategy);
    TinyRun tiny;
    auto settings = settings_of(tiny, objective.toStdString(),
                                {"strategy=" + strategy.toStdString(), "training.logging_steps=2",
                                 "training.learning_rate=1.0e-3", "training.max_steps=6"});
    settings.push_back("eval_dataset=" +
                       (tiny.root() / (objective.toStdString() + ".jsonl")).string());
    bool clean = false;
    const Outcome whole =
        run(tiny.recipe("whole", settings), {},
            [&](Watcher&, TrainControl&, LoadedModel& base) { clean = !score_head(*base.model); });
    VERIFY_OK(whole);
    QVERIFY(clean);
    const auto& figures = whole.watcher.lines.back().figures;
    QVERIFY(figures.contains("eval_accuracy"));
    QCOMPARE(figures.contains("margin"), objective == "reward");
    QVERIFY(std::abs(whole.watcher.lines.back().loss - whole.watcher.lines.front().loss) > 1e-5);
    const Recipe recipe = tiny.recipe("cut", settings);
    bool seen = false;
    VERIFY_OK(run(recipe, {}, [&](Watcher& watcher, TrainControl& control, LoadedModel&) {
      watcher.between = [&, done = 0]() mutable {
        if (++done >= 11 && !seen) seen = true, control.stop(true);
      };
    }));
    QVERIFY(seen);
    VERIFY_OK(run(recipe, tiny.root() / "cut"));
    QVERIFY2(differences(tiny.root() / "cut", tiny.root() / "whole").isEmpty(),
             qPrintable(differences(tiny.root() / "cut", tiny.root() / "whole")));
    const bool adapter = strategy == "lora";
    const Loss tensors =
        tensors_in(tiny.root() / "whole" /
                   (adapter ? "adapter/adapter_model.safetensors" : "model/model.safetensors"));
    QVERIFY(tensors.contains(adapter ? kHeadKey : "score.weight"));
    QCOMPARE(tensors.contains(adapter ? "base_model.model.score.bias" : "score.bias"),
             objective == "prm");
    const bool logits = std::any_of(tensors.begin(), tensors.end(), [](const auto& each) {
      return each.first.ends_with("lm_head.weight");
    });
    QCOMPARE(logits, !adapter);  // as the base has it
  }

  /// The head that a checkpoint has is gone on from, and one of another size is not.
  void a_checkpoints_own_head_is_read() {
    TinyRun tiny;
    VERIFY_OK(run(tiny.recipe(
        "first", settings_of(tiny, "reward", {"strategy=full", "training.max_steps=3"}))));
    const fs::path model = tiny.root() / "first/model";
    const auto loaded = [&] {
      LoadOptions options;
      options.device = "cpu", options.dtype = "float32";
      return load_model(model, options);
    };
    auto base = loaded();
    QVERIFY(base.ok());
    const Tensor stored = tensors_in(model / "model.safetensors").at("score.weight");
    QCOMPARE(stored_score_numbers(model).value(), std::int64_t{1});
    QVERIFY(set_score_head(*base, 1, 7).ok());
    QVERIFY(at::equal(score_head(*base->model)->weight.dense(), stored.to(torch::kFloat32)));
    QVERIFY(set_score_head(*base, 2, 7).ok());
    QCOMPARE(score_head(*base->model)->out_features(), std::int64_t{2});
    QVERIFY(score_head(*base->model)->bias.defined());
    QVERIFY(set_score_head(*base, 0, 7).ok());
    QVERIFY(!score_head(*base->model));
  }

  /// Answers and other objectives have no head, and say so.
  void a_reward_models_adapter_answers_nothing() {
    TinyRun tiny;
    VERIFY_OK(run(tiny.recipe("first", settings_of(tiny, "reward", {"training.max_steps=2"}))));
    const fs::path folder = tiny.root() / "first/adapter";
    auto base = load(tiny.recipe("run"));
    QVERIFY(base.ok());
    const auto adapter = load_adapter(*base, folder);
    QVERIFY(!adapter.ok());
    QVERIFY2(adapter.error().sentence().find("luthier-cli score") != std::string::npos,
             adapter.error().sentence().c_str());
    // An adapter that learned to answer is a start for a reward model: the head is fresh beside it.
    VERIFY_OK(run(tiny.recipe("sft", {"training.max_steps=2"})));
    const Loss from =
        loss_of(tiny, settings_of(tiny, "reward",
                                  {"adapter.init_from=" + (tiny.root() / "sft/adapter").string()}));
    QVERIFY(from.contains("grad." + std::string(kHeadKey)));
  }

  void rows_of_another_kind_are_refused_data() {
    QTest::addColumn<QString>("objective");
    QTest::addColumn<QString>("row");
    QTest::addColumn<QString>("named");
    const auto add = [](const char* name, const char* objective, const char* row,
                        const char* named) { QTest::newRow(name) << objective << row << named; };
    add("one answer", "reward", R"({"prompt": "Who?", "completion": "Me."})", "row 1: chosen");
    add("no rejected", "reward", R"({"prompt": "Who?", "chosen": "Me."})", "row 1: rejected");
    add("a margin of words", "reward",
        R"({"prompt": "Who?", "chosen": "Me.", "rejected": "I.", "margin": "much"})",
        "row 1: margin");
    add("no steps", "prm", R"({"prompt": "Who?", "completion": "Me.", "labels": [true]})",
        "row 1: completions");
    add("a pair", "prm", R"({"prompt": "Who?", "chosen": "Me.", "rejected": "I."})",
        "row 1: completions");
    add("no labels", "prm", R"({"prompt": "Who?", "completions": ["Me."]})", "row 1: labels");
    add("too few labels", "prm",
        R"({"prompt": "Who?", "completions": ["Me.", "You."], "labels": [true]})", "row 1: labels");
    add("a label of words", "prm",
        R"({"prompt": "Who?", "completions": ["Me."], "labels": ["yes"]})", "row 1: labels[0]");
    add("a step that is no text", "prm",
        R"({"prompt": "Who?", "completions": [3], "labels": [true]})", "row 1: completions[0]");
    add("no prompt", "prm", R"({"completions": ["Me."], "labels": [true]})", "row 1: prompt");
    add("cut to nothing", "prm",
        R"({"prompt": "Who are you, and what is it that you do?", "completions": ["Me."],
            "labels": [true]})",
        "max_length");
  }
  void rows_of_another_kind_are_refused() {
    QFETCH(QString, objective);
    QFETCH(QString, row);
    QFETCH(QString, named);
    TinyRun tiny;
    const fs::path rows = tiny.root() / "one.jsonl";
    write_text(rows, row.simplified().toStdString() + "\n");
    std::vector<std::string> settings{"objective=" + objective.toStdString(),
                                      "dataset=" + rows.string()};
    if (named == "max_length") settings.push_back("training.max_length=8");
    const std::string sentence = refusal(tiny, settings);
    QVERIFY2(sentence.find(named.toStdString()) != std::string::npos, sentence.c_str());
  }

  /// Said by the check of a dataset: equal answers, which teach nothing, and empty ones.
  void answers_that_teach_nothing_are_found() {
    TinyRun tiny;
    const fs::path rows = tiny.root() / "some.jsonl";
    write_text(rows, R"({"prompt": "Who?", "chosen": "Me.", "rejected": "Me."})"
                     "\n"
                     R"({"prompt": "Who?", "chosen": "Me.", "rejected": " "})"
                     "\n");
    const auto dataset = Dataset::open({rows});
    const auto processor = load_processor(tiny.root() / "model", {});
    QVERIFY(dataset.ok() && processor.ok());
    DatasetCheck how;
    how.kind = find_row_kind("preference");
    const auto report = check_dataset(**dataset, **processor, how);
    QVERIFY(report.ok());
    QCOMPARE(report->findings.size(), std::size_t{2});
    QCOMPARE(report->findings[0].kind, std::string("equal_answers"));
    QCOMPARE(report->findings[1].kind, std::string("empty_answer"));
  }

  void methods_that_keep_no_module_are_refused() {
    TinyRun tiny;
    for (const char* objective : {"reward", "prm"}) {
      auto settings = settings_of(tiny, objective, {"strategy=prompt_tuning"});
      const std::string sentence = refusal(tiny, settings);
      QVERIFY2(sentence.find("strategy") != std::string::npos &&
                   sentence.find("modules_to_save") != std::string::npos,
               sentence.c_str());
    }
  }
};

QTEST_GUILESS_MAIN(TestRewardModels)
#include "test_reward_models.moc"

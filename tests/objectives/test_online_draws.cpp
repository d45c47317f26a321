// SPDX-License-Identifier: GPL-3.0-or-later
// Two answers to each prompt that are drawn in the run and judged by a reward model: who draws
// which, that a mixture is both its models, that a stopped run goes on to the same bytes, that what
// was drawn can be learned from again, and which folders are refused before anything is loaded.
// tests/parity holds each drawn token against transformers' logits.
#include "tests/train/watched_run.h"

#include <set>
#include <sstream>

#include "engine/data/dataset.h"
#include "engine/generate/mixed_answers.h"
#include "engine/objectives/policy.h"
#include "engine/objectives/reward_model.h"

using namespace luthier;
using namespace luthier::test;

namespace {

const std::vector<const char*> kOnline{"online_dpo", "xpo", "nash_md"};

std::string lines_of(int count, const std::function<void(Json& row, int number)>& fill) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    Json row = {{"prompt", (i % 2 ? "" : "<image>") + std::string("What is number ") +
                               std::to_string(i) + "?"}};
    if (i % 2 == 0) row["images"] = {(fixture() / "b.jpg").string()};
    fill(row, i);
    text += row.dump() + "\n";
  }
  return text;
}

/// Prompts, and a reward model that a run has left.
class Drawn {
 public:
  Drawn() {
    write_text(tiny.root() / "prompts.jsonl", lines_of(5, [](Json&, int) {}));
    write_text(tiny.root() / "pairs.jsonl", lines_of(5, [](Json& row, int number) {
                 row["chosen"] =
                     "It is " + std::string(static_cast<std::size_t>(number), 'a') + ".";
                 row["rejected"] = "No " + std::to_string(number);
               }));
    write_text(tiny.root() / "steps.jsonl", lines_of(5, [](Json& row, int number) {
                 row["completions"] = {"It is.", "No."};
                 row["labels"] = {number % 2 == 0, true};
               }));
    judge("reward", "pairs.jsonl");
  }
  void judge(const std::string& objective, const std::string& rows) const {
    const Outcome left =
        run(tiny.recipe(objective, {"objective=" + objective, "strategy=full",
                                    "dataset=" + (tiny.root() / rows).string(),
                                    "training.max_steps=2", "training.learning_rate=1.0e-2"}));
    if (!left.result) qFatal("%s", left.result.error().sentence().c_str());
  }
  Recipe recipe(const std::string& out, const std::string& objective,
                const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all{
        "objective=" + objective,
        "dataset=" + (tiny.root() / "prompts.jsonl").string(),
        objective + ".reward_model=" + (tiny.root() / "reward/model").string(),
        objective + ".max_new_tokens=5",
        "training.per_device_train_batch_size=1",
        "training.max_steps=4",
        "training.learning_rate=1.0e-3"};
    all.insert(all.end(), more.begin(), more.end());
    return tiny.recipe(out, all);
  }
  std::string refusal(const Recipe& recipe) const {
    const auto begun = begin_run(recipe, {});
    return begun ? std::string() : begun.error().sentence();
  }
  std::string text(const std::string& out) const {
    return *read_file(tiny.root() / out / "rollouts.jsonl", 1 << 24);
  }
  std::vector<Json> rows(const std::string& out) const {
    std::vector<Json> found;
    std::istringstream stream(text(out));
    for (std::string line; std::getline(stream, line);) found.push_back(*parse_json(line, out));
    return found;
  }
  TinyRun tiny;
};

std::vector<std::int64_t> ids_of_answer(const Generated& answer) {
  std::vector<std::int64_t> ids;
  for (const AnswerToken& token : answer.tokens) ids.push_back(token.id);
  return ids;
}

}  // namespace

class TestOnlineDraws : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { at::set_num_threads(1); }

  void runs_go_on_to_the_same_bytes_data() {
    QTest::addColumn<QString>("objective");
    QTest::addColumn<QString>("settings");
    QTest::newRow("online_dpo, full") << "online_dpo"
                                      << "strategy=full";
    QTest::newRow("xpo") << "xpo"
                         << "adapter.exclude_modules=.*vision_tower.*";
    QTest::newRow("nash_md") << "nash_md"
                             << "nash_md.mixture_coef=0.3";
    QTest::newRow("nash_md, full") << "nash_md"
                                   << "strategy=full";
  }
  void runs_go_on_to_the_same_bytes() {
    QFETCH(QString, objective);
    QFETCH(QString, settings);
    const Drawn drawn;
    const std::vector<std::string> all{settings.toStdString()};
    const Outcome whole = run(drawn.recipe("whole", objective.toStdString(), all));
    VERIFY_OK(whole);
    // Two prompts a step, each with two answers and what the reward model makes of them.
    const std::vector<Json> rows = drawn.rows("whole");
    QCOMPARE(rows.size(), std::size_t{8});
    for (const Json& row : rows) {
      QCOMPARE(row["completion_ids"].size(), std::size_t{2});
      QCOMPARE(row["rewards"]["model"].size(), std::size_t{2});
    }
    const Recipe recipe = drawn.recipe("cut", objective.toStdString(), all);
    for (const int stop : {3, 40}) {
      fs::remove_all(drawn.tiny.root() / "cut");
      bool seen = false;
      VERIFY_OK(run(recipe, {}, [&](Watcher& watcher, TrainControl& control, LoadedModel&) {
        watcher.between = [&, stop, calls = 0]() mutable {
          if (++calls >= stop && !seen) seen = true, control.stop(true);
        };
      }));
      QVERIFY(seen);
      VERIFY_OK(run(recipe, drawn.tiny.root() / "cut"));
      const QString apart = differences(drawn.tiny.root() / "cut", drawn.tiny.root() / "whole");
      QVERIFY2(apart.isEmpty(), qPrintable(apart));
      QCOMPARE(drawn.text("cut"), drawn.text("whole"));
    }
  }

  /// What a run has drawn, given to another one, teaches it the same.
  void drawn_answers_can_be_given_again() {
    const Drawn drawn;
    const fs::path root = drawn.tiny.root();
    write_text(root / "four.jsonl", lines_of(4, [](Json&, int) {}));
    for (const char* name : kOnline) {
      const std::string objective = name;
      const std::vector<std::string> same{"training.shuffle=false", "training.max_steps=2",
                                          "dataset=" + (root / "four.jsonl").string()};
      std::vector<std::string> again = same;
      VERIFY_OK(run(drawn.recipe(objective + "-drawn", objective, same)));
      again.push_back(objective + ".reward_model=null");
      again.push_back(objective +
                      ".rollouts=" + (root / (objective + "-drawn") / "rollouts.jsonl").string());
      VERIFY_OK(run(drawn.recipe(objective + "-given", objective, again)));
      const QString apart =
          differences(root / (objective + "-drawn"), root / (objective + "-given"));
      QVERIFY2(apart.isEmpty(), qPrintable(apart));
    }
  }

  /// Rewards are those that the reward model gives by itself.
  void answers_are_judged_by_the_folder() {
    const Drawn drawn;
    VERIFY_OK(run(drawn.recipe("run", "xpo", {"training.max_steps=1"})));
    LoadOptions options;
    options.device = "cpu", options.dtype = "float32";
    auto judge = RewardModel::open({}, drawn.tiny.root() / "reward/model", options);
    QVERIFY(judge.ok());
    std::set<double> different;
    for (const Json& row : drawn.rows("run")) {
      for (std::size_t i = 0; i < 2; ++i) {
        Json answered = {{"prompt", row["prompt"]}, {"completion", row["completions"][i]}};
        const auto read = any_rows().read(answered, {}, "row", nullptr);
        QVERIFY(read.ok());
        const auto asked = answers_in(*read, "row");
        QVERIFY(asked.ok());
        const auto scores = (*judge)->score(*asked);
        QVERIFY(scores.ok());
        const double told = row["rewards"]["model"][i].get<double>();
        QVERIFY(std::abs(scores->front().front() - told) < 1e-5);
        different.insert(told);
      }
    }
    QVERIFY(different.size() > 2);
  }

  /// A mixture of nothing of the other model is the first one, and of nothing of the first the
  /// other; XPO's second answer is the reference's.
  void a_mixture_is_both_its_models() {
    const Drawn drawn;
    const Recipe recipe = drawn.recipe("run", "nash_md", {"adapter.exclude_modules=.*vision.*"});
    auto base = load(recipe);
    QVERIFY(base.ok());
    auto adapter = create_adapter(*base, recipe.strategy, recipe.adapter, 3);
    QVERIFY(adapter.ok());
    {
      const torch::NoGradGuard no_grad;
      torch::manual_seed(5);
      for (const auto& each : (*adapter)->tensors()) torch::Tensor(each.second).normal_(0, 0.3);
    }
    (*adapter)->set_training(false, 0);
    std::vector<Example> prompts;
    const auto dataset = Dataset::open({drawn.tiny.root() / "prompts.jsonl"});
    QVERIFY(dataset.ok());
    for (const std::size_t i : {0u, 1u, 2u}) {
      const auto read = read_row(**dataset, i, prompt_rows());
      QVERIFY(read.ok());
      const auto encoded = prompt_rows().encode(*read, *base->processor, {}, "row");
      QVERIFY(encoded.ok());
      prompts.push_back(encoded->sequences.front());
    }
    GenerationOptions options;
    options.max_new_tokens = 6, options.temperature = 0.9, options.alternatives = 0;
    options.barred = {5, 6};
    const std::vector<std::uint64_t> draws{1, 3, 5};
    const auto before = generate(*base, prompts, options, {}, draws);
    (*adapter)->activate();
    const auto after = generate(*base, prompts, options, {}, draws);
    QVERIFY(before.ok() && after.ok());
    for (const bool shares : {true, false}) {
      Policy policy(*base, *adapter, shares, nullptr, std::make_shared<Reference>());
      QCOMPARE(policy.shares_tower(), shares);
      const auto mixed = [&](double share) {
        const MixedWith other{[&](const std::function<Status(const LoadedModel&)>& work) {
                                return policy.as_reference(work);
                              },
                              share, policy.shares_tower()};
        auto made = generate_mixed(*base, other, prompts, options, {}, draws);
        if (!made) qFatal("%s", made.error().sentence().c_str());
        return made.take();
      };
      const std::vector<Generated> none = mixed(0), all = mixed(1), half = mixed(0.5);
      bool differs = false;
      for (std::size_t i = 0; i < 3; ++i) {
        QCOMPARE(ids_of_answer(none[i]), ids_of_answer((*after)[i]));
        QCOMPARE(ids_of_answer(all[i]), ids_of_answer((*before)[i]));
        QCOMPARE(none[i].text, (*after)[i].text);
        QCOMPARE(none[i].finish, (*after)[i].finish);
        differs = differs || ids_of_answer(half[i]) != ids_of_answer(none[i]);
        for (const std::int64_t id : ids_of_answer(half[i])) QVERIFY(id != 5 && id != 6);
      }
      QVERIFY(differs);
    }
    (*adapter)->deactivate();
  }

  /// Before a model is loaded, by the setting's name.
  void folders_that_judge_nothing_are_refused() {
    const Drawn drawn;
    drawn.judge("prm", "steps.jsonl");
    VERIFY_OK(run(drawn.tiny.recipe("sft", {"training.max_steps=1"})));
    VERIFY_OK(run(drawn.tiny.recipe("full", {"training.max_steps=1", "strategy=full"})));
    const fs::path root = drawn.tiny.root();
    const auto names = [&](const std::string& objective, const std::string& setting,
                           const std::string& folder, const char* what) {
      const std::string key = objective + "." + setting;
      std::vector<std::string> settings{"objective=" + objective, key + "=" + folder,
                                        "dataset=" + (root / "prompts.jsonl").string()};
      if (setting == "reward_funcs") settings.push_back(objective + ".num_generations=2");
      const std::string sentence = drawn.refusal(drawn.tiny.recipe("run", settings));
      const bool told =
          sentence.find(key) != std::string::npos && sentence.find(what) != std::string::npos;
      if (!told) qWarning("%s", sentence.c_str());
      return told;
    };
    const auto in = [&](const char* folder) { return (root / folder).string(); };
    const auto listed = [&](const char* folder) { return "[" + in(folder) + "]"; };
    QVERIFY(names("xpo", "reward_model", "null", "names nothing that judges answers"));
    for (const char* objective : kOnline) {
      QVERIFY(names(objective, "reward_model", in("nowhere"), "There is no folder"));
      QVERIFY(names(objective, "reward_model", "length", "There is no folder"));
      QVERIFY(names(objective, "reward_model", in("sft/adapter"), "no head of scores"));
      QVERIFY(names(objective, "reward_model", in("full/model"), "no head of scores"));
      QVERIFY(names(objective, "reward_model", in("prm/model"), "judges steps"));
    }
    for (const char* objective : {"grpo", "rloo"}) {
      QVERIFY(names(objective, "reward_funcs", listed("nowhere"), "There is no reward function"));
      QVERIFY(names(objective, "reward_funcs", listed("sft/adapter"), "no head of scores"));
      QVERIFY(names(objective, "reward_funcs", listed("sft"), "run"));
    }
    const std::string teacher = drawn.refusal(drawn.tiny.recipe(
        "run", {"objective=gkd", "gkd.teacher_model_name_or_path=" + in("nowhere")}));
    QVERIFY2(teacher.find("gkd.teacher_model_name_or_path") != std::string::npos, teacher.c_str());
    QVERIFY(drawn.refusal(drawn.recipe("run", "xpo")).empty());
  }
};

QTEST_GUILESS_MAIN(TestOnlineDraws)
#include "test_online_draws.moc"

// SPDX-License-Identifier: GPL-3.0-or-later
// Runs that learn from several samples of a prompt (GRPO, RLOO): losses by hand from what they
// show, gradients of entropies, that runs go on to the same bytes within a generation, that drawn
// samples are kept and learned from again, and what is refused.
#include "tests/train/watched_run.h"

#include "engine/generate/generate.h"
#include "engine/nn/linear.h"
#include "engine/objectives/head_loss.h"
#include "engine/objectives/objective.h"
#include "engine/train/row_loss.h"
#include "tests/nn/central_differences.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

namespace {

using Found = std::map<std::string, Tensor>;

Json prompt(int number) {
  Json row = {{"prompt", (number % 2 ? "" : "<image>") + std::string("What is number ") +
                             std::to_string(number) + "?"},
              {"target_length", 5 + number}};
  if (number % 2 == 0) row["images"] = {(fixture() / "b.jpg").string()};
  return row;
}

void write_prompts(const fs::path& path, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += prompt(i).dump() + "\n";
  write_text(path, text);
}

/// Samples of 1 to 4 tokens, none of which ends; `old`: with the log-probabilities of who drew
/// them.
void write_samples(const fs::path& path, int count, int samples, bool old) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    Json row = prompt(i);
    for (int j = 0; j < samples; ++j) {
      Json ids = Json::array(), log_probs = Json::array();
      for (int at = 0; at <= (i + j) % 4; ++at) {
        ids.push_back(5 + (at * 7 + i * 3 + j * 11) % 20);
        log_probs.push_back(-4.5 - 0.1 * at + 0.2 * j);
      }
      row["completion_ids"].push_back(ids);
      row["rewards"].push_back((i * 5 + j * 3) % 7);
      if (old) row["old_per_token_logps"].push_back(log_probs);
    }
    text += row.dump() + "\n";
  }
  write_text(path, text);
}

Found loss_of(const TinyRun& tiny, std::vector<std::string> settings) {
  settings.push_back("grpo.rollouts=" + (tiny.root() / "samples.jsonl").string());
  settings.push_back("adapter.lora_dropout=0");
  const Recipe recipe = tiny.recipe("run", settings);
  auto base = load(recipe);
  if (!base) return {};
  const auto found = loss_of_rows(*base, recipe, tiny.root() / "samples.jsonl");
  if (!found) qWarning("%s", found.error().sentence().c_str());
  return found ? Found(found->begin(), found->end()) : Found();
}

double number(const Found& all, const char* name) { return all.at(name).item<double>(); }

std::string refusal(const Recipe& recipe) {
  const Outcome outcome = run(recipe);
  return outcome.result.ok() ? std::string() : outcome.result.error().sentence();
}

std::vector<std::string> over(const TinyRun& tiny, const std::string& objective,
                              std::vector<std::string> more) {
  std::vector<std::string> settings{"objective=" + objective,
                                    "dataset=" + (tiny.root() / "prompts.jsonl").string(),
                                    objective + ".num_generations=2",
                                    objective + ".max_completion_length=6",
                                    objective + ".reward_funcs=[length]",
                                    "training.gradient_accumulation_steps=1",
                                    "training.logging_steps=2"};
  settings.insert(settings.end(), more.begin(), more.end());
  return settings;
}

}  // namespace

class TestSampled : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { at::set_num_threads(1); }

  /// Who learns is who drew: each ratio is 1.
  void a_fresh_loss_is_the_advantages_mean() {
    TinyRun tiny;
    write_samples(tiny.root() / "samples.jsonl", 2, 3, /*old=*/false);
    const Found found = loss_of(tiny, {"objective=grpo", "grpo.num_generations=3"});
    const Tensor lengths = found.at("completion_mask").sum(1).to(torch::kFloat32),
                 worth = found.at("advantages");
    QCOMPARE(worth.size(0), std::int64_t{6});
    QVERIFY(worth.abs().max().item<double>() > 0.5);
    const double wanted = -(worth * lengths).sum().item<double>() / lengths.sum().item<double>();
    QVERIFY(std::abs(number(found, "loss") - wanted) < 1e-5);
    QCOMPARE(number(found, "metric.clip_ratio/region_mean"), 0.0);
    const Found sapo = loss_of(tiny, {"objective=grpo", "grpo.loss_type=sapo"});
    const Tensor sharp = at::where(worth > 0, 1.0, 1.05).to(torch::kFloat32);
    QVERIFY(std::abs(number(sapo, "loss") + (worth * 2 / sharp).mean().item<double>()) < 1e-5);
  }

  void ratios_are_clipped() {
    TinyRun tiny;
    write_samples(tiny.root() / "samples.jsonl", 2, 3, /*old=*/true);
    const Found found =
        loss_of(tiny, {"objective=grpo", "grpo.loss_type=grpo", "grpo.epsilon=0.1"});
    const Tensor &now = found.at("token_logps"), mask = found.at("completion_mask");
    double sum = 0;
    int clipped = 0;
    for (std::int64_t i = 0; i < 6; ++i) {
      const double worth = found.at("advantages")[i].item<double>();
      double of_sample = 0;
      int at = 0;
      for (std::int64_t place = 0; place < mask.size(1); ++place) {
        if (mask[i][place].item<std::int64_t>() == 0) continue;
        const double old = -4.5 - 0.1 * at++ + 0.2 * static_cast<double>(i % 3),
                     ratio = std::exp(now[i][place].item<double>() - old),
                     near = std::clamp(ratio, 0.9, 1.1);
        clipped += ratio != near;
        of_sample -= std::min(ratio * worth, near * worth);
      }
      sum += of_sample / at;
    }
    QVERIFY(clipped > 0);
    QVERIFY2(std::abs(number(found, "loss") - sum / 6) < 1e-5,
             qPrintable(QString("%1 and %2").arg(number(found, "loss")).arg(sum / 6)));
  }

  /// Samples that were cut off are compared with, and nothing of them is learned.
  void cut_samples_are_left_out() {
    TinyRun tiny;
    write_samples(tiny.root() / "samples.jsonl", 2, 3, /*old=*/true);
    const Found found = loss_of(tiny, {"objective=grpo", "grpo.mask_truncated_completions=true"});
    QCOMPARE(number(found, "loss"), 0.0);
    QCOMPARE(number(found, "metric.completions/clipped_ratio"), 1.0);
    QCOMPARE(found.at("completion_mask").sum().item<std::int64_t>(), std::int64_t{0});
    QVERIFY(found.at("advantages").abs().max().item<double>() > 0.5);
  }

  void entropies_have_gradients() {
    torch::manual_seed(3);
    const Linear head = Linear(6, 23, /*bias=*/true, torch::kFloat32);
    {
      const torch::NoGradGuard no_grad;
      for (Tensor& each : head->parameters()) each.normal_();
    }
    const Tensor hidden = torch::randn({5, 6}).requires_grad_(true),
                 target = torch::randint(23, {5}, torch::kInt64), share = torch::randn({5}),
                 of_entropy = torch::randn({5});
    for (const bool with_log_probs : {true, false}) {
      const TokenValues values = token_values(hidden, head, target, 0.7, /*learns_entropy=*/true);
      Tensor sum = (values.entropy * of_entropy).sum();
      if (with_log_probs) sum = sum + (values.log_probs * share).sum();
      const Tensor got = torch::autograd::grad({sum}, {hidden})[0];
      const Tensor logs = at::log_softmax(head->forward(hidden) / 0.7, 1);
      Tensor plain = (-(logs.exp() * logs).sum(1) * of_entropy).sum();
      if (with_log_probs)
        plain = plain + (logs.gather(1, target.unsqueeze(1)).squeeze(1) * share).sum();
      QVERIFY(at::allclose(got, torch::autograd::grad({plain}, {hidden})[0], 1e-4, 1e-5));
    }
    QVERIFY(!token_values(hidden, head, target, 0.7).entropy.requires_grad());
  }

  void runs_go_on_to_the_same_bytes_data() {
    QTest::addColumn<QString>("objective");
    QTest::addColumn<bool>("drawn");
    QTest::newRow("grpo, drawn") << "grpo" << true;
    QTest::newRow("grpo, given") << "grpo" << false;
    QTest::newRow("rloo, drawn") << "rloo" << true;
  }
  /// Generations of two steps, used twice: a stop within one goes on with its samples.
  void runs_go_on_to_the_same_bytes() {
    QFETCH(QString, objective);
    QFETCH(bool, drawn);
    TinyRun tiny;
    write_prompts(tiny.root() / "prompts.jsonl", 5);
    write_samples(tiny.root() / "samples.jsonl", 6, 2, /*old=*/false);
    const std::string name = objective.toStdString();
    std::vector<std::string> more{name + ".steps_per_generation=2", name + ".num_iterations=2",
                                  name + ".beta=0.1"};
    if (!drawn) more.push_back(name + ".rollouts=" + (tiny.root() / "samples.jsonl").string());
    const std::vector<std::string> settings = over(tiny, name, more);
    const Outcome whole = run(tiny.recipe("whole", settings));
    VERIFY_OK(whole);
    QVERIFY(whole.watcher.lines.front().figures.contains("reward"));
    QCOMPARE(fs::exists(tiny.root() / "whole" / "rollouts.jsonl"), drawn);
    // Between micro-batches and, of drawn ones, between tokens.
    for (const int stop : drawn ? std::vector<int>{20, 61} : std::vector<int>{7, 12}) {
      const std::string folder = "cut" + std::to_string(stop);
      const Recipe recipe = tiny.recipe(folder, settings);
      bool seen = false;
      VERIFY_OK(run(recipe, {}, [&](Watcher& watcher, TrainControl& control, LoadedModel&) {
        watcher.between = [&, stop, calls = 0]() mutable {
          if (++calls >= stop && !seen) seen = true, control.stop(true);
        };
      }));
      QVERIFY(seen);
      VERIFY_OK(run(recipe, tiny.root() / folder));
      QVERIFY2(differences(tiny.root() / folder, tiny.root() / "whole").isEmpty(),
               qPrintable(differences(tiny.root() / folder, tiny.root() / "whole")));
      if (drawn)
        QCOMPARE(*read_file(tiny.root() / folder / "rollouts.jsonl", 1 << 24),
                 *read_file(tiny.root() / "whole" / "rollouts.jsonl", 1 << 24));
    }
  }

  /// What a run has drawn, given to another one, teaches it the same.
  void drawn_samples_can_be_given_again() {
    TinyRun tiny;
    write_prompts(tiny.root() / "prompts.jsonl", 6);
    const std::vector<std::string> same{"training.shuffle=false", "training.max_steps=6"};
    std::vector<std::string> again = same;
    VERIFY_OK(run(tiny.recipe("drawn", over(tiny, "grpo", same))));
    again.push_back("grpo.rollouts=" + (tiny.root() / "drawn" / "rollouts.jsonl").string());
    VERIFY_OK(run(tiny.recipe("given", over(tiny, "grpo", again))));
    QVERIFY2(differences(tiny.root() / "drawn", tiny.root() / "given").isEmpty(),
             qPrintable(differences(tiny.root() / "drawn", tiny.root() / "given")));
  }

  /// A prompt's answers share what was made of it, and are those that it has alone.
  void answers_of_a_group_are_those_of_its_prompt() {
    TinyRun tiny;
    auto base = load(tiny.recipe("run"));
    QVERIFY(base.ok());
    std::vector<Example> prompts;
    for (const int i : {0, 1, 2}) {
      const auto row = prompt_rows().read(prompt(i), {}, "row", nullptr);
      QVERIFY(row.ok());
      const auto encoded = prompt_rows().encode(*row, *base->processor, {}, "row");
      QVERIFY(encoded.ok());
      prompts.push_back(encoded->sequences.front());
    }
    GenerationOptions options;
    options.max_new_tokens = 5;
    options.temperature = 1;
    options.top_k = 7;
    options.barred = {5, 6, 7};
    const std::vector<std::uint64_t> draws{0, 1, 2, 3, 4, 5, 6, 7, 8};
    const auto groups = generate_groups(*base, prompts, 3, options, {}, draws);
    QVERIFY(groups.ok());
    QCOMPARE(groups->size(), std::size_t{9});
    std::set<std::vector<std::int64_t>> different;
    for (std::size_t i = 0; i < 9; ++i) {
      const auto alone =
          generate(*base, {prompts[i / 3]}, options, {}, std::vector<std::uint64_t>{draws[i]});
      QVERIFY(alone.ok());
      std::vector<std::int64_t> ids, own;
      for (const AnswerToken& token : (*groups)[i].tokens) ids.push_back(token.id);
      for (const AnswerToken& token : alone->front().tokens) own.push_back(token.id);
      QCOMPARE(ids, own);
      for (const std::int64_t id : ids) QVERIFY(id < 5 || id > 7);
      different.insert(ids);
    }
    QVERIFY(different.size() > 3);
  }

  void what_cannot_be_learned_from_is_refused_data() {
    QTest::addColumn<QString>("row");
    QTest::addColumn<QString>("named");
    const auto add = [](const char* what, const char* row, const char* named) {
      QTest::newRow(what) << row << named;
    };
    add("no samples", R"({"prompt": "Who?", "rewards": [1, 2]})", "row 1: completion_ids");
    add("no prompt", R"({"completion_ids": [[7], [8]], "rewards": [1, 2]})", "row 1: prompt");
    add("no rewards", R"({"prompt": "Who?", "completion_ids": [[7], [8]]})", "row 1: rewards");
    add("text for a reward",
        R"({"prompt": "Who?", "completion_ids": [[7], [8]], "rewards": [1, "good"]})",
        "row 1: rewards[1]");
    add("a reward too few", R"({"prompt": "Who?", "completion_ids": [[7], [8]], "rewards": [1]})",
        "row 1: rewards");
    add("a group cut short", R"({"prompt": "Who?", "completion_ids": [[7]], "rewards": [1]})",
        "num_generations is 2");
    add("an empty sample", R"({"prompt": "Who?", "completion_ids": [[7], []], "rewards": [1, 2]})",
        "row 1: completion_ids[1]");
    add("a token of nobody",
        R"({"prompt": "Who?", "completion_ids": [[7], [99999]], "rewards": [1, 2]})", "99999");
    add("other log-probabilities",
        R"({"prompt": "Who?", "completion_ids": [[7], [8]], "rewards": [1, 2],
            "old_per_token_logps": [[-1], [-1, -2]]})",
        "row 1: old_per_token_logps[1]");
  }
  void what_cannot_be_learned_from_is_refused() {
    QFETCH(QString, row);
    QFETCH(QString, named);
    TinyRun tiny;
    write_text(tiny.root() / "samples.jsonl", row.simplified().toStdString() + "\n");
    const std::string sentence = refusal(tiny.recipe(
        "run", over(tiny, "grpo", {"grpo.rollouts=" + (tiny.root() / "samples.jsonl").string()})));
    QVERIFY2(sentence.find(named.toStdString()) != std::string::npos, sentence.c_str());
  }

  void settings_that_do_not_go_together_are_refused() {
    TinyRun tiny;
    write_prompts(tiny.root() / "prompts.jsonl", 3);
    const auto said = [&](const std::vector<std::string>& more) {
      return refusal(tiny.recipe("run", over(tiny, "grpo", more)));
    };
    const auto names = [&](const std::vector<std::string>& more, const char* what) {
      const std::string sentence = said(more);
      const bool found = sentence.find(what) != std::string::npos;
      if (!found) qWarning("%s", sentence.c_str());
      return found;
    };
    QVERIFY(names({"grpo.num_generations=3"}, "training.per_device_train_batch_size"));
    QVERIFY(names({"grpo.steps_per_generation=4"}, "takes 4 prompts, and there are 3"));
    QVERIFY(names({"grpo.reward_funcs=[]"}, "grpo.reward_funcs"));
    QVERIFY(names({"grpo.reward_funcs=[worth]"}, "There is no reward function 'worth'"));
    QVERIFY(names({"grpo.reward_weights=[1, 2]"}, "grpo.reward_weights"));
    QVERIFY(names({"training.max_length=3"}, "training.max_length"));
    QVERIFY(said({}).empty());
  }
};

QTEST_GUILESS_MAIN(TestSampled)
#include "test_sampled.moc"

// SPDX-License-Identifier: GPL-3.0-or-later
// Losses of a pair against numbers worked out by hand and against their own slopes; a run against
// each kind of reference. tests/parity compares with TRL.
#include <torch/csrc/autograd/autograd.h>

#include "tests/train/tiny_weights.h"
#include "tests/train/watched_run.h"

#include "engine/objectives/dpo_losses.h"
#include "engine/objectives/objective.h"
#include "engine/train/row_loss.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

namespace {

Tensor numbers(std::initializer_list<double> values) {
  return torch::tensor(std::vector<double>(values), torch::kFloat64);
}

/// Two pairs; `chosen` and `rejected` are what the policy gives them.
dpo::Terms terms_of(const Tensor& chosen, const Tensor& rejected) {
  dpo::Terms terms;
  terms.chosen = chosen;
  terms.rejected = rejected;
  terms.reference_chosen = numbers({-3.0, -5.0});
  terms.reference_rejected = numbers({-4.5, -2.0});
  terms.chosen_ratio = terms.chosen - terms.reference_chosen;
  terms.rejected_ratio = terms.rejected - terms.reference_rejected;
  terms.chosen_score = terms.chosen_ratio;
  terms.rejected_score = terms.rejected_ratio;
  terms.chosen_tokens = numbers({4, 2});
  terms.rejected_tokens = numbers({5, 8});
  terms.chosen_nll = (-chosen / 3).mean().expand(2);
  terms.beta = 0.5;
  terms.smoothing = 0.1;
  terms.tau = 0.2;
  return terms;
}

double log_sigmoid(double x) { return -std::log1p(std::exp(-x)); }

void write_pairs(const fs::path& path) {
  std::string text;
  for (int i = 0; i < 5; ++i) {
    Json row = {{"prompt", (i % 2 ? "" : "<image>") + std::string("What is number ") +
                               std::to_string(i) + "?"},
                {"chosen", "It is " + std::to_string(i * 3) + "."},
                {"rejected", "I cannot say, but perhaps " + std::to_string(i) + "."}};
    if (i % 2 == 0) row["images"] = {(fixture() / "b.jpg").string()};
    text += row.dump() + "\n";
  }
  write_text(path, text);
}

double named(const NamedTensors& tensors, const std::string& name) {
  for (const auto& [key, tensor] : tensors)
    if (key == name) return tensor.item<double>();
  return std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

class TestDpo : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { at::set_num_threads(1); }

  void losses_are_their_formulas() {
    // Ratios: chosen 1 and −1, rejected −0.5 and 2; margins 1.5 and −3; times beta 0.75 and −1.5.
    const dpo::Terms terms = terms_of(numbers({-2, -6}), numbers({-5, 0}));
    const auto is = [&](const char* name, double first, double second) {
      const Tensor got = dpo::find_loss(name)(terms);
      const bool same = std::abs(got[0].item<double>() - first) < 1e-9 &&
                        std::abs(got[1].item<double>() - second) < 1e-9;
      if (!same)
        qWarning("%s: %.12g %.12g, wanted %.12g %.12g", name, got[0].item<double>(),
                 got[1].item<double>(), first, second);
      return same;
    };
    QVERIFY(is("sigmoid", -log_sigmoid(0.75), -log_sigmoid(-1.5)));
    QVERIFY(is("hinge", 0.25, 2.5));
    // By the token: 1/4 + 0.5/5 and −1/2 − 2/8; 1/(2·0.5) is 1.
    QVERIFY(is("ipo", std::pow(0.35 - 1, 2), std::pow(-0.75 - 1, 2)));
    QVERIFY(is("sigmoid_norm", -log_sigmoid(0.175), -log_sigmoid(-0.375)));
    QVERIFY(is("robust", (-0.9 * log_sigmoid(0.75) + 0.1 * log_sigmoid(-0.75)) / 0.8,
               (-0.9 * log_sigmoid(-1.5) + 0.1 * log_sigmoid(1.5)) / 0.8));
    QVERIFY(is("bco_pair", -log_sigmoid(0.5) - log_sigmoid(0.25),
               -log_sigmoid(-0.5) - log_sigmoid(-1)));
    QVERIFY(is("sppo_hard", 0 + std::pow(0.5, 2), 4 + 9));
    QVERIFY(is("apo_zero", 1 - std::exp(log_sigmoid(0.5)) + std::exp(log_sigmoid(-0.25)),
               1 - std::exp(log_sigmoid(-0.5)) + std::exp(log_sigmoid(1))));
    // Sorted apart: chosen ratios −1, 1 against rejected ones −0.5, 2.
    QVERIFY(is("aot_unpaired", -0.9 * log_sigmoid(-0.25) - 0.1 * log_sigmoid(0.25),
               -0.9 * log_sigmoid(-0.5) - 0.1 * log_sigmoid(0.5)));
    QVERIFY(is("sft", 8.0 / 6, 8.0 / 6));
  }

  void slopes_are_those_of_the_losses() {
    for (const dpo::NamedLoss& each : dpo::losses()) {
      Tensor chosen = numbers({-2.1, -6.2}), rejected = numbers({-5.3, -0.4});
      chosen.set_requires_grad(true);
      rejected.set_requires_grad(true);
      const auto gradients = torch::autograd::grad({each.loss(terms_of(chosen, rejected)).sum()},
                                                   {chosen, rejected}, {}, {}, false, true);
      const torch::NoGradGuard no_grad;
      constexpr double kStep = 1e-5;
      for (int which = 0; which < 2; ++which) {
        for (std::int64_t i = 0; i < 2; ++i) {
          const auto at = [&](double by) {
            Tensor moved[2] = {chosen.detach().clone(), rejected.detach().clone()};
            moved[which][i] += by;
            return each.loss(terms_of(moved[0], moved[1])).sum().item<double>();
          };
          const double slope = (at(kStep) - at(-kStep)) / (2 * kStep);
          const Tensor& gradient = gradients[static_cast<std::size_t>(which)];
          const double got = gradient.defined() ? gradient[i].item<double>() : 0;
          QVERIFY2(std::abs(got - slope) < 1e-6 * std::max(1.0, std::abs(slope)), each.name);
        }
      }
    }
  }

  void divergences_near_zero_are_the_ratio() {
    const Tensor small = numbers({1e-6, -2e-6});
    for (const char* type : {"reverse_kl", "forward_kl", "alpha_divergence"})
      QVERIFY2(at::allclose(dpo::divergence_score(small, type, 0.5), small, 1e-4, 1e-12), type);
    const Tensor js = dpo::divergence_score(small, "js_divergence", 0.5);
    QVERIFY(at::allclose(js, small / 2, 1e-4, 1e-12));
    const Tensor large = dpo::divergence_score(numbers({500}), "alpha_divergence", 2);
    QVERIFY(std::isfinite(large.item<double>()));
  }

  void a_fresh_run_begins_at_log_two() {
    TinyRun tiny;
    write_pairs(tiny.root() / "pairs.jsonl");
    const std::vector<std::string> settings{
        "objective=dpo", "dataset=" + (tiny.root() / "pairs.jsonl").string(),
        "eval_dataset=" + (tiny.root() / "pairs.jsonl").string(), "training.max_steps=4"};
    const Outcome first = run(tiny.recipe("first", settings));
    VERIFY_OK(first);
    const MetricsLine& line = first.watcher.lines.front();
    QVERIFY(std::abs(line.loss - std::log(2.0)) < 1e-6);
    QVERIFY(std::abs(line.figures.at("rewards/margins")) < 1e-6);
    QVERIFY(first.watcher.lines.back().figures.contains("eval_rewards/margins"));
    QVERIFY(first.watcher.lines.back().loss < std::log(2.0));

    // Going on from the adapter: a frozen copy of it is the reference. Against the base it is not
    // log 2 any more.
    std::vector<std::string> next = settings;
    next.push_back("adapter.init_from=" + (tiny.root() / "first/adapter").string());
    next.push_back("training.max_steps=1");
    const Outcome copied = run(tiny.recipe("copied", next));
    VERIFY_OK(copied);
    QVERIFY(std::abs(copied.watcher.lines[0].loss - std::log(2.0)) < 1e-6);
    next.push_back("ref_model=" + (tiny.root() / "model").string());
    const Outcome based = run(tiny.recipe("based", next));
    VERIFY_OK(based);
    QVERIFY(based.watcher.lines[0].loss < std::log(2.0) - 1e-4);
  }

  void a_reference_that_sees_other_pictures_is_refused() {
    TinyRun tiny;
    write_pairs(tiny.root() / "pairs.jsonl");
    const fs::path other = tiny.root() / "other";
    write_model(other, {}, 5, take_larger_pictures);
    const Outcome outcome = run(
        tiny.recipe("run", {"objective=dpo", "dataset=" + (tiny.root() / "pairs.jsonl").string(),
                            "training.max_steps=1", "ref_model=" + other.string()}));
    QVERIFY(!outcome.result);
    const std::string said = outcome.result.error().sentence();
    QVERIFY2(said.find("The reference model's picture processor") != said.npos, said.c_str());
  }

  void the_copy_of_a_full_run_stands_still() {
    TinyRun tiny;
    write_pairs(tiny.root() / "pairs.jsonl");
    const Outcome outcome = run(tiny.recipe(
        "run", {"objective=dpo", "strategy=full", "training.learning_rate=1.0e-4",
                "dataset=" + (tiny.root() / "pairs.jsonl").string(), "training.max_steps=3"}));
    VERIFY_OK(outcome);
    QVERIFY(std::abs(outcome.watcher.lines.front().loss - std::log(2.0)) < 1e-5);
    QVERIFY(outcome.watcher.lines.back().loss < std::log(2.0));
  }

  void goes_on_to_the_same_bytes() {
    TinyRun tiny;
    write_pairs(tiny.root() / "pairs.jsonl");
    const std::vector<std::string> settings{"objective=dpo",
                                            "dataset=" + (tiny.root() / "pairs.jsonl").string(),
                                            "training.logging_steps=2", "training.max_steps=6"};
    VERIFY_OK(run(tiny.recipe("whole", settings)));
    const Recipe recipe = tiny.recipe("cut", settings);
    int seen = 0;
    VERIFY_OK(run(recipe, {}, [&](Watcher& watcher, TrainControl& control, LoadedModel&) {
      watcher.between = [&, done = 0]() mutable {
        if (++done >= 11 && !seen) seen = 1, control.stop(true);
      };
    }));
    VERIFY_OK(run(recipe, tiny.root() / "cut"));
    QVERIFY2(differences(tiny.root() / "cut", tiny.root() / "whole").isEmpty(),
             qPrintable(differences(tiny.root() / "cut", tiny.root() / "whole")));
  }

  void a_reference_asked_beforehand_says_the_same_data() {
    QTest::addColumn<QString>("strategy");
    QTest::newRow("adapter") << "lora";
    QTest::newRow("whole model") << "full";
  }
  void a_reference_asked_beforehand_says_the_same() {
    QFETCH(QString, strategy);
    TinyRun tiny;
    write_pairs(tiny.root() / "pairs.jsonl");
    const std::string pairs = (tiny.root() / "pairs.jsonl").string();
    std::vector<std::string> settings{"objective=dpo",
                                      "strategy=" + strategy.toStdString(),
                                      "dataset=" + pairs,
                                      "eval_dataset=" + pairs,
                                      "dpo.ld_alpha=0.5",
                                      "training.max_steps=6",
                                      "training.learning_rate=1.0e-3"};
    const Outcome beside = run(tiny.recipe("beside", settings));
    VERIFY_OK(beside);
    settings.emplace_back("dpo.precompute_ref_log_probs=true");
    const Outcome before = run(tiny.recipe("before", settings));
    VERIFY_OK(before);
    QCOMPARE(before.watcher.lines.size(), beside.watcher.lines.size());
    for (std::size_t i = 0; i < before.watcher.lines.size(); ++i) {
      const MetricsLine &a = before.watcher.lines[i], &b = beside.watcher.lines[i];
      QVERIFY(std::abs(a.loss - b.loss) < 1e-5);
      QCOMPARE(a.figures.size(), b.figures.size());
      for (const auto& [name, value] : a.figures) {
        // At the start both rewards are 0 but for rounding, and which is more goes by that.
        if (name.ends_with("accuracies")) continue;
        QVERIFY2(std::abs(value - b.figures.at(name)) < 1e-4, name.c_str());
      }
    }
    // A resume asks again and goes on to the same bytes.
    const Recipe cut = tiny.recipe("cut", settings);
    bool seen = false;
    VERIFY_OK(run(cut, {}, [&](Watcher& watcher, TrainControl& control, LoadedModel&) {
      watcher.between = [&, done = 0]() mutable {
        if (++done >= 9 && !seen) seen = true, control.stop(true);
      };
    }));
    QVERIFY(seen);
    VERIFY_OK(run(cut, tiny.root() / "cut"));
    QVERIFY2(differences(tiny.root() / "cut", tiny.root() / "before").isEmpty(),
             qPrintable(differences(tiny.root() / "cut", tiny.root() / "before")));
  }

  /// With all of the policy taken over after each step the reference is the policy: every first
  /// loss after a move is log 2. With a part of it the loss lies between that and a still one's.
  void a_moving_reference_goes_after_the_policy() {
    TinyRun tiny;
    write_pairs(tiny.root() / "pairs.jsonl");
    const std::vector<std::string> settings{"objective=dpo",
                                            "strategy=full",
                                            "training.learning_rate=1.0e-3",
                                            "training.max_steps=6",
                                            "training.warmup_steps=0",
                                            "dataset=" + (tiny.root() / "pairs.jsonl").string(),
                                            "training.gradient_accumulation_steps=1",
                                            "training.logging_steps=1"};
    const auto losses = [&](const char* out, const std::vector<std::string>& more) {
      std::vector<std::string> all = settings;
      all.insert(all.end(), more.begin(), more.end());
      const Outcome outcome = run(tiny.recipe(out, all));
      std::vector<double> found;
      for (const MetricsLine& line : outcome.watcher.lines) found.push_back(line.loss);
      return found;
    };
    const auto still = losses("still", {});
    const auto whole = losses("whole", {"dpo.sync_ref_model=true", "dpo.ref_model_mixup_alpha=1",
                                        "dpo.ref_model_sync_steps=1"});
    const auto often = losses("often", {"dpo.sync_ref_model=true", "dpo.ref_model_mixup_alpha=0.5",
                                        "dpo.ref_model_sync_steps=2"});
    QCOMPARE(whole.size(), std::size_t{6});
    QCOMPARE(often.size(), std::size_t{6});
    for (const double loss : whole) QVERIFY(std::abs(loss - std::log(2.0)) < 1e-5);
    QVERIFY(still[5] < std::log(2.0) - 1e-3);
    QCOMPARE(often[1], still[1]);
    QVERIFY(std::abs(often[2] - still[2]) > 1e-6);

    std::vector<std::string> moving = settings;
    for (const char* each : {"dpo.sync_ref_model=true", "dpo.ref_model_sync_steps=2"})
      moving.emplace_back(each);
    VERIFY_OK(run(tiny.recipe("uncut", moving)));
    const Recipe cut = tiny.recipe("cut", moving);
    bool seen = false;
    VERIFY_OK(run(cut, {}, [&](Watcher& watcher, TrainControl& control, LoadedModel&) {
      watcher.between = [&, done = 0]() mutable {
        if (++done >= 4 && !seen) seen = true, control.stop(true);
      };
    }));
    QVERIFY(seen);
    VERIFY_OK(run(cut, tiny.root() / "cut"));
    QVERIFY2(differences(tiny.root() / "cut", tiny.root() / "uncut").isEmpty(),
             qPrintable(differences(tiny.root() / "cut", tiny.root() / "uncut")));
  }

  void a_loss_taken_apart_adds_up() {
    TinyRun tiny;
    const fs::path pairs = tiny.root() / "pairs.jsonl";
    write_pairs(pairs);
    Recipe recipe = tiny.recipe("run", {"objective=dpo", "dpo.loss_type=[sigmoid, sft]",
                                        "dpo.loss_weights=[0.5, 2.0]", "dpo.ld_alpha=0.5"});
    auto base = load(recipe);
    QVERIFY(base.ok());
    const auto both = loss_of_rows(*base, recipe, pairs);
    QVERIFY2(both.ok(), both ? "" : both.error().sentence().c_str());
    QVERIFY(set_field(recipe, "dpo.loss_type", "sigmoid").ok());
    QVERIFY(set_field(recipe, "dpo.loss_weights", "null").ok());
    const auto sigmoid = loss_of_rows(*base, recipe, pairs);
    QVERIFY(set_field(recipe, "dpo.loss_type", "sft").ok());
    const auto sft = loss_of_rows(*base, recipe, pairs);
    QVERIFY(sigmoid.ok() && sft.ok());
    const double wanted = 0.5 * named(*sigmoid, "loss") + 2 * named(*sft, "loss");
    QVERIFY(std::abs(named(*both, "loss") - wanted) < 1e-5);
    QVERIFY(std::abs(named(*sigmoid, "loss") - std::log(2.0)) < 1e-6);
    std::map<std::string, Tensor> found(both->begin(), both->end());
    QCOMPARE(found.at("input_ids").size(0), std::int64_t{10});  // five chosen, five rejected
    QVERIFY(found.at("token_logps").ne(0).equal(found.at("completion_mask").ne(0)));
    QVERIFY(found.contains("metric.rewards/margins"));
    QVERIFY(std::any_of(both->begin(), both->end(),
                        [](const auto& each) { return each.first.starts_with("grad."); }));
  }

  void settings_that_do_not_go_together_are_refused_data() {
    QTest::addColumn<QString>("setting");
    QTest::addColumn<QString>("named");
    QTest::newRow("loss") << "dpo.loss_type=sigmoidal"
                          << "sigmoidal";
    QTest::newRow("weights") << "dpo.loss_weights=[1.0, 2.0]"
                             << "1, not 2";
    QTest::newRow("number") << "dpo.loss_weights=[much]"
                            << "much";
    QTest::newRow("smoothing") << "dpo.loss_type=exo_pair"
                               << "label_smoothing";
    QTest::newRow("divergence") << "dpo.loss_type=aot"
                                << "forward_kl";
    QTest::newRow("moving, of an adapter") << "dpo.sync_ref_model=true"
                                           << "under lora";
    QTest::newRow("moving, and asked beforehand")
        << "dpo.sync_ref_model=true;strategy=full;dpo.precompute_ref_log_probs=true"
        << "precompute_ref_log_probs";
    QTest::newRow("no reference to ask")
        << "dpo.precompute_ref_log_probs=true;dpo.reference_free=true"
        << "reference_free";
  }
  void settings_that_do_not_go_together_are_refused() {
    QFETCH(QString, setting);
    QFETCH(QString, named);
    TinyRun tiny;
    std::vector<std::string> settings{"objective=dpo"};
    for (const QString& each : setting.split(';')) settings.push_back(each.toStdString());
    if (named == "forward_kl") settings.emplace_back("dpo.f_divergence_type=forward_kl");
    const Status status = check_recipe(tiny.recipe("run", settings));
    QVERIFY(!status);
    QVERIFY2(status.error().sentence().find(named.toStdString()) != std::string::npos,
             status.error().sentence().c_str());
  }

  void a_row_that_lacks_an_answer_is_named() {
    TinyRun tiny;
    write_text(tiny.root() / "rows.jsonl", R"({"prompt": "Who?", "chosen": "Me."})"
                                           "\n");
    const Outcome outcome = run(tiny.recipe("run", {"objective=dpo"}));
    QVERIFY(!outcome.result.ok());
    const std::string sentence = outcome.result.error().sentence();
    QVERIFY2(sentence.find("row 1: rejected") != std::string::npos, sentence.c_str());
  }
};

QTEST_GUILESS_MAIN(TestDpo)
#include "test_dpo.moc"

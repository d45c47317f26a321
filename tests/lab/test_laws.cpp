// SPDX-License-Identifier: GPL-3.0-or-later
// Scaling laws: published examples, optima that are optima, and fits that find the law that points
// were made of. tests/parity/laws.py holds the same against numpy and torch.
#include "engine/lab/laws.h"

#include <QTemporaryDir>
#include <QtTest>

#include <cmath>

#include "engine/base/random_stream.h"
#include "engine/io/files.h"
#include "engine/lab/law_fit.h"
#include "engine/lab/law_minima.h"
#include "engine/lab/law_points.h"

using namespace luthier;

namespace {

bool near(double got, double wanted, double share) {
  if (std::abs(got - wanted) <= share * std::abs(wanted)) return true;
  qWarning("%.10g instead of %.10g", got, wanted);
  return false;
}

std::vector<LossPoint> grid_of(const LossLaw& law, double noise = 0) {
  std::vector<LossPoint> points;
  RandomStream random(11, 3);
  for (double weights = 4e7; weights < 2e10; weights *= 3)
    for (double tokens = 1e9; tokens < 4e11; tokens *= 4) {
      double bell = -6;
      for (int i = 0; i < 12; ++i) bell += random.unit();
      points.push_back(
          {weights, tokens, law.loss(weights, tokens) * std::exp(noise * bell), "", true});
    }
  return points;
}

}  // namespace

class TestLaws : public QObject {
  Q_OBJECT

 private slots:
  void amounts_are_read() {
    for (const auto& [text, wanted] : {std::pair("70B", 70e9),
                                       {"1.4 T", 1.4e12},
                                       {"5.76e23", 5.76e23},
                                       {" 125m ", 125e6},
                                       {"3K", 3e3},
                                       {"2g", 2e9}}) {
      const auto amount = parse_amount(text, "here");
      QVERIFY2(amount.ok(), text);
      QCOMPARE(*amount, wanted);
    }
    for (const char* text : {"", "B", "7 Q", "-1", "0", "nan", "inf", "1e39K", "7B7"})
      QVERIFY2(!parse_amount(text, "here").ok(), text);
    QCOMPARE(amount_text(70e9), std::string("70.0 B"));
    QCOMPARE(amount_text(1.4e12), std::string("1.40 T"));
    QCOMPARE(amount_text(5.76e23), std::string("5.76e+23"));
  }

  void the_best_is_the_best() {
    for (const LossLaw& law : {chinchilla_law(), corrected_chinchilla_law()})
      for (double flops = 1e12; flops < 1e28; flops *= 1e3) {
        const Allocation best = law.best_for(flops);
        QVERIFY(near(best.flops(), flops, 1e-12));
        const double lowest = law.loss(best.weights, best.tokens);
        for (const double factor : {0.9, 0.99, 1.01, 1.1})
          QVERIFY(law.loss(best.weights * factor, best.tokens / factor) > lowest);
        QVERIFY(near(law.flops_for_weights(best.weights), flops, 1e-9));
        QVERIFY(near(law.flops_for_tokens(best.tokens), flops, 1e-9));
        QVERIFY(near(law.flops_for_loss(lowest).value_or(0), flops, 1e-6));
        QVERIFY(near(law.tokens_for_loss(best.weights, lowest).value_or(0), best.tokens, 1e-6));
      }
  }

  void published_examples() {
    // Gopher's budget: 20 tokens a weight by the corrected fit, not by the printed constants.
    QVERIFY(near(corrected_chinchilla_law().best_for(5.76e23).tokens_per_weight(), 20, 0.1));
    QVERIFY(chinchilla_law().best_for(5.76e23).tokens_per_weight() > 80);
    QVERIFY(near(corrected_chinchilla_law().weights_exponent(), 0.513, 1e-3));
    QVERIFY(near(chinchilla_envelope_law().best_for(5.76e23).weights, 67e9, 0.05));
    QVERIFY(near(kaplan::tokens_against_overfitting(1e9), 22e9, 0.1));
    // Llama 3: 70 B weights, 15 T tokens, about ten times what is cheapest to train.
    const ModelStanding llama = standing(corrected_chinchilla_law(), {70e9, 15e12});
    QVERIFY(llama.over_training > 8 && llama.over_training < 14);
    QVERIFY(llama.flops_of_same_loss.value_or(1e30) < llama.model.flops());
    // GPT-3: under-trained.
    QVERIFY(standing(corrected_chinchilla_law(), {175e9, 300e9}).over_training < 0.15);
  }

  void one_budget_is_asked() {
    QVERIFY(!ask_laws({}).ok());
    QVERIFY(!ask_laws({1e20, 1e9, std::nullopt}).ok());
    QVERIFY(!ask_laws({-1.0, std::nullopt, std::nullopt}).ok());
    QVERIFY(!ask_laws({std::nan(""), std::nullopt, std::nullopt}).ok());
    const auto answers = ask_laws({std::nullopt, 70e9, std::nullopt});
    QVERIFY(answers.ok());
    QCOMPARE(answers->size(), std::size_t(5));
    for (const LawAnswer& answer : *answers) QVERIFY(near(answer.best.weights, 70e9, 1e-9));
  }

  void answers_make_models_smaller() {
    const LossLaw law = corrected_chinchilla_law();
    double weights = 1e30, total = 0;
    for (const double served : {0.0, 1e10, 1e12, 1e14, 1e16}) {
      const auto plan = cheapest_served(law, 2.0, served);
      QVERIFY(plan.ok());
      QVERIFY(near(law.loss(plan->model.weights, plan->model.tokens), 2.0, 1e-9));
      QVERIFY(plan->model.weights <= weights * (1 + 1e-9) && plan->total_flops > total);
      QVERIFY(plan->total_flops <= plan->total_of_best_trained * (1 + 1e-9));
      for (const double factor : {0.98, 1.02}) {
        const double other = plan->model.weights * factor;
        if (const auto tokens = law.tokens_for_loss(other, 2.0))
          QVERIFY(6 * other * *tokens + 2 * other * served >= plan->total_flops * (1 - 1e-9));
      }
      weights = plan->model.weights;
      total = plan->total_flops;
    }
    QVERIFY(!cheapest_served(law, law.e, 1e12).ok());
    QVERIFY(!cheapest_served(law, 1.0, 1e12).ok());
    QVERIFY(!cheapest_served(law, 2.0, -1).ok());
    QVERIFY(!cheapest_served(law, std::nan(""), 1).ok());
    QVERIFY(!cheapest_served(law, 2.0, std::nan("")).ok());
  }

  void a_law_is_found_again() {
    for (const LossLaw& law : {chinchilla_law(), corrected_chinchilla_law()}) {
      LawFitOptions options;
      options.draws = 0;
      const auto fit = fit_loss_law(grid_of(law), options);
      QVERIFY(fit.ok());
      QVERIFY(near(fit->law.e, law.e, 1e-4) && near(fit->law.a, law.a, 1e-3) &&
              near(fit->law.b, law.b, 1e-3) && near(fit->law.alpha, law.alpha, 1e-4) &&
              near(fit->law.beta, law.beta, 1e-4));
      QVERIFY(fit->warnings.empty());
    }
  }

  void intervals_hold_the_law() {
    const LossLaw law = corrected_chinchilla_law();
    LawFitOptions options;
    options.draws = 60;
    options.level = 0.95;
    const auto fit = fit_loss_law(grid_of(law, 0.002), options);
    QVERIFY(fit.ok());
    const Interval alpha = fit->of([](const LossLaw& each) { return each.alpha; });
    QVERIFY(alpha.known && alpha.low < alpha.high && alpha.error > 0);
    QVERIFY(alpha.low < law.alpha + alpha.error && alpha.high > law.alpha - alpha.error);
    // A draw goes by seed and place: fewer draws are the first of more.
    options.draws = 10;
    const auto fewer = fit_loss_law(grid_of(law, 0.002), options);
    QVERIFY(fewer.ok());
    for (std::size_t i = 0; i < 10; ++i) QCOMPARE(fewer->draws[i].alpha, fit->draws[i].alpha);
  }

  void parabolas_and_envelopes() {
    const LossLaw law = corrected_chinchilla_law();
    LawFitOptions options;
    options.draws = 30;
    std::vector<LossPoint> same_budget;
    for (const double flops : {1e19, 1e20, 1e21, 1e22})
      for (const double factor : {0.3, 0.6, 1.0, 1.7, 3.0}) {
        const double weights = law.best_for(flops).weights * factor, tokens = flops / 6 / weights;
        same_budget.push_back({weights, tokens, law.loss(weights, tokens), "", true});
      }
    const auto parabolas = fit_parabolas(same_budget, options);
    QVERIFY(parabolas.ok());
    QCOMPARE(parabolas->best.size(), std::size_t(4));
    QVERIFY(near(parabolas->exponent, law.weights_exponent(), 0.01));
    QVERIFY(near(parabolas->best_for(1e20).weights, law.best_for(1e20).weights, 0.1));
    std::vector<LossPoint> curves;
    for (double weights = 1e7; weights < 1e10; weights *= 1.7)
      for (double tokens = 3e8; tokens < 3e11; tokens *= 1.3)
        curves.push_back({weights, tokens, law.loss(weights, tokens), "", true});
    const auto envelope = fit_envelope(curves, options);
    QVERIFY(envelope.ok());
    QVERIFY(near(envelope->exponent, law.weights_exponent(), 0.05));
    QVERIFY(envelope->interval.known);
    // A grid has no common budgets: they are read off between its points.
    const auto read = fit_parabolas(curves, options);
    QVERIFY(read.ok());
    QVERIFY(near(read->exponent, law.weights_exponent(), 0.03));
  }

  void too_few_points_are_refused() {
    LawFitOptions options;
    const LossLaw law = chinchilla_law();
    std::vector<LossPoint> points{{1e8, 1e9, law.loss(1e8, 1e9), "", true}};
    QVERIFY(!fit_loss_law(points, options).ok());
    QVERIFY(!fit_envelope(points, options).ok());
    QVERIFY(!fit_parabolas(points, options).ok());
    QVERIFY(!fit_loss_law({}, options).ok());
    QVERIFY(!fit_envelope({}, options).ok());
    QVERIFY(!fit_parabolas({}, options).ok());
    options.go_on = [] { return false; };
    const auto stopped = fit_loss_law(grid_of(law), options);
    QVERIFY(!stopped.ok() && stopped.error().code == ErrorCode::Interrupted);
  }

  void points_are_read() {
    QTemporaryDir folder;
    const std::filesystem::path at = folder.path().toStdString();
    const auto written = [&](const char* name, const char* text) {
      if (!write_file_atomically(at / name, text)) qFatal("the file cannot be written");
      return at / name;
    };
    const auto table = read_loss_points(written("a.csv", "N;FLOPs;Loss;run\n1e8;6e17;2,5;x\n"));
    QVERIFY(!table.ok());  // a comma is no point
    const auto good = read_loss_points(written("b.csv", "N,FLOPs,Loss,run\n1e8,6e17,2.5,x\n"));
    QVERIFY2(good.ok(), good.ok() ? "" : good.error().sentence().c_str());
    QCOMPARE(good->front().tokens, 1e9);
    QCOMPARE(good->front().run, std::string("x"));
    const auto json = read_loss_points(written(
        "c.json", R"({"points": [{"weights": 3, "tokens": 4, "loss": 5, "last": false}]})"));
    QVERIFY(json.ok());
    QVERIFY(!json->front().last);
    QVERIFY(!read_loss_points(at / "none.json").ok());
  }
};

QTEST_APPLESS_MAIN(TestLaws)
#include "test_laws.moc"

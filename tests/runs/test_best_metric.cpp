// SPDX-License-Identifier: GPL-3.0-or-later
// Best evaluation and early stopping against what transformers' own classes made of the same
// numbers (tests/data/runs/make_best_metric.py).
#include <QtTest>

#include <cmath>

#include "engine/io/json.h"
#include "engine/runs/best_metric.h"

using namespace luthier;

class TestBestMetric : public QObject {
  Q_OBJECT

  static Recipe recipe(const std::vector<std::string>& settings) {
    auto read = parse_recipe("", "test", settings);
    if (!read) qFatal("%s", read.error().sentence().c_str());
    return read.take();
  }

 private slots:
  void as_transformers_has_it() {
    const auto cases = read_json_file(std::string(LUTHIER_TEST_DATA) + "/runs/best_metric.json");
    QVERIFY(cases.ok() && cases->size() >= 20);
    int stops = 0, early = 0;
    for (const Json& each : *cases) {
      const std::string greater = each["greater"].is_null()     ? "auto"
                                  : each["greater"].get<bool>() ? "true"
                                                                : "false";
      const BestRules rules =
          best_rules(recipe({"training.metric_for_best_model=" + each["metric"].get<std::string>(),
                             "training.greater_is_better=" + greater,
                             "training.early_stopping_patience=" + each["patience"].dump(),
                             "training.early_stopping_threshold=" + each["threshold"].dump(),
                             "training.load_best_model_at_end=true"}));
      QCOMPARE(rules.greater, each["greater_in_force"].get<bool>());
      QVERIFY(rules.loads);
      BestSoFar best;
      bool stopped = false;
      for (std::size_t i = 0; i < each["values"].size(); ++i) {
        const Json& after = each["after"][i];
        const bool is_best = take_metric(best, rules, static_cast<std::int64_t>(10 * (i + 1)),
                                         each["values"][i].get<double>());
        QCOMPARE(is_best, after["is_best"].get<bool>());
        QCOMPARE(*best.metric, after["best_metric"].get<double>());
        QCOMPARE(best.step, after["best_step"].get<std::int64_t>());
        QCOMPARE(best.waited, after["counter"].get<std::int64_t>());
        stopped = stopped || stops_early(best, rules);
        QCOMPARE(stopped, after["stops"].get<bool>());
        ++(stopped ? stops : early);
      }
    }
    QVERIFY(stops > 0 && early > 0);  // both ends were asked about
  }

  void a_measure_that_is_not_told_is_named() {
    const BestRules rules = best_rules(recipe({"training.metric_for_best_model=f1"}));
    QCOMPARE(rules.metric, std::string("eval_f1"));
    const auto found = metric_among({{"eval_loss", 1.0}, {"eval_accuracy", 0.5}}, rules);
    QVERIFY(!found.ok());
    QCOMPARE(found.error().where, std::string("training.metric_for_best_model"));
    QVERIFY(found.error().hint.find("eval_accuracy, eval_loss") != std::string::npos);
    QCOMPARE(*metric_among({{"eval_f1", 0.25}}, rules), 0.25);
  }

  /// NumPy's comparisons with what is no number are false: patience goes on counting.
  void what_is_no_number_is_no_better() {
    BestSoFar best;
    const BestRules rules = best_rules(recipe({"training.early_stopping_patience=1"}));
    QVERIFY(!take_metric(best, rules, 1, std::nan("")));
    QVERIFY(best == BestSoFar());
    QVERIFY(take_metric(best, rules, 2, 0.5));
    QVERIFY(!take_metric(best, rules, 3, std::nan("")));
    QCOMPARE(best.step, std::int64_t(2));
    QVERIFY(stops_early(best, rules));
  }

  void settings_that_cannot_be_together() {
    const std::vector<std::string> run{"model=m", "dataset=d", "output_dir=o"};
    const auto with = [&](std::vector<std::string> more) {
      more.insert(more.begin(), run.begin(), run.end());
      const Status status = check_recipe(recipe(more));
      return status ? std::string() : status.error().where;
    };
    QCOMPARE(with({"training.load_best_model_at_end=true"}),
             std::string("recipe: training.load_best_model_at_end"));
    QCOMPARE(with({"training.early_stopping_patience=2"}),
             std::string("recipe: training.early_stopping_patience"));
    QCOMPARE(with({"training.early_stopping_patience=2", "eval_dataset=e"}), std::string());
    QCOMPARE(with({"samples.every=5"}), std::string());  // the training data's rows
  }
};

QTEST_GUILESS_MAIN(TestBestMetric)
#include "test_best_metric.moc"

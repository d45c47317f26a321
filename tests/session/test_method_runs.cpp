// SPDX-License-Identifier: GPL-3.0-or-later
// What is planned for a short run, what is read out of its lines, and the table that a session
// makes of a folder without weights.
#include <QtTest>

#include <cmath>

#include "engine/config/kinds.h"
#include "engine/session/method_runs.h"
#include "engine/session/session.h"
#include "tests/patience.h"
#include "tests/session/drained.h"
#include "tests/train/tiny_run.h"

using namespace luthier;
using namespace luthier::test;

namespace {

MetricsLine line(std::int64_t step, double seconds, double tokens) {
  MetricsLine made;
  made.step = step;
  made.step_seconds = seconds;
  made.tokens_per_second = tokens / seconds;
  made.loss = 3.0 - 0.1 * static_cast<double>(step);
  made.memory.peak = 1000 * step;
  return made;
}

ShortRun measured(const std::string& method, bool four_bits, double eval_loss) {
  ShortRun run;
  run.method = method;
  run.four_bits = four_bits;
  run.eval_loss = eval_loss;
  return run;
}

}  // namespace

class TestMethodRuns : public QObject {
  Q_OBJECT

 private slots:
  /// The first step takes ten times as long, as a run's first step may, and counts for nothing.
  void the_first_step_is_left_out() {
    std::vector<MetricsLine> lines{line(1, 10, 100), line(2, 1, 100), line(3, 2, 100),
                                   line(4, 9, 100)};
    lines.back().eval_loss = 0.5;
    ShortRun run;
    measure(lines, run);
    QCOMPARE(run.steps, std::int64_t(4));
    QCOMPARE(run.step_seconds, 2.0);
    QCOMPARE(run.tokens_per_second, 300.0 / 12);
    QCOMPARE(*run.loss, 2.6);
    QCOMPARE(run.peak_memory, std::int64_t(4000));
    QCOMPARE(*run.perplexity(), std::exp(0.5));
    ShortRun one;
    measure({line(1, 10, 100)}, one);
    QCOMPARE(one.step_seconds, 10.0);
    QVERIFY(!one.eval_loss && !one.perplexity());
  }

  void packing_is_compared_with_the_same_method_alone() {
    const std::vector<ShortRun> runs{measured("ia3", false, 1.0), measured("lora", false, 2.0),
                                     measured("lora", true, 2.25), measured("vera", true, 3.0)};
    QCOMPARE(*lost_by_packing(runs, runs[2]), 0.25);
    QVERIFY(!lost_by_packing(runs, runs[0]) && !lost_by_packing(runs, runs[3]));
  }

  void scores_are_read_and_compared_over_the_same_rows() {
    std::vector<MetricsLine> lines{line(1, 1, 100), line(2, 1, 100)};
    lines.back().figures = {{"eval_answered", 8},
                            {"eval_exact_match", 0.75},
                            {"eval_token_f1", 0.875},
                            {"eval_chrf", 0.5},
                            {"eval_rewards/chosen", 3}};
    ShortRun dense;
    measure(lines, dense);
    QCOMPARE(dense.answered, std::int64_t(8));
    QCOMPARE(dense.scores, (std::map<std::string, double>{
                               {"exact_match", 0.75}, {"token_f1", 0.875}, {"chrf", 0.5}}));
    QVERIFY(!dense.score("json_valid"));
    dense.method = "lora";
    ShortRun packed = dense;
    packed.four_bits = true;
    packed.scores["exact_match"] = 0.5;
    QCOMPARE(*exact_lost_by_packing({dense, packed}, packed), 0.25);
    QVERIFY(!exact_lost_by_packing({dense, packed}, dense));
    packed.answered = 4;  // of other rows
    QVERIFY(!exact_lost_by_packing({dense, packed}, packed));
    lines.back().figures.clear();
    measure(lines, dense);
    QVERIFY(dense.scores.empty() && dense.answered == 0);
  }

  void a_short_run_is_the_recipe_but_for_its_method_and_length() {
    Recipe base;
    base.model = "somewhere";
    base.dataset = {"rows.jsonl"};
    base.training.max_steps = 500;
    base.training.save_steps = 10;
    base.training.weight_decay = 0.125;
    const auto lora = plan_short_run(base, {"lora", true}, {}, 7, "runs/side");
    QVERIFY2(lora.ok(), lora.ok() ? "" : lora.error().sentence().c_str());
    QVERIFY(lora->four_bits);
    QCOMPARE(lora->recipe.output_dir, std::string("runs/side/lora-4bit"));
    QCOMPARE(lora->recipe.training.max_steps, std::int64_t(7));
    QCOMPARE(lora->recipe.training.save_steps, std::int64_t(0));
    QCOMPARE(lora->recipe.training.weight_decay, 0.125);
    QCOMPARE(lora->recipe.training.eval_steps, std::int64_t(0));
    const double adapters = lora->recipe.training.learning_rate;
    base.eval_dataset = {"held.jsonl"};
    const auto full = plan_short_run(base, {"full"}, {}, 7, "runs/side");
    QVERIFY(full.ok() && !full->four_bits);
    QCOMPARE(full->recipe.output_dir, std::string("runs/side/full"));
    QCOMPARE(full->recipe.training.eval_steps, std::int64_t(7));
    // The rate goes by the method, as long as nobody set one.
    QVERIFY(full->recipe.training.learning_rate < adapters);
    base.training.learning_rate = 3e-3;
    const auto set = plan_short_run(base, {"full"}, {}, 7, "runs/side");
    QCOMPARE(set->recipe.training.learning_rate, 3e-3);
    base.dataset.clear();
    QVERIFY(!plan_short_run(base, {"full"}, {}, 7, "runs/side").ok());
    std::vector<PlannedRun> runs{*lora, *full};
    order_runs(runs);
    QCOMPARE(runs.front().method, std::string("full"));
  }

  void settings_go_to_the_methods_that_have_them() {
    const Recipe base;
    const std::vector<std::string> settings{"adapter.r=3", "training.seed=7"};
    const auto lora = recipe_of(base, {"lora"}, settings);
    QCOMPARE(lora->adapter.r, std::int64_t(3));
    const auto ia3 = recipe_of(base, {"ia3"}, settings);
    QVERIFY2(ia3.ok(), ia3.ok() ? "" : ia3.error().sentence().c_str());
    QCOMPARE(ia3->training.seed, std::int64_t(7));
    QVERIFY(!recipe_of(base, {"lora"}, {"adapter.rank"}).ok());
    QVERIFY(!recipe_of(base, {"lora"}, {"adapter.r=none"}).ok());
  }

  void a_table_needs_no_weights() {
    QTemporaryDir folder;
    const fs::path model = fs::path(folder.path().toStdString()) / "shape";
    make_model(model);
    QVERIFY(!fs::exists(model / "model.safetensors"));
    Recipe recipe;
    recipe.model = model.string();
    recipe.training.device = "cpu";
    Session session;
    std::vector<SessionEvent> events;
    const RequestId request = session.table_methods(recipe, /*four_bits_beside=*/true);
    const auto done = [](RequestId of) {
      return [of](const SessionEvent& event) {
        const auto* end = std::get_if<RequestDone>(&event);
        return end && end->request == of;
      };
    };
    QVERIFY(until(session, events, done(request)));
    const MethodTable* table = nullptr;
    for (const SessionEvent& event : events)
      if (const auto* made = std::get_if<MethodsTabled>(&event)) table = &made->table;
    QVERIFY(table);
    QCOMPARE(table->rows.size(), method_choices(true).size());
    const auto expected =
        method_table(*summarize_model(model), recipe, method_choices(true), {}, table->dtype);
    QCOMPARE(to_json(*table), to_json(*expected));
    // None is chosen: said, and no table.
    recipe.model.clear();
    std::vector<SessionEvent> refused;
    QVERIFY(until(session, refused, done(session.table_methods(recipe, false))));
    for (const SessionEvent& event : refused) {
      QVERIFY(!std::get_if<MethodsTabled>(&event));
      if (const auto* end = std::get_if<RequestDone>(&event)) QVERIFY(end->error.has_value());
    }
  }

  /// The recipe's method, freed of defaults of its own: the same as a recipe file that names it.
  void defaults_move_as_in_a_recipe_of_that_method() {
    for (const MethodKind& kind : method_kinds()) {
      const auto moved = recipe_of(*parse_recipe("", "test"), {kind.name});
      const auto written = parse_recipe(std::string("strategy: ") + kind.name + "\n", "test");
      QVERIFY(moved.ok() && written.ok());
      QCOMPARE(recipe_to_yaml(*moved), recipe_to_yaml(*written));
    }
  }
};

QTEST_APPLESS_MAIN(TestMethodRuns)
#include "test_method_runs.moc"

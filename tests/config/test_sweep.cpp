// SPDX-License-Identifier: GPL-3.0-or-later
// Sweeps: every combination once, in order, named by what differs; what cannot run is refused
// before anything is launched.
#include "engine/config/sweep.h"

#include <QtTest>

using namespace luthier;

class TestSweep : public QObject {
  Q_OBJECT

  static Recipe base() {
    auto recipe = parse_recipe("model: base\ndataset: rows.jsonl\noutput_dir: runs/s\n", "test");
    if (!recipe) qFatal("%s", recipe.error().sentence().c_str());
    return recipe.take();
  }

 private slots:
  void every_combination_once() {
    const auto rate = parse_swept_field("training.learning_rate = 1e-4, 2e-4,1e-4");
    QVERIFY(rate.ok());
    QCOMPARE(rate->values.size(), std::size_t(2));
    const auto runs = sweep_recipes(base(), {*rate, {"adapter.r", {"4", "8", "16"}}});
    QVERIFY2(runs.ok(), runs.ok() ? "" : runs.error().sentence().c_str());
    QCOMPARE(runs->size(), std::size_t(6));
    QCOMPARE((*runs)[0].label, std::string("learning_rate 1e-4, r 4"));
    QCOMPARE((*runs)[5].label, std::string("learning_rate 2e-4, r 16"));
    QCOMPARE((*runs)[4].recipe.adapter.r, std::int64_t(8));
    QCOMPARE((*runs)[4].recipe.training.learning_rate, 2e-4);
    QCOMPARE((*runs)[4].recipe.output_dir, std::string("runs/s-5"));
  }

  void a_slash_at_the_end_is_no_name() {
    Recipe slashed = base();
    slashed.output_dir = "./runs/s/";
    const auto runs = sweep_recipes(slashed, {{"adapter.r", {"4", "8"}}});
    QVERIFY(runs.ok());
    QCOMPARE(runs->back().recipe.output_dir, std::string("runs/s-2"));
  }

  void lists_are_parted_by_semicolons() {
    const auto field = parse_swept_field("adapter.target_modules=q_proj, v_proj; all-linear");
    QVERIFY(field.ok());
    QCOMPARE(field->values, (std::vector<std::string>{"q_proj, v_proj", "all-linear"}));
  }

  void what_cannot_run_is_refused() {
    for (const char* text : {"", "adapter.r", "adapter.r=", "=4", "adapter.r= , "})
      QVERIFY2(!parse_swept_field(text).ok(), text);
    QVERIFY(!sweep_recipes(base(), {{"adapter.r", {"4", "none"}}}).ok());
    QVERIFY(!sweep_recipes(base(), {{"adapter.rr", {"4"}}}).ok());
    QVERIFY(!sweep_recipes(base(), {{"adapter.r", {"4"}}, {"adapter.r", {"8"}}}).ok());
    QVERIFY(!sweep_recipes(base(), {{"output_dir", {"a", "b"}}}).ok());
    QVERIFY(!sweep_recipes(base(), {{"adapter.r", {"4", "8", "16"}}}, 2).ok());
  }
};

QTEST_APPLESS_MAIN(TestSweep)
#include "test_sweep.moc"

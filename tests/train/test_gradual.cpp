// SPDX-License-Identifier: GPL-3.0-or-later
// Gradual unfreezing: what trains is decided by recipe and step alone, so a run that was cut goes on
// to the same bytes; what has not begun to train is as it was and has no optimizer state.
#include "tests/train/watched_run.h"

#include "engine/forecast/forecast.h"
#include "engine/io/safetensors.h"
#include "engine/models/stored_tensor.h"
#include "engine/train/strategy.h"

using namespace luthier;
using namespace luthier::test;

namespace {

/// Two layers in the decoder: the last trains from the start, the other from step 4 on.
const std::vector<std::string> kGradual{"strategy=freeze",
                                        "freeze.language_model=false",
                                        "freeze.unfreeze_steps=4",
                                        "training.learning_rate=1.0e-3",
                                        "training.logging_steps=1",
                                        "training.save_steps=3"};
const char* const kFirst = "model.language_model.layers.0.mlp.up_proj.weight";
const char* const kLast = "model.language_model.layers.1.mlp.up_proj.weight";

}  // namespace

class TestGradual : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { at::set_num_threads(1); }

  void resumes_to_the_byte_data() {
    QTest::addColumn<int>("stop_at");
    for (const int step : {2, 4, 5, 7}) QTest::addRow("step %d", step) << step;
  }
  void resumes_to_the_byte() {
    QFETCH(int, stop_at);
    TinyRun tiny;
    VERIFY_OK(run(tiny.recipe("whole", kGradual)));
    const Recipe recipe = tiny.recipe("cut", kGradual);
    const Outcome cut = run(recipe, {}, [&](Watcher& watcher, TrainControl& control, LoadedModel&) {
      watcher.at_step = [&](std::int64_t step) {
        if (step == stop_at) control.stop(true);
      };
    });
    VERIFY_OK(cut);
    QCOMPARE(cut.result->state, RunState::Stopped);
    VERIFY_OK(run(recipe, tiny.root() / "cut"));
    QVERIFY2(differences(tiny.root() / "cut", tiny.root() / "whole").isEmpty(),
             qPrintable(differences(tiny.root() / "cut", tiny.root() / "whole")));
  }

  /// At step 3 only the last layer has moved and has moments; at step 6 both have, each with a step
  /// count of its own.
  void what_has_not_begun_is_as_it_was() {
    TinyRun tiny;
    const Recipe recipe = tiny.recipe("run", kGradual);
    VERIFY_OK(run(recipe));
    auto start = load(recipe);
    QVERIFY(start);
    const auto parameters = start->model->named_parameters();
    const auto same = [&](int step, const char* name) {
      const auto file = SafetensorsFile::open(tiny.root() / "run" / "checkpoints" /
                                              ("step-00000" + std::to_string(step)) /
                                              "trained.safetensors");
      if (!file) qFatal("%s", file.error().sentence().c_str());
      torch::Tensor read = torch::empty_like(parameters[name]);
      if (!read_stored(*file->find(name), read, name)) qFatal("unread");
      return torch::equal(read, parameters[name]);
    };
    const auto has_state = [&](int step, const char* name) {
      const auto file = SafetensorsFile::open(tiny.root() / "run" / "checkpoints" /
                                              ("step-00000" + std::to_string(step)) /
                                              "optimizer.safetensors");
      if (!file) qFatal("%s", file.error().sentence().c_str());
      return file->find(std::string(name) + ".exp_avg").has_value();
    };
    QVERIFY(same(3, kFirst) && !has_state(3, kFirst));
    QVERIFY(!same(3, kLast) && has_state(3, kLast));
    QVERIFY(!same(6, kFirst) && has_state(6, kFirst));
  }

  /// The forecast counts the step in which all of it trains.
  void the_forecast_counts_the_largest() {
    TinyRun tiny;
    const Recipe gradual = tiny.recipe("gradual", kGradual),
                 whole = tiny.recipe("whole", {"strategy=freeze", "freeze.language_model=false"}),
                 last = tiny.recipe("last", {"strategy=freeze", "freeze.language_model=false",
                                             "freeze.language_model_last_layers=1"});
    const auto summary = summarize_model(gradual.model);
    QVERIFY(summary);
    const auto counted = [&](const Recipe& recipe) {
      const auto modules = trained_modules(*summary, recipe);
      if (!modules) qFatal("%s", modules.error().sentence().c_str());
      auto base = load(recipe);
      const auto made = apply_strategy(*base, recipe);
      if (!made || made->parameters() != modules->parameters) qFatal("another number trains");
      return modules->parameters;
    };
    QCOMPARE(counted(gradual), counted(whole));
    QVERIFY(counted(last) < counted(whole));
  }
};

QTEST_GUILESS_MAIN(TestGradual)
#include "test_gradual.moc"

// SPDX-License-Identifier: GPL-3.0-or-later
// A method that does more than hang plugs: AdaLoRA's budget, what it takes away, and that a run
// which is cut anywhere ends in the same bytes.
#include "engine/io/safetensors.h"
#include "engine/methods/kinds/adalora_course.h"
#include "tests/train/watched_run.h"

using namespace luthier;
using namespace luthier::test;

class TestMethodCourse : public QObject {
  Q_OBJECT

  static std::vector<std::string> settings(std::vector<std::string> more = {}) {
    std::vector<std::string> all{
        "strategy=adalora",         "adapter.init_r=4",     "adapter.target_r=2",
        "adapter.tinit=1",          "adapter.tfinal=2",     "adapter.deltaT=2",
        "adapter.lora_dropout=0.1", "training.max_steps=9", "training.seed=3"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  static Json config_of(const fs::path& run) {
    return *read_json_file(run / "adapter/adapter_config.json");
  }

 private slots:
  void initTestCase() { at::set_num_threads(1); }

  /// By hand: 40 at first, 16 at last, ten steps of which three are before and two behind.
  void budget_falls_as_a_cube() {
    TinyRun tiny;
    const Recipe recipe =
        tiny.recipe("budget", {"strategy=adalora", "adapter.init_r=10", "adapter.target_r=4",
                               "adapter.tinit=3", "adapter.tfinal=2"});
    AdapterCourse::Named trained;
    for (int module = 0; module < 4; ++module) {
      for (const char* name : {"lora_A", "lora_B", "lora_E"})
        trained.emplace_back(std::string(name) + std::to_string(module), torch::zeros({10, 10}));
    }
    const AdaloraCourse course(trained, recipe.adapter);
    const std::vector<std::pair<int, int>> wanted{{0, 40}, {3, 40}, {4, 28}, {5, 21},
                                                  {6, 17}, {7, 16}, {8, 16}, {9, 16}};
    for (const auto& [step, budget] : wanted) QCOMPARE(course.budget(step, 10), budget);
  }

  /// Every checkpoint's step, before, among and behind the prunings.
  void resumes_to_the_byte_data() {
    QTest::addColumn<int>("stop_at");
    for (const int step : {1, 3, 4, 6, 8}) QTest::addRow("step %d", step) << step;
  }
  void resumes_to_the_byte() {
    QFETCH(int, stop_at);
    TinyRun tiny;
    VERIFY_OK(run(tiny.recipe("whole", settings())));
    const Recipe recipe = tiny.recipe("cut", settings());
    VERIFY_OK(run(recipe, {}, [&](Watcher& watcher, TrainControl& control, LoadedModel&) {
      watcher.at_step = [&, stop_at](std::int64_t step) {
        if (step == stop_at) control.stop(true);
      };
    }));
    VERIFY_OK(run(recipe, tiny.root() / "cut"));
    QVERIFY2(differences(tiny.root() / "cut", tiny.root() / "whole").isEmpty(),
             qPrintable(differences(tiny.root() / "cut", tiny.root() / "whole")));
  }

  void the_file_holds_what_is_left() {
    TinyRun tiny;
    VERIFY_OK(run(tiny.recipe("first", settings())));
    const Json config = config_of(tiny.root() / "first");
    QCOMPARE(config["total_step"], Json(9));
    const Json& pattern = config["rank_pattern"];
    QVERIFY(pattern.is_object() && !pattern.empty());
    const auto file =
        SafetensorsFile::open(tiny.root() / "first/adapter/adapter_model.safetensors");
    QVERIFY(file);
    std::int64_t left = 0, modules = 0;
    for (const auto& [key, flags] : pattern.items()) {
      const std::int64_t kept = std::count(flags.begin(), flags.end(), Json(true));
      const std::string module = "base_model.model." + key.substr(0, key.rfind('.'));
      QCOMPARE(file->find(module + ".lora_E")->info.shape, (std::vector<std::int64_t>{kept, 1}));
      QCOMPARE(file->find(module + ".lora_A")->info.shape[0], kept);
      QCOMPARE(file->find(module + ".lora_B")->info.shape[1], kept);
      left += kept, ++modules;
    }
    QVERIFY2(left <= 2 * modules && left > 0, "the mean rank is not the target");
    // It can be gone on from, with the ranks that are left.
    VERIFY_OK(run(tiny.recipe(
        "second",
        {"strategy=adalora", "adapter.init_from=" + (tiny.root() / "first/adapter").string()})));
  }

  /// The term is in the loss of each micro-batch, and in the evaluation's.
  void the_term_is_in_the_loss() {
    TinyRun tiny;
    const auto first_loss = [&](const std::string& name, const std::string& weight) {
      const Outcome outcome = run(
          tiny.recipe(name, settings({"adapter.orth_reg_weight=" + weight, "training.max_steps=4",
                                      "adapter.tfinal=0", "training.learning_rate=0",
                                      "eval_dataset=" + (tiny.root() / "eval.jsonl").string()})));
      if (!outcome.result) qFatal("%s", fault_of(outcome).constData());
      return std::pair{outcome.watcher.lines.front().loss,
                       outcome.watcher.lines.back().eval_loss.value_or(0)};
    };
    const auto none = first_loss("none", "0"), some = first_loss("some", "0.25");
    // A and B of 4 vectors near 0: ‖PPᵀ − I‖ is near √4.
    QVERIFY(std::abs(some.first - none.first - 2 * 0.25 * 2) < 0.1);  // two micro-batches
    QVERIFY(std::abs(some.second - none.second - 0.25 * 2) < 0.05);
  }

  void no_room_to_prune_is_refused() {
    TinyRun tiny;
    const Outcome outcome = run(tiny.recipe("none", settings({"adapter.tfinal=8"})));
    QVERIFY(!outcome.result);
    QCOMPARE(outcome.result.error().where, std::string("adapter.tfinal"));
    QVERIFY(!fs::exists(tiny.root() / "none"));
  }
};

QTEST_GUILESS_MAIN(TestMethodCourse)
#include "test_method_course.moc"

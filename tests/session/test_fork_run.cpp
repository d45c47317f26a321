// SPDX-License-Identifier: GPL-3.0-or-later
// Forks: carried on they end in the bytes of a run that was asked for as much from the start; with
// the weights alone they begin at step 0; what they cannot change is refused by name.
#include "engine/session/fork_run.h"

#include "engine/io/safetensors.h"
#include "engine/runs/run_notes.h"
#include "engine/runs/run_parent.h"
#include "tests/train/tiny_gpt2.h"
#include "tests/train/watched_run.h"

using namespace luthier;
using namespace luthier::test;

namespace {

std::string bytes_of(const fs::path& file) {
  const auto bytes = read_file(file);
  return bytes ? *bytes : "no " + file.string();
}

/// What a step comes to, without what the clock and the machine add.
std::string course_of(const fs::path& run) {
  std::string text;
  for (const MetricsLine& line : RunFolder::open(run)->read_metrics()) {
    const Json json{line.step,      line.epoch,         line.loss,
                    line.grad_norm, line.learning_rate, line.tokens};
    text += json.dump() + "\n";
  }
  return text;
}

}  // namespace

class TestForkRun : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { at::set_num_threads(1); }

  void more_steps_are_as_if_asked_for_from_the_start_data() {
    QTest::addColumn<QString>("strategy");
    for (const char* strategy : {"lora", "full"}) QTest::newRow(strategy) << QString(strategy);
  }
  void more_steps_are_as_if_asked_for_from_the_start() {
    QFETCH(QString, strategy);
    TinyRun tiny;
    const std::vector<std::string> all{"strategy=" + strategy.toStdString(),
                                       "training.lr_scheduler_type=constant_with_warmup",
                                       "training.logging_steps=1"};
    auto shorter = all, longer = all;
    shorter.emplace_back("training.max_steps=4");
    longer.emplace_back("training.max_steps=7");
    VERIFY_OK(run(tiny.recipe("short", shorter)));
    VERIFY_OK(run(tiny.recipe("long", longer)));
    const auto plan = plan_extension(tiny.root() / "short", 3, tiny.root() / "more/");
    QVERIFY(plan.ok());
    QCOMPARE(plan->differences.size(), std::size_t(0));
    QCOMPARE(plan->steps_after, std::int64_t(7));
    const std::string before = bytes_of(tiny.root() / "short/run.json");
    const auto fork = fork_run(plan->order);
    QVERIFY2(fork.ok(), fork.ok() ? "" : fork.error().sentence().c_str());
    QCOMPARE(bytes_of(tiny.root() / "short/run.json"), before);
    const auto recipe = read_recipe(tiny.root() / "more/recipe.yaml");
    QVERIFY(recipe.ok());
    const Outcome rest = run(*recipe, tiny.root() / "more");
    VERIFY_OK(rest);
    QCOMPARE(rest.result->step, std::int64_t(7));
    QVERIFY(rest.watcher.lines.front().step == 5);  // only what is new was trained
    const char* result =
        strategy == "lora" ? "adapter/adapter_model.safetensors" : "model/model.safetensors";
    QVERIFY(bytes_of(tiny.root() / "more" / result) == bytes_of(tiny.root() / "long" / result));
    QCOMPARE(course_of(tiny.root() / "more"), course_of(tiny.root() / "long"));
    const auto parent = read_run_parent(tiny.root() / "more");
    QVERIFY(parent && parent->carried);
    QCOMPARE(parent->run, tiny.root() / "short");
    QCOMPARE(parent->step, std::int64_t(4));
  }

  /// And the fork itself resumes to the byte, although its checkpoint was another run's.
  void a_fork_that_is_cut_resumes_to_the_byte() {
    TinyRun tiny;
    VERIFY_OK(run(tiny.recipe("parent", {"training.max_steps=6"})));
    for (const char* name : {"whole", "cut"}) {
      auto recipe = recipe_to_fork(tiny.root() / "parent", tiny.root() / name);
      QVERIFY(recipe.ok());
      recipe->training.learning_rate = 5e-4;
      recipe->training.max_steps = 9;
      QVERIFY(fork_run({tiny.root() / "parent", 3, *recipe, true}).ok());
    }
    VERIFY_OK(run(*read_recipe(tiny.root() / "whole/recipe.yaml"), tiny.root() / "whole"));
    const Recipe recipe = *read_recipe(tiny.root() / "cut/recipe.yaml");
    const Outcome cut = run(recipe, tiny.root() / "cut",
                            [&](Watcher& watcher, TrainControl& control, LoadedModel&) {
                              watcher.at_step = [&](std::int64_t step) {
                                if (step == 5) control.stop(true);
                              };
                            });
    VERIFY_OK(cut);
    QCOMPARE(cut.result->state, RunState::Stopped);
    VERIFY_OK(run(recipe, tiny.root() / "cut"));
    const char* result = "adapter/adapter_model.safetensors";
    QVERIFY(bytes_of(tiny.root() / "cut" / result) == bytes_of(tiny.root() / "whole" / result));
    QVERIFY(bytes_of(tiny.root() / "cut" / result) != bytes_of(tiny.root() / "parent" / result));
    QVERIFY(read_run_parent(tiny.root() / "cut").has_value());  // through every save
    const std::vector<MetricsLine> lines = RunFolder::open(tiny.root() / "cut")->read_metrics();
    QCOMPARE(lines.back().step, std::int64_t(9));
    QVERIFY(lines.front().step < 3);  // the curve until the fork is there
  }

  /// As a run from the start is: a fork may ask for longer answers than its parent did.
  void a_fork_is_held_against_the_positions() {
    TinyRun tiny;
    const fs::path model = make_gpt2(tiny, 128);
    const std::string prompt = Json{{"prompt", "It"}}.dump() + "\n";
    write_text(tiny.root() / "prompts.jsonl", prompt + prompt);
    VERIFY_OK(run(tiny.recipe(
        "parent",
        {"model=" + model.string(), "objective=grpo", "grpo.num_generations=2",
         "grpo.max_completion_length=2", "grpo.reward_funcs=[length]", "training.max_steps=2",
         "training.save_steps=1", "dataset=" + (tiny.root() / "prompts.jsonl").string()})));
    auto recipe = recipe_to_fork(tiny.root() / "parent", tiny.root() / "fork");
    QVERIFY(recipe.ok());
    recipe->training.max_steps = 3;
    QVERIFY(set_field(*recipe, "grpo.max_completion_length", "200").ok());
    const auto fork = fork_run({tiny.root() / "parent", 2, *recipe, true});
    QVERIFY2(fork.ok(), fork.ok() ? "" : fork.error().sentence().c_str());
    const Outcome rest = run(*read_recipe(tiny.root() / "fork/recipe.yaml"), tiny.root() / "fork");
    QVERIFY(!rest.result);
    QCOMPARE(rest.result.error().where, std::string("grpo.max_completion_length"));
  }

  void weights_alone_begin_at_step_0_data() {
    QTest::addColumn<QString>("strategy");
    QTest::addColumn<QString>("dtype");
    QTest::newRow("lora") << "lora"
                          << "float32";
    QTest::newRow("full, masters") << "full"
                                   << "bfloat16";
  }
  void weights_alone_begin_at_step_0() {
    QFETCH(QString, strategy);
    QFETCH(QString, dtype);
    TinyRun tiny;
    VERIFY_OK(run(tiny.recipe(
        "parent", {"strategy=" + strategy.toStdString(), "training.dtype=" + dtype.toStdString(),
                   "training.max_steps=4", "training.save_steps=2"})));
    auto recipe = recipe_to_fork(tiny.root() / "parent", tiny.root() / "fork");
    QVERIFY(recipe.ok());
    // A rate so small that the weights stay: what comes out is what it began with.
    recipe->training.learning_rate = 1e-30;
    recipe->training.optim = "sgd";
    recipe->training.warmup_steps = 0;
    recipe->training.max_steps = 1;
    const auto fork = fork_run({tiny.root() / "parent", 4, *recipe, false});
    QVERIFY2(fork.ok(), fork.ok() ? "" : fork.error().sentence().c_str());
    QCOMPARE(checkpoint_steps(tiny.root() / "fork"), Steps({0}));
    const Outcome outcome = run(*recipe, tiny.root() / "fork");
    VERIFY_OK(outcome);
    QCOMPARE(outcome.watcher.lines.front().step, std::int64_t(1));
    const std::string file =
        strategy == "lora" ? "adapter/adapter_model.safetensors" : "trained.safetensors";
    const auto weights = [&](const char* run, const char* step) {
      return bytes_of(tiny.root() / run / "checkpoints" / step / file);
    };
    QVERIFY(weights("fork", "step-000001") == weights("parent", "step-000004"));
    QVERIFY(weights("fork", "step-000001") != weights("parent", "step-000002"));
    QVERIFY(!read_run_parent(tiny.root() / "fork")->carried);
  }

  void what_a_fork_cannot_be_is_said() {
    TinyRun tiny;
    VERIFY_OK(run(tiny.recipe("parent", {"training.max_steps=3"})));
    const auto refusal = [&](const std::string& key, const std::string& value,
                             std::optional<std::int64_t> step = {}) -> std::string {
      auto recipe = recipe_to_fork(tiny.root() / "parent", tiny.root() / "fork");
      if (!key.empty()) {
        const Status set = set_field(*recipe, key, value);
        if (!set) return set.error().sentence();
      }
      const auto fork = fork_run({tiny.root() / "parent", step, *recipe, true});
      if (fork) return "nothing was refused";
      if (fs::exists(tiny.root() / "fork")) return "something was written";
      return fork.error().exit_status() == 2 ? fork.error().sentence() : "not the input's fault";
    };
    const auto has = [](const std::string& text, const char* part) {
      return text.find(part) != std::string::npos;
    };
    QVERIFY(has(refusal("adapter.r", "5"), "adapter.r"));
    QVERIFY(has(refusal("training.optim", "sgd"), "fresh optimizer"));
    QVERIFY(has(refusal("training.max_steps", "2", 3), "training.max_steps"));
    QVERIFY(has(refusal("", "", 2), "no checkpoint of step 2"));
    QVERIFY(has(refusal("training.max_steps", "9", 2), "steps 3"));
    // A checkpoint that was cut short by a broken disk is not what a run begins with.
    const fs::path weights =
        tiny.root() / "parent/checkpoints/step-000003/adapter/adapter_model.safetensors";
    std::string bytes = bytes_of(weights);
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    write_text(weights, bytes);
    QVERIFY(has(refusal("training.max_steps", "9", 3), "adapter_model.safetensors"));
    for (const auto& entry : fs::directory_iterator(tiny.root()))
      QVERIFY2(!has(entry.path().filename().string(), "partial"), entry.path().c_str());
  }

  /// Started over from nothing it would only say that it is a fork.
  void a_fork_without_its_checkpoint_does_not_start() {
    TinyRun tiny;
    VERIFY_OK(run(tiny.recipe("parent", {"training.max_steps=3"})));
    auto recipe = recipe_to_fork(tiny.root() / "parent", tiny.root() / "fork");
    recipe->training.max_steps = 6;
    QVERIFY(fork_run({tiny.root() / "parent", 3, *recipe, true}).ok());
    fs::remove_all(tiny.root() / "fork/checkpoints/step-000003");
    const QByteArray fault = fault_of(run(*recipe, tiny.root() / "fork"));
    QVERIFY2(fault.contains("this fork begins with"), fault.constData());
  }

  /// The schedule of a longer run is another one from its first step.
  void what_differs_from_a_longer_run_is_said() {
    TinyRun tiny;
    const auto said = [&](const std::vector<std::string>& settings) {
      return differs_from_longer(tiny.recipe("x", settings), 10, 20).size();
    };
    QCOMPARE(said({"training.lr_scheduler_type=constant"}), std::size_t(0));
    QCOMPARE(said({"training.lr_scheduler_type=constant_with_warmup"}), std::size_t(0));
    QCOMPARE(said({"training.lr_scheduler_type=constant_with_warmup", "training.warmup_steps=0",
                   "training.warmup_ratio=0.5"}),
             std::size_t(1));
    QCOMPARE(said({"training.lr_scheduler_type=cosine"}), std::size_t(1));
    QCOMPARE(said({"training.lr_scheduler_type=constant", "curriculum.by=length"}), std::size_t(1));
    // A method that does something as it trains is asked, whatever it is called.
    for (const char* method : {"adalora", "lora", "ia3", "full"})
      QCOMPARE(said({"training.lr_scheduler_type=constant", std::string("strategy=") + method}),
               std::size_t(std::string_view(method) == "adalora"));
  }
};

QTEST_APPLESS_MAIN(TestForkRun)
#include "test_fork_run.moc"

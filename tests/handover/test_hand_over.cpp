// SPDX-License-Identifier: GPL-3.0-or-later
// A recipe as a folder for TRL: what stands in it, what is refused, and that nothing is left of one
// that was ended. What the script computes is held by tests/parity/handed_over.py.
#include "engine/handover/hand_over.h"

#include "engine/handover/start.h"
#include "engine/io/files.h"
#include "engine/teaching/teaching.h"

#include <QtTest>

#include <algorithm>

using namespace luthier;
namespace fs = std::filesystem;

class TestHandOver : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    recipe_ = teaching_recipe(*teaching_task("korean"), folder("run")).value();
    recipe_.training.max_steps = 4;
    recipe_.adapter.lora_dropout = 0;
  }

  void a_run_as_a_script() {
    const auto handed = hand_over(request(recipe_, "handed"));
    QVERIFY2(handed.ok(), handed ? "" : handed.error().sentence().c_str());
    QCOMPARE(handed->files.front(), std::string("train.py"));
    for (const char* file :
         {"train.py", "train.jsonl", "adapter/adapter_model.safetensors", "run.sbatch",
          "requirements.txt", "recipe.yaml", "accelerate/ddp.yaml", "accelerate/zero3.json"})
      QVERIFY2(fs::exists(folder("handed") / file), file);
    const std::string script = read_file(folder("handed") / "train.py").value();
    for (const char* words : {"SFTTrainer(", "PeftModel.from_pretrained(", "max_steps=4",
                              "gradient_accumulation_steps=ACCUMULATION // RANKS"})
      QVERIFY2(script.find(words) != std::string::npos, words);
    // The same recipe gives the same files.
    QVERIFY(hand_over(request(recipe_, "again")).ok());
    for (const char* file : {"train.py", "train.jsonl", "adapter/adapter_model.safetensors"})
      QCOMPARE(read_file(folder("again") / file).value(),
               read_file(folder("handed") / file).value());
  }

  void rows_that_do_not_share_out_are_told() {
    Recipe other = recipe_;
    other.training.gradient_accumulation_steps = 2;
    const auto told = [&](const char* name, std::int64_t ranks, std::int64_t batch) {
      other.training.per_device_train_batch_size = batch;
      const auto handed = hand_over({other, folder(name), {.gpus_per_node = ranks}});
      if (!handed) qFatal("%s", handed.error().sentence().c_str());
      return std::any_of(handed->notes.begin(), handed->notes.end(), [](const std::string& note) {
        return note.find("share out") != std::string::npos;
      });
    };
    const bool single = told("single", 2, 1);
    const std::string rows = read_file(folder("single") / "train.jsonl").value();
    const std::int64_t count = std::count(rows.begin(), rows.end(), '\n');
    QCOMPARE(single, count % 2 != 0);
    QVERIFY(told("uneven", 2, count));  // one batch for two ranks
    QVERIFY(!told("alone", 1, count));
  }

  void what_is_refused() {
    Recipe other = recipe_;
    other.strategy = "bitfit";
    QVERIFY(refusal(other).find("bitfit") != std::string::npos);
    other = recipe_;
    other.objective = "gkd";
    QVERIFY(!refusal(other).empty());
    other = recipe_;
    other.adapter.target_modules = {ModuleSelector::Kind::Names, {"lm_head"}, {}};
    QVERIFY(refusal(other).find("head") != std::string::npos);
    other = recipe_;
    other.dataset = {folder("nothing.jsonl").string()};
    QVERIFY(!refusal(other).empty());
  }

  void one_that_is_ended_leaves_nothing() {
    HandOverRequest asked = request(recipe_, "ended");
    asked.go_on = [](const std::string& what, double) { return what != "Making the adapter"; };
    const auto handed = hand_over(asked);
    QVERIFY(!handed.ok());
    QCOMPARE(handed.error().code, ErrorCode::Interrupted);
    QVERIFY(!fs::exists(folder("ended")));
    for (const auto& each : fs::directory_iterator(folder_.path().toStdString()))
      QVERIFY2(!each.path().filename().string().starts_with('.'), each.path().c_str());
  }

  void names_that_train_are_told_by_their_beginnings() {
    using handover::beginnings_of;
    QVERIFY(beginnings_of({{"a.x.", true}, {"b.", true}}).empty());
    QCOMPARE(beginnings_of({{"model.tower.a.", false},
                            {"model.text.a.", true},
                            {"model.text.b.", true},
                            {"lm_head.", true}}),
             (std::vector<std::string>{"model.text.", "lm_head."}));
    QCOMPARE(beginnings_of({{"model.layers.0.", false}, {"model.layers.1.", true}, {"w", true}}),
             (std::vector<std::string>{"model.layers.1.", "w"}));
  }

  void a_reference_is_named_from_wherever_the_script_runs() {
    const Recipe recipe =
        parse_recipe("", "test", {"objective=dpo", "model=base", "ref_model=models/../other"})
            .value();
    const auto reference = handover::reference_of(recipe, *handover::trl_trainer(recipe).value());
    QVERIFY2(reference.ok(), reference ? "" : reference.error().sentence().c_str());
    QCOMPARE(*reference, (fs::current_path() / "other").string());
  }

 private:
  fs::path folder(const char* name) const { return fs::path(folder_.path().toStdString()) / name; }
  HandOverRequest request(const Recipe& recipe, const char* name) const {
    HandOverRequest made;
    made.recipe = recipe;
    made.out = folder(name);
    return made;
  }
  std::string refusal(const Recipe& recipe) {
    const auto handed = hand_over(request(recipe, "refused"));
    if (handed || fs::exists(folder("refused"))) return {};
    return handed.error().sentence();
  }

  QTemporaryDir folder_;
  Recipe recipe_;
};

QTEST_GUILESS_MAIN(TestHandOver)
#include "test_hand_over.moc"

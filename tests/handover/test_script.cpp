// SPDX-License-Identifier: GPL-3.0-or-later
// Lines of the script that a recipe's settings decide. What it computes is held by
// tests/parity/handed_over.py.
#include <QtTest>

#include "engine/handover/script.h"
#include "engine/handover/script_parts.h"
#include "tests/handover/recipe_of.h"

using namespace luthier;
using namespace luthier::handover;
using luthier::test::recipe_of;

namespace {

ScriptFacts facts_of(const Recipe& recipe) {
  ScriptFacts facts;
  facts.trainer = trl_trainer(recipe).value();
  facts.model = "/models/one";
  facts.architecture = "LlamaForCausalLM";
  facts.steps = 10;
  return facts;
}

std::string argument(const Recipe& recipe, const std::string& name) {
  for (const auto& [key, value] : training_arguments(recipe, facts_of(recipe)))
    if (key == name) return value;
  return "none";
}

}  // namespace

class TestScript : public QObject {
  Q_OBJECT

 private slots:
  /// transformers hands schedule-free optimizers the number as it stands.
  void a_warmup_is_a_share_or_whole() {
    const std::string share = "training.warmup_ratio=0.25";
    QCOMPARE(argument(recipe_of({share}), "warmup_steps"), std::string("0.25"));
    QCOMPARE(argument(recipe_of({share, "training.optim=schedule_free_adamw"}), "warmup_steps"),
             std::string("3"));
  }

  void what_is_saved_of_a_schedule_free_run_is_the_average() {
    const Recipe plain = recipe_of({});
    QVERIFY(trl_script(plain, facts_of(plain)).find("optimizer.eval()") == std::string::npos);
    const Recipe recipe = recipe_of({"training.optim=schedule_free_adamw"});
    const std::string script = trl_script(recipe, facts_of(recipe));
    const std::size_t trains = script.find("trainer.train("),
                      turns = script.find("trainer.optimizer.eval()");
    QVERIFY(trains < turns && turns < script.find("trainer.save_model("));
  }

  void one_rank_sees_one_card() {
    const Recipe recipe = recipe_of({"training.device=cuda"});
    const std::string script = trl_script(recipe, facts_of(recipe));
    QVERIFY(script.find("os.environ[\"CUDA_VISIBLE_DEVICES\"] = ") < script.find("import torch\n"));
    const Recipe other = recipe_of({"training.device=cpu"});
    QVERIFY(trl_script(other, facts_of(other)).find("CUDA_VISIBLE") == std::string::npos);
  }

  /// A head that trains is gathered; over a packed base nothing is sharded.
  void what_can_be_sharded_has_its_lines() {
    const Recipe recipe = recipe_of({"objective=dpo"});
    ScriptFacts facts = facts_of(recipe);
    const auto has = [&](const Recipe& of, const char* words) {
      return trl_script(of, facts).find(words) != std::string::npos;
    };
    QVERIFY(has(recipe, "for each in (model,):") && has(recipe, "DTensor.full_tensor = gathered"));
    facts.reference = "MODEL";
    QVERIFY(has(recipe, "for each in (model, reference):"));
    facts.adapter = true;
    QVERIFY(has(recipe, "_no_split_modules") && !has(recipe, "DTensor"));
    QVERIFY(!has(recipe_of({"objective=dpo", "quantization.load_in_4bit=true"}), "_no_split"));
  }

  void the_reference_of_a_packed_model_is_packed() {
    for (const bool packed : {true, false}) {
      std::vector<std::string> settings{"objective=dpo"};
      if (packed) settings.emplace_back("quantization.load_in_4bit=true");
      const Recipe recipe = recipe_of(settings);
      ScriptFacts facts = facts_of(recipe);
      facts.reference = "MODEL";
      const std::string text = model_part(recipe, facts);
      const std::string reference = text.substr(text.find("reference = "));
      QCOMPARE(reference.find("quantization_config=packed") != std::string::npos, packed);
      QCOMPARE(reference.find("PartialState().device") != std::string::npos, packed);
    }
  }

  void a_template_sees_no_keys_of_other_rows() {
    const Recipe recipe = recipe_of({});
    ScriptFacts facts = facts_of(recipe);
    facts.rows.tokenizing = Tokenizing::Script;
    const std::string text = tokens_part(recipe, facts);
    QVERIFY(text.find("def told(value):") < text.find("apply_chat_template(told(messages)"));
    QVERIFY(text.find("apply_chat_template(messages") == std::string::npos);
  }

  void early_stopping_goes_by_evaluations_midway() {
    for (const bool midway : {true, false}) {
      Recipe recipe = recipe_of({});
      recipe.training.eval_steps = midway ? 5 : 0;
      recipe.training.save_steps = 0;
      recipe.more.set_json("training.early_stopping_patience", "2");
      ScriptFacts facts = facts_of(recipe);
      facts.evaluates = true;
      QCOMPARE(trl_script(recipe, facts).find("EarlyStoppingCallback") != std::string::npos,
               midway);
    }
  }
};

QTEST_GUILESS_MAIN(TestScript)
#include "test_script.moc"

// SPDX-License-Identifier: GPL-3.0-or-later
// Kinds in the recipe: each has its settings and defaults, a setting of a kind keeps its value by
// its key, and what recipes of before carry stays readable.
#include <QtTest>

#include <set>

#include "engine/config/chosen_field.h"
#include "engine/config/field_rows.h"
#include "engine/config/kinds.h"

using namespace luthier;

class TestKinds : public QObject {
  Q_OBJECT

  /// Settings as a kind would bring them, in no table.
  static std::vector<RecipeField> toy_fields() {
    return rows::fields_of(
        {rows::kind_number("toy.beta", "Beta", "A number.", 0.5),
         rows::kind_integer("adapter.toy_count", "Count", "A count.", 3),
         rows::kind_optional_integer("toy.depth", "Depth", "Layers, or all."),
         rows::kind_boolean("toy.scaled", "Scaled", "Yes or no.", true),
         rows::kind_choice("toy.form", "Form", "One of two.", {"round", "square"}, "round"),
         rows::kind_names("toy.names", "Names", "Some names.", {"a", "b"}),
         rows::kind_modules("adapter.toy_modules", "Modules", "Some modules.")});
  }

 private slots:
  void each_kind_is_in_its_field() {
    for (const FieldDescription& field : recipe_fields()) {
      if (field.key == "strategy") QCOMPARE(field.choices.size(), method_kinds().size());
      if (field.key == "objective") QCOMPARE(field.choices.size(), objective_kinds().size());
      if (field.key == "training.optim") QCOMPARE(field.choices.size(), optimizer_kinds().size());
    }
    for (const MethodKind& kind : method_kinds()) {
      const auto recipe = parse_recipe(std::string("strategy: ") + kind.name, "r");
      QVERIFY2(recipe.ok(), kind.name);
      QCOMPARE(recipe->strategy, std::string(kind.name));
    }
  }

  void what_a_kind_shares_is_a_field() {
    std::set<std::string> keys;
    for (const FieldDescription& field : recipe_fields()) keys.insert(field.key);
    const auto check = [&](const Kind& kind) {
      for (const std::string& key : kind.shares) QVERIFY2(keys.contains(key), key.c_str());
      for (const KindDefault& entry : kind.defaults)
        QVERIFY2(keys.contains(entry.key), entry.key.c_str());
    };
    for (const MethodKind& kind : method_kinds()) check(kind);
    for (const ObjectiveKind& kind : objective_kinds()) check(kind);
    for (const OptimizerKind& kind : optimizer_kinds()) check(kind);
  }

  void a_setting_of_a_kind_keeps_its_value() {
    const std::vector<RecipeField> fields = toy_fields();
    Recipe recipe;
    const std::vector<Json> defaults{0.5, 3, nullptr, true, "round", Json{"a", "b"}, nullptr};
    const std::vector<Json> values{0.25, 7, 12, false, "square", Json{"c"}, "all-linear"};
    for (std::size_t i = 0; i < fields.size(); ++i) {
      const std::string& key = fields[i].about.key;
      QVERIFY2(fields[i].read(recipe) == defaults[i], key.c_str());
      const auto checked = check_value(fields[i], values[i], key);
      QVERIFY2(checked.ok(), key.c_str());
      fields[i].write(recipe, *checked);
      QVERIFY2(fields[i].read(recipe) == values[i], key.c_str());
    }
    // An adapter's settings travel with it, without the recipe.
    QCOMPARE(recipe.adapter.more.integer("adapter.toy_count"), std::int64_t{7});
    QVERIFY(recipe.adapter.more.modules("adapter.toy_modules").kind ==
            ModuleSelector::Kind::AllLinear);
    QCOMPARE(recipe.more.number("toy.beta"), 0.25);
    QCOMPARE(recipe.more.text("toy.form"), std::string("square"));
    QCOMPARE(recipe.more.flag("toy.scaled"), false);
    QCOMPARE(recipe.more.names("toy.names"), std::vector<std::string>{"c"});
    QVERIFY(recipe.more.optional_integer("toy.depth") == std::int64_t{12});
    QVERIFY(!check_value(fields[1], 1.5, "toy").ok());
    QVERIFY(!check_value(fields[4], "oval", "toy").ok());
  }

  void another_method_moves_what_stood_at_its_default() {
    Recipe recipe;
    QVERIFY(set_field(recipe, "strategy", "freeze").ok());
    QCOMPARE(recipe.training.learning_rate, 1e-5);
    QVERIFY(set_field(recipe, "training.learning_rate", "0.5").ok());
    QVERIFY(set_field(recipe, "freeze.vision_tower", "false").ok());
    QVERIFY(set_field(recipe, "strategy", "lora").ok());
    QCOMPARE(recipe.training.learning_rate, 0.5);
    QVERIFY(!recipe.freeze.vision_tower);
    QVERIFY(set_field(recipe, "strategy", "full").ok());
    QVERIFY(!recipe.freeze.vision_tower && !recipe.freeze.language_model);
  }

  void a_rate_of_an_adapter_is_ten_times_the_objectives_as_written() {
    Recipe recipe;
    QVERIFY(set_field(recipe, "objective", "dpo").ok());
    QCOMPARE(get_field(recipe, "training.learning_rate").value(), std::string("1.0e-5"));
    QVERIFY(set_field(recipe, "strategy", "full").ok());
    QCOMPARE(get_field(recipe, "training.learning_rate").value(), std::string("1.0e-6"));
  }

  void what_kinds_share_is_as_the_chosen_one_has_it() {
    Recipe recipe;
    const auto refused = [&](const char* key, const char* value) {
      const Status status = set_field(recipe, key, value);
      return status ? std::string() : status.error().sentence();
    };
    QVERIFY(refused("adapter.r", "0").find("at least 1") != std::string::npos);
    QVERIFY(refused("adapter.init_lora_weights", "pissa_niter_4").empty());
    QVERIFY(set_field(recipe, "strategy", "adalora").ok());
    // What the new method does not know goes to its default.
    QCOMPARE(recipe.adapter.init_lora_weights, std::string("true"));
    QVERIFY(!refused("adapter.init_lora_weights", "pissa_niter_4").empty());
    QVERIFY(set_field(recipe, "strategy", "oft").ok());
    QVERIFY(refused("adapter.r", "4").empty() && refused("adapter.r", "0").empty());
    QVERIFY(set_field(recipe, "strategy", "prefix_tuning").ok());
    QCOMPARE(get_field(recipe, "adapter.init_weights").value(), std::string("\"null\""));
    QVERIFY(refused("adapter.init_weights", "true").find("null, zero") != std::string::npos);
    QVERIFY(refused("adapter.init_weights", "zero").empty());
    QVERIFY(set_field(recipe, "strategy", "loha").ok());
    QCOMPARE(get_field(recipe, "adapter.init_weights").value(), std::string("true"));
    QVERIFY(!refused("adapter.init_weights", "lycoris").empty());
    QVERIFY(set_field(recipe, "strategy", "lokr").ok());
    QVERIFY(refused("adapter.init_weights", "lycoris").empty());
    QCOMPARE(as_chosen("adapter.init_weights", recipe)->choices.size(), std::size_t{3});
    QVERIFY(set_field(recipe, "strategy", "vera").ok());
    QVERIFY(!refused("adapter.bias", "lora_only").empty());
    QVERIFY(refused("adapter.bias", "vera_only").empty());
    QVERIFY(set_field(recipe, "strategy", "boft").ok());
    QCOMPARE(recipe.adapter.bias, std::string("none"));
    QVERIFY(!as_chosen("adapter.nothing", recipe));
    // Each way has the row's key, type and label, which messages call it by, and is its kind's.
    for (const RecipeField& other : fields_otherwise()) {
      const FieldDescription &about = other.about, &row = exact_field(about.key)->about;
      QCOMPARE(about.label, row.label);
      QVERIFY2(about.type == row.type, about.key.c_str());
      QCOMPARE(about.strategies.size() + about.objectives.size() + about.optimizers.size(),
               std::size_t{1});
    }
  }

  void a_file_is_read_as_its_own_kinds_have_it() {
    const auto fault = [](const char* yaml, const std::vector<std::string>& overrides = {}) {
      const auto recipe = parse_recipe(yaml, "r", overrides);
      return recipe ? std::string() : recipe.error().where;
    };
    QCOMPARE(fault("adapter: {r: 0}\nstrategy: oft"), std::string());
    QCOMPARE(fault("adapter: {r: 0}"), std::string("r: adapter.r"));
    QCOMPARE(fault("strategy: oft", {"adapter.r=0", "adapter.r=2"}), std::string());
    QCOMPARE(fault("{}", {"adapter.r=0", "strategy=oft"}), std::string());
    QCOMPARE(fault("strategy: oft", {"adapter.r=0", "strategy=hra"}),
             std::string("--set adapter.r"));
    // What the file leaves at its own method's default says nothing of another one.
    const auto moved = parse_recipe("{strategy: oft, adapter: {r: 0}}", "r", {"strategy=hra"});
    QVERIFY2(moved, moved ? "" : moved.error().sentence().c_str());
    QCOMPARE(moved->adapter.r, std::int64_t{8});
    QCOMPARE(fault("{strategy: lokr, adapter: {init_weights: lycoris}}", {"strategy=loha"}),
             std::string("r: adapter.init_weights"));
    // A recipe that no reader has seen.
    Recipe recipe;
    recipe.model = recipe.output_dir = "x";
    recipe.dataset = {"x"};
    recipe.adapter.r = 0;
    QCOMPARE(check_recipe(recipe).error().where, std::string("recipe: adapter.r"));
  }

  void recipes_of_before_carry_all_settings() {
    Recipe recipe;
    QVERIFY(set_field(recipe, "strategy", "freeze").ok());
    const std::string yaml = recipe_to_yaml(recipe);
    QVERIFY(yaml.find("lora_alpha: ") != std::string::npos);
    const auto back = parse_recipe(yaml, "r");
    QVERIFY(back.ok());
    QVERIFY(recipe_differences(recipe, *back).empty());
  }
};

QTEST_APPLESS_MAIN(TestKinds)
#include "test_kinds.moc"

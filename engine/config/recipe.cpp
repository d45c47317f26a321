// SPDX-License-Identifier: GPL-3.0-or-later
// Single fields by name, the defaults that follow the strategy, differences between recipes, and the checks across fields.
#include "engine/config/recipe.h"

#include <algorithm>

#include "engine/config/nearest_name.h"
#include "engine/config/recipe_field.h"

namespace luthier {
namespace {

std::string leaf_of(const std::string& key) {
  const auto dot = key.rfind('.');
  return dot == std::string::npos ? key : key.substr(dot + 1);
}

/// The nearest key, with the dotted path compared for dotted names and the leaf for bare ones.
std::string nearest_key(const std::string& key) {
  std::vector<std::string> paths, leaves;
  for (const RecipeField& field : recipe_field_table()) {
    paths.push_back(field.about.key);
    leaves.push_back(leaf_of(field.about.key));
  }
  const std::string leaf = leaf_of(key);
  const std::string section = key.substr(0, key.size() - leaf.size());
  const std::string name = nearest_name(leaf, leaves);
  const std::string path = nearest_name(key, paths);
  // A name that is known in another section counts more than a neighbour in the same one.
  const bool better_leaf = edit_distance(leaf, name) < edit_distance(key, path);
  if (!better_leaf) return path;
  for (const std::string& candidate : paths)
    if (candidate == section + name) return candidate;
  return *std::find_if(paths.begin(), paths.end(), [&](const std::string& candidate) { return leaf_of(candidate) == name; });
}

bool same_freeze(const FreezeSettings& left, const FreezeSettings& right) {
  return left.vision_tower == right.vision_tower && left.projector == right.projector && left.language_model == right.language_model;
}

Error cross_fault(const char* key, std::string what, std::string hint) { return input_error(std::move(what), std::string("recipe: ") + key, std::move(hint)); }

}  // namespace

Result<const RecipeField*> find_field(const std::string& key, const std::string& where) {
  const RecipeField* by_leaf = nullptr;
  std::string also;
  for (const RecipeField& field : recipe_field_table()) {
    if (field.about.key == key) return &field;
    if (leaf_of(field.about.key) != key) continue;
    if (by_leaf) also = field.about.key;
    by_leaf = &field;
  }
  if (by_leaf && also.empty()) return by_leaf;
  if (by_leaf) return input_error("\"" + key + "\" names more than one setting.", where, "Write its section too, as in " + also + ".");
  if (is_reserved_key(key)) return input_error("\"" + key + "\" is for a later version, which will run several recipes one after another.", where, "Run each stage as a recipe of its own.");
  return input_error("unknown setting \"" + key.substr(0, 100) + "\".", where, "The nearest known name is " + nearest_key(key) + ".");
}

bool is_reserved_key(const std::string& key) { return key == "stages"; }

Result<std::string> get_field(const Recipe& recipe, const std::string& key) {
  LUTHIER_TRY(const RecipeField* field, find_field(key, {}));
  return value_to_text(field->about, field->read(recipe));
}

Status set_field(Recipe& recipe, const std::string& key, const std::string& value) {
  LUTHIER_TRY(const RecipeField* field, find_field(key, {}));
  LUTHIER_TRY(Json checked, value_from_text(*field, value, field->about.key));
  if (field->about.key == "strategy") {
    Recipe before, after;
    apply_strategy_defaults(before, recipe.strategy);
    apply_strategy_defaults(after, checked.get<std::string>());
    if (recipe.training.learning_rate == before.training.learning_rate) recipe.training.learning_rate = after.training.learning_rate;
    if (same_freeze(recipe.freeze, before.freeze)) recipe.freeze = after.freeze;
  }
  field->write(recipe, checked);
  return {};
}

void apply_strategy_defaults(Recipe& recipe, const std::string& strategy) {
  recipe.strategy = strategy;
  recipe.training.learning_rate = strategy == "full" || strategy == "freeze" ? 1e-5 : 2e-4;
  recipe.freeze = strategy == "full" ? FreezeSettings{false, false, false} : FreezeSettings{};
}

std::vector<FieldDifference> recipe_differences(const Recipe& left, const Recipe& right) {
  std::vector<FieldDifference> differences;
  for (const RecipeField& field : recipe_field_table()) {
    const Json a = field.read(left), b = field.read(right);
    if (a != b) differences.push_back({field.about.key, value_to_text(field.about, a), value_to_text(field.about, b)});
  }
  return differences;
}

Status check_recipe(const Recipe& recipe) {
  using Kind = ModuleSelector::Kind;
  if (recipe.model.empty()) return cross_fault("model", "no model is named.", "Give the folder of a checkpoint.");
  if (recipe.dataset.empty()) return cross_fault("dataset", "no training data is named.", "Give a JSONL or JSON file of rows.");
  if (recipe.output_dir.empty()) return cross_fault("output_dir", "no run folder is named.", "Give a folder to write the run to, such as runs/first.");
  const ModuleSelector& targets = recipe.adapter.target_modules;
  const bool no_targets = targets.kind == Kind::None || (targets.kind == Kind::Names && targets.names.empty() && recipe.adapter.modules_to_save.empty());
  if (recipe.strategy == "lora" && recipe.adapter.init_from.empty() && no_targets)
    return cross_fault("adapter.target_modules", "names no module, so there would be nothing to train.", "Write all-linear, a list of names or a regular expression.");
  const FreezeSettings& freeze = recipe.freeze;
  if (recipe.strategy != "lora" && freeze.vision_tower && freeze.projector && freeze.language_model)
    return cross_fault("freeze", "every part is kept fixed, so there would be nothing to train.", "Let at least one part train.");
  if (recipe.image.min_pixels && recipe.image.max_pixels && *recipe.image.min_pixels > *recipe.image.max_pixels)
    return cross_fault("image.min_pixels", "is above image.max_pixels.", "Exchange or clear one of them.");
  if (recipe.training.eval_steps > 0 && recipe.eval_dataset.empty())
    return cross_fault("training.eval_steps", "asks for evaluation, but no eval_dataset is named.", "Name eval_dataset, or set eval_steps to 0.");
  return {};
}

}  // namespace luthier

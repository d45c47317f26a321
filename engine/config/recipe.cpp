// SPDX-License-Identifier: GPL-3.0-or-later
// Single fields by name, the defaults that follow the strategy, differences between recipes, and
// the checks across fields.
#include "engine/config/recipe.h"

#include <algorithm>

#include "engine/config/names_elsewhere.h"
#include "engine/config/nearest_name.h"
#include "engine/config/recipe_field.h"

namespace luthier {
namespace {

std::string leaf_of(const std::string& key) {
  const auto dot = key.rfind('.');
  return dot == std::string::npos ? key : key.substr(dot + 1);
}

std::string section_of(const std::string& key) {
  const auto dot = key.find('.');
  return dot == std::string::npos ? std::string() : key.substr(0, dot);
}

/// How far a name is from a known one; a name that is part of the known one ("tower" of
/// "vision_tower") is near.
std::size_t distance_to(const std::string& name, const std::string& known) {
  const std::size_t distance = edit_distance(name, known);
  return name.size() >= 3 && known.find(name) != std::string::npos
             ? std::min<std::size_t>(distance, 1)
             : distance;
}

struct Candidate {
  std::size_t distance = 0;
  std::string key;
};

/// The nearest of the keys that `admit` lets in, compared by `name_of`.
template <class Admit, class NameOf>
Candidate nearest_of(const std::string& name, const std::vector<std::string>& keys, Admit admit,
                     NameOf name_of) {
  Candidate best;
  for (const std::string& key : keys) {
    if (!admit(key)) continue;
    const std::size_t distance = distance_to(name, name_of(key));
    if (best.key.empty() || distance < best.distance) best = {distance, key};
  }
  return best;
}

/// The known key nearest to an unknown one: a neighbour in its section, unless another section has
/// one that is clearly nearer.
std::string nearest_key(const std::string& key) {
  std::vector<std::string> keys;
  for (const RecipeField& field : recipe_field_table()) {
    const std::string section = section_of(field.about.key);
    if (!section.empty() && std::find(keys.begin(), keys.end(), section) == keys.end())
      keys.push_back(section);
    keys.push_back(field.about.key);
  }
  const auto any = [](const std::string&) { return true; };
  const auto whole = [](const std::string& text) { return text; };
  const std::string leaf = leaf_of(key), section = section_of(key);
  const Candidate anywhere = nearest_of(leaf, keys, any, leaf_of);
  if (section.empty()) return anywhere.key;
  const Candidate sibling = nearest_of(
      leaf, keys, [&](const std::string& candidate) { return section_of(candidate) == section; },
      leaf_of);
  if (sibling.key.empty()) return nearest_of(key, keys, any, whole).key;
  return anywhere.distance <= 2 && anywhere.distance + 1 < sibling.distance ? anywhere.key
                                                                            : sibling.key;
}

bool same_freeze(const FreezeSettings& left, const FreezeSettings& right) {
  return left.vision_tower == right.vision_tower && left.projector == right.projector &&
         left.language_model == right.language_model;
}

Error cross_fault(const char* key, std::string what, std::string hint) {
  return input_error(std::move(what), std::string("recipe: ") + key, std::move(hint));
}

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
  if (by_leaf)
    return input_error("\"" + key + "\" names more than one setting.", where,
                       "Write its section too, as in " + also + ".");
  if (is_reserved_key(key))
    return input_error(
        "\"" + key + "\" is for a later version, which will run several recipes one after another.",
        where, "Run each stage as a recipe of its own.");
  std::string hint = hint_for_name(key);
  if (hint.empty()) {
    const std::string near = nearest_key(key), leaf = leaf_of(key);
    const bool is_near =
        distance_to(leaf, leaf_of(near)) <= std::max<std::size_t>(2, leaf.size() / 2);
    hint = is_near ? "The nearest known name is " + near + "."
                   : "`luthier-cli train --help` lists the settings that there are.";
  }
  return input_error("unknown setting \"" + key.substr(0, 100) + "\".", where, hint);
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
    if (recipe.training.learning_rate == before.training.learning_rate)
      recipe.training.learning_rate = after.training.learning_rate;
    if (after.strategy == "full" || same_freeze(recipe.freeze, before.freeze))
      recipe.freeze = after.freeze;
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
    if (a != b)
      differences.push_back(
          {field.about.key, value_to_text(field.about, a), value_to_text(field.about, b)});
  }
  return differences;
}

Status check_recipe(const Recipe& recipe) {
  using Kind = ModuleSelector::Kind;
  if (recipe.model.empty())
    return cross_fault("model", "no model is named.", "Give the folder of a checkpoint.");
  if (recipe.dataset.empty())
    return cross_fault("dataset", "no training data is named.",
                       "Give a JSONL or JSON file of rows.");
  if (recipe.output_dir.empty())
    return cross_fault("output_dir", "no run folder is named.",
                       "Give a folder to write the run to, such as runs/first.");
  const ModuleSelector& targets = recipe.adapter.target_modules;
  const bool no_targets =
      targets.kind == Kind::None || (targets.kind == Kind::Names && targets.names.empty() &&
                                     recipe.adapter.modules_to_save.empty());
  if (recipe.strategy == "lora" && recipe.adapter.init_from.empty() && no_targets)
    return cross_fault("adapter.target_modules",
                       "names no module, so there would be nothing to train.",
                       "Write all-linear, a list of names or a regular expression.");
  const FreezeSettings& freeze = recipe.freeze;
  if (recipe.strategy == "full" &&
      (freeze.vision_tower || freeze.projector || freeze.language_model))
    return cross_fault("freeze", "a part is kept fixed, but the strategy full trains every part.",
                       "Write strategy: freeze, or take the part out.");
  if (recipe.strategy == "freeze" && freeze.vision_tower && freeze.projector &&
      freeze.language_model)
    return cross_fault("freeze", "every part is kept fixed, so there would be nothing to train.",
                       "Let at least one part train.");
  if (recipe.image.min_pixels && recipe.image.max_pixels &&
      *recipe.image.min_pixels > *recipe.image.max_pixels)
    return cross_fault("image.min_pixels", "is above image.max_pixels.",
                       "Exchange or clear one of them.");
  if (recipe.training.eval_steps > 0 && recipe.eval_dataset.empty())
    return cross_fault("training.eval_steps", "asks for evaluation, but no eval_dataset is named.",
                       "Name eval_dataset, or set eval_steps to 0.");
  return {};
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// Single fields by name, the defaults that follow the strategy, differences between recipes, and
// the checks across fields.
#include "engine/config/recipe.h"

#include <algorithm>
#include <cmath>

#include "engine/config/chosen_field.h"
#include "engine/config/kinds.h"
#include "engine/config/names_elsewhere.h"
#include "engine/config/nearest_name.h"
#include "engine/config/order_fields.h"
#include "engine/config/quantization_fields.h"
#include "engine/config/rollouts.h"
#include "engine/config/watch_fields.h"

namespace luthier {
namespace {

std::string leaf_of(const std::string& key) {
  const auto dot = key.rfind('.');
  return dot == std::string::npos ? key : key.substr(dot + 1);
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

/// The nearest of the keys that `admit` lets in, compared by `name_of`; of those that a name is
/// part of, the one with the least besides.
template <class Admit, class NameOf>
Candidate nearest_of(const std::string& name, const std::vector<std::string>& keys, Admit admit,
                     NameOf name_of) {
  Candidate best;
  for (const std::string& key : keys) {
    if (!admit(key)) continue;
    const std::size_t distance = distance_to(name, name_of(key));
    const auto besides = [&](const std::string& of) { return edit_distance(name, name_of(of)); };
    if (best.key.empty() || distance < best.distance ||
        (distance == best.distance && besides(key) < besides(best.key)))
      best = {distance, key};
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

/// Of settings that end in one name, the one of the highest is meant where no section is written.
int bare_rank(const RecipeField& field) { return field.older ? 2 : field.sectioned ? 0 : 1; }

/// Every setting whose default some kind has of its own.
std::vector<KindDefault> all_kind_defaults(const ChosenKinds& kinds) {
  std::vector<KindDefault> all{{"training.learning_rate", nullptr}};
  const auto add = [&](const Kind& kind, bool chosen) {
    for (KindDefault entry : kind.defaults) {
      entry.fixed = entry.fixed && chosen;
      all.push_back(std::move(entry));
    }
  };
  for (const MethodKind& kind : method_kinds()) add(kind, kind.name == kinds.strategy);
  for (const ObjectiveKind& kind : objective_kinds()) add(kind, kind.name == kinds.objective);
  for (const OptimizerKind& kind : optimizer_kinds()) add(kind, kind.name == kinds.optimizer);
  return all;
}

/// After another kind was chosen: what stood at its default goes to the new one, and so does what
/// is no value under it.
void move_defaults(Recipe& recipe, const ChosenKinds& kinds_before) {
  Recipe before, after;
  const ChosenKinds kinds = chosen_kinds(recipe);
  apply_kind_defaults(before, kinds_before);
  apply_kind_defaults(after, kinds);
  for (const KindDefault& entry : all_kind_defaults(kinds)) {
    const RecipeField* field = exact_field(entry.key);
    if (!field) continue;
    if (entry.fixed || field->read(recipe) == field->read(before))
      field->write(recipe, field->read(after));
  }
  for (const RecipeField& other : fields_otherwise()) {
    const RecipeField& field = *exact_field(other.about.key);
    if (!check_value(as_chosen(field, kinds), field.read(recipe), field.about.key))
      field.write(recipe, field.read(after));
  }
}

/// Settings that kinds have in different ways, each as the recipe's kinds have it: a value may have
/// been chosen under another one.
Status check_chosen(const Recipe& recipe) {
  for (const RecipeField& other : fields_otherwise()) {
    const RecipeField& field = *exact_field(other.about.key);
    if (!applies(field.about, recipe)) continue;
    const RecipeField& chosen = as_chosen(field, chosen_kinds(recipe));
    LUTHIER_TRY(const Json checked,
                check_value(chosen, field.read(recipe), "recipe: " + field.about.key));
  }
  return {};
}

}  // namespace

std::string section_of(const std::string& key) {
  const auto dot = key.find('.');
  return dot == std::string::npos ? std::string() : key.substr(0, dot);
}

Error cross_fault(const char* key, std::string what, std::string hint) {
  return input_error(std::move(what), std::string("recipe: ") + key, std::move(hint));
}

Result<const RecipeField*> find_field(const std::string& key, const std::string& where) {
  const RecipeField* by_leaf = nullptr;
  std::string also;
  for (const RecipeField& field : recipe_field_table()) {
    if (field.about.key == key) return &field;
    if (leaf_of(field.about.key) != key) continue;
    const int before = by_leaf ? bare_rank(*by_leaf) : -1, now = bare_rank(field);
    if (before > now) continue;  // command lines of before stay valid
    also = before == now ? field.about.key : std::string();
    by_leaf = &field;
  }
  if (by_leaf && also.empty()) return by_leaf;
  if (by_leaf)
    return input_error("\"" + key + "\" names more than one setting.", where,
                       "Write its section too, as in " + also + ".");
  if (is_reserved_key(key))
    return input_error("\"" + key + "\" runs several recipes one after another.", where,
                       "`train` and `plan` do that; elsewhere write one stage as a recipe.");
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
  const ChosenKinds before = chosen_kinds(recipe);
  LUTHIER_TRY(Json checked, value_from_text(as_chosen(*field, before), value, field->about.key));
  field->write(recipe, checked);
  if (chosen_kinds(recipe) != before) move_defaults(recipe, before);
  return {};
}

void apply_kind_defaults(Recipe& recipe, const ChosenKinds& kinds) {
  recipe.strategy = kinds.strategy;
  recipe.objective = kinds.objective;
  recipe.training.optim = kinds.optimizer;
  const MethodKind& method = method_kind(kinds.strategy);
  const ObjectiveKind& objective = objective_kind(kinds.objective);
  const auto write = [&](const Kind& kind) {
    for (const KindDefault& entry : kind.defaults)
      if (const RecipeField* field = exact_field(entry.key)) field->write(recipe, entry.value);
  };
  write(optimizer_kind(kinds.optimizer));
  write(objective);
  write(method);
  // Tenfold as it is written: in binary 1e-6 * 10 is 9.999999999999999e-6.
  constexpr double kDecimals = 1e15;
  const double rate = objective.learning_rate;
  if (rate > 0)
    recipe.training.learning_rate =
        method.hangs_adapter() ? std::round(rate * 10 * kDecimals) / kDecimals : rate;
}

std::vector<FieldDifference> recipe_differences(const Recipe& left, const Recipe& right) {
  std::vector<FieldDifference> differences;
  for (const RecipeField& field : recipe_field_table()) {
    // Some kinds have one thing under names of their own.
    if (!field.older && !applies(field.about, left) && !applies(field.about, right)) continue;
    const Json a = field.read(left), b = field.read(right);
    if (a != b)
      differences.push_back(
          {field.about.key, value_to_text(field.about, a), value_to_text(field.about, b)});
  }
  return differences;
}

namespace {

Status check_film(const FilmSettings& film) {
  if (film.min_frames && film.max_frames && *film.min_frames > *film.max_frames)
    return cross_fault("film.min_frames", "is above film.max_frames.",
                       "Exchange or clear one of them.");
  if (film.min_pixels && film.max_pixels && *film.min_pixels > *film.max_pixels)
    return cross_fault("film.min_pixels", "is above film.max_pixels.",
                       "Exchange or clear one of them.");
  return {};
}

}  // namespace

Status check_recipe(const Recipe& recipe) {
  if (recipe.model.empty())
    return cross_fault("model", "no model is named.", "Give the folder of a checkpoint.");
  if (recipe.dataset.empty() && rollouts_of(recipe).empty())
    return cross_fault("dataset", "no training data is named.",
                       "Give a JSONL or JSON file of rows.");
  if (recipe.output_dir.empty())
    return cross_fault("output_dir", "no run folder is named.",
                       "Give a folder to write the run to, such as runs/first.");
  LUTHIER_CHECK(check_chosen(recipe));
  for (const Kind* kind : {static_cast<const Kind*>(&method_kind(recipe.strategy)),
                           static_cast<const Kind*>(&objective_kind(recipe.objective)),
                           static_cast<const Kind*>(&optimizer_kind(recipe.training.optim))})
    if (kind->check) LUTHIER_CHECK(kind->check(recipe));
  if (recipe.training.learning_rate == 0) {
    for (const char* key :
         {"training.vision_tower_learning_rate", "training.projector_learning_rate",
          "training.language_model_learning_rate", "training.adapter_learning_rate",
          "training.muon_learning_rate"}) {
      if (recipe.more.optional_number(key).value_or(0) == 0) continue;
      return cross_fault(key, "is a rate beside a training.learning_rate of 0.",
                         "Give training.learning_rate a value, and the parts that shall keep still "
                         "a rate of 0.");
    }
  }
  LUTHIER_CHECK(check_quantization(recipe));
  LUTHIER_CHECK(check_order(recipe));
  LUTHIER_CHECK(check_watch(recipe));
  if (recipe.image.min_pixels && recipe.image.max_pixels &&
      *recipe.image.min_pixels > *recipe.image.max_pixels)
    return cross_fault("image.min_pixels", "is above image.max_pixels.",
                       "Exchange or clear one of them.");
  LUTHIER_CHECK(check_film(recipe.film));
  if (recipe.training.eval_steps > 0 && recipe.eval_dataset.empty())
    return cross_fault("training.eval_steps", "asks for evaluation, but no eval_dataset is named.",
                       "Name eval_dataset, or set eval_steps to 0.");
  return {};
}

}  // namespace luthier

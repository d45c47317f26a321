// SPDX-License-Identifier: GPL-3.0-or-later
// The recipe as a YAML file: read with every key checked, written whole. Reading gathers all values
// first (file, then overrides), because the kinds that they name decide what a value may be and
// some defaults.
#include <algorithm>
#include <map>

#include "engine/config/chosen_field.h"
#include "engine/config/kinds.h"
#include "engine/config/recipe_reading.h"
#include "engine/io/files.h"
#include "engine/io/yaml.h"

namespace luthier {
namespace {

/// A checked value and the field it is for.
struct Given {
  const RecipeField* field;
  Json value;
  bool shared = false;
};
using GivenByKey = std::map<std::string, Given>;

bool is_section(const std::string& name) {
  for (const RecipeField& field : recipe_field_table())
    if (section_of(field.about.key) == name) return true;
  return false;
}

/// A key that is not in its place: a name of another section is told where it belongs, one of
/// another tool what it is here, any other its nearest neighbour.
Error unknown_key(const std::string& key, const std::string& leaf, const std::string& at) {
  const std::string place = at + key;
  if (is_reserved_key(key)) return find_field(key, place).error();
  if (const auto elsewhere = find_field(leaf, place))
    return input_error("unknown setting.", place, "Did you mean " + (*elsewhere)->about.key + "?");
  const Error fault = find_field(key, place).error();
  return input_error("unknown setting.", place, fault.hint);
}

Status add_written(std::vector<Written>& all, const std::string& key, const std::string& leaf,
                   const Json& value, const std::string& at) {
  const RecipeField* field = exact_field(key);
  if (!field) return unknown_key(key, leaf, at);
  all.push_back({field, value, at + key});
  return {};
}

/// The kinds that the values name, else those of `usual`. One that there is not is refused when its
/// turn comes.
ChosenKinds kinds_named(const std::vector<Written>& all, ChosenKinds usual) {
  for (const Written& each : all) {
    const std::string& key = each.field->about.key;
    std::string* kind = key == "strategy"         ? &usual.strategy
                        : key == "objective"      ? &usual.objective
                        : key == "training.optim" ? &usual.optimizer
                                                  : nullptr;
    if (!kind) continue;
    if (const auto name = each.checked(usual)) *kind = name->get<std::string>();
  }
  return usual;
}

/// Each value as these kinds have its field, later ones in the place of earlier ones.
Status give(GivenByKey& given, const std::vector<Written>& all, const ChosenKinds& kinds) {
  for (const Written& each : all) {
    LUTHIER_TRY(Json checked, each.checked(kinds));
    given[each.field->about.key] = {each.field, std::move(checked), each.shared};
  }
  return {};
}

/// `own`: the kinds that the file itself names, `kinds`: those that count. Where overrides choose
/// others, what the file says of its own kinds' settings and leaves at the default is no
/// contradiction.
Result<Recipe> build(const GivenByKey& given, const ChosenKinds& own, const ChosenKinds& kinds,
                     const std::string& at) {
  Recipe recipe, as_written;
  apply_kind_defaults(as_written, own);
  apply_kind_defaults(recipe, kinds);
  for (const auto& [key, entry] : given) {
    if (!may_carry(*entry.field, recipe)) {
      if (entry.shared) continue;
      if (may_carry(*entry.field, as_written) && entry.value == entry.field->read(Recipe()))
        continue;
      return not_of_kind(entry.field->about, recipe, at + key);
    }
    const auto fits = check_value(as_chosen(*entry.field, kinds), entry.value, at + key);
    if (!fits && entry.value == entry.field->read(as_written)) continue;
    if (!fits) return fits.error();
    entry.field->write(recipe, entry.value);
  }
  return recipe;
}

/// A relative path that exists only beside the recipe file is taken from there.
void resolve_beside(Json& path, const std::filesystem::path& folder) {
  if (!path.is_string()) return;
  const std::filesystem::path given = path.get<std::string>();
  if (given.empty() || given.is_absolute()) return;
  std::error_code ignored;
  if (!std::filesystem::exists(given, ignored) && std::filesystem::exists(folder / given, ignored))
    path = (folder / given).lexically_normal().string();
}

void resolve_beside(GivenByKey& given, const std::filesystem::path& folder) {
  for (const char* key : {"model",
                          "image_folder",
                          "adapter.init_from",
                          "ref_model",
                          "grpo.rollouts",
                          "rloo.rollouts",
                          "distillation.rollouts",
                          "online_dpo.rollouts",
                          "xpo.rollouts",
                          "nash_md.rollouts",
                          "online_dpo.reward_model",
                          "xpo.reward_model",
                          "nash_md.reward_model",
                          "replaced_tokens.generator",
                          "image_text_pretraining.captioner",
                          "visual_alignment.teacher",
                          "gkd.teacher_model_name_or_path",
                          "distillation.teacher_model_name_or_path",
                          "ppo.rollouts",
                          "ppo.reward_model",
                          "ppo.value_model",
                          "gkd.teacher_logits",
                          "distillation.teacher_logits"})
    if (const auto found = given.find(key); found != given.end())
      resolve_beside(found->second.value, folder);
  for (const char* key :
       {"dataset", "eval_dataset", "replay.dataset", "grpo.reward_funcs", "rloo.reward_funcs"})
    if (const auto found = given.find(key); found != given.end())
      for (Json& path : found->second.value) resolve_beside(path, folder);
}

/// `beside`: the file's folder; null: it is no file.
Result<Recipe> recipe_of(const std::string& yaml, const std::string& where,
                         const std::vector<std::string>& overrides,
                         const std::filesystem::path* beside) {
  LUTHIER_TRY(const Json document, parse_yaml(yaml, where));
  WrittenRecipe written;
  written.at = where + ": ";
  if (beside) written.beside = beside->empty() ? "." : *beside;
  if (!document.is_null()) {  // an empty file: all defaults
    if (!document.is_object())
      return input_error("a recipe must be a map of settings (key: value).", where);
    LUTHIER_TRY(written.file, written_in(document, written.at));
  }
  for (const std::string& text : overrides) {
    LUTHIER_TRY(const Override given, split_override(text));
    LUTHIER_TRY(Written over, written_by(given));
    written.over.push_back(std::move(over));
  }
  return recipe_from(written);
}

std::string yaml_value(const FieldDescription& about, const Json& value) {
  using Type = FieldDescription::Type;
  if (value.is_null()) return "null";
  if (about.type == Type::Choice && (value == "true" || value == "false"))
    return value.get<std::string>();
  if (value.is_string())
    return value == "" ? (about.nullable ? "null" : "\"\"") : yaml_text(value.get<std::string>());
  if (value.is_array()) {
    std::string text;
    for (const Json& entry : value)
      text += (text.empty() ? "" : ", ") + yaml_text(entry.get<std::string>());
    return about.type == Type::Paths && value.size() == 1 ? text : "[" + text + "]";
  }
  return value_to_text(about, value);
}

}  // namespace

Result<Json> Written::checked(const ChosenKinds& kinds) const {
  const RecipeField& chosen = as_chosen(*field, kinds);
  return is_text ? value_from_text(chosen, value.get<std::string>(), where)
                 : check_value(chosen, value, where);
}

Result<std::vector<Written>> written_in(const Json& settings, const std::string& at) {
  std::vector<Written> all;
  for (const auto& [name, value] : settings.items()) {
    if (!is_section(name)) {
      LUTHIER_CHECK(add_written(all, name, name, value, at));
      continue;
    }
    if (value.is_null()) continue;  // "training:" with nothing under it
    if (!value.is_object()) {
      const bool method = name == "adapter" && value.is_string();
      return input_error(
          "must be a map of settings.", at + name,
          method ? "The method is named by strategy: lora; adapter holds its settings." : "");
    }
    for (const auto& [leaf, entry] : value.items())
      LUTHIER_CHECK(add_written(all, name + "." + leaf, leaf, entry, at));
  }
  return all;
}

Result<Override> split_override(const std::string& text) {
  const auto mark = text.find('=');
  if (mark == std::string::npos || mark == 0)
    return input_error("\"" + text + "\" is not KEY=VALUE.", "--set",
                       "Write it as in --set training.max_steps=10.");
  return Override{text.substr(0, mark), text.substr(mark + 1)};
}

Result<Written> written_by(const Override& given, const std::string& before) {
  LUTHIER_TRY(const RecipeField* field, find_field(given.key, "--set " + before + given.key));
  const std::string where = "--set " + before + field->about.key;
  return Written{field, given.value, where, /*is_text=*/true};
}

/// The kinds that recipes of before had carry one another's settings; others do not.
bool may_carry(const RecipeField& field, const Recipe& recipe) {
  const FieldDescription& about = field.about;
  const auto fits = [&](bool has_it, const Kind& chosen) {
    return has_it || (field.older && chosen.older);
  };
  return fits(names_kind(about.strategies, recipe.strategy), method_kind(recipe.strategy)) &&
         fits(names_kind(about.objectives, recipe.objective), objective_kind(recipe.objective)) &&
         fits(names_kind(about.optimizers, recipe.training.optim),
              optimizer_kind(recipe.training.optim));
}

/// A setting that the chosen kinds do not have: whose it is, and what was chosen.
Error not_of_kind(const FieldDescription& about, const Recipe& recipe, const std::string& where) {
  const auto says = [&](const std::vector<std::string>& kinds, const char* key,
                        const std::string& chosen) {
    std::string owners;
    for (const std::string& kind : kinds) owners.append(owners.empty() ? "" : ", ").append(kind);
    std::string text = about.key + " belongs to ";
    text.append(owners).append("; ").append(key).append(" is ").append(chosen).append(".");
    return input_error(text, where, "Take it out, or choose one of those it belongs to.");
  };
  if (!names_kind(about.strategies, recipe.strategy))
    return says(about.strategies, "strategy", recipe.strategy);
  if (!names_kind(about.objectives, recipe.objective))
    return says(about.objectives, "objective", recipe.objective);
  return says(about.optimizers, "training.optim", recipe.training.optim);
}

Result<Recipe> recipe_from(const WrittenRecipe& written) {
  const ChosenKinds own = kinds_named(written.file, chosen_kinds(Recipe()));
  GivenByKey given;
  LUTHIER_CHECK(give(given, written.file, own));
  if (!written.beside.empty()) resolve_beside(given, written.beside);
  const ChosenKinds kinds = kinds_named(written.over, own);
  LUTHIER_CHECK(give(given, written.over, kinds));
  return build(given, own, kinds, written.at);
}

Result<Recipe> parse_recipe(const std::string& yaml, const std::string& where,
                            const std::vector<std::string>& overrides) {
  return recipe_of(yaml, where, overrides, nullptr);
}

Result<Recipe> read_recipe(const std::filesystem::path& file,
                           const std::vector<std::string>& overrides) {
  LUTHIER_TRY(const std::string yaml, read_file(file, kLargestRecipe));
  const std::filesystem::path folder = file.parent_path();
  return recipe_of(yaml, file.string(), overrides, &folder);
}

std::string settings_to_yaml(const Recipe& recipe, const std::string& margin,
                             const std::vector<std::string>& left_out) {
  std::string text, section;
  for (const RecipeField& field : recipe_field_table()) {
    const std::string& key = field.about.key;
    if (!may_carry(field, recipe)) continue;
    if (std::find(left_out.begin(), left_out.end(), key) != left_out.end()) continue;
    if (section_of(key) != section) {
      section = section_of(key);
      if (!section.empty()) text += margin + section + ":\n";
    }
    const std::string leaf = section.empty() ? key : key.substr(section.size() + 1);
    text += margin + (section.empty() ? "" : "  ") + leaf + ": " +
            yaml_value(field.about, field.read(recipe)) + "\n";
  }
  return text;
}

std::string recipe_to_yaml(const Recipe& recipe) { return settings_to_yaml(recipe, {}, {}); }

}  // namespace luthier

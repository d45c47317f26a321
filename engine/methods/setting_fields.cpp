// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/setting_fields.h"

#include <algorithm>
#include <cmath>

#include "engine/config/recipe_field.h"

namespace luthier {

namespace {

using Use = SettingField::Use;

/// null, false and an empty list say nothing. An empty object may: PEFT makes a method's defaults
/// of it.
bool is_default(const Json& value) {
  return value.is_null() || value == false || (value.is_array() && value.empty());
}

}  // namespace

const std::vector<SettingField>& common_fields() {
  static const std::vector<SettingField> table{
      {"auto_mapping", Use::Harmless, "it names the Python class of the base"},
      {"base_model_name_or_path", Use::Harmless, "an adapter fits when its names and shapes do"},
      {"inference_mode", Use::Harmless, "it says whether PEFT lets the tensors train"},
      {"peft_type", Use::Read, ""},
      {"peft_version", Use::Harmless, "it says what wrote the folder"},
      {"revision", Use::Harmless, "it is of the base's name"},
      {"task_type", Use::Harmless, "it chooses PEFT's wrapper around the same model"},
  };
  return table;
}

Status check_fields(const std::vector<SettingField>& fields, const Json& config,
                    const std::string& where) {
  for (const SettingField& field : fields) {
    const auto found = config.find(field.name);
    if (field.use != Use::Refused || found == config.end() || is_default(*found)) continue;
    return input_error(std::string(field.name) + " is set, which " + field.why +
                           "; Luthier does not compute that.",
                       where + ": " + field.name,
                       "Merge the adapter with the program that made it.");
  }
  return {};
}

std::vector<std::string> unknown_fields(const std::vector<SettingField>& fields,
                                        const Json& config) {
  std::vector<std::string> unknown;
  for (const auto& [name, value] : config.items()) {
    const auto is = [key = name](const SettingField& field) { return key == field.name; };
    const bool known = std::any_of(fields.begin(), fields.end(), is) ||
                       std::any_of(common_fields().begin(), common_fields().end(), is);
    if (!known) unknown.push_back(name);
  }
  return unknown;
}

Result<ModuleSelector> read_selector(const Json& config, const char* key,
                                     const std::string& where) {
  const auto found = config.find(key);
  if (found == config.end() || found->is_null()) return ModuleSelector();
  if (!found->is_string() && !found->is_array())
    return input_error("A list of names or one pattern is expected.", where + ": " + key);
  for (const Json& name : found->is_array() ? *found : Json::array()) {
    if (!name.is_string()) return input_error("A list of names is expected.", where + ": " + key);
  }
  return selector_from_json(*found);
}

Status read_module_settings(const Json& config, const std::string& where,
                            AdapterSettings& settings) {
  LUTHIER_TRY(settings.target_modules, read_selector(config, "target_modules", where));
  LUTHIER_TRY(settings.exclude_modules, read_selector(config, "exclude_modules", where));
  LUTHIER_TRY(const ModuleSelector saved, read_selector(config, "modules_to_save", where));
  settings.modules_to_save = saved.names;
  // PEFT adds both names of a head by the task, and one of them is no module. A head of scores is
  // the reward model's to say (score_head), one of classes a module of the checkpoint.
  const auto task = config.find("task_type");
  if (task != config.end() && (*task == "SEQ_CLS" || *task == "TOKEN_CLS"))
    std::erase(settings.modules_to_save, "score");
  return {};
}

void write_module_settings(const AdapterSettings& settings, Json& config) {
  config["target_modules"] = selector_to_json(settings.target_modules);
  config["exclude_modules"] = selector_to_json(settings.exclude_modules);
  config["modules_to_save"] =
      settings.modules_to_save.empty() ? Json(nullptr) : Json(settings.modules_to_save);
}

namespace {

std::string leaf_of(const RecipeField& field) {
  return field.about.key.substr(field.about.key.rfind('.') + 1);
}

/// Whether a kind's setting is the adapter's; others are of its training, and in no folder.
bool is_of_adapter(const RecipeField& field) { return field.about.key.starts_with("adapter."); }

/// null or an empty list, where that is the default.
bool says_nothing(const RecipeField& field, const Json& value) {
  const bool empty = value.is_null() || (value.is_array() && value.empty());
  return empty && field.read(Recipe()).is_null();
}

/// A recipe keeps numbers of a list as their text.
Json as_numbers(const Json& texts) {
  Json numbers = Json::array();
  for (const Json& text : texts) {
    const Json number = Json::parse(text.get<std::string>(), nullptr, /*allow_exceptions=*/false);
    numbers.push_back(number.is_number() ? number : text);
  }
  return numbers;
}

}  // namespace

Status read_own_settings(const Kind& kind, const Json& config, const std::string& where,
                         AdapterSettings& settings) {
  Recipe recipe;
  recipe.adapter = std::move(settings);
  for (const RecipeField& field : kind.fields) {
    if (!is_of_adapter(field)) continue;
    const std::string leaf = leaf_of(field);
    const auto found = config.find(leaf);
    if (found == config.end()) continue;
    if (says_nothing(field, *found)) continue;
    LUTHIER_TRY(const Json value, check_value(field, *found, where + ": " + leaf));
    field.write(recipe, value);
  }
  settings = std::move(recipe.adapter);
  return {};
}

void write_own_settings(const Kind& kind, const AdapterSettings& settings, Json& config) {
  Recipe recipe;
  recipe.adapter = settings;
  for (const RecipeField& field : kind.fields) {
    if (!is_of_adapter(field)) continue;
    const Json value = field.read(recipe);
    const bool null_choice = field.about.type == FieldDescription::Type::Choice && value == "null";
    const bool of_numbers = field.numbers && value.is_array();
    config[leaf_of(field)] = null_choice ? Json(nullptr) : of_numbers ? as_numbers(value) : value;
  }
}

namespace {

constexpr const char* kBiasSetting = "adapter.bias";

/// The settings of `kind` that stand in a config under their own names.
std::vector<const RecipeField*> plain_fields(const Kind& kind) {
  std::vector<const RecipeField*> plain;
  for (const std::string& key : kind.shares) {
    const bool elsewhere = key == "adapter.target_modules" || key == "adapter.exclude_modules" ||
                           key == "adapter.modules_to_save" || key == "adapter.init_from";
    if (const RecipeField* field = exact_field(key); field && !elsewhere) plain.push_back(field);
  }
  for (const RecipeField& field : kind.fields)
    if (field.about.key != kBiasSetting) plain.push_back(&field);
  return plain;
}

/// Whether the base's biases can train under a kind.
bool has_biases(const Kind& kind) {
  const auto is = [](const RecipeField& field) { return field.about.key == kBiasSetting; };
  return std::any_of(kind.fields.begin(), kind.fields.end(), is);
}

/// PEFT takes METHOD_only by its end, whatever stands before that.
Result<std::string> read_bias(const Kind& kind, const Json& config, const std::string& where) {
  LUTHIER_TRY(std::string bias, json_string(config, "bias", where, "none"));
  if (bias == "none") return bias;
  if (!has_biases(kind))
    return input_error("bias is \"" + bias + "\", which Luthier does not train.", where + ": bias",
                       "Only none is known.");
  if (bias == "all" || bias.ends_with("_only")) return bias;
  return input_error("bias is \"" + bias + "\", which PEFT 0.21 does not know.", where + ": bias",
                     "Known: none, all, " + std::string(kind.name) + "_only.");
}

/// As PEFT writes it: a whole number without a point, words that are none as what they are.
Json as_written(const RecipeField& field, const Json& value) {
  if (field.numbers && value.is_array()) return as_numbers(value);
  if (value == "null") return nullptr;
  if (value == "true" || value == "false") return value == "true";
  if (!value.is_number_float()) return value;
  const auto number = value.get<double>();
  if (number != std::floor(number) || std::abs(number) > 1e15) return value;
  return static_cast<std::int64_t>(number);
}

}  // namespace

Result<AdapterSettings> read_kind_settings(const Kind& kind, const Json& config,
                                           const std::string& where) {
  Recipe recipe;
  for (const KindDefault& entry : kind.defaults) {
    const RecipeField* field = exact_field(entry.key);
    if (field && entry.key.starts_with("adapter.")) field->write(recipe, entry.value);
  }
  LUTHIER_TRY(recipe.adapter.bias, read_bias(kind, config, where));
  LUTHIER_CHECK(read_module_settings(config, where, recipe.adapter));
  for (const RecipeField* field : plain_fields(kind)) {
    const std::string leaf = leaf_of(*field);
    const auto found = config.find(leaf);
    if (found == config.end() || says_nothing(*field, *found)) continue;
    if (found->is_null() && field->about.type != FieldDescription::Type::Choice) {
      if (!field->about.nullable) continue;
    }
    LUTHIER_TRY(const Json value, check_value(*field, *found, where + ": " + leaf));
    field->write(recipe, value);
  }
  return std::move(recipe.adapter);
}

Json write_kind_settings(const Kind& kind, const AdapterSettings& settings) {
  Recipe recipe;
  recipe.adapter = settings;
  Json config = common_json();
  write_module_settings(settings, config);
  for (const RecipeField* field : plain_fields(kind))
    config[leaf_of(*field)] = as_written(*field, field->read(recipe));
  if (has_biases(kind)) config["bias"] = settings.bias;
  return config;
}

Json common_json() {
  return {{"auto_mapping", nullptr},
          {"inference_mode", true},
          {"revision", nullptr},
          {"task_type", nullptr}};
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/config/kind_values.h"

#include "engine/config/field_rows.h"

namespace luthier {
namespace {

/// The value, or the default of the field of that key.
Json value_of(const KindValues& values, const std::string& key) {
  if (const auto text = values.json(key)) return Json::parse(*text);
  const RecipeField* field = exact_field(key);
  return field ? field->read(Recipe()) : Json(nullptr);
}

}  // namespace

double KindValues::number(const std::string& key) const {
  return value_of(*this, key).get<double>();
}

std::int64_t KindValues::integer(const std::string& key) const {
  return value_of(*this, key).get<std::int64_t>();
}

bool KindValues::flag(const std::string& key) const { return value_of(*this, key).get<bool>(); }

std::string KindValues::text(const std::string& key) const {
  const Json value = value_of(*this, key);
  return value.is_null() ? std::string() : value.get<std::string>();
}

std::optional<double> KindValues::optional_number(const std::string& key) const {
  const Json value = value_of(*this, key);
  if (value.is_null()) return std::nullopt;
  return value.get<double>();
}

std::optional<std::int64_t> KindValues::optional_integer(const std::string& key) const {
  const Json value = value_of(*this, key);
  if (value.is_null()) return std::nullopt;
  return value.get<std::int64_t>();
}

std::vector<std::string> KindValues::names(const std::string& key) const {
  const Json value = value_of(*this, key);
  return value.is_null() ? std::vector<std::string>() : value.get<std::vector<std::string>>();
}

ModuleSelector KindValues::modules(const std::string& key) const {
  return selector_from_json(value_of(*this, key));
}

std::optional<std::string> KindValues::json(const std::string& key) const {
  const auto found = values_.find(key);
  if (found == values_.end()) return std::nullopt;
  return found->second;
}

}  // namespace luthier

namespace luthier::rows {

namespace {

/// Settings of `adapter` go where an adapter's settings go, all others with the recipe.
template <class AnyRecipe>
auto& store_of(AnyRecipe& recipe, const std::string& key) {
  return key.starts_with("adapter.") ? recipe.adapter.more : recipe.more;
}

}  // namespace

Row kind_value(Type type, const char* key, const char* label, const char* help, Json fallback) {
  Row row = describe(type, key, label, help);
  row.field.read = [name = std::string(key), fallback](const Recipe& recipe) {
    const auto text = store_of(recipe, name).json(name);
    return text ? Json::parse(*text) : fallback;
  };
  row.field.write = [name = std::string(key)](Recipe& recipe, const Json& value) {
    store_of(recipe, name).set_json(name, value.dump());
  };
  return row;
}

Row kind_number(const char* key, const char* label, const char* help, double fallback) {
  return kind_value(Type::Number, key, label, help, fallback);
}

Row kind_integer(const char* key, const char* label, const char* help, std::int64_t fallback) {
  return kind_value(Type::Integer, key, label, help, fallback);
}

Row kind_optional_integer(const char* key, const char* label, const char* help) {
  return kind_value(Type::Integer, key, label, help, nullptr).nullable();
}

Row kind_optional_number(const char* key, const char* label, const char* help) {
  return kind_value(Type::Number, key, label, help, nullptr).nullable();
}

Row kind_boolean(const char* key, const char* label, const char* help, bool fallback) {
  return kind_value(Type::Boolean, key, label, help, fallback);
}

Row kind_choice(const char* key, const char* label, const char* help,
                std::vector<std::string> choices, const char* fallback) {
  Row row = kind_value(Type::Choice, key, label, help, fallback);
  row.field.about.choices = std::move(choices);
  return row;
}

Row kind_text(const char* key, const char* label, const char* help, const char* fallback) {
  return kind_value(Type::Text, key, label, help, fallback);
}

Row kind_path(const char* key, const char* label, const char* help) {
  return kind_value(Type::Path, key, label, help, "").nullable();
}

Row kind_names(const char* key, const char* label, const char* help,
               std::vector<std::string> fallback) {
  return kind_value(Type::NameList, key, label, help,
                    fallback.empty() ? Json(nullptr) : Json(std::move(fallback)));
}

Row kind_modules(const char* key, const char* label, const char* help) {
  return kind_value(Type::Modules, key, label, help, nullptr);
}

std::vector<RecipeField> fields_of(std::vector<Row> rows) {
  std::vector<RecipeField> fields;
  for (Row& row : rows) fields.push_back(std::move(row.field));
  return fields;
}

std::vector<RecipeField> later_fields_of(std::vector<Row> rows) {
  std::vector<RecipeField> fields = fields_of(std::move(rows));
  for (RecipeField& field : fields) field.sectioned = true;
  return fields;
}

}  // namespace luthier::rows

// SPDX-License-Identifier: GPL-3.0-or-later
// Rows of the recipe's table under construction: a description, how it is read and written, then
// what narrows it. Settings that are members of a struct in recipe.h name the member; settings that
// a kind (a method, an objective, an optimizer) brings along live in KindValues and name nothing.
#pragma once

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/config/recipe_field.h"

namespace luthier::rows {

using Type = FieldDescription::Type;

struct Row {
  RecipeField field;

  Row unit(const char* text) && {
    field.about.unit = text;
    return std::move(*this);
  }
  Row at_least(double value) && {
    field.about.minimum = value;
    return std::move(*this);
  }
  Row at_most(double value) && {
    field.about.maximum = value;
    return std::move(*this);
  }
  Row above(double value) && {
    field.about.minimum = value;
    field.about.exclusive_minimum = true;
    return std::move(*this);
  }
  Row below(double value) && {
    field.about.maximum = value;
    field.about.exclusive_maximum = true;
    return std::move(*this);
  }
  Row advanced() && {
    field.about.advanced = true;
    return std::move(*this);
  }
  Row nullable() && {
    field.about.nullable = true;
    return std::move(*this);
  }
  /// Of a list: its entries are numbers, kept as they are written.
  Row numbers() && {
    field.numbers = true;
    return std::move(*this);
  }
  /// Values that exist elsewhere (PEFT, transformers) and are refused by name.
  Row not_built(std::vector<std::string> values) && {
    field.not_built = std::move(values);
    return std::move(*this);
  }
};

inline Row describe(Type type, const char* key, const char* label, const char* help) {
  Row row;
  row.field.about.type = type;
  row.field.about.key = key;
  row.field.about.label = label;
  row.field.about.help = help;
  return row;
}

/// A setting of a kind: `fallback` in the canonical form of its type (recipe_field.h).
Row kind_value(Type type, const char* key, const char* label, const char* help, Json fallback);
Row kind_number(const char* key, const char* label, const char* help, double fallback);
Row kind_integer(const char* key, const char* label, const char* help, std::int64_t fallback);
/// A whole number or null, which is its default.
Row kind_optional_integer(const char* key, const char* label, const char* help);
Row kind_optional_number(const char* key, const char* label, const char* help);
Row kind_boolean(const char* key, const char* label, const char* help, bool fallback);
Row kind_choice(const char* key, const char* label, const char* help,
                std::vector<std::string> choices, const char* fallback);
Row kind_text(const char* key, const char* label, const char* help, const char* fallback = "");
/// A path or null, which is its default.
Row kind_path(const char* key, const char* label, const char* help);
Row kind_names(const char* key, const char* label, const char* help,
               std::vector<std::string> fallback = {});
Row kind_modules(const char* key, const char* label, const char* help);

/// The rows' fields.
std::vector<RecipeField> fields_of(std::vector<Row> rows);
/// The same of a kind that came later: where another setting ends in the same name, a command line
/// that writes it without a section means that one still.
std::vector<RecipeField> later_fields_of(std::vector<Row> rows);

}  // namespace luthier::rows

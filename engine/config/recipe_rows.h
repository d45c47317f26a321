// SPDX-License-Identifier: GPL-3.0-or-later
// Rows of the recipe's table for settings that are members of a struct in recipe.h: what a row of
// each type looks like, and the training's rows, which have a file of their own.
#pragma once

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/config/field_rows.h"
#include "engine/config/kinds.h"

/// The member that a row is of.
#define LUTHIER_FIELD(path) \
  [](auto& recipe) -> auto& { return recipe.path; }

namespace luthier::rows {

constexpr double kMany = 1e12;

template <class Access>
Row text(Type type, const char* key, const char* label, const char* help, Access access) {
  Row row = describe(type, key, label, help);
  row.field.read = [access](const Recipe& recipe) { return Json(access(recipe)); };
  row.field.write = [access](Recipe& recipe, const Json& value) {
    access(recipe) = value.is_null() ? std::string() : value.get<std::string>();
  };
  return row;
}

template <class Access>
Row choice(const char* key, const char* label, const char* help, std::vector<std::string> choices,
           Access access) {
  Row row = text(Type::Choice, key, label, help, access);
  row.field.about.choices = std::move(choices);
  return row;
}

/// The choice of a kind: its words come from the kinds' table. A kind that is built is not refused.
template <class K, class Access>
Row kind_choice(const char* key, const char* label, const char* help, const std::vector<K>& kinds,
                Access access) {
  Row row = text(Type::Choice, key, label, help, access);
  for (const K& kind : kinds) {
    row.field.about.choices.push_back(kind.name);
    row.field.about.choice_help.push_back(kind.help);
  }
  return row;
}

/// A value that is always there, as its own JSON.
template <class Value, class Access>
Row plain(Type type, const char* key, const char* label, const char* help, Access access) {
  Row row = describe(type, key, label, help);
  row.field.read = [access](const Recipe& recipe) { return Json(access(recipe)); };
  row.field.write = [access](Recipe& recipe, const Json& value) {
    access(recipe) = value.get<Value>();
  };
  return row;
}

template <class Access>
Row integer(const char* key, const char* label, const char* help, Access access) {
  return plain<std::int64_t>(Type::Integer, key, label, help, access);
}

template <class Number, class Access>
Row optional(Type type, const char* key, const char* label, const char* help, Access access) {
  Row row = describe(type, key, label, help);
  row.field.about.nullable = true;
  row.field.read = [access](const Recipe& recipe) {
    const auto& value = access(recipe);
    return value ? Json(*value) : Json(nullptr);
  };
  row.field.write = [access](Recipe& recipe, const Json& value) {
    if (value.is_null())
      access(recipe).reset();
    else
      access(recipe) = value.get<Number>();
  };
  return row;
}

template <class Access>
Row optional_integer(const char* key, const char* label, const char* help, Access access) {
  return optional<std::int64_t>(Type::Integer, key, label, help, access);
}

template <class Access>
Row optional_number(const char* key, const char* label, const char* help, Access access) {
  return optional<double>(Type::Number, key, label, help, access);
}

/// A whole number that 0 and null take away.
template <class Access>
Row zero_as_null(const char* key, const char* label, const char* help, Access access) {
  Row row = describe(Type::Integer, key, label, help);
  row.field.about.nullable = true;
  row.field.read = [access](const Recipe& recipe) {
    return access(recipe) == 0 ? Json(nullptr) : Json(access(recipe));
  };
  row.field.write = [access](Recipe& recipe, const Json& value) {
    access(recipe) = value.is_null() ? 0 : value.get<std::int64_t>();
  };
  return row;
}

template <class Access>
Row number(const char* key, const char* label, const char* help, Access access) {
  return plain<double>(Type::Number, key, label, help, access);
}

template <class Access>
Row boolean(const char* key, const char* label, const char* help, Access access) {
  return plain<bool>(Type::Boolean, key, label, help, access);
}

template <class Access>
Row names(Type type, const char* key, const char* label, const char* help, Access access) {
  Row row = describe(type, key, label, help);
  row.field.read = [access](const Recipe& recipe) {
    const auto& list = access(recipe);
    return list.empty() ? Json(nullptr) : Json(list);
  };
  row.field.write = [access](Recipe& recipe, const Json& value) {
    access(recipe) =
        value.is_null() ? std::vector<std::string>() : value.get<std::vector<std::string>>();
  };
  return row;
}

template <class Access>
Row modules(const char* key, const char* label, const char* help, Access access) {
  Row row = describe(Type::Modules, key, label, help);
  row.field.read = [access](const Recipe& recipe) { return selector_to_json(access(recipe)); };
  row.field.write = [access](Recipe& recipe, const Json& value) {
    access(recipe) = selector_from_json(value);
  };
  return row;
}

template <class Access>
Row pattern(const char* key, const char* label, const char* help, Access access) {
  Row row = describe(Type::Pattern, key, label, help);
  row.field.whole_numbers =
      std::is_same_v<std::decay_t<decltype(access(std::declval<Recipe&>()).front().second)>,
                     std::int64_t>;
  row.field.read = [access](const Recipe& recipe) {
    Json map = Json::object();
    for (const auto& [name, value] : access(recipe)) map[name] = value;
    return map;
  };
  row.field.write = [access](Recipe& recipe, const Json& value) {
    auto& list = access(recipe);
    using Entry = typename std::decay_t<decltype(list)>::value_type::second_type;
    list.clear();
    for (const auto& [name, entry] : value.items())
      list.emplace_back(name, entry.template get<Entry>());
  };
  return row;
}

/// The settings of `training`.
std::vector<Row> training_rows();

}  // namespace luthier::rows

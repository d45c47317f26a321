// SPDX-License-Identifier: GPL-3.0-or-later
// Typed access to the fields of tokenizer files, in either kind of Json. Errors name the field.
#pragma once

#include <string>

#include "engine/base/result.h"
#include "engine/io/json.h"

namespace luthier {

/// The member, or nullptr when `object` is no object or has none (null counts as none).
template <class AnyJson>
const AnyJson* find_field(const AnyJson& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

template <class AnyJson>
Result<std::string> string_field(const AnyJson& object, const char* key, const std::string& where) {
  const AnyJson* field = find_field(object, key);
  if (!field || !field->is_string())
    return input_error("A string is needed here.", where + "." + key);
  return field->template get_ref<const std::string&>();
}

template <class AnyJson>
Result<std::string> string_field(const AnyJson& object, const char* key, const std::string& where,
                                 const std::string& fallback) {
  return find_field(object, key) ? string_field(object, key, where) : Result<std::string>(fallback);
}

template <class AnyJson>
Result<bool> bool_field(const AnyJson& object, const char* key, const std::string& where,
                        bool fallback) {
  const AnyJson* field = find_field(object, key);
  if (!field) return fallback;
  if (!field->is_boolean()) return input_error("true or false is needed here.", where + "." + key);
  return field->template get<bool>();
}

/// An integer within [low, high].
template <class AnyJson>
Result<std::int64_t> int_field(const AnyJson& object, const char* key, const std::string& where,
                               std::int64_t low, std::int64_t high) {
  const AnyJson* field = find_field(object, key);
  const bool in_range = field && field->is_number_integer() && *field >= low && *field <= high;
  if (!in_range) {
    return input_error("An integer from " + std::to_string(low) + " to " + std::to_string(high) +
                           " is needed here.",
                       where + "." + key);
  }
  return field->template get<std::int64_t>();
}

}  // namespace luthier

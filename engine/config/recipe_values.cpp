// SPDX-License-Identifier: GPL-3.0-or-later
// The rules of a value by the field's type: what a file or a form may give, in which range, and how
// it is written back.
#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include "engine/base/text.h"
#include "engine/config/names_elsewhere.h"
#include "engine/config/nearest_name.h"
#include "engine/config/recipe_field.h"
#include "engine/io/yaml.h"

namespace luthier {
namespace {

using Type = FieldDescription::Type;

constexpr double kLargestExactInteger = 9007199254740992.0;  // 2^53
constexpr std::size_t kLongestName =
    500;  // YAML's own limit for such a key is 1024 bytes, escapes counted
constexpr std::size_t kMostEntries = 100000;  // of a list or a map

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::string json_text(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string shown(const Json& value) {
  std::string text = json_text(value);
  if (text.size() <= 60) return text;
  std::size_t end = 57;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
    --end;  // not inside a character
  return text.substr(0, end) + "...";
}

std::string range_text(const FieldDescription& about) {
  std::string text;
  if (about.minimum)
    text = (about.exclusive_minimum ? "above " : "at least ") + yaml_number(*about.minimum);
  if (about.maximum)
    text += (text.empty() ? "" : " and ") +
            std::string(about.exclusive_maximum ? "below " : "at most ") +
            yaml_number(*about.maximum);
  return text;
}

Error wrong_type(const char* expected, const Json& value, const std::string& where,
                 std::string hint = {}) {
  return input_error(std::string("must be ") + expected + ", but is " + shown(value) + ".", where,
                     std::move(hint));
}

Result<double> check_number(const RecipeField& field, const Json& value, bool whole,
                            const std::string& where) {
  const FieldDescription& about = field.about;
  if (!value.is_number()) return wrong_type(whole ? "a whole number" : "a number", value, where);
  const double number = value.get<double>();
  if (!std::isfinite(number)) return input_error("must be a finite number.", where);
  if (whole && (number != std::floor(number) || std::abs(number) > kLargestExactInteger))
    return wrong_type("a whole number", value, where);
  const bool low = about.minimum && (number < *about.minimum ||
                                     (about.exclusive_minimum && number == *about.minimum));
  const bool high = about.maximum && (number > *about.maximum ||
                                      (about.exclusive_maximum && number == *about.maximum));
  if (low || high)
    return input_error("must be " + range_text(about) + ", but is " + shown(value) + ".", where);
  if (about.key == "training.max_steps" && number == 0)
    return input_error("must be -1 (as the epochs give) or above 0, but is 0.", where);
  return number;
}

Result<Json> check_text(const Json& value, const std::string& where) {
  if (value.is_null()) return Json("");
  if (!value.is_string())
    return wrong_type("text", value, where, value.is_structured() ? "" : "Put it in quotes.");
  if (value.get_ref<const std::string&>().find('\0') != std::string::npos)
    return input_error("holds a NUL character.", where);
  return value;
}

bool names_cuda_device(const std::string& text) {
  return text.starts_with("cuda:") && text.size() > 5 && text.size() <= 8 &&
         std::all_of(text.begin() + 5, text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

Error not_built(const RecipeField& field, const std::string& value, const std::string& where) {
  const std::vector<std::string> values =
      field.about.type == Type::Boolean ? std::vector<std::string>{"false"} : field.about.choices;
  return input_error("\"" + value + "\" is not built in this version.", where,
                     "What exists: " + joined(values) + ".");
}

bool offers(const FieldDescription& about, const char* choice) {
  return std::find(about.choices.begin(), about.choices.end(), choice) != about.choices.end();
}

/// "pissa_niter_4": a start with the number of its rounds.
bool names_pissa_rounds(const std::string& text) {
  constexpr std::string_view kStart = "pissa_niter_";
  if (!text.starts_with(kStart)) return false;
  const std::string rounds = text.substr(kStart.size());
  return !rounds.empty() && rounds.size() <= 3 &&
         rounds.find_first_not_of("0123456789") == std::string::npos;
}

Result<Json> check_choice(const RecipeField& field, const Json& value, const std::string& where) {
  const FieldDescription& about = field.about;
  std::string text;
  if (value.is_boolean())
    text = value.get<bool>() ? "true" : "false";
  else if (value.is_string())
    text = value.get<std::string>();
  else if (value.is_null() && offers(about, "null"))  // PEFT has it among words
    text = "null";
  else
    return wrong_type(("one of " + joined(about.choices)).c_str(), value, where);
  if (about.key == "training.optim") {  // transformers has two names for some
    if (text == "adamw_torch_fused") text = "adamw_torch";
    if (text == "adamw_bnb_8bit") text = "adamw_8bit";
  }
  if (about.key == "training.device" && names_cuda_device(text)) return Json(text);
  if (std::find(about.choices.begin(), about.choices.end(), text) != about.choices.end())
    return Json(text);
  if (offers(about, "pissa") && names_pissa_rounds(text)) return Json(text);
  if (std::find(field.not_built.begin(), field.not_built.end(), text) != field.not_built.end())
    return not_built(field, text, where);
  std::string hint;
  if (const std::string meant = choice_for_value(about.key, text); !meant.empty()) {
    hint = "Here it is " + meant + ".";
  } else if (!text.empty()) {
    hint = "The nearest is " + nearest_name(text, about.choices) + ".";
  }
  return input_error(
      "must be one of " + joined(about.choices) + ", but is " + shown(Json(text)) + ".", where,
      hint);
}

Result<Json> check_list(const Json& value, const char* expected, const std::string& where) {
  if (!value.is_array()) return wrong_type(expected, value, where);
  if (value.size() > kMostEntries)
    return input_error("holds more than " + std::to_string(kMostEntries) + " entries.", where);
  for (std::size_t i = 0; i < value.size(); ++i) {
    const std::string entry = where + "[" + std::to_string(i) + "]";
    if (!value[i].is_string() || value[i].get_ref<const std::string&>().empty())
      return wrong_type("text", value[i], entry);
    LUTHIER_TRY(auto checked, check_text(value[i], entry));
  }
  return value;
}

/// Numbers as their text, which reads back to the bit.
Json numbers_as_text(const Json& value) {
  if (value.is_number()) return yaml_number(value.get<double>());
  if (!value.is_array()) return value;
  Json texts = Json::array();
  for (const Json& entry : value)
    texts.push_back(entry.is_number() ? Json(yaml_number(entry.get<double>())) : entry);
  return texts;
}

/// A list of tokens, which PEFT also writes as a map whose one key is the embedding.
bool is_of_tokens(const RecipeField& field) {
  return field.numbers && field.about.unit == std::string("tokens");
}

/// The list of such a map.
Result<Json> list_of_tokens(const Json& value, const std::string& where) {
  const std::string name = value.size() == 1 ? value.begin().key() : std::string();
  if ((name == "embed_tokens" || name.ends_with(".embed_tokens")) && value.begin()->is_array())
    return value.begin().value();
  return input_error("is a map of other modules than the token embedding, whose rows alone train.",
                     where, "Write the tokens' ids: [5, 7], or {embed_tokens: [5, 7]}.");
}

Result<Json> check_modules(const RecipeField& field, const Json& value, const std::string& where) {
  if (value.is_null()) return value;
  if (value.is_array()) return check_list(value, "a list of names", where);
  if (!value.is_string())
    return wrong_type("null, a list of names, a regular expression or all-linear", value, where);
  if (value.get_ref<const std::string&>().empty())
    return input_error("is empty.", where, "Write null, a list of names or a regular expression.");
  if (value == "all-linear" && field.about.key == "adapter.exclude_modules")
    return input_error("all-linear would leave out every module.", where,
                       "Name the modules to leave out, or write null.");
  return check_text(value, where);
}

Result<Json> check_pattern(const RecipeField& field, const Json& value, const std::string& where) {
  if (value.is_null()) return Json::object();
  if (!value.is_object()) return wrong_type("a map from module names to numbers", value, where);
  if (value.size() > kMostEntries)
    return input_error("holds more than " + std::to_string(kMostEntries) + " entries.", where);
  Json checked = Json::object();
  for (const auto& [name, entry] : value.items()) {
    if (name.empty() || name.size() > kLongestName)
      return input_error("has an entry whose module name is empty or too long.", where);
    LUTHIER_TRY(double number, check_number(field, entry, field.whole_numbers, where + "." + name));
    if (field.whole_numbers)
      checked[name] = static_cast<std::int64_t>(number);
    else
      checked[name] = number;
  }
  return checked;
}

bool is_plain_name(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '_' || c == '.' || c == '-';
  });
}

/// Files with commas between them; one that has a comma in its name must be given as a list with
/// quotes.
std::vector<std::string> split_paths(const std::string& text) {
  std::vector<std::string> paths;
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string path = trimmed(text.substr(begin, end - begin));
    if (!path.empty()) paths.push_back(path);
    begin = end + 1;
  }
  return paths;
}

std::vector<std::string> split_names(const std::string& text) {
  std::vector<std::string> names;
  std::string name;
  for (char c : text + ",") {
    if (c == ',' || c == ' ' || c == '\t' || c == '\n') {
      if (!name.empty()) names.push_back(name);
      name.clear();
    } else {
      name += c;
    }
  }
  return names;
}

}  // namespace

ModuleSelector selector_from_json(const Json& value) {
  using Kind = ModuleSelector::Kind;
  if (value.is_array()) return {Kind::Names, value.get<std::vector<std::string>>(), {}};
  if (!value.is_string()) return {};
  if (value == "all-linear") return {Kind::AllLinear, {}, {}};
  return {Kind::Regex, {}, value.get<std::string>()};
}

Json selector_to_json(const ModuleSelector& selector) {
  switch (selector.kind) {
    case ModuleSelector::Kind::None: return nullptr;
    case ModuleSelector::Kind::Names: return Json(selector.names);
    case ModuleSelector::Kind::Regex: return selector.regex;
    case ModuleSelector::Kind::AllLinear: return "all-linear";
  }
  return nullptr;
}

Result<Json> check_value(const RecipeField& field, const Json& value, const std::string& where) {
  const FieldDescription& about = field.about;
  switch (about.type) {
    case Type::Text:
    case Type::Path: return check_text(value, where);
    case Type::Choice: return check_choice(field, value, where);
    case Type::Integer: {
      if (value.is_null() && about.nullable) return value;
      LUTHIER_TRY(double number, check_number(field, value, true, where));
      return Json(static_cast<std::int64_t>(number));
    }
    case Type::Number: {
      if (value.is_null() && about.nullable) return value;
      LUTHIER_TRY(double number, check_number(field, value, false, where));
      return Json(number);
    }
    case Type::Boolean: {
      if (!value.is_boolean()) return wrong_type("true or false", value, where);
      const std::string text = value.get<bool>() ? "true" : "false";
      if (std::find(field.not_built.begin(), field.not_built.end(), text) != field.not_built.end())
        return not_built(field, text, where);
      return value;
    }
    case Type::Paths:
    case Type::NameList: {
      if (value.is_null() || (value.is_string() && value == "")) return Json(nullptr);
      if (is_of_tokens(field) && value.is_object()) {
        LUTHIER_TRY(const Json list, list_of_tokens(value, where));
        return check_value(field, list, where);
      }
      if (value.is_string() || (field.numbers && value.is_number()))
        return check_list(Json::array({field.numbers ? numbers_as_text(value) : value}), "a list",
                          where);
      LUTHIER_TRY(Json list, check_list(field.numbers ? numbers_as_text(value) : value,
                                        about.type == Type::Paths ? "a file or a list of files"
                                                                  : "a list of names",
                                        where));
      if (list.empty()) return Json(nullptr);
      return list;
    }
    case Type::Modules: return check_modules(field, value, where);
    case Type::Pattern: return check_pattern(field, value, where);
  }
  return value;
}

Result<Json> value_from_text(const RecipeField& field, const std::string& raw,
                             const std::string& where) {
  const Type type = field.about.type;
  const std::string text = trimmed(raw);
  const char first = text.empty() ? '\0' : text.front();
  const bool quoted = first == '"' || first == '\'';
  Json value;
  if (text.empty() || text == "null" || text == "~") {
    value = nullptr;
  } else if ((type == Type::Text || type == Type::Path || type == Type::Choice) && !quoted) {
    value = text;
  } else if (type == Type::Paths && !quoted && first != '[') {
    value = split_paths(text);
  } else if (type == Type::NameList && !quoted && first != '[' &&
             !(is_of_tokens(field) && first == '{')) {
    value = split_names(text);
  } else if (type == Type::Modules && !quoted && first != '[') {
    const std::vector<std::string> names = split_names(text);
    const bool plain = !names.empty() && std::all_of(names.begin(), names.end(), is_plain_name);
    if (text == "all-linear" || !plain)
      value = text;
    else
      value = names;
  } else {
    const bool bare_map = type == Type::Pattern && first != '{';
    LUTHIER_TRY(value, parse_yaml(bare_map ? "{" + text + "}" : text, where));
  }
  return check_value(field, value, where);
}

std::string value_to_text(const FieldDescription& about, const Json& value) {
  if (value.is_null()) return about.type == Type::Paths ? "" : "null";
  switch (about.type) {
    case Type::Integer: return std::to_string(value.get<std::int64_t>());
    case Type::Number: return yaml_number(value.get<double>());
    case Type::Boolean: return value.get<bool>() ? "true" : "false";
    case Type::Text:
    case Type::Path:
    case Type::Choice: {
      const std::string text = value.get<std::string>();
      const bool odd = text == "null" || text == "~" || trimmed(text) != text ||
                       text.starts_with('"') || text.starts_with('\'');
      return odd ? json_text(value) : text;
    }
    case Type::Paths: {
      const std::vector<std::string> paths = value.get<std::vector<std::string>>();
      const bool odd = std::any_of(paths.begin(), paths.end(), [](const std::string& path) {
        return path.empty() || path == "null" || path == "~" || trimmed(path) != path ||
               path.find(',') != std::string::npos || path.find_first_of("\"'[") == 0;
      });
      return odd ? json_text(value) : joined(paths);
    }
    case Type::Modules:
      if (value.is_string()) {
        const std::string text = value.get<std::string>();
        const std::vector<std::string> names = split_names(text);
        const bool as_names =
            text != "all-linear" && std::all_of(names.begin(), names.end(), is_plain_name);
        const bool odd = as_names || trimmed(text) != text || text == "null" || text == "~" ||
                         text.find_first_of("\"'[") == 0;
        return odd ? json_text(value) : text;
      }
      [[fallthrough]];
    case Type::NameList: {
      const std::vector<std::string> names = value.get<std::vector<std::string>>();
      const bool plain = !names.empty() && std::all_of(names.begin(), names.end(), is_plain_name) &&
                         !(names.size() == 1 && (names[0] == "all-linear" || names[0] == "null"));
      return plain ? joined(names) : json_text(value);
    }
    case Type::Pattern: {
      std::string text;
      for (const auto& [name, entry] : value.items())
        text += (text.empty() ? "" : ", ") + yaml_text(name) + ": " +
                (entry.is_number_integer() ? std::to_string(entry.get<std::int64_t>())
                                           : yaml_number(entry.get<double>()));
      return "{" + text + "}";
    }
  }
  return {};
}

std::string yaml_number(double value) {
  char buffer[64];
  const double size = std::abs(value);
  if (value == 0 || (size >= 1e-3 && size < 1e15)) {
    const auto end =
        std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed).ptr;
    return std::string(buffer, end);
  }
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  const std::string text(buffer, end);
  const std::size_t mark = text.find('e');
  if (mark == std::string::npos) return text;
  std::string mantissa = text.substr(0, mark);
  std::string exponent = text.substr(mark + 2);
  if (mantissa.find('.') == std::string::npos) mantissa += ".0";
  exponent.erase(0, std::min(exponent.find_first_not_of('0'), exponent.size() - 1));
  return mantissa + "e" + text[mark + 1] + exponent;
}

std::string yaml_text(const std::string& text) {
  static const std::vector<std::string> reserved = {"true", "false", "null", "yes", "no",
                                                    "on",   "off",   "y",    "n"};
  const std::string lower = ascii_lower(text);
  const bool letters = std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '_' || c == '-' || c == '.' || c == '/';
  });
  const bool starts_plain =
      !text.empty() && (std::isalpha(static_cast<unsigned char>(text[0])) || text[0] == '/' ||
                        text[0] == '_' || text.starts_with("./") || text.starts_with("../"));
  if (letters && starts_plain &&
      std::find(reserved.begin(), reserved.end(), lower) == reserved.end())
    return text;
  return json_text(Json(text));
}

}  // namespace luthier

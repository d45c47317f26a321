// SPDX-License-Identifier: GPL-3.0-or-later
// Jinja's filters on texts and numbers, and tojson as transformers defines it.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "engine/template/eval.h"
#include "engine/text/unicode.h"

namespace luthier::templates {

struct JsonStyle {
  std::string item = ", ", key = ": ", indent;
  bool pretty = false, ascii = false, sorted = false;
};

namespace {

void append_json_string(std::string& text, const std::string& value, bool ascii) {
  text += '"';
  for (std::size_t at = 0; at < value.size();) {
    const std::size_t begin = at;
    char32_t c = utf8_next(value, at);
    char escape[16];
    switch (c) {
      case '"': text += "\\\""; continue;
      case '\\': text += "\\\\"; continue;
      case '\n': text += "\\n"; continue;
      case '\r': text += "\\r"; continue;
      case '\t': text += "\\t"; continue;
      case '\b': text += "\\b"; continue;
      case '\f': text += "\\f"; continue;
      default: break;
    }
    if (c < 0x20 || (ascii && c > 0x7E)) {
      if (c > 0xFFFF) {
        c -= 0x10000;
        std::snprintf(escape, sizeof escape, "\\u%04x\\u%04x",
                      static_cast<unsigned>(0xD800 + (c >> 10)),
                      static_cast<unsigned>(0xDC00 + (c & 0x3FF)));
      } else {
        std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
      }
      text += escape;
    } else {
      text.append(value, begin, at - begin);
    }
  }
  text += '"';
}

std::string json_number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return float_text(value);
}

/// Upper case after each white space or opening bracket, lower case elsewhere.
std::string title(std::string_view text) {
  std::string result;
  bool start = true;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const char32_t c = utf8_next(text, at);
    const std::string_view part = text.substr(begin, at - begin);
    result += start ? to_upper(part) : to_lower(part);
    start = is_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
  }
  return result;
}

std::string escape_html(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&': result += "&amp;"; break;
      case '<': result += "&lt;"; break;
      case '>': result += "&gt;"; break;
      case '\'': result += "&#39;"; break;
      case '"': result += "&#34;"; break;
      default: result += c;
    }
  }
  return result;
}

/// What Python's int() reads: digits with an optional sign and single underscores, in a base.
bool read_int(std::string text, int base, std::int64_t& value) {
  text = strip(text, nullptr, true, true);
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.erase(0, 1);
  std::string digits;
  if (text.size() > 2 && text[0] == '0' && base != 10) {
    const char mark = static_cast<char>(text[1] | 0x20);
    if ((base == 16 && mark == 'x') || (base == 8 && mark == 'o') || (base == 2 && mark == 'b'))
      text.erase(0, 2);
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '_' && i > 0 && i + 1 < text.size() && text[i - 1] != '_') continue;
    digits += text[i];
  }
  if (digits.empty() || digits[0] == '-') return false;
  if (negative) digits.insert(0, 1, '-');
  const auto [rest, code] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  return code == std::errc() && rest == digits.data() + digits.size();
}

bool read_float(std::string text, double& value) {
  text = to_lower(strip(text, nullptr, true, true));
  if (text.starts_with('+')) text.erase(0, 1);
  if (text == "infinity" || text == "inf" || text == "-inf" || text == "-infinity") {
    value = text[0] == '-' ? -INFINITY : INFINITY;
    return true;
  }
  if (text.starts_with("0x")) return false;
  const auto [rest, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc() && rest == text.data() + text.size();
}

}  // namespace

Result<Value> Evaluator::apply_filter(const std::string& name, const Value& input,
                                      const Args& args) {
  LUTHIER_CHECK(charge(1));
  if (name == "default" || name == "d") {
    LUTHIER_TRY(const auto given, bind(args, {"default_value", "boolean"}, name));
    const bool replaced =
        input.is_undefined() || (given[1] && given[1]->truthy() && !input.truthy());
    return replaced ? (given[0] ? *given[0] : Value("")) : input;
  }
  if (name == "tojson") return filter_tojson(input, args);
  if (name == "abs" || name == "round" || name == "int" || name == "float")
    return filter_number(name, input, args);
  bool known = true;
  auto result = apply_text_filter(name, input, args, known);
  if (known) return result;
  known = true;
  auto list_result = apply_list_filter(name, input, args, known);
  if (known) return list_result;
  return fail("The filter '" + name + "' is not known.");
}

Result<Value> Evaluator::apply_text_filter(const std::string& name, const Value& input,
                                           const Args& args, bool& known) {
  if (name == "indent") return filter_indent(input, args);
  static constexpr const char* kNames[] = {
      "string", "upper", "lower", "title",       "capitalize", "trim",  "replace",
      "escape", "e",     "safe",  "forceescape", "wordcount",  "format"};
  if (std::none_of(std::begin(kNames), std::end(kNames),
                   [&](const char* each) { return name == each; })) {
    known = false;
    return Value();
  }
  LUTHIER_TRY(const std::string text, text_of(input));
  LUTHIER_CHECK(charge(text.size() / 16));
  if (name == "format") {
    if (!args.named.empty()) return fail("'format' with names is not supported.");
    return printf_format(text, args.positional);
  }
  if (name == "trim") {
    LUTHIER_TRY(const auto given, bind(args, {"chars"}, name));
    if (!given[0] || given[0]->is_none()) return text_value(strip(text, nullptr, true, true));
    if (!given[0]->is_string()) return type_error("'trim' needs a string of characters", *given[0]);
    return text_value(strip(text, &given[0]->string(), true, true));
  }
  if (name == "replace") {
    LUTHIER_TRY(const auto given, bind(args, {"old", "new", "count"}, name));
    if (!given[0] || !given[1]) return fail("'replace' needs what to replace, and by what.");
    Args plain;
    LUTHIER_TRY(std::string old_text, text_of(*given[0]));
    LUTHIER_TRY(std::string new_text, text_of(*given[1]));
    plain.positional = {Value(std::move(old_text)), Value(std::move(new_text))};
    if (given[2] && !given[2]->is_none()) plain.positional.push_back(*given[2]);
    return string_method(text, "replace", plain);
  }
  LUTHIER_CHECK(bind(args, {}, name).ok() ? Status()
                                          : Status(fail("'" + name + "' takes no arguments.")));
  if (name == "upper") return text_value(to_upper(text));
  if (name == "lower") return text_value(to_lower(text));
  if (name == "title") return text_value(title(text));
  if (name == "capitalize") return text_value(capitalized(text));
  if (name == "wordcount") {
    std::int64_t words = 0;
    bool inside = false;
    for (std::size_t at = 0; at < text.size();) {
      const bool word = is_word_character(utf8_next(text, at));
      words += word && !inside;
      inside = word;
    }
    return Value(words);
  }
  return text_value(name == "escape" || name == "e" || name == "forceescape" ? escape_html(text)
                                                                             : text);
}

Result<Value> Evaluator::filter_number(const std::string& name, const Value& input,
                                       const Args& args) {
  if (name == "abs") {
    LUTHIER_TRY([[maybe_unused]] const auto none, bind(args, {}, name));
    if (input.is_undefined()) return undefined_error(input);
    if (!input.is_number()) return type_error("'abs' needs a number", input);
    if (input.is_float()) return Value(std::abs(input.number()));
    return input.integer() < 0 ? arithmetic("-", Value(std::int64_t{0}), input)
                               : Out(Value(input.integer()));
  }
  if (name == "round") {
    LUTHIER_TRY(const auto given, bind(args, {"precision", "method"}, name));
    if (input.is_undefined()) return undefined_error(input);
    if (!input.is_number()) return type_error("'round' needs a number", input);
    if (given[0] && !given[0]->is_integral())
      return type_error("The precision of 'round' is an integer", *given[0]);
    const std::int64_t precision =
        given[0] ? std::clamp<std::int64_t>(given[0]->integer(), -300, 300) : 0;
    LUTHIER_TRY(const std::string method,
                given[1] ? text_of(*given[1]) : Result<std::string>(std::string("common")));
    if (method != "common" && method != "ceil" && method != "floor")
      return fail("The method of 'round' is common, ceil or floor.");
    if (method == "common" && input.is_integral() && precision >= 0) return Value(input.integer());
    const double scale = std::pow(10.0, static_cast<double>(precision)), value = input.number();
    if (method != "common")
      return Value((method == "ceil" ? std::ceil(value * scale) : std::floor(value * scale)) /
                   scale);
    if (precision < 0) {
      const double rounded = std::nearbyint(value * scale) / scale;
      return input.is_integral()
                 ? Value(static_cast<std::int64_t>(std::clamp(rounded, -9e18, 9e18)))
                 : Value(rounded);
    }
    char buffer[700];
    std::snprintf(buffer, sizeof buffer, "%.*f", static_cast<int>(precision), value);
    return Value(std::strtod(buffer, nullptr));
  }
  LUTHIER_TRY(const auto given, name == "int" ? bind(args, {"default", "base"}, name)
                                              : bind(args, {"default"}, name));
  if (input.is_undefined()) return undefined_error(input);
  if (name == "float") {
    double number = 0;
    if (input.is_number()) return Value(input.number());
    if (input.is_string() && read_float(input.string(), number)) return Value(number);
    return given[0] ? *given[0] : Value(0.0);
  }
  const std::int64_t base = given[1] && given[1]->is_integral() ? given[1]->integer() : 10;
  std::int64_t integer = 0;
  double number = 0;
  if (input.is_integral()) return Value(input.integer());
  if (input.is_string() && base >= 2 && base <= 36 &&
      read_int(input.string(), static_cast<int>(base), integer))
    return Value(integer);
  const bool read = input.is_float() || (input.is_string() && read_float(input.string(), number));
  if (input.is_float()) number = input.number();
  if (read && std::abs(number) < 9e18) return Value(static_cast<std::int64_t>(number));
  return given[0] ? *given[0] : Value(std::int64_t{0});
}

Result<Value> Evaluator::filter_indent(const Value& input, const Args& args) {
  LUTHIER_TRY(const auto given, bind(args, {"width", "first", "blank"}, "indent"));
  if (input.is_undefined()) return undefined_error(input);
  if (!input.is_string()) return type_error("'indent' needs a string", input);
  const std::string& text = input.string();
  std::string indention(4, ' ');
  if (given[0] && given[0]->is_string()) {
    indention = given[0]->string();
  } else if (given[0]) {
    if (!given[0]->is_integral())
      return type_error("The width of 'indent' is an integer or a string", *given[0]);
    LUTHIER_TRY(const Value spaces, repeat(Value(" "), given[0]->integer()));
    indention = spaces.string();
  }
  const bool first = given[1] && given[1]->truthy(), blank = given[2] && given[2]->truthy();
  const std::vector<std::string> lines = split_lines(text + "\n");
  LUTHIER_CHECK(check_size(text.size() + lines.size() * indention.size()));
  std::string result = first ? indention : "";
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) result += "\n";
    if (i > 0 && (blank || !lines[i].empty())) result += indention;
    result += lines[i];
  }
  return text_value(std::move(result));
}

Result<Value> Evaluator::filter_tojson(const Value& input, const Args& args) {
  LUTHIER_TRY(const auto given,
              bind(args, {"ensure_ascii", "indent", "separators", "sort_keys"}, "tojson"));
  JsonStyle style;
  style.ascii = given[0] && given[0]->truthy();
  style.sorted = given[3] && given[3]->truthy();
  if (given[1] && !given[1]->is_none()) {
    style.pretty = true;
    style.item = ",";
    if (given[1]->is_string()) {
      style.indent = given[1]->string();
    } else if (given[1]->is_integral() && given[1]->integer() <= 100) {
      style.indent = std::string(
          static_cast<std::size_t>(std::max<std::int64_t>(given[1]->integer(), 0)), ' ');
    } else {
      return fail("The indent of 'tojson' is a number up to 100 or a string.");
    }
  }
  if (given[2] && !given[2]->is_none()) {
    LUTHIER_TRY(const std::vector<Value> pair, iterate(*given[2]));
    if (pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string())
      return fail("The separators of 'tojson' are two strings.");
    style.item = pair[0].string();
    style.key = pair[1].string();
  }
  std::string text;
  LUTHIER_CHECK(append_json(input, text, style, 1));
  return text_value(std::move(text));
}

Status Evaluator::append_json(const Value& value, std::string& text, const JsonStyle& style,
                              std::size_t level) {
  LUTHIER_CHECK(charge(1));
  if (text.size() > limits_.max_output) return check_size(text.size());
  const auto line = [&](std::size_t depth) {
    if (!style.pretty) return;
    text += '\n';
    for (std::size_t i = 0; i < depth; ++i) text += style.indent;
  };
  if (value.is_none()) {
    text += "null";
  } else if (value.is_bool()) {
    text += value.boolean() ? "true" : "false";
  } else if (value.is_int()) {
    text += std::to_string(value.integer());
  } else if (value.is_float()) {
    text += json_number(value.number());
  } else if (value.is_string()) {
    LUTHIER_CHECK(charge(value.string().size() / 16));
    append_json_string(text, value.string(), style.ascii);
  } else if (value.is_list() && value.list().kind <= List::Kind::Tuple) {
    const auto& items = value.list().items;
    text += '[';
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i > 0) text += style.item;
      line(level);
      LUTHIER_CHECK(append_json(items[i], text, style, level + 1));
    }
    if (!items.empty()) line(level - 1);
    text += ']';
  } else if (value.is_dict()) {
    std::vector<std::pair<std::string, const Value*>> entries;
    for (const auto& [key, entry] : value.dict().items) {
      if (key.is_string()) {
        entries.emplace_back(key.string(), &entry);
      } else if (key.is_number() || key.is_none()) {
        std::string name;
        LUTHIER_CHECK(append_json(key, name, style, 1));
        entries.emplace_back(std::move(name), &entry);
      } else {
        return type_error("A key of JSON is a string", key);
      }
    }
    if (style.sorted)
      std::stable_sort(entries.begin(), entries.end(),
                       [](const auto& a, const auto& b) { return a.first < b.first; });
    text += '{';
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) text += style.item;
      line(level);
      append_json_string(text, entries[i].first, style.ascii);
      text += style.key;
      LUTHIER_CHECK(append_json(*entries[i].second, text, style, level + 1));
    }
    if (!entries.empty()) line(level - 1);
    text += '}';
  } else {
    if (value.is_undefined()) return undefined_error(value);
    return type_error("This cannot be written as JSON", value);
  }
  return {};
}

}  // namespace luthier::templates

// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/template/value.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "engine/text/unicode.h"

namespace luthier::templates {
namespace {

/// A text that is equal exactly for equal keys; "" where the value cannot be a key.
std::string key_text(const Value& value) {
  if (value.is_string()) return "s" + value.string();
  if (value.is_integral()) return "i" + std::to_string(value.integer());
  if (value.is_none()) return "n";
  if (value.is_float()) {
    const double number = value.number();
    if (std::floor(number) == number && std::abs(number) < 9e15)
      return "i" + std::to_string(static_cast<std::int64_t>(number));
    return "f" + float_text(number);
  }
  if (value.is_list() && value.list().kind == List::Kind::Tuple && value.nesting() <= 2 &&
      value.list().items.size() <= 64) {
    std::string text = "t";
    for (const Value& item : value.list().items) {
      const std::string part = key_text(item);
      if (part.empty()) return "";
      text += std::to_string(part.size()) + ":" + part;
    }
    return text;
  }
  return "";
}

}  // namespace

Value::Value(List list) : data_(std::make_shared<const List>(std::move(list))) {}
Value::Value(Dict dict) : data_(std::make_shared<const Dict>(std::move(dict))) {}

Value Value::undefined(std::string name) {
  Value value;
  value.data_ = Undefined{std::make_shared<const std::string>(std::move(name))};
  return value;
}

std::string Value::undefined_name() const {
  const auto& name = std::get<Undefined>(data_).name;
  return name ? *name : std::string("a value");
}

bool Value::truthy() const {
  if (is_undefined() || is_none()) return false;
  if (is_bool()) return boolean();
  if (is_int()) return integer() != 0;
  if (is_float()) return number() != 0;
  if (is_string()) return !string().empty();
  if (is_list()) return list().kind == List::Kind::Generator || !list().items.empty();
  if (is_dict()) return !dict().items.empty();
  return true;
}

std::size_t Value::nesting() const {
  if (is_list()) return list().nesting;
  if (is_dict()) return dict().nesting;
  return 0;
}

std::string Value::type_name() const {
  if (is_undefined()) return "Undefined";
  if (is_none()) return "NoneType";
  if (is_bool()) return "bool";
  if (is_int()) return "int";
  if (is_float()) return "float";
  if (is_string()) return "str";
  if (is_dict()) return "dict";
  if (is_object()) return object()->type_name();
  switch (list().kind) {
    case List::Kind::Tuple: return "tuple";
    case List::Kind::View: return "dict_items";
    case List::Kind::Generator: return "generator";
    default: return "list";
  }
}

const Value* Dict::find(std::string_view key) const {
  const auto found = index.find("s" + std::string(key));
  return found == index.end() ? nullptr : &items[found->second].second;
}

const Value* Dict::find(const Value& key) const {
  const auto found = index.find(key_text(key));
  return found == index.end() ? nullptr : &items[found->second].second;
}

bool Dict::set(const Value& key, Value value) {
  std::string text = key_text(key);
  if (text.empty()) return false;
  nesting = std::max({nesting, value.nesting() + 1, key.nesting() + 1});
  const auto [at, inserted] = index.emplace(std::move(text), items.size());
  if (inserted) {
    items.emplace_back(key, std::move(value));
  } else {
    items[at->second].second = std::move(value);
  }
  return true;
}

bool from_json(const Json& json, Value& value, std::size_t depth) {
  if (depth >= kMaxNesting) return false;
  switch (json.type()) {
    case Json::value_t::null: value = Value::none(); return true;
    case Json::value_t::boolean: value = json.get<bool>(); return true;
    case Json::value_t::number_integer: value = json.get<std::int64_t>(); return true;
    case Json::value_t::number_unsigned: {
      const auto number = json.get<std::uint64_t>();
      value = number <= INT64_MAX ? Value(static_cast<std::int64_t>(number))
                                  : Value(static_cast<double>(number));
      return true;
    }
    case Json::value_t::number_float: value = json.get<double>(); return true;
    case Json::value_t::string: value = json.get_ref<const std::string&>(); return true;
    case Json::value_t::array: {
      List list;
      for (const Json& item : json) {
        Value converted;
        if (!from_json(item, converted, depth + 1)) return false;
        list.add(std::move(converted));
      }
      value = Value(std::move(list));
      return true;
    }
    case Json::value_t::object: {
      Dict dict;
      for (const auto& [key, item] : json.items()) {
        Value converted;
        if (!from_json(item, converted, depth + 1)) return false;
        dict.set(Value(key), std::move(converted));
      }
      value = Value(std::move(dict));
      return true;
    }
    default: return false;
  }
}

std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char buffer[64];
  const auto scientific =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  const std::string text(buffer, scientific.ptr);
  const int exponent = std::atoi(text.c_str() + text.find('e') + 1);
  if (exponent < -4 || exponent >= 16) return text;
  const auto fixed = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed);
  std::string plain(buffer, fixed.ptr);
  if (plain.find('.') == std::string::npos) plain += ".0";
  return plain;
}

std::string python_quoted(std::string_view text) {
  const char quote =
      text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos ? '"'
                                                                                            : '\'';
  std::string result(1, quote);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const char32_t c = utf8_next(text, at);
    char escape[16];
    if (c == static_cast<char32_t>(quote) || c == '\\') {
      result += '\\';
      result += static_cast<char>(c);
    } else if (c == '\n' || c == '\r' || c == '\t') {
      result += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
    } else if (c < 0x20 || c == 0x7F || (c > 0x7F && (is_other(c) || is_space(c)))) {
      std::snprintf(escape, sizeof escape,
                    c < 0x100     ? "\\x%02x"
                    : c < 0x10000 ? "\\u%04x"
                                  : "\\U%08x",
                    static_cast<unsigned>(c));
      result += escape;
    } else {
      result.append(text.substr(begin, at - begin));
    }
  }
  return result += quote;
}

}  // namespace luthier::templates

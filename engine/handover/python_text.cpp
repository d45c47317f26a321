// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/handover/python_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace luthier::handover {

namespace {

constexpr std::size_t kWidest = 100;

std::string python_number(double value) {
  if (std::isnan(value)) return "float(\"nan\")";
  if (std::isinf(value)) return value > 0 ? "float(\"inf\")" : "float(\"-inf\")";
  char digits[40];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  std::string text(digits, end);
  // A whole number stays one of floating point.
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

template <class Each>
std::string joined(const Json& value, Each each) {
  std::string text;
  for (const auto& [key, entry] : value.items())
    text += (text.empty() ? "" : ", ") + each(key, entry);
  return text;
}

}  // namespace

// JSON's escapes are Python's, too, once all that is not ASCII stays as it is.
std::string python_text(const std::string& text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string python_literal(const Json& value) {
  if (value.is_null()) return "None";
  if (value.is_boolean()) return value.get<bool>() ? "True" : "False";
  if (value.is_number_float()) return python_number(value.get<double>());
  if (value.is_string()) return python_text(value.get<std::string>());
  if (value.is_array())
    return "[" +
           joined(value, [](const auto&, const Json& entry) { return python_literal(entry); }) +
           "]";
  if (value.is_object())
    return "{" +
           joined(value,
                  [](const std::string& key, const Json& entry) {
                    return python_text(key) + ": " + python_literal(entry);
                  }) +
           "}";
  return value.dump();
}

std::string python_call(const std::string& before, const std::string& name,
                        const std::vector<std::string>& positional, const Keywords& keywords,
                        int indent) {
  std::vector<std::string> parts = positional;
  for (const auto& [key, value] : keywords) {
    std::string part = key;
    part += "=";
    part += value;
    parts.push_back(std::move(part));
  }
  const std::string margin(static_cast<std::size_t>(indent), ' ');
  std::string line = margin + before + name + "(";
  for (std::size_t i = 0; i < parts.size(); ++i) line += (i == 0 ? "" : ", ") + parts[i];
  line += ")\n";
  if (line.size() <= kWidest + 1) return line;
  line = margin + before + name + "(\n";
  for (const std::string& part : parts) line += margin + "    " + part + ",\n";
  return line + margin + ")\n";
}

std::string python_comment(const std::string& text) {
  std::string lines, line = "#";
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find_first_of(" \n", at), text.size());
    const std::string word = text.substr(at, end - at);
    if (line.size() + 1 + word.size() > kWidest && line != "#") {
      lines += line + "\n";
      line = "#";
    }
    if (!word.empty()) line += " " + word;
    at = end + 1;
  }
  return lines + line + "\n";
}

}  // namespace luthier::handover

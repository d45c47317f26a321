// SPDX-License-Identifier: GPL-3.0-or-later
// The methods of strings, mappings and lists that templates may call.
#include <algorithm>

#include "engine/template/among.h"
#include "engine/template/eval.h"
#include "engine/text/unicode.h"

namespace luthier::templates {
namespace {

constexpr const char* kStringMethods[] = {
    "strip",      "lstrip",    "rstrip",  "split",   "rsplit",     "splitlines",   "startswith",
    "endswith",   "upper",     "lower",   "title",   "capitalize", "replace",      "join",
    "format",     "find",      "rfind",   "index",   "count",      "removeprefix", "removesuffix",
    "isdigit",    "isnumeric", "isalpha", "isalnum", "isspace",    "isupper",      "islower",
    "swapcase",   "casefold",  "zfill",   "ljust",   "rjust",      "center",       "partition",
    "rpartition", "encode"};
constexpr const char* kDictMethods[] = {"get", "items", "keys", "values", "copy"};
constexpr const char* kListMethods[] = {"index", "count", "copy"};

bool python_space(char32_t c) { return is_space(c) || (c >= 0x1C && c <= 0x1F); }

bool is_letter(char32_t c) {
  return is_word_character(c) && !is_numeric(c) && !is_mark(c) && c != '_';
}

/// Whether the text is not empty and every character is of a kind.
bool all_of(const std::string& text, bool (*kind)(char32_t)) {
  for (std::size_t at = 0; at < text.size();) {
    if (!kind(utf8_next(text, at))) return false;
  }
  return !text.empty();
}

std::string method_title(std::string_view text) {
  std::string result;
  bool inside = false;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const bool letter = is_letter(utf8_next(text, at));
    const std::string_view part = text.substr(begin, at - begin);
    result += inside ? to_lower(part) : to_upper(part);
    inside = letter;
  }
  return result;
}

}  // namespace

std::string strip(std::string_view text, const std::string* characters, bool left, bool right) {
  const auto wanted = [&](std::size_t begin, std::size_t end) {
    if (characters) return characters->find(text.substr(begin, end - begin)) != std::string::npos;
    std::size_t at = begin;
    return python_space(utf8_next(text, at));
  };
  std::size_t begin = 0, end = text.size();
  while (left && begin < end) {
    std::size_t next = begin;
    utf8_next(text, next);
    if (!wanted(begin, next)) break;
    begin = next;
  }
  while (right && end > begin) {
    std::size_t last = end - 1;
    while (last > begin && (static_cast<unsigned char>(text[last]) & 0xC0) == 0x80) --last;
    if (!wanted(last, end)) break;
    end = last;
  }
  return std::string(text.substr(begin, end - begin));
}

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t here = at;
    const char32_t c = utf8_next(text, at);
    const bool ends = (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 ||
                      c == 0x2028 || c == 0x2029;
    if (!ends) continue;
    if (c == '\r' && at < text.size() && text[at] == '\n') ++at;
    lines.emplace_back(text.substr(begin, here - begin));
    begin = at;
  }
  if (begin < text.size()) lines.emplace_back(text.substr(begin));
  return lines;
}

std::size_t byte_of_character(std::string_view text, std::size_t index) {
  std::size_t at = 0;
  for (; index > 0 && at < text.size(); --index) utf8_next(text, at);
  return at;
}

std::string capitalized(std::string_view text) {
  if (text.empty()) return "";
  std::size_t first = 0;
  utf8_next(text, first);
  return to_upper(text.substr(0, first)) + to_lower(text.substr(first));
}

bool Evaluator::has_method(const Value& value, const std::string& name) const {
  if (value.is_string()) return among(kStringMethods, name);
  if (value.is_dict()) return among(kDictMethods, name);
  if (value.is_list()) return value.list().kind <= List::Kind::Tuple && among(kListMethods, name);
  if (value.is_object() && dynamic_cast<const Loop*>(value.object()))
    return name == "cycle" || name == "changed";
  return false;
}

Result<Value> Evaluator::call_method(const Value& self, const std::string& name, const Args& args) {
  LUTHIER_CHECK(charge(1));
  if (self.is_string()) {
    LUTHIER_CHECK(charge(self.string().size() / 16));
    return string_method(self.string(), name, args);
  }
  if (self.is_dict()) return dict_method(self, name, args);
  if (self.is_list()) return list_method(self, name, args);
  auto* loop = dynamic_cast<Loop*>(self.object());
  if (name == "cycle") {
    if (args.positional.empty()) return fail("'loop.cycle' needs values.");
    return args.positional[loop->index % args.positional.size()];
  }
  List now;
  now.kind = List::Kind::Tuple;
  for (const Value& value : args.positional) now.add(value);
  LUTHIER_TRY(const Value values, list_value(std::move(now)));
  bool same = loop->changed_before;
  if (same) {
    LUTHIER_TRY(same, equals(loop->last_changed, values));
  }
  loop->changed_before = true;
  loop->last_changed = values;
  return Value(!same);
}

Result<Value> Evaluator::dict_method(const Value& self, const std::string& name, const Args& args) {
  const Dict& dict = self.dict();
  if (name == "get") {
    LUTHIER_TRY(const auto given, bind(args, {"key", "default"}, name));
    if (!given[0]) return fail("'get' needs a key.");
    if (const Value* found = dict.find(*given[0])) return *found;
    return given[1] ? *given[1] : Value::none();
  }
  LUTHIER_TRY([[maybe_unused]] const auto none, bind(args, {}, name));
  if (name == "copy") return self;
  List list;
  list.kind = List::Kind::View;
  for (const auto& [key, value] : dict.items) {
    if (name == "keys") {
      list.add(key);
    } else if (name == "values") {
      list.add(value);
    } else {
      List pair;
      pair.kind = List::Kind::Tuple;
      pair.add(key);
      pair.add(value);
      LUTHIER_TRY(Value entry, list_value(std::move(pair)));
      list.add(std::move(entry));
    }
  }
  return list_value(std::move(list));
}

Result<Value> Evaluator::list_method(const Value& self, const std::string& name, const Args& args) {
  if (name == "copy") return self;
  LUTHIER_TRY(const auto given, bind(args, {"value"}, name));
  if (!given[0]) return fail("'" + name + "' needs a value.");
  std::int64_t count = 0;
  const auto& items = self.list().items;
  for (std::size_t i = 0; i < items.size(); ++i) {
    LUTHIER_TRY(const bool same, equals(items[i], *given[0]));
    if (same && name == "index") return Value(static_cast<std::int64_t>(i));
    count += same;
  }
  if (name == "index") return fail("The value is not in the list.");
  return Value(count);
}

Result<Value> Evaluator::split_string(const std::string& self, const std::string& name,
                                      const Args& args) {
  LUTHIER_TRY(const auto given, bind(args, {"sep", "maxsplit"}, name));
  const bool from_right = name == "rsplit";
  std::int64_t most = given[1] && given[1]->is_integral() && given[1]->integer() >= 0
                          ? given[1]->integer()
                          : INT64_MAX;
  std::vector<std::string> parts;
  if (given[0] && !given[0]->is_none()) {
    if (!given[0]->is_string() || given[0]->string().empty())
      return fail("A separator is a string that is not empty.");
    const std::string& separator = given[0]->string();
    std::size_t begin = 0, end = self.size();
    for (; most > 0; --most) {
      const std::size_t at =
          from_right ? (end >= separator.size() ? self.rfind(separator, end - separator.size())
                                                : std::string::npos)
                     : self.find(separator, begin);
      if (at == std::string::npos) break;
      parts.push_back(from_right ? self.substr(at + separator.size(), end - at - separator.size())
                                 : self.substr(begin, at - begin));
      (from_right ? end : begin) = from_right ? at : at + separator.size();
      LUTHIER_CHECK(charge(1));
    }
    parts.push_back(self.substr(begin, end - begin));
  } else {
    std::string rest = strip(self, nullptr, true, true);
    std::vector<std::pair<std::size_t, std::size_t>> words;
    for (std::size_t at = 0; at < rest.size();) {
      const std::size_t here = at;
      const bool space = python_space(utf8_next(rest, at));
      if (!space && (words.empty() || words.back().second != here)) words.emplace_back(here, here);
      if (!space) words.back().second = at;
    }
    LUTHIER_CHECK(charge(words.size()));
    const std::size_t cuts = std::min<std::size_t>(
        static_cast<std::size_t>(std::min<std::int64_t>(most, INT32_MAX)), words.size());
    if (most >= static_cast<std::int64_t>(words.size())) {
      for (const auto& [begin, end] : words) parts.push_back(rest.substr(begin, end - begin));
    } else if (from_right) {
      const std::size_t first = words.size() - cuts;
      for (std::size_t i = words.size(); i > first; --i)
        parts.push_back(rest.substr(words[i - 1].first, words[i - 1].second - words[i - 1].first));
      parts.push_back(rest.substr(0, words[first - 1].second));
    } else {
      for (std::size_t i = 0; i < cuts; ++i)
        parts.push_back(rest.substr(words[i].first, words[i].second - words[i].first));
      parts.push_back(rest.substr(words[cuts].first));
    }
  }
  const bool reversed = from_right && !((!given[0] || given[0]->is_none()) && most == INT64_MAX);
  if (reversed && !((!given[0] || given[0]->is_none()) && parts.size() < 2))
    std::reverse(parts.begin(), parts.end());
  List list;
  for (std::string& part : parts) list.add(Value(std::move(part)));
  return list_value(std::move(list));
}

Result<Value> Evaluator::brace_format(const std::string& format, const Args& args) {
  std::string text;
  std::size_t next = 0;
  for (std::size_t i = 0; i < format.size(); ++i) {
    const char c = format[i];
    if ((c == '{' || c == '}') && i + 1 < format.size() && format[i + 1] == c) {
      text += c;
      ++i;
      continue;
    }
    if (c == '}') return fail("The format string has a single '}'.");
    if (c != '{') {
      text += c;
      continue;
    }
    const std::size_t end = format.find('}', i);
    if (end == std::string::npos) return fail("The format string has a single '{'.");
    const std::string field = format.substr(i + 1, end - i - 1);
    const Value* value = nullptr;
    const bool digits =
        !field.empty() && field.size() < 6 &&
        std::all_of(field.begin(), field.end(), [](char d) { return d >= '0' && d <= '9'; });
    if (field.empty() || digits) {
      const std::size_t at = digits ? static_cast<std::size_t>(std::stoi(field)) : next++;
      if (at < args.positional.size()) value = &args.positional[at];
    } else {
      for (const auto& [name, named] : args.named) {
        if (name == field) value = &named;
      }
    }
    if (!value)
      return fail("The format field '{" + field +
                  "}' has no value, or a kind that is not supported.");
    LUTHIER_TRY(const std::string part, text_of(*value));
    text += part;
    LUTHIER_CHECK(check_size(text.size()));
    i = end;
  }
  return text_value(std::move(text));
}

Result<Value> Evaluator::string_method(const std::string& self, const std::string& name,
                                       const Args& args) {
  if (name == "split" || name == "rsplit") return split_string(self, name, args);
  if (name == "format") return brace_format(self, args);
  if (name == "join") {
    LUTHIER_TRY(const auto given, bind(args, {"iterable"}, name));
    if (!given[0]) return fail("'join' needs a sequence.");
    LUTHIER_TRY(const std::vector<Value> items, iterate(*given[0]));
    for (const Value& value : items) {
      if (!value.is_string()) return type_error("'join' needs strings", value);
    }
    Args between;
    between.positional.push_back(Value(self));
    return filter_join(*given[0], between);
  }
  if (name == "strip" || name == "lstrip" || name == "rstrip") {
    LUTHIER_TRY(const auto given, bind(args, {"chars"}, name));
    if (given[0] && !given[0]->is_none() && !given[0]->is_string())
      return type_error("'" + name + "' needs a string", *given[0]);
    return text_value(strip(self, given[0] && given[0]->is_string() ? &given[0]->string() : nullptr,
                            name != "rstrip", name != "lstrip"));
  }
  if (name == "startswith" || name == "endswith") {
    LUTHIER_TRY(const auto given, bind(args, {"prefix"}, name));
    std::vector<Value> options;
    if (given[0] && given[0]->is_list()) options = given[0]->list().items;
    if (given[0] && given[0]->is_string()) options = {*given[0]};
    bool any = false;
    for (const Value& option : options) {
      if (!option.is_string()) return type_error("'" + name + "' needs a string", option);
      any = any || (name == "startswith" ? self.starts_with(option.string())
                                         : self.ends_with(option.string()));
    }
    if (!given[0] || (options.empty() && !given[0]->is_list()))
      return fail("'" + name + "' needs a string.");
    return Value(any);
  }
  if (name == "replace") {
    LUTHIER_TRY(const auto given, bind(args, {"old", "new", "count"}, name));
    if (!given[0] || !given[1] || !given[0]->is_string() || !given[1]->is_string())
      return fail("'replace' needs two strings.");
    const std::string &from = given[0]->string(), &to = given[1]->string();
    std::int64_t most = given[2] && given[2]->is_integral() && given[2]->integer() >= 0
                            ? given[2]->integer()
                            : INT64_MAX;
    std::string text;
    std::size_t at = 0;
    while (most-- > 0 && at <= self.size()) {
      std::size_t found = from.empty() ? at : self.find(from, at);
      if (found == std::string::npos) break;
      text.append(self, at, found - at).append(to);
      at = found + from.size();
      LUTHIER_CHECK(charge(1));
      if (text.size() > limits_.max_output) LUTHIER_CHECK(check_size(text.size()));
      if (from.empty()) {  // between all characters
        if (at >= self.size()) {
          at = self.size() + 1;
          break;
        }
        std::size_t after = at;
        utf8_next(self, after);
        text.append(self, at, after - at);
        at = after;
      }
    }
    if (at < self.size()) text.append(self, at);
    return text_value(std::move(text));
  }
  if (name == "find" || name == "rfind" || name == "index" || name == "count") {
    LUTHIER_TRY(const auto given, bind(args, {"sub"}, name));
    if (!given[0] || !given[0]->is_string()) return fail("'" + name + "' needs a string.");
    const std::string& part = given[0]->string();
    if (name == "count") {
      std::int64_t count = 0;
      for (std::size_t at = 0; !part.empty() && (at = self.find(part, at)) != std::string::npos;
           at += part.size())
        ++count;
      return Value(part.empty() ? static_cast<std::int64_t>(utf8_count(self)) + 1 : count);
    }
    const std::size_t at = name == "rfind" ? self.rfind(part) : self.find(part);
    if (at == std::string::npos)
      return name == "index" ? Out(fail("The text is not in the string."))
                             : Out(Value(std::int64_t{-1}));
    return Value(static_cast<std::int64_t>(utf8_count(std::string_view(self).substr(0, at))));
  }
  if (name == "removeprefix" || name == "removesuffix" || name == "partition" ||
      name == "rpartition") {
    LUTHIER_TRY(const auto given, bind(args, {"part"}, name));
    if (!given[0] || !given[0]->is_string()) return fail("'" + name + "' needs a string.");
    const std::string& part = given[0]->string();
    if (name == "removeprefix")
      return Value(self.starts_with(part) ? self.substr(part.size()) : self);
    if (name == "removesuffix")
      return Value(self.ends_with(part) ? self.substr(0, self.size() - part.size()) : self);
    if (part.empty()) return fail("A separator is a string that is not empty.");
    const std::size_t at = name == "partition" ? self.find(part) : self.rfind(part);
    List list;
    list.kind = List::Kind::Tuple;
    const bool found = at != std::string::npos, first = name == "partition";
    list.add(Value(found ? self.substr(0, at) : first ? self : ""));
    list.add(Value(found ? part : ""));
    list.add(Value(found ? self.substr(at + part.size()) : first ? "" : self));
    return list_value(std::move(list));
  }
  if (name == "zfill" || name == "ljust" || name == "rjust" || name == "center") {
    LUTHIER_TRY(const auto given, bind(args, {"width", "fillchar"}, name));
    if (!given[0] || !given[0]->is_integral()) return fail("'" + name + "' needs a width.");
    const auto size = static_cast<std::int64_t>(utf8_count(self));
    const std::int64_t missing = given[0]->integer() > size ? given[0]->integer() - size : 0;
    const std::string fill = name == "zfill"                     ? "0"
                             : given[1] && given[1]->is_string() ? given[1]->string()
                                                                 : " ";
    if (utf8_count(fill) != 1) return fail("One character fills.");
    const std::int64_t left = name == "ljust"    ? 0
                              : name == "center" ? missing / 2 + (missing & given[0]->integer() & 1)
                                                 : missing;
    LUTHIER_TRY(const Value before, repeat(Value(fill), left));
    LUTHIER_TRY(const Value after, repeat(Value(fill), missing - left));
    const bool sign = name == "zfill" && !self.empty() && (self[0] == '-' || self[0] == '+');
    return text_value((sign ? self.substr(0, 1) : "") + before.string() +
                      self.substr(sign ? 1 : 0) + after.string());
  }
  LUTHIER_TRY([[maybe_unused]] const auto none, bind(args, {}, name));
  if (name == "upper") return text_value(to_upper(self));
  if (name == "lower" || name == "casefold") return text_value(to_lower(self));
  if (name == "title") return text_value(method_title(self));
  if (name == "capitalize") return text_value(capitalized(self));
  if (name == "isdigit" || name == "isnumeric") return Value(all_of(self, is_numeric));
  if (name == "isalpha") return Value(all_of(self, is_letter));
  if (name == "isalnum")
    return Value(all_of(self, [](char32_t c) { return is_letter(c) || is_numeric(c); }));
  if (name == "isspace") return Value(all_of(self, python_space));
  if (name == "isupper") return Value(to_upper(self) == self && to_lower(self) != self);
  if (name == "islower") return Value(to_lower(self) == self && to_upper(self) != self);
  if (name == "splitlines") {
    List list;
    for (std::string& line : split_lines(self)) list.add(Value(std::move(line)));
    return list_value(std::move(list));
  }
  return fail("The method '" + name + "' is not supported.");
}

}  // namespace luthier::templates

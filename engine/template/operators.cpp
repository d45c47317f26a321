// SPDX-License-Identifier: GPL-3.0-or-later
// Attributes, items, slices, arithmetic, comparison and text of template values, as Python has
// them.
#include <algorithm>
#include <cmath>

#include "engine/template/eval.h"
#include "engine/text/unicode.h"

namespace luthier::templates {
namespace {

/// Attributes of Python's own types that begin so exist there and are refused; nothing of ours has
/// such a name.
bool is_internal(const std::string& name) { return name.starts_with("__") && name.ends_with("__"); }

/// An index counted from the end where negative; size where out of range.
std::size_t position(std::int64_t index, std::size_t size) {
  if (index < 0) index += static_cast<std::int64_t>(size);
  return index < 0 || index >= static_cast<std::int64_t>(size) ? size
                                                               : static_cast<std::size_t>(index);
}

}  // namespace

Result<Value> Evaluator::attribute(const Value& value, const std::string& name) {
  if (value.is_undefined()) return undefined_error(value);
  if (has_method(value, name)) {
    LUTHIER_CHECK(charge(4));
    auto* method = make_object<Function>();
    method->name = name;
    method->is_method = true;
    method->self = value;
    return Value(method);
  }
  if (value.is_dict() && !is_internal(name)) {
    if (const Value* found = value.dict().find(std::string_view(name))) return *found;
  }
  if (value.is_object()) {
    if (const auto* space = dynamic_cast<const Namespace*>(value.object())) {
      const auto found = space->fields.find(name);
      if (found != space->fields.end()) return found->second;
    }
    if (const auto* loop = dynamic_cast<const Loop*>(value.object()))
      return loop_attribute(*loop, name);
    if (const auto* macro = dynamic_cast<const Macro*>(value.object()); macro && name == "name")
      return Value(macro->name);
  }
  return Value::undefined("'" + value.type_name() + "' attribute '" + name + "'");
}

Result<Value> Evaluator::loop_attribute(const Loop& loop, const std::string& name) {
  if (!loop.items) return fail("The loop that 'loop' belongs to is over.");
  const auto index = static_cast<std::int64_t>(loop.index),
             size = static_cast<std::int64_t>(loop.items->size());
  if (name == "index") return Value(index + 1);
  if (name == "index0") return Value(index);
  if (name == "revindex") return Value(size - index);
  if (name == "revindex0") return Value(size - index - 1);
  if (name == "first") return Value(index == 0);
  if (name == "last") return Value(index + 1 == size);
  if (name == "length") return Value(size);
  if (name == "depth" || name == "depth0")
    return Value(std::int64_t{name == "depth"});  // counted in recursive loops only
  if (name == "previtem")
    return index > 0 ? (*loop.items)[loop.index - 1]
                     : Value::undefined("there is no previous item; it");
  if (name == "nextitem")
    return index + 1 < size ? (*loop.items)[loop.index + 1]
                            : Value::undefined("there is no next item; it");
  return Value::undefined("'loop' attribute '" + name + "'");
}

Result<Value> Evaluator::item(const Value& value, const Value& key) {
  if (value.is_undefined()) return undefined_error(value);
  if (value.is_dict()) {
    if (const Value* found = value.dict().find(key)) return *found;
  } else if (key.is_integral() && value.is_list() &&
             (value.list().kind == List::Kind::List || value.list().kind == List::Kind::Tuple)) {
    const auto& items = value.list().items;
    if (const std::size_t at = position(key.integer(), items.size()); at < items.size())
      return items[at];
  } else if (key.is_integral() && value.is_string()) {
    const std::string& text = value.string();
    LUTHIER_CHECK(charge(text.size() / 64));
    const std::size_t size = utf8_count(text), at = position(key.integer(), size);
    if (at < size) {
      std::size_t begin = byte_of_character(text, at), end = begin;
      utf8_next(text, end);
      return Value(text.substr(begin, end - begin));
    }
  }
  if (key.is_string()) return attribute(value, key.string());
  std::string name;
  LUTHIER_CHECK(append_repr(key, name));
  return Value::undefined("'" + value.type_name() + "' item " + name.substr(0, 100));
}

Result<Value> Evaluator::slice(const Value& value, const Value* first, const Value* last,
                               const Value* stride) {
  if (value.is_undefined()) return undefined_error(value);
  const bool sequence = value.is_list() && (value.list().kind == List::Kind::List ||
                                            value.list().kind == List::Kind::Tuple);
  if (!sequence && !value.is_string()) return type_error("This cannot be sliced", value);
  for (const Value* bound : {first, last, stride}) {
    if (bound && !bound->is_integral())
      return type_error("The bounds of a slice are integers", *bound);
  }
  LUTHIER_TRY(const std::size_t count, length(value));
  const auto size = static_cast<std::int64_t>(count);
  const std::int64_t step = stride ? stride->integer() : 1;
  if (step == 0) return fail("The step of a slice cannot be 0.");
  const std::int64_t lowest = step > 0 ? 0 : -1, highest = step > 0 ? size : size - 1;
  const auto clamp = [&](const Value* bound, std::int64_t otherwise) {
    if (!bound) return otherwise;
    std::int64_t at = bound->integer();
    if (at < 0) at = at < -size ? -1 : at + size;
    return at < 0 ? lowest : std::min(at, highest);
  };
  const std::int64_t begin = clamp(first, step > 0 ? 0 : size - 1),
                     end = clamp(last, step > 0 ? size : -1);
  if (value.is_string()) {
    LUTHIER_CHECK(charge(value.string().size() / 64));
    const std::string& text = value.string();
    if (step == 1) {
      if (begin >= end) return Value("");
      const std::size_t from = byte_of_character(text, static_cast<std::size_t>(begin));
      const std::size_t to = byte_of_character(text, static_cast<std::size_t>(end));
      return text_value(text.substr(from, to - from));
    }
    LUTHIER_TRY(const std::vector<Value> characters, iterate(value));
    std::string picked;
    for (std::int64_t at = begin; step > 0 ? at < end : at > end; at += step) {
      picked += characters[static_cast<std::size_t>(at)].string();
      if (step > size || step < -size) break;
    }
    return text_value(std::move(picked));
  }
  List list;
  list.kind = value.list().kind;
  for (std::int64_t at = begin; step > 0 ? at < end : at > end; at += step) {
    list.add(value.list().items[static_cast<std::size_t>(at)]);
    if (step > size || step < -size) break;  // the next one is far outside, and could overflow
  }
  return list_value(std::move(list));
}

Result<Value> Evaluator::repeat(const Value& sequence, std::int64_t count) {
  const auto times = static_cast<std::size_t>(std::max<std::int64_t>(count, 0));
  if (sequence.is_string()) {
    const std::string& text = sequence.string();
    if (!text.empty() && times > limits_.max_output / text.size())
      LUTHIER_CHECK(check_size(limits_.max_output + 1));
    LUTHIER_CHECK(check_size(text.size() * times));
    std::string repeated;
    for (std::size_t i = 0; !text.empty() && i < times; ++i) repeated += text;
    return Value(std::move(repeated));
  }
  List list;
  list.kind = sequence.list().kind;
  const auto& items = sequence.list().items;
  if (!items.empty() && times > limits_.max_steps / items.size())
    LUTHIER_CHECK(charge(limits_.max_steps + 1));
  LUTHIER_CHECK(charge(items.size() * times));
  for (std::size_t i = 0; !items.empty() && i < times; ++i) {
    for (const Value& value : items) list.add(value);
  }
  return Value(std::move(list));
}

Result<Value> Evaluator::integer_arithmetic(const std::string& op, std::int64_t left,
                                            std::int64_t right) {
  std::int64_t result = 0;
  bool overflow = false;
  if (op == "+") {
    overflow = __builtin_add_overflow(left, right, &result);
  } else if (op == "-") {
    overflow = __builtin_sub_overflow(left, right, &result);
  } else if (op == "*") {
    overflow = __builtin_mul_overflow(left, right, &result);
  } else if (op == "//" || op == "%" || op == "/") {
    if (right == 0) return fail("Division by zero.");
    if (op == "/") return Value(static_cast<double>(left) / static_cast<double>(right));
    overflow = left == INT64_MIN && right == -1;
    if (!overflow) {
      const std::int64_t quotient =
          left / right - ((left % right != 0 && (left < 0) != (right < 0)) ? 1 : 0);
      result = op == "//" ? quotient : left - quotient * right;
    }
  } else {  // **
    if (right < 0 && left == 0) return fail("Division by zero.");
    if (right < 0) return Value(std::pow(static_cast<double>(left), static_cast<double>(right)));
    result = 1;
    for (std::int64_t i = 0; i < right && !overflow && left != 1 && !(result == 0); ++i) {
      if (left == -1) {
        result = right % 2 == 0 ? 1 : -1;
        break;
      }
      overflow = __builtin_mul_overflow(result, left, &result);
    }
  }
  if (overflow) return fail("The result of " + op + " is larger than 64 bits.");
  return Value(result);
}

Result<Value> Evaluator::arithmetic(const std::string& op, const Value& left, const Value& right) {
  if (left.is_undefined()) return undefined_error(left);
  if (right.is_undefined()) return undefined_error(right);
  if (left.is_integral() && right.is_integral())
    return integer_arithmetic(op, left.integer(), right.integer());
  if (left.is_number() && right.is_number()) {
    const double a = left.number(), b = right.number();
    if (op == "+") return Value(a + b);
    if (op == "-") return Value(a - b);
    if (op == "*") return Value(a * b);
    if (op == "**") return Value(std::pow(a, b));
    if (b == 0) return fail("Division by zero.");
    if (op == "/") return Value(a / b);
    if (op == "//") return Value(std::floor(a / b));
    const double rest = std::fmod(a, b);
    return Value(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);
  }
  if (op == "+" && left.is_string() && right.is_string()) {
    LUTHIER_CHECK(check_size(left.string().size() + right.string().size()));
    return Value(left.string() + right.string());
  }
  const auto plain = [](const Value& value) {
    return value.is_list() && value.list().kind != List::Kind::View &&
           value.list().kind != List::Kind::Generator;
  };
  if (op == "+" && plain(left) && plain(right) && left.list().kind == right.list().kind) {
    List list = left.list();
    for (const Value& value : right.list().items) list.add(value);
    return list_value(std::move(list));
  }
  if (op == "*" && (left.is_string() || plain(left)) && right.is_integral())
    return repeat(left, right.integer());
  if (op == "*" && (right.is_string() || plain(right)) && left.is_integral())
    return repeat(right, left.integer());
  if (op == "%" && left.is_string()) {
    return printf_format(left.string(), right.is_list() && right.list().kind == List::Kind::Tuple
                                            ? right.list().items
                                            : std::vector<Value>{right});
  }
  return fail("'" + op + "' does not work between " + left.type_name() + " and " +
              right.type_name() + ".");
}

Result<bool> Evaluator::equals(const Value& left, const Value& right) {
  LUTHIER_CHECK(charge(1));
  if (left.is_number() && right.is_number()) {
    return left.is_integral() && right.is_integral() ? left.integer() == right.integer()
                                                     : left.number() == right.number();
  }
  if (left.is_string() && right.is_string()) {
    LUTHIER_CHECK(charge(std::min(left.string().size(), right.string().size()) / 64));
    return left.string() == right.string();
  }
  if (left.is_list() && right.is_list()) {
    const List &a = left.list(), &b = right.list();
    if (&a == &b) return true;
    if (a.kind != b.kind || a.kind == List::Kind::Generator || a.items.size() != b.items.size())
      return false;
    for (std::size_t i = 0; i < a.items.size(); ++i) {
      LUTHIER_TRY(const bool same, equals(a.items[i], b.items[i]));
      if (!same) return false;
    }
    return true;
  }
  if (left.is_dict() && right.is_dict()) {
    if (left.dict().items.size() != right.dict().items.size()) return false;
    for (const auto& [key, value] : left.dict().items) {
      const Value* other = right.dict().find(key);
      if (!other) return false;
      LUTHIER_TRY(const bool same, equals(value, *other));
      if (!same) return false;
    }
    return true;
  }
  if (left.is_object() && right.is_object()) return left.object() == right.object();
  return (left.is_none() && right.is_none()) || (left.is_undefined() && right.is_undefined());
}

Result<bool> Evaluator::less(const Value& left, const Value& right) {
  LUTHIER_CHECK(charge(1));
  if (left.is_undefined()) return undefined_error(left);
  if (right.is_undefined()) return undefined_error(right);
  if (left.is_integral() && right.is_integral()) return left.integer() < right.integer();
  if (left.is_number() && right.is_number()) return left.number() < right.number();
  if (left.is_string() && right.is_string()) {
    LUTHIER_CHECK(charge(std::min(left.string().size(), right.string().size()) / 64));
    return left.string() < right.string();
  }
  if (left.is_list() && right.is_list() && left.list().kind == right.list().kind &&
      left.list().kind <= List::Kind::Tuple) {
    const auto &a = left.list().items, &b = right.list().items;
    for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
      LUTHIER_TRY(const bool same, equals(a[i], b[i]));
      if (!same) return less(a[i], b[i]);
    }
    return a.size() < b.size();
  }
  return fail("Values of the types " + left.type_name() + " and " + right.type_name() +
              " have no order.");
}

Result<bool> Evaluator::contains(const Value& container, const Value& value) {
  if (container.is_undefined()) return false;
  if (container.is_string()) {
    if (!value.is_string()) return type_error("Only a string can be in a string", value);
    LUTHIER_CHECK(charge(container.string().size() / 16));
    return container.string().find(value.string()) != std::string::npos;
  }
  if (container.is_dict()) return container.dict().find(value) != nullptr;
  if (!container.is_list()) return type_error("'in' needs a string, list or mapping", container);
  for (const Value& item : container.list().items) {
    LUTHIER_TRY(const bool same, equals(item, value));
    if (same) return true;
  }
  return false;
}

Result<std::string> Evaluator::text_of(const Value& value) {
  if (value.is_string()) return value.string();
  if (value.is_undefined()) return std::string();
  std::string text;
  LUTHIER_CHECK(append_repr(value, text));
  return text;
}

Status Evaluator::append_repr(const Value& value, std::string& text) {
  LUTHIER_CHECK(charge(1));
  if (text.size() > limits_.max_output) return check_size(text.size());
  if (value.is_undefined()) {
    text += "Undefined";
  } else if (value.is_none()) {
    text += "None";
  } else if (value.is_bool()) {
    text += value.boolean() ? "True" : "False";
  } else if (value.is_int()) {
    text += std::to_string(value.integer());
  } else if (value.is_float()) {
    text += float_text(value.number());
  } else if (value.is_string()) {
    LUTHIER_CHECK(charge(value.string().size() / 16));
    text += python_quoted(value.string());
  } else if (value.is_dict()) {
    text += '{';
    for (std::size_t i = 0; i < value.dict().items.size(); ++i) {
      if (i > 0) text += ", ";
      LUTHIER_CHECK(append_repr(value.dict().items[i].first, text));
      text += ": ";
      LUTHIER_CHECK(append_repr(value.dict().items[i].second, text));
    }
    text += '}';
  } else if (value.is_list()) {
    const List& list = value.list();
    if (list.kind == List::Kind::Generator)
      return fail("A filter's sequence has no text; add |list.");
    const bool tuple = list.kind == List::Kind::Tuple;
    text += tuple ? "(" : list.kind == List::Kind::View ? "dict_items([" : "[";
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      if (i > 0) text += ", ";
      LUTHIER_CHECK(append_repr(list.items[i], text));
    }
    text += tuple                           ? (list.items.size() == 1 ? ",)" : ")")
            : list.kind == List::Kind::View ? "])"
                                            : "]";
  } else {
    text += "<" + value.type_name() + ">";
  }
  return {};
}

Result<std::vector<Value>> Evaluator::iterate(const Value& value) {
  std::vector<Value> items;
  if (value.is_undefined()) return items;
  if (value.is_list()) {
    LUTHIER_CHECK(charge(value.list().items.size()));
    return value.list().items;
  }
  if (value.is_dict()) {
    LUTHIER_CHECK(charge(value.dict().items.size()));
    for (const auto& [key, entry] : value.dict().items) items.push_back(key);
    return items;
  }
  if (value.is_string()) {
    const std::string& text = value.string();
    LUTHIER_CHECK(charge(text.size()));
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t begin = at;
      utf8_next(text, at);
      items.emplace_back(text.substr(begin, at - begin));
    }
    return items;
  }
  return type_error("This cannot be iterated", value);
}

Result<std::size_t> Evaluator::length(const Value& value) {
  if (value.is_undefined()) return std::size_t{0};
  if (value.is_string()) {
    LUTHIER_CHECK(charge(value.string().size() / 64));
    return utf8_count(value.string());
  }
  if (value.is_dict()) return value.dict().items.size();
  if (value.is_list() && value.list().kind != List::Kind::Generator)
    return value.list().items.size();
  return type_error("This has no length", value);
}

Result<Value> Evaluator::printf_format(const std::string& format,
                                       const std::vector<Value>& values) {
  std::string text;
  std::size_t used = 0;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 >= format.size()) {
      text += format[i];
      continue;
    }
    if (format[++i] == '%') {
      text += '%';
      continue;
    }
    std::string pattern = "%";
    while (i < format.size() &&
           std::string_view("-+ 0123456789.").find(format[i]) != std::string_view::npos &&
           pattern.size() < 12)
      pattern += format[i++];
    const char kind = i < format.size() ? format[i] : '\0';
    if (used >= values.size()) return fail("The format string needs more values.");
    const Value& value = values[used++];
    for (std::size_t at = 0, digits = 0; at < pattern.size(); ++at) {
      digits = pattern[at] >= '0' && pattern[at] <= '9' ? digits + 1 : 0;
      if (digits > 3) return fail("The format is too wide.");
    }
    char buffer[8400];
    if (kind == 's' || kind == 'r') {
      std::string part;
      if (kind == 's') {
        LUTHIER_TRY(part, text_of(value));
      } else {
        LUTHIER_CHECK(append_repr(value, part));
      }
      if (pattern != "%") return fail("Widths of strings are not supported in formats.");
      text += part;
    } else if ((kind == 'd' || kind == 'i' || kind == 'x' || kind == 'X') && value.is_number()) {
      if (value.is_float() && std::abs(value.number()) >= 9e18)
        return fail("The number is too large for the format.");
      const std::int64_t number =
          value.is_float() ? static_cast<std::int64_t>(value.number()) : value.integer();
      std::snprintf(buffer, sizeof buffer, (pattern + "ll" + (kind == 'i' ? 'd' : kind)).c_str(),
                    static_cast<long long>(number));
      text += buffer;
    } else if (std::string_view("fFeEgG").find(kind) != std::string_view::npos && kind != '\0' &&
               value.is_number()) {
      std::snprintf(buffer, sizeof buffer, (pattern + kind).c_str(), value.number());
      text += buffer;
    } else {
      return fail("The format '" + pattern + kind + "' does not fit its value (" +
                  value.type_name() + ").");
    }
    LUTHIER_CHECK(check_size(text.size()));
  }
  if (used < values.size()) return fail("The format string does not use all values.");
  return text_value(std::move(text));
}

}  // namespace luthier::templates

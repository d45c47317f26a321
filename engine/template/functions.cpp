// SPDX-License-Identifier: GPL-3.0-or-later
// Jinja's tests and the functions of the environment: range, dict, namespace, raise_exception,
// strftime_now.
#include <algorithm>
#include <ctime>

#include "engine/template/among.h"
#include "engine/template/eval.h"
#include "engine/text/unicode.h"

namespace luthier::templates {
Result<bool> Evaluator::apply_test(const std::string& name, const Value& input, const Args& args) {
  LUTHIER_CHECK(charge(1));
  const auto one = [&]() -> Result<const Value*> {
    if (args.positional.size() != 1 || !args.named.empty())
      return fail("The test '" + name + "' needs one argument.");
    return &args.positional[0];
  };
  if (name == "defined") return !input.is_undefined();
  if (name == "undefined") return input.is_undefined();
  if (name == "none") return input.is_none();
  if (name == "string") return input.is_string();
  if (name == "mapping") return input.is_dict();
  if (name == "number") return input.is_number();
  if (name == "integer") return input.is_int();
  if (name == "float") return input.is_float();
  if (name == "boolean") return input.is_bool();
  if (name == "true") return input.is_bool() && input.boolean();
  if (name == "false") return input.is_bool() && !input.boolean();
  if (name == "callable") return input.is_object() && input.object()->callable();
  if (name == "iterable")
    return input.is_undefined() || input.is_list() || input.is_dict() || input.is_string();
  if (name == "sequence") {
    return input.is_undefined() || input.is_dict() || input.is_string() ||
           (input.is_list() && input.list().kind <= List::Kind::Tuple);
  }
  if (name == "odd" || name == "even" || name == "divisibleby") {
    Value divisor(std::int64_t{2});
    if (name == "divisibleby") {
      LUTHIER_TRY(const Value* given, one());
      divisor = *given;
    }
    if (!input.is_undefined() && !input.is_number())
      return type_error("'" + name + "' needs a number", input);
    LUTHIER_TRY(const Value rest, arithmetic("%", input, divisor));
    return rest.number() == (name == "odd" ? 1 : 0);
  }
  if (name == "lower" || name == "upper") {
    LUTHIER_TRY(const std::string text, text_of(input));
    return name == "lower" ? to_lower(text) == text && to_upper(text) != text
                           : to_upper(text) == text && to_lower(text) != text;
  }
  static constexpr const char* kOne[] = {"equalto", "eq",          "ne", "lt", "lessthan", "le",
                                         "gt",      "greaterthan", "ge", "in", "sameas"};
  static constexpr const char* kSigns[] = {"==", "!=", "<", "<=", ">", ">="};
  if (!among(kOne, name) && !among(kSigns, name))
    return fail("The test '" + name + "' is not known.");
  LUTHIER_TRY(const Value* other, one());
  if (name == "in") return contains(*other, input);
  if (name == "sameas") {
    const bool simple = input.type_name() == other->type_name() &&
                        (input.is_none() || input.is_bool() || input.is_int() || input.is_string());
    return simple ? equals(input, *other)
                  : Result<bool>(input.is_object() && other->is_object() &&
                                 input.object() == other->object());
  }
  Result<bool> result = false;
  if (name == "equalto" || name == "eq" || name == "==" || name == "ne" || name == "!=") {
    result = equals(input, *other);
  } else if (name == "lt" || name == "lessthan" || name == "<" || name == "ge" || name == ">=") {
    result = less(input, *other);
  } else {
    result = less(*other, input);
  }
  if (!result) return result;
  const bool inverted =
      name == "ne" || name == "!=" || name == "ge" || name == ">=" || name == "le" || name == "<=";
  return *result != inverted;
}

Result<Value> Evaluator::function_range(const Args& args) {
  if (args.positional.empty() || args.positional.size() > 3 || !args.named.empty())
    return fail("'range' takes one to three integers.");
  for (const Value& value : args.positional) {
    if (!value.is_integral()) return type_error("'range' takes integers", value);
  }
  const bool one = args.positional.size() == 1;
  const std::int64_t begin = one ? 0 : args.positional[0].integer(),
                     end = args.positional[one ? 0 : 1].integer();
  const std::int64_t step = args.positional.size() == 3 ? args.positional[2].integer() : 1;
  if (step == 0) return fail("The step of 'range' cannot be 0.");
  List list;
  for (std::int64_t at = begin; step > 0 ? at < end : at > end;) {
    if (list.items.size() >= 100000) return fail("A range is larger than 100000 items.");
    list.add(Value(at));
    if (__builtin_add_overflow(at, step, &at)) break;
  }
  return list_value(std::move(list));
}

Result<Value> Evaluator::call_function(const std::string& name, const Args& args) {
  if (name == "range") return function_range(args);
  if (name == "raise_exception") {
    if (args.positional.size() != 1) return fail("'raise_exception' takes one message.");
    LUTHIER_TRY(const std::string message, text_of(args.positional[0]));
    return fail(message);
  }
  if (name == "strftime_now") {
    if (args.positional.size() != 1 || !args.positional[0].is_string() ||
        args.positional[0].string().size() > 256) {
      return fail("'strftime_now' takes one format of at most 256 bytes.");
    }
    const std::time_t now = std::time(nullptr);
    std::tm local{};
    localtime_r(&now, &local);
    char buffer[4096];
    const std::size_t size =
        std::strftime(buffer, sizeof buffer, args.positional[0].string().c_str(), &local);
    return text_value(utf8_lossy(std::string_view(buffer, size)));
  }
  // dict(...) and namespace(...): a mapping or pairs, then names.
  Dict dict;
  if (args.positional.size() > 1) return fail("'" + name + "' takes one mapping and named values.");
  if (!args.positional.empty() && args.positional[0].is_dict()) {
    dict = args.positional[0].dict();
    LUTHIER_CHECK(charge(dict.items.size()));
  } else if (!args.positional.empty()) {
    LUTHIER_TRY(const std::vector<Value> pairs, iterate(args.positional[0]));
    for (const Value& pair : pairs) {
      LUTHIER_TRY(const std::vector<Value> entry, iterate(pair));
      if (entry.size() != 2 || !dict.set(entry[0], entry[1]))
        return fail("'" + name + "' needs pairs of a key and a value.");
    }
  }
  for (const auto& [key, value] : args.named) dict.set(Value(key), value);
  if (dict.nesting > kMaxNesting)
    return fail("Lists and mappings are nested more than 100 levels deep.");
  if (name == "dict") return Value(std::move(dict));
  LUTHIER_CHECK(charge(8));
  auto* space = make_object<Namespace>();
  for (const auto& [key, value] : dict.items) {
    if (key.is_string()) space->fields[key.string()] = value;
  }
  return Value(space);
}

}  // namespace luthier::templates

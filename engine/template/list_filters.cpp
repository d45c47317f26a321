// SPDX-License-Identifier: GPL-3.0-or-later
// Jinja's filters on lists and mappings.
#include <algorithm>

#include "engine/template/eval.h"
#include "engine/text/unicode.h"

namespace luthier::templates {
namespace {

Value folded(const Value& value, bool case_sensitive) {
  return !case_sensitive && value.is_string() ? Value(to_lower(value.string())) : value;
}

/// The arguments after the first `count` positional ones.
Args rest_of(const Args& args, std::size_t count) {
  Args rest = args;
  rest.positional.erase(rest.positional.begin(),
                        rest.positional.begin() +
                            static_cast<std::ptrdiff_t>(std::min(count, rest.positional.size())));
  return rest;
}

List generator() {
  List list;
  list.kind = List::Kind::Generator;
  return list;
}

}  // namespace

Result<Value> Evaluator::apply_list_filter(const std::string& name, const Value& input,
                                           const Args& args, bool& known) {
  if (name == "join") return filter_join(input, args);
  if (name == "map") return filter_map(input, args);
  if (name == "select" || name == "reject" || name == "selectattr" || name == "rejectattr")
    return filter_select(name, input, args);
  if (name == "sort") return filter_sort(input, args);
  if (name == "dictsort") return filter_dictsort(input, args);
  if (name == "unique") return filter_unique(input, args);
  if (name == "min" || name == "max") return filter_extreme(name, input, args);
  if (name == "batch") return filter_batch(input, args);
  if (name == "groupby") return filter_groupby(input, args);
  if (name == "sum") return filter_sum(input, args);
  if (name == "attr") {
    LUTHIER_TRY(const auto given, bind(args, {"name"}, name));
    if (!given[0] || !given[0]->is_string()) return fail("'attr' needs a name.");
    if (input.is_dict() && !has_method(input, given[0]->string()))
      return Value::undefined("attribute '" + given[0]->string() + "'");
    return attribute(input, given[0]->string());
  }
  static constexpr const char* kPlain[] = {"length", "count",   "first", "last",
                                           "list",   "reverse", "items"};
  known = std::any_of(std::begin(kPlain), std::end(kPlain),
                      [&](const char* each) { return name == each; });
  if (!known) return Value();
  if (!args.positional.empty() || !args.named.empty())
    return fail("'" + name + "' takes no arguments.");
  if (name == "length" || name == "count") {
    LUTHIER_TRY(const std::size_t size, length(input));
    return Value(static_cast<std::int64_t>(size));
  }
  if (name == "items") {
    if (!input.is_dict() && !input.is_undefined())
      return type_error("'items' needs a mapping", input);
    if (input.is_undefined()) return list_value(generator());
    return dict_method(input, "items", {});
  }
  if (name == "reverse" && input.is_string()) {
    LUTHIER_TRY(const Value reversed,
                slice(input, nullptr, nullptr, std::make_unique<Value>(std::int64_t{-1}).get()));
    return reversed;
  }
  LUTHIER_TRY(std::vector<Value> items, iterate(input));
  if (name == "first")
    return items.empty() ? Value::undefined("the first item of an empty sequence") : items.front();
  if (name == "last")
    return items.empty() ? Value::undefined("the last item of an empty sequence") : items.back();
  List list;
  if (name == "reverse") {
    std::reverse(items.begin(), items.end());
    list.kind = List::Kind::Generator;
  }
  for (Value& value : items) list.add(std::move(value));
  return list_value(std::move(list));
}

/// An attribute by its dotted name ("function.name", "0.role"), as filters' `attribute` arguments
/// are.
Result<Value> Evaluator::path_of(const Value& value, const Value& path) {
  if (path.is_integral()) return item(value, path);
  if (!path.is_string()) return type_error("An attribute is named by a string", path);
  Value at = value;
  const std::string& text = path.string();
  LUTHIER_CHECK(charge(1 + text.size()));
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('.', begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    const bool digits =
        !part.empty() && part.size() < 10 &&
        std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
    LUTHIER_TRY(
        at, item(at, digits ? Value(static_cast<std::int64_t>(std::stoll(part))) : Value(part)));
    begin = end + 1;
  }
  return at;
}

Result<Value> Evaluator::filter_join(const Value& input, const Args& args) {
  LUTHIER_TRY(const auto given, bind(args, {"d", "attribute"}, "join"));
  LUTHIER_TRY(const std::string between,
              given[0] ? text_of(*given[0]) : Result<std::string>(std::string()));
  LUTHIER_TRY(const std::vector<Value> items, iterate(input));
  std::string text;
  for (std::size_t i = 0; i < items.size(); ++i) {
    Value value = items[i];
    if (given[1] && !given[1]->is_none()) {
      LUTHIER_TRY(value, path_of(items[i], *given[1]));
    }
    LUTHIER_TRY(const std::string part, text_of(value));
    if (i > 0) text += between;
    text += part;
    LUTHIER_CHECK(charge(part.size() / 64 + between.size() / 64));
    if (text.size() > limits_.max_output) LUTHIER_CHECK(check_size(text.size()));
  }
  return text_value(std::move(text));
}

Result<Value> Evaluator::filter_map(const Value& input, const Args& args) {
  LUTHIER_TRY(const std::vector<Value> items, iterate(input));
  List list = generator();
  if (args.positional.empty()) {
    LUTHIER_TRY(const auto given, bind(args, {"attribute", "default"}, "map"));
    if (!given[0]) return fail("'map' needs a filter or an attribute.");
    for (const Value& value : items) {
      LUTHIER_TRY(Value mapped, path_of(value, *given[0]));
      if (mapped.is_undefined() && given[1]) mapped = *given[1];
      list.add(std::move(mapped));
    }
    return list_value(std::move(list));
  }
  if (!args.positional[0].is_string())
    return type_error("'map' needs the name of a filter", args.positional[0]);
  const std::string filter = args.positional[0].string();
  const Args rest = rest_of(args, 1);
  if (depth_ + 1 > limits_.max_depth) return fail("Filters are nested too deeply.");
  ++depth_;
  for (const Value& value : items) {
    LUTHIER_TRY(Value mapped, apply_filter(filter, value, rest));
    list.add(std::move(mapped));
  }
  --depth_;
  return list_value(std::move(list));
}

Result<Value> Evaluator::filter_select(const std::string& name, const Value& input,
                                       const Args& args) {
  const bool by_attribute = name.ends_with("attr"), keep = name.starts_with("select");
  const std::size_t skipped = by_attribute ? 1 : 0;
  if (args.positional.size() < skipped) return fail("'" + name + "' needs an attribute.");
  std::string test;
  if (args.positional.size() > skipped) {
    if (!args.positional[skipped].is_string())
      return type_error("A test is named by a string", args.positional[skipped]);
    test = args.positional[skipped].string();
  }
  const Args rest = rest_of(args, skipped + 1);
  LUTHIER_TRY(const std::vector<Value> items, iterate(input));
  List list = generator();
  for (const Value& value : items) {
    Value tested = value;
    if (by_attribute) {
      LUTHIER_TRY(tested, path_of(value, args.positional[0]));
    }
    bool holds = tested.truthy();
    if (!test.empty()) {
      LUTHIER_TRY(holds, apply_test(test, tested, rest));
    }
    if (holds == keep) list.add(value);
  }
  return list_value(std::move(list));
}

/// Sorts (key, value) pairs by key, stably.
Status Evaluator::sort_values(std::vector<std::pair<Value, Value>>& keyed, bool reverse) {
  Status status;
  // Merge sort by hand: a comparison can fail, and std::sort must not see an inconsistent order
  // then.
  std::vector<std::pair<Value, Value>> other(keyed.size());
  for (std::size_t width = 1; width < keyed.size(); width *= 2) {
    for (std::size_t begin = 0; begin < keyed.size(); begin += 2 * width) {
      std::size_t left = begin, right = std::min(begin + width, keyed.size());
      const std::size_t middle = right, end = std::min(begin + 2 * width, keyed.size());
      for (std::size_t at = begin; at < end; ++at) {
        bool take_right = left >= middle;
        if (left < middle && right < end) {
          const auto order = reverse ? less(keyed[left].first, keyed[right].first)
                                     : less(keyed[right].first, keyed[left].first);
          if (!order) return order.error();
          take_right = *order;
        }
        other[at] = std::move(take_right ? keyed[right++] : keyed[left++]);
      }
    }
    keyed.swap(other);
  }
  return status;
}

Result<Value> Evaluator::filter_sort(const Value& input, const Args& args) {
  LUTHIER_TRY(const auto given, bind(args, {"reverse", "case_sensitive", "attribute"}, "sort"));
  const bool case_sensitive = given[1] && given[1]->truthy();
  LUTHIER_TRY(std::vector<Value> items, iterate(input));
  std::vector<std::pair<Value, Value>> keyed;
  for (Value& value : items) {
    Value key = value;
    if (given[2] && !given[2]->is_none()) {
      LUTHIER_TRY(key, path_of(value, *given[2]));
    }
    keyed.emplace_back(folded(key, case_sensitive), std::move(value));
  }
  LUTHIER_CHECK(sort_values(keyed, given[0] && given[0]->truthy()));
  List list;
  for (auto& [key, value] : keyed) list.add(std::move(value));
  return list_value(std::move(list));
}

Result<Value> Evaluator::filter_dictsort(const Value& input, const Args& args) {
  LUTHIER_TRY(const auto given, bind(args, {"case_sensitive", "by", "reverse"}, "dictsort"));
  if (!input.is_dict()) return type_error("'dictsort' needs a mapping", input);
  const bool by_value = given[1] && given[1]->is_string() && given[1]->string() == "value";
  const bool case_sensitive = given[0] && given[0]->truthy();
  std::vector<std::pair<Value, Value>> keyed;
  for (const auto& [key, value] : input.dict().items) {
    List pair;
    pair.kind = List::Kind::Tuple;
    pair.add(key);
    pair.add(value);
    LUTHIER_TRY(Value entry, list_value(std::move(pair)));
    keyed.emplace_back(folded(by_value ? value : key, case_sensitive), std::move(entry));
  }
  LUTHIER_CHECK(sort_values(keyed, given[2] && given[2]->truthy()));
  List list;
  for (auto& [key, value] : keyed) list.add(std::move(value));
  return list_value(std::move(list));
}

Result<Value> Evaluator::filter_unique(const Value& input, const Args& args) {
  LUTHIER_TRY(const auto given, bind(args, {"case_sensitive", "attribute"}, "unique"));
  LUTHIER_TRY(const std::vector<Value> items, iterate(input));
  List list = generator();
  Dict seen;
  for (const Value& value : items) {
    Value key = value;
    if (given[1] && !given[1]->is_none()) {
      LUTHIER_TRY(key, path_of(value, *given[1]));
    }
    key = folded(key, given[0] && given[0]->truthy());
    if (seen.find(key)) continue;
    if (!seen.set(key, Value(true))) return type_error("'unique' cannot compare this", key);
    list.add(value);
  }
  return list_value(std::move(list));
}

Result<Value> Evaluator::filter_extreme(const std::string& name, const Value& input,
                                        const Args& args) {
  LUTHIER_TRY(const auto given, bind(args, {"case_sensitive", "attribute"}, name));
  LUTHIER_TRY(const std::vector<Value> items, iterate(input));
  if (items.empty()) return Value::undefined("the " + name + " of an empty sequence");
  Value best, best_key;
  for (std::size_t i = 0; i < items.size(); ++i) {
    Value key = items[i];
    if (given[1] && !given[1]->is_none()) {
      LUTHIER_TRY(key, path_of(items[i], *given[1]));
    }
    key = folded(key, given[0] && given[0]->truthy());
    if (i > 0) {
      LUTHIER_TRY(const bool better, name == "min" ? less(key, best_key) : less(best_key, key));
      if (!better) continue;
    }
    best = items[i];
    best_key = std::move(key);
  }
  return best;
}

Result<Value> Evaluator::filter_batch(const Value& input, const Args& args) {
  LUTHIER_TRY(const auto given, bind(args, {"linecount", "fill_with"}, "batch"));
  if (!given[0] || !given[0]->is_integral() || given[0]->integer() < 1)
    return fail("'batch' needs a positive number.");
  const auto size = static_cast<std::size_t>(given[0]->integer());
  LUTHIER_TRY(const std::vector<Value> items, iterate(input));
  List batches = generator();
  for (std::size_t begin = 0; begin < items.size(); begin += std::min(size, items.size())) {
    List batch;
    for (std::size_t i = begin; i < items.size() && i - begin < size; ++i) batch.add(items[i]);
    if (given[1] && !given[1]->is_none() && batch.items.size() < size) {
      LUTHIER_CHECK(charge(size));
      while (batch.items.size() < size) batch.add(*given[1]);
    }
    LUTHIER_TRY(Value value, list_value(std::move(batch)));
    batches.add(std::move(value));
  }
  return list_value(std::move(batches));
}

Result<Value> Evaluator::filter_groupby(const Value& input, const Args& args) {
  LUTHIER_TRY(const auto given, bind(args, {"attribute", "default", "case_sensitive"}, "groupby"));
  if (!given[0]) return fail("'groupby' needs an attribute.");
  LUTHIER_TRY(const std::vector<Value> items, iterate(input));
  std::vector<std::pair<Value, Value>> keyed;
  for (const Value& value : items) {
    LUTHIER_TRY(Value key, path_of(value, *given[0]));
    if (key.is_undefined() && given[1]) key = *given[1];
    keyed.emplace_back(folded(key, given[2] && given[2]->truthy()), value);
  }
  LUTHIER_CHECK(sort_values(keyed, false));
  List groups;
  for (std::size_t begin = 0, end = 0; begin < keyed.size(); begin = end) {
    List members, pair;
    for (end = begin; end < keyed.size(); ++end) {
      LUTHIER_TRY(const bool same, equals(keyed[begin].first, keyed[end].first));
      if (!same) break;
      members.add(keyed[end].second);
    }
    LUTHIER_TRY(Value key, path_of(keyed[begin].second, *given[0]));
    LUTHIER_TRY(Value list, list_value(std::move(members)));
    pair.kind = List::Kind::Tuple;
    pair.add(key.is_undefined() && given[1] ? *given[1] : std::move(key));
    pair.add(std::move(list));
    LUTHIER_TRY(Value group, list_value(std::move(pair)));
    groups.add(std::move(group));
  }
  return list_value(std::move(groups));
}

Result<Value> Evaluator::filter_sum(const Value& input, const Args& args) {
  LUTHIER_TRY(const auto given, bind(args, {"attribute", "start"}, "sum"));
  LUTHIER_TRY(const std::vector<Value> items, iterate(input));
  Value total = given[1] ? *given[1] : Value(std::int64_t{0});
  for (const Value& entry : items) {
    Value value = entry;
    if (given[0] && !given[0]->is_none()) {
      LUTHIER_TRY(value, path_of(entry, *given[0]));
    }
    LUTHIER_TRY(total, arithmetic("+", total, value));
  }
  return total;
}

}  // namespace luthier::templates

// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/tools/row_search.h"

#include <charconv>
#include <optional>

#include "engine/base/text.h"
#include "engine/base/utf8.h"
#include "engine/data/tools/row_texts.h"

namespace luthier {

namespace {

std::optional<double> number_of(const std::string& text) {
  double value = 0;
  const std::string plain = trimmed(text);
  const auto end = std::from_chars(plain.data(), plain.data() + plain.size(), value);
  if (plain.empty() || end.ec != std::errc() || end.ptr != plain.data() + plain.size())
    return std::nullopt;
  return value;
}

bool meets(const Json& row, const RowCondition& condition) {
  using Is = RowCondition::Is;
  const std::string text = column_text(row, condition.column);
  const auto holds = [&] {
    return ascii_lower(text).find(ascii_lower(condition.value)) != std::string::npos;
  };
  switch (condition.is) {
    case Is::Equal: return text == condition.value;
    case Is::Unequal: return text != condition.value;
    case Is::Contains: return holds();
    case Is::Lacks: return !holds();
    case Is::Empty: return trimmed(text).empty();
    case Is::Filled: return !trimmed(text).empty();
    case Is::Above:
    case Is::Below: break;
  }
  const auto left = number_of(text), right = number_of(condition.value);
  if (!left || !right) return false;
  return condition.is == Is::Above ? *left > *right : *left < *right;
}

}  // namespace

Result<RowCondition> row_condition(const std::string& text) {
  using Is = RowCondition::Is;
  struct Sign {
    const char* text;
    Is is;
  };
  constexpr Sign kSigns[] = {{"!=", Is::Unequal}, {"!~", Is::Lacks}, {"=", Is::Equal},
                             {"~", Is::Contains}, {">", Is::Above},  {"<", Is::Below}};
  std::size_t at = text.find_first_of("!=~><");
  while (at != std::string::npos && text[at] == '!' && at + 1 < text.size() &&
         text[at + 1] != '=' && text[at + 1] != '~')
    at = text.find_first_of("!=~><", at + 1);
  RowCondition condition;
  if (at != std::string::npos && at > 0)
    for (const Sign& sign : kSigns) {
      const std::string_view mark = sign.text;
      if (text.compare(at, mark.size(), mark) != 0) continue;
      condition.column = trimmed(text.substr(0, at));
      condition.value = trimmed(text.substr(at + mark.size()));
      condition.is = sign.is;
      if (condition.value.empty() && condition.is == Is::Equal) condition.is = Is::Empty;
      if (condition.value.empty() && condition.is == Is::Unequal) condition.is = Is::Filled;
      break;
    }
  if (condition.column.empty())
    return input_error("\"" + shortened(text, 80) + "\" is no condition.", {},
                       "Write a column, a sign and a value: label=cat, answer~red, score>0.5.");
  const bool number = condition.is == Is::Above || condition.is == Is::Below;
  if (number && !number_of(condition.value))
    return input_error("\"" + shortened(condition.value, 60) + "\" is no number.", {},
                       "More and less are asked of numbers: score>0.5.");
  return condition;
}

bool fits(const Json& row, const RowQuery& query) {
  for (const RowCondition& condition : query.conditions)
    if (!meets(row, condition)) return false;
  if (query.text.empty()) return true;
  const std::string wanted = ascii_lower(query.text);
  bool found = false;
  each_text(row, [&](const std::string&, std::string_view text) {
    found = ascii_lower(text).find(wanted) != std::string::npos;
    return !found;
  });
  return found;
}

Result<std::vector<std::string>> column_values(const Dataset& dataset, const std::string& column,
                                               const RowProgress& progress) {
  std::vector<std::string> values(dataset.size());
  LUTHIER_CHECK(
      for_rows(dataset.size(), progress, [&](std::size_t first, std::size_t last, std::size_t) {
        for (std::size_t row = first; row < last; ++row)
          if (const auto json = dataset.row(row)) values[row] = column_text(*json, column);
      }));
  const bool any = std::any_of(values.begin(), values.end(),
                               [](const std::string& value) { return !value.empty(); });
  if (!any)
    return input_error("No row has the column \"" + shortened(column, 60) + "\".", {},
                       "Columns are named as the rows are read: see data columns.");
  return values;
}

Result<std::vector<std::size_t>> find_rows(const Dataset& dataset, const RowQuery& query,
                                           const RowProgress& progress) {
  std::vector<std::vector<std::size_t>> found(kMostRowWorkers);
  const std::string wanted = ascii_lower(query.text);
  LUTHIER_CHECK(for_rows(dataset.size(), progress,
                         [&](std::size_t first, std::size_t last, std::size_t thread) {
                           for (std::size_t row = first; row < last; ++row) {
                             if (!wanted.empty() && !dataset.may_hold(row, wanted)) continue;
                             if (const auto json = dataset.row(row); json && fits(*json, query))
                               found[thread].push_back(row);
                           }
                         }));
  std::vector<std::size_t> all;
  for (const auto& each : found) all.insert(all.end(), each.begin(), each.end());
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace luthier

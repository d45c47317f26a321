// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/columns.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include "engine/base/text.h"
#include "engine/base/utf8.h"
#include "engine/config/nearest_name.h"
#include "engine/data/sources/row_source.h"

namespace luthier {

const Json* column_value(const Json& row, const std::string& path) {
  if (!row.is_object()) return nullptr;
  if (const auto whole = row.find(path); whole != row.end()) return &*whole;
  const Json* at = &row;
  std::size_t begin = 0;
  while (begin <= path.size()) {
    const std::size_t end = std::min(path.find('.', begin), path.size());
    const std::string part = path.substr(begin, end - begin);
    if (at->is_object()) {
      const auto found = at->find(part);
      if (found == at->end()) return nullptr;
      at = &*found;
    } else if (at->is_array()) {
      const bool number = !part.empty() && part.size() < 7 &&
                          part.find_first_not_of("0123456789") == std::string::npos;
      if (!number || std::stoul(part) >= at->size()) return nullptr;
      at = &(*at)[std::stoul(part)];
    } else {
      return nullptr;
    }
    begin = end + 1;
  }
  return at;
}

namespace {

/// Keys that say the same of a row: a map that names one of them leaves the others out.
const std::vector<std::vector<std::string>>& column_groups() {
  static const std::vector<std::vector<std::string>> groups = {
      {"image", "images"},
      {"video", "videos"},
      {"messages", "conversations", "prompt", "completion", "instruction", "input", "output",
       "query", "response", "question", "answer", "history", "chosen", "rejected"},
      {"label", "kto_tag"},
      {"system"},
      {"text"},
      {"tools"}};
  return groups;
}

bool wants_text(const std::string& target) {
  for (const char* each : {"prompt", "completion", "system", "text", "chosen", "rejected"})
    if (target == each) return true;
  return false;
}

/// Of several answers that people gave, the one that most of them gave; the first of equals.
std::string most_given(const Json& list) {
  std::vector<std::pair<std::string, int>> counts;
  for (const Json& each : list) {
    const Json* said = &each;
    if (each.is_object())
      for (const char* key : {"answer", "text", "value", "caption"})
        if (each.contains(key)) {
          said = &each[key];
          break;
        }
    if (!said->is_string()) continue;
    const std::string text = said->get<std::string>();
    const auto found = std::find_if(counts.begin(), counts.end(),
                                    [&](const auto& one) { return one.first == text; });
    if (found == counts.end())
      counts.emplace_back(text, 1);
    else
      ++found->second;
  }
  const auto best =
      std::max_element(counts.begin(), counts.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  return best == counts.end() ? std::string() : best->first;
}

std::string plain_value(const Json& value) {
  if (value.is_null()) return {};
  if (value.is_string()) return value.get<std::string>();
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool holds_messages(const Json& value) {
  return value.is_array() && !value.empty() && value.front().is_object() &&
         (value.front().contains("role") || value.front().contains("from"));
}

/// The value as its key is read.
Json fitted(const std::string& target, const Json& value) {
  if (value.is_string()) return detail::typed_text(target, value.get<std::string>());
  if (!wants_text(target) || value.is_null() || holds_messages(value)) return value;
  if (value.is_array()) {
    const std::string said = most_given(value);
    return said.empty() ? value : Json(said);
  }
  if (value.is_object()) return value;
  return plain_value(value);
}

/// Calls `take` with each {column} of the text: where its braces stand, and what is between them.
template <class Take>
void each_mark(const std::string& form, Take take) {
  for (std::size_t at = 0;;) {
    const std::size_t open = form.find('{', at);
    const std::size_t close = open == std::string::npos ? open : form.find('}', open);
    if (close == std::string::npos) return;
    take(open, close, form.substr(open + 1, close - open - 1));
    at = close + 1;
  }
}

/// Not so what a question about JSON has between its braces.
bool could_be_column(const std::string& name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char letter) {
    return letter >= 0x80 || std::isalnum(letter) || letter == '_' || letter == '-' ||
           letter == '.' || letter == ' ';
  });
}

/// The text with each {column} replaced by its value in the row; braces that name none stay.
std::string filled_in(const std::string& form, const Json& row) {
  std::string text;
  std::size_t at = 0;
  each_mark(form, [&](std::size_t open, std::size_t close, const std::string& column) {
    text += form.substr(at, open - at);
    const Json* value = column_value(row, column);
    if (!value)
      text += form.substr(open, close + 1 - open);
    else if (value->is_array() && !most_given(*value).empty() && value->front().is_object())
      text += most_given(*value);
    else
      text += plain_value(*value);
    at = close + 1;
  });
  return text + form.substr(std::min(at, form.size()));
}

}  // namespace

std::string ColumnMap::column_of(const std::string& target) const {
  for (const auto& [is, column] : columns)
    if (is == target) return column;
  return {};
}

const std::vector<std::string>& column_targets() {
  static const std::vector<std::string> targets = {
      "image",  "images",   "video", "prompt", "completion", "messages", "conversations", "system",
      "chosen", "rejected", "label", "text",   "history",    "tools",    "boxes"};
  return targets;
}

Result<ColumnMap> column_map(const std::vector<std::string>& entries, const std::string& prompt,
                             const std::string& answer) {
  ColumnMap map;
  map.prompt = prompt;
  map.answer = answer;
  for (const std::string& entry : entries) {
    const std::size_t equals = entry.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == entry.size())
      return input_error("\"" + shortened(entry, 80) + "\" says no column.", "dataset_columns",
                         "Write what the column is, an equals sign and its name: image=photo.");
    const std::string target = trimmed(entry.substr(0, equals));
    const auto& targets = column_targets();
    if (std::find(targets.begin(), targets.end(), target) == targets.end()) {
      const std::string near = nearest_name(target, targets);
      std::string known;
      for (const std::string& each : targets) known += (known.empty() ? "" : ", ") + each;
      return input_error("\"" + shortened(target, 60) + "\" is nothing that a column can be.",
                         "dataset_columns",
                         edit_distance(near, target) <= 3 ? "The nearest is " + near + "."
                                                          : "It can be " + known + ".");
    }
    if (!map.column_of(target).empty())
      return input_error("Two columns are said to be " + target + ".", "dataset_columns",
                         "Name one of them.");
    map.columns.emplace_back(target, trimmed(entry.substr(equals + 1)));
  }
  return map;
}

Result<ColumnMap> column_map(const Recipe& recipe) {
  return column_map(recipe.more.names("dataset_columns"), recipe.more.text("dataset_prompt"),
                    recipe.more.text("dataset_answer"));
}

std::vector<std::string> column_entries(const ColumnMap& map) {
  std::vector<std::string> entries;
  for (const auto& [target, column] : map.columns) entries.push_back(target + "=" + column);
  return entries;
}

void set_columns(Recipe& recipe, const ColumnMap& map) {
  const auto entries = column_entries(map);
  recipe.more.set_json("dataset_columns", entries.empty() ? "null" : Json(entries).dump());
  recipe.more.set_json("dataset_prompt", Json(map.prompt).dump());
  recipe.more.set_json("dataset_answer", Json(map.answer).dump());
}

Json mapped_row(const ColumnMap& map, Json row) {
  if (!row.is_object() || map.empty()) return row;
  // What is called alike in both says nothing of which table a row is of.
  std::size_t renamed = 0, there = 0;
  for (const auto& [target, column] : map.columns) {
    if (target == column) continue;
    ++renamed;
    there += column_value(row, column) != nullptr;
  }
  for (const std::string* form : {&map.prompt, &map.answer})
    each_mark(*form, [&](std::size_t, std::size_t, const std::string& column) {
      if (!could_be_column(column)) return;
      ++renamed;
      there += column_value(row, column) != nullptr;
    });
  if (renamed > 0 && there == 0) return row;
  std::vector<std::pair<std::string, Json>> values;
  std::set<std::string> taken;
  const auto take = [&](const std::string& target, Json value) {
    for (const auto& group : column_groups())
      if (std::find(group.begin(), group.end(), target) != group.end())
        taken.insert(group.begin(), group.end());
    values.emplace_back(target, std::move(value));
  };
  for (const auto& [target, column] : map.columns) {
    const bool overruled = (target == "prompt" && !map.prompt.empty()) ||
                           (target == "completion" && !map.answer.empty());
    const Json* value = column_value(row, column);
    if (overruled) continue;
    take(target, value ? fitted(target, *value) : Json(nullptr));
    if (row.contains(column)) taken.insert(column);
  }
  if (!map.prompt.empty()) take("prompt", filled_in(map.prompt, row));
  if (!map.answer.empty()) take("completion", filled_in(map.answer, row));
  Json mapped = Json::object();
  for (auto& [target, value] : values) mapped[target] = std::move(value);
  for (auto& [key, value] : row.items())
    if (!taken.contains(key) && !mapped.contains(key)) mapped[key] = std::move(value);
  return mapped;
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// What columns hold, and what they may be by their names: datasets of pictures and texts are called
// much alike.
#include <algorithm>
#include <map>
#include <set>

#include "engine/base/text.h"
#include "engine/base/utf8.h"
#include "engine/data/columns.h"
#include "engine/data/dataset.h"
#include "engine/data/row_kind.h"
#include "engine/io/file_kind.h"

namespace luthier {

namespace {

constexpr std::size_t kMostSurveyed = 200, kShownExample = 120;

bool shows_picture(const Json& value) {
  if (value.is_array()) return !value.empty() && shows_picture(value.front());
  if (value.is_object())
    return (value.contains("bytes") && !value["bytes"].is_null()) ||
           (value.contains("path") && shows_picture(value["path"]));
  if (!value.is_string()) return false;
  const std::string& text = value.get_ref<const std::string&>();
  return text.starts_with("data:image/") ||
         (text.size() < 4096 && file_kind_by_name(text).family == FileFamily::Picture);
}

std::string column_kind(const Json& value) {
  if (shows_picture(value)) return "picture";
  if (value.is_string()) return "text";
  if (value.is_number() || value.is_boolean()) return "number";
  if (value.is_array() && !value.empty() && value.front().is_object() &&
      (value.front().contains("role") || value.front().contains("from")))
    return "messages";
  return value.is_array() ? "list" : "object";
}

/// Names that columns have, the usual first.
struct UsualNames {
  const char* target;
  std::vector<const char*> names;
};

const std::vector<UsualNames>& usual_names() {
  static const std::vector<UsualNames> usual = {
      {"messages", {"messages", "conversation", "conversations", "chat", "dialog", "dialogue"}},
      {"chosen", {"chosen", "chosen_response", "preferred", "better", "answer_chosen", "win"}},
      {"rejected",
       {"rejected", "rejected_response", "dispreferred", "worse", "answer_rejected", "lose"}},
      {"prompt",
       {"prompt", "question", "query", "instruction", "input", "user", "question_text", "problem",
        "context", "q"}},
      {"completion",
       {"completion", "answer", "response", "output", "answers", "target", "caption", "captions",
        "text", "assistant", "label_text", "solution", "ground_truth", "description", "sentence",
        "txt", "label", "a"}},
      {"system", {"system", "system_prompt"}}};
  return usual;
}

std::string example_of(const Json& value) {
  if (value.is_string()) return shortened(value.get<std::string>(), kShownExample);
  if (shows_picture(value) && value.is_object() && value.contains("path") &&
      value["path"].is_string())
    return shortened(value["path"].get<std::string>(), kShownExample);
  if (value.is_object() && value.contains("bytes")) return "(bytes)";
  return shortened(value.dump(-1, ' ', false, Json::error_handler_t::replace), kShownExample);
}

}  // namespace

ColumnSurvey survey_columns(const Dataset& dataset, std::size_t count) {
  ColumnSurvey survey;
  std::map<std::string, std::size_t> places;
  std::vector<std::set<std::string>> seen;
  for (std::size_t row = 0; row < std::min(count, dataset.size()); ++row) {
    const auto json = dataset.unmapped_row(row);
    if (!json || !json->is_object()) continue;
    ++survey.rows;
    for (const auto& [key, value] : json->items()) {
      const auto [place, is_new] = places.try_emplace(key, survey.columns.size());
      if (is_new) {
        if (survey.columns.size() == kMostSurveyed) {
          places.erase(place);
          continue;
        }
        survey.columns.push_back({key, "empty", {}, 0, 0});
        seen.emplace_back();
      }
      if (value.is_null() || (value.is_string() && value.get_ref<const std::string&>().empty()))
        continue;
      ColumnFacts& facts = survey.columns[place->second];
      if (facts.filled++ == 0) {
        facts.kind = column_kind(value);
        facts.example = example_of(value);
      }
      seen[place->second].insert(example_of(value));
    }
  }
  for (std::size_t i = 0; i < seen.size(); ++i) survey.columns[i].distinct = seen[i].size();
  return survey;
}

ColumnMap guess_columns(const Dataset& dataset, const RowKind& kind, const ColumnSurvey& survey,
                        const std::string& question) {
  ColumnMap map;
  constexpr std::size_t kTried = 8;
  for (std::size_t row = 0; row < std::min(kTried, dataset.size()); ++row) {
    const auto json = dataset.unmapped_row(row);
    if (json && kind.read(*json, dataset.folder_of(row), dataset.where(row), nullptr)) return map;
  }
  std::set<std::string> used;
  const auto column = [&](const char* name, bool picture) -> const ColumnFacts* {
    for (const ColumnFacts& facts : survey.columns)
      if (ascii_lower(facts.name) == name && (facts.kind == "picture") == picture &&
          facts.kind != "empty" && !used.contains(facts.name))
        return &facts;
    return nullptr;
  };
  const auto take = [&](const std::string& target, const ColumnFacts& facts) {
    map.columns.emplace_back(target, facts.name);
    used.insert(facts.name);
  };
  for (const ColumnFacts& facts : survey.columns)
    if (facts.kind == "picture" && map.columns.empty())
      take(ascii_lower(facts.name) == "images" ? "images" : "image", facts);
  for (const UsualNames& usual : usual_names()) {
    const bool turns = !map.column_of("messages").empty(), pair = !map.column_of("chosen").empty();
    const std::string target = usual.target;
    if (turns && target != "chosen" && target != "rejected") continue;
    if (pair && target == "completion") continue;
    for (const char* name : usual.names) {
      const ColumnFacts* found = column(name, false);
      if (!found) continue;
      if (target == "messages" && found->kind != "messages" && found->kind != "text") continue;
      take(target, *found);
      break;
    }
  }
  const bool answered = !map.column_of("completion").empty();
  if (!answered || !map.column_of("prompt").empty()) return map;
  // A picture and its text have a question in common; a text alone has none that could be guessed.
  if (map.column_of("image").empty() && map.column_of("images").empty()) return {};
  map.prompt = question;
  return map;
}

}  // namespace luthier

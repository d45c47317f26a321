// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/runs/task_table.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "engine/io/files.h"
#include "engine/io/probe.h"
#include "engine/runs/run_records.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kMostTableBytes = 16u << 20;
constexpr std::size_t kMostTasks = 100, kMostFigures = 32;
/// Shares before all others, in the order of scores (compare/scores).
constexpr std::array<const char*, 5> kFigureOrder{"exact_match", "token_f1", "chrf", "json_valid",
                                                  kTaskLoss};

Json measured(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

/// A figure in words.
std::string figure_words(const std::string& figure) {
  std::string words = figure;
  std::replace(words.begin(), words.end(), '_', ' ');
  return words;
}

std::string figure_text(const std::string& figure, double value, bool with_sign) {
  char text[48];
  if (figure == kTaskLoss)
    std::snprintf(text, sizeof text, with_sign ? "%+.4f" : "%.4f", value);
  else
    std::snprintf(text, sizeof text, with_sign ? "%+.1f %%" : "%.1f %%", value * 100);
  return text;
}

Result<TaskScore> read_score(const Json& json, const std::string& where) {
  if (!json.is_object()) return input_error("A map of figures is expected.", where);
  TaskScore score;
  LUTHIER_TRY(score.rows, json_int(json, "rows", where));
  const auto figures = json.find("figures");
  if (figures == json.end() || !figures->is_object() || figures->size() > kMostFigures)
    return input_error("A map of numbers is expected.", where + ".figures");
  for (const auto& [name, value] : figures->items()) {
    if (!value.is_number()) return input_error("A number is expected.", where + ".figures." + name);
    score.figures[name] = value.get<double>();
  }
  return score;
}

Result<std::vector<TaskScore>> read_row(const Json& json, std::size_t tasks,
                                        const std::string& where) {
  const auto list = json.is_object() ? json.find("tasks") : json.end();
  if (!json.is_object() || list == json.end() || !list->is_array() || list->size() != tasks)
    return input_error("A row needs a score for each of the " + std::to_string(tasks) + " tasks.",
                       where);
  std::vector<TaskScore> row;
  for (std::size_t i = 0; i < tasks; ++i) {
    LUTHIER_TRY(TaskScore score, read_score((*list)[i], where + ".tasks." + std::to_string(i + 1)));
    row.push_back(std::move(score));
  }
  return row;
}

/// Widths by bytes would tear names apart that are not ASCII.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](unsigned char byte) { return (byte & 0xC0) != 0x80; }));
}

std::string padded(const std::string& text, std::size_t width, bool left) {
  const std::string space(width - std::min(width, width_of(text)), ' ');
  return left ? text + space : space + text;
}

}  // namespace

std::vector<std::string> TaskTable::figures() const {
  std::vector<std::string> found;
  for (const char* figure : kFigureOrder) {
    const bool everywhere =
        !rows.empty() && std::all_of(rows.begin(), rows.end(), [&](const auto& row) {
          return std::all_of(row.begin(), row.end(), [&](const TaskScore& score) {
            return score.figures.contains(figure);
          });
        });
    if (everywhere) found.emplace_back(figure);
  }
  return found;
}

ContinualMeasures continual_measures(const TaskTable& table, const std::string& figure) {
  ContinualMeasures measures;
  if (table.rows.size() < 2) return measures;
  const double sign = figure == kTaskLoss ? -1 : 1;
  const std::size_t k = std::min(table.rows.size() - 1, table.tasks.size());
  // Rows count from the base's; tasks are counted from 1 here, as the formulas do.
  const auto score = [&](std::size_t row, std::size_t task) {
    return sign * table.at(row, task - 1, figure);
  };
  double average = 0, backward = 0, forward = 0, forgotten = 0;
  for (std::size_t j = 1; j <= k; ++j) {
    average += table.at(k, j - 1, figure);
    if (j < k) {
      backward += score(k, j) - score(j, j);
      double best = score(1, j);
      for (std::size_t row = 2; row < k; ++row) best = std::max(best, score(row, j));
      forgotten += best - score(k, j);
    }
    if (j > 1) forward += score(j - 1, j) - score(0, j);
  }
  measures.average = average / static_cast<double>(k);
  if (k < 2) return measures;
  const auto others = static_cast<double>(k - 1);
  measures.backward_transfer = backward / others;
  measures.forward_transfer = forward / others;
  measures.forgetting = forgotten / others;
  return measures;
}

Json to_json(const TaskTable& table) {
  Json rows = Json::array();
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    Json scores = Json::array();
    for (const TaskScore& score : table.rows[i]) {
      Json figures = Json::object();
      for (const auto& [name, value] : score.figures) figures[name] = value;
      scores.push_back({{"rows", score.rows}, {"figures", std::move(figures)}});
    }
    rows.push_back({{"after", i == 0 ? Json(nullptr) : Json(table.tasks[i - 1])},
                    {"tasks", std::move(scores)}});
  }
  Json measures = Json::object();
  for (const std::string& figure : table.figures()) {
    const ContinualMeasures of = continual_measures(table, figure);
    measures[figure] = {{"average", measured(of.average)},
                        {"backward_transfer", measured(of.backward_transfer)},
                        {"forward_transfer", measured(of.forward_transfer)},
                        {"forgetting", measured(of.forgetting)}};
  }
  return {{"format_version", kRunFormatVersion},
          {"version", luthier_version()},
          {"tasks", table.tasks},
          {"answers", table.answers},
          {"rows", std::move(rows)},
          {"measures", std::move(measures)}};
}

Result<std::optional<TaskTable>> read_task_table(const fs::path& folder) {
  const fs::path file = folder / kTaskTableFile;
  if (!is_there(file)) return std::optional<TaskTable>();
  LUTHIER_TRY(const std::string text, read_file(file, kMostTableBytes));
  LUTHIER_TRY(const Json json, parse_json(text, file.string()));
  const std::string at = file.string() + ": ";
  if (!json.is_object()) return input_error("A map is expected.", file.string());
  LUTHIER_TRY(const std::int64_t version, json_int(json, "format_version", file.string()));
  if (version != kRunFormatVersion)
    return input_error("This program reads the format 1 and not " + std::to_string(version) + ".",
                       at + "format_version", "Read it with the version that wrote it.");
  TaskTable table;
  LUTHIER_TRY(table.answers, json_int(json, "answers", file.string(), 0));
  const auto tasks = json.find("tasks");
  if (tasks == json.end() || !tasks->is_array() || tasks->empty() || tasks->size() > kMostTasks)
    return input_error("A list of names is expected.", at + "tasks");
  for (const Json& name : *tasks) {
    if (!name.is_string()) return input_error("A list of names is expected.", at + "tasks");
    table.tasks.push_back(name.get<std::string>());
  }
  const auto rows = json.find("rows");
  if (rows == json.end() || !rows->is_array() || rows->size() > table.tasks.size() + 1)
    return input_error("A list is expected: a row of the base, and one a task at most.",
                       at + "rows");
  for (std::size_t i = 0; i < rows->size(); ++i) {
    LUTHIER_TRY(auto row,
                read_row((*rows)[i], table.tasks.size(), at + "rows." + std::to_string(i + 1)));
    table.rows.push_back(std::move(row));
  }
  return std::optional(std::move(table));
}

Status write_task_table(const TaskTable& table, const fs::path& folder) {
  const std::string text = to_json(table).dump(2, ' ', false, Json::error_handler_t::replace);
  return write_file_atomically(folder / kTaskTableFile, text + "\n");
}

std::string task_table_text(const TaskTable& table) {
  std::vector<std::string> names{"base"};
  for (const std::string& task : table.tasks) names.push_back("after " + task);
  std::string text;
  for (const std::string& figure : table.figures()) {
    std::size_t first = width_of(figure_words(figure));
    for (std::size_t i = 0; i < table.rows.size(); ++i) first = std::max(first, width_of(names[i]));
    text += padded(figure_words(figure), first, true);
    for (const std::string& task : table.tasks)
      text += "  " + padded(task, std::max<std::size_t>(8, width_of(task)), false);
    text += "\n";
    for (std::size_t i = 0; i < table.rows.size(); ++i) {
      text += padded(names[i], first, true);
      for (std::size_t j = 0; j < table.tasks.size(); ++j)
        text += "  " + padded(figure_text(figure, table.at(i, j, figure), false),
                              std::max<std::size_t>(8, width_of(table.tasks[j])), false);
      text += "\n";
    }
    const ContinualMeasures measures = continual_measures(table, figure);
    const auto say = [&](const char* what, const std::optional<double>& value, bool with_sign) {
      if (value) text += "  " + figure_words(what) + " " + figure_text(figure, *value, with_sign);
    };
    if (measures.average) {
      say("average", measures.average, false);
      say("backward_transfer", measures.backward_transfer, true);
      say("forward_transfer", measures.forward_transfer, true);
      say("forgetting", measures.forgetting, true);
      text += "\n";
    }
  }
  return text;
}

}  // namespace luthier

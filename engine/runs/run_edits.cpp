// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/runs/run_edits.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "engine/io/files.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kMostEditBytes = 256u << 20;

std::string key_of(const std::string& setting) { return "training." + setting; }

/// As a form writes it: a whole number without a point.
std::string typed(double value) {
  constexpr double kWhole = 1e15;
  if (!std::isfinite(value)) return "nan";
  if (value == std::floor(value) && std::abs(value) < kWhole)
    return std::to_string(static_cast<std::int64_t>(value));
  return Json(value).dump();
}

std::optional<double> number_in(const std::string& text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, code] = std::from_chars(text.data(), end, value);
  if (code != std::errc() || stop != end || !std::isfinite(value)) return std::nullopt;
  return value;
}

/// A line that a person has written: the step and what becomes of it.
Status add_written_edits(std::vector<RunEdit>& edits, const Json& line, const std::string& where) {
  LUTHIER_TRY(const std::int64_t step, json_int(line, "step", where));
  if (step < 0) return input_error("A step is 0 or more.", where + ": step");
  bool any = false;
  for (const auto& [name, value] : line.items()) {
    if (name == "step") continue;
    if (!is_live_setting(name))
      return input_error("\"" + name.substr(0, 60) + "\" cannot be changed while a run goes on.",
                         where, "It can be learning_rate, max_grad_norm or logging_steps.");
    if (!value.is_number()) return input_error("This must be a number.", where + ": " + name);
    edits.push_back({step, name, value.get<double>()});
    any = true;
  }
  if (any) return {};
  return input_error("The line changes no setting.", where,
                     "Write it like {\"step\": 40, \"learning_rate\": 5e-5}.");
}

}  // namespace

const std::vector<std::string>& live_settings() {
  static const std::vector<std::string> names{"learning_rate", "max_grad_norm", "logging_steps"};
  return names;
}

bool is_live_setting(const std::string& name) {
  const auto& names = live_settings();
  return std::find(names.begin(), names.end(), name) != names.end();
}

Status check_edit(const std::string& setting, double value) {
  Recipe recipe;
  return set_field(recipe, key_of(setting), typed(value));
}

std::string edit_detail(double from, double to) {
  return "from " + Json(from).dump() + " to " + Json(to).dump();
}

std::optional<RunEdit> edit_of(const RunEvent& event) {
  if (!is_live_setting(event.kind)) return std::nullopt;
  const auto last = event.detail.rfind(' ');
  if (last == std::string::npos) return std::nullopt;
  const auto value = number_in(event.detail.substr(last + 1));
  if (!value) return std::nullopt;
  return RunEdit{event.step, event.kind, *value};
}

double recipe_value(const Recipe& recipe, const std::string& setting) {
  const TrainingSettings& training = recipe.training;
  if (setting == "learning_rate") return training.learning_rate;
  if (setting == "max_grad_norm") return training.max_grad_norm;
  return static_cast<double>(training.logging_steps);
}

double value_in_force(const Recipe& recipe, const std::vector<RunEvent>& events,
                      const std::string& setting, std::int64_t step) {
  double value = recipe_value(recipe, setting);
  std::int64_t at = -1;
  for (const RunEvent& event : events) {
    if (event.kind != setting || event.step > step || event.step < at) continue;
    if (const auto edit = edit_of(event)) {
      value = edit->value;
      at = event.step;
    }
  }
  return value;
}

Result<std::vector<RunEdit>> read_edits(const fs::path& file) {
  LUTHIER_TRY(const std::string text, read_file(file, kMostEditBytes));
  std::vector<RunEdit> edits;
  std::size_t number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\n', begin);
    const std::string_view line =
        std::string_view(text).substr(begin, end == std::string::npos ? end : end - begin);
    const std::string where = file.string() + ": line " + std::to_string(++number);
    begin = end == std::string::npos ? text.size() : end + 1;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const auto json = parse_json(line, where);
    // A run that was killed may have left half of a line.
    if (!json && end == std::string::npos && number > 1) break;
    if (!json) return json.error();
    const std::size_t before = edits.size();
    if (json->is_object() && json->contains("kind")) {
      LUTHIER_TRY(const RunEvent event, event_from_json(*json, where));
      if (!is_live_setting(event.kind)) continue;
      const auto edit = edit_of(event);
      if (!edit || edit->step < 0)
        return input_error("The event does not say what the setting became.", where + ": detail");
      edits.push_back(*edit);
    } else if (json->is_object()) {
      LUTHIER_CHECK(add_written_edits(edits, *json, where));
    } else {
      return input_error("A line is an object like {\"step\": 40, \"learning_rate\": 5e-5}.",
                         where);
    }
    for (std::size_t i = before; i < edits.size(); ++i) {
      Status status = check_edit(edits[i].setting, edits[i].value);
      if (status) continue;
      Error error = status.error();
      error.where = where + ": " + edits[i].setting;
      return error;
    }
  }
  if (edits.empty())
    return input_error("The file changes no setting of a run.", file.string(),
                       "Give a run's events.jsonl in which one was changed, or lines like "
                       "{\"step\": 40, \"learning_rate\": 5e-5}.");
  std::stable_sort(edits.begin(), edits.end(),
                   [](const RunEdit& a, const RunEdit& b) { return a.step < b.step; });
  return edits;
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/runs/foreign_run.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "engine/io/files.h"
#include "engine/io/probe.h"
#include "engine/io/tensorboard_reader.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kMostEventBytes = 1ull << 30;
constexpr const char* kTrainerState = "trainer_state.json";
constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

using LinesByStep = std::map<std::int64_t, MetricsLine>;

MetricsLine& line_at(LinesByStep& lines, std::int64_t step) {
  const auto [found, made] = lines.try_emplace(step);
  MetricsLine& line = found->second;
  if (made) {
    line.step = step;
    line.epoch = line.loss = line.grad_norm = line.learning_rate = kMissing;
    line.tokens_per_second = line.step_seconds = kMissing;
  }
  return line;
}

std::int64_t whole(double value) {
  constexpr double kMost = 9e18;
  return std::isfinite(value) ? static_cast<std::int64_t>(std::clamp(value, -kMost, kMost)) : 0;
}

/// `name` without the group that programs put before it: "train/loss" and "loss" are one.
void take_named(MetricsLine& line, std::string name, double value) {
  bool evaluation = false;
  for (const char* group : {"train/", "eval/", "eval_"}) {
    if (!name.starts_with(group)) continue;
    evaluation = group[0] == 'e';
    name.erase(0, std::string_view(group).size());
    break;
  }
  if (evaluation) {
    if (name == "loss")
      line.eval_loss = value;
    else
      line.figures["eval_" + name] = value;
    return;
  }
  if (name == "loss")
    line.loss = value;
  else if (name == "grad_norm")
    line.grad_norm = value;
  else if (name == "learning_rate" || name == "lr")
    line.learning_rate = value;
  else if (name == "epoch")
    line.epoch = value;
  else if (name == "num_tokens" || name == "num_input_tokens_seen")
    line.tokens = whole(value);
  else if (name == "tokens_per_second")
    line.tokens_per_second = value;
  else
    line.figures[name] = value;
}

std::vector<MetricsLine> in_steps(LinesByStep lines) {
  std::vector<MetricsLine> all;
  all.reserve(lines.size());
  for (auto& [step, line] : lines) all.push_back(std::move(line));
  return all;
}

Status take_scalars(std::string_view bytes, const std::string& where, LinesByStep& lines) {
  LUTHIER_TRY(const auto scalars, read_tensorboard(bytes, where));
  std::map<std::int64_t, double> times;
  for (const auto& [tag, points] : scalars) {
    for (const ScalarPoint& point : points) {
      take_named(line_at(lines, point.step), tag, point.value);
      times[point.step] = point.wall_time;
    }
  }
  // How long a step took is in no tag, but when each was written.
  double before = kMissing;
  std::int64_t step_before = 0;
  for (const auto& [step, time] : times) {
    const double seconds =
        (time - before) / (static_cast<double>(step) - static_cast<double>(step_before));
    if (std::isfinite(seconds) && seconds >= 0) lines.at(step).step_seconds = seconds;
    before = time;
    step_before = step;
  }
  return {};
}

Result<std::vector<MetricsLine>> read_events(const std::vector<fs::path>& files) {
  LinesByStep lines;
  for (const fs::path& file : files) {
    LUTHIER_TRY(const std::string bytes, read_file(file, kMostEventBytes));
    LUTHIER_CHECK(take_scalars(bytes, file.string(), lines));
  }
  return in_steps(std::move(lines));
}

/// Python writes NaN and Infinity for numbers that JSON has no word for; null stands in their
/// place.
std::string without_bare_words(std::string_view text) {
  std::string json;
  json.reserve(text.size());
  bool quoted = false;
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (quoted && c == '\\' && at + 1 < text.size()) {
      json.append(text.substr(at, 2));
      at += 2;
      continue;
    }
    if (c == '"') quoted = !quoted;
    std::size_t bare = 0;
    for (const std::string_view word : {"-Infinity", "Infinity", "NaN"})
      if (!quoted && bare == 0 && text.substr(at).starts_with(word)) bare = word.size();
    if (bare > 0)
      json += "null";
    else
      json += c;
    at += std::max<std::size_t>(1, bare);
  }
  return json;
}

}  // namespace

Result<std::vector<MetricsLine>> lines_of_tensorboard(std::string_view bytes,
                                                      const std::string& where) {
  LinesByStep lines;
  LUTHIER_CHECK(take_scalars(bytes, where, lines));
  return in_steps(std::move(lines));
}

Result<std::vector<MetricsLine>> lines_of_trainer_state(std::string_view text,
                                                        const std::string& where) {
  LUTHIER_TRY(const Json json, parse_json(without_bare_words(text), where));
  if (!json.is_object() || !json.contains("log_history") || !json["log_history"].is_array())
    return input_error("This is no state of a Trainer: it has no log_history.", where,
                       "Choose the trainer_state.json that lies in a checkpoint.");
  LinesByStep lines;
  for (const Json& entry : json["log_history"]) {
    if (!entry.is_object()) continue;
    const auto step = json_int(entry, "step", where);
    if (!step) continue;
    // The last entry sums the whole run up; its mean loss is no point of the curve.
    if (entry.contains("train_runtime")) continue;
    MetricsLine& line = line_at(lines, *step);
    for (const auto& [name, value] : entry.items())
      if (name != "step" && value.is_number()) take_named(line, name, value.get<double>());
  }
  return in_steps(std::move(lines));
}

Result<ForeignRun> read_foreign_run(const fs::path& path) {
  std::vector<fs::path> events;
  fs::path state;
  const fs::path plain = path.has_filename() ? path : path.parent_path();
  if (is_folder(plain)) {
    for (const std::string& name : names_in(plain))
      if (name.find("tfevents") != std::string::npos) events.push_back(plain / name);
    if (is_there(plain / kTrainerState)) state = plain / kTrainerState;
    if (events.empty() && state.empty())
      return input_error(
          "This folder holds neither event files of TensorBoard nor a trainer_state.json.",
          plain.string(), "Choose the folder that they lie in.");
  } else if (plain.filename().string().find("tfevents") != std::string::npos) {
    events.push_back(plain);
  } else {
    state = plain;
  }
  ForeignRun run;
  run.name = (is_folder(plain) ? plain : plain.parent_path()).filename().string();
  if (run.name.empty()) run.name = plain.filename().string();
  if (!events.empty()) {
    LUTHIER_TRY(run.lines, read_events(events));
  } else {
    LUTHIER_TRY(const std::string text, read_file(state, JsonLimits().max_bytes));
    LUTHIER_TRY(run.lines, lines_of_trainer_state(text, state.string()));
  }
  if (run.lines.empty())
    return input_error("No curve was logged here.", plain.string(), "Choose another run.");
  return run;
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// The records as JSON: keys in the order of the specification, unknown keys ignored on the way
// back.
#include "engine/runs/run_records.h"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <limits>

#ifndef LUTHIER_VERSION
#define LUTHIER_VERSION "0.1.0"
#endif

namespace luthier {

namespace {

constexpr const char* kStateNames[] = {"created", "running", "paused",     "finished",
                                       "stopped", "failed",  "interrupted"};

Json finite(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json optional_number(const std::optional<double>& value) {
  return value ? finite(*value) : Json(nullptr);
}

Result<double> number_or_nan(const Json& json, const char* key, const std::string& where) {
  if (json.is_object() && json.contains(key) && json[key].is_null())
    return std::numeric_limits<double>::quiet_NaN();
  return json_number(json, key, where, 0.0);
}

Result<std::optional<double>> number_if_there(const Json& json, const char* key,
                                              const std::string& where) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return std::optional<double>();
  LUTHIER_TRY(const double value, json_number(json, key, where, 0.0));
  return std::optional<double>(value);
}

Result<std::vector<std::string>> texts(const Json& json, const char* key,
                                       const std::string& where) {
  std::vector<std::string> list;
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return list;
  if (!found->is_array()) return input_error("This must be a list of texts.", where + ": " + key);
  for (const Json& item : *found) {
    if (!item.is_string()) return input_error("This must be a list of texts.", where + ": " + key);
    list.push_back(item.get<std::string>());
  }
  return list;
}

}  // namespace

std::string run_state_name(RunState state) { return kStateNames[static_cast<std::size_t>(state)]; }

std::optional<RunState> run_state_from_name(std::string_view name) {
  for (std::size_t i = 0; i < std::size(kStateNames); ++i) {
    if (name == kStateNames[i]) return static_cast<RunState>(i);
  }
  return std::nullopt;
}

std::string utc_now() {
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto milliseconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[40];
  const std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  char fraction[16];
  std::snprintf(fraction, sizeof fraction, ".%03dZ", static_cast<int>(milliseconds));
  return std::string(text, length) + fraction;
}

std::string luthier_version() { return LUTHIER_VERSION; }

Json to_json(const RunManifest& m) {
  return Json{{"state", run_state_name(m.state)},
              {"format_version", m.format_version},
              {"version", m.version},
              {"device", m.device},
              {"dtype", m.dtype},
              {"card", m.card},
              {"products", m.products},
              {"threads", m.threads},
              {"ranks", m.ranks},
              {"recorded_steps", m.recorded_steps},
              {"held_out_answers", m.held_out_answers},
              {"model", m.model},
              {"model_fingerprint", m.model_fingerprint},
              {"base_name", m.base_name},
              {"dataset_fingerprints", m.dataset_fingerprints},
              {"eval_dataset_fingerprints", m.eval_dataset_fingerprints},
              {"strategy", m.strategy},
              {"objective", m.objective},
              {"started", m.started},
              {"updated", m.updated},
              {"seconds", finite(m.seconds)},
              {"step", m.step},
              {"total_steps", m.total_steps},
              {"trainable_parameters", m.trainable_parameters},
              {"parameters", m.parameters},
              {"last_loss", optional_number(m.last_loss)},
              {"best_eval_loss", optional_number(m.best_eval_loss)},
              {"peak_memory", m.peak_memory},
              {"error", m.error}};
}

Result<RunManifest> manifest_from_json(const Json& json, const std::string& where) {
  RunManifest m;
  LUTHIER_TRY(const std::string state, json_string(json, "state", where));
  const std::optional<RunState> known = run_state_from_name(state);
  if (!known) return input_error("\"" + state + "\" is not a state of a run.", where + ": state");
  m.state = *known;
  LUTHIER_TRY(m.format_version, json_int(json, "format_version", where, 1));
  LUTHIER_TRY(m.version, json_string(json, "version", where, ""));
  LUTHIER_TRY(m.device, json_string(json, "device", where, ""));
  LUTHIER_TRY(m.dtype, json_string(json, "dtype", where, ""));
  LUTHIER_TRY(m.card, json_string(json, "card", where, ""));
  LUTHIER_TRY(m.products, json_string(json, "products", where, ""));
  LUTHIER_TRY(m.threads, json_int(json, "threads", where, 0));
  LUTHIER_TRY(m.ranks, json_int(json, "ranks", where, 1));
  LUTHIER_TRY(m.recorded_steps, json_bool(json, "recorded_steps", where, false));
  LUTHIER_TRY(m.held_out_answers, json_int(json, "held_out_answers", where, 0));
  LUTHIER_TRY(m.model, json_string(json, "model", where, ""));
  LUTHIER_TRY(m.model_fingerprint, json_string(json, "model_fingerprint", where, ""));
  LUTHIER_TRY(m.base_name, json_string(json, "base_name", where, ""));
  LUTHIER_TRY(m.dataset_fingerprints, texts(json, "dataset_fingerprints", where));
  LUTHIER_TRY(m.eval_dataset_fingerprints, texts(json, "eval_dataset_fingerprints", where));
  LUTHIER_TRY(m.strategy, json_string(json, "strategy", where, ""));
  LUTHIER_TRY(m.objective, json_string(json, "objective", where, ""));
  LUTHIER_TRY(m.started, json_string(json, "started", where, ""));
  LUTHIER_TRY(m.updated, json_string(json, "updated", where, ""));
  LUTHIER_TRY(m.seconds, json_number(json, "seconds", where, 0.0));
  LUTHIER_TRY(m.step, json_int(json, "step", where, 0));
  LUTHIER_TRY(m.total_steps, json_int(json, "total_steps", where, 0));
  LUTHIER_TRY(m.trainable_parameters, json_int(json, "trainable_parameters", where, 0));
  LUTHIER_TRY(m.parameters, json_int(json, "parameters", where, 0));
  LUTHIER_TRY(m.last_loss, number_if_there(json, "last_loss", where));
  LUTHIER_TRY(m.best_eval_loss, number_if_there(json, "best_eval_loss", where));
  LUTHIER_TRY(m.peak_memory, json_int(json, "peak_memory", where, 0));
  LUTHIER_TRY(m.error, json_string(json, "error", where, ""));
  return m;
}

Json to_json(const MetricsLine& line) {
  Json json{{"step", line.step},
            {"epoch", finite(line.epoch)},
            {"loss", finite(line.loss)},
            {"grad_norm", finite(line.grad_norm)},
            {"learning_rate", finite(line.learning_rate)},
            {"tokens", line.tokens},
            {"tokens_per_second", finite(line.tokens_per_second)},
            {"step_seconds", finite(line.step_seconds)},
            {"memory",
             {{"weights", line.memory.weights},
              {"adapter", line.memory.adapter},
              {"gradients", line.memory.gradients},
              {"optimizer", line.memory.optimizer},
              {"activations", line.memory.activations},
              {"allocated", line.memory.allocated},
              {"reserved", line.memory.reserved},
              {"peak", line.memory.peak},
              {"rss", line.memory.rss}}}};
  if (line.eval_loss) json["eval_loss"] = finite(*line.eval_loss);
  for (const auto& [name, value] : line.figures) json[name] = finite(value);
  return json;
}

Result<MetricsLine> metrics_from_json(const Json& json, const std::string& where) {
  MetricsLine line;
  LUTHIER_TRY(line.step, json_int(json, "step", where));
  LUTHIER_TRY(line.epoch, number_or_nan(json, "epoch", where));
  LUTHIER_TRY(line.loss, number_or_nan(json, "loss", where));
  LUTHIER_TRY(line.grad_norm, number_or_nan(json, "grad_norm", where));
  LUTHIER_TRY(line.learning_rate, number_or_nan(json, "learning_rate", where));
  LUTHIER_TRY(line.tokens, json_int(json, "tokens", where, 0));
  LUTHIER_TRY(line.tokens_per_second, number_or_nan(json, "tokens_per_second", where));
  LUTHIER_TRY(line.step_seconds, number_or_nan(json, "step_seconds", where));
  if (const auto memory = json.find("memory"); memory != json.end() && memory->is_object()) {
    const std::string at = where + ": memory";
    LUTHIER_TRY(line.memory.weights, json_int(*memory, "weights", at, 0));
    LUTHIER_TRY(line.memory.adapter, json_int(*memory, "adapter", at, 0));
    LUTHIER_TRY(line.memory.gradients, json_int(*memory, "gradients", at, 0));
    LUTHIER_TRY(line.memory.optimizer, json_int(*memory, "optimizer", at, 0));
    LUTHIER_TRY(line.memory.activations, json_int(*memory, "activations", at, 0));
    LUTHIER_TRY(line.memory.allocated, json_int(*memory, "allocated", at, 0));
    LUTHIER_TRY(line.memory.reserved, json_int(*memory, "reserved", at, 0));
    LUTHIER_TRY(line.memory.peak, json_int(*memory, "peak", at, 0));
    LUTHIER_TRY(line.memory.rss, json_int(*memory, "rss", at, 0));
  }
  if (json.contains("eval_loss")) {
    LUTHIER_TRY(const double eval_loss, number_or_nan(json, "eval_loss", where));
    line.eval_loss = eval_loss;
  }
  static const Json fields = to_json(MetricsLine());
  for (const auto& [name, value] : json.items()) {
    if (fields.contains(name) || name == "eval_loss") continue;
    if (value.is_number()) line.figures[name] = value.get<double>();
    if (value.is_null()) line.figures[name] = std::numeric_limits<double>::quiet_NaN();
  }
  return line;
}

Json to_json(const RunEvent& event) {
  return Json{
      {"step", event.step}, {"time", event.time}, {"kind", event.kind}, {"detail", event.detail}};
}

Result<RunEvent> event_from_json(const Json& json, const std::string& where) {
  RunEvent event;
  LUTHIER_TRY(event.step, json_int(json, "step", where));
  LUTHIER_TRY(event.time, json_string(json, "time", where, ""));
  LUTHIER_TRY(event.kind, json_string(json, "kind", where));
  LUTHIER_TRY(event.detail, json_string(json, "detail", where, ""));
  return event;
}

}  // namespace luthier

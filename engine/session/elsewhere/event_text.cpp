// SPDX-License-Identifier: GPL-3.0-or-later
// What a line says is foreign until it has been looked at: a missing field has its default, one of
// another type is refused by name.
#include "engine/session/elsewhere/event_text.h"

#include <array>
#include <cmath>
#include <limits>

#include "engine/runs/elsewhere/protocol.h"

namespace luthier {

namespace {

constexpr std::array kStates{
    SessionState::Empty,     SessionState::Loading,  SessionState::Ready,
    SessionState::Preparing, SessionState::Training, SessionState::Pausing,
    SessionState::Paused,    SessionState::Saving,   SessionState::Stopping};

Json number_or_null(double number) { return std::isfinite(number) ? Json(number) : Json(); }

Result<double> number_in(const Json& json, const std::string& key, const std::string& where) {
  const auto found = json.find(key);
  if (found != json.end() && found->is_null()) return std::numeric_limits<double>::quiet_NaN();
  return json_number(json, key, where, 0.0);
}

Result<std::uint64_t> index_in(const Json& json, const std::string& key, const std::string& where) {
  LUTHIER_TRY(const std::int64_t number, json_int(json, key, where, 0));
  if (number < 0) return input_error("A number from 0 on is expected.", where + ": " + key);
  return static_cast<std::uint64_t>(number);
}

Json forecast_json(const MemoryForecast& forecast) {
  const MemoryParts& parts = forecast.parts;
  Json json = to_json(forecast);
  // As they are, zeros too: a card's parts are told by the document where there is a card.
  json["parts"] = {{"weights", parts.weights},
                   {"adapter", parts.adapter},
                   {"gradients", parts.gradients},
                   {"optimizer", parts.optimizer},
                   {"activations", parts.activations},
                   {"workspace", parts.workspace},
                   {"recordings", parts.recordings},
                   {"paged", parts.paged},
                   {"context", parts.context},
                   {"libraries", parts.libraries},
                   {"fragmentation", parts.fragmentation}};
  return json;
}

Result<MemoryForecast> read_forecast(const Json& json, const std::string& where) {
  MemoryForecast forecast;
  if (!json.is_object()) return forecast;
  if (const auto parts = json.find("parts"); parts != json.end() && parts->is_object()) {
    MemoryParts& p = forecast.parts;
    const std::pair<const char*, std::int64_t*> named[] = {{"weights", &p.weights},
                                                           {"adapter", &p.adapter},
                                                           {"gradients", &p.gradients},
                                                           {"optimizer", &p.optimizer},
                                                           {"activations", &p.activations},
                                                           {"workspace", &p.workspace},
                                                           {"recordings", &p.recordings},
                                                           {"paged", &p.paged},
                                                           {"context", &p.context},
                                                           {"libraries", &p.libraries},
                                                           {"fragmentation", &p.fragmentation}};
    for (const auto& [name, part] : named) {
      LUTHIER_TRY(*part, json_int(*parts, name, where + ": parts", 0));
    }
  }
  LUTHIER_TRY(forecast.available, json_int(json, "available", where, -1));
  LUTHIER_TRY(forecast.device, json_string(json, "device", where, std::string()));
  LUTHIER_TRY(forecast.dtype, json_string(json, "dtype", where, std::string()));
  LUTHIER_TRY(forecast.device_note, json_string(json, "device_note", where, std::string()));
  LUTHIER_TRY(forecast.gradient_checkpointing,
              json_bool(json, "gradient_checkpointing", where, false));
  LUTHIER_TRY(forecast.batch_tokens, json_int(json, "batch_tokens", where, 0));
  if (const auto by_part = json.find("weights_by_part");
      by_part != json.end() && by_part->is_object())
    for (const auto& [name, bytes] : by_part->items())
      if (bytes.is_number_integer())
        forecast.weights_by_part.emplace_back(name, bytes.get<std::int64_t>());
  if (const auto advice = json.find("advice"); advice != json.end() && advice->is_array())
    for (const Json& each : *advice)
      if (each.is_string()) forecast.advice.push_back(each.get<std::string>());
  return forecast;
}

Json tokens_json(const std::vector<AnswerToken>& tokens) {
  Json list = Json::array();
  for (const AnswerToken& token : tokens) {
    Json others = Json::array();
    for (const auto& [piece, chance] : token.alternatives)
      others.push_back({piece, number_or_null(chance)});
    list.push_back({{"id", token.id},
                    {"piece", token.piece},
                    {"logprob", number_or_null(token.logprob)},
                    {"alternatives", std::move(others)},
                    {"begin", token.begin},
                    {"end", token.end}});
  }
  return list;
}

Result<std::vector<AnswerToken>> read_answer_tokens(const Json& json, std::size_t bytes,
                                                    const std::string& where) {
  std::vector<AnswerToken> tokens;
  if (json.is_null()) return tokens;
  if (!json.is_array()) return input_error("A list is expected.", where);
  for (const Json& each : json) {
    if (!each.is_object()) return input_error("A list of objects is expected.", where);
    AnswerToken token;
    LUTHIER_TRY(token.id, json_int(each, "id", where, 0));
    LUTHIER_TRY(token.piece, json_string(each, "piece", where, std::string()));
    LUTHIER_TRY(token.logprob, number_in(each, "logprob", where));
    LUTHIER_TRY(token.begin, index_in(each, "begin", where));
    LUTHIER_TRY(token.end, index_in(each, "end", where));
    if (token.begin > token.end || token.end > bytes)
      return input_error("A token stands outside of the answer's text.", where);
    if (const auto others = each.find("alternatives"); others != each.end() && others->is_array())
      for (const Json& other : *others)
        if (other.is_array() && other.size() == 2 && other[0].is_string())
          token.alternatives.emplace_back(other[0].get<std::string>(),
                                          other[1].is_number()
                                              ? other[1].get<double>()
                                              : std::numeric_limits<double>::quiet_NaN());
    tokens.push_back(std::move(token));
  }
  return tokens;
}

/// What crosses, each as its object; the others are nothing.
struct EventWriter {
  std::optional<Json> operator()(const StateChanged& event) const {
    return Json{{"event", "state"}, {"state", state_name(event.state)}, {"detail", event.detail}};
  }
  std::optional<Json> operator()(const Progress& event) const {
    return Json{{"event", "progress"},
                {"request", event.request},
                {"what", event.what},
                {"done", event.done},
                {"total", event.total}};
  }
  std::optional<Json> operator()(const RunStarted& event) const {
    return Json{{"event", "run_started"},
                {"folder", event.folder.string()},
                {"recipe", recipe_to_yaml(event.recipe)},
                {"total_steps", event.total_steps},
                {"first_step", event.first_step},
                {"steps_per_epoch", number_or_null(event.steps_per_epoch)},
                {"trainable", event.trainable},
                {"parameters", event.parameters},
                {"forecast", forecast_json(event.forecast)},
                {"learning_rate", number_or_null(event.learning_rate)}};
  }
  std::optional<Json> operator()(const StageBegan& event) const {
    return Json{{"event", "stage_began"},
                {"names", event.names},
                {"index", event.index},
                {"folder", event.folder.string()},
                {"start", event.start}};
  }
  std::optional<Json> operator()(const StepDone& event) const {
    return Json{{"event", "step"},
                {"line", to_json(event.line)},
                {"eta_seconds", number_or_null(event.eta_seconds)}};
  }
  std::optional<Json> operator()(const EvaluationDone& event) const {
    return Json{{"event", "evaluation"},
                {"step", event.step},
                {"eval_loss", number_or_null(event.eval_loss)}};
  }
  std::optional<Json> operator()(const RunEventHappened& event) const {
    return Json{{"event", "run_event"}, {"of", to_json(event.event)}};
  }
  std::optional<Json> operator()(const RunEnded& event) const {
    return Json{{"event", "run_ended"},
                {"folder", event.folder.string()},
                {"state", event.state},
                {"error", event.error ? to_json(*event.error) : Json()},
                {"seconds", number_or_null(event.seconds)}};
  }
  std::optional<Json> operator()(const AnswerUpdate& event) const {
    return Json{{"event", "answer"},
                {"request", event.request},
                {"sample", event.sample},
                {"column", event.column},
                {"text", event.text},
                {"tokens", tokens_json(event.tokens)},
                {"seconds", number_or_null(event.seconds)},
                {"finish", event.finish},
                {"final", event.final}};
  }
  std::optional<Json> operator()(const RequestDone& event) const {
    return Json{{"event", "request_done"},
                {"request", event.request},
                {"error", event.error ? to_json(*event.error) : Json()},
                {"cancelled", event.cancelled}};
  }
  std::optional<Json> operator()(const CommandFailed& event) const {
    return Json{
        {"event", "command_failed"}, {"command", event.command}, {"error", to_json(event.error)}};
  }
  template <class Other>
  std::optional<Json> operator()(const Other&) const {
    return std::nullopt;
  }
};

using MaybeEvent = Result<std::optional<SessionEvent>>;

template <class Event>
MaybeEvent as_event(Event event) {
  return std::optional<SessionEvent>(std::move(event));
}

std::optional<Error> error_in(const Json& json) {
  const auto found = json.find("error");
  if (found == json.end() || found->is_null()) return std::nullopt;
  return error_from_json(*found);
}

MaybeEvent read_state(const Json& json, const std::string& where) {
  StateChanged event{};
  LUTHIER_TRY(const std::string name, json_string(json, "state", where));
  LUTHIER_TRY(event.detail, json_string(json, "detail", where, std::string()));
  for (const SessionState state : kStates) {
    if (state_name(state) != name) continue;
    event.state = state;
    return as_event(event);
  }
  return input_error("There is no such state.", where + ": state");
}

MaybeEvent read_progress(const Json& json, const std::string& where) {
  Progress event{};
  LUTHIER_TRY(event.request, index_in(json, "request", where));
  LUTHIER_TRY(event.what, json_string(json, "what", where));
  LUTHIER_TRY(event.done, number_in(json, "done", where));
  LUTHIER_TRY(event.total, number_in(json, "total", where));
  return as_event(std::move(event));
}

MaybeEvent read_run_started(const Json& json, const std::string& where) {
  RunStarted event{};
  LUTHIER_TRY(event.folder, json_string(json, "folder", where));
  LUTHIER_TRY(const std::string yaml, json_string(json, "recipe", where));
  LUTHIER_TRY(event.recipe, parse_recipe(yaml, where + ": recipe"));
  LUTHIER_TRY(event.total_steps, json_int(json, "total_steps", where));
  LUTHIER_TRY(event.first_step, json_int(json, "first_step", where, 0));
  LUTHIER_TRY(event.steps_per_epoch, number_in(json, "steps_per_epoch", where));
  LUTHIER_TRY(event.trainable, json_int(json, "trainable", where, 0));
  LUTHIER_TRY(event.parameters, json_int(json, "parameters", where, 0));
  if (const auto forecast = json.find("forecast"); forecast != json.end()) {
    LUTHIER_TRY(event.forecast, read_forecast(*forecast, where + ": forecast"));
  }
  LUTHIER_TRY(event.learning_rate, number_in(json, "learning_rate", where));
  return as_event(std::move(event));
}

MaybeEvent read_stage_began(const Json& json, const std::string& where) {
  StageBegan event{};
  const auto names = json.find("names");
  if (names == json.end() || !names->is_array())
    return input_error("A list is expected.", where + ": names");
  for (const Json& each : *names) {
    if (!each.is_string()) return input_error("A list of names is expected.", where + ": names");
    event.names.push_back(each.get<std::string>());
  }
  LUTHIER_TRY(event.index, index_in(json, "index", where));
  if (event.index >= event.names.size())
    return input_error("There is no such stage.", where + ": index");
  LUTHIER_TRY(event.folder, json_string(json, "folder", where));
  LUTHIER_TRY(event.start, json_string(json, "start", where, std::string()));
  return as_event(std::move(event));
}

MaybeEvent read_step(const Json& json, const std::string& where) {
  const auto line = json.find("line");
  if (line == json.end() || !line->is_object())
    return input_error("An object is expected.", where + ": line");
  StepDone event{};
  LUTHIER_TRY(event.line, metrics_from_json(*line, where + ": line"));
  LUTHIER_TRY(event.eta_seconds, number_in(json, "eta_seconds", where));
  return as_event(std::move(event));
}

MaybeEvent read_evaluation(const Json& json, const std::string& where) {
  EvaluationDone event{};
  LUTHIER_TRY(event.step, json_int(json, "step", where));
  LUTHIER_TRY(event.eval_loss, number_in(json, "eval_loss", where));
  return as_event(event);
}

MaybeEvent read_run_event(const Json& json, const std::string& where) {
  const auto of = json.find("of");
  if (of == json.end() || !of->is_object())
    return input_error("An object is expected.", where + ": of");
  RunEventHappened event{};
  LUTHIER_TRY(event.event, event_from_json(*of, where + ": of"));
  return as_event(std::move(event));
}

MaybeEvent read_run_ended(const Json& json, const std::string& where) {
  RunEnded event{};
  LUTHIER_TRY(event.folder, json_string(json, "folder", where, std::string()));
  LUTHIER_TRY(event.state, json_string(json, "state", where));
  event.error = error_in(json);
  LUTHIER_TRY(event.seconds, number_in(json, "seconds", where));
  return as_event(std::move(event));
}

MaybeEvent read_answer_update(const Json& json, const std::string& where) {
  AnswerUpdate event{};
  LUTHIER_TRY(event.request, index_in(json, "request", where));
  LUTHIER_TRY(event.sample, index_in(json, "sample", where));
  LUTHIER_TRY(event.column, index_in(json, "column", where));
  LUTHIER_TRY(event.text, json_string(json, "text", where));
  if (const auto tokens = json.find("tokens"); tokens != json.end()) {
    LUTHIER_TRY(event.tokens, read_answer_tokens(*tokens, event.text.size(), where + ": tokens"));
  }
  LUTHIER_TRY(event.seconds, number_in(json, "seconds", where));
  LUTHIER_TRY(event.finish, json_string(json, "finish", where, std::string()));
  LUTHIER_TRY(event.final, json_bool(json, "final", where, true));
  return as_event(std::move(event));
}

MaybeEvent read_request_done(const Json& json, const std::string& where) {
  RequestDone event{};
  LUTHIER_TRY(event.request, index_in(json, "request", where));
  event.error = error_in(json);
  LUTHIER_TRY(event.cancelled, json_bool(json, "cancelled", where, false));
  return as_event(std::move(event));
}

MaybeEvent read_command_failed(const Json& json, const std::string& where) {
  CommandFailed event{};
  LUTHIER_TRY(event.command, json_string(json, "command", where));
  event.error = error_in(json).value_or(error_from_json(Json::object()));
  return as_event(std::move(event));
}

}  // namespace

std::optional<Json> event_to_json(const SessionEvent& event) {
  return std::visit(EventWriter(), event);
}

MaybeEvent event_from_line(const Json& json, const std::string& where) {
  static constexpr std::pair<const char*, MaybeEvent (*)(const Json&, const std::string&)>
      kReaders[] = {{"state", read_state},
                    {"progress", read_progress},
                    {"run_started", read_run_started},
                    {"stage_began", read_stage_began},
                    {"step", read_step},
                    {"evaluation", read_evaluation},
                    {"run_event", read_run_event},
                    {"run_ended", read_run_ended},
                    {"answer", read_answer_update},
                    {"request_done", read_request_done},
                    {"command_failed", read_command_failed}};
  if (!json.is_object()) return input_error("A JSON object is expected.", where);
  LUTHIER_TRY(const std::string name, json_string(json, "event", where));
  for (const auto& [event, read] : kReaders)
    if (name == event) return read(json, where);
  return std::optional<SessionEvent>();
}

}  // namespace luthier

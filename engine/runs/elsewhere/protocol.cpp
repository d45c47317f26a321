// SPDX-License-Identifier: GPL-3.0-or-later
// Each command's fields are checked here once, for the relay and for the run's process.
#include "engine/runs/elsewhere/protocol.h"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <random>
#include <set>

namespace luthier {

namespace {

const std::string kCommandPlace = "the command";
constexpr std::size_t kLongestRunName = 64, kShortestRunName = 8, kLongestClient = 64;
const std::set<std::string> kRunCommands{"pause", "resume", "stop",  "save_now",
                                         "edit",  "answer", "cancel"};

Result<std::uint64_t> count_in(const Json& json, const std::string& key, std::int64_t fallback) {
  LUTHIER_TRY(const std::int64_t number, json_int(json, key, kCommandPlace, fallback));
  if (number < 0) return input_error("A number from 0 on is expected.", kCommandPlace + ": " + key);
  return static_cast<std::uint64_t>(number);
}

Result<std::string> run_in(const Json& json) {
  LUTHIER_TRY(std::string run, json_string(json, "run", kCommandPlace));
  if (good_run_name(run)) return run;
  return input_error("A run's name is 8 to 64 of a-z, 0-9 and \"-\".", kCommandPlace + ": run");
}

Result<std::filesystem::path> path_in(const Json& json, const std::string& key) {
  LUTHIER_TRY(const std::string text, json_string(json, key, kCommandPlace, std::string()));
  if (text.find('\0') == std::string::npos) return std::filesystem::path(text);
  return input_error("A path cannot hold this character.", kCommandPlace + ": " + key);
}

Result<ServeOrder> read_launch(const Json& json) {
  LaunchOrder order;
  LUTHIER_TRY(order.run, run_in(json));
  LUTHIER_TRY(order.recipe, json_string(json, "recipe", kCommandPlace));
  LUTHIER_TRY(order.folder, path_in(json, "folder"));
  LUTHIER_TRY(order.resume, path_in(json, "resume"));
  LUTHIER_TRY(order.reward_program, path_in(json, "reward_program"));
  LUTHIER_TRY(order.held_out_answers, count_in(json, "held_out_answers", 0));
  return ServeOrder(std::move(order));
}

Result<ServeOrder> read_run_order(const Json& json, const std::string& command) {
  RunOrder order;
  order.command = command;
  LUTHIER_TRY(order.client, json_string(json, "client", kCommandPlace, std::string()));
  if (order.client.size() > kLongestClient)
    return input_error("A client's name has at most 64 bytes.", kCommandPlace + ": client");
  LUTHIER_TRY(order.request, count_in(json, "request", 0));
  LUTHIER_TRY(order.discard, json_bool(json, "discard", kCommandPlace, false));
  if (command == "edit") {
    LUTHIER_TRY(order.setting, json_string(json, "setting", kCommandPlace));
    LUTHIER_TRY(order.value, json_number(json, "value", kCommandPlace, std::nan("")));
  } else if (command == "answer") {
    const auto asked = json.find("asked");
    if (asked == json.end() || !asked->is_object())
      return input_error("An object is expected.", kCommandPlace + ": asked");
    order.asked = *asked;
  }
  return ServeOrder(std::move(order));
}

}  // namespace

Json to_json(const ServeHello& hello) {
  return {{"hello", "luthier"}, {"protocol", hello.protocol}, {"version", hello.version},
          {"host", hello.host}, {"process", hello.process},   {"devices", hello.devices}};
}

Result<ServeHello> hello_from_json(const Json& json, const std::string& where) {
  const auto said = json.is_object() ? json.find("hello") : json.end();
  if (!json.is_object() || said == json.end() || *said != "luthier")
    return input_error("What answers there is no luthier-cli serve.", where);
  ServeHello hello;
  LUTHIER_TRY(hello.protocol, json_int(json, "protocol", where));
  LUTHIER_TRY(hello.version, json_string(json, "version", where));
  LUTHIER_TRY(hello.host, json_string(json, "host", where, std::string()));
  LUTHIER_TRY(hello.process, json_int(json, "process", where, 0));
  if (const auto devices = json.find("devices"); devices != json.end() && devices->is_array())
    for (const Json& each : *devices)
      if (each.is_string()) hello.devices.push_back(each.get<std::string>());
  return hello;
}

Result<ServeOrder> read_order(std::string_view line) {
  JsonLimits limits;
  limits.max_bytes = kLongestCommand;
  LUTHIER_TRY(const Json json, parse_json(line, kCommandPlace, limits));
  if (!json.is_object()) return input_error("A JSON object is expected.", kCommandPlace);
  LUTHIER_TRY(const std::string command, json_string(json, "command", kCommandPlace));
  if (command == "launch") return read_launch(json);
  if (command == "attach") {
    AttachOrder order;
    LUTHIER_TRY(order.run, run_in(json));
    LUTHIER_TRY(order.after, count_in(json, "after", 0));
    return ServeOrder(std::move(order));
  }
  if (command == "list") return ServeOrder(ListOrder());
  if (command == "files") return ServeOrder(FilesOrder());
  if (command == "fetch") {
    FetchOrder order;
    LUTHIER_TRY(order.file, json_string(json, "file", kCommandPlace));
    LUTHIER_TRY(order.from, count_in(json, "from", 0));
    return ServeOrder(std::move(order));
  }
  if (kRunCommands.contains(command)) return read_run_order(json, command);
  return input_error("There is no such command.", kCommandPlace + ": command",
                     "docs/serve.md lists those that there are.");
}

Json to_json(const LaunchOrder& order) {
  return {{"command", "launch"},
          {"run", order.run},
          {"recipe", order.recipe},
          {"folder", order.folder.string()},
          {"resume", order.resume.string()},
          {"reward_program", order.reward_program.string()},
          {"held_out_answers", order.held_out_answers}};
}

std::string order_line(const ServeOrder& order) {
  struct Writer {
    Json operator()(const LaunchOrder& launch) const { return to_json(launch); }
    Json operator()(const AttachOrder& attach) const {
      return {{"command", "attach"}, {"run", attach.run}, {"after", attach.after}};
    }
    Json operator()(const ListOrder&) const { return {{"command", "list"}}; }
    Json operator()(const FilesOrder&) const { return {{"command", "files"}}; }
    Json operator()(const FetchOrder& fetch) const {
      return {{"command", "fetch"}, {"file", fetch.file}, {"from", fetch.from}};
    }
    Json operator()(const RunOrder& run) const {
      Json json{{"command", run.command}};
      if (!run.client.empty()) json["client"] = run.client;
      if (run.request) json["request"] = run.request;
      if (run.discard) json["discard"] = true;
      if (run.command == "edit") {
        json["setting"] = run.setting;
        json["value"] = run.value;
      }
      if (run.command == "answer") json["asked"] = run.asked;
      return json;
    }
  };
  return json_line(std::visit(Writer(), order));
}

bool good_run_name(std::string_view name) {
  const auto fine = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  };
  return name.size() >= kShortestRunName && name.size() <= kLongestRunName && name[0] != '-' &&
         std::all_of(name.begin(), name.end(), fine);
}

std::string new_run_name() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char date[32], tail[16];
  std::strftime(date, sizeof date, "%Y%m%d-%H%M%S", &parts);
  std::random_device random;
  std::snprintf(tail, sizeof tail, "-%08x", static_cast<unsigned>(random()));
  return std::string(date) + tail;
}

Json to_json(const Error& error) {
  const char* code = error.code == ErrorCode::Input     ? "input"
                     : error.code == ErrorCode::Machine ? "machine"
                                                        : "interrupted";
  return {{"code", code}, {"what", error.what}, {"where", error.where}, {"hint", error.hint}};
}

Error error_from_json(const Json& json) {
  const auto text = [&](const char* key) {
    const auto found = json.is_object() ? json.find(key) : json.end();
    return json.is_object() && found != json.end() && found->is_string() ? found->get<std::string>()
                                                                         : std::string();
  };
  Error error;
  const std::string code = text("code");
  error.code = code == "input"         ? ErrorCode::Input
               : code == "interrupted" ? ErrorCode::Interrupted
                                       : ErrorCode::Machine;
  error.what = text("what");
  if (error.what.empty()) error.what = "Something failed there, and it does not say what.";
  error.where = text("where");
  error.hint = text("hint");
  return error;
}

std::string error_line(const Error& error, const std::string& command) {
  return json_line({{"error", to_json(error)}, {"command", command}});
}

std::string session_command(const ServeOrder& order) {
  struct Name {
    std::string operator()(const LaunchOrder&) const { return "launch"; }
    std::string operator()(const AttachOrder&) const { return "attach"; }
    std::string operator()(const ListOrder&) const { return "list"; }
    std::string operator()(const FilesOrder&) const { return "files"; }
    std::string operator()(const FetchOrder&) const { return "fetch"; }
    std::string operator()(const RunOrder& run) const {
      return run.command == "edit" ? "set_" + run.setting : run.command;
    }
  };
  return std::visit(Name(), order);
}

std::string json_line(const Json& json) {
  return json.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

void LineBuffer::add(std::string_view bytes) { bytes_.append(bytes); }

std::optional<Result<std::string>> LineBuffer::next() {
  while (true) {
    const std::size_t end = bytes_.find('\n', looked_);
    if (end == std::string::npos) {
      looked_ = bytes_.size();
      if (passing_) {
        bytes_.clear();
        looked_ = 0;
      } else if (bytes_.size() > longest_) {
        passing_ = true;
        bytes_.clear();
        looked_ = 0;
        return Result<std::string>(input_error(
            "A line of more than " + std::to_string(longest_) + " bytes is not read.", where_));
      }
      return std::nullopt;
    }
    std::string line = bytes_.substr(0, end);
    bytes_.erase(0, end + 1);
    looked_ = 0;
    if (std::exchange(passing_, false)) continue;
    if (line.size() > longest_)
      return Result<std::string>(input_error(
          "A line of more than " + std::to_string(longest_) + " bytes is not read.", where_));
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    return Result<std::string>(std::move(line));
  }
}

}  // namespace luthier

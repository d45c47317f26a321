// SPDX-License-Identifier: GPL-3.0-or-later
// Tools in rows: OpenAI's tool_calls and tool messages, ShareGPT's function_call and observation.
// All become what a chat template of transformers reads: `tool_calls` of the assistant, messages of
// the role tool, and the list `tools`.
#include "engine/data/row_messages.h"

namespace luthier::detail {

namespace {

/// {"name", "arguments"} in its envelope; nothing where it is no call.
Json as_call(const Json& call) {
  if (!call.is_object()) return nullptr;
  if (call.contains("function") && call["function"].is_object()) return call;
  if (!call.contains("name") || !call["name"].is_string()) return nullptr;
  const char* key = call.contains("arguments") ? "arguments" : "parameters";
  Json function = Json::object();
  function["name"] = call["name"];
  function["arguments"] = call.contains(key) ? call[key] : Json::object();
  return {{"type", "function"}, {"function", std::move(function)}};
}

constexpr const char* kCallHint =
    "A call reads {\"name\": ..., \"arguments\": {...}}, or a list of such.";

}  // namespace

Status RowReader::tool_calls(const Json& object, const std::string& field,
                             RawMessage& message) const {
  Json calls = Json::array();
  const auto add = [&](const Json& call) {
    Json wrapped = as_call(call);
    if (wrapped.is_null()) return false;
    calls.push_back(std::move(wrapped));
    return true;
  };
  const auto refuse = [&](const std::string& at) {
    return fault(RowFault::BadRow, "The tool call cannot be read.", at, kCallHint);
  };
  if (message.role == "tool_call") {  // the call is the message's text
    message.role = "assistant";
    std::string text;
    for (const ContentPart& part : message.content) text += part.text;
    const auto written = parse_json(text, where_);
    if (!written) return refuse(field);
    const Json list = written->is_array() ? *written : Json::array({*written});
    for (const Json& call : list)
      if (!add(call)) return refuse(field);
    message.content.clear();
    message.is_plain = false;
  }
  if (object.contains("tool_calls") && !object["tool_calls"].is_null()) {
    const Json& list = object["tool_calls"];
    if (!list.is_array()) return refuse(field + ".tool_calls");
    for (const Json& call : list)
      if (!add(call)) return refuse(field + ".tool_calls");
  }
  if (message.role == "assistant" && object.contains("function_call") &&
      object["function_call"].is_object())
    if (!add(object["function_call"])) return refuse(field + ".function_call");
  Json extra = Json::object();
  if (!calls.empty()) extra["tool_calls"] = std::move(calls);
  for (const char* key : {"tool_call_id", "name", "reasoning_content"})
    if (object.contains(key) && object[key].is_string()) extra[key] = object[key];
  if (!extra.empty()) message.extra = std::move(extra);
  return {};
}

Result<Json> RowReader::tools(const Json& row) const {
  if (!row.contains("tools") || row["tools"].is_null()) return Json(nullptr);
  Json tools = row["tools"];
  if (tools.is_string()) {
    const std::string text = tools.get<std::string>();
    if (text.find_first_not_of(" \t\r\n") == std::string::npos) return Json(nullptr);
    auto parsed = parse_json(text, where_ + ": tools");
    if (!parsed)
      return fault(RowFault::BadRow, "The tools are no JSON.", "tools",
                   "They are a list of functions.");
    tools = parsed.take();
  }
  if (tools.is_object()) tools = Json::array({tools});
  if (!tools.is_array())
    return fault(RowFault::BadRow, "The tools are no list.", "tools",
                 "They are a list of functions.");
  if (tools.empty()) return Json(nullptr);
  return tools;
}

}  // namespace luthier::detail

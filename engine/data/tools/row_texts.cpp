// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/tools/row_texts.h"

#include "engine/data/columns.h"
#include "engine/vision/inline_picture.h"

namespace luthier {

namespace {

using Say = std::function<bool(const std::string&, std::string_view)>;

constexpr int kDeepestText = 64;

bool is_bytes(const std::string& key, const std::string& text) {
  for (const char* name : {"bytes", "base64", "b64", "b64_json", "data"})
    if (key == name) return true;
  return is_inline_picture(text) || looks_like_base64_picture(text);
}

bool walk(const Json& value, const std::string& key, const Say& say, int depth) {
  if (depth > kDeepestText) return true;
  if (value.is_object()) {
    for (const auto& [name, each] : value.items())
      if (!walk(each, name, say, depth + 1)) return false;
  } else if (value.is_array()) {
    for (const Json& each : value)
      if (!walk(each, key, say, depth + 1)) return false;
  } else if (value.is_string()) {
    const std::string& text = value.get_ref<const std::string&>();
    return is_bytes(key, text) || say(key, text);
  } else if (!value.is_null()) {
    return say(key, value.dump());
  }
  return true;
}

void append_turns(std::string& text, const std::vector<Message>& turns) {
  for (const Message& turn : turns)
    for (const ContentPart& part : turn.content)
      if (part.kind == ContentPart::Kind::Text) text += (text.empty() ? "" : "\n") + part.text;
}

}  // namespace

void each_text(const Json& row, const Say& say) { walk(row, {}, say, 0); }

std::string column_text(const Json& row, const std::string& column) {
  const Json* const value = column_value(row, column);
  if (!value || value->is_null()) return {};
  if (value->is_string()) return value->get<std::string>();
  return value->dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string answer_text(const Conversation& row) {
  std::string text;
  for (const auto* turns : {&row.chosen, &row.answer})
    if (*turns) append_turns(text, **turns);
  if (!text.empty()) return text;
  for (auto turn = row.messages.rbegin(); turn != row.messages.rend(); ++turn) {
    if (turn->role != "assistant") continue;
    append_turns(text, {*turn});
    break;
  }
  return text;
}

std::string spoken_text(const Conversation& row) {
  std::string text;
  append_turns(text, row.messages);
  for (const auto* turns : {&row.chosen, &row.rejected, &row.answer})
    if (*turns) append_turns(text, **turns);
  return text;
}

std::filesystem::path first_picture(const Conversation& row) {
  for (const Message& turn : row.messages)
    for (const ContentPart& part : turn.content)
      if (part.kind == ContentPart::Kind::Image) return part.image;
  return {};
}

}  // namespace luthier

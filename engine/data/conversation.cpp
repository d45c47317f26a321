// SPDX-License-Identifier: GPL-3.0-or-later
// The row formats people have, read into messages of typed content. Plain texts may hold <image> marks; the row's pictures fill the
// places in their order (row_messages.cpp). Unknown fields are ignored, known ones of a wrong type are refused.
#include "engine/data/conversation.h"

#include "engine/data/row_messages.h"

namespace luthier {

namespace {

using detail::RawMessage;
using detail::RowReader;

bool has(const Json& row, const char* key) { return row.contains(key) && !row[key].is_null(); }

// A text is one turn of `role`; a list is messages; an object is one message.
Result<std::vector<RawMessage>> turns(const RowReader& reader, const Json& value, const std::string& field, const char* role) {
  if (value.is_string()) return std::vector<RawMessage>{RawMessage::plain(role, value.get<std::string>())};
  if (value.is_object()) {
    LUTHIER_TRY(RawMessage message, reader.message(value, field));
    return std::vector<RawMessage>{std::move(message)};
  }
  return reader.messages(value, field);
}

std::vector<Message> take_tail(std::vector<RawMessage>& messages, std::size_t from) {
  std::vector<RawMessage> tail(std::make_move_iterator(messages.begin() + static_cast<std::ptrdiff_t>(from)),
                               std::make_move_iterator(messages.end()));
  messages.resize(from);
  return detail::without_places(std::move(tail));
}

// Both answers, and the messages before them where the row gives no prompt of its own: what both lists begin with.
Status read_preference(const RowReader& reader, const Json& row, std::vector<RawMessage>& prompt, bool has_prompt, Conversation& out) {
  if (!has(row, "chosen") || !has(row, "rejected"))
    return reader.fault(RowFault::BadRow, "A preference row needs both chosen and rejected.", has(row, "chosen") ? "rejected" : "chosen");
  LUTHIER_TRY(auto chosen, turns(reader, row["chosen"], "chosen", "assistant"));
  LUTHIER_TRY(auto rejected, turns(reader, row["rejected"], "rejected", "assistant"));
  std::size_t common = 0;
  if (!has_prompt) {
    while (common < chosen.size() && common < rejected.size() && chosen[common] == rejected[common]) ++common;
    prompt.assign(chosen.begin(), chosen.begin() + static_cast<std::ptrdiff_t>(common));
    if (prompt.empty()) return reader.fault(RowFault::BadRow, "The row has answers but no prompt.", "prompt");
  }
  for (const auto* answers : {&chosen, &rejected})
    for (std::size_t i = common; i < answers->size(); ++i)
      if ((*answers)[i].open_places() > 0)
        return reader.fault(RowFault::ImageMarks, "Answers of a preference row cannot hold pictures.",
                            answers == &chosen ? "chosen" : "rejected");
  out.chosen = take_tail(chosen, common);
  out.rejected = take_tail(rejected, common);
  if (out.chosen->empty() || out.rejected->empty())
    return reader.fault(RowFault::BadRow, "An answer is empty: both lists of messages must go on after what they share.",
                        "chosen, rejected");
  return {};
}

}  // namespace

const char* row_fault_name(RowFault fault) {
  switch (fault) {
    case RowFault::BadRow: return "bad_row";
    case RowFault::ImageMarks: return "image_marks";
    case RowFault::MissingImage: return "missing_image";
    case RowFault::BrokenImage: return "broken_image";
    case RowFault::Template: return "template";
  }
  return "bad_row";
}

Result<Conversation> read_conversation(const Json& row, const std::filesystem::path& base, const std::string& where, RowFault* fault) {
  const RowReader reader(base, where, fault);
  if (!row.is_object()) return reader.fault(RowFault::BadRow, "The row is not a JSON object.", "");
  const bool preference = has(row, "chosen") || has(row, "rejected");
  std::vector<RawMessage> messages;
  bool found = true;
  if (has(row, "messages")) {
    LUTHIER_TRY(messages, reader.messages(row["messages"], "messages"));
  } else if (has(row, "conversations")) {
    LUTHIER_TRY(messages, reader.messages(row["conversations"], "conversations"));
  } else if (has(row, "prompt") && (has(row, "completion") || preference)) {
    LUTHIER_TRY(messages, turns(reader, row["prompt"], "prompt", "user"));
    if (has(row, "completion")) {
      LUTHIER_TRY(auto answer, turns(reader, row["completion"], "completion", "assistant"));
      messages.insert(messages.end(), std::make_move_iterator(answer.begin()), std::make_move_iterator(answer.end()));
    }
  } else {
    found = false;
  }
  if (!found && !preference)
    return reader.fault(RowFault::BadRow, "The row has no conversation.", "",
                        "It needs messages, conversations, prompt and completion, or chosen and rejected.");
  if (has(row, "system") && row["system"].is_string() && !row["system"].get<std::string>().empty() && found &&
      messages.front().role != "system")
    messages.insert(messages.begin(), RawMessage::plain("system", row["system"].get<std::string>()));

  Conversation out;
  if (preference) {
    LUTHIER_CHECK(read_preference(reader, row, messages, found, out));
  }
  LUTHIER_TRY(const auto pictures, reader.pictures(row));
  LUTHIER_TRY(out.messages, reader.place_pictures(std::move(messages), pictures));
  return out;
}

Result<Conversation> read_conversation_file(const std::filesystem::path& path) {
  LUTHIER_TRY(const Json row, read_json_file(path));
  return read_conversation(row, path.parent_path(), path.string());
}

Json messages_for_template(const std::vector<Message>& messages) {
  Json list = Json::array();
  for (const Message& message : messages) {
    Json content = Json::array();
    for (const ContentPart& part : message.content) {
      Json block = Json::object();
      block["type"] = part.kind == ContentPart::Kind::Image ? "image" : "text";
      if (part.kind == ContentPart::Kind::Text) block["text"] = part.text;
      content.push_back(std::move(block));
    }
    Json object = Json::object();
    object["role"] = message.role;
    object["content"] = std::move(content);
    list.push_back(std::move(object));
  }
  return list;
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// The row formats people have, read into messages of typed content. Plain texts may hold <image>
// marks; the row's pictures fill the places in their order (row_pictures.cpp). Unknown fields are
// ignored unless they hold a picture (row_keys.cpp), known ones of a wrong type are refused.
#include "engine/data/conversation.h"

#include <algorithm>

#include "engine/base/utf8.h"
#include "engine/data/boxes/box_rows.h"
#include "engine/data/row_keys.h"
#include "engine/data/row_messages.h"

namespace luthier {

namespace {

using detail::RawMessage;
using detail::RowReader;

bool has(const Json& row, const char* key) { return row.contains(key) && !row[key].is_null(); }

bool has_text(const Json& row, const char* key) {
  return has(row, key) && !(row[key].is_string() && row[key].get_ref<const std::string&>().empty());
}

// A text is one turn of `role`; a list is messages; an object is one message.
Result<std::vector<RawMessage>> turns(const RowReader& reader, const Json& value,
                                      const std::string& field, const char* role) {
  if (value.is_string()) {
    LUTHIER_TRY(RawMessage message, reader.plain(role, value, field));
    return std::vector<RawMessage>{std::move(message)};
  }
  if (!value.is_object() && !value.is_array())
    return reader.fault(RowFault::BadRow, "This must be a text, a message or a list of messages.",
                        field);
  if (value.is_object()) {
    LUTHIER_TRY(RawMessage message, reader.message(value, field));
    return std::vector<RawMessage>{std::move(message)};
  }
  return reader.messages(value, field);
}

std::vector<Message> take_tail(std::vector<RawMessage>& messages, std::size_t from) {
  std::vector<RawMessage> tail(
      std::make_move_iterator(messages.begin() + static_cast<std::ptrdiff_t>(from)),
      std::make_move_iterator(messages.end()));
  messages.resize(from);
  return detail::without_places(std::move(tail));
}

// Whether the row is a text and what is written for it (a translation, a summary), and asks nothing
// besides: `source` alone often says where a row came from.
bool rewrites(const Json& row) {
  for (const char* key : {"prompt", "instruction", "input", "query", "question"})
    if (has(row, key)) return false;
  const auto text = [&](const char* key) { return has_text(row, key) && row[key].is_string(); };
  return text("source") && text("target");
}

// Whether the row is a picture and its text, and asks nothing: a caption.
bool captions(const Json& row) {
  for (const char* key : {"prompt", "instruction", "input", "query", "question", "completion",
                          "output", "response", "answer", "images", "video", "videos", "label"})
    if (has(row, key)) return false;
  return has(row, "image") && !row["image"].is_array() && has_text(row, "text") &&
         row["text"].is_string();
}

// What a row asks: `prompt` as it is; `instruction`, with `input` in its next line; `query`;
// `question`. Nothing when it has none of them.
Result<std::vector<RawMessage>> question(const RowReader& reader, const Json& row) {
  if (has(row, "prompt")) return turns(reader, row["prompt"], "prompt", "user");
  if (has(row, "instruction") && (has_text(row, "instruction") || !has_text(row, "input"))) {
    LUTHIER_TRY(auto asked, turns(reader, row["instruction"], "instruction", "user"));
    if (!has_text(row, "input")) return asked;
    LUTHIER_TRY(const RawMessage more, reader.plain("user", row["input"], "input"));
    if (!row["instruction"].is_string())
      return reader.fault(RowFault::BadRow, "Beside input, the instruction must be a text.",
                          "instruction");
    asked.front().content.front().text += "\n" + more.content.front().text;
    return asked;
  }
  for (const char* key : {"input", "query", "question"})
    if (has_text(row, key)) return turns(reader, row[key], key, "user");
  if (rewrites(row)) return turns(reader, row["source"], "source", "user");
  if (captions(row)) return turns(reader, "<image>", "image", "user");
  return std::vector<RawMessage>();
}

// The key of a row's answer, in the order of the pairs that datasets have; null when there is none.
const char* answer_key(const Json& row) {
  struct Pair {
    const char *question, *answer;
  };
  constexpr Pair kPairs[] = {{"prompt", "completion"},
                             {"instruction", "output"},
                             {"query", "response"},
                             {"question", "answer"}};
  for (const Pair& pair : kPairs)
    if (has(row, pair.question) && has(row, pair.answer)) return pair.answer;
  for (const Pair& pair : kPairs)
    if (has(row, pair.answer)) return pair.answer;
  if (captions(row)) return "text";
  return rewrites(row) ? "target" : nullptr;
}

// Earlier turns: pairs of question and answer, or messages.
Result<std::vector<RawMessage>> history(const RowReader& reader, const Json& row) {
  std::vector<RawMessage> turns;
  if (!has(row, "history") || (row["history"].is_array() && row["history"].empty())) return turns;
  const Json& list = row["history"];
  if (!list.is_array())
    return reader.fault(RowFault::BadRow, "This must be a list of pairs of question and answer.",
                        "history");
  if (list.front().is_object()) return reader.messages(list, "history");
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string at = "history[" + std::to_string(i) + "]";
    if (!list[i].is_array() || list[i].size() != 2)
      return reader.fault(RowFault::BadRow, "This must be a pair of question and answer.", at);
    LUTHIER_TRY(RawMessage asked, reader.plain("user", list[i][0], at + "[0]"));
    LUTHIER_TRY(RawMessage answered, reader.plain("assistant", list[i][1], at + "[1]"));
    turns.push_back(std::move(asked));
    turns.push_back(std::move(answered));
  }
  return turns;
}

// Both answers, and the messages before them where the row gives no prompt of its own: what both
// lists begin with.
Status read_preference(const RowReader& reader, const Json& row, std::vector<RawMessage>& prompt,
                       bool has_prompt, Conversation& out) {
  if (!has(row, "chosen") || !has(row, "rejected"))
    return reader.fault(RowFault::BadRow, "A preference row needs both chosen and rejected.",
                        has(row, "chosen") ? "rejected" : "chosen");
  LUTHIER_TRY(auto chosen, turns(reader, row["chosen"], "chosen", "assistant"));
  LUTHIER_TRY(auto rejected, turns(reader, row["rejected"], "rejected", "assistant"));
  std::size_t common = 0;
  if (!has_prompt) {
    while (common < chosen.size() && common < rejected.size() && chosen[common] == rejected[common])
      ++common;
    prompt.assign(chosen.begin(), chosen.begin() + static_cast<std::ptrdiff_t>(common));
    if (prompt.empty())
      return reader.fault(RowFault::BadRow, "The row has answers but no prompt.", "prompt");
  }
  for (const auto* answers : {&chosen, &rejected})
    for (std::size_t i = common; i < answers->size(); ++i)
      if ((*answers)[i].open_places(ContentPart::Kind::Image) > 0 ||
          (*answers)[i].open_places(ContentPart::Kind::Film) > 0)
        return reader.fault(RowFault::ImageMarks,
                            "Answers of a preference row cannot hold pictures.",
                            answers == &chosen ? "chosen" : "rejected");
  out.chosen = take_tail(chosen, common);
  out.rejected = take_tail(rejected, common);
  if (out.chosen->empty() || out.rejected->empty())
    return reader.fault(
        RowFault::BadRow,
        "An answer is empty: both lists of messages must go on after what they share.",
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
    case RowFault::MissingFilm: return "missing_film";
    case RowFault::BrokenFilm: return "broken_film";
    case RowFault::Template: return "template";
    case RowFault::UnsupportedMedia: return "unsupported_media";
    case RowFault::UnsupportedTools: return "unsupported_tools";
    case RowFault::UnknownKey: return "unknown_key";
  }
  return "bad_row";
}

namespace {

struct Turns {
  std::vector<RawMessage> messages;
  bool found = true;  // the row has messages of its own, and not only both answers
};

Result<Turns> read_turns(const RowReader& reader, const Json& row, bool preference) {
  Turns turns_read;
  std::vector<RawMessage>& messages = turns_read.messages;
  if (has(row, "messages")) {
    LUTHIER_TRY(messages, reader.messages(row["messages"], "messages"));
    return turns_read;
  }
  if (has(row, "conversations")) {
    LUTHIER_TRY(messages, reader.messages(row["conversations"], "conversations"));
    return turns_read;
  }
  const char* answer = answer_key(row);
  if (answer || preference) {
    LUTHIER_TRY(auto asked, question(reader, row));
    if (!asked.empty()) {
      LUTHIER_TRY(messages, history(reader, row));
      messages.insert(messages.end(), std::make_move_iterator(asked.begin()),
                      std::make_move_iterator(asked.end()));
      if (!answer || preference) return turns_read;
      LUTHIER_TRY(auto said, turns(reader, row[answer], answer, "assistant"));
      messages.insert(messages.end(), std::make_move_iterator(said.begin()),
                      std::make_move_iterator(said.end()));
      return turns_read;
    }
  }
  turns_read.found = false;
  if (preference) return turns_read;
  const std::string near = detail::nearest_hint(row);
  const std::string keys =
      row.empty() ? std::string() : "; its keys are " + detail::listed_keys(row);
  return reader.fault(RowFault::BadRow, "The row has no conversation" + keys + ".", "",
                      "It needs messages, conversations, prompt and completion, instruction and "
                      "output, query and response, question and "
                      "answer, source and target, or chosen and rejected." +
                          (near.empty() ? std::string() : " " + near));
}

}  // namespace

Result<Conversation> read_conversation(const Json& row, const std::filesystem::path& base,
                                       const std::string& where, RowFault* fault) {
  const RowReader reader(base, where, fault);
  if (!row.is_object()) return reader.fault(RowFault::BadRow, "The row is not a JSON object.", "");
  LUTHIER_CHECK(reader.sound(row));
  if (is_box_row(row)) return read_box_row(row, base, where, fault);
  const bool preference = has(row, "chosen") || has(row, "rejected");
  LUTHIER_TRY(Turns turns_read, read_turns(reader, row, preference));
  std::vector<RawMessage>& messages = turns_read.messages;
  const bool found = turns_read.found;
  if (has(row, "system") && row["system"].is_string() &&
      !row["system"].get<std::string>().empty() && found && messages.front().role != "system")
    messages.insert(messages.begin(),
                    RawMessage::plain("system", row["system"].get<std::string>()));

  Conversation out;
  if (preference) {
    LUTHIER_CHECK(read_preference(reader, row, messages, found, out));
  }
  LUTHIER_TRY(const detail::RowMedia media, reader.media(row));
  LUTHIER_TRY(out.messages, reader.place_media(std::move(messages), media));
  LUTHIER_TRY(out.tools, reader.tools(row));
  const bool shows =
      std::any_of(out.messages.begin(), out.messages.end(), [](const Message& message) {
        return std::any_of(
            message.content.begin(), message.content.end(),
            [](const ContentPart& part) { return part.kind != ContentPart::Kind::Text; });
      });
  if (!shows)  // what would be trained on as text alone
    for (const detail::UnreadKey& unread : detail::unread_keys(row))
      if (unread.picture)
        return reader.fault(
            RowFault::UnknownKey,
            "The key \"" + shortened(unread.key, 60) + "\" is not read, and it holds a picture.",
            "", "A row's pictures stand in image or images.");
  return out;
}

bool uses_tools(const std::vector<Message>& messages) {
  return std::any_of(messages.begin(), messages.end(), [](const Message& message) {
    return message.role == "tool" ||
           (message.extra.is_object() && message.extra.contains("tool_calls"));
  });
}

Json messages_for_template(const std::vector<Message>& messages) {
  Json list = Json::array();
  for (const Message& message : messages) {
    Json content = Json::array();
    for (const ContentPart& part : message.content) {
      Json block = Json::object();
      block["type"] = part.kind == ContentPart::Kind::Image  ? "image"
                      : part.kind == ContentPart::Kind::Film ? "video"
                                                             : "text";
      if (part.kind == ContentPart::Kind::Text) block["text"] = part.text;
      content.push_back(std::move(block));
    }
    Json object = Json::object();
    object["role"] = message.role;
    object["content"] = std::move(content);
    if (message.extra.is_object())
      for (const auto& [key, value] : message.extra.items()) object[key] = value;
    list.push_back(std::move(object));
  }
  return list;
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// Roles, contents and marks of one message. Pictures are read in row_pictures.cpp, tools in
// row_tools.cpp.
#include "engine/data/row_messages.h"

#include <algorithm>

#include "engine/base/utf8.h"

namespace luthier::detail {

namespace {

// What datasets write; a family's own marks are the chat processor's business.
constexpr std::string_view kPictureMark = "<image>", kFilmMark = "<video>";
constexpr std::size_t kShownName = 60;

struct RoleName {
  std::string_view written, role;
};

constexpr RoleName kRoles[] = {
    {"user", "user"},           {"human", "user"},
    {"assistant", "assistant"}, {"gpt", "assistant"},
    {"model", "assistant"},     {"system", "system"},
    {"tool", "tool"},           {"observation", "tool"},
    {"tool_response", "tool"},  {"function_response", "tool"},
    {"function", "tool"},       {"function_call", "tool_call"},
    {"tool_call", "tool_call"},
};

std::size_t count_marks(std::string_view text, std::string_view mark) {
  std::size_t count = 0;
  for (std::size_t at = text.find(mark); at != std::string_view::npos;
       at = text.find(mark, at + mark.size()))
    ++count;
  return count;
}

bool is_film_type(const std::string& type) {
  return type == "video" || type == "video_url" || type == "input_video";
}

bool is_sound_type(const std::string& type) {
  return type == "audio" || type == "audio_url" || type == "input_audio";
}

}  // namespace

// LLaVA writes "<image>\nquestion" and "question\n<image>": templates bring their own newlines.
std::vector<ContentPart> split_at_marks(std::string_view text) {
  std::vector<ContentPart> parts;
  while (true) {
    const std::size_t at = std::min(text.find(kPictureMark), text.find(kFilmMark));
    std::string_view before = text.substr(0, at);
    const bool found = at != std::string_view::npos;
    const bool film = found && text.substr(at).starts_with(kFilmMark);
    const std::size_t size = film ? kFilmMark.size() : kPictureMark.size();
    if (found && at + size == text.size() && before.ends_with('\n')) before.remove_suffix(1);
    if (!before.empty()) parts.push_back(ContentPart::of_text(std::string(before)));
    if (!found) return parts;
    parts.push_back(film ? ContentPart::of_film({}) : ContentPart::of_image({}));
    text.remove_prefix(at + size);
    if (text.starts_with('\n')) text.remove_prefix(1);
  }
}

RawMessage RawMessage::plain(std::string role, std::string text) {
  RawMessage message;
  message.role = std::move(role);
  message.content.push_back(ContentPart::of_text(std::move(text)));
  message.is_plain = true;
  return message;
}

std::size_t RawMessage::open_places(ContentPart::Kind kind) const {
  std::size_t count = 0;
  for (const ContentPart& part : content) {
    if (part.kind == kind)
      count += part.image.empty() && part.film.empty();
    else if (part.kind == ContentPart::Kind::Text && is_plain)
      count += count_marks(part.text, kind == ContentPart::Kind::Film ? kFilmMark : kPictureMark);
  }
  return count;
}

bool RawMessage::operator==(const RawMessage& other) const {
  return role == other.role && is_plain == other.is_plain && extra == other.extra &&
         content == other.content;
}

Error RowReader::fault(RowFault kind, std::string what, const std::string& field,
                       std::string hint) const {
  if (fault_) *fault_ = kind;
  return input_error(std::move(what), field.empty() ? where_ : where_ + ": " + field,
                     std::move(hint));
}

Status RowReader::marks(const std::string& text, const std::string& field) const {
  if (text.find("<audio>") == std::string::npos) return {};
  return fault(RowFault::UnsupportedMedia,
               "The text has the mark <audio>, and sound is not trained on: only pictures, films "
               "and text are.",
               field, "Take the row out, or take the mark out of its text.");
}

Result<std::string> RowReader::role(const Json& object, const std::string& field) const {
  const char* key = object.contains("role") ? "role" : "from";
  if (!object.contains(key) || !object[key].is_string())
    return fault(RowFault::BadRow, "The message has no role.", field, "It needs role, or from.");
  const std::string name = object[key].get<std::string>();
  for (const RoleName& known : kRoles)
    if (name == known.written) return std::string(known.role);
  return fault(
      RowFault::BadRow, "The role \"" + shortened(name, kShownName) + "\" is not known.",
      field + "." + key,
      "Roles are system, user (human), assistant (gpt), tool (observation) and function_call.");
}

Result<ContentPart> RowReader::part(const Json& block, const std::string& field) const {
  if (block.is_string()) {
    LUTHIER_CHECK(marks(block.get_ref<const std::string&>(), field));
    return ContentPart::of_text(block.get<std::string>());
  }
  if (!block.is_object())
    return fault(RowFault::BadRow, "A content part must be an object.", field);
  const bool typed = block.contains("type") && block["type"].is_string();
  const std::string type = typed ? block["type"].get<std::string>() : "";
  bool is_sound = is_sound_type(type);
  if (!typed)
    for (const char* key : {"audio", "audio_url", "input_audio"})
      is_sound = is_sound || (block.contains(key) && !block[key].is_null());
  if (is_sound)
    return fault(RowFault::UnsupportedMedia,
                 "The part is sound, which is not trained on: only pictures, films and text are.",
                 field + (typed ? ".type" : ""), "Take the row out, or take the sound out of it.");
  if (!typed) return fault(RowFault::BadRow, "The content part has no type.", field + ".type");
  if (type == "text") {
    if (!block.contains("text") || !block["text"].is_string())
      return fault(RowFault::BadRow, "The text part has no text.", field + ".text");
    LUTHIER_CHECK(marks(block["text"].get_ref<const std::string&>(), field + ".text"));
    return ContentPart::of_text(block["text"].get<std::string>());
  }
  if (is_film_type(type)) return film_part(block, field);
  if (type != "image" && type != "image_url")
    return fault(RowFault::BadRow,
                 "Content of type \"" + shortened(type, kShownName) + "\" is not read.",
                 field + ".type", "Types are text, image and video.");
  for (const char* key : {"bytes", "base64", "data", "path", "image", "url", "image_url", "source"})
    if (block.contains(key) && !block[key].is_null()) {
      const std::string_view name = key;
      const bool own = name == "bytes" || name == "base64" || name == "data";
      LUTHIER_TRY(auto path, picture(own ? block : block[key], field + "." + key));
      return ContentPart::of_image(std::move(path));
    }
  return ContentPart::of_image({});
}

Status RowReader::content(const Json& object, const std::string& field, RawMessage& message) const {
  const char* key = object.contains("content") ? "content"
                    : object.contains("value") ? "value"
                                               : nullptr;
  if (!key && object.contains("tool_calls")) return {};
  if (!key)
    return fault(RowFault::BadRow, "The message has no content.", field,
                 "It needs content, or value.");
  const Json& content = object[key];
  const std::string at = field + "." + key;
  if (content.is_null()) return {};
  if (content.is_string()) {
    LUTHIER_CHECK(marks(content.get_ref<const std::string&>(), at));
    message.content.push_back(ContentPart::of_text(content.get<std::string>()));
    message.is_plain = true;
    return {};
  }
  if (!content.is_array())
    return fault(RowFault::BadRow, "Content must be a text or a list of parts.", at);
  for (std::size_t i = 0; i < content.size(); ++i) {
    LUTHIER_TRY(auto one, part(content[i], at + "[" + std::to_string(i) + "]"));
    message.content.push_back(std::move(one));
  }
  return {};
}

Result<RawMessage> RowReader::message(const Json& object, const std::string& field) const {
  if (!object.is_object()) return fault(RowFault::BadRow, "The message is not an object.", field);
  RawMessage message;
  LUTHIER_TRY(message.role, role(object, field));
  LUTHIER_CHECK(sound(object, field + "."));
  LUTHIER_CHECK(content(object, field, message));
  LUTHIER_CHECK(tool_calls(object, field, message));
  LUTHIER_CHECK(own_media(object, field, message));
  return message;
}

Result<RawMessage> RowReader::plain(const std::string& role, const Json& text,
                                    const std::string& field) const {
  if (!text.is_string()) return fault(RowFault::BadRow, "This must be a text.", field);
  LUTHIER_CHECK(marks(text.get_ref<const std::string&>(), field));
  return RawMessage::plain(role, text.get<std::string>());
}

Result<std::vector<RawMessage>> RowReader::messages(const Json& list,
                                                    const std::string& field) const {
  if (!list.is_array() || list.empty())
    return fault(RowFault::BadRow, "This must be a list of at least one message.", field);
  std::vector<RawMessage> messages;
  messages.reserve(list.size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    LUTHIER_TRY(auto one, message(list[i], field + "[" + std::to_string(i) + "]"));
    messages.push_back(std::move(one));
  }
  return messages;
}

std::vector<Message> without_places(std::vector<RawMessage> messages) {
  std::vector<Message> out;
  for (RawMessage& raw : messages)
    out.push_back({std::move(raw.role), std::move(raw.content), std::move(raw.extra)});
  return out;
}

}  // namespace luthier::detail

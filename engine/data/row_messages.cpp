// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/row_messages.h"

#include <algorithm>

namespace luthier::detail {

namespace {

constexpr std::string_view kMark = "<image>";  // what datasets write; a family's own mark is the chat processor's business

std::size_t count_marks(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = text.find(kMark); at != std::string_view::npos; at = text.find(kMark, at + kMark.size())) ++count;
  return count;
}

ContentPart text_part(std::string text) { return {ContentPart::Kind::Text, std::move(text), {}}; }
ContentPart image_part(std::filesystem::path path) { return {ContentPart::Kind::Image, {}, std::move(path)}; }

// Text and places in turn. One newline between a mark and the text belongs to the mark (LLaVA writes "<image>\nquestion" and
// "question\n<image>"): templates bring their own.
std::vector<ContentPart> split_at_marks(std::string_view text) {
  std::vector<ContentPart> parts;
  while (true) {
    const std::size_t at = text.find(kMark);
    std::string_view before = text.substr(0, at);
    if (at != std::string_view::npos && at + kMark.size() == text.size() && before.ends_with('\n')) before.remove_suffix(1);
    if (!before.empty()) parts.push_back(text_part(std::string(before)));
    if (at == std::string_view::npos) return parts;
    parts.push_back(image_part({}));
    text.remove_prefix(at + kMark.size());
    if (text.starts_with('\n')) text.remove_prefix(1);
  }
}

Message finished(RawMessage raw) { return {std::move(raw.role), std::move(raw.content)}; }

}  // namespace

RawMessage RawMessage::plain(std::string role, std::string text) {
  RawMessage message;
  message.role = std::move(role);
  message.content.push_back(text_part(std::move(text)));
  message.is_plain = true;
  return message;
}

std::size_t RawMessage::open_places() const {
  std::size_t count = 0;
  for (const ContentPart& part : content) {
    if (part.kind == ContentPart::Kind::Image)
      count += part.image.empty();
    else if (is_plain)
      count += count_marks(part.text);
  }
  return count;
}

bool RawMessage::operator==(const RawMessage& other) const {
  const auto same = [](const ContentPart& a, const ContentPart& b) { return a.kind == b.kind && a.text == b.text && a.image == b.image; };
  return role == other.role && is_plain == other.is_plain &&
         std::equal(content.begin(), content.end(), other.content.begin(), other.content.end(), same);
}

Error RowReader::fault(RowFault kind, std::string what, const std::string& field, std::string hint) const {
  if (fault_) *fault_ = kind;
  return input_error(std::move(what), field.empty() ? where_ : where_ + ": " + field, std::move(hint));
}

Result<std::string> RowReader::role(const Json& object, const std::string& field) const {
  const char* key = object.contains("role") ? "role" : "from";
  if (!object.contains(key) || !object[key].is_string())
    return fault(RowFault::BadRow, "The message has no role.", field, "It needs role, or from.");
  const std::string name = object[key].get<std::string>();
  if (name == "user" || name == "human") return std::string("user");
  if (name == "assistant" || name == "gpt" || name == "model") return std::string("assistant");
  if (name == "system") return name;
  return fault(RowFault::BadRow, "The role \"" + name + "\" is not known.", field + "." + key,
               "Roles are system, user (human) and assistant (gpt).");
}

Result<std::filesystem::path> RowReader::picture(const Json& value, const std::string& field) const {
  const Json* path = &value;
  if (value.is_object()) {
    for (const char* key : {"path", "url"})
      if (value.contains(key) && value[key].is_string()) path = &value[key];
  }
  if (!path->is_string()) return fault(RowFault::BadRow, "A picture must be given by its path.", field);
  std::string text = path->get<std::string>();
  if (text.starts_with("file://")) text.erase(0, 7);
  if (text.empty() || text.find('\0') != std::string::npos)
    return fault(RowFault::BadRow, "The picture's path is empty or not a path.", field);
  for (const char* scheme : {"http://", "https://", "data:"})
    if (text.starts_with(scheme))
      return fault(RowFault::BadRow, "Pictures are read from files, not from addresses.", field, "Download it and give its path.");
  return (base_ / text).lexically_normal();
}

Result<ContentPart> RowReader::part(const Json& block, const std::string& field) const {
  if (block.is_string()) return text_part(block.get<std::string>());
  if (!block.is_object()) return fault(RowFault::BadRow, "A content part must be an object.", field);
  if (!block.contains("type") || !block["type"].is_string())
    return fault(RowFault::BadRow, "The content part has no type.", field + ".type");
  const std::string type = block["type"].get<std::string>();
  if (type == "text") {
    if (!block.contains("text") || !block["text"].is_string())
      return fault(RowFault::BadRow, "The text part has no text.", field + ".text");
    return text_part(block["text"].get<std::string>());
  }
  if (type != "image" && type != "image_url")
    return fault(RowFault::BadRow, "Content of type \"" + type + "\" is not read.", field + ".type", "Types are text and image.");
  for (const char* key : {"path", "image", "url", "image_url"})
    if (block.contains(key) && !block[key].is_null()) {
      LUTHIER_TRY(auto path, picture(block[key], field + "." + key));
      return image_part(std::move(path));
    }
  return image_part({});
}

Result<RawMessage> RowReader::message(const Json& object, const std::string& field) const {
  if (!object.is_object()) return fault(RowFault::BadRow, "The message is not an object.", field);
  RawMessage message;
  LUTHIER_TRY(message.role, role(object, field));
  const char* key = object.contains("content") ? "content" : object.contains("value") ? "value" : nullptr;
  if (!key) return fault(RowFault::BadRow, "The message has no content.", field, "It needs content, or value.");
  const Json& content = object[key];
  const std::string at = field + "." + key;
  if (content.is_string()) return RawMessage::plain(std::move(message.role), content.get<std::string>());
  if (content.is_null()) return message;
  if (!content.is_array()) return fault(RowFault::BadRow, "Content must be a text or a list of parts.", at);
  for (std::size_t i = 0; i < content.size(); ++i) {
    LUTHIER_TRY(auto one, part(content[i], at + "[" + std::to_string(i) + "]"));
    message.content.push_back(std::move(one));
  }
  return message;
}

Result<std::vector<RawMessage>> RowReader::messages(const Json& list, const std::string& field) const {
  if (!list.is_array() || list.empty()) return fault(RowFault::BadRow, "This must be a list of at least one message.", field);
  std::vector<RawMessage> messages;
  messages.reserve(list.size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    LUTHIER_TRY(auto one, message(list[i], field + "[" + std::to_string(i) + "]"));
    messages.push_back(std::move(one));
  }
  return messages;
}

Result<std::vector<std::filesystem::path>> RowReader::pictures(const Json& row) const {
  std::vector<std::filesystem::path> paths;
  for (const std::string key : {"images", "image"}) {
    if (!row.contains(key) || row[key].is_null()) continue;
    const Json& value = row[key];
    if (!value.is_array()) {
      if (value.is_string() && value.get<std::string>().empty()) continue;  // how some tables write "none"
      LUTHIER_TRY(auto path, picture(value, key));
      paths.push_back(std::move(path));
      continue;
    }
    for (std::size_t i = 0; i < value.size(); ++i) {
      LUTHIER_TRY(auto path, picture(value[i], key + "[" + std::to_string(i) + "]"));
      paths.push_back(std::move(path));
    }
  }
  return paths;
}

Result<std::vector<Message>> RowReader::place_pictures(std::vector<RawMessage> messages,
                                                       const std::vector<std::filesystem::path>& pictures) const {
  std::size_t places = 0;
  bool some_filled = false;
  for (const RawMessage& message : messages) {
    places += message.open_places();
    for (const ContentPart& part : message.content) some_filled |= part.kind == ContentPart::Kind::Image && !part.image.empty();
  }
  const bool put_first = places == 0 && !pictures.empty() && !some_filled;
  const auto first_user = std::find_if(messages.begin(), messages.end(), [](const RawMessage& m) { return m.role == "user"; });
  if (put_first && first_user == messages.end())
    return fault(RowFault::ImageMarks, "The row has pictures but no user turn to put them in.", "");
  if (!put_first && places != pictures.size()) {
    const auto number = [](std::size_t count, const std::string& noun) {
      return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
    };
    return fault(RowFault::ImageMarks,
                 "The row's text has " + number(places, "<image> mark") + ", but the row has " + number(pictures.size(), "picture") + ".",
                 "", "Each picture needs one mark.");
  }
  std::vector<Message> out;
  std::size_t next = 0;
  for (auto message = messages.begin(); message != messages.end(); ++message) {
    std::vector<ContentPart> content;
    if (put_first && message == first_user)
      for (const auto& path : pictures) content.push_back(image_part(path));
    for (ContentPart& part : message->content) {
      if (part.kind == ContentPart::Kind::Text && message->is_plain && places > 0) {
        for (ContentPart& piece : split_at_marks(part.text)) content.push_back(std::move(piece));
      } else {
        content.push_back(std::move(part));
      }
    }
    for (ContentPart& part : content)
      if (part.kind == ContentPart::Kind::Image && part.image.empty()) part.image = pictures[next++];
    message->content = std::move(content);
    out.push_back(finished(std::move(*message)));
  }
  return out;
}

std::vector<Message> without_places(std::vector<RawMessage> messages) {
  std::vector<Message> out;
  for (RawMessage& message : messages) out.push_back(finished(std::move(message)));
  return out;
}

}  // namespace luthier::detail

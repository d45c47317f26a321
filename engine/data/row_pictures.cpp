// SPDX-License-Identifier: GPL-3.0-or-later
// A row's pictures: paths, data URIs, base64 and bytes; where each of them stands in the text; and
// what is no picture (video, sound), which no row may lose without a word.
#include <algorithm>

#include "engine/base/base64.h"
#include "engine/data/row_messages.h"
#include "engine/io/file_kind.h"
#include "engine/vision/inline_picture.h"

namespace luthier::detail {

namespace {

/// Whether a field holds anything: not null, "", [] or [null].
bool holds_something(const Json& value) {
  if (value.is_null()) return false;
  if (value.is_string()) return !value.get_ref<const std::string&>().empty();
  if (value.is_array())
    return std::any_of(value.begin(), value.end(),
                       [](const Json& each) { return holds_something(each); });
  return !value.is_object() || !value.empty();
}

std::string counted(std::size_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

}  // namespace

Status RowReader::media(const Json& row, const std::string& prefix) const {
  struct Field {
    const char *key, *medium;
  };
  constexpr Field kFields[] = {
      {"videos", "video"}, {"video", "video"}, {"video_path", "video"}, {"video_paths", "video"},
      {"audios", "sound"}, {"audio", "sound"}, {"audio_path", "sound"}, {"audio_paths", "sound"}};
  for (const Field& field : kFields)
    if (row.contains(field.key) && holds_something(row[field.key]))
      return fault(RowFault::UnsupportedMedia,
                   std::string("The row has ") + field.medium +
                       ", which is not trained on: only pictures and text are.",
                   prefix + field.key, "Take the row out, or give single frames as pictures.");
  return {};
}

Result<std::filesystem::path> RowReader::picture_text(std::string text,
                                                      const std::string& field) const {
  if (text.starts_with("file://")) text.erase(0, 7);
  if (text.empty() || text.find('\0') != std::string::npos)
    return fault(RowFault::BadRow, "The picture's path is empty or not a path.", field);
  if (text.starts_with("data:")) return std::filesystem::path(text);
  for (const char* scheme : {"http://", "https://", "s3://", "gs://"})
    if (text.starts_with(scheme))
      return fault(RowFault::BadRow, "Pictures are read from files, not from addresses.", field,
                   "Download it and give its path.");
  if (looks_like_base64_picture(text)) return inline_picture(text);
  const FileKind kind = file_kind_by_name(text);
  if (kind.family == FileFamily::Video || kind.family == FileFamily::Audio)
    return fault(RowFault::UnsupportedMedia,
                 "This is " + kind.name + ", which is not trained on: only pictures and text are.",
                 field, "Take the row out, or give single frames as pictures.");
  return (base_ / text).lexically_normal();
}

Result<std::filesystem::path> RowReader::picture_bytes(const Json& value,
                                                       const std::string& field) const {
  if (value.is_string()) {
    const std::string text = value.get<std::string>();
    if (text.starts_with("data:")) return std::filesystem::path(text);
    if (text.starts_with("b'") || text.starts_with("b\""))
      return fault(RowFault::BadRow, "The bytes are written as Python shows them.", field,
                   "Write them as base64.");
    return inline_picture(text);
  }
  if (!value.is_array())
    return fault(RowFault::BadRow, "The bytes are neither base64 nor a list of numbers.", field);
  std::vector<std::byte> bytes;
  bytes.reserve(value.size());
  for (const Json& each : value) {
    const bool byte = each.is_number_unsigned() && each.get<std::uint64_t>() <= 255;
    if (!byte) return fault(RowFault::BadRow, "The list of bytes holds what is no byte.", field);
    bytes.push_back(static_cast<std::byte>(each.get<std::uint64_t>()));
  }
  return inline_picture(encode_base64(bytes));
}

Result<std::filesystem::path> RowReader::picture(const Json& value,
                                                 const std::string& field) const {
  if (value.is_string()) return picture_text(value.get<std::string>(), field);
  if (value.is_object()) {
    // Bytes first: beside them datasets keep the name that the picture once had.
    for (const char* key : {"bytes", "base64", "b64", "b64_json", "data"})
      if (value.contains(key) && holds_something(value[key]))
        return picture_bytes(value[key], field + "." + key);
    for (const char* key : {"path", "url", "image", "image_url", "file_name"})
      if (value.contains(key) && value[key].is_string())
        return picture_text(value[key].get<std::string>(), field);
  }
  return fault(RowFault::BadRow, "A picture must be given by its path or by its bytes.", field,
               "It is a path, a data URI, base64, or an object with path or bytes.");
}

Result<std::vector<std::filesystem::path>> RowReader::pictures(const Json& row,
                                                               const std::string& prefix) const {
  std::vector<std::filesystem::path> paths;
  for (const std::string key : {"images", "image"}) {
    if (!row.contains(key) || row[key].is_null()) continue;
    const Json& value = row[key];
    const std::string at = prefix + key;
    if (!value.is_array()) {
      if (value.is_string() && value.get<std::string>().empty())
        continue;  // how some tables write "none"
      LUTHIER_TRY(auto path, picture(value, at));
      paths.push_back(std::move(path));
      continue;
    }
    for (std::size_t i = 0; i < value.size(); ++i) {
      LUTHIER_TRY(auto path, picture(value[i], at + "[" + std::to_string(i) + "]"));
      paths.push_back(std::move(path));
    }
  }
  return paths;
}

/// A message may bring its pictures itself, beside its text.
Status RowReader::own_pictures(const Json& object, const std::string& field,
                               RawMessage& message) const {
  LUTHIER_TRY(const auto own, pictures(object, field + "."));
  if (own.empty()) return {};
  const std::size_t places = message.open_places();
  if (places != 0 && places != own.size())
    return fault(RowFault::ImageMarks,
                 "The message's text has " + counted(places, "<image> mark") +
                     ", but the message has " + counted(own.size(), "picture") + ".",
                 field, "Each picture needs one mark.");
  std::vector<ContentPart> content;
  if (places == 0)
    for (const auto& path : own) content.push_back(ContentPart::of_image(path));
  std::size_t next = 0;
  for (ContentPart& part : message.content) {
    if (part.kind == ContentPart::Kind::Text && message.is_plain && places > 0) {
      for (ContentPart& piece : split_at_marks(part.text)) content.push_back(std::move(piece));
    } else {
      content.push_back(std::move(part));
    }
  }
  for (ContentPart& part : content)
    if (part.kind == ContentPart::Kind::Image && part.image.empty()) part.image = own[next++];
  message.content = std::move(content);
  message.is_plain = false;
  return {};
}

Result<std::vector<Message>> RowReader::place_pictures(
    std::vector<RawMessage> messages, const std::vector<std::filesystem::path>& pictures) const {
  std::size_t places = 0;
  bool some_filled = false;
  for (const RawMessage& message : messages) {
    places += message.open_places();
    for (const ContentPart& part : message.content)
      some_filled |= part.kind == ContentPart::Kind::Image && !part.image.empty();
  }
  const bool put_first = places == 0 && !pictures.empty() && !some_filled;
  const auto first_user = std::find_if(messages.begin(), messages.end(),
                                       [](const RawMessage& m) { return m.role == "user"; });
  if (put_first && first_user == messages.end())
    return fault(RowFault::ImageMarks, "The row has pictures but no user turn to put them in.", "");
  if (!put_first && places != pictures.size())
    return fault(RowFault::ImageMarks,
                 "The row's text has " + counted(places, "<image> mark") + ", but the row has " +
                     counted(pictures.size(), "picture") + ".",
                 "", "Each picture needs one mark.");
  std::size_t next = 0;
  for (auto message = messages.begin(); message != messages.end(); ++message) {
    std::vector<ContentPart> content;
    if (put_first && message == first_user)
      for (const auto& path : pictures) content.push_back(ContentPart::of_image(path));
    for (ContentPart& part : message->content) {
      if (part.kind == ContentPart::Kind::Text && message->is_plain && places > 0) {
        for (ContentPart& piece : split_at_marks(part.text)) content.push_back(std::move(piece));
      } else {
        content.push_back(std::move(part));
      }
    }
    for (ContentPart& part : content)
      if (part.kind == ContentPart::Kind::Image && part.image.empty())
        part.image = pictures[next++];
    message->content = std::move(content);
  }
  return without_places(std::move(messages));
}

}  // namespace luthier::detail

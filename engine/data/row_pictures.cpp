// SPDX-License-Identifier: GPL-3.0-or-later
// A row's pictures: paths, data URIs, base64 and bytes; and where each of them, and of its films,
// stands in the text.
#include <algorithm>

#include "engine/base/base64.h"
#include "engine/data/row_messages.h"
#include "engine/io/file_kind.h"
#include "engine/vision/inline_picture.h"

namespace luthier::detail {

namespace {

std::string counted(std::size_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

}  // namespace

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
  constexpr std::size_t kNoPath = 1024;  // base64 of what is no picture: its decoder says so
  if (looks_like_base64_picture(text) || (text.size() > kNoPath && is_base64_text(text)))
    return inline_picture(text);
  const FileKind kind = file_kind_by_name(text);
  if (kind.family == FileFamily::Video || kind.family == FileFamily::Audio)
    return fault(RowFault::BadRow, "This is " + kind.name + ", and a picture was expected.", field,
                 "Films stand in videos; sound is not trained on.");
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

Result<RowMedia> RowReader::media(const Json& row, const std::string& prefix) const {
  RowMedia media;
  LUTHIER_TRY(const auto paths, pictures(row, prefix));
  for (const auto& path : paths) media.pictures.push_back(ContentPart::of_image(path));
  LUTHIER_TRY(const auto own, films(row, prefix));
  for (const RowFilm& film : own) media.films.push_back(ContentPart::of_film(film));
  return media;
}

namespace {

/// How one medium's places are filled.
struct Filling {
  ContentPart::Kind kind = ContentPart::Kind::Image;
  const std::vector<ContentPart>& parts;
  std::size_t places = 0;
  bool some_filled = false;
  std::size_t next = 0;

  /// Nothing says where they stand.
  bool first() const { return places == 0 && !parts.empty() && !some_filled; }
  void count(const RawMessage& message) {
    places += message.open_places(kind);
    for (const ContentPart& part : message.content)
      some_filled |= part.kind == kind && filled(part);
  }
  std::string marks() const {
    return counted(places, kind == ContentPart::Kind::Film ? "<video> mark" : "<image> mark");
  }
  std::string count_of_parts() const {
    return counted(parts.size(), kind == ContentPart::Kind::Film ? "film" : "picture");
  }
  static bool filled(const ContentPart& part) { return !part.image.empty() || !part.film.empty(); }
  void fill(ContentPart& part) {
    if (part.kind == kind && !filled(part)) part = parts[next++];
  }
};

std::vector<Filling> fillings(const RowMedia& media) {
  return {{ContentPart::Kind::Image, media.pictures}, {ContentPart::Kind::Film, media.films}};
}

/// Plain texts cut at their marks, all else as it is.
std::vector<ContentPart> cut_at_marks(RawMessage& message) {
  std::vector<ContentPart> content;
  for (ContentPart& part : message.content) {
    if (part.kind == ContentPart::Kind::Text && message.is_plain) {
      for (ContentPart& piece : split_at_marks(part.text)) content.push_back(std::move(piece));
    } else {
      content.push_back(std::move(part));
    }
  }
  return content;
}

}  // namespace

/// A message may bring its pictures and films itself, beside its text.
Status RowReader::own_media(const Json& object, const std::string& field,
                            RawMessage& message) const {
  LUTHIER_TRY(const RowMedia own, media(object, field + "."));
  if (own.pictures.empty() && own.films.empty()) return {};
  std::vector<Filling> media = fillings(own);
  std::vector<ContentPart> content;
  for (Filling& each : media) {
    if (each.parts.empty()) continue;  // the row's may stand there
    each.places = message.open_places(each.kind);
    if (each.places != 0 && each.places != each.parts.size())
      return fault(RowFault::ImageMarks,
                   "The message's text has " + each.marks() + ", but the message has " +
                       each.count_of_parts() + ".",
                   field, "Each picture and each film needs one mark.");
    if (each.places == 0) content.insert(content.end(), each.parts.begin(), each.parts.end());
  }
  for (ContentPart& part : cut_at_marks(message)) {
    for (Filling& each : media)
      if (each.places > 0) each.fill(part);
    content.push_back(std::move(part));
  }
  message.content = std::move(content);
  message.is_plain = false;
  return {};
}

Result<std::vector<Message>> RowReader::place_media(std::vector<RawMessage> messages,
                                                    const RowMedia& row) const {
  std::vector<Filling> media = fillings(row);
  for (Filling& each : media)
    for (const RawMessage& message : messages) each.count(message);
  const auto first_user = std::find_if(messages.begin(), messages.end(),
                                       [](const RawMessage& m) { return m.role == "user"; });
  bool places = false;
  for (const Filling& each : media) {
    places = places || each.places > 0;
    if (each.first() && first_user == messages.end())
      return fault(RowFault::ImageMarks,
                   each.kind == ContentPart::Kind::Film
                       ? "The row has films but no user turn to put them in."
                       : "The row has pictures but no user turn to put them in.",
                   "");
    if (!each.first() && each.places != each.parts.size())
      return fault(
          RowFault::ImageMarks,
          "The row's text has " + each.marks() + ", but the row has " + each.count_of_parts() + ".",
          "", "Each picture and each film needs one mark.");
  }
  for (auto message = messages.begin(); message != messages.end(); ++message) {
    std::vector<ContentPart> content;
    if (message == first_user)
      for (const Filling& each : media)
        if (each.first()) content.insert(content.end(), each.parts.begin(), each.parts.end());
    std::vector<ContentPart> written =
        places ? cut_at_marks(*message) : std::move(message->content);
    content.insert(content.end(), std::make_move_iterator(written.begin()),
                   std::make_move_iterator(written.end()));
    for (ContentPart& part : content)
      for (Filling& each : media) each.fill(part);
    message->content = std::move(content);
  }
  return without_places(std::move(messages));
}

}  // namespace luthier::detail

// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/row_writing.h"

#include <set>

#include "engine/data/boxes/box_rows.h"
#include "engine/io/files.h"
#include "engine/io/output_place.h"
#include "engine/io/probe.h"
#include "engine/vision/inline_picture.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

const std::set<std::string> kMediaKeys{"path", "image", "images", "video", "videos", "regions"};

std::string way_from(const fs::path& folder, const fs::path& path) {
  if (is_inline_picture(path)) return path.string();
  std::error_code problem;
  const fs::path here = folder.empty() ? fs::path(".") : folder;
  const fs::path way = fs::proximate(fs::absolute(path), fs::absolute(here), problem);
  return problem || way.empty() ? path.string() : way.generic_string();
}

Json film_row(const RowFilm& film, const fs::path& folder) {
  Json json;
  if (film.pictures.empty()) {
    json = way_from(folder, film.path);
  } else {
    json = Json::array();
    for (const fs::path& picture : film.pictures) json.push_back(way_from(folder, picture));
  }
  if (film.fps) json = {{"path", std::move(json)}, {"fps", *film.fps}};
  return json;
}

Json part_json(const ContentPart& part, const fs::path& folder) {
  switch (part.kind) {
    case ContentPart::Kind::Image:
      return {{"type", "image"}, {"path", way_from(folder, part.image)}};
    case ContentPart::Kind::Film:
      return {{"type", "video"}, {"video", film_row(part.film, folder)}};
    case ContentPart::Kind::Text: break;
  }
  return {{"type", "text"}, {"text", part.text}};
}

/// `value` stands under a key of media.
void move_media(Json& value, const fs::path& from, const fs::path& to);

void move_under(Json& value, const fs::path& from, const fs::path& to) {
  if (value.is_array()) {
    for (Json& each : value) move_under(each, from, to);
  } else if (value.is_object()) {
    for (auto& [key, each] : value.items()) {
      if (kMediaKeys.contains(key))
        move_media(each, from, to);
      else
        move_under(each, from, to);
    }
  }
}

void move_media(Json& value, const fs::path& from, const fs::path& to) {
  if (value.is_array()) {
    for (Json& each : value) move_media(each, from, to);
    return;
  }
  if (!value.is_string()) return move_under(value, from, to);
  const fs::path path = value.get<std::string>();
  if (path.empty() || is_inline_picture(path) || path.is_absolute()) return;
  if (is_there(from / path)) value = way_from(to, from / path);
}

}  // namespace

Json row_json(const Conversation& row, const fs::path& folder) {
  if (holds_boxes(row))
    for (const Message& message : row.messages)
      for (const ContentPart& part : message.content)
        if (part.kind == ContentPart::Kind::Image)
          if (auto boxes = box_row_json(row, way_from(folder, part.image)))
            return *std::move(boxes);
  Json messages = Json::array();
  for (const Message& message : row.messages) {
    Json content = Json::array();
    for (const ContentPart& part : message.content) content.push_back(part_json(part, folder));
    Json json = {{"role", message.role}, {"content", std::move(content)}};
    if (message.extra.is_object())
      for (const auto& [key, value] : message.extra.items()) json[key] = value;
    messages.push_back(std::move(json));
  }
  Json json = {{"messages", std::move(messages)}};
  if (!row.tools.is_null()) json["tools"] = row.tools;
  return json;
}

Json moved_row(Json row, const fs::path& from, const fs::path& to) {
  std::error_code ignored;
  if (!fs::equivalent(from.empty() ? "." : from, to.empty() ? "." : to, ignored))
    move_under(row, from, to);
  return row;
}

Status check_new_file(const fs::path& file) {
  if (!is_there(file)) return check_output_file(file);
  return input_error("There is a file already.", file.string(),
                     "Choose another name for the rows.");
}

Status write_rows(const std::vector<Json>& rows, const fs::path& file) {
  LUTHIER_CHECK(check_new_file(file));
  std::string text;
  for (const Json& row : rows)
    text += row.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  return write_file_atomically(file, text);
}

}  // namespace luthier

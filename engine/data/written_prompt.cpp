// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/written_prompt.h"

#include "engine/vision/inline_picture.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

std::string whole_path_of(const fs::path& path) {
  return path.empty() || is_inline_picture(path) ? path.string() : fs::absolute(path).string();
}

Json written_film(const RowFilm& film) {
  Json written = Json::object();
  if (film.pictures.empty()) written["path"] = whole_path_of(film.path);
  for (const fs::path& picture : film.pictures) written["frames"].push_back(whole_path_of(picture));
  if (film.fps) written["fps"] = *film.fps;
  return written;
}

}  // namespace

Json written_messages(const std::vector<Message>& messages) {
  Json list = messages_for_template(messages);
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const std::vector<ContentPart>& parts = messages[i].content;
    for (std::size_t j = 0; j < parts.size(); ++j) {
      Json& block = list[i]["content"][j];
      if (parts[j].kind == ContentPart::Kind::Image) block["path"] = whole_path_of(parts[j].image);
      if (parts[j].kind == ContentPart::Kind::Film) block["video"] = written_film(parts[j].film);
    }
  }
  return list;
}

}  // namespace luthier

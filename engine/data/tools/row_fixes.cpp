// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/tools/row_fixes.h"

#include <algorithm>

#include "engine/base/text.h"
#include "engine/data/row_keys.h"
#include "engine/vision/inline_picture.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMostLooked = 200'000;

/// The text without its marks; a newline that belongs to one goes with it.
std::string without_marks(std::string text) {
  for (const std::string mark : {"<image>", "<video>"})
    for (std::size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at)) {
      std::size_t size = mark.size();
      if (at + size < text.size() && text[at + size] == '\n') ++size;
      text.erase(at, size);
    }
  return text;
}

/// Marks out of every plain text: pictures without places stand before the first user text.
void take_marks(Json& value) {
  if (value.is_string()) {
    value = without_marks(value.get<std::string>());
  } else if (value.is_array()) {
    for (Json& each : value) take_marks(each);
  } else if (value.is_object()) {
    for (auto& [key, each] : value.items())
      if (key != "image" && key != "images" && key != "bytes" && key != "path") take_marks(each);
  }
}

/// A place for each picture before the first text of a question.
bool put_marks(Json& row, std::size_t pictures) {
  std::string marks;
  for (std::size_t i = 0; i < pictures; ++i) marks += "<image>\n";
  for (const char* key : {"messages", "conversations"}) {
    if (!row.contains(key) || !row[key].is_array()) continue;
    for (Json& turn : row[key]) {
      if (!turn.is_object()) return false;
      const std::string role = turn.value("role", turn.value("from", std::string()));
      if (role != "user" && role != "human") continue;
      Json& text = turn[turn.contains("content") ? "content" : "value"];
      if (!text.is_string()) return false;
      text = marks + text.get<std::string>();
      return true;
    }
    return false;
  }
  for (const char* key : {"prompt", "instruction", "query", "question", "input"})
    if (row.contains(key) && row[key].is_string() && !row[key].get<std::string>().empty()) {
      row[key] = marks + row[key].get<std::string>();
      return true;
    }
  return false;
}

std::size_t count_pictures(const Json& row) {
  for (const char* key : {"images", "image"}) {
    if (!row.contains(key) || row[key].is_null()) continue;
    return row[key].is_array() ? row[key].size() : 1;
  }
  return 0;
}

/// A file of the same name, whatever its case and ending, in the folder or one below it.
std::optional<std::string> found_elsewhere(const fs::path& folder, const fs::path& wanted) {
  const std::string name = ascii_lower(wanted.filename().string());
  const std::string stem = ascii_lower(wanted.stem().string());
  std::optional<std::string> by_stem;
  std::error_code problem;
  std::size_t looked = 0;
  for (fs::recursive_directory_iterator walk(folder, problem), end; !problem && walk != end;
       walk.increment(problem)) {
    if (++looked > kMostLooked) break;
    if (walk.depth() > 4) walk.disable_recursion_pending();
    std::error_code ignored;
    if (!walk->is_regular_file(ignored)) continue;
    const fs::path way = walk->path().lexically_relative(folder);
    if (ascii_lower(way.filename().string()) == name) return way.generic_string();
    const std::string ending = ascii_lower(way.extension().string());
    const bool picture = ending == ".png" || ending == ".jpg" || ending == ".jpeg" ||
                         ending == ".webp" || ending == ".bmp" || ending == ".gif";
    if (!by_stem && picture && ascii_lower(way.stem().string()) == stem)
      by_stem = way.generic_string();
  }
  return by_stem;
}

/// Paths of pictures that are not there, each in the place of which another is found.
bool find_pictures(Json& value, const fs::path& folder, bool media) {
  bool changed = false;
  if (value.is_array()) {
    for (Json& each : value) changed = find_pictures(each, folder, media) || changed;
  } else if (value.is_object()) {
    for (auto& [key, each] : value.items())
      changed = find_pictures(each, folder, key == "image" || key == "images" || key == "path") ||
                changed;
  } else if (media && value.is_string()) {
    const fs::path path = value.get<std::string>();
    std::error_code ignored;
    if (path.empty() || is_inline_picture(path) || fs::exists(folder / path, ignored)) return false;
    if (const auto way = found_elsewhere(folder, path)) {
      value = *way;
      changed = true;
    }
  }
  return changed;
}

}  // namespace

bool is_fixable(const std::string& kind) {
  return kind == "image_marks" || kind == "unknown_key" || kind == "missing_image";
}

std::optional<Json> fixed_row(const std::string& kind, const Json& row, const fs::path& folder) {
  if (!row.is_object()) return std::nullopt;
  Json fixed = row;
  if (kind == "image_marks") {
    const std::size_t pictures = count_pictures(row);
    take_marks(fixed);
    if (pictures > 0 && !put_marks(fixed, pictures)) return std::nullopt;
  } else if (kind == "unknown_key") {
    for (const detail::UnreadKey& unread : detail::unread_keys(row)) {
      if (unread.nearest.empty()) continue;
      Json renamed = Json::object();
      for (const auto& [key, value] : fixed.items())
        renamed[key == unread.key ? unread.nearest : key] = value;
      fixed = std::move(renamed);
    }
  } else if (kind == "missing_image") {
    if (!find_pictures(fixed, folder, false)) return std::nullopt;
  }
  if (fixed == row) return std::nullopt;
  return fixed;
}

}  // namespace luthier

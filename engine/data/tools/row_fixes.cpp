// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/tools/row_fixes.h"

#include <algorithm>

#include "engine/base/text.h"
#include "engine/data/row_keys.h"
#include "engine/io/file_kind.h"
#include "engine/vision/inline_picture.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMostLooked = 5'000'000;

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

/// What the key stands for, where that is one thing.
std::optional<std::string> the_only(const std::unordered_multimap<std::string, std::string>& names,
                                    const std::string& key) {
  const auto [first, last] = names.equal_range(key);
  if (first == last || std::next(first) != last) return std::nullopt;
  return first->second;
}

/// Paths of pictures that are not there, each in the place of which another is found.
bool find_pictures(Json& value, const fs::path& folder, bool media, PictureFinder& pictures) {
  bool changed = false;
  if (value.is_array()) {
    for (Json& each : value) changed = find_pictures(each, folder, media, pictures) || changed;
  } else if (value.is_object()) {
    for (auto& [key, each] : value.items())
      changed = find_pictures(each, folder, key == "image" || key == "images" || key == "path",
                              pictures) ||
                changed;
  } else if (media && value.is_string()) {
    const fs::path path = value.get<std::string>();
    std::error_code ignored;
    if (path.empty() || is_inline_picture(path) || fs::exists(folder / path, ignored)) return false;
    if (const auto way = pictures.find(folder, path)) {
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

PictureFinder::Names PictureFinder::read(const fs::path& folder) const {
  constexpr std::size_t kAsked = 4096;
  Names names;
  std::error_code problem;
  std::size_t looked = 0;
  for (fs::recursive_directory_iterator walk(folder, problem), end; !problem && walk != end;
       walk.increment(problem)) {
    // Of what was seen in part nobody knows whether a name is there once.
    if (++looked > kMostLooked || (looked % kAsked == 0 && go_on_ && !go_on_())) return {};
    if (walk.depth() > 4) walk.disable_recursion_pending();
    std::error_code ignored;
    if (!walk->is_regular_file(ignored)) continue;
    const fs::path way = walk->path().lexically_relative(folder);
    names.files.emplace(ascii_lower(way.filename().string()), way.generic_string());
    if (file_kind_by_name(way).family == FileFamily::Picture)
      names.pictures.emplace(ascii_lower(way.stem().string()), way.generic_string());
  }
  return names;
}

std::optional<std::string> PictureFinder::find(const fs::path& folder, const fs::path& wanted) {
  const auto known = folders_.find(folder);
  const Names& names = known != folders_.end()
                           ? known->second
                           : folders_.emplace(folder, read(folder)).first->second;
  const std::string name = ascii_lower(wanted.filename().string());
  if (names.files.contains(name)) return the_only(names.files, name);
  return the_only(names.pictures, ascii_lower(wanted.stem().string()));
}

std::optional<Json> fixed_row(const std::string& kind, const Json& row, const fs::path& folder) {
  PictureFinder pictures;
  return fixed_row(kind, row, folder, pictures);
}

std::optional<Json> fixed_row(const std::string& kind, const Json& row, const fs::path& folder,
                              PictureFinder& pictures) {
  if (!row.is_object()) return std::nullopt;
  Json fixed = row;
  if (kind == "image_marks") {
    const std::size_t count = count_pictures(row);
    take_marks(fixed);
    if (count > 0 && !put_marks(fixed, count)) return std::nullopt;
  } else if (kind == "unknown_key") {
    for (const detail::UnreadKey& unread : detail::unread_keys(row)) {
      if (unread.nearest.empty()) continue;
      Json renamed = Json::object();
      for (const auto& [key, value] : fixed.items())
        renamed[key == unread.key ? unread.nearest : key] = value;
      fixed = std::move(renamed);
    }
  } else if (kind == "missing_image") {
    if (!find_pictures(fixed, folder, false, pictures)) return std::nullopt;
  }
  if (fixed == row) return std::nullopt;
  return fixed;
}

Result<KeyFixes> fixed_keys(const Dataset& dataset, const RowEdits& edits,
                            const RowProgress& progress) {
  struct Made {
    std::vector<ReplacedRows::Row> fixed;
    RowSet left;
  };
  std::vector<Made> made(kMostRowWorkers);
  const auto look = [&](Made& mine, std::size_t row) {
    if (edits.dropped.contains(row)) return;
    const auto json = edited_row(dataset, row, edits.replaced);
    if (!json || !json->is_object() || detail::unread_keys(*json).empty()) return;
    if (const auto fixed = fixed_row("unknown_key", *json, {}))
      mine.fixed.push_back(ReplacedRows::row(row, *fixed));
    else
      mine.left.insert(row);
  };
  LUTHIER_CHECK(for_rows(dataset.size(), progress,
                         [&](std::size_t first, std::size_t last, std::size_t thread) {
                           for (std::size_t row = first; row < last; ++row) look(made[thread], row);
                         }));
  KeyFixes all;
  for (Made& each : made) {
    all.fixed.put(ReplacedRows(std::move(each.fixed)));
    all.left.insert(each.left);
  }
  return all;
}

}  // namespace luthier

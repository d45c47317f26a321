// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/row_keys.h"

#include <algorithm>
#include <cctype>

#include "engine/base/utf8.h"
#include "engine/config/nearest_name.h"
#include "engine/io/file_kind.h"

namespace luthier::detail {

namespace {

constexpr std::size_t kMostKeys = 1000;  // a row of more is no row that somebody wrote

const std::vector<std::string>& known_keys() {
  static const std::vector<std::string> keys = {"messages",
                                                "conversations",
                                                "prompt",
                                                "completion",
                                                "instruction",
                                                "input",
                                                "output",
                                                "query",
                                                "response",
                                                "question",
                                                "answer",
                                                "history",
                                                "system",
                                                "tools",
                                                "images",
                                                "image",
                                                "chosen",
                                                "rejected",
                                                "rejected_response",
                                                "rejected_messages",
                                                "videos",
                                                "video",
                                                "audios",
                                                "audio",
                                                "label",
                                                "kto_tag",
                                                "margin",
                                                "completions",
                                                "labels",
                                                "rewards",
                                                "completion_ids",
                                                "old_per_token_logps",
                                                "boxes"};
  return keys;
}

bool is_known(const std::string& key) {
  const auto& keys = known_keys();
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

/// One letter off, or two that changed places.
bool is_near(const std::string& key, const std::string& known) {
  if (key.size() > known.size() + 2 || known.size() > key.size() + 2) return false;
  const std::size_t distance = edit_distance(key, known);
  if (distance <= 1) return known.size() > 4 || distance == 0;
  if (distance != 2) return false;
  std::string a = key, b = known;
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  return a == b || known.size() >= 10;
}

std::string near_key(const std::string& key, const Json& row) {
  for (const std::string& known : known_keys())
    if (!row.contains(known) && is_near(key, known)) return known;
  return {};
}

bool names_a_picture(std::string key) {
  std::transform(key.begin(), key.end(), key.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const char* word : {"image", "img", "picture", "photo", "pic", "file", "path"})
    if (key.find(word) != std::string::npos) return true;
  return false;
}

bool holds_a_picture(const Json& value) {
  if (value.is_array())
    return !value.empty() && std::any_of(value.begin(), value.end(), [](const Json& each) {
      return !each.is_array() && holds_a_picture(each);
    });
  if (value.is_object()) return value.contains("bytes") && !value["bytes"].is_null();
  if (!value.is_string()) return false;
  const std::string& text = value.get_ref<const std::string&>();
  if (text.starts_with("data:image/")) return true;
  constexpr std::size_t kLongestPath = 4096;
  if (text.size() > kLongestPath || text.find("://") != std::string::npos) return false;
  return file_kind_by_name(text).family == FileFamily::Picture;
}

}  // namespace

std::string listed_keys(const Json& row) {
  constexpr std::size_t kMost = 12, kLongest = 40;
  std::string text;
  std::size_t count = 0;
  for (const auto& [key, value] : row.items()) {
    if (count++ == kMost) return text + ", ...";
    text += (text.empty() ? "" : ", ") + shortened(key, kLongest);
  }
  return text;
}

std::vector<UnreadKey> unread_keys(const Json& row) {
  std::vector<UnreadKey> unread;
  if (row.size() > kMostKeys) return unread;
  for (const auto& [key, value] : row.items()) {
    if (is_known(key) || value.is_null()) continue;
    UnreadKey found{key, near_key(key, row), holds_a_picture(value)};
    found.picture = found.picture && (names_a_picture(key) || !found.nearest.empty());
    if (found.picture || !found.nearest.empty()) unread.push_back(std::move(found));
  }
  return unread;
}

std::string nearest_hint(const Json& row) {
  if (row.size() > kMostKeys) return {};
  for (const auto& [key, value] : row.items()) {
    if (is_known(key)) continue;
    const std::string near = near_key(key, row);
    if (!near.empty()) return "For " + shortened(key, 40) + ", " + near + " may be meant.";
  }
  return {};
}

}  // namespace luthier::detail

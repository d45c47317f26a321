// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/runs/run_notes.h"

#include <algorithm>

#include "engine/base/text.h"
#include "engine/io/files.h"
#include "engine/io/json.h"
#include "engine/io/probe.h"
#include "engine/io/system_error.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMostNoteBytes = 1u << 20;

std::vector<std::string> in_order(std::vector<std::string> tags) {
  for (std::string& tag : tags) tag = trimmed(tag);
  std::erase(tags, "");
  std::sort(tags.begin(), tags.end());
  tags.erase(std::unique(tags.begin(), tags.end()), tags.end());
  return tags;
}

}  // namespace

Result<RunNotes> read_run_notes(const fs::path& run) {
  const fs::path file = run / kRunNotesFile;
  RunNotes notes;
  if (!is_there(file)) return notes;
  JsonLimits limits;
  limits.max_bytes = 2 * kMostNoteBytes;
  LUTHIER_TRY(const Json json, read_json_file(file, limits));
  LUTHIER_TRY(notes.note, json_string(json, "note", file.string(), ""));
  if (const auto tags = json.find("tags"); tags != json.end()) {
    if (!tags->is_array()) return input_error("This must be a list of texts.", file.string());
    for (const Json& tag : *tags) {
      if (!tag.is_string()) return input_error("This must be a list of texts.", file.string());
      notes.tags.push_back(tag.get<std::string>());
    }
  }
  notes.tags = in_order(std::move(notes.tags));
  return notes;
}

Status write_run_notes(const fs::path& run, RunNotes notes) {
  const fs::path file = run / kRunNotesFile;
  notes.tags = in_order(std::move(notes.tags));
  if (notes.note.size() > kMostNoteBytes)
    return input_error("The note is longer than a mebibyte.", file.string(),
                       "Keep long texts in a file of their own.");
  if (notes == RunNotes()) {
    std::error_code problem;
    fs::remove(file, problem);
    if (problem) return system_error("This file cannot be removed", file, problem.value());
    return {};
  }
  const Json json{{"tags", notes.tags}, {"note", notes.note}};
  return write_file_atomically(file,
                               json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

std::vector<std::string> tags_from_text(const std::string& text) {
  std::vector<std::string> tags{""};
  for (const char letter : text) {
    if (letter == ',')
      tags.emplace_back();
    else
      tags.back() += letter;
  }
  return in_order(std::move(tags));
}

std::string tags_text(const std::vector<std::string>& tags) {
  std::string text;
  for (const std::string& tag : tags) text += (text.empty() ? "" : ", ") + tag;
  return text;
}

}  // namespace luthier

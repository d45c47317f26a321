// SPDX-License-Identifier: GPL-3.0-or-later
// What a person writes about a run: tags to find it by and a note, in notes.json in its folder. No
// training reads or writes that file.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/base/result.h"

namespace luthier {

inline constexpr const char* kRunNotesFile = "notes.json";

struct RunNotes {
  std::vector<std::string> tags;  ///< no two alike
  std::string note;
  bool operator==(const RunNotes&) const = default;
};

/// Of a run without the file: none. An Input error where the file cannot be read as one.
Result<RunNotes> read_run_notes(const std::filesystem::path& run);
/// Replaces the file atomically; tags are put in order, and empty ones left out. Removes it where
/// nothing is noted.
Status write_run_notes(const std::filesystem::path& run, RunNotes notes);

/// "good, baseline" as tags, and back.
std::vector<std::string> tags_from_text(const std::string& text);
std::string tags_text(const std::vector<std::string>& tags);

}  // namespace luthier

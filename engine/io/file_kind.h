// SPDX-License-Identifier: GPL-3.0-or-later
// What a file is, told by its first bytes or its name, and in which encoding a text is that is not
// UTF-8: so that a refusal can say what was given instead of what was hoped for.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "engine/base/result.h"

namespace luthier {

enum class FileFamily { Unknown, Table, Archive, Picture, Video, Audio, Pointer, Weights, Other };

struct FileKind {
  FileFamily family = FileFamily::Unknown;
  std::string name;  ///< with its article: "a Parquet file"
  bool known() const { return family != FileFamily::Unknown; }
};

/// By the first bytes; 512 tell all that is known here.
FileKind file_kind(std::string_view start);
/// By the name's ending alone.
FileKind file_kind_by_name(const std::filesystem::path& path);

/// "UTF-16", "CP949 (EUC-KR)", ...; empty for UTF-8 and for what cannot be told.
std::string foreign_encoding(std::string_view text);

/// Why these bytes are no UTF-8 text, by what they are; nothing when they are. `wanted` ends the
/// sentence: "JSON", "a recipe (YAML)".
std::optional<Error> text_fault(std::string_view bytes, const std::string& wanted,
                                const std::string& where);

}  // namespace luthier

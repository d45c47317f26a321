// SPDX-License-Identifier: GPL-3.0-or-later
// Rows into a file of one's own: what is written of a row leads to the same pictures from another
// folder. No original is ever written over.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/data/conversation.h"

namespace luthier {

/// A row as `messages`, or as a row of boxes, which training reads back equal: its turns, pictures,
/// films and tools.
/// Relative paths start at `folder`, where the file will lie.
Json row_json(const Conversation& row, const std::filesystem::path& folder);

/// A row as it is written in a file of `from`, for a file of `to`: texts under the keys of pictures
/// and films that name something which is there are written as the way to it from `to`.
Json moved_row(Json row, const std::filesystem::path& from, const std::filesystem::path& to);

/// Rows, one a line, into a file that is not there yet: whole or not at all. An Input error where
/// it is.
Status write_rows(const std::vector<Json>& rows, const std::filesystem::path& file);
/// The same refusal, before hours of work.
Status check_new_file(const std::filesystem::path& file);

}  // namespace luthier

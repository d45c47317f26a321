// SPDX-License-Identifier: GPL-3.0-or-later
// What can be put right in a row by itself: marks that are not as many as its pictures, a key that
// is nearly a known one, a picture that lies elsewhere in the folder.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "engine/io/json.h"

namespace luthier {

/// Whether a finding of this kind can be put right at all.
bool is_fixable(const std::string& kind);

/// The row put right, or nothing. `folder`: what its picture paths start at.
std::optional<Json> fixed_row(const std::string& kind, const Json& row,
                              const std::filesystem::path& folder);

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// Where a result is to be written: looked at before the work that makes it, which may take hours,
// and made as one that says whose fault it is where it cannot be.
#pragma once

#include <filesystem>

#include "engine/base/result.h"

namespace luthier {

/// Whether a file could be put there: its folder is there and may be written, and no folder stands
/// in its place. Nothing is written.
Status check_output_file(const std::filesystem::path& file);

/// Whether a folder could be made there, or may be written where it is: what is above it is a
/// folder that may be written. Nothing is made.
Status check_output_folder(const std::filesystem::path& folder);

/// Makes the folder and those above it. The input's fault where the path is (a file in the way, no
/// rights), else the machine's.
Status make_output_folder(const std::filesystem::path& folder);

}  // namespace luthier

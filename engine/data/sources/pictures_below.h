// SPDX-License-Identifier: GPL-3.0-or-later
// Which pictures a folder holds, for rows that are read from it and for one that becomes a dataset.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/base/result.h"

namespace luthier::detail {

/// Their names from the folder, sorted, with those of all folders in it. Hidden files and folders
/// are left out, and links to folders not followed. Formats that cannot be decoded are among them:
/// who looks at such a picture says so, and none is missing without a word. For the same reason a
/// folder that cannot be read is an error, as are more than `most` pictures.
Result<std::vector<std::string>> pictures_below(const std::filesystem::path& folder,
                                                std::size_t most);

}  // namespace luthier::detail

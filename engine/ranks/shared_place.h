// SPDX-License-Identifier: GPL-3.0-or-later
// Whether ranks have one file system, as those of one machine do and those of a cluster often: what
// rank 0 keeps in a file then need not be kept by the others too.
#pragma once

#include <filesystem>

#include "engine/base/result.h"
#include "engine/ranks/ranks.h"

namespace luthier {

/// Whether this rank can read what rank 0 writes beside `place`, a folder that need not be there,
/// under rank 0's path; at rank 0 true. Where rank 0 cannot write there, nobody can. All ranks call
/// it.
Result<bool> sees_files_of_leader(Ranks& ranks, const std::filesystem::path& place);

}  // namespace luthier

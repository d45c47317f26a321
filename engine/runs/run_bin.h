// SPDX-License-Identifier: GPL-3.0-or-later
// Runs that a person puts out of the way or calls otherwise: never one that trains, and never for
// good. What goes to the bin lies in ".bin" beside the runs, whole, until it is brought back or a
// person empties that folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/base/result.h"

namespace luthier {

/// Of all files in it; links count as themselves.
Result<std::uint64_t> folder_bytes(const std::filesystem::path& folder);

/// An Input error where the folder is no run, a part of a run of stages, or trains now.
Status check_may_move(const std::filesystem::path& run);
/// Under another name in the same folder; what it is called then.
Result<std::filesystem::path> rename_run(const std::filesystem::path& run, const std::string& name);

/// Where it lies then.
Result<std::filesystem::path> move_to_bin(const std::filesystem::path& run);
/// Back to where it was: `place` must be free.
Status bring_back(const std::filesystem::path& binned, const std::filesystem::path& place);
/// What lies in the bin of a folder of runs.
std::vector<std::filesystem::path> binned_runs(const std::filesystem::path& folder);

}  // namespace luthier

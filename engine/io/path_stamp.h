// SPDX-License-Identifier: GPL-3.0-or-later
// What tells that a file, or something in a folder, is another than it was.
#pragma once

#include <filesystem>
#include <string>

namespace luthier {

/// The path with the size and the time of its file, or of all files in its folder: also one that
/// was written anew in its place, which leaves the folder's own time as it was. Of a folder of more
/// than `most` entries it tells of the first ones that the system names, and of the folders in it.
std::string path_stamp(const std::filesystem::path& path, std::size_t most = 50'000);

}  // namespace luthier

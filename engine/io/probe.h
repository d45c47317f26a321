// SPDX-License-Identifier: GPL-3.0-or-later
// Questions about paths that people gave or that lie in folders of theirs: where one cannot be
// asked, the answer is no.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace luthier {

/// Whether something of any kind stands there.
bool is_there(const std::filesystem::path& path);
/// Whether a folder stands there, links followed.
bool is_folder(const std::filesystem::path& path);
/// What a folder holds, sorted, of a huge one `most` entries; nothing where it cannot be read.
std::vector<std::string> names_in(const std::filesystem::path& folder, std::size_t most = 20'000);

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// Paths as people write them ("runs/first/", "./runs", "runs/a/..") where something is to lie
// beside what they name: of such a path the parent and the last name are others than they look.
#pragma once

#include <filesystem>
#include <string>

namespace luthier {

/// The path with a last name that is what it names: without `.` and a slash at its end; where it
/// has `..` or is the working directory itself, absolute and without links, as the system reads it.
/// What is not there may be named; an empty path stays empty.
std::filesystem::path named_place(const std::filesystem::path& path);

/// What stands beside the path under its name and `ending`: "runs/first/", ".teacher" →
/// "runs/first.teacher".
std::filesystem::path place_beside(const std::filesystem::path& path, const std::string& ending);

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/io/output_place.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "engine/io/system_error.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

/// Whether entries may be made in it; `told` is what the error names.
Status check_holder(const fs::path& holder, const fs::path& told, const char* what) {
  struct stat about {};
  if (::stat(holder.c_str(), &about) != 0) return system_error(what, told, errno);
  if (!S_ISDIR(about.st_mode)) return system_error(what, told, ENOTDIR);
  if (::access(holder.c_str(), W_OK | X_OK) != 0) return system_error(what, told, errno);
  return {};
}

fs::path folder_above(const fs::path& path) {
  const fs::path above = path.parent_path();
  return above.empty() ? fs::path(".") : above;
}

}  // namespace

Status check_output_file(const fs::path& file) {
  constexpr const char* kWhat = "This file cannot be written";
  if (file.empty()) return input_error("No file is named.", {}, "Give it a path.");
  struct stat about {};
  if (::stat(file.c_str(), &about) == 0 && S_ISDIR(about.st_mode))
    return input_error("This is a folder, and a file is to be written.", file.string(),
                       "Name a file in it.");
  return check_holder(folder_above(file), file, kWhat);
}

Status check_output_folder(const fs::path& folder) {
  constexpr const char* kWhat = "The folder cannot be made";
  if (folder.empty()) return input_error("No folder is named.", {}, "Give it a path.");
  fs::path at = folder;
  struct stat about {};
  while (::stat(at.c_str(), &about) != 0) {
    if (errno != ENOENT || at == folder_above(at)) return system_error(kWhat, folder, errno);
    at = folder_above(at);
  }
  if (at == folder && !S_ISDIR(about.st_mode))
    return input_error("This is a file, and a folder is to be written.", folder.string(),
                       "Name a new folder.");
  return check_holder(at, folder, kWhat);
}

Status make_output_folder(const fs::path& folder) {
  LUTHIER_CHECK(check_output_folder(folder));
  std::error_code problem;
  fs::create_directories(folder, problem);
  if (problem) return system_error("The folder cannot be made", folder, problem.value());
  return {};
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/io/probe.h"

#include <algorithm>

namespace luthier {

namespace fs = std::filesystem;

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

std::vector<std::string> names_in(const fs::path& folder, std::size_t most) {
  std::vector<std::string> names;
  std::error_code problem;
  fs::directory_iterator walk(folder, problem);
  for (const fs::directory_iterator end; !problem && walk != end && names.size() < most;
       walk.increment(problem)) {
    names.push_back(walk->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace luthier

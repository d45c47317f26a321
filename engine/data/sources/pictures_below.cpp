// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/sources/pictures_below.h"

#include <algorithm>

#include "engine/io/file_kind.h"

namespace luthier::detail {

namespace fs = std::filesystem;

Result<std::vector<std::string>> pictures_below(const fs::path& folder, std::size_t most) {
  std::vector<std::string> names;
  std::error_code problem;
  fs::recursive_directory_iterator walk(folder, problem);
  fs::path at = folder;
  for (const fs::recursive_directory_iterator end; !problem && walk != end;
       walk.increment(problem)) {
    at = walk->path();
    if (at.filename().string().starts_with('.')) {
      walk.disable_recursion_pending();
      continue;
    }
    std::error_code ignored;
    if (file_kind_by_name(at).family != FileFamily::Picture || !walk->is_regular_file(ignored))
      continue;
    if (names.size() == most)
      return input_error("The folder holds more than " + std::to_string(most) + " pictures.",
                         folder.string(), "Give a folder in it.");
    names.push_back(at.lexically_relative(folder).generic_string());
  }
  if (problem)
    return input_error("The folder cannot be read: " + problem.message() + ".", at.string(),
                       "Check its permissions.");
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace luthier::detail

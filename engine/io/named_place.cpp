// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/io/named_place.h"

#include <algorithm>

namespace luthier {

namespace fs = std::filesystem;

fs::path named_place(const fs::path& path) {
  if (path.empty()) return path;
  fs::path whole = path.lexically_normal();
  // Behind a link ".." is another folder than the one before it in the text.
  if (whole == "." || std::find(path.begin(), path.end(), fs::path("..")) != path.end()) {
    std::error_code problem;
    fs::path settled = fs::weakly_canonical(fs::absolute(path, problem), problem);
    if (!problem) whole = std::move(settled);
  }
  return whole.has_filename() || !whole.has_relative_path() ? whole : whole.parent_path();
}

fs::path place_beside(const fs::path& path, const std::string& ending) {
  return named_place(path).string() + ending;
}

}  // namespace luthier

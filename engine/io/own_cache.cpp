// SPDX-License-Identifier: GPL-3.0-or-later
// A file is written whole under a name of its own and then linked: a link fails where one stands.
#include "engine/io/own_cache.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <system_error>

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr std::streamsize kLongest = 4096;  // bytes that are read of a file

fs::path folder_of_variable(const char* name) {
  const char* value = std::getenv(name);
  const fs::path path = value ? value : "";
  return path.is_absolute() ? path : fs::path();
}

}  // namespace

fs::path own_cache_folder() {
  fs::path base = folder_of_variable("XDG_CACHE_HOME");
  if (base.empty() && !folder_of_variable("HOME").empty())
    base = folder_of_variable("HOME") / ".cache";
  return base.empty() ? base : base / "luthier";
}

std::optional<std::string> found_before(const std::string& name) {
  const fs::path folder = own_cache_folder();
  if (folder.empty()) return std::nullopt;
  std::ifstream file(folder / name, std::ios::binary);
  if (!file) return std::nullopt;
  std::string found(static_cast<std::size_t>(kLongest), '\0');
  file.read(found.data(), kLongest);
  found.resize(static_cast<std::size_t>(file.gcount()));
  return found;
}

std::string found_first(const std::string& name, std::string_view found) {
  const fs::path folder = own_cache_folder();
  if (folder.empty()) return std::string(found);
  const fs::path path = folder / name;
  const fs::path own = path.string() + "." + std::to_string(::getpid());
  std::error_code failed;
  fs::create_directories(path.parent_path(), failed);
  {
    std::ofstream file(own, std::ios::binary);
    file << found;
    if (!file.flush()) {
      fs::remove(own, failed);
      return std::string(found);
    }
  }
  fs::create_hard_link(own, path, failed);
  const bool first = !failed;
  fs::remove(own, failed);
  return first ? std::string(found) : found_before(name).value_or(std::string(found));
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/io/path_stamp.h"

#include <sys/stat.h>

#include <cstdint>

#include "engine/base/random_stream.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr int kDeepestStamped = 8;

std::string facts_of(const fs::path& path) {
  struct stat about {};
  if (::stat(path.c_str(), &about) != 0) return "none";  // links are followed
  const auto number = [](auto value) { return std::to_string(value) + "|"; };
  return number(about.st_ino) + number(S_ISREG(about.st_mode) ? about.st_size : 0) +
         number(about.st_mtim.tv_sec) + number(about.st_mtim.tv_nsec);
}

/// A sum of all, whatever the order in which the system names them.
std::uint64_t facts_in(const fs::path& folder, std::size_t most) {
  std::uint64_t sum = 0;
  std::error_code problem;
  fs::recursive_directory_iterator walk(folder, problem);
  for (const fs::recursive_directory_iterator end; !problem && walk != end && most > 0;
       walk.increment(problem), --most) {
    if (walk.depth() >= kDeepestStamped) walk.disable_recursion_pending();
    const fs::path& path = walk->path();
    if (path.filename().native().starts_with('.')) {  // nothing there is read
      walk.disable_recursion_pending();
      continue;
    }
    std::uint64_t hash = 0;
    for (const char c : path.native() + "|" + facts_of(path))
      hash = mixed_bits(hash ^ static_cast<unsigned char>(c));
    sum += hash;
  }
  return sum;
}

}  // namespace

std::string path_stamp(const fs::path& path, std::size_t most) {
  std::error_code ignored;
  std::string stamp = path.string() + "|" + facts_of(path);
  if (fs::is_directory(path, ignored)) stamp += std::to_string(facts_in(path, most));
  return stamp + ";";
}

}  // namespace luthier

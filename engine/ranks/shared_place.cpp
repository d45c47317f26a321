// SPDX-License-Identifier: GPL-3.0-or-later
// Rank 0 writes a file that nobody else could have written, says where and what, and takes it away
// once all have looked.
#include "engine/ranks/shared_place.h"

#include <unistd.h>

#include <chrono>

#include "engine/io/files.h"
#include "engine/io/json.h"
#include "engine/io/named_place.h"

namespace luthier {

namespace fs = std::filesystem;

Result<bool> sees_files_of_leader(Ranks& ranks, const fs::path& place) {
  struct Sign {
    fs::path path;
    ~Sign() {
      std::error_code ignored;
      if (!path.empty()) fs::remove(path, ignored);
    }
  } sign;
  std::error_code problem;
  std::string told;
  if (ranks.leads()) {
    const std::string own =
        std::to_string(::getpid()) + " " +
        std::to_string(std::chrono::steady_clock::now().time_since_epoch().count());
    sign.path =
        place_beside(fs::absolute(place, problem), ".seen-by-ranks-" + std::to_string(::getpid()));
    fs::create_directories(sign.path.parent_path(), problem);
    if (write_file_atomically(sign.path, own))
      told = Json{{"path", sign.path.string()}, {"own", own}}.dump();
  }
  LUTHIER_TRY(const std::vector<std::string> all, ranks.gather(told));
  bool sees = ranks.leads();
  const Json heard = Json::parse(all.front(), nullptr, false);
  if (!sees && heard.is_object()) {
    const auto read = read_file(heard.value("path", ""), 4096);
    sees = read && *read == heard.value("own", "");
  }
  LUTHIER_TRY(const std::vector<std::string> done, ranks.gather(std::string()));  // all have looked
  return sees;
}

}  // namespace luthier

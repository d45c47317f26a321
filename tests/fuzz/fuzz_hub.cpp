// SPDX-License-Identifier: GPL-3.0-or-later
// What a hub may answer: whatever it says, the files that would be fetched have names inside their
// folder, hashes that name a blob, and sizes that can be added up.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "engine/hub/listing.h"
#include "engine/hub/places.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string word(text.substr(0, 200));
  if (luthier::check_repository(word)) {
    const std::string folder = luthier::hub_folder_name(word);
    if (folder.find('/') != std::string::npos || luthier::hub_repository_name(folder) != word)
      std::abort();
  }
  const auto listing = luthier::parse_listing(text, "fuzz");
  if (!listing) {
    if (listing.error().what.empty()) std::abort();
    return 0;
  }
  if (!luthier::is_hex(listing->commit, listing->commit.size())) std::abort();
  (void)luthier::dataset_files(*listing, "fuzz");
  const auto files = luthier::files_to_fetch(*listing, "fuzz");
  if (!files) return 0;
  for (const luthier::HubFile& file : *files) {
    const std::filesystem::path place =
        (std::filesystem::path("/root") / file.name).lexically_normal();
    if (place.lexically_relative("/root").empty() ||
        *place.lexically_relative("/root").begin() == "..")
      std::abort();
    if (!file.hash.empty() && !luthier::is_hex(file.hash, 40) && !luthier::is_hex(file.hash, 64))
      std::abort();
    if (file.size.value_or(0) > 1ull << 50) std::abort();
  }
  return 0;
}

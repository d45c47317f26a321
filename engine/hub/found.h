// SPDX-License-Identifier: GPL-3.0-or-later
// What models are on this machine: those in the Hugging Face cache and in folders that the user
// named, each with what it is and whether it can be loaded, or why not. Only the small JSON files
// and the headers of the weights are read. Links are followed inside a folder, or to the blobs of
// the cache that it belongs to, and nowhere else; nothing that lies there can do more than appear
// in the list with a sentence.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "engine/base/result.h"

namespace luthier {

enum class FoundIn { HubCache, Folder };

struct FoundModel {
  std::filesystem::path folder;
  FoundIn place = FoundIn::Folder;
  std::string repository;   ///< "org/name" in the cache, else empty
  std::string revision;     ///< the refs that lead to it ("main"), else the first digits of the
                            ///< commit; empty outside the cache
  std::string model_type;   ///< of config.json; empty when it cannot be read
  std::uint64_t bytes = 0;  ///< of the weights, or of all files where there are no weights to read
  std::string dtype;        ///< of most weights: F16, BF16, F32; empty when they cannot be read
  bool loadable = false;
  std::string why_not;      ///< a sentence, where it is not loadable
  bool unfinished = false;  ///< a fetch of it was cut off; fetching again goes on
};

/// A model_type that the engine has a family for.
struct LoadableType {
  LoadableType(const char* type, bool pictures = true)
      : model_type(type), takes_pictures(pictures) {}

  std::string model_type;
  bool takes_pictures;  ///< a folder without a picture processor cannot be loaded
};

/// One folder.
FoundModel inspect_model(const std::filesystem::path& folder,
                         const std::vector<LoadableType>& loadable_types);

/// The cache's snapshots (of a repository those that refs lead to, else the newest), and `folders`:
/// each a checkpoint, or holding checkpoints one level down. Folders that are gone are left out.
/// What can be loaded comes first, then by name. `go_on`: false ends it with what was found.
std::vector<FoundModel> find_models(const std::filesystem::path& cache,
                                    const std::vector<std::filesystem::path>& folders,
                                    const std::vector<LoadableType>& loadable_types,
                                    const std::function<bool()>& go_on = {});

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// Whether the two files of an adapter's folder say the same: what adapter_config.json chooses of
// the base is what the tensor file has tensors of. A file of which a part is lost, or an adapter of
// a base with fewer layers, would answer half applied.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "engine/methods/method.h"

namespace luthier {

struct FolderContents {
  std::set<std::string> hung;       ///< modules that the file has a plug's tensors of
  std::set<std::string> by_weight;  ///< those that target_parameters names
  std::set<std::string> saved;      ///< modules with whole tensors in the file
  std::set<std::string> biases;     ///< modules whose bias the file has by itself
  bool older = false;               ///< it has names of an older transformers
  std::string config, tensors;      ///< the two files
};

/// An Input error naming the module. Folders whose names are of an older transformers are left
/// alone: their patterns were written for other names than those in memory.
Status check_contents(const ModuleMethod& method, const std::vector<ModelModule>& modules,
                      const std::string& head, const AdapterSettings& settings,
                      const FolderContents& found);

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// An adapter's folder as PEFT lays it, opened without a base: by its own words, before anything of
// it is read.
#pragma once

#include <filesystem>

#include "engine/methods/method.h"

namespace luthier {

struct AdapterFolder {
  const Method* method;
  AdapterSettings settings;
  SafetensorsFile file;  ///< its tensors
};
/// What load_adapter refuses of a folder by itself, in the same words.
Result<AdapterFolder> open_adapter_folder(const std::filesystem::path& folder);

}  // namespace luthier

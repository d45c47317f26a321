// SPDX-License-Identifier: GPL-3.0-or-later
// An adapter's folder as it lies there, without a base to put it on: its method, its settings, and
// its tensors by the names of the file. What is done with adapters alone begins here.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "engine/io/json.h"
#include "engine/io/safetensors.h"
#include "engine/methods/method.h"

namespace luthier {

struct StoredAdapter {
  std::filesystem::path folder;
  const Method* method = nullptr;
  Json config;
  AdapterSettings settings;
  SafetensorsFile file;
  /// Views by the suffixes of the method's keys, by the modules' names in the file, without PEFT's
  /// prefix.
  std::map<std::string, std::map<std::string, TensorView>> modules;
  /// What is of no plug, by its key in the file: modules trained whole, and the base's own weight
  /// that PEFT writes beside the plug of an embedding or head.
  std::map<std::string, TensorView> whole;

  std::string where() const;  ///< its adapter_config.json
  /// A module's tensor in float32.
  Result<torch::Tensor> read(const std::string& module, const std::string& suffix) const;
};

/// Input errors: what load_adapter refuses of a folder by itself.
Result<StoredAdapter> open_stored_adapter(const std::filesystem::path& folder);

/// Names of modules that any of them has.
std::vector<std::string> modules_of_any(const std::vector<StoredAdapter>& adapters);

}  // namespace luthier

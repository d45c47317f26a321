// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/lora_tensors.h"

#include <set>
#include <string_view>

namespace luthier {

namespace {

constexpr std::string_view kPrefix = "base_model.model.";
constexpr std::string_view kBaseLayer = ".base_layer.";

/// 'A', 'B' or 0: which half of a pair the key is.
char half_of(const std::string& key) {
  if (key.ends_with(".lora_A.weight") || key.ends_with(".lora_embedding_A")) return 'A';
  if (key.ends_with(".lora_B.weight") || key.ends_with(".lora_embedding_B")) return 'B';
  return 0;
}

}  // namespace

Result<LoraTensors> sort_lora_tensors(const SafetensorsFile& file, const Family& family) {
  LoraTensors tensors;
  std::set<std::string> names;
  for (const auto& [key, info] : file.header().tensors) {
    const std::string place = file.path().string() + ": " + key;
    if (info.dtype != DType::F32 && info.dtype != DType::F16 && info.dtype != DType::BF16 &&
        info.dtype != DType::F64) {
      return input_error("The tensor is stored as " + dtype_name(info.dtype) + ".", place,
                         "Adapters hold F32, F16 or BF16.");
    }
    const std::string stored = key.starts_with(kPrefix) ? key.substr(kPrefix.size()) : key;
    const auto view = file.find(key);
    std::string name;
    if (const char half = half_of(stored)) {
      const std::string module = stored.substr(0, stored.rfind(".lora_"));
      name = family.memory_name(module + ".");
      name.pop_back();
      LoraTensors::Pair& pair = tensors.pairs[name];
      pair.stored = module;
      (half == 'A' ? pair.a : pair.b) = view;
      name += stored.substr(module.size());
    } else {
      std::string whole = stored;
      const auto at = whole.find(kBaseLayer);
      if (at != std::string::npos) whole.erase(at, kBaseLayer.size() - 1);
      name = family.memory_name(whole);
      tensors.whole.push_back({key, name, *view, at != std::string::npos});
    }
    if (!names.insert(name).second) {
      return input_error("Two tensors stand for " + name + ".", place,
                         "Names of two releases of transformers are mixed in the file; keep one.");
    }
  }
  return tensors;
}

}  // namespace luthier

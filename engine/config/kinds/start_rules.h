// SPDX-License-Identifier: GPL-3.0-or-later
// What a start of LoRA's pair (init_lora_weights) wants of the base's weight, asked of recipes, of
// folders and of tensors alike.
#pragma once

#include <string>

namespace luthier {

/// The start whose B is the smallest part of the weight and does not train (MiCA).
inline constexpr const char* kMica = "mica";

/// Whether the start is a part of the base's weight, taken out of it.
inline bool takes_from_base(const std::string& start) {
  return start == "olora" || start.starts_with("pissa");
}

/// Whether the start packs the base's weight.
inline bool packs_base(const std::string& start) { return start == "loftq"; }

/// Whether the start is made of the base's weight in one of the ways above, and so needs its
/// numbers.
inline bool starts_from_weight(const std::string& start) {
  return takes_from_base(start) || packs_base(start) || start == kMica;
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// What each of several ranks keeps a part of instead of all of it. No LibTorch.
#pragma once

#include <string>
#include <vector>

namespace luthier {

struct Shards {
  bool optimizer = false;  ///< the optimizer's state (ZeRO's first stage)
  bool base = false;       ///< the decoder's frozen weights
  bool any() const { return optimizer || base; }
  bool operator==(const Shards&) const = default;
};

/// Of no word that there is: nothing is sharded.
inline Shards shards_of(const std::string& word) {
  return {word.starts_with("optimizer"), word.ends_with("base")};
}
inline std::string word_of(const Shards& shards) {
  if (shards.optimizer && shards.base) return "optimizer,base";
  return shards.optimizer ? "optimizer" : shards.base ? "base" : "none";
}
/// All that shards_of() knows.
inline std::vector<std::string> shard_words() {
  return {"none", "optimizer", "base", "optimizer,base"};
}

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// The binary form of sentencepiece's normalization rules: 4 bytes with the trie's size, the double
// array, the strings.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"

namespace luthier {

class Charsmap {
 public:
  static Result<Charsmap> parse(std::string_view blob, const std::string& where);
  /// What the shortest known prefix of `key` is replaced by; nullopt where none is known.
  std::optional<std::string_view> find(std::string_view key) const;

  const std::vector<std::uint32_t>& units() const { return units_; }
  std::size_t strings_size() const { return strings_.size(); }

 private:
  std::vector<std::uint32_t> units_;
  std::string strings_;
};

}  // namespace luthier

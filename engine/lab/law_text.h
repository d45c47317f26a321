// SPDX-License-Identifier: GPL-3.0-or-later
// The language that a sweep's models learn: a few hundred made-up words, each drawn by what stood
// before it, from tables that a seed decides. Common words and pairs are learned from little data
// and by few weights; the rare ones take more of both, as in a language that people speak
// (Michaud et al. 2023 draw laws from such tails). Since the tables are known, so is the loss that
// no model falls below.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/base/random_stream.h"
#include "engine/base/result.h"

namespace luthier {

enum class LawTextSplit { Train, HeldOut };

class LawText {
 public:
  static constexpr int kWords = 256;
  static constexpr int kRowWords = 63;  ///< a row is <s> and so many words

  explicit LawText(std::uint64_t seed);

  const std::vector<std::string>& words() const { return words_; }
  /// Words of a row as numbers; the same for the same seed, split and place.
  std::vector<int> row(LawTextSplit split, std::uint64_t place) const;
  std::string text(const std::vector<int>& row) const;
  /// How likely the word is behind these two.
  double probability(int before, int last, int word) const;
  /// -ln of the row's probability, over its words: nats a token.
  double floor(const std::vector<int>& row) const;

  /// tokenizer.json and tokenizer_config.json: <unk> <s> </s> <pad>, then a piece a word.
  Status write_tokenizer(const std::filesystem::path& folder) const;
  static constexpr int kVocabulary = kWords + 4;

 private:
  static constexpr int kAfterOne = 4, kAfterTwo = 3;
  int by_chance(double unit) const;
  std::array<int, kAfterOne> after(int last) const;
  std::array<int, kAfterTwo> after(int before, int last) const;

  std::uint64_t seed_;
  std::vector<std::string> words_;
  std::vector<double> shares_, sums_;  ///< of each word where nothing is said, and up to it
};

}  // namespace luthier

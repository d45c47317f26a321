// SPDX-License-Identifier: GPL-3.0-or-later
// An answer cut for showing: which words differ from another answer's, and which tokens wrote each
// part. The window and the page draw the same pieces. Places are bytes of the text, between
// characters. No LibTorch.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "engine/compare/comparison.h"

namespace luthier {

struct TextRange {
  std::size_t begin = 0, end = 0;
};

/// Words of `text` (between white space) outside a longest common subsequence with the words of
/// `reference`. Beyond two thousand words the whole text is one range where it differs.
std::vector<TextRange> changed_words(const std::string& reference, const std::string& text);

struct AnswerPiece {
  std::size_t begin = 0, end = 0;
  bool differs = false;
  /// Whose place covers it: one, or those that made a character together.
  std::vector<std::size_t> tokens;
};

/// The whole text in pieces, each inside one token's place and inside or outside of a changed word.
/// `reference`: the text to differ from; null: none.
std::vector<AnswerPiece> answer_pieces(const ComparisonAnswer& answer,
                                       const std::string* reference);

}  // namespace luthier

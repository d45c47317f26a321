// SPDX-License-Identifier: GPL-3.0-or-later
// An answer's text as its tokens come, and where in the text each token stands. Pieces joined are
// not the text: sentencepiece drops the first space, several byte tokens make one character,
// special tokens are left out, spaces may be tidied away. So places come from decoding the tokens
// so far, after each one. No LibTorch.
//   AnswerText text(tokenizer); text.add(17); text.add(4); text.text(); text.ranges();
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "engine/text/tokenizer.h"

namespace luthier {

class AnswerText {
 public:
  explicit AnswerText(const Tokenizer& tokenizer) : tokenizer_(&tokenizer) {}

  /// The next token. A model's vocabulary may be padded past the tokenizer's: such an id has no
  /// text.
  void add(TokenId id);
  /// All tokens decoded, special ones left out.
  const std::string& text() const { return text_; }
  /// [begin, end) in bytes of text(), one a token: see AnswerToken.
  std::vector<std::pair<std::size_t, std::size_t>> ranges() const;

 private:
  /// The text after a token is the first `kept` bytes of the text before it, and `tail`.
  struct Step {
    std::size_t kept = 0;
    std::string tail;
    bool silent = false;  ///< it has no text of its own
  };

  const Tokenizer* tokenizer_;
  std::vector<TokenId> ids_;
  std::string text_;
  std::vector<Step> steps_;
};

/// A token as a person reads it: with the space that it begins with, a special token or a byte by
/// its name.
std::string piece_text(const Tokenizer& tokenizer, TokenId id);

}  // namespace luthier

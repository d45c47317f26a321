// SPDX-License-Identifier: GPL-3.0-or-later
// Two texts as tokens that are read as one row, taken apart and put together again: objectives that
// exchange one of them (next sentence, sentence order) do that between drawing and learning.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/base/random_stream.h"
#include "engine/data/row_kind.h"

namespace luthier {

struct TextPair {
  std::vector<TokenId> first, second;  ///< without special tokens

  std::size_t tokens() const { return first.size() + second.size(); }
};

/// While both together are more than `room` tokens (0: no limit), the longer one loses a token, at
/// its beginning or at its end as `draws` has it (Devlin et al. 2019); of equals the second does.
void cut_longer_text(TextPair& pair, std::size_t room, RandomStream& draws);

/// Laid out as the tokenizer's post-processor says, with token types; labels are the texts' own
/// tokens. The tokenizer must say how two texts are read together.
Example laid_out_pair(const Tokenizer& tokenizer, const TextPair& pair);

/// What laid_out_pair was given, whose first text had so many tokens.
TextPair taken_apart(const Tokenizer& tokenizer, const Example& example, std::size_t first);

}  // namespace luthier

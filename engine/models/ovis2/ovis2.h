// SPDX-License-Identifier: GPL-3.0-or-later
// Ovis 2 (Lu et al. 2024): AIMv2's tower over the whole picture and tiles, a head that gives each
// square of patches shares of a visual vocabulary, a table of its words, a Qwen2 decoder. Tokens
// that tell the parts of a picture from one another are read from that table, too. As
// Ovis2ForConditionalGeneration of transformers 5.17.
#pragma once

#include <vector>

#include "engine/models/decoder.h"
#include "engine/models/family.h"
#include "engine/models/ovis2/aimv2_tower.h"
#include "engine/models/ovis2/visual_words.h"

namespace luthier {

struct Ovis2Options {
  Aimv2Options vision;
  DecoderOptions text;
  std::int64_t fold = 1;  ///< hidden_stride: a square of so many patches a side is one token
  std::int64_t vocabulary = 16384;  ///< rows of the visual table
  std::int64_t indicators = 5;      ///< the last of them, which are no picture's words
  WordChoice choice = WordChoice::Mixture;
  std::vector<TokenId> indicator_ids;  ///< the text's tokens that take those rows, in their order
  bool tie_word_embeddings = true;
  TokenId image_token_id = 151665;

  std::int64_t words() const { return vocabulary - indicators; }
  std::int64_t frame_tokens() const { return vision.patches() / (fold * fold); }
  std::int64_t folded_size() const { return vision.hidden_size * fold * fold; }
};
Result<Ovis2Options> read_ovis2_options(const Json& config, const std::string& where);

/// The row of the family table.
extern const Family ovis2_family;

}  // namespace luthier

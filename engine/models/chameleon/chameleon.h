// SPDX-License-Identifier: GPL-3.0-or-later
// Chameleon (Chameleon Team 2024): a picture is codes, and its codes are words of the one decoder.
// As ChameleonForConditionalGeneration of transformers 5.17, which writes no pictures: the logits
// of their words are the lowest number there is.
#pragma once

#include "engine/models/chameleon/code_tower.h"
#include "engine/models/decoder.h"
#include "engine/models/family.h"

namespace luthier {

struct ChameleonOptions {
  DecoderOptions text;
  CodeTowerOptions codes;
  bool tie_word_embeddings = false;
  TokenId image_token_id = 8711;
  std::vector<TokenId> words;  ///< of each code
};
Result<ChameleonOptions> read_chameleon_options(const Json& config, const std::string& where);

/// The row of the family table.
extern const Family chameleon_family;

}  // namespace luthier

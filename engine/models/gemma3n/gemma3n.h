// SPDX-License-Identifier: GPL-3.0-or-later
// Gemma 3n (Gemma Team 2025): MobileNet-V5's encoder, a norm and a product into the text, Gemma
// 3n's decoder. As Gemma3nForConditionalGeneration of transformers 5.17, for pictures: a folder's
// tower for sound is left unread. Of sound the tokens of the vocabulary are there.
#pragma once

#include "engine/models/family.h"
#include "engine/models/gemma3n/embedder.h"
#include "engine/models/gemma3n/mobilenet_options.h"

namespace luthier {

struct Gemma3nModelOptions {
  DecoderOptions text;
  MobileNetOptions tower;
  MediaOptions vision, audio{1536, 128, 262272, 1e-6};
  bool tie_word_embeddings = true;
  TokenId image_token_id = 262145;
};
Result<Gemma3nModelOptions> read_gemma3n_options(const Json& config, const std::string& where);

/// The row of the family table.
extern const Family gemma3n_family;

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// Mistral Small 3.1 and Ministral 3 (Mistral AI 2025): Pixtral's tower, a merger of neighbouring
// patches and a two-layer projector before a Mistral or Ministral 3 decoder. As
// Mistral3ForConditionalGeneration of transformers 5.17.
#pragma once

#include "engine/models/decoder.h"
#include "engine/models/family.h"
#include "engine/models/mistral3/pixtral_tower.h"

namespace luthier {

struct Mistral3Options {
  PixtralOptions vision;
  DecoderOptions text;
  std::int64_t layers_run = 0;          ///< of the tower: vision_feature_layer
  std::int64_t spatial_merge_size = 2;  ///< patches along either side of what becomes one token
  Activation projector_hidden_act = Activation::Gelu;
  bool projector_bias = false;
  bool tie_word_embeddings = true;
  TokenId image_token_id = 10;
};
Result<Mistral3Options> read_mistral3_options(const Json& config, const std::string& where);

}  // namespace luthier

// SPDX-License-Identifier: GPL-3.0-or-later
// LFM2-VL (Liquid AI 2025): SigLIP 2's tower for pictures and tiles of any proportions, squares of
// patches folded into one token, a two-layer projector, an LFM2 decoder. As
// Lfm2VlForConditionalGeneration of transformers 5.17.
#pragma once

#include "engine/models/decoder.h"
#include "engine/models/family.h"
#include "engine/models/siglip2/siglip2_tower.h"

namespace luthier {

struct Lfm2VlOptions {
  Siglip2Options vision;
  DecoderOptions text;
  std::int64_t downsample_factor = 2;  ///< patches along either side of what becomes one token
  std::int64_t projector_hidden_size = 2560;
  Activation projector_hidden_act = Activation::Gelu;
  bool projector_bias = true, projector_use_layernorm = true;
  bool tie_word_embeddings = true;
  TokenId image_token_id = 396;
};
Result<Lfm2VlOptions> read_lfm2_vl_options(const Json& config, const std::string& where);

}  // namespace luthier

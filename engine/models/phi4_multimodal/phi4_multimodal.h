// SPDX-License-Identifier: GPL-3.0-or-later
// Phi-4-multimodal (Microsoft 2025): SigLIP's tower over the squares that a picture lies on and
// over the whole, patches pooled two by two, separators behind the lines and between both views, a
// two-layer projector, Phi-3's decoder. As Phi4MultimodalForCausalLM of transformers 5.17, of which
// the half that hears is left unread.
#pragma once

#include "engine/models/decoder.h"
#include "engine/models/family.h"
#include "engine/models/phi4_multimodal/phi4_tower.h"

namespace luthier {

struct Phi4MultimodalOptions {
  Phi4VisionOptions vision;
  DecoderOptions text;
  bool tie_word_embeddings = false;
  TokenId image_token_id = 200010;
};
Result<Phi4MultimodalOptions> read_phi4_multimodal_options(const Json& config,
                                                           const std::string& where);

}  // namespace luthier

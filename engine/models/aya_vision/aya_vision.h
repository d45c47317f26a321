// SPDX-License-Identifier: GPL-3.0-or-later
// Aya Vision (Dash et al. 2025): a SigLIP tower over tiles and the whole picture, squares of
// patches folded into one, a norm and a SwiGLU, a Cohere 2 decoder. As
// AyaVisionForConditionalGeneration of transformers 5.17, which leaves the decoder's logit_scale
// out.
#pragma once

#include "engine/models/decoder.h"
#include "engine/models/family.h"
#include "engine/models/vision_tower.h"

namespace luthier {

struct AyaVisionOptions {
  VisionTowerOptions vision;
  DecoderOptions text;
  std::int64_t feature_layer = -1;  ///< as the config has it
  bool drop_first_feature = false;  ///< vision_feature_select_strategy "default" or "full"
  std::int64_t fold = 2;  ///< downsample_factor: a square of so many patches a side is one token
  std::int64_t alignment_size = 0;  ///< what the projector's first product gives: two halves
  double norm_eps = 1e-6;
  bool tie_word_embeddings = true;
  TokenId image_token_id = 255036;
};
Result<AyaVisionOptions> read_aya_vision_options(const Json& config, const std::string& where);

/// The row of the family table.
extern const Family aya_vision_family;

}  // namespace luthier
